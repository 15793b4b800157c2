"""The scripts of ops/runbook on the local cluster, under clients: upgrade, blue-green, canary, rollback and recovery."""
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from support import drain
from support.cluster import Cluster
from support.http import get, post_json
from support.process import Edge, Pair
from support.programs import BIN, ROOT, clean_env, program, run_program
from support.wait import until

SCRIPTS = ROOT / "ops/runbook/scripts"
CLIENTS = 150
HAS_BACKUP = "\n  backup" in run_program("tocsinctl", "--help").out
needs_backup = pytest.mark.skipif(not HAS_BACKUP, reason="this tocsinctl has no backup")


def script(name, *args, timeout=180):
    return subprocess.run([SCRIPTS / name, *map(str, args)], capture_output=True, text=True, timeout=timeout, check=False,
                          env=clean_env(TOCSINCTL=program("tocsinctl")))


def succeeded(done):
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def addresses(edges):
    return [e["http"].removeprefix("http://") for e in edges]


def release(folder):
    """The same programs in another place."""
    folder.mkdir()
    for name in ("tocsin-broker", "tocsin-edge", "tocsin-supervisor", "tocsinctl"):
        shutil.copy2(BIN / name, folder / name)
    return folder


def runs_from(cluster):
    return {str(pathlib.Path(os.readlink(f"/proc/{cluster.pid_of(which)}/exe")).parent) for which in ("broker", "edge-0", "edge-1")}


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path / "cluster", edges=2, config=drain.CONFIG) as c:
        yield c


def must_be_untouched(fleet, name):
    fleet.stop()
    report, phase = fleet.must_hold(), fleet.phase(name)
    assert phase["cut"] == 0 and phase["blackout_ms"]["max"] == 0, (phase, report)


def test_an_upgrade_and_its_rollback_cut_nobody(cluster, load, tmp_path):
    fleet = load(addresses(cluster.edges), clients=CLIENTS)
    fleet.mark("upgrade")
    before, newer = runs_from(cluster), release(tmp_path / "newer")
    settings = tmp_path / "newer.yaml"
    settings.write_text(drain.CONFIG + "limits:\n  clients_max: 4321\n")
    succeeded(script("upgrade.sh", "--cluster", cluster.file, "--programs", newer, "--config", settings))
    assert runs_from(cluster) == {str(newer)}
    succeeded(script("rollback.sh", "--cluster", cluster.file, "both"))
    assert runs_from(cluster) == before
    assert str(settings).encode() not in pathlib.Path(f"/proc/{cluster.pid_of('edge-0')}/cmdline").read_bytes()
    must_be_untouched(fleet, "upgrade")


def test_an_upgrade_to_what_cannot_run_touches_nothing(cluster, tmp_path):
    pids = cluster.pids()
    done = script("upgrade.sh", "--cluster", cluster.file, "--programs", tmp_path)
    assert done.returncode == 3 and "does not run here" in done.stderr, done
    bad = tmp_path / "bad.yaml"
    bad.write_text("limits:\n  clients_max: many\n")
    done = script("upgrade.sh", "--cluster", cluster.file, "--config", bad)
    assert done.returncode == 3 and "clients_max" in done.stderr, done
    done = script("rollback.sh", "--cluster", cluster.file, "binary")
    assert done.returncode == 3 and "no upgrade is noted" in done.stderr, done
    assert cluster.pids() == pids
    assert script("upgrade.sh").returncode == 2 and script("upgrade.sh", "--cluster", tmp_path / "none").returncode == 2


@pytest.fixture
def colours(tmp_path):
    """A broker, two blue edges and two green ones beside them."""
    pair = Pair(tmp_path / "blue", edge_flags=(*drain.FLAGS, "--edge-revision", "1"), edges=2)
    with pair:
        green = [Edge(tmp_path / "green", pair.broker.endpoint, *drain.FLAGS, "--edge-revision", "2", name=f"green-{i}") for i in range(2)]
        try:
            for edge in green:
                edge.start()
            yield pair, green
        finally:
            for edge in green:
                edge.kill()


def urls(edges):
    return ",".join(e.http for e in edges)


def names(edges):
    return ",".join(e.id for e in edges)


def hosts(edges):
    return [e.http.removeprefix("http://") for e in edges]


def on(fleet, edges):
    return set(fleet.status()["edges"]) == {e.id for e in edges} and sum(fleet.status()["edges"].values()) == CLIENTS


