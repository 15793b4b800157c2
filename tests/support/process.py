"""One process of the cluster, started by hand: for what the supervisor would get in the way of."""
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess

from .programs import clean_env, program
from .wait import until


def free_port():
    """A port nobody listens on right now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def rss(pid):
    """Bytes of memory that a process has resident."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))


class Process:
    """Starts `name` with flags; its stderr goes into a file in `folder`, its ready file is waited for."""

    def __init__(self, folder, name, *flags, label=None, limits=None, env=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.label = label or name
        self.name, self.flags, self.limits, self.env = name, list(map(str, flags)), limits or {}, env or {}
        self.ready_file = self.folder / f"{self.label}.ready"
        self.log = self.folder / f"{self.label}.log"
        self.child = None

    def start(self, wait=True, timeout=15):
        self.ready_file.unlink(missing_ok=True)

        def limit():
            for which, value in self.limits.items():
                resource.setrlimit(which, (value, value))

        with open(self.log, "ab") as log:
            self.child = subprocess.Popen([program(self.name), *self.flags, "--run-ready-file", str(self.ready_file)], stdout=log,
                                          stderr=log, stdin=subprocess.DEVNULL, env=clean_env(**self.env), preexec_fn=limit)
        if wait:
            self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=15):
        def look():
            if self.child.poll() is not None:
                raise AssertionError(f"{self.label} ended with {self.child.returncode} before it was ready:\n{self.tail()}")
            return self.ready_file.exists()
        until(look, f"{self.label} to be ready; its log ends:\n{self.tail()}", timeout)
        return self.ready()

    def ready(self):
        return json.loads(self.ready_file.read_text())

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def kill(self):
        if self.alive():
            self.child.kill()
            self.child.wait(10)

    def stop(self, timeout=15):
        """SIGTERM; the exit code."""
        if self.alive():
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(timeout)
            except subprocess.TimeoutExpired:
                os.kill(self.child.pid, signal.SIGKILL)
                self.child.wait()
                raise AssertionError(f"{self.label} did not stop within {timeout} s of SIGTERM:\n{self.tail()}") from None
        return self.child.returncode if self.child else None

    def wait_exit(self, timeout=15):
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.label} still runs after {timeout} s:\n{self.tail()}") from None

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, size=3000):
        return self.text()[-size:]


class Broker(Process):
    """A broker of its own on free ports; the same ones after a restart."""

    def __init__(self, folder, *flags, data=None, port=None, label="broker", **more):
        self.port = port or free_port()
        self.http_port = free_port()
        self.endpoint = f"tcp://127.0.0.1:{self.port}"
        self.http = f"http://127.0.0.1:{self.http_port}"
        self.data = pathlib.Path(data or pathlib.Path(folder) / "data")
        super().__init__(folder, "tocsin-broker", "--broker-listen", self.endpoint, "--broker-http-listen",
                         f"127.0.0.1:{self.http_port}", "--broker-data-dir", self.data, *flags, label=label, **more)


class Edge(Process):
    """An edge of its own on a free port; the same one after a restart."""

    def __init__(self, folder, broker_endpoint, *flags, name="edge-0", port=None, **more):
        self.id = name
        self.port = port or free_port()
        secure = "s" if "--tls-cert-file" in flags else ""
        self.http = f"http{secure}://127.0.0.1:{self.port}"
        self.ws = f"ws{secure}://127.0.0.1:{self.port}/v1/stream"
        super().__init__(folder, "tocsin-edge", "--edge-id", name, "--listen-port", self.port, "--broker-endpoint", broker_endpoint,
                         *flags, label=name, **more)


class Pair:
    """A broker and an edge (or more) without a supervisor. `with` stops them."""

    def __init__(self, folder, broker_flags=(), edge_flags=(), edges=1):
        self.broker = Broker(folder, *broker_flags)
        self.edges = [Edge(folder, self.broker.endpoint, *edge_flags, name=f"edge-{i}") for i in range(edges)]

    @property
    def edge(self):
        return self.edges[0]

    def __enter__(self):
        try:
            self.broker.start()
            for edge in self.edges:
                edge.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in (*self.edges, self.broker):
            process.kill()
