"""What a broker or an edge refuses, and that it says so: folders, files, disks, keys, ports, absent brokers. No supervisor here."""
import asyncio
import os
import pathlib
import resource
import shutil
import sqlite3
import subprocess

import pytest

from support.client import Client
from support.http import get, post_json, post_lines
from support.process import Broker, Edge, Pair, free_port
from support.programs import ROOT
from support.wait import run, until


def change(key, channel="incidents", event_id=None, **incident):
    update = {"channel": channel, "key": key, "incident": incident}
    return {**update, "event_id": event_id} if event_id else update


def refusal(process, code=3):
    """Starts a process that must not start; what it said."""
    process.start(wait=False)
    got = process.wait_exit(20)
    assert got == code, (got, process.tail())
    text = process.text()
    assert text.strip(), "a refusal must say why"
    assert "terminate called" not in text and "Assertion" not in text, text
    return text


def mount(kind, folder, *options):
    """Mounts something for one test, or skips it by name."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("needs root to mount")
    done = subprocess.run(["mount", *kind, *options, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")


@pytest.fixture
def mounts():
    made = []
    yield made
    for folder in reversed(made):
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def fill(folder):
    """A data folder with a few updates in it, its broker stopped cleanly; the head."""
    with Pair(folder) as p:
        for i in range(20):
            assert post_json(p.edge.http + "/v1/updates", change(f"K{i}", event_id=f"e{i}", title="x")).status == 200
        head = get(p.edge.http + "/v1/channels/incidents").json()
        assert p.edge.stop() == 0
        assert p.broker.stop() == 0
        return p.broker.data, head


def database_of(data):
    """The SQLite files of a data folder, largest first."""
    def is_sqlite(f):
        with open(f, "rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    files = [f for f in pathlib.Path(data).rglob("*") if f.is_file() and is_sqlite(f)]
    assert files, list(pathlib.Path(data).rglob("*"))
    return sorted(files, key=lambda f: -f.stat().st_size)


class TestFolders:
    def test_a_port_in_use(self, tmp_path):
        import socket
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            assert str(port) in refusal(Broker(tmp_path, port=port))
            assert str(port) in refusal(Edge(tmp_path, f"tcp://127.0.0.1:{free_port()}", port=port))

    def test_a_folder_that_another_broker_uses(self, tmp_path):
        first = Broker(tmp_path / "one").start()
        try:
            text = refusal(Broker(tmp_path / "two", data=first.data))
            assert str(first.data) in text
            assert get(first.http + "/health/ready").status == 200
        finally:
            first.kill()

    def test_a_folder_of_another_cluster(self, tmp_path):
        data, _ = fill(tmp_path / "one")
        text = refusal(Broker(tmp_path / "two", "--broker-cluster-id", "00000000000000000000000000000000", data=data))
        assert "cluster" in text

    def test_a_folder_that_is_a_file(self, tmp_path):
        (tmp_path / "file").write_text("x")
        assert str(tmp_path / "file") in refusal(Broker(tmp_path, data=tmp_path / "file"))

    def test_a_read_only_folder(self, tmp_path, mounts):
        folder = tmp_path / "ro"
        mount(["-t", "tmpfs"], folder, "-o", "ro", "tmpfs")
        mounts.append(folder)
        text = refusal(Broker(tmp_path / "log", data=folder / "data"))
        assert str(folder) in text or "read-only" in text.lower()

    def test_a_folder_that_became_read_only(self, tmp_path, mounts):
        data, _ = fill(tmp_path / "one")
        folder = tmp_path / "ro"
        mount(["-t", "tmpfs"], folder, "tmpfs")
        mounts.append(folder)
        shutil.copytree(data, folder / "data")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        refusal(Broker(tmp_path / "log", data=folder / "data"))

    @pytest.mark.parametrize("damage", ["header", "middle", "cut", "emptied", "missing"])
    def test_a_corrupt_file(self, tmp_path, damage):
        data, _ = fill(tmp_path / "one")
        file = database_of(data)[0]
        for side in (f"{file}-wal", f"{file}-shm"):
            pathlib.Path(side).unlink(missing_ok=True)
        content = file.read_bytes()
        if damage == "header":
            file.write_bytes(b"not a database  " + content[16:])
        elif damage == "middle":
            file.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
        elif damage == "cut":
            file.write_bytes(content[:len(content) // 2 - 100])
        elif damage == "emptied":
            file.write_bytes(b"")
        else:
            file.unlink()
        text = refusal(Broker(tmp_path / "log", data=data))
        expected = ["is missing or empty"] if damage in ("emptied", "missing") else ["corrupt", "not a database", "malformed"]
        assert any(words in text for words in expected), text

    def test_a_newer_schema(self, tmp_path):
        data, _ = fill(tmp_path / "one")
        for file in database_of(data):
            db = sqlite3.connect(file)
            version = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute(f"PRAGMA user_version = {version + 1000}")
            db.commit()
            db.close()
        text = refusal(Broker(tmp_path / "log", data=data))
        assert "newer" in text, text


class TestFullDisk:
    def check_reasons(self, broker):
        """What /health says of it, with and without the details, and where it is a 503."""
        short = get(broker.http + "/health/ready").json()
        assert set(short) == {"status", "code", "reason", "reasons"}, short
        assert (short["status"], short["code"]) == ("not_ready", "disk_full") and short["reasons"] == [short["reason"]], short
        assert short["reason"].startswith("the log takes no updates: disk_full"), short
        assert get(broker.http + "/health/ready?detailed=false").json() == short
        full = get(broker.http + "/health?detailed=true")
        assert full.status == 200, "it answers: only readiness is off"
        checks = {c["check"]: c for c in full.json()["checks"]}
        assert set(checks) == {"state", "log", "commit", "disk", "edges", "backup"}, checks
        assert checks["log"] == {"check": "log", "ok": False, "detail": short["reason"]}, checks
        assert not checks["disk"]["ok"] and "% free" in checks["disk"]["detail"] and checks["state"]["ok"], checks
        body = full.json()
        assert body["version"] and body["cluster"] and body["channels"] == 1 and body["edges"] == 1 and body["uptime_seconds"] >= 0, body
        assert get(broker.http + "/health/live?detailed=true").json() == {"status": "live"}

    def test_a_full_disk_is_refused_readiness_goes_off_and_room_brings_it_back(self, tmp_path, mounts):
        folder = tmp_path / "small"
        mount(["-t", "tmpfs"], folder, "-o", "size=12m", "tmpfs")
        mounts.append(folder)
        broker = Broker(tmp_path / "log", data=folder / "data").start()
        edge = Edge(tmp_path / "log", broker.endpoint).start()
        try:
            ballast = folder / "ballast"
            assert post_json(edge.http + "/v1/updates", change("FIRST", event_id="first", title="kept")).status == 200
            ballast.write_bytes(b"x" * (5 << 20))
            kept, refused = 0, None
            for i in range(400):
                reply = post_json(edge.http + "/v1/updates", change(f"K{i}", event_id=f"f{i}", metadata={"pad": os.urandom(30_000).hex()}))
                if reply.status != 200:
                    refused = reply
                    break
                kept += 1
            assert refused is not None, "12 MiB took 24 MB"
            assert refused.json()["code"] in ("disk_full", "io", "unavailable"), refused
            assert refused.json()["code"] == "disk_full", refused
            until(lambda: get(broker.http + "/health/ready").status == 503, "the broker to be not ready", 10)
            until(lambda: get(edge.http + "/health/ready").status == 503, "the edge to be not ready", 10)
            self.check_reasons(broker)
            info = get(edge.http + "/v1/channels/incidents").json()
            assert info["last"] == 1 + kept, "nothing that was refused may be there"
            ballast.unlink()
            until(lambda: get(broker.http + "/health/ready").status == 200, "the broker to be ready again", 20)
            until(lambda: get(edge.http + "/health/ready").status == 200, "the edge to be ready again", 20)
            well = get(broker.http + "/health/ready?detailed=true").json()
            assert well["status"] == "ready" and not {"reason", "reasons", "code"} & set(well), well
            assert {"check": "log", "ok": True} in well["checks"] and {"check": "disk", "ok": True} in well["checks"], well
            again = post_json(edge.http + "/v1/updates", change("LAST", event_id="last", title="kept too"))
            assert again.status == 200 and again.json()["results"][0]["position"] == {"epoch": info["epoch"], "offset": info["last"] + 1}, again
        finally:
            edge.kill()
            broker.kill()


class TestLimitsOfHistory:
    def test_a_position_that_history_left_behind_is_lost_as_too_old(self, tmp_path):
        with Pair(tmp_path, ["--log-history-max-count", "200", "--log-dedup-window", "200"], ["--cache-recent-max-bytes", "65536"]) as p:
            url = p.edge.http
            post_lines(url + "/v1/updates", [change(f"K{i % 10}", title=str(i), metadata={"pad": "x" * 500}) for i in range(5000)])
            info = until(lambda: (lambda i: i if i["first"] > 1000 else None)(get(url + "/v1/channels/incidents").json()), "old updates to be trimmed", 20)
            assert info["last"] == 5000 and info["last"] - info["first"] + 1 >= 200
            gone = get(url + f"/v1/channels/incidents/updates?epoch={info['epoch']}&after=10")
            assert gone.status == 410 and gone.json()["code"] == "position_lost"
            assert gone.json()["retry"] == "resync"

            async def body():
                async with Client(p.edge.ws) as c:
                    s = await c.subscribe("a", since={"epoch": info["epoch"], "offset": 10})
                    assert (s.outcome, s.reason, s.start) == ("lost", "too_old", 5000)
                    near = await c.subscribe("b", since={"epoch": info["epoch"], "offset": 4900})
                    await c.reached("b", 5000)
                    assert near.offsets() == list(range(4901, 5001))
            run(body())

    def test_memory_channels_end_with_the_process_and_say_so(self, tmp_path):
        with Pair(tmp_path, ["--log-memory-channels", "mem/*"]) as p:
            url = p.edge.http
            result = post_json(url + "/v1/updates", change("A", "mem/a", title="x")).json()["results"][0]
            assert result["durability"] == "memory"
            disk = post_json(url + "/v1/updates", change("A", "disk/a", title="x")).json()["results"][0]
            assert disk["durability"] == "disk"
            p.broker.kill()
            p.broker.start()
            until(lambda: get(url + "/health/ready").status == 200, "the edge to be ready again")
            assert get(url + "/v1/channels/disk/a").json()["epoch"] == disk["position"]["epoch"]
            again = get(url + "/v1/channels/mem/a").json()
            assert again.get("epoch") != result["position"]["epoch"], "what was in memory is gone, so the epoch is another"

            async def body():
                async with Client(p.edge.ws) as c:
                    s = await c.subscribe("a", "mem/a", since=result["position"])
                    assert (s.outcome, s.reason) == ("lost", "epoch_changed")
            run(body())

    def test_a_folder_started_again_continues_its_history(self, tmp_path):
        """The epoch stays and the offsets go on where the process before ended."""
        data, head = fill(tmp_path / "one")
        broker = Broker(tmp_path / "one", data=data).start()
        edge = Edge(tmp_path / "one", broker.endpoint).start()
        try:
            for i in range(5):
                assert post_json(edge.http + "/v1/updates", change("late", event_id=f"late{i}", title="x")).status == 200
            assert get(edge.http + "/v1/channels/incidents").json() == {**head, "last": head["last"] + 5}
        finally:
            edge.kill()
            broker.kill()


class TestEdgeWithoutBroker:
    def test_it_starts_says_why_it_is_not_ready_and_recovers(self, tmp_path):
        broker = Broker(tmp_path)
        edge = Edge(tmp_path, broker.endpoint, "--session-broker-wait-ms", "1000", "--link-request-timeout-ms", "1000")
        edge.start(wait=False)
        try:
            until(lambda: get(edge.http + "/health/live").status == 200, "the edge to listen without a broker", 10)
            ready = get(edge.http + "/health/ready")
            assert ready.status == 503 and ready.json()["reason"], ready
            refused = post_json(edge.http + "/v1/updates", change("A", title="x"), timeout=20)
            assert refused.status in (503, 408) and refused.json()["retry"] == "backoff", refused

            async def without():
                async with Client(edge.ws) as c:
                    await c.send(type="subscribe", id="a", channel="incidents")
                    error = await c.expect("error", id="a", timeout=20)
                    assert error["status"] in (503, 408) and error["retry"] == "backoff"
            run(without())
            broker.start()
            until(lambda: get(edge.http + "/health/ready").status == 200, "the edge to be ready", 15)
            edge.wait_ready()
            assert post_json(edge.http + "/v1/updates", change("A", title="x")).status == 200
        finally:
            edge.kill()
            broker.kill()

    def test_it_stops_within_its_time_without_a_broker(self, tmp_path):
        edge = Edge(tmp_path, f"tcp://127.0.0.1:{free_port()}").start(wait=False)
        until(lambda: get(edge.http + "/health/live").status == 200, "the edge to listen")
        assert edge.stop() == 0


class TestCurve:
    def hello(self, endpoint, server_key=None, pair=None, timeout_ms=2500):
        """Says Hello as an edge; the answer's bytes or None."""
        import zmq
        context = zmq.Context()
        socket = context.socket(zmq.DEALER)
        socket.linger = 0
        socket.identity = b"stranger"
        if server_key:
            socket.curve_serverkey, (socket.curve_publickey, socket.curve_secretkey) = server_key, pair
        socket.connect(endpoint)
        socket.send((ROOT / "proto" / "corpus" / "v1" / "hello.bin").read_bytes())
        try:
            return socket.recv() if socket.poll(timeout_ms) else None
        finally:
            socket.close()
            context.term()

    def test_only_keys_of_the_list_are_let_in(self, cluster):
        import json

        import zmq
        endpoint = cluster.info()["broker"]["ingest"]
        keys = cluster.dir / "keys"
        broker_key = json.loads((keys / "broker.json").read_text())["public"].encode()
        client = json.loads((keys / "client.json").read_text())
        assert self.hello(endpoint) is None, "without keys"
        assert self.hello(endpoint, broker_key, zmq.curve_keypair()) is None, "with a key that is not on the list"
        assert self.hello(endpoint, zmq.curve_keypair()[0], (client["public"].encode(), client["secret"].encode())) is None, "to a wrong server"
        answer = self.hello(endpoint, broker_key, (client["public"].encode(), client["secret"].encode()), 5000)
        assert answer and b"forbidden" in answer, "a publisher's key is on the list, but is no edge's"
        assert cluster.all_ready()

    def edge_of(self, cluster, tmp_path, name, key_file):
        keys = cluster.dir / "keys"
        return Edge(tmp_path, cluster.info()["broker"]["ingest"], "--broker-server-key-file", keys / "broker.pub", "--curve-key-file", key_file,
                    name=name)

    @pytest.mark.parametrize("name, key", [("edge-0", "edge-1"), ("edge-7", "edge-1"), ("edge-0", "client")])
    def test_an_edge_is_who_its_key_says(self, cluster, tmp_path, name, key):
        """A second key of the same list, in the hands of an edge that calls itself by another name."""
        key_file = tmp_path / "key.json"
        shutil.copy(cluster.dir / "keys" / f"{key}.json", key_file)
        false = self.edge_of(cluster, tmp_path, name, key_file)
        before = {e["id"]: (cluster.dir / "logs" / f"{e['id']}.log").read_text().count("welcomed") for e in cluster.edges}
        false.start(wait=False)
        try:
            until(lambda: f'this key is for \\"{key}\\"' in false.text(), "the refusal to be logged")
            ready = get(false.http + "/health/ready")
            assert ready.status == 503, ready
            assert not false.ready_file.exists()
            assert cluster.all_ready(), "the rightful edges are not disturbed"
            assert before == {e["id"]: (cluster.dir / "logs" / f"{e['id']}.log").read_text().count("welcomed") for e in cluster.edges}
            assert post_json(cluster.edge()["http"] + "/v1/updates", change("A", title="x")).status == 200
        finally:
            false.kill()

    def test_a_key_comes_and_goes_without_a_restart(self, cluster, tmp_path):
        import json

        import zmq
        broker = cluster.info()["broker"]["pid"]
        public, secret = (k.decode() for k in zmq.curve_keypair())
        key_file, allowed = tmp_path / "key.json", cluster.dir / "keys" / "allow" / "edge-7.pub"
        key_file.write_text(json.dumps({"public": public, "secret": secret}))
        key_file.chmod(0o600)
        edge = self.edge_of(cluster, tmp_path, "edge-7", key_file)
        edge.start(wait=False)
        try:
            until(lambda: "refused this CURVE key" in edge.text(), "the unknown key to be refused")
            allowed.write_text(public + "\n")
            edge.wait_ready()
            assert post_json(edge.http + "/v1/updates", change("A", title="x")).status == 200
            allowed.unlink()
            edge.kill()
            edge.log.unlink()
            edge.start(wait=False)
            until(lambda: "refused this CURVE key" in edge.text() or edge.ready_file.exists(), "an answer")
            while edge.ready_file.exists():   # the list may be a second old, and an edge is ready sooner than that
                edge.kill()
                edge.ready_file.unlink(missing_ok=True)
                edge.log.unlink()
                edge.start(wait=False)
                until(lambda: "refused this CURVE key" in edge.text() or edge.ready_file.exists(), "another answer")
            until(lambda: "refused this CURVE key" in edge.text(), "the key that was taken off to be refused")
            assert cluster.info()["broker"]["pid"] == broker and cluster.all_ready()
        finally:
            edge.kill()

    def test_secret_keys_are_the_owners_only(self, cluster):
        for file in (cluster.dir / "keys").glob("*.json"):
            assert file.stat().st_mode & 0o077 == 0, file

    def test_garbage_on_the_link_is_survived(self, tmp_path):
        import zmq
        with Pair(tmp_path) as p:
            context = zmq.Context()
            socket = context.socket(zmq.DEALER)
            socket.linger = 0
            socket.connect(p.broker.endpoint)
            for data in (b"", b"\xff" * 100, b"x" * 100_000, *[f.read_bytes() for f in sorted((ROOT / "proto" / "corpus" / "v1").glob("*.bin"))],
                         *[f.read_bytes()[:-3] for f in sorted((ROOT / "proto" / "corpus" / "v1").glob("*.bin"))]):
                socket.send(data)
            socket.send_multipart([b"a", b"b", b"c"])
            assert post_json(p.edge.http + "/v1/updates", change("A", title="x")).status == 200
            assert p.broker.alive()
            socket.close()
            context.term()

    def test_garbage_instead_of_zeromq_is_survived(self, tmp_path):
        import socket
        with Pair(tmp_path) as p:
            for data in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\0" * 4096):
                with socket.create_connection(("127.0.0.1", p.broker.port), timeout=5) as s:
                    s.sendall(data)
            assert post_json(p.edge.http + "/v1/updates", change("A", title="x")).status == 200


def test_a_broker_that_may_not_open_files_refuses(tmp_path):
    text = refusal(Broker(tmp_path, limits={resource.RLIMIT_NOFILE: 12}), code=3)
    assert text
