"""What is measured and what is to be reached. A profile is a row of load generator arguments run on several servers; a target
compares two medians of one run.

Figures (run.py): deliveries_per_cpu_s, connects_per_cpu_s, bytes_per_client, left_per_client, bytes_per_delivery, p50_us, p99_us,
cpu_us_per_update, storm_s, growth (bytes while it published).
"""
import dataclasses

PLAIN = ["limit", "tocsin", "nats-server", "mosquitto", "nchan", "redis (no WebSocket)", "pushpin"]
WEBSOCKET = ["limit", "tocsin", "nats-server", "mosquitto", "nchan"]
SLOW = {"nchan": 0.15, "nchan tls": 0.3, "pushpin": 0.2, "mosquitto": 0.4, "mosquitto tls": 0.4, "nats-server deflate": 0.3}  # of what the others publish, where speed is measured
TLS = ["limit tls", "tocsin tls", "nats-server tls", "mosquitto tls", "nchan tls"]
SPREAD = "--source-addresses 4"


@dataclasses.dataclass
class Profile:
    name: str
    title: str
    args: str
    servers: list
    figure: str
    columns: list
    count: int = 0     # what is published; fewer on slow servers when `burst` is set
    burst: int = 0
    settle: float = 0  # seconds of rest before memory is read
    more: bool = True  # the larger the better

    def arguments(self, server):
        """The load generator's, for `server`."""
        if not self.count:
            return self.args
        bursts = self.count * (SLOW.get(server, 1) if self.burst else 1)
        return f"{self.args} --count {max(3, round(bursts)) * max(self.burst, 1)}" + (f" --burst {self.burst}" if self.burst > 1 else "")


@dataclasses.dataclass
class Target:
    text: str
    value: tuple        # (profile, server, figure)
    base: tuple | None  # the same, or None: absolute
    sign: str           # ">=" or "<="
    bound: float
    plus: float = 0     # base + plus in place of base * bound, when not 0


