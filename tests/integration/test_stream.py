"""The native protocol (proto/PROTOCOL.md, the clauses are named) against the real programs, by an independent client."""
import asyncio

import pytest
import websockets

from support.client import Client
from support.feed import change, publish, ws
from support.http import get, post_json
from support.wait import run


def test_connect_is_answered_by_welcome(shared):
    async def body():
        async with Client(ws(shared)) as c:
            welcome = await c.connect()
            assert welcome["edge"] == "edge-0" and welcome["session"] and welcome["ticket"]
            assert welcome["keepalive_ms"] == 1500 and welcome["server_time"] > 1_600_000_000_000
    run(body())


def test_connect_may_be_left_out(shared, channel):
    async def body():
        async with Client(ws(shared)) as c:
            stream = await c.subscribe("a", channel)
            assert stream.outcome == "live"
            assert c.welcome, "the session is told also to a client that did not ask"
    run(body())


def test_no_subprotocol_means_json_and_an_unknown_one_is_not_agreed_to(shared, channel):
    async def body():
        async with Client(ws(shared), subprotocols=None) as c:
            await c.subscribe("a", channel)
        async with Client(ws(shared), subprotocols=["x.unknown", "tocsin.v1.json"]) as c:
            assert c.socket.subprotocol == "tocsin.v1.json"
            await c.subscribe("a", channel)
        try:
            async with Client(ws(shared), subprotocols=["x.unknown"]) as c:
                assert c.socket.subprotocol is None
        except websockets.exceptions.WebSocketException:
            pass   # refusing the handshake is fine as well
    run(body())


def test_subscribe_answers_with_a_position_even_when_the_channel_is_empty(shared, channel):
    async def body():
        async with Client(ws(shared)) as c:
            stream = await c.subscribe("a", channel)
            assert (stream.outcome, stream.start) == ("live", 0) and len(stream.epoch) == 16
    run(body())


def test_live_updates_arrive_in_order_with_the_whole_incident(shared, channel):
    async def body():
        async with Client(ws(shared)) as c:
            await c.subscribe("a", channel)
            publish(shared, {**change(channel, "A", title="one", severity="P1"), "kind": "created", "actor": "bob", "at": "2026-01-02T03:04:05Z",
                             "event_id": "e1"}, change(channel, "A", status="acknowledged"), n=1)
            s = await c.reached("a", 2)
            first, second = s.updates
            assert (first["event_id"], first["kind"], first["key"], first["actor"], first["at"]) == \
                ("e1", "created", "A", "bob", "2026-01-02T03:04:05Z")
            assert first["incident"]["severity"] == "P1" and first["incident"]["id"] == "A" and first["incident"]["version"] == 1
            assert second["incident"]["title"] == "one" and second["incident"]["status"] == "acknowledged"
            assert "status" in second["changed"] and "title" not in second["changed"] and "version" not in second["changed"]
    run(body())


def test_two_edges_show_the_same_in_the_same_order(shared, channel):
    async def body():
        async with Client(ws(shared, 0), "a") as a, Client(ws(shared, 1), "b") as b:
            await a.subscribe("s", channel)
            await b.subscribe("s", channel)
            await asyncio.gather(*(asyncio.to_thread(publish, shared, *[change(channel, f"K{w}", title=f"{w}/{i}") for i in range(100)], n=w % 2)
                                   for w in range(4)))
            sa, sb = await a.reached("s", 400), await b.reached("s", 400)
            strip = [[{k: v for k, v in u.items() if k != "sub"} for u in s.updates] for s in (sa, sb)]
            assert strip[0] == strip[1] and sa.offsets() == list(range(1, 401))
    run(body())


