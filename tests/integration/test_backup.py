"""A backup taken and put back as ops/runbook/backup.md says: what is told to clients and publishers of the lost time."""
import asyncio
import os
import re
import shutil
import sqlite3

import pytest

from support.client import Client
from support.http import get, post_lines
from support.process import Pair
from support.programs import ROOT
from support.wait import run, until

RUNBOOK = ROOT / "ops" / "runbook" / "backup.md"


def updates(first, last):
    return [{"event_id": f"e{i}", "key": f"K{i % 10}", "incident": {"title": str(i)}} for i in range(first, last + 1)]


def publish(edge, first, last):
    reply = post_lines(edge.http + "/v1/updates", updates(first, last))
    assert reply.status == 200, reply
    return reply.json()["results"]


def back_up(data, folder):
    """The statement of the runbook, beside the running broker."""
    statement = re.search(r'log\.db "(VACUUM INTO [^"]+)"', RUNBOOK.read_text()).group(1)
    copy = folder / "backup.db"
    db = sqlite3.connect(data / "log.db")
    db.execute(statement.replace("backup.db", str(copy)))
    db.close()
    shutil.copy(data / "CLUSTER", folder / "backup.CLUSTER")
    return copy


def restore(data, copy, marks):
    data.rename(data.parent / "data.lost")
    data.mkdir(mode=0o700)
    shutil.copy(copy, data / "log.db")
    if "CLUSTER" in marks:
        shutil.copy(copy.parent / "backup.CLUSTER", data / "CLUSTER")
    if "RESTORED" in marks:
        (data / "RESTORED").touch()


@pytest.mark.parametrize("marks", [("CLUSTER", "RESTORED"), ()], ids=["as the runbook says", "the bare copy"])
def test_after_a_restore_positions_of_the_lost_time_prove_nothing(tmp_path, marks):
    with Pair(tmp_path, edges=2) as p:
        data = p.broker.data
        publish(p.edge, 1, 60)
        copy = back_up(data, tmp_path)
        lost = publish(p.edge, 61, 100)
        old = lost[-1]["position"]

        async def body():
            async with Client(p.edge.ws, "stays") as stays:
                await stays.subscribe("a", since={**old, "offset": 0})
                await stays.reached("a", 100)
                ticket, before = stays.welcome["ticket"], stays.streams["a"]
                p.broker.kill()
                restore(data, copy, marks)
                p.broker.start()
                until(lambda: all(get(e.http + "/health/ready").status == 200 for e in p.edges), "the edges to be ready again")
                info = get(p.edge.http + "/v1/channels/incidents").json()
                assert info["epoch"] != old["epoch"] and info["last"] == 60, info
                # Those who stayed connected are told, and go on in the new history.
                await stays.until(lambda: stays.streams["a"] is not before, "the stream to start over")
                again = stays.streams["a"]
                assert (again.outcome, again.reason, again.epoch, again.start) == ("lost", "epoch_changed", info["epoch"], 60)
                # Those who come back with a position of the lost time, below or above the backup's head, are told as well.
                for offset in (10, 60, 61, 100):
                    async with Client(p.edges[1].ws) as c:
                        s = await c.subscribe("a", since={**old, "offset": offset})
                        assert (s.outcome, s.reason, s.start) == ("lost", "epoch_changed", 60), offset
                async with Client(p.edge.ws) as c:
                    s = await c.subscribe("a", snapshot=True, since=old)
                    assert (s.outcome, s.reason, s.start) == ("snapshot", "epoch_changed", 60)
                    await c.until(lambda: s.snapshot_done, "the snapshot")
                    assert {i["title"] for i in s.snapshot} == {str(i) for i in range(51, 61)}, "the state of the backup"
                page = get(p.edge.http + f"/v1/channels/incidents/updates?epoch={old['epoch']}&after=10")
                assert page.status == 410 and page.json()["code"] == "position_lost", page
                # Publishers that repeat themselves: what is kept is recognised, the hole is filled, once.
                results = await asyncio.to_thread(publish, p.edge, 1, 100)
                assert [r["position"] for r in results] == [{"epoch": info["epoch"], "offset": i} for i in range(1, 101)]
                assert [bool(r.get("duplicate")) for r in results] == [True] * 60 + [False] * 40
                await stays.reached("a", 100)
                assert stays.streams["a"].offsets() == list(range(61, 101))
                # Keys and records are in the backup: a ticket of the lost time is still honoured.
                async with Client(p.edge.ws, "ticket") as c:
                    welcome = await c.connect(ticket=ticket)
                    assert welcome["session"] == stays.welcome["session"]
        run(body(), 60)
        assert not (data / "RESTORED").exists()
        epoch = get(p.edge.http + "/v1/channels/incidents").json()["epoch"]
        p.broker.kill()
        p.broker.start()
        until(lambda: get(p.edge.http + "/health/ready").status == 200, "the edge to be ready again")
        assert get(p.edge.http + "/v1/channels/incidents").json()["epoch"] == epoch, "a restore counts once"


def test_a_backup_does_not_hold_publishers_up(tmp_path):
    with Pair(tmp_path) as p:
        publish(p.edge, 1, 2000)
        db = sqlite3.connect(p.broker.data / "log.db")
        db.execute("BEGIN")
        assert db.execute("SELECT count(*) FROM log").fetchone()[0] == 2000   # the moment that the copy would show
        publish(p.edge, 2001, 2500)
        assert db.execute("SELECT count(*) FROM log").fetchone()[0] == 2000
        db.close()
        copy = back_up(p.broker.data, tmp_path)
        publish(p.edge, 2501, 2600)
        copied = sqlite3.connect(copy)
        assert copied.execute("SELECT count(*), max(offset) FROM log").fetchone() == (2500, 2500)
        assert copied.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        copied.close()
        assert os.path.getsize(copy) > 0
