"""CURVE keys of the link: who has none gets nowhere, rotation loses no client, and a key off the list loses its link."""
import asyncio
import json

import pytest
import zmq
import zmq.utils.monitor

from support.client import Client
from support.cluster import Cluster
from support.http import get, request
from support.process import Broker, Edge
from support.programs import run_program
from support.wait import run, until

ENDS = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL


def handshake(endpoint, server_key=None, keys=None):
    """How ZeroMQ's handshake with the broker ends."""
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    try:
        socket.linger = 0
        if server_key:
            socket.curve_serverkey, (socket.curve_publickey, socket.curve_secretkey) = server_key.encode(), keys
        monitor = socket.get_monitor_socket(ENDS)
        monitor.rcvtimeo = 10_000
        socket.connect(endpoint)
        socket.send(b"let me in")
        return zmq.utils.monitor.recv_monitor_message(monitor)["event"]
    finally:
        socket.disable_monitor()
        context.destroy(linger=0)


def keys_of(file):
    pair = json.loads(file.read_text())
    return pair["public"].encode(), pair["secret"].encode()


def metric(http, name):
    text = get(http + "/metrics").body.decode()
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))


def link_key(edge):
    """What the edge says its link uses; absent while the link is down."""
    return get(edge.http + "/admin/status").json().get("link_key")


@pytest.fixture
def folder(tmp_path):
    """Keys of a broker, two edges and a publisher, made by hand."""
    for name in ("broker", "edge-0", "edge-1", "client"):
        made = run_program("tocsinctl", "keys", "make", name, "--dir", tmp_path)
        assert made.code == 0, made
    return tmp_path


@pytest.fixture
def cell(folder):
    """Broker and two edges on those keys, without a supervisor."""
    keys = folder / "keys"
    broker = Broker(folder, "--curve-key-file", keys / "broker.json", "--curve-allow-dir", keys / "allow", "--admin-loopback")
    edges = [Edge(folder, broker.endpoint, "--broker-server-key-file", keys / "broker.pub", "--curve-key-file", keys / f"edge-{n}.json", "--admin-loopback",
                  name=f"edge-{n}") for n in (0, 1)]
    try:
        broker.start()
        for edge in edges:
            edge.start()
        yield broker, edges
    finally:
        for process in (*edges, broker):
            process.kill()


def test_without_a_key_nobody_gets_anywhere(cell, folder):
    broker, _ = cell
    server, peers = (folder / "keys" / "broker.pub").read_text().strip(), metric(broker.http, "tocsin_broker_peers")
    assert handshake(broker.endpoint) != zmq.EVENT_HANDSHAKE_SUCCEEDED, "no key at all"
    assert handshake(broker.endpoint, server, zmq.curve_keypair()) == zmq.EVENT_HANDSHAKE_FAILED_AUTH, "a key that is not on the list"
    stranger = zmq.curve_keypair()[0].decode()
    assert handshake(broker.endpoint, stranger, keys_of(folder / "keys" / "client.json")) != zmq.EVENT_HANDSHAKE_SUCCEEDED, "another broker's key"
    assert metric(broker.http, "tocsin_broker_peers") == peers
    assert handshake(broker.endpoint, server, keys_of(folder / "keys" / "client.json")) == zmq.EVENT_HANDSHAKE_SUCCEEDED


def test_a_key_off_the_list_loses_its_open_link(cell, folder):
    broker, (gone, stays) = cell
    taken_off = run_program("tocsinctl", "keys", "remove", "edge-0", "--dir", folder)
    assert taken_off.code == 0, taken_off
    until(lambda: get(gone.http + "/health/ready").status == 503 and "refused" in gone.text(), "edge-0 to be cut off, and refused when it comes back")
    assert metric(broker.http, "tocsin_broker_keys_dropped_total") == 1
    assert link_key(gone) is None and link_key(stays)
    assert get(stays.http + "/health/ready").status == 200
    # Back on the list, it comes back by itself.
    own = json.loads((folder / "keys" / "edge-0.json").read_text())["public"]
    (folder / "keys" / "allow" / "edge-0.pub").write_text(own + "\n")
    until(lambda: link_key(gone) == own, "edge-0 to be back")


