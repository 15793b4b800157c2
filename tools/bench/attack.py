#!/usr/bin/python3
"""What limits cost, and what honest clients notice of an attack, on this machine.

    tools/bench/attack.py [--clients 1000] [--rounds 3] [--seconds 15] [--only limits,attack] [--no-realtime]

limits: fan-out with every limit on against none, interleaved; compared is the edge's CPU time for a delivery (target: within 3 %).
attack: delivery p99 of honest clients, quiet and while five attackers flood, knock, trickle and ping from another address (target: 1.5 times).
Servers and honest clients are put before the attackers (chrt, root), since on a small machine all share the cores.
"""
import argparse, json, pathlib, socket, statistics, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "tools/bench"))
from support.bare import HANDSHAKE, masked  # noqa: E402
from support.process import Pair            # noqa: E402
from support.programs import program        # noqa: E402
from proc import cpu_of                     # noqa: E402

LIMITS = {"connections-per-ip": 100000, "connections-per-subject": 100000, "cluster-connections": 1000000, "cluster-connections-per-ip": 100000,
          "cluster-connections-per-subject": 100000, "attempts-per-ip": 1000000, "client-messages-per-s": 100000, "client-publishes-per-s": 100000,
          "client-bytes-per-s": 1000000000, "subject-messages-per-s": 1000000, "subject-publishes-per-s": 1000000, "subject-bytes-per-s": 1000000000,
          "tenant-messages-per-s": 1000000, "tenant-publishes-per-s": 1000000, "tenant-bytes-per-s": 1000000000, "ban-after": 100000}
DEFENCE = ["--limits-connections-per-ip", "64", "--limits-attempts-per-ip", "100", "--limits-attempts-window-ms", "10000", "--limits-client-messages-per-s",
           "100", "--limits-client-bytes-per-s", "1000000", "--limits-ban-after", "10", "--limits-handshake-ms", "2000", "--limits-exempt", "127.0.0.1"]


def load(pair, *args):
    command = [program("tocsin-loadgen"), "--target", f"127.0.0.1:{pair.edge.port}", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def result(child):
    seen = json.loads(child.communicate(timeout=300)[0])
    if not seen["whole"]:
        raise SystemExit(f"a stream was not whole: {seen}")
    return seen


def first(realtime, *pids):
    for pid in pids if realtime else ():
        subprocess.run(["chrt", "-a", "-r", "-p", "5", str(pid)], check=True)


def limits(args):
    flags = [x for name, value in LIMITS.items() for x in (f"--limits-{name}", str(value))] + ["--origin-allowed", "https://a.example", "--proxy-trusted", "192.0.2.0/24"]
    cost = {"off": [], "on": []}
    for turn in range(args.rounds):
        for kind in (("off", "on") if turn % 2 == 0 else ("on", "off")):
            with tempfile.TemporaryDirectory() as folder, Pair(folder, edge_flags=flags if kind == "on" else []) as pair:
                first(args.realtime, pair.edge.pid, pair.broker.pid)
                before = cpu_of([pair.edge.pid])
                seen = result(load(pair, "--connections", args.clients, "--lockstep", "--burst", 16, "--count", 4800, "--seconds", 120))
                cost[kind].append((cpu_of([pair.edge.pid]) - before) / seen["deliveries"] * 1e9)
    off, on = (statistics.median(cost[k]) for k in ("off", "on"))
    print(json.dumps({"edge_cpu_ns_per_delivery": cost, "median_off": off, "median_on": on, "ratio": on / off}))


def attacker(port, kind):
    """One process: until it is killed."""
    def connect(data):
        s = socket.create_connection(("127.0.0.1", port), timeout=2, source_address=(f"127.0.0.{66 + kind % 5}", 0))
        s.sendall(data)
        return s
    crowd = []
    flood = [masked(b'{"type":"ping","ref":"x"}') * 500, masked(b"x" * 100, first=0x89) * 200][kind % 2]
    while True:
        try:
            if kind < 2:      # floods of frames and of pings
                with connect(HANDSHAKE) as s:
                    s.recv(4096)
                    while True:
                        s.sendall(flood)
                        if not s.recv(65536):
                            break
            elif kind == 2:   # knocks
                with connect(HANDSHAKE) as s:
                    s.recv(4096)
            elif kind == 3:   # trickles
                crowd.append(connect(b"GET /v1/stream HTTP/1.1\r\nX: "))
                for s in crowd[-200:]:
                    s.send(b"x")
            else:             # huge headers
                with connect(b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000) as s:
                    s.recv(4096)
        except OSError:
            pass


def attack(args):
    with tempfile.TemporaryDirectory() as folder, Pair(folder, edge_flags=DEFENCE) as pair:
        first(args.realtime, pair.edge.pid, pair.broker.pid)
        seen = {"quiet": [], "attacked": []}
        for _ in range(args.rounds):
            for kind in ("quiet", "attacked"):
                evil = [subprocess.Popen([sys.executable, __file__, "--attacker", f"{pair.edge.port}:{k}"]) for k in args.kinds] if kind == "attacked" else []
                try:
                    child = load(pair, "--connections", args.clients, "--rate", 20, "--count", 20 * args.seconds, "--warmup", 2, "--seconds", 120)
                    first(args.realtime, child.pid)
                    seen[kind].append(result(child)["delivery_us"])
                finally:
                    for e in evil:
                        e.kill()
                        e.wait()
        quiet, attacked = (statistics.median(x["p99"] for x in seen[k]) for k in ("quiet", "attacked"))
        print(json.dumps({"p99_us": {k: [x["p99"] for x in v] for k, v in seen.items()}, "median_quiet": quiet, "median_attacked": attacked, "ratio": attacked / quiet}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--only", default="limits,attack")
    parser.add_argument("--no-realtime", dest="realtime", action="store_false")
    parser.add_argument("--kinds", type=lambda text: [int(k) for k in text.split(",")], default=[0, 1, 2, 3, 4], help="0 frames, 1 pings, 2 knocks, 3 trickles, 4 headers")
    parser.add_argument("--attacker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.attacker:
        attacker(*map(int, args.attacker.split(":")))
    for name in args.only.split(","):
        {"limits": limits, "attack": attack}[name](args)


if __name__ == "__main__":
    main()
