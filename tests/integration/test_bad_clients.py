"""Closes and bad input (proto/PROTOCOL.md sections 2 and 4.10): what an edge does with clients that err, flood, or say nothing."""
import asyncio
import json
import os
import signal

import pytest
import websockets

from support.bare import bare_socket, masked
from support.client import Client
from support.feed import change, publish, ws
from support.process import rss
from support.wait import run


def address(shared, n=0):
    return shared.edge(n)["http"].split("/")[2].split(":")


class TestCloses:
    def test_a_client_that_says_nothing_is_closed_4408(self, shared):
        async def body():
            async with Client(ws(shared)) as c:
                assert await c.wait_closed(15) == 4408
                assert [f for f in c.frames if f["type"] == "closing" and f["code"] == 4408]
        run(body())

    def test_an_edge_that_stops_says_so_to_everyone(self, cluster, channel):
        async def body():
            clients = [await Client(ws(cluster), f"c{i}").open() for i in range(5)]
            for c in clients:
                await c.subscribe("a", channel)
            os.kill(cluster.edge()["pid"], signal.SIGTERM)
            for c in clients:
                code = await c.wait_closed()
                closing = [f for f in c.frames if f["type"] == "closing"]
                assert code in (1001, 1012) and closing and closing[0]["code"] == code and closing[0]["retry_after_ms"] >= 0
        run(body())

    def test_bye_closes_normally(self, shared, channel):
        async def body():
            async with Client(ws(shared)) as c:
                await c.subscribe("a", channel)
                await c.send(type="bye")
                assert await c.wait_closed() == 1000
        run(body())

    def test_a_silent_but_living_client_stays_and_a_dead_one_goes(self, shared, channel):
        """keepalive is 1.5 s here: websockets answers pings by itself, a bare socket does not."""
        async def body():
            async with Client(ws(shared), "alive") as alive:
                await alive.subscribe("a", channel)
                reader, writer = await bare_socket(*address(shared))
                writer.write(masked(b'{"type":"connect"}'))
                deadline = asyncio.get_running_loop().time() + 20
                while await asyncio.wait_for(reader.read(65536), deadline - asyncio.get_running_loop().time()):
                    pass   # pings, never answered, then the end
                writer.close()
                assert not alive.closed.is_set()
                await alive.send(type="ping", ref="still")
                await alive.expect("pong", ref="still")
        run(body())


class TestBadFrames:
    @pytest.mark.parametrize("data", [
        "", "{", "[]", "null", "7", '"x"', "{}", '{"type":7}', '{"type":"frobnicate","id":"q"}', '{"type":"subscribe"}',
        '{"type":"subscribe","id":"","channel":"c"}', '{"type":"subscribe","id":7,"channel":"c"}', '{"type":"subscribe","id":"a","channel":7}',
        '{"type":"subscribe","id":"a","channel":"no such chars!"}', '{"type":"subscribe","id":"a","channel":"c","snapshot":"yes"}',
        '{"type":"subscribe","id":"' + "x" * 1000 + '","channel":"c"}', '{"type":"publish","ref":"a"}', '{"type":"publish","ref":"a","update":[]}',
        '{"type":"publish","update":{"key":"a","incident":{},"event":{"name":"x"}}}', '{"type":"unsubscribe"}', '{"type":"ping","ref":{}}',
        '{"type":"connect","ticket":7}', "[" * 60_000, '{"a":' * 10_000, '{"type":"ping","x":"\\ud800"}', '{"type":"ping","x":1e999}',
    ])
    def test_what_is_not_understood_gets_an_error_frame_or_an_explained_close(self, shared, channel, data):
        async def body():
            async with Client(ws(shared), "bystander") as other, Client(ws(shared)) as c:
                await other.subscribe("a", channel)
                await c.connect()
                await c.send_raw(data)
                told = await c.until(lambda: next((f for f in c.frames if f["type"] in ("error", "closing")), None), "an error or closing frame")
                if told["type"] == "error":
                    assert told["status"] == 400 and told["code"] == "invalid_argument" and told["message"], told
                else:
                    assert told["code"] == 4400, told
                await asyncio.to_thread(publish, shared, change(channel, "A", title="x"))
                await other.reached("a", 1)
        run(body())

    def test_broken_utf8_closes_with_an_explained_code(self, shared):
        async def body():
            reader, writer = await bare_socket(*address(shared))
            writer.write(masked(b'{"type":"ping","ref":"\xc3\x28"}'))
            data = b""
            try:
                while piece := await asyncio.wait_for(reader.read(65536), 10):
                    data += piece
                    if b'"error"' in data or b"\x88" in data:
                        break   # an error frame and an open socket is fine as well
            except ConnectionResetError:
                pass
            assert b'"error"' in data or b"\x88" in data, data
            writer.close()
        run(body())

    def test_a_frame_over_the_limit_closes_1009(self, shared):
        async def body():
            async with Client(ws(shared)) as c:
                await c.connect()
                await c.send_raw(json.dumps({"type": "ping", "ref": "x" * 100_000}))
                assert await c.wait_closed() == 1009
        run(body())

    def test_a_message_in_endless_fragments_closes_1009(self, shared):
        async def body():
            reader, writer = await bare_socket(*address(shared))
            writer.write(masked(b'{"type":"connect"}'))
            writer.write(masked(b"[", first=0x01))
            try:
                for _ in range(40):
                    writer.write(masked(b"[" * 4000, first=0x00))
                    await writer.drain()
                data = b""
                while (piece := await asyncio.wait_for(reader.read(65536), 10)) and b"\x88" not in data + piece:
                    data += piece
                data += piece
                assert b"\x88\x02\x03\xf1" in data or b"1009" in data, data[-300:]
            except (ConnectionResetError, BrokenPipeError):
                pass
            writer.close()
        run(body())

    @pytest.mark.parametrize("data", [b"\x81\x05hello", b"\x83\x80\0\0\0\0", b"\xf1\x80\0\0\0\0", b"\x89\xfe\x01\x00\0\0\0\0" + b"x" * 256,
                                      b"\x80\x80\0\0\0\0", b"\x88\x81\0\0\0\0x"])
    def test_frames_against_the_rfc_end_only_their_own_socket(self, shared, channel, data):
        async def body():
            async with Client(ws(shared), "bystander") as other:
                await other.subscribe("a", channel)
                reader, writer = await bare_socket(*address(shared))
                writer.write(data)
                try:   # a close frame, or cut at once: a socket that stays open is an error
                    while (piece := await asyncio.wait_for(reader.read(65536), 10)) and b"\x88" not in piece:
                        pass
                except ConnectionResetError:
                    pass
                writer.close()
                await asyncio.to_thread(publish, shared, change(channel, "A", title="x"))
                await other.reached("a", 1)
        run(body())

    def test_binary_frames_are_not_json(self, shared):
        async def body():
            async with Client(ws(shared)) as c:
                await c.connect()
                await c.send_raw(b'{"type":"ping","ref":"x"}')
                await c.until(lambda: any(f["type"] in ("error", "closing", "pong") for f in c.frames) or c.closed.is_set(), "any answer")
        run(body())


