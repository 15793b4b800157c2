"""The configurations of ops/proxies with the real HAProxy and nginx in front of two edges: streams, idleness, drains, reloads, limits,
and what outsiders do not get to see."""
import asyncio
import concurrent.futures
import json
import socket

import pytest

from proxies import METRICS, ORDERS, HAProxy, Nginx, composed, found, must_be_closed, plain_get, shipped
from support import drain
from support.client import Client
from support.http import get, post_json, post_lines, raw, request
from support.process import Pair
from support.wait import run, until

PROXIES = [pytest.param(kind, id=kind.program, marks=pytest.mark.skipif(found(kind.program) is None, reason=f"{kind.program} is not installed"))
           for kind in (HAProxy, Nginx)]
CLIENTS = 200
# In both files: how long nothing may be heard.
SILENCE = {HAProxy: {"timeout client 75s": "timeout client 4s", "timeout server 75s": "timeout server 4s", "timeout tunnel 75s": "timeout tunnel 4s"},
           Nginx: {"proxy_read_timeout 75s": "proxy_read_timeout 4s", "proxy_send_timeout 75s": "proxy_send_timeout 4s"}}


@pytest.fixture(params=PROXIES)
def kind(request):
    return request.param


class Behind:
    """Two edges and a proxy in front of them; drains offer the proxy's address."""

    def __init__(self, kind, folder, authority, changes=None, edge_flags=(), edges=2, known=None):
        self.kind, self.authority, self.folder = kind, authority, folder
        self.proxy = kind(folder / "proxy", "")
        flags = ("--edge-endpoint", self.proxy.ws, *drain.FLAGS, "--drain-lb-settle-ms", "3000", *edge_flags)
        self.pair = Pair(folder / "tocsin", edge_flags=flags, edges=edges)
        self.proxy.text = shipped(kind, folder, authority, self.pair.edges[:known], changes)

    def __enter__(self):
        self.pair.__enter__()
        try:
            self.proxy.start()
            until(lambda: get(self.proxy.http + "/health/ready", timeout=2).status == 200, "the proxy to find an edge")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.proxy.stop()
        self.pair.__exit__()

    @property
    def edges(self):
        return self.pair.edges


def who_answers(http, tries=40):
    """The edges that new requests get to."""
    return {get(http + "/health", timeout=5).json()["edge"] for _ in range(tries)}


@pytest.fixture(scope="module", params=PROXIES)
def behind(request, tmp_path_factory, authority):
    with Behind(request.param, tmp_path_factory.mktemp(request.param.program), authority) as b:
        yield b


def test_streams_pages_and_publishes_pass(behind, authority):
    tls = authority.client()
    channel = f"t/{behind.kind.program}"

    async def body():
        async with Client(behind.proxy.wss, "a", ssl=tls) as a, Client(behind.proxy.wss, "b", ssl=tls, compression="deflate") as b:
            await a.subscribe("s", channel)
            await b.subscribe("s", channel)
            reply = await asyncio.to_thread(post_lines, f"{behind.proxy.https}/v1/updates?channel={channel}",
                                            [{"key": f"K{i}", "incident": {"title": "x" * 500}} for i in range(3000)], tls=tls)
            assert reply.status == 200 and len(reply.json()["results"]) == 3000, reply
            for client in (a, b):
                stream = await client.reached("s", 3000)
                assert stream.offsets() == list(range(1, 3001))
    run(body())
    page = get(behind.proxy.https + "/", tls=tls)
    assert page.status == 200 and "text/html" in page.headers["content-type"]
    assert page.headers["strict-transport-security"] == "max-age=31536000"
    assert who_answers(behind.proxy.http) == {"edge-0", "edge-1"}


