"""The servers that the benchmark compares: how each is configured, started, found ready and stopped.

Each runs in a scratch folder on loopback with a sensible production setting: access logs off, limits raised, one worker
on the server's core (several processes where the program insists), TCP_NODELAY where it can be set. TLS: one P-256
certificate, TLS 1.3. A class is one column; `tls` and `deflate` also set what the load generator asks for.
"""
import json, os, pathlib, shutil, signal, ssl, subprocess, sys, tempfile, urllib.request

from proc import family, free_port, listening, wait_for

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BIN = pathlib.Path(os.environ.get("TOCSIN_BIN", ROOT / "build/bin"))
UNVERIFIED = ssl._create_unverified_context()  # certificates here are made for one run


class Server:
    """One program under test, pinned to `core`. CPU and memory count all its processes."""
    name = dialect = program = ""
    package = None
    tls = deflate = False
    rest = 0.5  # seconds after which a server has settled that its clients left
    extra = []  # more of the load generator's arguments
    realtime = False  # set by run.py: other programs' turns on the core are not the server's cost

    def __init__(self, core):
        self.core = core
        self.port = free_port()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
        self.out = open(self.dir / "out.log", "w")
        self.process = None
        if self.tls:
            subprocess.run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 "
                           "-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1".split(),
                           cwd=self.dir, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @classmethod
    def available(cls):
        return shutil.which(cls.program, path=os.environ["PATH"] + ":/usr/sbin") is not None

    def command(self):
        raise NotImplementedError

    def prefix(self, core):
        return [*(["chrt", "-r", "2"] if self.realtime else []), "taskset", "-c", str(core)]

    def __enter__(self):
        self.process = subprocess.Popen([*self.prefix(self.core), *map(str, self.command())], cwd=self.dir,
                                        stdout=self.out, stderr=self.out, start_new_session=True)
        try:
            wait_for(lambda: listening(self.port) or self.process.poll() is not None, 20, self.name)
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} did not start: {(self.dir / 'out.log').read_text()[-500:]}")
            self.settle()
        except Exception:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # what a program left of its own group
        except ProcessLookupError:
            pass
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def settle(self):
        """After it listens: what else must be there before clients come."""

    def pids(self):
        return family(self.process.pid)

    def beside(self):
        """Processes that help and are reported beside, not inside, the server's figures."""
        return []

    def target(self):
        return f"127.0.0.1:{self.port}"

    def flags(self):
        return ["--dialect", self.dialect, "--target", self.target(), *(["--tls"] if self.tls else []), *(["--deflate"] if self.deflate else []), *self.extra]


class Limit(Server):
    name, dialect, program = "limit", "tocsin", str(BIN / "tocsin-limit")

    def command(self):
        return [self.program, self.port, *(["cert.pem", "key.pem"] if self.tls else [])]


class Tocsin(Server):
    """One edge on the measured core; broker and supervisor run on the client's core and are reported beside."""
    name, dialect, program = "tocsin", "tocsin", str(BIN / "tocsinctl")
    durability = "memory"
    settings = "limits:\n  handshakes_per_s: 0\n"  # no peer refuses any: accept is measured bare
    rest = 8.5  # it gives memory back 7 s after most have left

    def __init__(self, core):
        super().__init__(core)
        self.cluster = self.dir / "state/cluster.json"

    def command(self):
        config = self.dir / "bench.yaml"
        tls = f"tls:\n  cert_file: {self.dir}/cert.pem\n  key_file: {self.dir}/key.pem\n" if self.tls else ""
        config.write_text(f"log:\n  durability: {self.durability}\n{tls}{self.settings}")
        return [self.program, "up", "--edges", 1, "--port", self.port, "--dir", self.dir / "state", "--config", config]

    def settle(self):
        wait_for(self.cluster.exists, 20, "cluster.json")
        info = json.loads(self.cluster.read_text())
        self.edge, self.broker = info["edges"][0]["pid"], info["broker"]["pid"]
        for pid in (self.broker, info["supervisor"]["pid"]):
            subprocess.run(["taskset", "-a", "-cp", str(1 - self.core), str(pid)], stdout=subprocess.DEVNULL, check=True)

    def pids(self):
        return [self.edge]

    def beside(self):
        return [self.broker]


