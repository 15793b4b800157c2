"""Drains and migrations by the edge's own door, with real sockets: who understands is never cut, who does not is closed so that it comes
back well, and the edge says how it stands all the while. What dies meanwhile is in tests/chaos."""
import asyncio
import contextlib
import http.client
import itertools
import json
import signal

import pytest

from support import drain
from support.client import Client
from support.fleet import Fleet
from support.http import get, raw, request
from support.process import Edge, Pair
from support.proto_client import ProtoClient
from support.publisher import Publisher, incident
from support.wait import run, until

FLAGS = ("--admin-loopback", "--drain-lb-settle-ms", "100", "--drain-offer-ms", "800", "--drain-bye-wait-ms", "300")
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with Pair(tmp_path_factory.mktemp("drain"), edge_flags=FLAGS, edges=3) as p:
        seen_by_all(p)
        yield p


@pytest.fixture
def edges(pair):
    """Three edges, ready, that know each other so."""
    for edge in pair.edges:
        if not edge.alive():
            edge.start()
        post(edge, "uncordon")
    seen_by_all(pair)
    return pair.edges


def seen_by_all(pair):
    def all_ready():
        return all(sorted(e["id"] for e in drain.status(edge.http)["edges"] if e["state"] == "ready" and e["take_per_s"] > 0) ==
                   [e.id for e in pair.edges] for edge in pair.edges)
    until(all_ready, "the edges to know each other", 15)


def post(edge, what, body=None, **headers):
    text = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return request("POST", f"{edge.http}/admin/{what}", text, headers)


def channel():
    return f"drain/{next(_numbers)}"


async def publish(edges, name, first, count):
    updates = [{"channel": name, "event_id": f"{name}-{n}", "kind": "updated", "key": f"i{n}", "incident": incident(n)}
               for n in range(first, first + count)]
    await Publisher([e.http for e in edges]).publish_all(updates)


async def offered(client):
    frame = await client.expect("status", status="migrating")
    return frame["details"]


async def over(edge):
    return await asyncio.to_thread(drain.until_over, edge.http)


async def ordered(edge, what="drain", **members):
    return await asyncio.to_thread(drain.order, edge.http, what, **members)


def test_a_fleet_moves_whole(edges, tmp_path):
    """Everything at once under a publisher: nothing lost, nothing twice, nobody cut, and the plan held."""
    with Fleet([f"127.0.0.1:{e.port}" for e in edges], 150, 60, history=tmp_path / "history.jsonl", channel=channel(), start_on=1) as fleet:
        plan = get(edges[0].http + "/admin/plan").json()
        drain.order(edges[0].http)
        report = drain.until_over(edges[0].http)
        fleet.stop()
        fleet.must_hold()
    assert plan["clients"] == report["planned"] >= 150
    assert sorted(t["edge"] for t in plan["targets"]) == ["edge-1", "edge-2"]
    assert report["state"] == "done" and report["kind"] == "drain"
    assert report["migrated"] == report["resumed"] == report["offered"] == report["planned"], report
    assert report["closed"] == report["lost"] == report["remaining"] == 0, report
    assert report["blackout_ms"]["max"] == 0, report
    assert sum(report["targets"].values()) == report["planned"] and len(report["targets"]) == 2
    assert drain.status(edges[0].http)["state"] == "empty"


@pytest.mark.parametrize("door", [Client, ProtoClient])
def test_make_before_break(edges, door):
    """The old socket delivers until bye; the ticket of the offer opens the session on the edge that is named."""
    async def body():
        name = channel()
        async with door(edges[0].ws) as old:
            await old.connect()
            await old.subscribe("s", name)
            await ordered(edges[0], id=name)
            offer = await offered(old)
            assert offer["new_endpoint"] in (edges[1].ws, edges[2].ws)
            assert 0 <= offer["reconnect_after"] < offer["deadline"] <= 2_000
            await publish(edges[1:], name, 0, 5)
            async with door(offer["new_endpoint"]) as new:
                at = (await old.reached("s", 5)).position
                welcome = await new.connect(ticket=offer["resume_token"], since={"s": at})
                assert welcome["session"] == old.welcome["session"] and welcome["resumed"]
                await new.expect("subscribed", id="s", outcome="resumed")
                await publish(edges[1:], name, 5, 3)
                await old.reached("s", 8)   # both have it
                await new.reached("s", 8)
                await old.send(type="bye", duplicates=3)
                assert await old.wait_closed() == 1000
                report = await over(edges[0])
                assert (report["id"], report["migrated"], report["resumed"], report["duplicates_suppressed"]) == (name, 1, 1, 3), report
                assert report["closed"] == 0 and report["blackout_ms"]["max"] == 0
    run(body())


