#!/usr/bin/python3
"""Measures the cluster end to end and prints one JSON object a figure (Markdown table at the end).

    tools/bench/figures.py [--log FILE.csv.xz] [--only replay,latency,recovery,memory] [--clients 1,100,1000]

Runs the release programs of build/bin in a scratch folder on free ports. Each delivery is checked by the load generator;
a figure whose streams were not whole is printed as failed.
"""
import argparse, json, os, pathlib, shutil, signal, subprocess, sys, tempfile, time, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("TOCSIN_BIN", ROOT / "build/bin"))
LOADGEN = BIN / "tocsin-loadgen"


class Cluster:
    """A local cluster in the foreground of its own process group; stopped and removed on exit."""

    def __init__(self, edges=2, extra=""):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-bench-"))
        config = []
        if extra:
            (self.dir / "extra.yaml").write_text(extra)
            config = ["--config", str(self.dir / "extra.yaml")]
        self.log = open(self.dir / "up.log", "w")
        self.process = subprocess.Popen(
            [BIN / "tocsinctl", "up", "--edges", str(edges), "--port", "0", "--dir", str(self.dir / "state"), *config],
            stdout=self.log, stderr=self.log, start_new_session=True)
        self.file = self.dir / "state/cluster.json"
        wait(lambda: self.file.exists() or self.process.poll() is not None, 30, "cluster.json")
        if self.process.poll() is not None:
            sys.exit("the cluster did not start:\n" + (self.dir / "up.log").read_text())

    @property
    def info(self):
        return json.loads(self.file.read_text())

    @property
    def targets(self):
        out = []
        for e in self.info["edges"]:
            out += ["--target", e["http"].split("//")[1]]
        return out

    def pids(self):
        info = self.info
        return {"broker": info["broker"]["pid"], "supervisor": info["supervisor"]["pid"],
                **{e["id"]: e["pid"] for e in info["edges"]}}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)


def wait(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"gave up waiting for {what}")
        time.sleep(0.005)


def loadgen(cluster, *args):
    return subprocess.Popen([LOADGEN, *cluster.targets, *map(str, args)], stdout=subprocess.PIPE, text=True)


def result(process):
    out, _ = process.communicate()
    return json.loads(out), process.returncode == 0


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])


def ready(edge):
    try:
        return urllib.request.urlopen(edge["http"] + "/health/ready", timeout=1).status == 200
    except OSError:
        return False


def replay(args):
    for clients in args.clients:
        with Cluster() as c:
            listener = loadgen(c, "--connections", clients, "--channel", "incidents", "--expect", args.updates, "--seconds", 300)
            wait(lambda: subscribers(c) >= clients, 60, "the listeners")
            before = {n: cpu_seconds(p) for n, p in c.pids().items()}
            start = time.monotonic()
            subprocess.run([BIN / "tocsinctl", "--cluster", c.file, "replay", "servicenow", args.log, "--speed", "max",
                            "--limit", str(args.updates)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            published = time.monotonic() - start
            seen, whole = result(listener)
            cpu = {n: round(cpu_seconds(p) - before[n], 2) for n, p in c.pids().items()}
            yield {"figure": f"replay to {clients}", "updates": args.updates, "updates_per_s": round(args.updates / seen["delivery_seconds"]),
                   "deliveries_per_s": round(seen["deliveries_per_second"]), "published_per_s": round(args.updates / published),
                   "cpu_s": cpu, "whole": whole}


def subscribers(cluster):
    total = 0
    for e in cluster.info["edges"]:
        text = urllib.request.urlopen(e["http"] + "/metrics", timeout=5).read().decode()
        for line in text.splitlines():
            if line.startswith("tocsin_edge_subscriptions "):
                total += int(float(line.split()[1]))
    return total


def latency(args):
    with Cluster() as c:
        seen, whole = result(loadgen(c, "--connections", 1, "--rate", 1000, "--count", 11000, "--seconds", 30, "--warmup", 1, "--size", 400))
        yield {"figure": "acknowledged publish at 1,000/s", **{k: seen["acknowledged_us"][k] for k in ("p50", "p99", "max")},
               "delivery_p50": seen["delivery_us"]["p50"], "delivery_p99": seen["delivery_us"]["p99"], "unit": "us", "whole": whole}
        seen, whole = result(loadgen(c, "--connections", 1, "--rate", 20, "--count", 220, "--seconds", 30, "--warmup", 1, "--size", 400))
        yield {"figure": "lone acknowledged publish, 20/s", **{k: seen["acknowledged_us"][k] for k in ("p50", "p99", "max")}, "unit": "us", "whole": whole}


def recovery(args):
    with Cluster(edges=1, extra="log:\n  history_max_count: 2000000\n  history_max_bytes: 4000000000\n") as c:
        seen, whole = result(loadgen(c, "--connections", 1, "--rate", 30000, "--count", args.million, "--seconds", 300, "--size", 400))
        runs = []
        for _ in range(5):
            old = c.info["broker"]["pid"]
            start = time.monotonic()
            os.kill(old, signal.SIGKILL)
            wait(lambda: c.info["broker"]["pid"] != old, 30, "the broker's restart")
            restarted = time.monotonic() - start
            wait(lambda: ready(c.info["edges"][0]), 30, "readiness")
            runs.append((round(restarted, 3), round(time.monotonic() - start, 3)))
        yield {"figure": f"kill -9 of the broker, log of {seen['published'] - seen['refused']}", "restarted_s": sorted(r[0] for r in runs)[2],
               "edge_ready_again_s": sorted(r[1] for r in runs)[2], "runs": runs, "whole": whole}


def memory(args):
    with Cluster(edges=1) as c:
        idle = {n: rss_kib(p) for n, p in c.pids().items()}
        edge = c.info["edges"][0]["pid"]
        process = loadgen(c, "--connections", 10000, "--source-addresses", 4, "--seconds", 15)
        wait(lambda: subscribers(c) >= 10000, 60, "10,000 clients")
        full = rss_kib(edge)
        seen, whole = result(process)
        yield {"figure": "idle memory", "rss_kib": idle, "edge_bytes_per_client_at_10000": round((full - idle["edge-0"]) * 1024 / 10000), "whole": whole}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", help="a ServiceNow log for the replay figures")
    parser.add_argument("--updates", type=int, default=115366, help="rows of the log to replay")
    parser.add_argument("--million", type=int, default=1_000_000, help="updates in the log that is recovered")
    parser.add_argument("--clients", type=lambda s: [int(x) for x in s.split(",")], default=[1, 100, 1000])
    parser.add_argument("--only", default="replay,latency,recovery,memory")
    args = parser.parse_args()
    for name in args.only.split(","):
        if name == "replay" and not args.log:
            print("replay: skipped, no --log FILE", file=sys.stderr)
            continue
        for figure in {"replay": replay, "latency": latency, "recovery": recovery, "memory": memory}[name](args):
            print(json.dumps(figure), flush=True)


if __name__ == "__main__":
    main()