def test_publish_over_the_socket_is_acknowledged_with_its_position(shared, channel):
    async def body():
        async with Client(ws(shared)) as c:
            await c.subscribe("a", channel)
            done = await c.publish("p1", channel=channel, key="A", event_id="x", incident={"title": "t"})
            assert done["type"] == "published" and done["channel"] == channel and done["duplicate"] is False and done["durability"] == "disk"
            assert done["position"]["offset"] == 1
            again = await c.publish("p2", channel=channel, key="A", event_id="x", incident={"title": "t"})
            assert again["duplicate"] is True and again["position"] == done["position"]
            refused = await c.publish("p3", channel=channel, key="A", incident={"title": "u"}, if_version=9)
            assert (refused["type"], refused["code"], refused["status"], refused["retry"]) == ("error", "conflict", 409, "never")
            wrong = await c.publish("p4", channel=channel, key="A", incident={"severity": "high"})
            assert (wrong["code"], wrong["status"]) == ("invalid_argument", 400)
            assert (await c.reached("a", 1)).updates[0]["event_id"] == "x"
    run(body())


def test_ping_is_answered_by_pong(shared):
    async def body():
        async with Client(ws(shared)) as c:
            await c.send(type="ping", ref="abc")
            await c.expect("pong", ref="abc")
    run(body())


class TestFilters:
    ROWS = [("A", "P0", "detected", "api"), ("B", "P1", "investigating", "db"), ("C", "P2", "detected", "api"), ("D", "P4", "resolved", "web")]

    @pytest.mark.parametrize("filter, keys", [
        ({}, "ABCD"), ({"severity": ["P0", "P1"]}, "AB"), ({"status": ["detected"]}, "AC"), ({"labels": {"service": ["api"]}}, "AC"),
        ({"incident": ["B", "D"]}, "BD"), ({"severity": ["P0", "P2"], "labels": {"service": ["api", "db"]}}, "AC"),
        ({"severity": ["P3"]}, ""), ({"severity": [], "status": None}, "ABCD"), ({"kind": ["created"]}, "ABCD"), ({"kind": ["closed"]}, ""),
        ({"active": True}, "ABCD"), ({"team": ["core"]}, "C"), ({"unknown": ["x"]}, "ABCD"),
    ])
    def test_exactly_the_matching_updates_come_and_the_rest_is_skipped(self, shared, channel, filter, keys):
        async def body():
            async with Client(ws(shared)) as c:
                await c.subscribe("a", channel, filter=filter)
                await asyncio.to_thread(publish, shared, *[{**change(channel, k, title=k, severity=s, status=st, labels={"service": l},
                                                                     **({"team": "core"} if k == "C" else {})), "kind": "created"}
                                                           for k, s, st, l in self.ROWS])
                s = await c.reached("a", 4)   # what does not match is told within a beacon, as skip
                assert "".join(s.keys()) == keys
                await c.until(lambda: s.head >= 4, "a head")
        run(body())

    def test_active_keeps_the_update_that_ends_an_incident_and_drops_later_ones(self, shared, channel):
        async def body():
            async with Client(ws(shared)) as c:
                await c.subscribe("a", channel, filter={"active": True})
                await asyncio.to_thread(publish, shared, change(channel, "A", title="t"), change(channel, "A", status="resolved"),
                                        change(channel, "A", title="after"), change(channel, "A", status="closed"), change(channel, "B", title="u"))
                s = await c.reached("a", 5)
                assert s.offsets() == [1, 2, 5]
        run(body())

    @pytest.mark.parametrize("filter", [7, [], {"severity": "P1"}, {"severity": [1]}, {"labels": ["x"]}, {"active": "yes"},
                                        {"incident": [str(i) for i in range(65)]}, {"team": ["x" * 300]}])
    def test_a_wrong_filter_is_refused_by_name(self, shared, channel, filter):
        async def body():
            async with Client(ws(shared)) as c:
                await c.send(type="subscribe", id="a", channel=channel, filter=filter)
                error = await c.expect("error", id="a")
                assert (error["code"], error["status"], error["retry"]) == ("invalid_argument", 400, "never")
                await c.subscribe("b", channel)   # the socket goes on
        run(body())