def profiles(scale):
    """`scale` multiplies what is published: 1 is the quick form."""
    def n(count):
        return max(1, round(count * scale))
    lockstep = "--lockstep --size 256 --seconds 120"
    speed = ["deliveries_per_cpu_s", "frames_per_write", "p50_us", "p99_us"]
    return [
        Profile("one-1k", "256 B to 1,000 clients, one message at a time", f"--connections 1000 {lockstep}", PLAIN, "deliveries_per_cpu_s", speed, count=n(300), burst=1),
        Profile("one-10k", "256 B to 10,000 clients, one message at a time", f"--connections 9900 {SPREAD} {lockstep}", WEBSOCKET, "deliveries_per_cpu_s", speed, count=n(30), burst=1),
        Profile("sixteen-1k", "256 B to 1,000 clients, 16 messages at once", f"--connections 1000 {lockstep}", WEBSOCKET, "deliveries_per_cpu_s", speed, count=n(150), burst=16),
        Profile("sixteen-10k", "256 B to 10,000 clients, 16 messages at once", f"--connections 9900 {SPREAD} {lockstep}", WEBSOCKET, "deliveries_per_cpu_s", speed, count=n(12), burst=16),
        Profile("tls-one", "TLS 1.3, 256 B to 5,000 clients, one message at a time", f"--connections 5000 {lockstep}", TLS, "deliveries_per_cpu_s", speed, count=n(40), burst=1),
        Profile("tls-sixteen", "TLS 1.3, 256 B to 5,000 clients, 16 messages at once", f"--connections 5000 {lockstep}", ["limit tls", "tocsin tls", "nats-server tls", "nchan tls"], "deliveries_per_cpu_s", speed, count=n(25), burst=16),
        Profile("deflate", "1 KiB incidents to 1,000 clients, one message at a time", f"--connections 1000 --lockstep --incidents --size 1024 --seconds 120",
                ["tocsin", "tocsin deflate", "nats-server deflate", "nchan deflate"], "deliveries_per_cpu_s", ["deliveries_per_cpu_s", "bytes_per_delivery", "p99_us"], count=n(300), burst=1),
        Profile("proto", "256 B to 1,000 clients, one message at a time, JSON and Protocol Buffers", f"--connections 1000 {lockstep}", ["tocsin", "tocsin proto"],
                "deliveries_per_cpu_s", ["deliveries_per_cpu_s", "bytes_per_delivery"], count=n(300), burst=1),
        Profile("p99-50k", "50,000 deliveries/s to 1,000 clients", f"--connections 1000 --rate 50 --count {n(250)} --warmup 1 --size 256 --seconds 60", [s for s in PLAIN if s != "pushpin"], "p99_us", ["p50_us", "p99_us", "max_us", "deliveries_per_cpu_s"], more=False),
        Profile("hold", "2,000 updates a second to 200 clients: writes at once, and gathered for 1 ms", f"--connections 200 --rate 2000 --count {n(8000)} --warmup 1 --size 256 --seconds 60", ["tocsin", "tocsin hold 1 ms"], "deliveries_per_cpu_s", ["deliveries_per_cpu_s", "frames_per_write", "p50_us", "p99_us"], more=False),
        Profile("lone", "one update a second to 1,000 clients", f"--connections 1000 --rate 1 --count {n(7)} --warmup 1.5 --size 256 --seconds 60", ["limit", "tocsin", "tocsin disk", "nchan"], "p99_us", ["p50_us", "p99_us", "max_us", "acknowledged_us"], more=False),
        Profile("idle-10k", "10,000 idle clients", f"--connections 9900 {SPREAD} --seconds 0.1", [s for s in PLAIN if s != "pushpin"], "bytes_per_client", ["bytes_per_client", "left_per_client", "connects_per_cpu_s"], settle=1, more=False),
        Profile("idle-1k", "1,000 idle clients", "--connections 1000 --seconds 0.1", [*WEBSOCKET, "pushpin"], "connects_per_cpu_s", ["bytes_per_client", "left_per_client", "connects_per_cpu_s"], settle=0.5),
        Profile("idle-tls", "10,000 idle clients, TLS 1.3", f"--connections 9900 {SPREAD} --seconds 0.1", TLS, "bytes_per_client", ["bytes_per_client", "left_per_client", "connects_per_cpu_s"], settle=1, more=False),
        Profile("storm", "5,000 clients drop and come back, resumed 500 updates behind (peers: bare reconnect)", "--connections 5000 --source-addresses 4 --lockstep --count 2 --storm --missed 500 --connect-burst 1000 --seconds 120",
                ["tocsin", "nats-server", "mosquitto", "nchan", "nchan replaying"], "storm_s", ["storm_s", "storm_connect_s", "storm_cpu_s"], more=False),
        Profile("stalled", "1,000 clients, 16 messages at once; 10 of them read nothing, or none", f"--connections 1000 {lockstep}",
                ["tocsin", "tocsin with 10 stalled"], "deliveries_per_cpu_s", ["deliveries_per_cpu_s", "frames_per_write", "growth", "too_slow", "revived"], count=n(200), burst=16),
        Profile("stalled-long", "100 clients, 4 KiB, 16 messages at once, until the stalled one is 2 x fanout.audience_max_bytes behind", "--connections 100 --lockstep --size 4096 --seconds 120",
                ["tocsin", "tocsin with 1 stalled"], "growth", ["growth", "too_slow", "revived", "deliveries_per_cpu_s"], count=512, burst=16, more=False),
        Profile("filters-10k", "10,000 clients with 10,000 different filters, each update matches one", f"--connections 9900 {SPREAD} --filters 9900 {lockstep} --count {n(1500)}", ["tocsin"], "cpu_us_per_update", ["cpu_us_per_update", "p50_us", "p99_us"], more=False),
        Profile("filters-100", "100 clients with 100 different filters, each update matches one", f"--connections 100 --filters 100 {lockstep} --count {n(1500)}", ["tocsin"], "cpu_us_per_update", ["cpu_us_per_update", "p50_us", "p99_us"], more=False),
        Profile("channels", "1,000 clients on 1,000 channels", f"--connections 1000 --channels 1000 {lockstep}", ["tocsin", "nats-server", "mosquitto"], "deliveries_per_cpu_s", ["deliveries_per_cpu_s", "p50_us", "p99_us"], count=n(200), burst=16),
    ]


def ahead(profile, server, figure, peers, sign):
    """Tocsin is ahead of each peer."""
    return [Target(f"{profile}: {server} against {peer}, {figure}", (profile, server, figure), (profile, peer, figure), sign, 1.0) for peer in peers]


