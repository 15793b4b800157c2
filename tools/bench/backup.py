#!/usr/bin/env python3
"""What a backup costs publishers: the p99 of publish to acknowledgement while one is made, beside the p99 before and after, in one run.

    tools/bench/backup.py [--updates 1000000] [--rounds 3] [--rate 500] [--log FILE.csv.xz]     TOCSIN_BIN names the programs (build/bin)

The log is filled first: with made-up updates, or with a ServiceNow incident log replayed into as many channels as it takes. Then single updates
are published at `--rate` a second, each when it is due whether the one before was answered or not, through one edge to disk; every round has a
time without a backup and as long a time inside of one. Prints a JSON object; `ratio` is the median over the rounds of p99 with / p99 without.
"""
import argparse
import asyncio
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import aiohttp

sys.path[0] = str(pathlib.Path(__file__).resolve().parents[2] / "tests")   # in place of this folder

from support.cluster import Cluster            # noqa: E402
from support.http import get                   # noqa: E402
from support.programs import program, run_program   # noqa: E402
from support.recovery import batch, BATCH      # noqa: E402

WARMUP = 2   # seconds
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


def load(cluster, rate, seconds, turn):
    """Publishes at a rate, open loop, to one listening client."""
    return subprocess.Popen([program("tocsin-loadgen"), "--target", cluster.edge()["http"].removeprefix("http://"), "--connections", "1", "--incidents",
                             "--rate", str(rate), "--count", str(int(rate * (seconds + WARMUP))), "--warmup", str(WARMUP), "--seconds", str(seconds * 4 + 30),
                             "--size", "400", "--channel", f"load-{turn}"], stdout=subprocess.PIPE, text=True)


def result(child, seconds):
    seen = json.loads(child.communicate(timeout=seconds * 4 + 60)[0])
    if not seen["whole"] or seen["refused"]:
        raise SystemExit(f"an update was lost or refused: {seen}")
    return {k: seen["acknowledged_us"][k] for k in ("p50", "p90", "p99", "max")}


def backup(cluster):
    began = time.perf_counter()
    done = run_program("tocsinctl", "--cluster", cluster.file, "backup", "create", "--reserve", "0", "--json", timeout=600)
    assert done.code == 0, done
    return json.loads(done.out), time.perf_counter() - began


def measure(cluster, args):
    kept = asyncio.run(fill(cluster, args.updates, args.log))
    os.sync()                      # what the filling left to be written is nobody's delay below
    _, seconds = backup(cluster)   # how long one takes; not counted
    seconds = max(2, seconds - 1)  # the load ends while the backup still runs
    rounds, made = [], None
    for turn in range(args.rounds):
        without = result(load(cluster, args.rate, seconds, f"{turn}-without"), seconds)
        child = load(cluster, args.rate, seconds, f"{turn}-with")
        time.sleep(WARMUP)
        made, took = backup(cluster)
        os.sync()
        rounds.append({"without": without, "with": result(child, seconds), "backup_s": round(took, 1)})
    ratios = [r["with"]["p99"] / r["without"]["p99"] for r in rounds]
    return {"updates": kept, "rate": args.rate, "archive_bytes": made["bytes"], "raw_bytes": made["manifest"]["raw_bytes"], "acknowledged_us": rounds,
            "ratios": [round(r, 3) for r in ratios], "ratio": round(statistics.median(ratios), 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--log", help="a ServiceNow incident log, CSV or CSV.xz")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Cluster(pathlib.Path(folder) / "c", edges=1, config=CONFIG) as cluster:
        assert get(cluster.edge()["http"] + "/health").status == 200
        print(json.dumps(measure(cluster, args)))


if __name__ == "__main__":
    main()
