"""The image and the compose cluster of ops/docker and ops/compose on an engine of the test's own: up, scaled, upgraded and its broker
restarted while clients stream through the proxy. The clients and the history checker judge."""
import json
import os
import time

import pytest

from base import Missing
from engine import ENTER, PUBLIC, Engine, in_namespace
from support.http import get
from support.programs import ROOT, run_program
from support.wait import until

CLIENTS = int(os.environ.get("TOCSIN_COMPOSE_CLIENTS", "2000"))
TARGET = f"{PUBLIC}:8080"
MIB = 1 << 20


def build_images(engine, programs):
    """The image twice, under two tags; and the proxy and Prometheus beside it."""
    begin = time.monotonic()
    engine.base_image()
    print(f"base image: {time.monotonic() - begin:.0f} s, {engine.size('debian:bookworm-slim') / MIB:.0f} MiB")
    common = ["build", "--network", "host", "--build-arg", f"PROGRAMS={programs}", "-f", "ops/docker/Dockerfile"]
    begin = time.monotonic()
    for tag in ("one", "two"):
        engine.docker(*common, "--build-arg", f"VERSION={tag}", "-t", f"tocsin:{tag}", ".", cwd=ROOT, timeout=3600)   # compiled: a quarter of an hour on two idle cores
    for name, folder in (("proxy", "haproxy"), ("prometheus", "prometheus")):
        engine.docker("build", "--network", "host", "-t", f"tocsin-{name}:latest", str(ROOT / "ops/compose" / folder), timeout=600)
    print(f"images ({programs}): {time.monotonic() - begin:.0f} s")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    e = None
    try:
        e = Engine(tmp_path_factory.mktemp("engine"))
        e.for_building()
        build_images(e, os.environ.get("TOCSIN_IMAGE_PROGRAMS", "prebuilt"))
        e.for_running()
        e.copy_tree()
        yield e
    except Missing as why:
        pytest.skip(f"no container engine: {why}")
    finally:
        if e is not None:
            e.close()


ENV = {"TOCSIN_TAG": "one", "TOCSIN_PUBLIC_URL": f"ws://{TARGET}/v1/stream", "TOCSIN_NOFILE": "16384"}


class Compose:
    def __init__(self, engine):
        self.engine = engine

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def edges(self):
        """Short ids (the edges' names in welcome), by image."""
        ids = self.engine.compose("ps", "-q", "edge", env=ENV).stdout.split()
        facts = json.loads(self.engine.docker("inspect", *ids).stdout) if ids else []
        return {f["Id"][:12]: f["Config"]["Image"] for f in facts if f["State"]["Running"]}

    def ctl(self, *args, check=True):
        """tocsinctl inside of the supervisor's container."""
        done = self.engine.compose("exec", "-T", "supervisor", "tocsinctl", *args, env=ENV, check=False)
        assert not check or done.returncode == 0, done
        return done

    def seen(self):
        """What the supervisor says of each edge, by name."""
        done = self.ctl("status", "--json", check=False)
        if done.returncode not in (0, 7) or "supervisor" not in json.loads(done.stdout):
            return {}
        return {p["name"]: p for p in json.loads(done.stdout)["supervisor"]["processes"] if p["name"] != "broker"}

    def logs(self):
        return self.engine.compose("logs", "--no-color", "--tail", "60", env=ENV, check=False).stdout[-6000:]

    def get(self, path="", host=TARGET):
        with in_namespace():
            return get(f"http://{host}{path}", timeout=3)


@pytest.fixture(scope="module")
def cluster(engine):
    """Up from images only: no container, network or volume is there yet."""
    engine.script("./token.sh")
    begin = time.monotonic()
    engine.compose("up", "-d", "--no-build", env=ENV)
    c = Compose(engine)
    try:
        until(lambda: c.get("/health/ready").status == 200, "the proxy to reach an edge", 60, 0.2)
        until(lambda: {c.get("/health").json()["edge"] for _ in range(12)} == set(c.edges()), "the proxy to know three edges", 60, 0.2)
        c.up_seconds = time.monotonic() - begin
        yield c
    finally:
        print(c.logs())
        engine.compose("down", "-v", "-t", "1", env=ENV, check=False)


