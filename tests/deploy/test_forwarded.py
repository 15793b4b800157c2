"""Who the client is, behind proxies: by X-Forwarded-For of a proxy that speaks HTTP, by the PROXY protocol of one that passes TLS through to
the edge. Limits by address hold the client to account, not the proxy, and nobody else's word is taken."""
import pytest

from proxies import HAProxy, Nginx, found, shipped, through
from support import drain
from support.client import Client
from support.http import get
from support.process import Pair
from support.programs import run_program
from support.wait import run, until

KNOWN = "proxy-trusted" in run_program("tocsin-edge", "--help").out
pytestmark = pytest.mark.skipif(not KNOWN, reason="these edges have no proxy.trusted")
LIMIT = 3
LIMITED = ("--proxy-trusted", "127.0.0.1/32", "--limits-connections-per-ip", LIMIT)


def kinds(wanted):
    out = []
    for kind in wanted:
        absent = found(kind.program) is None
        out.append(pytest.param(kind, id=kind.program, marks=pytest.mark.skipif(absent, reason=f"{kind.program} is not installed")))
    return out


async def admitted(url, address, tries, headers=None, **options):
    """How many of so many sockets from this address get a welcome, all open at once."""
    clients = []
    try:
        for i in range(tries):
            client = Client(url, f"{address}-{i}", local_addr=(address, 0), extra_headers=[(k, v.format(i)) for k, v in headers or ()], **options)
            try:
                await client.open()
                await client.connect()
                clients.append(client)
            except Exception:   # refused: 429 or closed
                await client.close()
        return len(clients)
    finally:
        for client in clients:
            await client.close()


@pytest.mark.parametrize("kind", kinds((HAProxy, Nginx)))
def test_limits_by_address_look_through_a_proxy_that_speaks_http(kind, tmp_path, authority):
    with Pair(tmp_path, edge_flags=(*drain.FLAGS, *LIMITED)) as pair:
        proxy = kind(tmp_path / "proxy", "")
        proxy.text = shipped(kind, tmp_path, authority, pair.edges)
        with proxy:
            until(lambda: get(proxy.http + "/health", timeout=2).status == 200, "an edge")

            async def body():
                assert await admitted(proxy.ws, "127.0.0.2", LIMIT + 3) == LIMIT
                assert await admitted(proxy.ws, "127.0.0.3", LIMIT) == LIMIT
                # What a client says of itself is dropped by the proxy, also under the names that the edge believes.
                for n, forged in enumerate((("X-Forwarded-For", "9.9.9.{}"), ("X-Real-IP", "9.9.9.{}"), ("Forwarded", "for=9.9.9.{}"))):
                    assert await admitted(proxy.ws, f"127.0.0.{10 + n}", LIMIT + 3, [forged]) == LIMIT
            run(body())


def test_without_the_proxys_word_everybody_is_who_connects(tmp_path):
    """The other half of the proof: the same header straight from a client that is no trusted proxy changes nothing."""
    with Pair(tmp_path, edge_flags=LIMITED) as pair:
        async def body():
            assert await admitted(pair.edge.ws, "127.0.0.9", LIMIT + 3, [("X-Forwarded-For", "9.9.9.{}")]) == LIMIT
        run(body())


@pytest.mark.parametrize("kind", kinds((HAProxy, Nginx)))
def test_tls_in_the_edge_and_the_proxy_protocol(kind, tmp_path, authority):
    tls = authority.client()
    with Pair(tmp_path, edge_flags=(*LIMITED, "--proxy-protocol", "required", *authority.flags()), edges=2) as pair:
        proxy = through(kind, tmp_path, pair.edges)
        proxy.start((proxy.tls_port,))
        try:
            until(lambda: get(proxy.https + "/health", tls=tls, timeout=2).status == 200, "an edge")
            assert {get(proxy.https + "/health", tls=tls).json()["edge"] for _ in range(10)} == {"edge-0", "edge-1"}

            async def body():
                async with Client(proxy.wss, "a", ssl=tls) as a:
                    await a.subscribe("s", "t/through")
                    assert (await a.publish("p", channel="t/through", key="K", incident={"title": "through"}))["type"] == "published"
                    await a.reached("s", 1)
                # Two edges, each with its own count.
                assert await admitted(proxy.wss, "127.0.0.2", 2 * LIMIT + 4, ssl=tls) <= 2 * LIMIT
                assert await admitted(proxy.wss, "127.0.0.3", 1, ssl=tls) == 1
            run(body())
        finally:
            proxy.stop()
