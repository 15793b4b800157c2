#!/usr/bin/env python3
"""Makes a log of many updates through the real programs, kills the broker with -9 while more come in, and measures how long it
takes until it is ready again and until the edge has its next acknowledgement. For soak and for the figures, not a test.

    tests/support/recovery.py [--updates 1000000] [--kills 5] [--dir FOLDER]     TOCSIN_BIN names the programs (build/bin)
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import threading
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])   # in place of this folder, whose http.py would hide the library's

from support.http import get, post_json, post_lines   # noqa: E402
from support.process import Pair                      # noqa: E402
from support.wait import until                        # noqa: E402

BATCH = 2_000
INCIDENTS = 20_000
STATUSES = ["detected", "acknowledged", "investigating", "identified", "monitoring", "resolved"]


def batch(first):
    """Updates of about 400 bytes, spread over 20,000 incidents."""
    return [json.dumps({"event_id": f"r{i}", "kind": "updated", "key": f"INC{i % INCIDENTS:07}", "actor": "recovery",
                        "incident": {"title": f"incident {i % INCIDENTS}", "severity": f"P{i % 5}", "status": STATUSES[i // INCIDENTS % 6],
                                     "labels": {"service": f"s{i % 50}"}, "metadata": {"pad": "x" * 150, "n": i}}}).encode()
            for i in range(first, first + BATCH)]


def fill(pair, updates):
    """Publishes until the channel holds `updates`; goes on where an earlier run ended."""
    try:
        start = get(pair.edge.http + "/v1/channels/incidents").json().get("last", 0)
    except ValueError:
        start = 0
    begin = time.monotonic()
    for first in range(start, updates, BATCH):
        reply = post_lines(pair.edge.http + "/v1/updates", batch(first), timeout=60)
        if reply.status != 200 or any("error" in r for r in reply.json()["results"]):
            raise SystemExit(f"publishing failed at {first}: {reply!r}")
        if first % 100_000 == 0 and first > start:
            print(f"  {first:,} updates, {(first - start) / (time.monotonic() - begin):,.0f}/s", flush=True)


def one_kill(pair, n):
    """Kills the broker while a publisher is at work; (seconds to ready, seconds to the next acknowledgement)."""
    stop = threading.Event()

    def publish():
        i = 0
        while not stop.is_set():
            try:
                post_json(pair.edge.http + "/v1/updates", {"event_id": f"k{n}-{i}", "key": "K", "incident": {"title": str(i)}}, timeout=20)
            except OSError:
                pass
            i += 1
    thread = threading.Thread(target=publish)
    thread.start()
    until(lambda: post_json(pair.edge.http + "/v1/updates", {"key": "L", "incident": {"title": "x"}}).status == 200, "the load to run")
    pair.broker.kill()
    begin = time.monotonic()
    pair.broker.start(wait=False)
    until(pair.broker.ready_file.exists, "the broker to be ready", 60, 0.001)
    ready = time.monotonic() - begin
    until(lambda: post_json(pair.edge.http + "/v1/updates", {"key": "L", "incident": {"title": "y"}}, timeout=30).status == 200, "an acknowledgement", 60)
    acknowledged = time.monotonic() - begin
    stop.set()
    thread.join()
    return ready, acknowledged


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--dir", type=pathlib.Path, help="keeps the log there for another run; default: a temporary folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.dir or pathlib.Path(temporary)
        limits = ["--log-history-max-count", str(args.updates * 2), "--log-history-max-bytes", str(8 << 30)]
        with Pair(folder, limits) as pair:
            begin = time.monotonic()
            fill(pair, args.updates)
            size = sum(f.stat().st_size for f in pair.broker.data.rglob("*") if f.is_file())
            print(f"{args.updates:,} updates, {size >> 20} MiB on disk, made in {time.monotonic() - begin:.0f} s")
            results = [one_kill(pair, n) for n in range(args.kills)]
            info = get(pair.edge.http + "/v1/channels/incidents").json()
    for name, values in (("ready", [r for r, _ in results]), ("next acknowledgement", [a for _, a in results])):
        print(f"{name} after kill -9: median {statistics.median(values) * 1000:.0f} ms, worst {max(values) * 1000:.0f} ms")
    print(f"the channel then: {info}")


if __name__ == "__main__":
    main()