@pytest.fixture
def crowd(cluster, load):
    """Everybody streams through the proxy inside."""
    def start(clients=CLIENTS):
        # Ten updates a second on each of three channels: what two cores carry through the proxy while they start containers.
        return load([TARGET], clients=clients, rate=30, prefix=ENTER, settle_seconds=60)
    return start


def must_be_untouched(fleet, name):
    fleet.stop()
    report, phase = fleet.must_hold(), fleet.phase(name)
    print(name, report)
    assert phase["cut"] == 0 and phase["blackout_ms"]["max"] == 0, phase
    assert report["renewed_sessions"] == 0 and report["snapshots"] == 0, report


def test_the_image_is_small_and_runs_as_nobody(engine):
    above = (engine.size("tocsin:one") - engine.size("debian:bookworm-slim")) / MIB
    print(f"image: {above:.1f} MiB above its base")
    assert above <= 60
    config = json.loads(engine.docker("image", "inspect", "tocsin:one").stdout)[0]["Config"]
    assert config["User"] == "65532:65532" and config["StopSignal"] == "SIGTERM" and config["Healthcheck"]["Test"] == ["CMD", "tocsinctl", "health"]
    assert config["Labels"]["org.opencontainers.image.version"] == "one"
    for program in ("tocsin-broker", "tocsin-edge", "tocsin-supervisor", "tocsinctl"):
        out = engine.docker("run", "--rm", "--read-only", "--network", "none", "--cap-drop", "ALL", "tocsin:one", program, "--version").stdout
        assert out.startswith(program), out


def test_three_edges_behind_the_proxy_are_up(cluster):
    print(f"up after {cluster.up_seconds:.1f} s")
    assert cluster.up_seconds < 60
    assert len(cluster.edges()) == 3
    assert cluster.get("/metrics").status == 404 and cluster.get("/admin/status").status == 404
    for service in ("broker", "edge", "supervisor"):
        for container in cluster.compose("ps", "-q", service, env=ENV).stdout.split():
            host = json.loads(cluster.docker("inspect", container).stdout)[0]["HostConfig"]
            assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and "no-new-privileges:true" in host["SecurityOpt"], host
            done = cluster.docker("exec", container, "/bin/sh", "-c", "echo x >/usr/bin/x", check=False)
            assert done.returncode != 0 and "Read-only" in done.stderr


def test_a_link_with_keys(cluster, tmp_path):
    """docker-compose.curve.yml, as it says itself; a broker and an edge of another project, beside the cluster. What an edge without keys
    gets is in test_compose_files.py."""
    for name in ("broker", "edge"):
        assert run_program("tocsinctl", "keys", "make", name, "--dir", tmp_path).code == 0
    for file in (tmp_path / "keys").glob("*.json"):
        os.chown(file, 0, 65532)
        file.chmod(0o440)
    env = {**ENV, "COMPOSE_FILE": "docker-compose.yml:docker-compose.curve.yml", "COMPOSE_PROJECT_NAME": "tocsin-curve", "TOCSIN_KEYS": str(tmp_path / "keys")}
    try:
        cluster.compose("up", "-d", "--no-build", "--scale", "edge=1", "edge", env=env)
        broker, edge = (cluster.compose("ps", "-q", service, env=env).stdout.strip() for service in ("broker", "edge"))
        for container in (broker, edge):
            health = ("inspect", "-f", "{{.State.Health.Status}}", container)
            until(lambda h=health: cluster.docker(*h).stdout.strip() == "healthy", "broker and edge to be healthy", 60, 0.2)
        assert cluster.docker("exec", edge, "cat", "/run/secrets/broker.json", check=False).returncode != 0, "an edge has no secret of the broker's"
    finally:
        cluster.compose("down", "-v", "-t", "1", env=env, check=False)