class TestSnapshot:
    def test_current_state_then_every_change_after_it(self, shared, channel):
        async def body():
            await asyncio.to_thread(publish, shared, *[change(channel, f"K{i:03}", title="old", severity=f"P{i % 5}") for i in range(300)],
                                    *[change(channel, f"K{i:03}", title="new") for i in range(0, 300, 2)])
            async with Client(ws(shared)) as c:
                s = await c.subscribe("a", channel, snapshot=True)
                assert s.outcome in ("live", "snapshot") and s.start == 450
                await c.until(lambda: s.snapshot_done, "the end of the snapshot")
                assert len(s.snapshot) == 300 == len({i["id"] for i in s.snapshot})
                assert {i["title"] for i in s.snapshot if int(i["id"][1:]) % 2 == 0} == {"new"}
                await asyncio.to_thread(publish, shared, change(channel, "K000", title="newest"))
                await c.reached("a", 451)
                assert s.updates[0]["incident"]["title"] == "newest"
        run(body())

    def test_with_a_filter_and_of_nothing(self, shared, channel):
        async def body():
            async with Client(ws(shared)) as c:
                empty = await c.subscribe("empty", channel, snapshot=True)
                await c.until(lambda: empty.snapshot_done, "the empty snapshot's last frame")
                assert empty.snapshot == []
                await asyncio.to_thread(publish, shared, *[change(channel, f"K{i}", title="x", severity=f"P{i % 5}",
                                                                  status="closed" if i % 2 else "detected") for i in range(20)])
                s = await c.subscribe("p0", channel, snapshot=True, filter={"severity": ["P0"], "active": True})
                await c.until(lambda: s.snapshot_done, "the snapshot")
                assert sorted(i["id"] for i in s.snapshot) == ["K0", "K10"]
        run(body())

    def test_while_updates_flow_nothing_falls_between(self, shared, channel):
        async def body():
            async def flow():
                for i in range(40):
                    await asyncio.to_thread(publish, shared, *[change(channel, f"K{j}", title=f"{i}") for j in range(10)])
            flowing = asyncio.create_task(flow())
            views = []
            async with Client(ws(shared)) as c:
                for n in range(8):
                    views.append(await c.subscribe(f"s{n}", channel, snapshot=True, filter={"incident": [f"K{j}" for j in range(10)], "kind": []}))
                await flowing
                for n, s in enumerate(views):
                    await c.reached(f"s{n}", 400)
                    state = {i["id"]: i["version"] for i in s.snapshot}
                    for u in s.updates:
                        assert u["incident"]["version"] == state.get(u["key"], 0) + 1
                        state[u["key"]] = u["incident"]["version"]
                    assert set(state.values()) == {40}
        run(body())