def test_blue_to_green_and_back(colours, load):
    pair, green = colours
    blue = pair.edges
    fleet = load(hosts(blue), clients=CLIENTS)
    fleet.mark("switch")
    succeeded(script("blue-green.sh", "--from", urls(blue), "--to", urls(green), "--names", names(green)))
    until(lambda: on(fleet, green), "everybody on green")
    assert all(get(e.http + "/health").status == 503 for e in blue)
    succeeded(script("blue-green.sh", "--from", urls(green), "--to", urls(blue), "--names", names(blue)))
    until(lambda: on(fleet, blue), "everybody back on blue")
    must_be_untouched(fleet, "switch")


def test_a_switch_to_green_edges_that_are_not_ready_leaves_blue_alone(colours, load):
    pair, green = colours
    green[1].kill()
    done = script("blue-green.sh", "--from", urls(pair.edges), "--to", urls(green), "--names", names(green))
    assert done.returncode == 3, done
    assert all(get(e.http + "/health").status == 200 for e in pair.edges)


def test_a_canary_gets_its_share_and_keeps_it(colours, load):
    pair, green = colours
    fleet = load(hosts(pair.edges), clients=CLIENTS)
    fleet.mark("canary")
    succeeded(script("canary.sh", "--from", urls(pair.edges), "--canary", green[0].http, "--name", green[0].id, "--percent", 10, "--watch", 2))
    share = fleet.status()["edges"][green[0].id]
    assert CLIENTS * 0.1 <= share <= CLIENTS * 0.1 + 2, fleet.status()
    must_be_untouched(fleet, "canary")


def test_a_canary_that_stops_being_ready_loses_its_clients(colours, load):
    pair, green = colours
    fleet = load(hosts(pair.edges), clients=CLIENTS)
    fleet.mark("canary")
    watching = subprocess.Popen([SCRIPTS / "canary.sh", "--from", urls(pair.edges), "--canary", green[0].http, "--name", green[0].id, "--watch", "60", "--back", names(pair.edges)],
                                stderr=subprocess.PIPE, text=True, env=clean_env(TOCSINCTL=program("tocsinctl")))
    try:
        until(lambda: fleet.status()["edges"].get(green[0].id, 0) >= CLIENTS * 0.1, "the canary to have its share", 30)
        post_json(green[0].http + "/admin/cordon", {})
        _, said = watching.communicate(timeout=60)
    finally:
        watching.kill()
    assert watching.returncode == 1 and "not ready any more" in said, said
    until(lambda: on(fleet, pair.edges), "everybody back")
    must_be_untouched(fleet, "canary")


def publish(edge, *ids):
    for i in ids:
        assert post_json(edge["http"] + "/v1/updates", {"event_id": i, "key": i, "incident": {"title": i}}).status == 200


def incidents(http):
    return {i["id"] if "id" in i else i["key"] for i in get(http + "/v1/incidents").json()["incidents"]}


@needs_backup
def test_the_data_goes_back_to_a_backup(cluster, tmp_path):
    backups = tmp_path / "backups"
    publish(cluster.edge(), "kept")
    assert cluster.ctl("backup", "create", "--folder", backups).code == 0
    publish(cluster.edge(), "regretted")
    edges = {e["id"]: e["pid"] for e in cluster.edges}
    succeeded(script("rollback.sh", "--cluster", cluster.file, "data", "--folder", backups))
    until(cluster.all_ready, "the cluster to be ready")
    assert {e["id"]: e["pid"] for e in cluster.edges} == edges, "edges, and their clients' sockets, stay"
    now = incidents(cluster.edge()["http"])
    assert "kept" in now and "regretted" not in now, now
    done = script("rollback.sh", "--cluster", cluster.file, "data", "--folder", tmp_path / "none")
    assert done.returncode == 3, done
    assert cluster.all_ready()


@needs_backup
def test_a_cluster_comes_back_from_a_backup_alone(tmp_path):
    backups = tmp_path / "backups"
    with Cluster(tmp_path / "lost", edges=2) as lost:
        publish(lost.edge(), "kept")
        assert lost.ctl("backup", "create", "--folder", backups).code == 0
    shutil.rmtree(tmp_path / "lost")
    again = Cluster(tmp_path / "again")
    done = succeeded(script("recover.sh", "--dir", again.dir, "--folder", backups, "--port", 0, "--edges", 2))
    pid = int(done.stdout.split()[0])
    try:
        assert "kept" in incidents(again.edge()["http"])
        refused = script("recover.sh", "--dir", again.dir, "--folder", backups)
        assert refused.returncode == 3 and "holds a log already" in refused.stderr, refused
    finally:
        pids = again.pids()
        os.kill(pid, signal.SIGTERM)
        until(lambda: not any(pathlib.Path(f"/proc/{p}").exists() for p in pids), "the cluster to be gone", 20)
    assert script("recover.sh", "--dir", tmp_path / "third", "--folder", tmp_path / "none").returncode == 3
    assert not (tmp_path / "third").exists()