def test_prometheus_finds_everybody_and_takes_the_rules(cluster):
    def targets():
        found = cluster.get("/api/v1/targets", f"{PUBLIC}:9090").json()["data"]["activeTargets"]
        return len(found) == 5 and all(t["health"] == "up" for t in found)
    until(targets, "Prometheus to see the broker, three edges and the supervisor", 40, 0.5)
    if list((ROOT / "ops/alerts").glob("rules.yml")):
        groups = cluster.get("/api/v1/rules", f"{PUBLIC}:9090").json()["data"]["groups"]
        assert groups and all(rule["health"] != "err" for group in groups for rule in group["rules"]), groups


def test_the_supervisor_sees_three_edges(cluster):
    until(lambda: {n for n, e in cluster.seen().items() if e.get("edge_state") == "ready"} == set(cluster.edges()), "the supervisor to see three edges", 30, 0.2)
    text = cluster.ctl("status").stdout
    assert all(name in text for name in cluster.edges()) and "trouble" not in text, text
    container = cluster.compose("ps", "-q", "supervisor", env=ENV).stdout.strip()
    until(lambda: cluster.docker("inspect", "-f", "{{.State.Health.Status}}", container).stdout.strip() == "healthy", "the container to be healthy", 20, 0.2)
    refused = cluster.ctl("scale", "4", check=False)
    assert refused.returncode != 0 and "ops/compose/scale.sh" in refused.stderr, refused


