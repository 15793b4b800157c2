"""What audit, logs, traces and metrics cost the fan-out: two edges of one broker get the same updates for as many clients at the same time, one with
everything on (all categories logged, audit file, a scrape of two profiles a second), one with everything off. Compared is the processor time of
a delivery, which a busy machine disturbs alike on both.

    tools/bench/observe.py [--clients 1000] [--rounds 5] [--updates 2000]
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests"))

from support.http import get, post_lines          # noqa: E402
from support.process import Broker, Edge          # noqa: E402
from support.programs import program              # noqa: E402
from support.wait import until                    # noqa: E402


def counts(edge):
    """Seconds of the processor and frames delivered, so far."""
    with open(f"/proc/{edge.pid}/stat", encoding="ascii") as f:
        ticks = f.read().rsplit(")", 1)[1].split()[11:13]
    text = get(edge.http + "/metrics", timeout=60).body.decode()
    delivered = next(int(float(line.split()[1])) for line in text.splitlines() if line.startswith("tocsin_edge_delivered_total "))
    return sum(map(int, ticks)) / 100, delivered


def listen(edges, clients, updates):
    args = [program("tocsin-loadgen"), "--connections", str(clients), "--rate", "0", "--expect", str(updates), "--seconds", "300", "--channel", "bench"]
    for edge in edges:
        args += ["--target", f"127.0.0.1:{edge.port}"]
    return subprocess.Popen(args, stdout=subprocess.PIPE, text=True)


def publish(edge, updates, burst=16):
    event = {"name": "e", "data": "x" * 200}
    for at in range(0, updates, burst):
        reply = post_lines(edge.http + "/v1/updates", [{"channel": "bench", "event": event}] * min(burst, updates - at), timeout=60)
        assert reply.status == 200, reply


def scrape(edge, stop):
    while not stop.wait(1):
        for path in ("/metrics", "/metrics?profile=lim,mahavishnu,realtime"):
            get(edge.http + path, timeout=60)


def one_round(edges, door, clients, updates):
    load = listen(edges, clients, updates)
    until(lambda: sum(int(get(e.http + "/health", timeout=60).json()["clients"]) for e in edges) >= clients, "the clients", 120)
    before = [counts(e) for e in edges]
    publish(door, updates)
    out, _ = load.communicate(timeout=400)
    after = [counts(e) for e in edges]
    assert json.loads(out)["whole"], out
    return [1e6 * (a[0] - b[0]) / (a[1] - b[1]) for a, b in zip(after, before)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000, help="on both edges together")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=2000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        all_on = ["--log-level", "info", "--log-file", folder / "log", "--log-audit-file", folder / "audit", "--log-connection-level", "info",
                  "--log-message-level", "info"]
        broker = Broker(folder)
        off = Edge(folder, broker.endpoint, "--log-level", "off", name="edge-off")
        on = Edge(folder, broker.endpoint, *all_on, name="edge-on")
        door = Edge(folder, broker.endpoint, name="door")
        stop = threading.Event()
        try:
            for process in (broker, off, on, door):
                process.start()
            threading.Thread(target=scrape, args=(on, stop), daemon=True).start()
            one_round([off, on], door, args.clients, 200)   # not counted
            rounds = [one_round([off, on], door, args.clients, args.updates) for _ in range(args.rounds)]
        finally:
            stop.set()
            for process in (off, on, door, broker):
                process.kill()
        lines = len((folder / "audit").read_text().splitlines())
    ratios = [b / a for a, b in rounds]
    print(json.dumps({"us_per_delivery_off": [round(a, 4) for a, _ in rounds], "us_per_delivery_on": [round(b, 4) for _, b in rounds],
                      "ratio": round(statistics.median(ratios), 4), "ratios": [round(r, 4) for r in ratios], "audit_lines": lines}))


if __name__ == "__main__":
    main()