def targets():
    peers = ["nats-server", "mosquitto", "nchan"]
    speed, tls_peers = "deliveries_per_cpu_s", [p + " tls" for p in peers]
    out = [Target(f"one message at a time, {n} clients, against plain epoll", (f"one-{k}", "tocsin", speed), (f"one-{k}", "limit", speed), ">=", 0.90) for k, n in (("1k", "1,000"), ("10k", "10,000"))]
    out += [Target(f"16 messages queued, {n} clients, against plain epoll", (f"sixteen-{k}", "tocsin", speed), (f"sixteen-{k}", "limit", speed), ">=", 0.90) for k, n in (("1k", "1,000"), ("10k", "10,000"))]
    out += [Target(f"16 messages queued against one at a time, {n} clients", (f"sixteen-{k}", "tocsin", speed), (f"one-{k}", "tocsin", speed), ">=", 12) for k, n in (("1k", "1,000"), ("10k", "10,000"))]
    out += [Target(f"TLS 1.3, 5,000 clients, {t}, against raw OpenSSL", (p, "tocsin tls", speed), (p, "limit tls", speed), ">=", 0.80) for p, t in (("tls-one", "one at a time"), ("tls-sixteen", "16 queued"))]
    out += [Target("1 KiB JSON with deflate against the same uncompressed", ("deflate", "tocsin deflate", speed), ("deflate", "tocsin", speed), ">=", 0.85),
            Target("bytes with deflate against uncompressed", ("deflate", "tocsin deflate", "bytes_per_delivery"), ("deflate", "tocsin", "bytes_per_delivery"), "<=", 0.36)]
    out += [Target("idle memory per client at 10,000, plain, bytes", ("idle-10k", "tocsin", "bytes_per_client"), None, "<=", 2560),
            Target("idle memory per client at 10,000, TLS, bytes", ("idle-tls", "tocsin tls", "bytes_per_client"), None, "<=", 18432),
            Target("memory kept after they left, per client, bytes", ("idle-10k", "tocsin", "left_per_client"), None, "<=", 256),
            Target("accept + upgrade + subscribe per CPU second, 10,000 clients", ("idle-10k", "tocsin", "connects_per_cpu_s"), None, ">=", 65000),
            Target("the same at 10,000 against 1,000 clients (flat)", ("idle-10k", "tocsin", "connects_per_cpu_s"), ("idle-1k", "tocsin", "connects_per_cpu_s"), ">=", 0.85),
            Target("accept + upgrade + subscribe per CPU second, TLS", ("idle-tls", "tocsin tls", "connects_per_cpu_s"), None, ">=", 3900),
            Target("storm: 5,000 resumed with 500 updates each against nchan's bare reconnect, seconds", ("storm", "tocsin", "storm_s"), ("storm", "nchan", "storm_s"), "<=", 2),
            Target("1 % stalled: throughput of the others against none stalled", ("stalled", "tocsin with 10 stalled", speed), ("stalled", "tocsin", speed), ">=", 0.95),
            Target("1 % stalled: growth of the edge, bytes, beyond what it is with none (fanout.audience_max_bytes and its index)", ("stalled-long", "tocsin with 1 stalled", "growth"), ("stalled-long", "tocsin", "growth"), "<=", 1, plus=24 << 20),
            Target("CPU per update with 10,000 filters against 100, one match each", ("filters-10k", "tocsin", "cpu_us_per_update"), ("filters-100", "tocsin", "cpu_us_per_update"), "<=", 1.25),
            Target("publish to delivery p99, memory, us: within 1 ms of nchan's", ("lone", "tocsin", "p99_us"), ("lone", "nchan", "p99_us"), "<=", 1, plus=1000)]
    for profile in ("one-1k", "one-10k", "sixteen-1k", "sixteen-10k"):
        out += ahead(profile, "tocsin", speed, peers, ">=")
    out += ahead("channels", "tocsin", speed, peers[:2], ">=")
    for profile in ("tls-one", "tls-sixteen"):
        out += ahead(profile, "tocsin tls", speed, [p for p in tls_peers if profile == "tls-one" or p != "mosquitto tls"], ">=")
    out += ahead("p99-50k", "tocsin", "p99_us", peers, "<=")
    out += ahead("idle-10k", "tocsin", "bytes_per_client", peers, "<=") + ahead("idle-tls", "tocsin tls", "bytes_per_client", tls_peers, "<=")
    out += ahead("storm", "tocsin", "storm_s", ["nchan replaying"], "<=")
    out += ahead("deflate", "tocsin deflate", speed, ["nats-server deflate", "nchan deflate"], ">=")
    return out
