"""The servers that the benchmark compares: how each is configured, started, found ready and stopped.

Each runs in a scratch folder on loopback with a sensible production setting: access logs off, limits raised, one worker
on the server's core (several where the program insists), TCP_NODELAY where it can be set.
"""
import os, pathlib, shutil, signal, socket, subprocess, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("TOCSIN_BIN", ROOT / "build/bin"))
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"gave up waiting for {what}")
        time.sleep(0.02)


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def cpu_of(pids):
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / TICK


def rss_of(pids):
    total = 0
    for pid in pids:
        try:
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            pass
    return total


def family(pid):
    """The process and all its descendants."""
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        try:
            todo += [int(x) for x in pathlib.Path(f"/proc/{p}/task/{p}/children").read_text().split()]
        except OSError:
            pass
    return out


class Server:
    """One program under test, pinned to `core`. CPU and memory count all its processes."""
    name = dialect = program = ""
    package = None

    def __init__(self, core):
        self.core = core
        self.port = free_port()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"bench-{self.name}-"))
        self.out = open(self.dir / "out.log", "w")
        self.process = None

    @classmethod
    def available(cls):
        return shutil.which(cls.program) is not None

    def command(self):
        raise NotImplementedError

    def __enter__(self):
        self.process = subprocess.Popen(["taskset", "-c", str(self.core), *map(str, self.command())], cwd=self.dir,
                                        stdout=self.out, stderr=self.out, start_new_session=True)
        wait_for(lambda: listening(self.port) or self.process.poll() is not None, 20, self.name)
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} did not start: {(self.dir / 'out.log').read_text()[-500:]}")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def pids(self):
        return family(self.process.pid)

    def target(self):
        return f"127.0.0.1:{self.port}"


class Limit(Server):
    name, dialect, program = "plain epoll (limit)", "tocsin", str(BIN / "tocsin-limit")

    def command(self):
        return [self.program, self.port]


class Tocsin(Server):
    """One edge on the measured core; broker and supervisor run on the client's core and are reported beside."""
    name, dialect, program = "tocsin", "tocsin", str(BIN / "tocsinctl")
    durability = "memory"

    def __init__(self, core):
        super().__init__(core)
        self.cluster = self.dir / "state/cluster.json"

    def command(self):
        config = self.dir / "bench.yaml"
        config.write_text("log:\n  durability: " + self.durability + "\n")
        return [self.program, "up", "--edges", 1, "--port", self.port, "--dir", self.dir / "state", "--config", config]

    def __enter__(self):
        super().__enter__()
        import json
        wait_for(self.cluster.exists, 20, "cluster.json")
        info = json.loads(self.cluster.read_text())
        self.edge, self.broker = info["edges"][0]["pid"], info["broker"]["pid"]
        other = {0: 1, 1: 0}[self.core]
        for pid in (self.broker, info["supervisor"]["pid"]):
            subprocess.run(["taskset", "-a", "-cp", str(other), str(pid)], stdout=subprocess.DEVNULL, check=True)
        return self

    def pids(self):
        return [self.edge]

    def beside(self):
        return [self.broker]


class TocsinDisk(Tocsin):
    name, durability = "tocsin (disk)", "disk"


class Nats(Server):
    name, dialect, program, package = "nats-server", "nats", "nats-server", "nats-server"

    def command(self):
        conf = self.dir / "nats.conf"
        conf.write_text(f"port: {free_port()}\nhost: 127.0.0.1\nmax_connections: 100000\nmax_pending: 256MB\nwrite_deadline: \"30s\"\n"
                        f"websocket {{ host: 127.0.0.1, port: {self.port}, no_tls: true, compression: false }}\n")
        return [self.program, "-c", conf]


class Mosquitto(Server):
    name, dialect, program, package = "mosquitto", "mqtt", "mosquitto", "mosquitto"

    def command(self):
        conf = self.dir / "mosquitto.conf"
        # 2.0.11 refuses to start with a WebSocket listener alone, so a plain one stands beside it.
        conf.write_text(f"listener {free_port()} 127.0.0.1\nlistener {self.port}\nprotocol websockets\nallow_anonymous true\nset_tcp_nodelay true\n"
                        "max_queued_messages 100000\nmax_connections -1\nlog_type error\npersistence false\nuser root\n")
        return [self.program, "-c", conf]

    @classmethod
    def available(cls):
        return shutil.which(cls.program, path=os.environ["PATH"] + ":/usr/sbin") is not None


class Nchan(Server):
    name, dialect, program, package = "nchan", "nchan", "/usr/sbin/nginx", "libnginx-mod-nchan"

    def command(self):
        conf = self.dir / "nginx.conf"
        conf.write_text(f"""load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off; master_process on; worker_processes 1; worker_rlimit_nofile 200000; error_log {self.dir}/error.log crit; pid {self.dir}/nginx.pid; user root;
events {{ worker_connections 100000; use epoll; }}
http {{ access_log off; tcp_nodelay on; nchan_shared_memory_size 512M; client_body_temp_path {self.dir}/b; proxy_temp_path {self.dir}/p; fastcgi_temp_path {self.dir}/f; uwsgi_temp_path {self.dir}/u; scgi_temp_path {self.dir}/s;
  server {{ listen 127.0.0.1:{self.port} backlog=16384;
    location ~ /pubsub/(\\w+)$ {{ nchan_pubsub websocket; nchan_channel_id $1; nchan_message_buffer_length 1000; nchan_subscriber_first_message newest; nchan_websocket_ping_interval 0; }} }} }}
""")
        return [self.program, "-p", self.dir, "-c", conf]


ALL = [Limit, Tocsin, TocsinDisk, Nats, Mosquitto, Nchan]
