"""Is anything kept of clients that left? Connects, subscribes and leaves, over and over, and compares memory and descriptors.

    TOCSIN_BIN=build/bin python3 -m tests.support.connects [COUNT]      a million by default, about five minutes
"""
import os
import subprocess
import sys
import tempfile

from .http import get
from .process import Pair
from .programs import program
from .wait import until

ROUND = 4000


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def connections(edge):
    return next(float(line.split()[-1]) for line in get(edge.http + "/metrics").body.decode().splitlines() if line.startswith("tocsin_edge_net_connections "))


def one_round(edge):
    subprocess.run([program("tocsin-loadgen"), "--target", f"127.0.0.1:{edge.port}", "--connections", str(ROUND), "--source-addresses", "4", "--count", "1",
                    "--rate", "1000", "--lockstep", "--seconds", "20", "--deflate"], check=True, capture_output=True, timeout=60)
    until(lambda: connections(edge) <= 1, "every client to be gone", 30)


def main(count):
    with tempfile.TemporaryDirectory() as folder, Pair(folder, edge_flags=["--limits-handshakes-per-s", "0"]) as p:
        base = None
        for n in range(ROUND, count + ROUND, ROUND):
            one_round(p.edge)
            now = (rss(p.edge.pid), len(os.listdir(f"/proc/{p.edge.pid}/fd")))
            if n == 10 * ROUND:
                base = now   # the heap has its size by then
            if n % (10 * ROUND) == 0:
                print(f"{n} connects: {now[0]} KiB, {now[1]} descriptors", flush=True)
        grown = now[0] - base[0] if base else 0
        print(f"grew by {grown} KiB since {10 * ROUND} connects")
        return 0 if grown < 8192 and now[1] <= (base or now)[1] else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
