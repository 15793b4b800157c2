"""The promise: every client's stream stays whole, whatever dies. Judged by the history checker (tests/checker)."""
import asyncio
import lzma

import pytest

from support.client import Client, Follower
from support.cluster import exists
from support.history import History
from support.http import get, post_lines
from support.programs import clean_env, program
from support.proto_client import ProtoClient
from support.publisher import Publisher, incident
from support.wait import run, until_async

from test_cli import REAL_LOG, csv_log

UPDATES = 4_000


def urls(cluster, kind):
    return [e[kind] for e in cluster.edges]


async def kill_and_wait(cluster, which):
    old = cluster.kill(which)
    await until_async(lambda: cluster.pid_of(which) != old and exists(cluster.pid_of(which)), f"another {which}", 20)


def make_updates(name, count):
    """Incidents that open, change and end; about 10 changes each."""
    steps = ["detected", "acknowledged", "investigating", "identified", "remediating", "monitoring", "monitoring", "resolved", "closed"]
    updates = []
    for n in range(count):
        number, step = n % (count // len(steps) + 1), n // (count // len(steps) + 1)
        updates.append({"channel": "incidents", "event_id": f"{name}-{n}", "kind": "created" if step == 0 else "updated",
                        "key": f"{name}-INC{number}", "actor": name,
                        "incident": incident(number, status=steps[step], metadata={"note": f"{name} {n}"})})
    return updates


async def publish_in_parts(publisher, updates, gates):
    """Publishes everything; opens each gate when its share is acknowledged."""
    share = len(updates) // (len(gates) + 1)
    for i, gate in enumerate(gates):
        await publisher.publish_all(updates[i * share:(i + 1) * share])
        gate.set()
    await publisher.publish_all(updates[len(gates) * share:])


async def head_of(cluster):
    """The channel's last offset; waits while the broker is on its way back."""
    def look():
        try:
            reply = get(cluster.edge()["http"] + "/v1/channels/incidents")
            return reply.json() if reply.status == 200 else None
        except OSError:
            return None
    return (await until_async(lambda: asyncio.to_thread(look), "the channel's head", 20))["last"]


async def follow_everything(cluster, history, count=4):
    """Followers that come back: two of everything on either edge, two with a filter, one of them from a snapshot."""
    both = urls(cluster, "ws")
    async with Client(both[0], "first") as c:   # the channel is made by its first use
        start = (await c.subscribe("s")).position
    followers = [Follower(both, "all-0", history, since=start), Follower(both[::-1], "all-1", history, since=start, client=ProtoClient),
                 Follower(both, "severe", history, filter={"severity": ["P0", "P1"]}), Follower(both[::-1], "active", history, filter={"active": True},
                                                                                                snapshot=True)]
    for f in followers[:count]:
        f.start()
    for f in followers[:count]:
        await asyncio.wait_for(f.attached.wait(), 20)
    return followers[:count]


@pytest.mark.parametrize("victims", [["broker", "broker"], ["edge-0", "edge-1"], ["broker", "edge-0", "supervisor", "edge-1", "broker"]],
                         ids=lambda v: "-".join(v))
def test_kill_9_under_load_loses_and_repeats_nothing(cluster, tmp_path, victims):
    history = History(tmp_path / "history.jsonl", all_publishers=True, stable_epochs=True, history_kept=True)

    async def body():
        followers = await follow_everything(cluster, history)
        publishers = [Publisher(urls(cluster, "http")[i:] + urls(cluster, "http")[:i], f"p{i}", history) for i in range(2)]
        gates = [asyncio.Event() for _ in victims]
        work = [asyncio.create_task(publish_in_parts(publishers[0], make_updates("p0", UPDATES // 2), gates)),
                asyncio.create_task(publishers[1].publish_all(make_updates("p1", UPDATES // 2)))]
        for gate, victim in zip(gates, victims):
            waiting = asyncio.create_task(gate.wait())
            await asyncio.wait([waiting, *work], return_when=asyncio.FIRST_COMPLETED)   # a failed publisher must not hang us
            await kill_and_wait(cluster, victim)
        await asyncio.gather(*work)
        last = await head_of(cluster)
        assert last == UPDATES, "each update once, whatever was retried"
        for f in followers:
            await f.reached(last, 40)
        for p in publishers:
            assert len(p.position_of) == UPDATES // 2 and not p.refused
        sockets = {f.name: f.sockets for f in followers}
        for f in followers:
            await f.stop()
            assert not f.lost, f.lost
        return sockets
    try:
        sockets = run(body(), 150)
        print("sockets used:", sockets)
        if all(v == "broker" for v in victims):
            assert set(sockets.values()) == {1}, "clients keep their sockets when the broker dies"
        history.settled()
        history.must_hold()
    finally:
        history.close()


def test_a_broker_that_dies_while_nothing_flows_is_not_noticed(cluster):
    async def body():
        async with Client(cluster.edge()["ws"]) as c:
            await c.subscribe("a")
            await kill_and_wait(cluster, "broker")
            await asyncio.to_thread(cluster.wait_ready)
            answer = await c.publish("p", key="A", incident={"title": "after"})
            assert answer["type"] == "published", answer
            assert (await c.reached("a", 1)).offsets() == [1]
            assert not [f for f in c.frames if f["type"] in ("closing", "error")]
    run(body())


def replay_source(tmp_path, rows):
    """Part of the real log when it is there, else a generated one in its form."""
    if not REAL_LOG.exists():
        print(f"{REAL_LOG} is not there: a generated log in its place")
        return csv_log(tmp_path, rows // 4)[0]
    part = tmp_path / "part.csv"
    with lzma.open(REAL_LOG, "rt") as f, open(part, "w", encoding="utf-8") as out:
        for _, line in zip(range(rows + 1), f):
            out.write(line)
    return part


def test_a_replay_goes_on_through_kills_and_every_client_has_it_whole(cluster, tmp_path):
    file = replay_source(tmp_path, 12_000)
    history = History(tmp_path / "history.jsonl", stable_epochs=True, history_kept=True)

    async def body():
        followers = await follow_everything(cluster, history, count=3)
        replay = await asyncio.create_subprocess_exec(program("tocsinctl"), "--cluster", str(cluster.file), "replay", "servicenow", str(file),
                                                      "--speed", "max", "--json", env=clean_env(), stdin=asyncio.subprocess.DEVNULL,
                                                      stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        output = asyncio.create_task(replay.communicate())
        for at, victim in ((500, "broker"), (3000, "edge-1"), (6000, "broker")):
            await until_async(lambda at=at: followers[0].at >= at or output.done(), f"{at} updates", 60)
            await kill_and_wait(cluster, victim)
        out, err = await asyncio.wait_for(output, 90)
        assert replay.returncode in (0, 6), (replay.returncode, out[-1000:], err[-1000:])
        last = await head_of(cluster)
        assert last >= 10_000, (last, out[-1000:], err[-1000:])
        for f in followers:
            await f.reached(last, 40)
            await f.stop()
        return out
    try:
        print(run(body(), 200)[-500:])
        history.settled()
        history.must_hold()
    finally:
        history.close()


def test_the_checker_is_not_blind(cluster, tmp_path):
    """A history with one update taken out must be condemned."""
    history = History(tmp_path / "history.jsonl", all_publishers=True)

    async def body():
        followers = await follow_everything(cluster, history, count=1)
        publisher = Publisher(urls(cluster, "http"), "p0", history)
        await publisher.publish_all(make_updates("p0", 50))
        await followers[0].reached(50)
        await followers[0].stop()
    run(body())
    history.settled()
    history.must_hold()
    history.close()
    lines = history.path.read_text().splitlines(keepends=True)
    victim = next(i for i, line in enumerate(lines) if '"type":"update"' in line and '"offset":25,' in line)
    cut = tmp_path / "cut.jsonl"
    cut.write_text("".join(lines[:victim] + lines[victim + 1:]))
    history.path, history._file = cut, open(cut, encoding="utf-8")
    history._file.flush = lambda: None
    verdict = history.judge()
    assert verdict.code == 1 and "gap" in verdict.out + verdict.err, verdict


def test_many_clients_connect_leave_and_return_while_updates_flow(shared, channel):
    """Sockets come and go; whoever stays has everything."""
    async def body():
        http = shared.edge()["http"] + "/v1/updates"
        async with Client(shared.edge(1)["ws"], "steady") as steady:
            await steady.subscribe("s", channel)

            async def come_and_go(n):
                position = None
                for turn in range(4):
                    async with Client(shared.edge((n + turn) % 2)["ws"], f"c{n}", keep_frames=False) as c:
                        s = await c.subscribe("s", channel, **({"since": position} if position else {"since": {"epoch": steady.streams["s"].epoch, "offset": 0}}))
                        assert s.outcome == "resumed"
                        want = min(s.start + 20, 300)
                        await c.reached("s", want)
                        assert s.offsets() == list(range(s.start + 1, s.at + 1))
                        position = s.position

            async def flow():
                for i in range(30):
                    await asyncio.to_thread(post_lines, http, [{"channel": channel, "key": f"K{j}", "incident": {"title": str(i)}} for j in range(10)])
            await asyncio.gather(flow(), *(come_and_go(n) for n in range(15)))
            assert (await steady.reached("s", 300)).offsets() == list(range(1, 301))
    run(body(), 60)
