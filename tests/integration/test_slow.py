"""Clients that read slowly or not at all: the edge's memory stays bounded, the others notice nothing, every end is declared."""
import asyncio
import json
import os
import socket

from support.client import Client, Stream
from support.http import get, post_lines
from support.process import Pair
from support.wait import run, until, until_async

from test_stream import masked

EDGE = ["--fanout-audience-max-bytes", "1048576", "--fanout-conflate-bytes", "65536", "--fanout-conflate-stalled-ms", "300",
        "--limits-send-buffer-bytes", "16384", "--cache-recent-max-bytes", "1048576"]


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))


def sleeper(edge, *frames):
    """A WebSocket that sends `frames` and then reads nothing; a small receive buffer."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(20)
    s.connect(("127.0.0.1", edge.port))
    s.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
              b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    head = b""
    while b"\r\n\r\n" not in head:
        head += s.recv(1)
    for frame in frames:
        s.sendall(masked(json.dumps(frame).encode()))
    return s


def frames_of(s):
    """Reads everything until the end: the JSON frames and the close code (None: cut)."""
    data = b""
    while True:
        try:
            piece = s.recv(65536)
        except ConnectionResetError:
            break
        if not piece:
            break
        data += piece
    frames, at, code = [], 0, None
    while at + 2 <= len(data):
        opcode, size, head = data[at] & 15, data[at + 1] & 127, 2
        if size == 126:
            size, head = int.from_bytes(data[at + 2:at + 4], "big"), 4
        elif size == 127:
            size, head = int.from_bytes(data[at + 2:at + 10], "big"), 10
        payload = data[at + head:at + head + size]
        if len(payload) < size:
            break
        if opcode == 1:
            frames.append(json.loads(payload))
        elif opcode == 8:
            code = int.from_bytes(payload[:2], "big")
        at += head + size
    return frames, code


def pour(edge, megabytes, keys=200, start=0):
    """Publishes this much, each update about 2 KiB; the number of updates."""
    count = megabytes * 512
    for i in range(0, count, 256):
        reply = post_lines(edge.http + "/v1/updates",
                           [{"key": f"K{(start + i + j) % keys}", "incident": {"title": "x" * 1900, "severity": "P2", "metadata": {"n": start + i + j}}}
                            for j in range(min(256, count - i))], timeout=30)
        assert reply.status == 200, reply
    return count


def test_a_client_that_never_reads_is_closed_and_costs_bounded_memory(tmp_path):
    with Pair(tmp_path, edge_flags=[*EDGE, "--fanout-slow-close-ms", "3000"]) as p:
        async def body():
            async with Client(p.edge.ws, "reader", keep_frames=False) as reader:
                await reader.subscribe("s")
                sleepers = [sleeper(p.edge, {"type": "subscribe", "id": "s", "channel": "incidents"}) for _ in range(20)]
                before = rss(p.edge.pid)
                count = 0
                for _ in range(24):   # at the reader's pace: only the sleepers may fall behind
                    count += await asyncio.to_thread(pour, p.edge, 1, 200, count)
                    await reader.reached("s", count, 40)
                assert reader.streams["s"].start == 0 and reader.streams["s"].offsets() == list(range(1, count + 1)), "a reader beside sleepers gets every update"
                grown = rss(p.edge.pid) - before
                print(f"edge grew by {grown >> 20} MiB for 20 sleepers and 24 MiB of updates")
                assert grown < 64 << 20
                await until_async(lambda: asyncio.to_thread(lambda: get(p.edge.http + "/health").json()["clients"] <= 1), "the sleepers to be closed", 30)
                for s in sleepers:
                    frames, code = await asyncio.to_thread(frames_of, s)
                    closing = [f for f in frames if f["type"] == "closing"]
                    if closing:
                        assert closing[-1]["code"] == 4430
                    assert code in (None, 4430)
                    s.close()
        run(body(), 100)


def test_a_client_that_reads_late_gets_every_offset_once_conflated_or_declared(tmp_path):
    with Pair(tmp_path, edge_flags=[*EDGE, "--fanout-slow-close-ms", "60000", "--session-beacon-ms", "500"]) as p:
        async def body():
            late = sleeper(p.edge, {"type": "subscribe", "id": "s", "channel": "incidents"})
            async with Client(p.edge.ws, "reader", keep_frames=False) as reader:
                await reader.subscribe("s")
                count = 0
                for _ in range(8):
                    count += await asyncio.to_thread(pour, p.edge, 1, 50, count)
                    await reader.reached("s", count, 40)
            stream, kinds, replaced = None, set(), 0
            reader_side, writer = await asyncio.open_connection(sock=late, limit=1 << 20)
            while stream is None or stream.head < count:
                first, second = await asyncio.wait_for(reader_side.readexactly(2), 20)
                size = second & 127
                if size == 126:
                    size = int.from_bytes(await reader_side.readexactly(2), "big")
                elif size == 127:
                    size = int.from_bytes(await reader_side.readexactly(8), "big")
                payload = await asyncio.wait_for(reader_side.readexactly(size), 20)
                assert first & 15 != 8, (payload[:2], payload[2:])
                if first & 15 != 1:
                    continue
                frame = json.loads(payload)
                kinds.add(frame["type"])
                if frame["type"] == "subscribed":
                    stream = Stream(frame)   # again when the stream was restarted from a snapshot
                    kinds.add(stream.outcome)
                elif "sub" in frame:
                    stream.take(frame)
                    replaced += len(frame.get("replaces") or [])
            writer.close()
            print(f"late reader: {len(stream.updates)} updates, {replaced} replaced, {sorted(kinds)}")
            assert not stream.jumped, f"{len(stream.jumped)} offsets were neither delivered nor replaced"
            assert replaced > 0 or "snapshot" in kinds or "lost" in kinds, "8 MiB through a 16 KiB buffer must have been conflated or declared"
        run(body(), 100)


def test_updates_that_end_an_incident_and_p0_are_never_conflated_away(tmp_path):
    with Pair(tmp_path, edge_flags=[*EDGE[2:], "--fanout-audience-max-bytes", "16777216", "--fanout-slow-close-ms", "60000"]) as p:
        async def body():
            late = sleeper(p.edge, {"type": "subscribe", "id": "s", "channel": "incidents", "conflate": True})
            until(lambda: get(p.edge.http + "/health").json()["clients"] == 1, "the client to be there")
            http = p.edge.http + "/v1/updates"
            updates = []
            for i in range(3000):
                key = f"K{i % 20}"
                status = "resolved" if i % 60 >= 40 and i % 60 < 60 and (i // 20) % 3 == 2 else "investigating"
                updates.append({"key": key, "kind": "reopened" if status == "investigating" else "resolved",
                                "incident": {"title": "y" * 1000, "severity": "P0" if i % 97 == 0 else "P2", "status": status}})
            for i in range(0, len(updates), 250):
                reply = await asyncio.to_thread(post_lines, http, updates[i:i + 250])
                assert reply.status == 200
            info = get(p.edge.http + "/v1/channels/incidents").json()
            offset, must = 0, set()
            before = {}
            while offset < info["last"]:
                page = get(p.edge.http + f"/v1/channels/incidents/updates?epoch={info['epoch']}&after={offset}&limit=1000").json()["updates"]
                for u in page:
                    ended = u["incident"]["status"] in ("resolved", "closed")
                    if u["incident"]["severity"] == "P0" or (ended and not before.get(u["key"], False)):
                        must.add(u["offset"])
                    before[u["key"]] = ended
                offset = page[-1]["offset"]
            seen = set()
            reader, writer = await asyncio.open_connection(sock=late, limit=1 << 20)
            last = 0
            while last < info["last"]:
                first, second = await asyncio.wait_for(reader.readexactly(2), 20)
                size = second & 127
                if size == 126:
                    size = int.from_bytes(await reader.readexactly(2), "big")
                elif size == 127:
                    size = int.from_bytes(await reader.readexactly(8), "big")
                payload = await reader.readexactly(size)
                if first & 15 != 1:
                    continue
                frame = json.loads(payload)
                if frame["type"] == "subscribed":
                    start = frame["position"]["offset"]
                if frame["type"] == "update":
                    seen.add(frame["offset"])
                    last = max(last, frame["offset"])
                if frame["type"] == "head":
                    last = max(last, frame["offset"])
            writer.close()
            missing = {o for o in must if o > start} - seen
            print(f"{len(seen)} of {info['last']} delivered, {len(must)} had to be")
            assert not missing, sorted(missing)[:10]
        run(body(), 100)


def test_a_closed_slow_client_resumes_with_its_position(tmp_path):
    with Pair(tmp_path, edge_flags=[*EDGE, "--fanout-slow-close-ms", "1000"]) as p:
        async def body():
            s = sleeper(p.edge, {"type": "subscribe", "id": "s", "channel": "incidents", "conflate": False})
            until(lambda: get(p.edge.http + "/health").json()["clients"] == 1, "the client to be there")
            count = await asyncio.to_thread(pour, p.edge, 4)
            await until_async(lambda: asyncio.to_thread(lambda: get(p.edge.http + "/health").json()["clients"] == 0), "it to be closed", 30)
            frames, _ = await asyncio.to_thread(frames_of, s)
            stream = None
            for f in frames:
                if f["type"] == "subscribed":
                    stream = Stream(f)
                elif "sub" in f:
                    stream.take(f)
            async with Client(p.edge.ws) as c:
                back = await c.subscribe("s", since=stream.position)
                assert back.outcome == "resumed", back.reason
                await c.reached("s", count)
                assert stream.offsets() + back.offsets() == list(range(1, count + 1))
        run(body(), 60)
