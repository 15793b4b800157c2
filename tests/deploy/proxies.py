"""HAProxy and nginx as they are in Debian, with the configurations of ops/proxies: only addresses, paths and times are replaced, and
each replacement must find its text, so that the tests run what is shipped."""
import itertools
import pathlib
import shutil
import signal
import socket
import subprocess

from support.process import free_port
from support.programs import ROOT
from support.wait import until

_numbers = itertools.count(1)
SHIPPED = ROOT / "ops" / "proxies"
STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"   # Debian's libnginx-mod-stream

# Each is a way to something for operators, plain or in disguise.
METRICS = [
    "/metrics", "/metrics?x=1", "//metrics", "/%6detrics", "/%6Detrics/", "/./metrics", "/v1/../metrics", "/metrics/",
    "/v1/%2e%2e%2fmetrics", "/websocket/metrics", "//websocket/metrics", "/websocket/./metrics?format=json", "/websocket//metrics",
    "/websocket%2fmetrics", "/%77ebsocket/%6detrics", "/v1/../websocket/metrics"
]
ORDERS = [
    "/admin/status", "//admin/status", "/%61dmin/status", "/v1/%2e%2e/admin/status", "/v1/..//admin/status", "/debug/trace",
    "/api/monitoring/websocket/metrics/", "/api//monitoring/websocket/metrics", "/api/monitoring/websocket/active-connections"
]


def found(name):
    """Where a server is: not everybody's PATH has /usr/sbin."""
    return shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


def adapted(text, changes):
    for old, new in changes.items():
        assert old in text, f"the configuration has no {old!r}: the test does not fit it any more"
        text = text.replace(old, str(new))
    return text


def listening(port, host="127.0.0.1"):
    with socket.create_connection((host, port), timeout=1):
        return True


class Proxy:
    """`with HAProxy(...)`: listening inside. `port` speaks plain text, `tls_port` TLS."""
    program = None

    def __init__(self, folder, text):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.tls_port = free_port(), free_port()
        self.text, self.child = text, None
        self.config = self.folder / "proxy.conf"
        self.log = self.folder / "proxy.log"

    @property
    def http(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self):
        return f"ws://127.0.0.1:{self.port}/v1/stream"

    @property
    def wss(self):
        return f"wss://127.0.0.1:{self.tls_port}/v1/stream"

    @property
    def https(self):
        return f"https://127.0.0.1:{self.tls_port}"

    def write(self, text):
        self.config.write_text(text.replace("@PORT@", str(self.port)).replace("@TLS_PORT@", str(self.tls_port)).replace("@DIR@", str(self.folder)))
        return self

    def check(self):
        """Whether the server itself accepts the file: exit code and what it says."""
        self.write(self.text)
        done = subprocess.run(self.check_command(), capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout + done.stderr

    def start(self, ports=None):
        self.write(self.text)
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)

        def look():
            assert self.child.poll() is None, f"{self.program} ended with {self.child.returncode}:\n{self.tail()}"
            return all(map(listening, ports or (self.port, self.tls_port)))
        until(look, f"{self.program} to listen", 15)
        return self

    def stop(self):
        if self.child and self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def tail(self):
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class HAProxy(Proxy):
    program = "haproxy"

    def command(self):
        return [found("haproxy"), "-W", "-f", str(self.config)]

    def check_command(self):
        return [found("haproxy"), "-c", "-f", str(self.config)]

    def reload(self, text):
        """What systemctl reload does; returns once the new process serves."""
        before = self.workers()
        self.write(text)
        self.child.send_signal(signal.SIGUSR2)
        until(lambda: self.workers() - before, "a worker with the new configuration")

    def workers(self):
        try:
            return set(pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split())
        except OSError:
            return set()