def test_a_drain_through_the_supervisor_which_is_killed_meanwhile(cluster, crowd):
    """Nobody is lost: the edge drains by itself, and the next supervisor goes on with the plan."""
    fleet = crowd(CLIENTS // 2)
    fleet.mark("drain")
    edge = sorted(cluster.edges())[0]
    begin = time.monotonic()
    done = json.loads(cluster.ctl("drain", edge, "--wait", "--json").stdout)
    print(f"a drain of {done['planned']} clients through the proxy: {time.monotonic() - begin:.1f} s, blackout p99 {done.get('blackout_ms', {}).get('p99')} ms")
    assert done["state"] == "done" and done["lost"] == done["closed"] == 0 and done["migrated"] == done["planned"] > 0, done
    assert set(fleet.status()["edges"]) == set(cluster.edges()) - {edge}
    cluster.ctl("uncordon", edge)
    until(lambda: cluster.get("/health").json()["edge"] == edge, "the proxy to use it again", 30, 0.2)

    other = max(cluster.seen().values(), key=lambda e: e["clients"])["name"]
    plan = json.loads(cluster.ctl("drain", other, "--rate", "100", "--json").stdout)["id"]
    container = cluster.compose("ps", "-q", "supervisor", env=ENV).stdout.strip()
    until(lambda: json.loads(cluster.ctl("drain", "report", plan, "--json").stdout)["migrated"] > 0, "the second drain to be under way", 30, 0.1)
    cluster.docker("kill", container)
    cluster.docker("start", container)

    def over():
        said = cluster.ctl("drain", "report", plan, "--json", check=False)
        report = json.loads(said.stdout) if said.returncode == 0 else {}
        return report if report.get("state") == "done" else None
    done = until(over, "the plan to be done", 60, 0.2)
    assert done["lost"] == done["closed"] == 0 and done["migrated"] == done["planned"] > 0, done
    cluster.ctl("uncordon", other)
    until(lambda: set(cluster.edges()) == {n for n, e in cluster.seen().items() if e.get("edge_state") == "ready"}, "all edges to take clients", 30, 0.2)
    must_be_untouched(fleet, "drain")


def test_scaled_from_three_to_five_to_two(cluster, crowd):
    fleet = crowd(CLIENTS // 2)
    fleet.mark("scale")
    cluster.script("./scale.sh", "5", env=ENV)
    assert len(cluster.edges()) == 5
    fresh = set(cluster.edges()) - set(fleet.status()["edges"])   # they have the fewest connections: all that is new goes there
    assert len(fresh) == 2
    until(lambda: {cluster.get("/health").json()["edge"] for _ in range(12)} == fresh, "the proxy to know the new ones", 30, 0.2)
    cluster.script("./scale.sh", "2", env=ENV)
    left = set(cluster.edges())
    assert len(left) == 2
    assert set(fleet.status()["edges"]) == left, fleet.status()
    must_be_untouched(fleet, "scale")
    until(lambda: set(cluster.seen()) == left, "the supervisor to have forgotten the others", 40, 0.5)
    cluster.script("./scale.sh", "3", env=ENV)


def test_a_broker_restart(cluster, crowd):
    fleet = crowd(CLIENTS // 2)
    fleet.mark("broker")
    cluster.compose("restart", "broker", env=ENV)
    until(lambda: cluster.get("/health/ready").status == 200, "the edges to have their broker again", 30, 0.2)
    must_be_untouched(fleet, "broker")


def test_a_rolling_upgrade_to_another_image(cluster, crowd):
    before = set(cluster.edges())
    broker = cluster.compose("ps", "-q", "broker", env=ENV).stdout.strip()
    fleet = crowd()
    fleet.mark("upgrade")
    begin = time.monotonic()
    cluster.script("./upgrade.sh", "two", env=ENV)
    print(f"upgrade of three edges and the broker under {CLIENTS} clients: {time.monotonic() - begin:.0f} s")
    now = cluster.edges()
    assert len(now) == 3 and set(now.values()) == {"tocsin:two"} and not before & set(now), now
    assert cluster.compose("ps", "-q", "broker", env={**ENV, "TOCSIN_TAG": "two"}).stdout.strip() != broker
    until(lambda: set(fleet.status()["edges"]) == set(now), "everybody on the new edges", 30)
    until(lambda: set(cluster.seen()) == set(now), "the supervisor to know the new edges", 40, 0.5)
    supervisor = cluster.compose("ps", "-q", "supervisor", env={**ENV, "TOCSIN_TAG": "two"}).stdout.strip()
    assert json.loads(cluster.docker("inspect", supervisor).stdout)[0]["Config"]["Image"] == "tocsin:two"
    must_be_untouched(fleet, "upgrade")
    assert fleet.report["hops"]["max"] <= 1, fleet.report["hops"]


def test_an_upgrade_to_what_does_not_start_changes_nothing(cluster, crowd):
    tag = next(iter(set(cluster.edges().values()))).split(":")[1]
    env = {**ENV, "TOCSIN_TAG": tag}
    before = cluster.edges()
    cluster.docker("tag", "debian:bookworm-slim", "tocsin:broken")
    fleet = crowd(200)
    fleet.mark("upgrade")
    done = cluster.script("./upgrade.sh", "broken", env=env, check=False)
    assert done.returncode == 1, done
    assert cluster.edges() == before
    missing = cluster.script("./upgrade.sh", "nowhere", env=env, check=False)
    assert missing.returncode == 1 and "no image tocsin:nowhere" in missing.stderr, missing
    must_be_untouched(fleet, "upgrade")


def test_a_kill_of_the_broker_container(cluster, crowd):
    """No SIGTERM: what was acknowledged is in the volume."""
    fleet = crowd(200)
    broker = cluster.compose("ps", "-q", "broker", env=ENV).stdout.strip()
    cluster.docker("kill", broker)
    cluster.docker("start", broker)
    until(lambda: cluster.get("/health/ready").status == 200, "the edges to have their broker again", 30, 0.2)
    fleet.mark("after")
    fleet.stop()
    fleet.must_hold()
    assert fleet.phase("after")["cut"] == 0