def test_an_old_socket_without_bye_is_closed_as_replaced(edges):
    async def body():
        async with Client(edges[0].ws) as old:
            await old.connect()
            await old.subscribe("s", channel())
            await ordered(edges[0])
            offer = await offered(old)
            async with Client(offer["new_endpoint"]) as new:
                await new.connect(ticket=offer["resume_token"])
                assert await old.wait_closed() == 4409
                report = await over(edges[0])
                assert report["migrated"] == 1 and report["closed"] == 0, report
    run(body())


def test_who_ignores_the_offer_is_closed_and_comes_back_whole(edges):
    """1012 with `closing`, a delay and a ticket that is good on another edge; a stuck one holds nobody up."""
    async def body():
        name = channel()
        async with Client(edges[0].ws) as deaf, Client(edges[0].ws, name="gone") as gone, Client(edges[0].ws, name="c2") as quick:
            for client in (deaf, gone, quick):
                await client.connect()
                await client.subscribe("s", name)
            await publish(edges, name, 0, 4)
            await deaf.reached("s", 4)
            await ordered(edges[0], deadline_ms=5000)
            offer = await offered(quick)
            async with Client(offer["new_endpoint"]) as new:
                await new.connect(ticket=offer["resume_token"])
                await quick.send(type="bye")
                assert await deaf.wait_closed() == 1012
                closing = await deaf.expect("closing")
                assert closing["code"] == 1012 and closing["retry_after_ms"] >= 0 and closing["ticket"]
                await publish(edges[1:], name, 4, 2)
                async with Client(edges[1].ws) as again:
                    welcome = await again.connect(ticket=closing["ticket"], since={"s": deaf.streams["s"].position})
                    assert welcome["resumed"]
                    await again.reached("s", 6)
                    assert again.streams["s"].offsets() == [5, 6]
                    report = await over(edges[0])
        assert report["state"] == "deadline" and report["remaining"] == 1, report   # `gone` never came back
        assert (report["planned"], report["migrated"], report["closed"]) == (3, 2, 2), report
        assert report["blackout_ms"]["max"] > 0
    run(body())


def test_event_streams_are_told_when_to_come_back(edges):
    connection = http.client.HTTPConnection("127.0.0.1", edges[0].port, timeout=15)
    with contextlib.closing(connection):
        connection.request("GET", f"/v1/events?channel={channel()}")
        stream = connection.getresponse()
        until(lambda: drain.status(edges[0].http)["clients"] == 1, "the stream")
        drain.order(edges[0].http)
        text = stream.read().decode()   # to the end of the stream
    closing = text.rindex('"type":"closing"')
    assert text.rindex("retry: ") < closing and '"code":1012' in text[closing:]
    report = drain.until_over(edges[0].http)
    assert (report["state"], report["closed"], report["planned"], report["remaining"]) == ("done", 1, 1, 0), report


def test_abort_and_migrate(edges):
    async def body():
        clients = [Client(edges[0].ws, name=f"c{n}") for n in range(6)]
        async with contextlib.AsyncExitStack() as stack:
            for client in clients:
                await stack.enter_async_context(client)
                await client.connect()
                await client.subscribe("s", "drain/abort")
            await ordered(edges[0], rate=2, id="a")
            for refused, code in ((post(edges[0], "migrate", {"count": 1}), 409), (post(edges[0], "drain", {"id": "b"}), 202)):
                assert refused.status == code, refused
            assert drain.report(edges[0].http)["id"] == "a"
            await clients[0].until(lambda: any(c.frames[-1]["type"] == "status" for c in clients) or True, "an offer")
            assert post(edges[0], "abort").json()["state"] == "ready"
            assert get(edges[0].http + "/health/ready").status == 200
            assert drain.report(edges[0].http)["state"] == "aborted"
            assert post(edges[0], "abort").status == 409
            assert post(edges[0], "drain", {"id": "a"}).json()["state"] == "ready"   # that one is over
            for client in clients:   # offers that were out are kept open; nobody is cut
                assert not client.closed.is_set()
            mover = [c for c in clients if not any(f["type"] == "status" for f in c.frames)]
            await ordered(edges[0], "migrate", count=2, targets=["edge-2"])
            news = []
            while len(news) < 2:
                await asyncio.sleep(0.01)   # pace of looking
                for client in [c for c in mover if any(f["type"] == "status" for f in c.frames)]:
                    mover.remove(client)
                    offer = await offered(client)
                    assert offer["new_endpoint"] == edges[2].ws
                    news.append(await stack.enter_async_context(Client(offer["new_endpoint"])))
                    await news[-1].connect(ticket=offer["resume_token"])
                    await client.send(type="bye")
            report = await over(edges[0])
            assert (report["state"], report["kind"], report["migrated"], report["targets"]) == ("done", "migrate", 2, {"edge-2": 2}), report
            assert drain.status(edges[0].http)["state"] == "ready"
    run(body())