def test_rotation_by_hand_under_clients(cell, folder):
    """What `keys rotate` does in a cluster, step by step, with a stream that must stay whole."""
    broker, edges = cell

    def ctl(*args):
        done = run_program("tocsinctl", "keys", *args, "--dir", folder)
        assert done.code == 0, done

    async def body():
        async with Client(edges[0].ws, "a") as a:
            stream = await a.subscribe("s", "t/keys")
            sent = 0

            async def publish(count):
                nonlocal sent
                for _ in range(count):
                    sent += 1
                    answer = await a.publish(f"p{sent}", channel="t/keys", key=f"K{sent}", incident={"title": "x"})
                    assert answer["type"] == "published", answer
            await publish(5)
            for which in ("edge-0", "broker"):
                before = (folder / "keys" / f"{which}.json").read_text()
                ctl("rotate", which)
                fresh = json.loads((folder / "keys" / f"{which}.json").read_text())["public"]
                assert fresh not in before
                for process in ([edges[0]] if which == "edge-0" else [broker, *edges]):
                    reply = await asyncio.to_thread(request, "POST", process.http + "/admin/reload")
                    assert reply.status == 200, reply
                member = "link_key" if which == "edge-0" else "broker_key"
                for edge in edges[:1] if which == "edge-0" else edges:
                    await asyncio.to_thread(until, lambda e=edge: get(e.http + "/admin/status").json().get(member) == fresh, f"{edge.id} to use the new key")
                if which != "broker":
                    ctl("retire", which)
                await publish(5)
            await a.reached("s", sent)
            assert stream.offsets() == list(range(1, sent + 1)) and not a.closed.is_set()
    run(body())
    listed = json.loads(run_program("tocsinctl", "keys", "list", "--json", "--dir", folder).out)
    assert [entry["name"] for entry in listed] == ["broker", "client", "edge-0", "edge-1"] and not any("trouble" in entry for entry in listed), listed


def test_a_broken_key_file_keeps_the_link(cell, folder):
    broker, (edge, _) = cell
    file = folder / "keys" / "edge-0.json"
    good = file.read_text()
    for spoil, words in ((lambda: file.write_text("{}"), "curve.key_file"), (lambda: file.chmod(0o644), "chmod 600"), (file.unlink, "edge-0.json")):
        file.write_text(good)
        file.chmod(0o600)
        spoil()
        reply = request("POST", edge.http + "/admin/reload")
        assert reply.status in (400, 403, 500) and words in reply.json()["detail"], reply
    assert link_key(edge) and get(edge.http + "/health/ready").status == 200


def test_tocsinctl_rotates_a_running_cluster(tmp_path):
    with Cluster(tmp_path / "c", edges=2) as cluster:
        old = {f.stem: json.loads(f.read_text())["public"] for f in (cluster.dir / "keys").glob("*.json")}
        pids = cluster.pids()

        async def body():
            async with Client(cluster.edge(0)["ws"], "a") as a, Client(cluster.edge(1)["ws"], "b") as b:
                for client in (a, b):
                    await client.subscribe("s", "t/rotate")
                rotated = await asyncio.to_thread(cluster.ctl, "keys", "rotate", "--all", timeout=90)
                assert rotated.code == 0, rotated
                published = await asyncio.to_thread(cluster.ctl, "publish", "--channel", "t/rotate", "--key", "K1", "--set", "title=x")
                assert published.code == 0, published
                for client in (a, b):
                    await client.reached("s", 1)
                    assert not client.closed.is_set()
        run(body(), 150)
        listed = cluster.ctl("keys", "list", "--json").json()
        assert {e["name"]: e["key"] for e in listed}.keys() == old.keys() and all(e["key"] != old[e["name"]] for e in listed), listed
        assert [e["name"] for e in listed if "trouble" in e] == ["client"], "publishers may still run with the old one"
        assert cluster.ctl("keys", "retire", "client").code == 0
        assert cluster.info()["broker"]["public_key"] == next(e["key"] for e in listed if e["name"] == "broker")
        assert cluster.pids() == pids and cluster.all_ready()
        assert cluster.ctl("keys", "rotate", "nobody").code == 4 and cluster.ctl("keys", "make", "../x").code == 2