SUBSCRIBE = b'{"type":"subscribe","id":"s%d","channel":"%b","filter":{"incident":["I%d"]}}'


async def flood(reader, writer, channel, count, read):
    """Sends `count` subscribe frames, reading the answers of each thousand or none at all: (answers by kind, what came last)."""
    answers, last = {b'"code":"too_many"': 0, b'"type":"subscribed"': 0}, b""

    async def listen(until):
        nonlocal last
        while sum(answers.values()) < until and (piece := await reader.read(1 << 18)):
            for kind in answers:
                answers[kind] += (last[1 - len(kind):] + piece).count(kind)   # a kind may be cut by the end of a piece
            last = (last + piece)[-1000:]
    try:
        for first in range(0, count, 1_000):
            writer.write(b"".join(masked(SUBSCRIBE % (i, channel.encode(), i)) for i in range(first, first + 1_000)))
            await asyncio.wait_for(writer.drain(), 30)
            if read:
                await asyncio.wait_for(listen(first + 1_000), 30)
        writer.write(masked(b'{"type":"bye"}'))
        await asyncio.wait_for(listen(float("inf")), 60)
    except ConnectionResetError:
        pass
    writer.close()
    return list(answers.values()), last


@pytest.mark.parametrize("read", [True, False], ids=["that reads its answers", "that reads nothing"])
def test_a_million_subscriptions_of_one_client_are_bounded_and_others_are_served(shared, channel, read):
    """PROTOCOL.md 2.6: the limit answers each, or the unread answers end the socket; memory and the others do not suffer."""
    async def body():
        async with Client(ws(shared, 1), "bystander") as other:
            await other.subscribe("a", channel)
            pid = shared.edge(1)["pid"]
            before, most = rss(pid), 0
            pouring = asyncio.create_task(flood(*await bare_socket(*address(shared, 1)), channel, 1_000_000, read))
            served = 0
            while not pouring.done():
                served += 1
                await asyncio.to_thread(publish, shared, change(channel, "A", title=str(served)))
                await other.reached("a", served)
                most = max(most, rss(pid))
            (refused, subscribed), last = await pouring
            print(f"{refused:,} refused, {subscribed} subscribed; the edge grew by {(most - before) >> 20} MiB, {served} updates served beside it")
            assert most - before < 32 << 20
            assert subscribed <= 50
            if read:
                assert refused == 1_000_000 - subscribed and b'"code":1000' in last, last
            else:
                assert refused < 1_000_000 and (not last or b"not read" in last or b'"code":4430' in last), last
            assert served > 1 and not other.closed.is_set()
    run(body(), 180)
