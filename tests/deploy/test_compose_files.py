"""What docker-compose makes of the files of ops/compose, without an engine; and broker and edges with the environment and keys that it
gives them, as the user that they are in there."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
import yaml

from support.http import get
from support.process import free_port
from support.programs import BIN, ROOT, clean_env, run_program
from support.wait import Late, until

FOLDER = ROOT / "ops/compose"
USER = 65532
pytestmark = pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")


def secrets(service):
    """{name of the file: its source}"""
    return {s.get("target", s["source"]): s["source"] for s in service.get("secrets", ())}


def config(*files, **env):
    """The configuration of these files put together; docker-compose complains itself, but not about secrets that are named nowhere."""
    args = [word for file in files for word in ("-f", file)]
    done = subprocess.run(["docker-compose", *args, "config"], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False,
                          env=clean_env(DOCKER_HOST="unix:///nonexistent", **{k: str(v) for k, v in env.items()}))
    assert done.returncode == 0, done.stderr
    file = yaml.safe_load(done.stdout)
    unknown = {source for service in file["services"].values() for source in secrets(service).values()} - set(file.get("secrets", {}))
    assert not unknown, f"secrets that are not there: {unknown}"
    return file


@pytest.fixture
def folder():
    """Where another user gets to: pytest's own folders are closed to him."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-keys-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def make_keys(folder):
    """As the file says it; a copy of the programs beside them, for who may not read the build."""
    for name in ("broker", "edge"):
        made = run_program("tocsinctl", "keys", "make", name, "--dir", folder)
        assert made.code == 0, made
    for file in (folder / "keys").glob("*.json"):
        os.chown(file, 0, USER)
        file.chmod(0o440)
    (folder / "keys").chmod(0o711)   # a container has the files mounted, without the folder
    for program in ("tocsin-broker", "tocsin-edge"):
        shutil.copy2(BIN / program, folder)
    data = folder / "data"
    data.mkdir()
    os.chown(data, USER, USER)


class Container:
    """A service without its container: its command, its environment, its secrets, its user."""

    def __init__(self, folder, service, file, **more):
        mounted = {f"/run/secrets/{target}": file["secrets"][source]["file"] for target, source in secrets(service).items()}
        # Other secrets are files of the operator's own, and are left out.
        env = {k: mounted.get(v, str(v)) for k, v in service["environment"].items() if k.endswith("KEY_FILE") or "/run/secrets/" not in str(v)}
        self.log = folder / f"{service['command'][0]}.log"
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen([folder / service["command"][0]], env=clean_env(**{**env, **more}), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                          cwd=folder, user=USER, group=USER, extra_groups=[])

    def text(self):
        return self.log.read_text(errors="replace")[-2000:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGKILL)
        self.child.wait(10)


def test_each_gets_its_own_keys_and_no_more():
    plain, curve = config("docker-compose.yml"), config("docker-compose.yml", "docker-compose.curve.yml", TOCSIN_KEYS="/srv/keys")
    assert "CURVE" not in str(plain)
    assert {name: s["file"] for name, s in curve["secrets"].items() if name not in plain.get("secrets", {})} == {
        "broker-key": "/srv/keys/broker.json", "broker-public": "/srv/keys/broker.pub", "edge-key": "/srv/keys/edge.json"}
    added = {name: set(secrets(service)) - set(secrets(plain["services"][name])) for name, service in curve["services"].items()}
    assert {name: files for name, files in added.items() if files} == {
        "broker": {"broker.json"}, "edge": {"edge.json", "broker.pub"}, "supervisor": {"broker.pub"}}
    for name, service in plain["services"].items():   # nothing else is another
        other = {**curve["services"][name], "secrets": service.get("secrets", [])}
        other["environment"] = {k: v for k, v in other.get("environment", {}).items() if not k.endswith("KEY_FILE")}
        assert other == {"environment": {}, "secrets": [], **service}, name


def test_a_mistake_would_be_seen(tmp_path):
    """A service's secret that the file does not name."""
    broken = tmp_path / "broken.yml"
    broken.write_text((FOLDER / "docker-compose.curve.yml").read_text().replace("\n  edge-key: {", "\n  another: {"))
    with pytest.raises(AssertionError, match="edge-key"):
        config("docker-compose.yml", broken)


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to be another user")
def test_broker_and_edge_speak_with_these_keys(folder):
    make_keys(folder)
    file = config("docker-compose.yml", "docker-compose.curve.yml", TOCSIN_KEYS=folder / "keys")
    link, http, port, other = free_port(), free_port(), free_port(), free_port()
    broker, edge = file["services"]["broker"], file["services"]["edge"]
    reach = {"TOCSIN_BROKER_ENDPOINT": f"tcp://127.0.0.1:{link}", "TOCSIN_LISTEN_ADDRESS": "127.0.0.1"}

    def ready(on):
        return get(f"http://127.0.0.1:{on}/health/ready", timeout=2).status == 200
    with Container(folder, broker, file, TOCSIN_BROKER_LISTEN=f"tcp://127.0.0.1:{link}", TOCSIN_BROKER_HTTP_LISTEN=f"127.0.0.1:{http}",
                   TOCSIN_BROKER_DATA_DIR=str(folder / "data")) as b:
        until(lambda: ready(http), f"the broker: {b.text()}", 15)
        begin = time.monotonic()
        with Container(folder, edge, file, TOCSIN_LISTEN_PORT=str(port), **reach) as e:
            until(lambda: ready(port), f"the edge: {e.text()}", 15)
            took = time.monotonic() - begin
            # One without keys is not heard; one that has them is within less.
            bare = {**edge, "environment": {k: v for k, v in edge["environment"].items() if not k.endswith("KEY_FILE")}}
            with Container(folder, bare, file, TOCSIN_LISTEN_PORT=str(other), **reach) as stranger:
                until(lambda: get(f"http://127.0.0.1:{other}/health/live", timeout=2).status == 200, f"the other edge to run: {stranger.text()}", 15)
                with pytest.raises(Late):
                    until(lambda: ready(other), "an edge without keys to be served", max(3.0, 2 * took))
    # Keys that others may read, or that the containers' user may not: it ends, and says so.
    for mode, says in ((0o444, "may be read by others"), (0o400, "edge.json")):
        (folder / "keys/edge.json").chmod(mode)
        with Container(folder, edge, file, TOCSIN_LISTEN_PORT=str(port), **reach) as e:
            assert e.child.wait(15) != 0 and says in e.text(), e.text()
