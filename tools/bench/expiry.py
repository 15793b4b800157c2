#!/usr/bin/python3
"""Tokens that end at once: half of the clients refresh in time, half do not, while updates flow.

    tools/bench/expiry.py [--clients 10000] [--rate 20] [--connect-seconds 30]

One edge of a local cluster, every client a token of its own (HS256). The others must be told nothing one second after the end and be
closed with 4401; nobody who refreshed may be closed or miss an update. Prints what the load generator found.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from support.cluster import Cluster          # noqa: E402
from support.programs import program         # noqa: E402
from support.tokens import SECRET, token     # noqa: E402

options = argparse.ArgumentParser()
options.add_argument("--clients", type=int, default=10_000)
options.add_argument("--rate", type=float, default=20)
options.add_argument("--connect-seconds", type=int, default=30, help="until the tokens end: all must be connected and have refreshed by then")
a = options.parse_args()

folder = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-expiry-"))
(folder / "secret").write_text(SECRET)
config = (f"auth:\n  key_file: {folder / 'secret'}\n  leeway_ms: 0\n  grace_ms: 2000\n"
          f"limits:\n  clients_max: {a.clients + 100}\n")
with Cluster(folder / "c", edges=1, config=config) as cluster:
    (folder / "long").write_text("\n".join(token(f"s{i}") for i in range(a.clients)))
    ends = int(time.time()) + a.connect_seconds
    (folder / "short").write_text("\n".join(token(f"s{i}", exp=ends) for i in range(a.clients)))
    done = subprocess.run([program("tocsin-loadgen"), "--target", cluster.edge()["http"].removeprefix("http://"), "--connections", str(a.clients),
                           "--source-addresses", "4", "--rate", str(a.rate), "--seconds", str(a.connect_seconds + 6), "--channel", "expiry",
                           "--token-file", folder / "short", "--refresh-file", folder / "long", "--refresh-after", "1", "--expires-at", str(ends)],
                          capture_output=True, text=True)
seen = json.loads(done.stdout)
half = a.clients // 2
ok = (seen["opened"], seen["expired"], seen["late"], seen["closed_early"], seen["gaps"], seen["errors"]) == (a.clients, a.clients - half, 0, 0, 0, 0)
print(json.dumps({k: seen[k] for k in ("opened", "expired", "late", "closed_early", "gaps", "duplicates", "errors", "published", "deliveries", "connect_seconds", "delivery_us")}, indent=1))
print(f"{'ok  ' if ok else 'MISS'} {a.clients} tokens ended at once: {seen['closed_early']} of those that refreshed closed (target 0), {seen['late']} updates to others after 1 s (target 0)")
sys.exit(0 if ok else 1)