class Nats(Server):
    name, dialect, program, package = "nats-server", "nats", "nats-server", "nats-server"

    def command(self):
        conf = self.dir / "nats.conf"
        tls = 'tls { cert_file: "cert.pem", key_file: "key.pem" }' if self.tls else "no_tls: true"
        conf.write_text(f"port: {free_port()}\nhost: 127.0.0.1\nmax_connections: 100000\nmax_pending: 256MB\nwrite_deadline: \"30s\"\n"
                        f"websocket {{ host: 127.0.0.1, port: {self.port}, {tls}, compression: {str(self.deflate).lower()} }}\n")
        return [self.program, "-c", conf]


class Mosquitto(Server):
    name, dialect, program, package = "mosquitto", "mqtt", "mosquitto", "mosquitto"

    def command(self):
        conf = self.dir / "mosquitto.conf"
        tls = f"certfile {self.dir}/cert.pem\nkeyfile {self.dir}/key.pem\n" if self.tls else ""
        # 2.0.11 refuses to start with a WebSocket listener alone, so a plain one stands beside it.
        conf.write_text(f"listener {free_port()} 127.0.0.1\nlistener {self.port}\nprotocol websockets\n{tls}allow_anonymous true\n"
                        "set_tcp_nodelay true\nmax_queued_messages 100000\nmax_connections -1\nlog_type error\npersistence false\nuser root\n")
        return [self.program, "-c", conf]


