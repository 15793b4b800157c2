"""Clients that read slowly or not at all: the edge's memory stays bounded, the others notice nothing, every end is declared."""
import asyncio

from support.bare import frames_of, json_frames, sleeper
from support.client import Client, Stream
from support.http import get, post_lines
from support.process import Pair, rss
from support.wait import run, until, until_async

EDGE = ["--fanout-audience-max-bytes", "1048576", "--fanout-conflate-bytes", "65536", "--fanout-conflate-stalled-ms", "300",
        "--limits-send-buffer-bytes", "16384", "--cache-recent-max-bytes", "1048576"]


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
                sleepers = [sleeper(p.edge.port, {"type": "subscribe", "id": "s", "channel": "incidents"}) for _ in range(20)]
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
            late = sleeper(p.edge.port, {"type": "subscribe", "id": "s", "channel": "incidents"})
            async with Client(p.edge.ws, "reader", keep_frames=False) as reader:
                await reader.subscribe("s")
                count = 0
                for _ in range(8):
                    count += await asyncio.to_thread(pour, p.edge, 1, 50, count)
                    await reader.reached("s", count, 40)
            stream, kinds, replaced = None, set(), 0
            reader_side, writer = await asyncio.open_connection(sock=late, limit=1 << 20)
            async for frame in json_frames(reader_side):
                kinds.add(frame["type"])
                if frame["type"] == "subscribed":
                    stream = Stream(frame)   # again when the stream was restarted from a snapshot
                    kinds.add(stream.outcome)
                elif "sub" in frame:
                    stream.take(frame)
                    replaced += len(frame.get("replaces") or [])
                if stream is not None and stream.head >= count:
                    break
            writer.close()
            print(f"late reader: {len(stream.updates)} updates, {replaced} replaced, {sorted(kinds)}")
            assert not stream.jumped, f"{len(stream.jumped)} offsets were neither delivered nor replaced"
            assert replaced > 0 or "snapshot" in kinds or "lost" in kinds, "8 MiB through a 16 KiB buffer must have been conflated or declared"
        run(body(), 100)


def test_a_client_that_reads_slowly_gets_the_newest_of_each_incident_and_what_it_replaces(tmp_path):
    """PROTOCOL.md 4.6 over real TCP: one whole stream, without a snapshot and without a close, through a socket that is always full."""
    flags = [*EDGE[2:], "--fanout-audience-max-bytes", "33554432", "--fanout-slow-close-ms", "60000", "--session-beacon-ms", "500"]
    with Pair(tmp_path, edge_flags=flags) as p:
        async def body():
            slow = sleeper(p.edge.port, {"type": "subscribe", "id": "s", "channel": "incidents", "conflate": True})
            until(lambda: get(p.edge.http + "/health").json()["clients"] == 1, "the client to be there")
            count = await asyncio.to_thread(pour, p.edge, 4, 20)
            more = asyncio.create_task(asyncio.to_thread(pour, p.edge, 4, 20, count))
            reader, writer = await asyncio.open_connection(sock=slow, limit=1 << 16)
            stream, replaced, newest, last = None, {}, {}, 2 * count
            async for frame in json_frames(reader):
                if frame["type"] == "subscribed":
                    assert stream is None, "one stream"
                    stream = Stream(frame)
                elif "sub" in frame:
                    stream.take(frame)
                if frame["type"] == "update":
                    assert not set(frame.get("replaces") or ()) & replaced.keys(), "an offset is replaced once"
                    replaced.update(dict.fromkeys(frame.get("replaces") or (), frame["key"]))
                    newest[frame["key"]] = frame["incident"]["metadata"]["n"]
                    await asyncio.sleep(0.001)   # its pace
                if stream is not None and stream.head >= last:
                    break
            assert await more == count
            writer.close()
            seen = stream.offsets()
            print(f"slow reader: {len(seen)} updates stand for {len(replaced)} others")
            assert stream.outcome == "live" and not stream.jumped
            assert sorted([*seen, *replaced]) == list(range(stream.start + 1, last + 1)), "each offset is an update or replaced, once"
            assert len(replaced) > len(seen), "8 MiB of 20 incidents through a 16 KiB buffer"
            assert newest == {f"K{k}": max(n for n in range(last) if n % 20 == k) for k in range(20)}, "the newest state of each"
        run(body(), 100)


def test_updates_that_end_an_incident_and_p0_are_never_conflated_away(tmp_path):
    with Pair(tmp_path, edge_flags=[*EDGE[2:], "--fanout-audience-max-bytes", "16777216", "--fanout-slow-close-ms", "60000"]) as p:
        async def body():
            late = sleeper(p.edge.port, {"type": "subscribe", "id": "s", "channel": "incidents", "conflate": True})
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
            async for frame in json_frames(reader):
                if frame["type"] == "subscribed":
                    start = frame["position"]["offset"]
                if frame["type"] == "update":
                    seen.add(frame["offset"])
                    last = max(last, frame["offset"])
                if frame["type"] == "head":
                    last = max(last, frame["offset"])
                if last >= info["last"]:
                    break
            writer.close()
            missing = {o for o in must if o > start} - seen
            print(f"{len(seen)} of {info['last']} delivered, {len(must)} had to be")
            assert not missing, sorted(missing)[:10]
        run(body(), 100)


def test_a_closed_slow_client_resumes_with_its_position(tmp_path):
    with Pair(tmp_path, edge_flags=[*EDGE, "--fanout-slow-close-ms", "1000"]) as p:
        async def body():
            s = sleeper(p.edge.port, {"type": "subscribe", "id": "s", "channel": "incidents", "conflate": False})
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