class Nginx(Proxy):
    """`text` goes into http {}; `stream` into stream {}."""
    program = "nginx"

    def __init__(self, folder, text, stream="", main=""):
        super().__init__(folder, text)
        self.stream, self.main = stream, main

    def write(self, text):
        self.folder.chmod(0o755)
        head = f"user root;\npid {self.folder}/nginx.pid;\nerror_log stderr notice;\ndaemon off;\nworker_processes 2;\nworker_rlimit_nofile 8192;\n{self.main}\n"
        events = "events { worker_connections 4096; }\n"
        if self.stream:
            return super().write(head + events + f"stream {{\n{self.stream}\n}}\n")
        temporary = "".join(f"{name}_temp_path @DIR@/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return super().write(head + events + f"http {{\n{temporary}access_log off;\n{text}\n}}\n")

    def command(self):
        return [found("nginx"), "-c", str(self.config), "-p", str(self.folder)]

    def check_command(self):
        return [found("nginx"), "-t", "-c", str(self.config), "-p", str(self.folder)]

    def reload(self, text):
        before = self.workers()
        self.write(text)
        self.child.send_signal(signal.SIGHUP)
        until(lambda: len(self.workers() - before) >= 2, "workers with the new configuration")

    workers = HAProxy.workers


def pem(authority, folder):
    """Certificate and key in one file, as HAProxy wants them, and apart, as nginx does."""
    cert, key = authority.issue(f"proxy-{next(_numbers)}")   # of this one alone: two may be started side by side
    both = pathlib.Path(folder) / "both.pem"
    both.write_text(cert.read_text() + key.read_text())
    return both, cert, key


def shipped(kind, folder, authority, edges, changes=None):
    """The configuration of ops/proxies in front of these edges, as text for HAProxy(...) or Nginx(...). Beside TLS it listens in plain
    text for load generators."""
    both, cert, key = pem(authority, folder)
    if kind is HAProxy:
        text = adapted((SHIPPED / "haproxy" / "haproxy.cfg").read_text(), {
            "log /dev/log local0 info": "log stderr format raw local0 notice", "maxconn 100000": "maxconn 4000",
            "/run/haproxy/admin.sock": "@DIR@/admin.sock", "bind :80": "bind 127.0.0.1:@PORT@", "bind :443": "bind 127.0.0.1:@TLS_PORT@",
            "/etc/haproxy/tocsin.pem": both,
            "http-request redirect scheme https code 308 if !{ ssl_fc } !{ path_beg /health }": "",
            "    server edge-0 10.0.0.10:8080\n    server edge-1 10.0.0.11:8080\n":
                "".join(f"    server {e.id} 127.0.0.1:{e.port}\n" for e in edges)})
    else:
        text = adapted((SHIPPED / "nginx" / "tocsin.conf").read_text(), {
            "    listen 80;\n    server_name tocsin.example.com;\n": "    listen 127.0.0.1:@PORT@;\n    server_name redirecting.example.com;\n",
            "    listen 443 ssl http2;\n": "    listen 127.0.0.1:@TLS_PORT@ ssl http2;\n    listen 127.0.0.1:@PORT@ default_server;\n",
            "/etc/nginx/tocsin.pem": cert, "/etc/nginx/tocsin.key": key,
            "    server 10.0.0.10:8080 max_fails=2 fail_timeout=2s;\n    server 10.0.0.11:8080 max_fails=2 fail_timeout=2s;\n":
                "".join(f"    server 127.0.0.1:{e.port} max_fails=2 fail_timeout=2s;\n" for e in edges)})
    return adapted(text, changes or {})


def through(kind, folder, edges):
    """The proxy with the configuration that passes TLS; it listens on tls_port."""
    if kind is HAProxy:
        return HAProxy(folder / "proxy", adapted((SHIPPED / "haproxy/passthrough.cfg").read_text(), {
            "log /dev/log local0 info": "log stderr format raw local0 notice", "maxconn 100000": "maxconn 4000", "/run/haproxy/admin.sock": "@DIR@/admin.sock",
            "bind :443": "bind 127.0.0.1:@TLS_PORT@",
            "    server edge-0 10.0.0.10:8443\n    server edge-1 10.0.0.11:8443\n": "".join(f"    server {e.id} 127.0.0.1:{e.port}\n" for e in edges)}))
    text = adapted((SHIPPED / "nginx/passthrough.conf").read_text(), {
        "listen 443;": "listen 127.0.0.1:@TLS_PORT@;",
        "    server 10.0.0.10:8443 max_fails=2 fail_timeout=2s;\n    server 10.0.0.11:8443 max_fails=2 fail_timeout=2s;\n":
            "".join(f"    server 127.0.0.1:{e.port} max_fails=2 fail_timeout=2s;\n" for e in edges)})
    return Nginx(folder / "proxy", "", stream=text, main=f"load_module {STREAM_MODULE};")


def composed(folder, edges):
    """The proxy of ops/compose without its containers: it would ask Docker for its edges' addresses, here it is told them."""
    text = (ROOT / "ops/compose/haproxy/haproxy.cfg").read_text()
    start, end = text.index("resolvers docker"), text.index("frontend clients")
    return HAProxy(folder / "proxy", adapted(text[:start] + text[end:], {
        "log stdout format raw local0 info": "log stderr format raw local0 notice", "/run/haproxy/admin.sock": "@DIR@/admin.sock",
        "bind :8080": "bind 127.0.0.1:@PORT@", " resolvers docker init-addr none": "",
        "    server-template edge 20 edge:8080\n": "".join(f"    server {e.id} 127.0.0.1:{e.port}\n" for e in edges)}))


def plain_get(path):
    return f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()


def must_be_closed(answer):
    assert int(answer.split(b" ", 2)[1]) in (400, 403, 404), answer[:300]
    assert not any(told in answer for told in (b"tocsin_edge_", b"websocket_", b'"revision"', b'"connections"')), answer[:300]