def test_server_sent_events_come_through_unbuffered(behind):
    channel = f"e/{behind.kind.program}"
    with socket.create_connection(("127.0.0.1", behind.proxy.port), timeout=10) as s:
        s.sendall(f"GET /v1/events?channel={channel} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n".encode())
        seen = b""
        while b"subscribed" not in seen:
            piece = s.recv(65536)
            assert piece, seen
            seen += piece
        assert post_json(f"{behind.proxy.http}/v1/updates", {"channel": channel, "key": "K", "incident": {"title": "told at once"}}).status == 200
        while b"told at once" not in seen:
            piece = s.recv(65536)
            assert piece, seen
            seen += piece


@pytest.mark.parametrize("path", METRICS + ORDERS)
def test_what_is_for_operators_is_closed_to_outsiders(behind, path):
    edge = behind.edges[0]
    assert b"tocsin_edge_" in get(edge.http + "/metrics").body and drain.status(edge.http)["state"] == "ready"   # it is there
    must_be_closed(raw("127.0.0.1", behind.proxy.port, plain_get(path)))


@pytest.mark.skipif(found("haproxy") is None, reason="haproxy is not installed")
def test_the_proxy_of_the_containers_closes_the_same(tmp_path):
    with Pair(tmp_path / "tocsin", edge_flags=drain.FLAGS) as pair:
        proxy = composed(tmp_path, pair.edges)
        proxy.start((proxy.port,))
        try:
            until(lambda: get(proxy.http + "/health/ready", timeout=2).status == 200, "the proxy to find the edge")
            for path in METRICS + ORDERS:
                must_be_closed(raw("127.0.0.1", proxy.port, plain_get(path)))
        finally:
            proxy.stop()


def test_a_drain_order_does_not_get_through(behind):
    before = drain.status(behind.edges[0].http)["state"]
    for path in ("/admin/drain", "/admin/cordon", "/%61dmin/cordon"):
        assert request("POST", behind.proxy.http + path, b"{}", {"Content-Type": "application/json"}).status in (403, 404)
    assert [drain.status(e.http)["state"] for e in behind.edges] == [before, before] == ["ready", "ready"]


def test_a_silent_stream_outlives_the_proxys_patience(kind, tmp_path, authority):
    """The edge's pings keep it; where they come too seldom the proxy cuts, which shows that the time was long enough."""
    def idle(keepalive_ms, folder):
        with Behind(kind, folder, authority, SILENCE[kind], ("--session-keepalive-ms", keepalive_ms)) as b:
            async def body():
                async with Client(b.proxy.ws, "a") as a:
                    await a.connect()   # and no subscription: not even a head is told
                    try:
                        await asyncio.wait_for(a.closed.wait(), 10)
                        return False
                    except asyncio.TimeoutError:
                        await a.subscribe("s", "t/late")
                        assert (await a.publish("p", channel="t/late", key="K", incident={"title": "still here"}))["type"] == "published"
                        await a.reached("s", 1)
                        return True
            return run(body())
    with concurrent.futures.ThreadPoolExecutor() as both:
        kept, cut = both.submit(idle, 1500, tmp_path / "kept"), both.submit(idle, 60_000, tmp_path / "cut")
        assert kept.result() and not cut.result()


def test_a_drain_behind_the_proxy_loses_and_cuts_nobody(kind, tmp_path, authority, load):
    with Behind(kind, tmp_path, authority) as b:
        first, second = b.edges
        fleet = load([f"127.0.0.1:{b.proxy.port}"], clients=CLIENTS)
        assert set(fleet.status()["edges"]) == {"edge-0", "edge-1"}
        fleet.mark("drain")
        drain.order(first.http)
        report = drain.until_over(first.http)
        assert report["state"] == "done" and report["lost"] == 0, report
        until(lambda: fleet.status()["edges"] == {"edge-1": CLIENTS}, "everybody on the other edge")
        assert who_answers(b.proxy.http) == {"edge-1"}
        post_json(first.http + "/admin/uncordon", {})
        until(lambda: "edge-0" in who_answers(b.proxy.http, 8), "the proxy to see the edge again, which has the fewest connections", 30)
        fleet.stop()
        fleet.must_hold()
        phase = fleet.phase("drain")
        assert phase["cut"] == 0 and phase["blackout_ms"]["max"] == 0, phase
        assert second.alive()