class Nchan(Server):
    name, dialect, program, package = "nchan", "nchan", "/usr/sbin/nginx", "nginx-light libnginx-mod-nchan"
    first = "newest"

    def command(self):
        conf = self.dir / "nginx.conf"
        temps = " ".join(f"{kind}_temp_path {self.dir}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        tls = "ssl_certificate cert.pem; ssl_certificate_key key.pem; ssl_protocols TLSv1.3; ssl_session_tickets off;" if self.tls else ""
        deflate = "nchan_deflate_message_for_websocket on;" if self.deflate else ""
        conf.write_text(f"""load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off; master_process on; worker_processes 1; worker_rlimit_nofile 20000; error_log {self.dir}/error.log crit; pid {self.dir}/nginx.pid; user root;
events {{ worker_connections 19000; use epoll; multi_accept on; }}
http {{ access_log off; tcp_nodelay on; nchan_shared_memory_size 512M; {temps} {tls}
  server {{ listen 127.0.0.1:{self.port} {"ssl" if self.tls else ""} backlog=16384;
    location ~ /pubsub/([\\w-]+)$ {{ nchan_pubsub websocket; nchan_channel_id $1; nchan_message_buffer_length 1000; {deflate}
      nchan_subscriber_first_message {self.first}; nchan_websocket_ping_interval 0; }} }} }}
""")
        return [self.program, "-p", self.dir, "-c", conf]


class NchanReplay(Nchan):
    """Whoever comes is sent what is kept: the storm of clients that missed something."""
    name, first, extra = "nchan replaying", "oldest", ["--replays"]


class Redis(Server):
    """No WebSocket: what a fan-out costs that frames nothing for browsers."""
    name, dialect, program, package = "redis (no WebSocket)", "redis", "redis-server", "redis-server"

    def command(self):
        return [self.program, "--port", self.port, "--bind", "127.0.0.1", "--protected-mode", "no", "--save", "", "--appendonly", "no", "--maxclients", "19000",
                "--client-output-buffer-limit", "pubsub 0 0 0", "--tcp-backlog", "4096"]


class Pushpin(Server):
    """Pushpin in front of origin.py, which runs with zurl (its way to the origin) on the client's core and is reported beside."""
    name, dialect, program, package = "pushpin", "nchan", "pushpin", "pushpin"
    extra = ["--connect-burst", "20"]  # more at once and it refuses some

    def command(self):
        origin, publish, control = free_port(), free_port(), free_port()
        self.origin = subprocess.Popen([*self.prefix(1 - self.core), sys.executable, HERE / "origin.py", str(origin), f"http://127.0.0.1:{publish}/publish/"],
                                       stdout=self.out, stderr=self.out)
        # The runner's own zurl may not call loopback addresses.
        zurl = "".join(f"{key}=ipc://{self.dir}/run/zurl-{name}\n" for key, name in
                       (("in_spec", "in"), ("in_stream_spec", "in-stream"), ("out_spec", "out")))
        (self.dir / "zurl.conf").write_text(f"[General]\n{zurl}defpolicy=allow\nmax_open_requests=20000\nbuffer_size=200000\ntimeout=600\n"
                                            "in_hwm=100000\nout_hwm=100000\n")
        (self.dir / "run").mkdir()
        self.zurl = subprocess.Popen([*self.prefix(1 - self.core), "zurl", f"--config={self.dir}/zurl.conf"], stdout=self.out, stderr=self.out)
        (self.dir / "routes").write_text(f"* 127.0.0.1:{origin},over_http\n")
        conf = self.dir / "pushpin.conf"
        conf.write_text(f"""[global]
include={{libdir}}/internal.conf
rundir={self.dir}/run
ipc_prefix=bench-
port_offset=0
[runner]
services=condure,pushpin-proxy,pushpin-handler
http_port={self.port}
logdir={self.dir}
log_level=1
client_buffer_size=8192
client_maxconn=19000
[proxy]
routesfile={self.dir}/routes
zurl_out_specs=ipc://{self.dir}/run/zurl-in
zurl_out_stream_specs=ipc://{self.dir}/run/zurl-in-stream
zurl_in_specs=ipc://{self.dir}/run/zurl-out
[handler]
push_in_spec=tcp://127.0.0.1:{free_port()}
push_in_sub_specs=tcp://127.0.0.1:{free_port()}
push_in_http_addr=127.0.0.1
push_in_http_port={publish}
command_spec=tcp://127.0.0.1:{control}
message_rate=1000000
message_hwm=1000000
""")
        return [self.program, f"--config={conf}"]

    def settle(self):
        wait_for(self.says_hello, 20, "pushpin and its origin")

    def says_hello(self):
        try:
            return urllib.request.urlopen(f"http://{self.target()}/", timeout=1).status == 200
        except OSError:
            return False

    def __exit__(self, *_):
        for helper in (self.origin, self.zurl):
            helper.kill()
            helper.wait()
        super().__exit__()

    def beside(self):
        return [self.origin.pid, self.zurl.pid]


def variant(cls, suffix, **members):
    """Another column of the same server."""
    return type(cls.__name__ + suffix.title().replace(" ", ""), (cls,), {"name": f"{cls.name} {suffix}", **members})


LimitTls, TocsinTls, NchanTls, NatsTls, MosquittoTls = (variant(c, "tls", tls=True) for c in (Limit, Tocsin, Nchan, Nats, Mosquitto))
TocsinDeflate, NchanDeflate, NatsDeflate = (variant(c, "deflate", deflate=True) for c in (Tocsin, Nchan, Nats))
TocsinProto = variant(Tocsin, "proto", dialect="tocsin-proto")
TocsinDisk = variant(Tocsin, "disk", durability="disk")
TocsinHold = variant(Tocsin, "hold 1 ms", settings=Tocsin.settings + "fanout:\n  hold_us: 1000\n")
TocsinStalledOne = variant(Tocsin, "with 1 stalled", extra=["--stalled", "1", "--revive"])
TocsinStalled = variant(Tocsin, "with 10 stalled", extra=["--stalled", "10", "--revive"])
ALL = [Limit, Tocsin, Nats, Mosquitto, Nchan, Redis, Pushpin, TocsinDisk, LimitTls, TocsinTls, NchanTls, NatsTls, MosquittoTls,
       TocsinDeflate, NchanDeflate, NatsDeflate, TocsinStalled, TocsinStalledOne, NchanReplay, TocsinProto, TocsinHold]
