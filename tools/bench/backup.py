#!/usr/bin/env python3
"""What a backup costs publishers: the p99 of publish to acknowledgement while one is made, beside the p99 before and after, in one run.

    tools/bench/backup.py [--updates 1000000] [--rounds 3] [--rate 300] [--log FILE.csv.xz]     TOCSIN_BIN names the programs (build/bin)

The log is filled first: with made-up updates, or with a ServiceNow incident log replayed into as many channels as it takes. Then single updates
are published at `--rate` a second, each when it is due whether the one before was answered or not, through one edge to disk; every round has a
time without a backup and a time with one, as long as the backup takes. Prints a JSON object; `ratio` is p99 with / p99 without.
"""
import argparse
import asyncio
import json
import pathlib
import sys
import tempfile
import time

import aiohttp

sys.path[0] = str(pathlib.Path(__file__).resolve().parents[2] / "tests")   # in place of this folder

from support.cluster import Cluster            # noqa: E402
from support.http import get                   # noqa: E402
from support.programs import clean_env, program, run_program   # noqa: E402
from support.recovery import batch, BATCH      # noqa: E402

CONFIG = "log:\n  history_max_count: 100000000\n  history_max_bytes: 100000000000\n  history_max_age_s: 1000000000\n"


async def fill(cluster, updates, log):
    """Updates in the log, at least `updates`."""
    http = cluster.edge()["http"]
    kept, n = 0, 0
    while log and kept < updates:
        done = await asyncio.to_thread(run_program, "tocsinctl", "--cluster", cluster.file, "replay", "servicenow", log, "--channel", f"real-{n}",
                                       "--json", timeout=900)
        kept += json.loads(done.out.splitlines()[-1])["published"]
        n += 1
    async with aiohttp.ClientSession() as session:
        first = kept
        while kept < updates:
            async def send(at):
                async with session.post(http + "/v1/updates", data=b"\n".join(batch(at)) + b"\n",
                                        headers={"Content-Type": "application/x-ndjson"}) as reply:
                    results = (await reply.json(content_type=None))["results"]
                    return sum("position" in r for r in results)
            kept += await send(first)
            first += BATCH
    return kept


class Load:
    """Publishes at a rate, open loop; a latency counts to the state that ruled when it was due."""

    def __init__(self, url, rate):
        self.url, self.rate, self.state = url, rate, None
        self.taken = {"without": [], "with": []}
        self.failed = 0

    async def run(self):
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as session:
            begin, n, tasks = time.perf_counter(), 0, set()
            while True:
                due = begin + n / self.rate
                await asyncio.sleep(max(0, due - time.perf_counter()))
                task = asyncio.create_task(self.one(session, n, due))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                n += 1

    async def one(self, session, n, due):
        state = self.state
        body = {"event_id": f"load-{n}", "channel": "load", "key": f"K{n % 1000}", "incident": {"title": "x" * 200, "severity": "P2"}}
        try:
            async with session.post(self.url, json=body) as reply:
                await reply.read()
                self.failed += reply.status != 200
        except aiohttp.ClientError:
            self.failed += 1
        if state:
            self.taken[state].append(time.perf_counter() - due)


async def backup(cluster):
    began = time.perf_counter()
    child = await asyncio.create_subprocess_exec(program("tocsinctl"), "--cluster", str(cluster.file), "backup", "create", "--reserve", "0", "--json",
                                                 env=clean_env(), stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate()
    assert child.returncode == 0
    return json.loads(out), time.perf_counter() - began


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * q))]


async def measure(cluster, args):
    kept = await fill(cluster, args.updates, args.log)
    load = Load(cluster.edge()["http"] + "/v1/updates", args.rate)
    work = asyncio.create_task(load.run())
    await asyncio.sleep(3)   # connections are opened, the channel is made
    took, made = [], None
    for _ in range(args.rounds):
        load.state = "without"
        await asyncio.sleep(took[-1] if took else 10)
        load.state = "with"
        made, seconds = await backup(cluster)
        took.append(seconds)
    load.state = None
    work.cancel()
    report = {"updates": kept, "rate": args.rate, "backup_s": [round(t, 1) for t in took], "archive_bytes": made["bytes"],
              "raw_bytes": made["manifest"]["raw_bytes"], "failed": load.failed}
    for state, values in load.taken.items():
        report[state] = {"n": len(values), **{f"p{q}_ms": round(quantile(values, q / 100) * 1000, 2) for q in (50, 90, 99)}}
    report["ratio"] = round(report["with"]["p99_ms"] / report["without"]["p99_ms"], 3)
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=300)
    parser.add_argument("--log", help="a ServiceNow incident log, CSV or CSV.xz")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Cluster(pathlib.Path(folder) / "c", edges=1, config=CONFIG) as cluster:
        assert get(cluster.edge()["http"] + "/health").status == 200
        print(json.dumps(asyncio.run(measure(cluster, args))))


if __name__ == "__main__":
    main()
