#!/usr/bin/python3
"""Compares Tocsin with the limit (plain epoll) and with its peers, side by side in one run.

    tools/bench/run.py [--out DIR] [--rounds 3] [--profiles fanout-1k,...] [--servers tocsin,nats-server,...]

Server on one core, load generator on the other. Rounds are interleaved: each round runs every server once, so a machine
that slows down slows all of them. Figures are medians; CPU is read from /proc for all processes of a server. A run in
which any stream had a gap, a duplicate or a missing message counts as failed and is printed as such.
"""
import argparse, json, os, pathlib, platform, statistics, subprocess, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import plot, servers

LOADGEN = servers.BIN / "tocsin-loadgen"

# name: what it shows, load generator's arguments, the figure that is compared and whether more is better
PROFILES = {
    "fanout-1k": ("256 B to 1,000 clients, as fast as the server's core goes",
                  "--connections 1000 --rate 400 --count 2000 --size 256 --seconds 60", "deliveries_per_cpu_s", True),
    "fanout-10k": ("256 B to 10,000 clients",
                   "--connections 9000 --source-addresses 4 --rate 20 --count 160 --size 256 --seconds 90", "deliveries_per_cpu_s", True),
    "batch-1k": ("256 B to 1,000 clients in bursts of 16", "--connections 1000 --rate 3200 --burst 16 --count 16000 --size 256 --seconds 90",
                 "deliveries_per_cpu_s", True),
    "latency": ("50,000 deliveries/s to 1,000 clients", "--connections 1000 --rate 50 --count 500 --warmup 2 --size 256 --seconds 40",
                "delivery_p99_us", False),
    "latency-1": ("one update/s to 1,000 clients", "--connections 1000 --rate 1 --count 12 --warmup 2 --size 256 --seconds 40",
                  "delivery_p99_us", False),
    "idle": ("memory per idle client, 9,000 clients", "--connections 9000 --source-addresses 4 --seconds 3", "bytes_per_client", False),
}


def measure(cls, profile, core):
    _, arguments, _, _ = PROFILES[profile]
    with cls(core) as server:
        time.sleep(0.3)
        rss_before, cpu_before = servers.rss_of(server.pids()), servers.cpu_of(server.pids())
        beside = getattr(server, "beside", lambda: [])()
        beside_before = servers.cpu_of(beside)
        load = subprocess.Popen(["taskset", "-c", str(1 - core), LOADGEN, "--dialect", server.dialect, "--target", server.target(),
                                 *arguments.split()], stdout=subprocess.PIPE, text=True)
        rss_peak = 0
        while load.poll() is None:
            rss_peak = max(rss_peak, servers.rss_of(server.pids()))
            time.sleep(0.2)
        seen = json.loads(load.stdout.read())
        cpu = servers.cpu_of(server.pids()) - cpu_before
        clients = max(seen["opened"], 1)
        return {"whole": load.returncode == 0, "deliveries": seen["deliveries"], "cpu_s": round(cpu, 2),
                "beside_cpu_s": round(servers.cpu_of(beside) - beside_before, 2),
                "deliveries_per_cpu_s": round(seen["deliveries"] / cpu) if cpu > 0 else 0,
                "delivery_p50_us": seen["delivery_us"]["p50"], "delivery_p99_us": seen["delivery_us"]["p99"],
                "connects_per_cpu_s": round(seen["opened"] / cpu) if cpu > 0 else 0,
                "bytes_per_client": round((rss_peak - rss_before) / clients)}


def median(runs, key):
    good = [r[key] for r in runs if r["whole"]]
    return statistics.median(good) if good else None


def machine():
    model = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}, {time.strftime('%Y-%m-%d')}"


def table(profile, results, rounds):
    what, arguments, key, more = PROFILES[profile]
    rows = [f"## {profile}: {what}", "", f"`tocsin-loadgen {arguments}`, medians of {rounds}", "",
            "| server | " + key + " | / limit | min - max | p50 us | p99 us | CPU s | beside | whole |", "|---|---|---|---|---|---|---|---|---|"]
    limit = median(results.get(servers.Limit.name, []), key)
    for name, runs in results.items():
        m = median(runs, key)
        ratio = f"{m / limit:.2f}" if m and limit else "-"
        spread = " - ".join(str(f(r[key] for r in runs)) for f in (min, max))
        rows.append(f"| {name} | {m if m is not None else 'failed'} | {ratio} | {spread} | {median(runs, 'delivery_p50_us')} | "
                    f"{median(runs, 'delivery_p99_us')} | {median(runs, 'cpu_s')} | {median(runs, 'beside_cpu_s')} | {sum(r['whole'] for r in runs)}/{len(runs)} |")
    return "\n".join(rows) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=servers.ROOT / "tools/bench/results")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profiles", default=",".join(PROFILES))
    parser.add_argument("--servers", default="")
    parser.add_argument("--core", type=int, default=0, choices=(0, 1), help="the server's core; the load generator gets the other")
    args = parser.parse_args()
    chosen = [c for c in servers.ALL if not args.servers or c.name in args.servers.split(",")]
    for c in [c for c in chosen if not c.available()]:
        print(f"{c.name}: not installed (Debian package {c.package}), left out", file=sys.stderr)
        chosen.remove(c)
    args.out.mkdir(parents=True, exist_ok=True)
    text = [f"# Side by side\n\n{machine()}\n\n`tools/bench/run.py --rounds {args.rounds} --profiles {args.profiles}`\n"]
    for profile in args.profiles.split(","):
        results = {c.name: [] for c in chosen}
        for _ in range(args.rounds):
            for c in chosen:
                run = measure(c, profile, args.core)
                results[c.name].append(run)
                print(profile, c.name, json.dumps(run), flush=True)
        text.append(table(profile, results, args.rounds))
        key = PROFILES[profile][2]
        plot.bars(args.out / f"{profile}.svg", f"{profile}: {key}", {n: median(r, key) or 0 for n, r in results.items()})
        (args.out / "results.md").write_text("\n".join(text))


if __name__ == "__main__":
    main()