def test_an_edge_that_dies_behind_the_proxy(kind, tmp_path, authority, load):
    with Behind(kind, tmp_path, authority) as b:
        fleet = load([f"127.0.0.1:{b.proxy.port}"], clients=CLIENTS)
        b.edges[0].kill()
        until(lambda: fleet.status()["edges"] == {"edge-1": CLIENTS}, "everybody on the other edge", 60)
        fleet.stop()
        fleet.must_hold()


def test_a_reload_of_the_proxy_cuts_nobody(kind, tmp_path, authority, load):
    """It knows one edge; the new configuration has both. Sockets that are open stay with the process they have."""
    with Behind(kind, tmp_path, authority, known=1) as b:
        fleet = load([f"127.0.0.1:{b.proxy.port}"], clients=CLIENTS)
        assert fleet.status()["edges"] == {"edge-0": CLIENTS}
        fleet.mark("reload")
        b.proxy.reload(shipped(kind, tmp_path, authority, b.edges))
        until(lambda: who_answers(b.proxy.http, 8) == {"edge-0", "edge-1"}, "the new configuration to be in use")
        assert fleet.status()["edges"] == {"edge-0": CLIENTS}
        fleet.stop()
        fleet.must_hold()
        assert fleet.phase("reload")["cut"] == 0 and fleet.phase("reload")["moves"] == 0, fleet.phase("reload")


def test_a_cordoned_edge_refuses_and_the_proxy_goes_to_the_next(kind, tmp_path, authority):
    """Before any health check has seen it: the refusal itself sends the client on."""
    blind = {"inter 1s fastinter 250ms downinter 500ms": "inter 1h"} if kind is HAProxy else {}
    with Behind(kind, tmp_path, authority, blind, ("--drain-lb-settle-ms", "0")) as b:
        until(lambda: who_answers(b.proxy.http) == {"edge-0", "edge-1"}, "both edges to be in use")
        assert post_json(b.edges[0].http + "/admin/cordon", {}).status in (200, 202)

        async def body():
            for i in range(12):
                async with Client(b.proxy.ws, f"c{i}") as c:
                    assert (await c.connect())["edge"] == "edge-1"
        run(body())


def test_sockets_of_one_address_are_limited(kind, tmp_path, authority):
    few = {"sc0_conn_cur gt 2000": "sc0_conn_cur gt 6"} if kind is HAProxy else {"limit_conn tocsin_conn 2000": "limit_conn tocsin_conn 6"}
    with Behind(kind, tmp_path, authority, few) as b:
        async def body():
            clients, refused = [], 0
            try:
                for i in range(12):
                    client = Client(b.proxy.ws, f"c{i}", local_addr=("127.0.0.2", 0))
                    try:
                        await client.open()
                        await client.connect()
                        clients.append(client)
                    except Exception:   # reset before the upgrade, or 429
                        refused += 1
                async with Client(b.proxy.ws, "other", local_addr=("127.0.0.3", 0)) as other:
                    assert (await other.connect())["type"] == "welcome"   # another address is not held to account
                assert (len(clients), refused) == (6, 6)
            finally:
                for client in clients:
                    await client.close()
        run(body())


def test_a_body_without_length_gets_one_or_an_answer_that_says_so(behind):
    """nginx buffers it and tells its length; HAProxy passes it on as it is, and the edge says what it wants."""
    chunk = json.dumps({"channel": "t/chunked", "key": "K", "incident": {"title": "in pieces"}}).encode()
    answer = raw("127.0.0.1", behind.proxy.port, b"POST /v1/updates HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\n" + f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200" if behind.kind is Nginx else b"HTTP/1.1 411"), answer[:300]
