#!/usr/bin/python3
"""Compares Tocsin with the limit (plain epoll, raw OpenSSL) and with its peers, side by side in one run.

    tools/bench/run.py [--out DIR] [--rounds 3] [--profiles one-1k,...] [--servers tocsin,nchan,...] [--scale 4] [--install]

Server on one core, load generator on the other. Rounds are interleaved: each round runs every server once, so a machine
that slows down slows all of them. Figures are medians; CPU is read from /proc for all processes of a server, by phase of the run. A
run in which any stream had a gap, a duplicate or a missing message counts as failed and is printed as such. --quick takes less than 25 minutes.
"""
import argparse, json, os, pathlib, platform, shutil, subprocess, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import measure, profiles, report, servers

PACKAGES = "nats-server mosquitto nginx-light libnginx-mod-nchan redis-server pushpin openssl"


def machine():
    model = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    memory = next(l.split()[1] for l in open("/proc/meminfo") if l.startswith("MemTotal"))
    congestion = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    versions = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}, ", *PACKAGES.split(), "libwebsockets17", "libssl3"],
                              capture_output=True, text=True).stdout.strip(", ")
    head = subprocess.run(["git", "-C", servers.ROOT, "log", "-1", "--format=%h"], capture_output=True, text=True).stdout.strip()
    return (f"{os.cpu_count()} x {model}, {int(memory) // 1024} MiB, Linux {platform.release()}, TCP {congestion}, "
            f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, load average before {os.getloadavg()[0]:.1f}, commit {head}\n\n{versions}")


def install():
    """The peers, from Debian; their services are not started by this."""
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES.split()], env=env, check=True, stdout=subprocess.DEVNULL)


def choose(args):
    known = {c.name: c for c in servers.ALL}
    rows = [p for p in profiles.profiles(args.scale) if not args.profiles or p.name in args.profiles.split(",")]
    wanted = set(args.servers.split(",")) if args.servers else set(known)
    for name in sorted(wanted):
        if name in known and not known[name].available():
            print(f"{name}: not installed (Debian package {known[name].package}; --install), left out", file=sys.stderr)
            wanted.discard(name)
    for p in rows:
        p.servers = [s for s in p.servers if s in wanted]
    return [p for p in rows if p.servers], known


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=servers.ROOT / "build/bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=4, help="how much is published, in multiples of --quick")
    parser.add_argument("--quick", action="store_true", help="--scale 1 --minutes 24")
    parser.add_argument("--minutes", type=float, default=600, help="after so long each profile gets one round only")
    parser.add_argument("--profiles", default="", help="comma-separated; all")
    parser.add_argument("--servers", default="", help="comma-separated; all")
    parser.add_argument("--core", type=int, default=0, choices=(0, 1), help="the server's core; the load generator gets the other")
    parser.add_argument("--realtime", action="store_true", help="real-time priority for servers and generator, on a machine that others use")
    parser.add_argument("--install", action="store_true", help="install the peers (root)")
    args = parser.parse_args()
    if args.quick:
        args.scale, args.minutes = 1, min(args.minutes, 24)
    if args.install:
        install()
    servers.Server.realtime = args.realtime
    rows, known = choose(args)
    args.out.mkdir(parents=True, exist_ok=True)
    started, facts, all_results = time.monotonic(), machine(), {}
    log = open(args.out / "runs.jsonl", "w")
    for p in rows:
        all_results[p.name] = {name: [] for name in p.servers}
        for done in range(args.rounds):
            if done and time.monotonic() - started > args.minutes * 60:
                break
            for name in p.servers:
                run = measure.run(known[name], p, args.core)
                all_results[p.name][name].append(run)
                print(json.dumps({"profile": p.name, "server": name, **run}), file=log, flush=True)
                print(p.name, name, "whole" if run["whole"] else f"FAILED {run.get('why')}", p.figure, run.get(p.figure), flush=True)
        text = [f"# Side by side\n\n{facts}\n\n`tools/bench/run.py {' '.join(sys.argv[1:])}`, {round(time.monotonic() - started)} s\n",
                report.summary(profiles.targets(), all_results), *(report.table(q, all_results[q.name]) for q in rows if q.name in all_results)]
        (args.out / "README.md").write_text("\n".join(text))
    report.plots(args.out, rows, all_results)
    print(report.summary(profiles.targets(), all_results))


if __name__ == "__main__":
    main()
