#!/usr/bin/python3
"""What a drain, a rolling restart and the death of an edge cost their clients and everyone else, on this machine.

    tools/bench/drain.py [--clients 5000] [--rate 200] [--channels 20] [--rounds 3] [--only drain,restart,kill,storm] [--out DIR]

A local cluster of three edges; clients (tocsin-roam) judge their streams meanwhile. Updates go round `--channels`, so that each client
sees rate/channels of them a second. Prints the targets with what was reached, and writes figures.json and README.md to --out.
"""
import argparse, json, pathlib, shutil, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from support.cluster import Cluster  # noqa: E402
from support.fleet import Fleet      # noqa: E402
from support.http import get         # noqa: E402
from support.wait import until       # noqa: E402

CONFIG = "admin:\n  loopback: true\n"


class Bench:
    def __init__(self, args):
        self.args = args
        self.rows, self.figures = [], {}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-drain-"))

    def row(self, what, target, reached, ok):
        self.rows.append((what, target, reached, ok))
        print(f"{'ok  ' if ok else 'MISS'} {what}: {reached} (target {target})", flush=True)

    def fleet(self, cluster, name, **options):
        edges = [e["http"].removeprefix("http://") for e in cluster.edges]
        a = self.args
        return Fleet(edges, a.clients, a.rate, channels=a.channels, channel=name, settle_seconds=60, **options)

    def cluster(self, name, config=CONFIG):
        return Cluster(self.folder / name, edges=3, config=config)

    def realtime(self, cluster, *fleets):
        """Keeps other programs' turns out: who watches before who serves before who loads."""
        if not self.args.realtime:
            return
        for pid, priority in [*((pid, 6) for pid in cluster.pids()), *((f.child.pid, p) for f, p in fleets)]:
            subprocess.run(["chrt", "-a", "-r", "-p", str(priority), str(pid)], check=True)

    def whole(self, what, fleet, name):
        """0 lost, 0 twice, and what the phase says."""
        report, phase = fleet.report, fleet.phase(name)
        self.figures[f"{what} clients"] = report
        self.row(f"{what}: lost, seen twice, out of place", "0, 0, 0", f"{report['lost'] + report['missed']}, {report['twice']}, {report['out_of_place']}", report["holds"])
        return report, phase

    def watchers(self, cluster):
        """Clients of the target edges alone: what the drain costs those who were there before."""
        edges = [e["http"].removeprefix("http://") for e in cluster.edges[1:]]
        return Fleet(edges, 600, 60, channels=10, channel="watchers", settle_seconds=60)

    def drain(self):
        """The target edges' p99 scatters by itself: medians of `--rounds` drains, each between two measurements of the baseline."""
        ratios, off = {"edge-1": [], "edge-2": []}, []
        for round in range(1, self.args.rounds + 1):
            said, plan, report, watched = self.one_drain(f"drain{round}")
            self.figures[f"drain {round}"] = {"plan": plan, "report": said, "watchers": watched.report}
            during, beside = report[1], watched.phase("during")
            self.row(f"drain {round}: cut, of clients that understand", 0, during["cut"] + beside["cut"], during["cut"] + beside["cut"] == 0)
            dark = during["blackout_ms"]
            self.row(f"drain {round}: blackout p50, p99", "0 ms, <= 250 ms", f"{dark['p50']} ms, {dark['p99']} ms ({dark['count']} moves)", dark["p50"] == 0 and dark["p99"] <= 250)
            for edge, of in ratios.items():
                before, now, after = (watched.phase(p)["delivery_us"][edge]["p99"] / 1000 for p in ("baseline", "during", "after"))
                of.append((now / ((before + after) / 2), f"{now:.1f} ms between {before:.1f} and {after:.1f}"))
            planned, took = said.get("planned_ms") or plan.get("expected_ms"), said["elapsed_ms"]
            off.append((abs(took - planned) / planned if planned else 1, f"{took} ms, planned {planned} ms"))
        for edge, of in ratios.items():
            middle = statistics.median(ratio for ratio, _ in of)
            self.row(f"p99 delivery on {edge} during it", "<= 1.5 x baseline", f"{middle:.2f} x ({'; '.join(text for _, text in of)})", middle <= 1.5)
        self.row("plan against actual duration", "within 15 %", f"{100 * max(off)[0]:.0f} % at most ({'; '.join(text for _, text in off)})", max(off)[0] <= 0.15)

    def one_drain(self, name):
        with self.cluster(name) as cluster, self.watchers(cluster) as watchers, self.fleet(cluster, name, start_on=1) as fleet:
            self.realtime(cluster, (watchers, 7), (fleet, 5))
            time.sleep(self.args.warm)   # the measured load itself: caches fill, no phase counts it
            watchers.mark("baseline")
            time.sleep(self.args.baseline)
            plan = get(cluster.edge(0)["http"] + "/admin/plan").json()
            fleet.mark("during")
            watchers.mark("during")
            done = cluster.ctl("drain", "edge-0", "--wait", "--json", *(["--rate", self.args.drain_rate] if self.args.drain_rate else []), timeout=180)
            if done.code != 0:
                raise SystemExit(f"drain failed: {done!r}")
            fleet.mark("after")
            watchers.mark("after")
            time.sleep(self.args.baseline)
            fleet.stop()
            watchers.stop()
        return json.loads(done.out.strip().splitlines()[-1]), plan, self.whole(name, fleet, "during"), watchers

    def restart(self):
        with self.cluster("restart") as cluster, self.fleet(cluster, "restart") as fleet:
            fleet.mark("during")
            done = cluster.ctl("restart", "--rolling", "--wait", "--json", timeout=400)
            if done.code != 0:
                raise SystemExit(f"restart failed: {done!r}")
            fleet.stop()
            report, during = self.whole("rolling restart", fleet, "during")
        self.row("rolling restart of 3: hops per client", "mean <= 1.33, never 3", f"mean {report['hops']['mean']:.3f}, max {report['hops']['max']}",
                 report["hops"]["mean"] <= 4 / 3 and report["hops"]["max"] < 3)
        self.row("rolling restart: cut", 0, during["cut"], during["cut"] == 0)
        self.figures["restart seconds"] = during["seconds"]

    def kill(self):
        with self.cluster("kill") as cluster, self.fleet(cluster, "kill", start_on=1) as fleet:
            self.realtime(cluster, (fleet, 5))
            time.sleep(self.args.warm)
            self.die(cluster, fleet)
            report, storm = self.whole("kill -9", fleet, "storm")
        self.row("edge kill -9: resumed elsewhere", self.args.clients, storm["moves"] - report["renewed_sessions"], report["renewed_sessions"] == 0)
        self.row("edge kill -9: longest wait beyond the dictated delay", "<= 2000 ms", f"{storm['beyond_ms']['max']} ms (p50 {storm['beyond_ms']['p50']} ms)",
                 storm["beyond_ms"]["max"] <= 2000)

    def die(self, cluster, fleet):
        fleet.mark("storm")
        cluster.kill("edge-0")
        until(lambda: (lambda s: s["phase"]["moves"] >= self.args.clients and "none" not in s["edges"])(fleet.status()), "everyone to be back", 90, pause=0.5)
        fleet.stop()

    def storm(self):
        """With few handshakes a second: the delays that `welcome` and 503 dictate, and none."""
        for hasty in (False, True):
            name = "without" if hasty else "with"
            options = {"hasty": True} if hasty else {}
            with self.cluster(f"storm-{name}", CONFIG + "limits:\n  handshakes_per_s: 500\nsession:\n  reconnects_per_s: 800\n") as cluster, \
                    self.fleet(cluster, f"storm{name}", start_on=1, **options) as fleet:
                self.die(cluster, fleet)
                _, storm = self.whole(f"storm {name} the dictated delay", fleet, "storm")
            a = storm["attempts"]
            self.row(f"storm {name} the dictated delay: attempts per second", "-", f"peak {a['peak_per_s']:.0f}, mean {a['mean_per_s']:.0f}, ratio "
                     f"{a['peak_per_s'] / max(1, a['mean_per_s']):.1f}; {a['total']} in all, {storm['turned_away']} turned away", True)

    def write(self):
        out = self.args.out
        out.mkdir(parents=True, exist_ok=True)
        lines = [f"# Drain and kill, {self.args.clients} clients, {self.args.rate} updates/s over {self.args.channels} channels\n",
                 f"`tools/bench/drain.py {' '.join(sys.argv[1:])}`, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC\n", "| | target | reached | |", "|---|---|---|---|"]
        lines += [f"| {what} | {target} | {reached} | {'ok' if ok else '**missed**'} |" for what, target, reached, ok in self.rows]
        if "drain 1" in self.figures:
            lines += ["\nThe first drain's own report:\n", "    " + json.dumps(self.figures["drain 1"]["report"])]
        (out / "drain.md").write_text("\n".join(lines) + "\n")
        (out / "drain.json").write_text(json.dumps(self.figures, indent=1) + "\n")
        print("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--channels", type=int, default=20)
    parser.add_argument("--warm", type=float, default=3, help="seconds of load before anything is measured")
    parser.add_argument("--baseline", type=float, default=10, help="seconds of the measurements before and after the drain")
    parser.add_argument("--rounds", type=int, default=3, help="drains to take medians of")
    parser.add_argument("--realtime", action="store_true", help="real-time priorities, on a machine that others use (root)")
    parser.add_argument("--drain-rate", type=int, default=0, help="clients a second at most; 0: what the targets take")
    parser.add_argument("--only", default="drain,restart,kill,storm")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/bench")
    args = parser.parse_args()
    bench = Bench(args)
    try:
        for what in args.only.split(","):
            getattr(bench, what)()
    finally:
        bench.write()
        shutil.rmtree(bench.folder, ignore_errors=True)
    return 0 if all(ok for *_, ok in bench.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