def test_cordon_is_told_and_new_clients_are_sent_away(edges):
    edge = edges[0]
    assert post(edge, "cordon").json()["state"] == "cordoned"
    for path in ("/health", "/health/ready"):
        reply = get(edge.http + path)
        assert reply.status == 503 and reply.json()["status"] == "cordoned", reply
    assert get(edge.http + "/health/live").status == 200
    refused = until(lambda: (lambda r: r if r.status == 503 else None)(get(edge.http + "/v1/incidents")), "new connections to be refused")
    assert int(refused.headers["retry-after"]) >= 1
    assert get(edge.http + "/metrics").status == 200
    assert post(edge, "uncordon").json()["state"] == "ready"
    assert get(edge.http + "/v1/incidents").status != 503


def test_orders_that_cannot_be(edges, tmp_path, pair):
    edge = edges[0]
    for what, body, status in (("drain", b"{", 400), ("drain", b"[]", 400), ("drain", {"deadline_ms": 0}, 400),
                               ("drain", {"deadline_ms": "1"}, 400), ("drain", {"rate": -1}, 400), ("drain", {"count": 1}, 400),
                               ("drain", {"targets": "edge-1"}, 400), ("drain", {"targets": [1]}, 400), ("drain", {"fast": True}, 400),
                               ("drain", {"targets": ["edge-9"]}, 404), ("drain", {"targets": ["edge-0"]}, 400), ("migrate", {}, 400),
                               ("migrate", {"count": 0}, 400), ("abort", None, 409), ("cordon", {"x": 1}, 400), ("fly", None, 404)):
        reply = post(edge, what, body)
        assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json"), (what, body, reply)
    assert get(edge.http + "/admin/drain").status == 405 and post(edge, "status").status == 405
    for query in ("targets=edge-9", "count=x", "deadline_ms=0"):
        assert get(f"{edge.http}/admin/plan?{query}").status in (400, 404), query
    assert post(edge, "cordon", Origin="http://evil.example").status == 403   # a browser on behalf of another site
    assert drain.status(edge.http)["state"] == "ready"
    bare = raw("127.0.0.1", edge.port, b"POST /admin/uncordon HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")   # as curl -X POST does
    assert bare.startswith(b"HTTP/1.1 200"), bare
    token = tmp_path / "token"
    token.write_text("secret\n")
    other = Edge(tmp_path, pair.broker.endpoint, "--admin-token-file", token, name="edge-t").start()
    try:
        for given, status in ((None, 401), ("Bearer wrong", 401), ("secret", 401), ("Bearer secret", 200)):
            headers = {"Authorization": given} if given else {}
            assert request("GET", other.http + "/admin/status", headers=headers).status == status, given
    finally:
        other.stop()
    until(lambda: all(e["id"] != "edge-t" or e["state"] != "ready" for e in drain.status(edge.http)["edges"]), "it to be gone")


def test_an_edge_alone_refuses_admin_by_default_and_stops_at_once(tmp_path):
    async def body(p):
        assert get(p.edge.http + "/admin/status").status == 403
        async with Client(p.edge.ws) as client:
            await client.connect()
            p.edge.child.send_signal(signal.SIGTERM)   # nobody is there to take the client
            assert await client.wait_closed() == 1012
            assert (await client.expect("closing"))["ticket"]
            assert await asyncio.to_thread(p.edge.wait_exit) == 0
    with Pair(tmp_path) as p:
        run(body(p))


def test_sigterm_drains_and_a_second_one_hurries(edges):
    async def body():
        async with Client(edges[0].ws) as old, Client(edges[1].ws) as other:
            for client in (old, other):
                await client.connect()
                await client.subscribe("s", "drain/term")
            edges[0].child.send_signal(signal.SIGTERM)
            offer = await offered(old)
            async with Client(offer["new_endpoint"]) as new:
                await new.connect(ticket=offer["resume_token"])
                await old.send(type="bye")
                assert await old.wait_closed() == 1000
                assert await asyncio.to_thread(edges[0].wait_exit) == 0
                edges[1].child.send_signal(signal.SIGTERM)
                await offered(other)
                edges[1].child.send_signal(signal.SIGTERM)
                assert await other.wait_closed() == 1012
                assert await asyncio.to_thread(edges[1].wait_exit) == 0
    run(body())


def test_sigint_closes_at_once(edges):
    async def body():
        async with Client(edges[0].ws) as client:
            await client.connect()
            edges[0].child.send_signal(signal.SIGINT)
            assert await client.wait_closed() == 1012
            assert not any(f["type"] == "status" for f in client.frames)
            assert await asyncio.to_thread(edges[0].wait_exit) == 0
    run(body())
