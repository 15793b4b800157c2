"""tocsin.v1.proto (PROTOCOL.md section 8): the same messages in binary frames, written and read by Debian's protobuf."""
import asyncio

import pytest

from support.client import Client
from support.history import History
from support.http import get
from support.proto_client import ProtoClient, messages
from support.wait import run

FILTER = {"severity": ["P0", "P1"], "labels": {"service": ["api", "db"]}, "active": True}


def ws(cluster, edge=0):
    return cluster.edges[edge]["ws"]


def test_both_doors_see_the_same_stream_and_the_checker_agrees(shared, channel, tmp_path):
    history = History(tmp_path / "history.jsonl", all_publishers=True, stable_epochs=True, history_kept=True)

    async def body():
        async with Client(ws(shared), "json", history) as j, ProtoClient(ws(shared, 1), "proto", history) as p:
            await j.subscribe("s", channel)
            await p.subscribe("s", channel)
            await p.subscribe("f", channel, filter=FILTER)
            incident = {"title": "disk \"full\" ä\u0001", "severity": "P1", "labels": {"service": "api"}, "affected_resources": ["a", "b"], "assignees": [],
                        "metadata": {"deep": [1, {"x": None}]}, "mine": {"kept": True}}
            updates = [("created", {"incident": incident}), ("updated", {"incident": {"title": None, "labels": {"service": "web"}}}),
                       ("resolved", {"incident": {"resolution": {"by": "x"}}})]
            offset = 0
            for n, (kind, what) in enumerate(updates):
                history.line(publisher="p", e="sent", update={"channel": channel, "event_id": f"e{n}", "kind": kind, "key": "I", **what})
                done = await p.publish(f"r{n}", channel=channel, event_id=f"e{n}", kind=kind, key="I", **what)
                assert done["type"] == "published", done
                offset = done["position"]["offset"]
                history.line(publisher="p", e="acked", channel=channel, event_id=f"e{n}", position=done["position"])
            event = {"channel": channel, "event_id": "ev", "kind": "noted", "key": "k", "event": {"name": "deploy", "data": {"v": [1.5, None]}}}
            history.line(publisher="p", e="sent", update=event)
            done = await p.publish("ev", **event)
            history.line(publisher="p", e="acked", channel=channel, event_id="ev", position=done["position"])
            for c in (j, p):
                await c.reached("s", offset + 1)

            def plain(stream):
                return [{k: v for k, v in u.items() if k != "sub"} for u in stream.updates]
            assert plain(j.streams["s"]) == plain(p.streams["s"])
            assert p.streams["s"].updates[0]["incident"]["assignees"] == [], "an empty list is not lost"
            assert p.streams["f"].offsets() == [1]

            async with ProtoClient(ws(shared), "late", history) as late, Client(ws(shared), "late-json", history) as late_json:
                a = await late.subscribe("s", channel, snapshot=True)
                b = await late_json.subscribe("s", channel, snapshot=True)
                await late.until(lambda: a.snapshot_done, "the snapshot")
                await late_json.until(lambda: b.snapshot_done, "the snapshot")
                assert a.snapshot == b.snapshot and len(a.snapshot) == 1
                back = await late.subscribe("again", channel, since={"epoch": a.epoch, "offset": 0})
                assert back.outcome == "resumed"
                await late.reached("again", offset + 1)
        history.settled()
    run(body(), 60)
    history.must_hold()


def test_a_session_moves_between_doors_by_its_ticket(shared, channel):
    async def body():
        async with Client(ws(shared)) as c:
            await c.connect()
            await c.subscribe("s", channel, filter=FILTER)
            ticket = c.welcome["ticket"]
        async with ProtoClient(ws(shared, 1)) as p:
            await p.connect(ticket=ticket)
            assert p.welcome["resumed"] is True
            await p.until(lambda: "s" in p.streams, "its subscription")
            done = await p.publish("r", channel=channel, key="I", incident={"severity": "P0", "labels": {"service": "db"}})
            await p.reached("s", done["position"]["offset"])
            assert p.streams["s"].keys() == ["I"]
            await p.send(type="ping", ref="x")
            await p.expect("pong", ref="x")
    run(body())


def test_broken_messages_are_answered_and_ten_in_a_row_close(shared):
    async def body():
        async with ProtoClient(ws(shared)) as p:
            await p.connect()
            frame = messages().ClientFrame()
            frame.publish.ref = "p1"
            frame.publish.update.key = "I"
            frame.publish.update.incident.metadata_json = '{}, "title": "out"'
            await p.send_raw(frame.SerializeToString())
            error = await p.expect("error", ref="p1")
            assert (error["code"], error["status"]) == ("invalid_argument", 400) and "metadata_json" in error["message"]
            await p.send(type="ping", ref="fine")   # what is understood starts the count anew
            await p.expect("pong", ref="fine")
            for bad in (b"\xff\xff", b"", b'{"type":"bye"}', b"\x0a\x7f", b"\x0a\x03\x0a\x01\xff") * 2:
                await p.send_raw(bad)
            assert await p.wait_closed() == 4400
            assert sum(f["type"] == "error" for f in p.frames) == 11
            assert p.frames[-1]["type"] == "closing" and p.frames[-1]["code"] == 4400
    run(body())


@pytest.mark.parametrize("make, data", [(ProtoClient, '{"type":"bye"}'), (Client, b"\x3a\x00")], ids=["proto", "json"])
def test_the_other_kind_of_message_is_refused(shared, make, data):
    async def body():
        async with make(ws(shared)) as c:
            await c.send_raw(data)
            assert await c.wait_closed() == 4400
    run(body())


def test_the_first_subprotocol_of_the_client_is_taken(shared):
    async def body():
        for offered in (["tocsin.v1.proto", "tocsin.v1.json"], ["x.unknown", "tocsin.v1.proto"]):
            async with ProtoClient(ws(shared), subprotocols=offered) as p:
                assert p.socket.subprotocol == "tocsin.v1.proto"
                await p.connect()
        async with Client(ws(shared), subprotocols=["tocsin.v1.json", "tocsin.v1.proto"]) as c:
            assert c.socket.subprotocol == "tocsin.v1.json"
            await c.connect()
    run(body())


def test_slow_proto_readers_are_conflated_like_others(cluster, tmp_path):
    history = History(tmp_path / "history.jsonl", stable_epochs=True, history_kept=True)

    async def body():
        async with ProtoClient(ws(cluster), "proto", history) as p, Client(ws(cluster), "json", history) as j:
            await p.subscribe("s", conflate=True)
            await j.subscribe("s")
            done = await asyncio.gather(*(j.publish(f"r{n}", key=f"K{n % 5}", incident={"title": "x" * 500, "metadata": {"n": n}}) for n in range(200)))
            last = max(d["position"]["offset"] for d in done)
            await p.reached("s", last)
            await j.reached("s", last)
            assert not p.streams["s"].jumped
        history.settled()
    run(body(), 60)
    history.must_hold()
    assert get(cluster.edge()["http"] + "/health").status == 200