class TestSince:
    def test_resumes_after_the_position_without_hole_or_repetition(self, shared, channel):
        async def body():
            positions = await asyncio.to_thread(publish, shared, *[change(channel, f"K{i}", title="x") for i in range(30)])
            async with Client(ws(shared, 1)) as c:
                s = await c.subscribe("a", channel, since=positions[9])
                assert (s.outcome, s.start) == ("resumed", 10)
                await asyncio.to_thread(publish, shared, change(channel, "K", title="live"))
                await c.reached("a", 31)
                assert s.offsets() == list(range(11, 32))
                start = await c.subscribe("b", channel, since={"epoch": s.epoch, "offset": 0})
                await c.reached("b", 31)
                assert start.offsets() == list(range(1, 32))
                head = await c.subscribe("c", channel, since={"epoch": s.epoch, "offset": 31})
                assert (head.outcome, head.start) == ("resumed", 31)
        run(body())

    @pytest.mark.parametrize("since, reason", [
        (lambda p: {"epoch": "00000000deadbeef", "offset": 1}, "epoch_changed"),
        (lambda p: {"epoch": p["epoch"], "offset": 10_000}, "future"),
        (lambda p: {"epoch": "not-an-epoch", "offset": 1}, "malformed"),
        (lambda p: {"epoch": p["epoch"], "offset": -1}, "malformed"),
        (lambda p: {"epoch": p["epoch"], "offset": "1"}, "malformed"),
        (lambda p: {"offset": 1}, "malformed"),
        (lambda p: 17, "malformed"),
        (lambda p: {"epoch": p["epoch"], "offset": 18446744073709551615}, "future"),
    ])
    def test_a_position_that_cannot_be_honoured_is_lost_with_its_reason_and_goes_on_live(self, shared, channel, since, reason):
        async def body():
            positions = await asyncio.to_thread(publish, shared, *[change(channel, "K", title=str(i)) for i in range(5)])
            async with Client(ws(shared)) as c:
                s = await c.subscribe("a", channel, since=since(positions[0]))
                assert (s.outcome, s.reason, s.start) == ("lost", reason, 5)
                await asyncio.to_thread(publish, shared, change(channel, "K", title="live"))
                await c.reached("a", 6)
                assert s.offsets() == [6]
        run(body())

    def test_with_a_filter_what_was_skipped_is_declared(self, shared, channel):
        async def body():
            await asyncio.to_thread(publish, shared, *[change(channel, f"K{i}", title="x", severity=f"P{i % 4}") for i in range(40)])
            epoch = get(shared.edge()["http"] + f"/v1/channels/{channel}").json()["epoch"]
            async with Client(ws(shared)) as c:
                s = await c.subscribe("a", channel, since={"epoch": epoch, "offset": 3}, filter={"severity": ["P0"]})
                await c.reached("a", 40)
                assert s.offsets() == [o for o in range(4, 41) if (o - 1) % 4 == 0]
        run(body())


class TestSubscriptions:
    def test_unsubscribe_ends_the_frames(self, shared, channel):
        async def body():
            async with Client(ws(shared)) as c:
                s = await c.subscribe("a", channel)
                await asyncio.to_thread(publish, shared, change(channel, "A", title="1"))
                await c.reached("a", 1)
                await c.send(type="unsubscribe", id="a")
                await c.send(type="ping", ref="after")
                await c.expect("pong", ref="after")
                count = len(s.updates)
                other = await c.subscribe("b", channel)
                await asyncio.to_thread(publish, shared, change(channel, "A", title="2"))
                await c.reached("b", 2)
                assert len(s.updates) == count and other.offsets() == [2]
                await c.send(type="unsubscribe", id="never-there")
                assert (await c.expect("error", id="never-there"))["code"] == "not_found"
        run(body())

    def test_equal_views_share_the_number_of_the_audience(self, shared, channel):
        async def body():
            async with Client(ws(shared), "a") as a, Client(ws(shared), "b") as b:
                one = await a.subscribe("x", channel, filter={"severity": ["P1", "P0", "P1"], "labels": {}})
                two = await b.subscribe("y", channel, filter={"severity": ["P0", "P1"]})
                three = await b.subscribe("z", channel, filter={"severity": ["P0"]})
                assert one.sub == two.sub != three.sub
        run(body())

    def test_more_than_the_limit_is_refused_and_the_others_stay(self, shared, channel):
        async def body():
            async with Client(ws(shared)) as c:
                for i in range(50):
                    await c.subscribe(f"s{i}", channel, filter={"incident": [f"I{i}"]})
                await c.send(type="subscribe", id="one-more", channel=channel)
                error = await c.expect("error", id="one-more")
                assert (error["code"], error["status"]) == ("too_many", 429)
                await asyncio.to_thread(publish, shared, change(channel, "I7", title="x"))
                await c.reached("s7", 1)
        run(body())

    def test_an_id_in_use_is_not_silently_two_streams(self, shared, channel):
        async def body():
            async with Client(ws(shared)) as c:
                await c.subscribe("a", channel)
                await c.send(type="subscribe", id="a", channel=channel + "/other")
                await c.send(type="ping", ref="x")
                await c.expect("pong", ref="x")
                refused = [f for f in c.frames if f["type"] == "error" and f.get("id") == "a"]
                replaced = [f for f in c.frames if f["type"] == "subscribed" and f["channel"] == channel + "/other"]
                if not refused:
                    await c.until(lambda: any(f["type"] == "subscribed" and f["channel"].endswith("/other") for f in c.frames), "an answer")
                assert refused or replaced or c.streams["a"].channel.endswith("/other")
        run(body())

    def test_heads_come_without_updates(self, shared, channel):
        async def body():
            async with Client(ws(shared)) as c:
                await asyncio.to_thread(publish, shared, change(channel, "A", title="x"))
                await c.subscribe("a", channel)

                def heads():
                    return [f for f in c.frames if f["type"] == "head"]
                await c.until(lambda: len(heads()) >= 2, "two heads", 10)
                assert {h["offset"] for h in heads()} == {1}
        run(body())


class TestSessions:
    def test_a_ticket_brings_the_subscriptions_back_on_the_other_edge(self, shared, channel):
        async def body():
            async with Client(ws(shared, 0)) as c:
                await c.connect()
                await c.subscribe("a", channel, filter={"severity": ["P1"]})
                await asyncio.to_thread(publish, shared, *[change(channel, f"K{i}", title="x", severity="P1") for i in range(5)])
                s = await c.reached("a", 5)
                ticket, session, at = c.welcome["ticket"], c.welcome["session"], s.position
            await asyncio.to_thread(publish, shared, *[change(channel, f"L{i}", title="x", severity="P1") for i in range(5)])
            async with Client(ws(shared, 1)) as c:
                welcome = await c.connect(ticket=ticket, since={"a": at})
                assert welcome["session"] == session
                back = await c.expect("subscribed", id="a")
                assert (back["outcome"], back["position"]) == ("resumed", at)
                s = await c.reached("a", 10)
                assert s.offsets() == [6, 7, 8, 9, 10]
        run(body())

    def test_a_second_socket_of_a_session_replaces_the_first(self, shared, channel):
        async def body():
            async with Client(ws(shared, 0), "old") as old:
                await old.connect()
                await old.subscribe("a", channel)
                async with Client(ws(shared, 1), "new") as new:
                    await new.connect(ticket=old.welcome["ticket"])
                    assert await old.wait_closed() == 4409
                    assert (await new.expect("subscribed", id="a"))["outcome"] in ("resumed", "live")
                closing = [f for f in old.frames if f["type"] == "closing"]
                assert closing and closing[0]["code"] == 4409 and closing[0]["reason"]
        run(body())

    @pytest.mark.parametrize("ticket", ["nonsense", "a.b", "e30.AAAA", "x" * 5000])
    def test_a_forged_ticket_is_told_and_brings_nothing(self, shared, ticket):
        async def body():
            async with Client(ws(shared)) as c:
                await c.send(type="connect", ticket=ticket)
                answer = await c.until(lambda: next((f for f in c.frames if f["type"] in ("error", "welcome", "closing")), None), "an answer")
                if answer["type"] == "welcome":   # a fresh session; it must not pretend to be resumed
                    assert not answer.get("resumed") and not any(f["type"] == "subscribed" for f in c.frames)
                else:
                    assert answer.get("code") in ("unauthorized", "invalid_argument", 4401, 4400)
        run(body())

    def test_a_ticket_with_one_changed_byte_is_forged(self, shared, channel):
        async def body():
            async with Client(ws(shared)) as c:
                await c.connect()
                await c.subscribe("a", channel)
                ticket, session = c.welcome["ticket"], c.welcome["session"]
            payload, _, mac = ticket.partition(".")
            forged = payload + "." + ("A" if mac[0] != "A" else "B") + mac[1:]
            async with Client(ws(shared)) as c:
                await c.send(type="connect", ticket=forged)
                answer = await c.until(lambda: next((f for f in c.frames if f["type"] in ("error", "welcome")), None), "an answer")
                assert answer["type"] == "error" or answer["session"] != session
        run(body())


def test_an_idle_channel_costs_nothing_visible(shared):
    reply = post_json(shared.edge()["http"] + "/v1/updates", {"channel": "t/idle", "key": "a", "incident": {"title": "x"}})
    assert reply.status == 200
