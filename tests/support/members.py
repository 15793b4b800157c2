"""A cluster whose processes nobody of ours starts: a broker and edges as bare processes, and a supervisor that finds the edges by name."""
import pathlib
import signal
import subprocess

import pytest
import yaml

from .drain import FLAGS
from .http import get, request
from .process import Broker, Edge, free_port
from .programs import clean_env, program, run_program
from .wait import until

TOKEN = "the-admins-token"


class Supervisor:
    """In platform members, on a fixed port. `names`: hosts for it alone; it then runs with a hosts file of its own."""

    def __init__(self, folder, edges, token_file, names=None, **sections):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.token_file = free_port(), token_file
        self.config, self.hosts = self.folder / "tocsin.yaml", self.folder / "hosts"
        self.cluster_file = self.folder / "cluster" / "cluster.json"
        self.settings = {"supervisor": {"platform": "members", "listen": f"127.0.0.1:{self.port}"}, "cluster": {"dir": str(self.folder / "cluster")},
                         "members": {"edges": edges, "resolve_ms": 100}, "admin": {"token_file": str(token_file)}, **sections}
        self.named = names is not None
        self.name(**(names or {}))
        self.configure()
        self.child = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def configure(self, **members):
        """Writes the settings, with these of `members`."""
        self.settings["members"].update(members)
        self.config.write_text(yaml.safe_dump(self.settings))

    def name(self, **names):
        """What names resolve to from now on: name=[address, ..]; in place, as what is mounted is this file."""
        self.hosts.write_text("".join(f"{ip} {name.replace('_', '.')}\n" for name, ips in names.items() for ip in ips))

    def start(self, wait=True):
        words = [program("tocsin-supervisor"), "--config", str(self.config)]
        if self.named:
            if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode != 0:
                pytest.skip("no mount namespace of its own: it takes root")
            words = ["unshare", "-m", "sh", "-c", 'mount --bind "$1" /etc/hosts && shift && exec "$@"', "sh", str(self.hosts), *words]
        with open(self.folder / "log", "ab") as log:
            self.child = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=clean_env())
        if wait:
            until(self.is_ready, "the supervisor to be ready", 20)
        return self

    def is_ready(self):
        assert self.child.poll() is None, self.log()
        return get(self.url + "/health/ready", timeout=2).status == 200

    def kill(self, how=signal.SIGKILL):
        if self.child and self.child.poll() is None:
            self.child.send_signal(how)
            return self.child.wait(15)
        return None

    def ask(self, method="GET", path="/status", body=None, token=TOKEN):
        return request(method, self.url + path, body, {"Authorization": f"Bearer {token}"})

    def status(self):
        reply = self.ask()
        assert reply.status == 200, reply
        return reply.json()

    def edges(self):
        """What it says of each edge, by name."""
        return {p["name"]: p for p in self.status()["processes"] if p["name"] != "broker"}

    def wait_edges(self, *names, state="ready"):
        def look():
            now = self.edges()
            return set(now) == set(names) and all(e.get("edge_state") == state for e in now.values())
        until(look, f"the supervisor to see {names} {state}", 30)

    def ctl(self, *args, timeout=60):
        return run_program("tocsinctl", "--cluster", self.cluster_file, *args, timeout=timeout)

    def metric(self, name):
        text = get(self.url + "/metrics").body.decode()
        return float(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))

    def log(self, size=4000):
        return (self.folder / "log").read_text(errors="replace")[-size:]


class Members:
    """`with Members(folder) as m:` - broker and edges at 127.0.0.11 and on, the supervisor knows them by the name edge."""

    NAME = "edge"

    def __init__(self, folder, edges=3, **sections):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.token_file = self.folder / "admin-token"
        self.token_file.write_text(TOKEN + "\n")
        self.port = free_port()
        self.broker = Broker(self.folder, "--admin-token-file", self.token_file)
        self.edges = [self.edge(n) for n in range(edges)]
        self.supervisor = Supervisor(self.folder / "supervisor", [f"{self.NAME}:{self.port}"], self.token_file, names={self.NAME: self.ips()},
                                     broker={"http_url": self.broker.http, "endpoint": self.broker.endpoint}, **sections)

    def edge(self, n, name=None):
        ip = f"127.0.0.{11 + n}"
        edge = Edge(self.folder, self.broker.endpoint, "--listen-address", ip, "--admin-token-file", self.token_file, *FLAGS, name=name or f"edge-{n}",
                    port=self.port)
        edge.ip, edge.http = ip, f"http://{ip}:{self.port}"
        return edge

    def ips(self):
        return [e.ip for e in self.edges]

    def addresses(self):
        return [f"{e.ip}:{e.port}" for e in self.edges]

    def said(self):
        return [get(e.http + "/admin/status").json() for e in self.edges]

    def clients(self):
        return [said["clients"] for said in self.said()]

    def know_each_other(self):
        """Every edge was told by the broker that all take clients."""
        return all(sum(e["state"] == "ready" and e["take_per_s"] > 0 for e in said["edges"]) == len(self.edges) for said in self.said())

    def __enter__(self):
        try:
            self.broker.start()
            for edge in self.edges:
                edge.start()
            self.supervisor.start().wait_edges(*(e.id for e in self.edges))
            until(self.know_each_other, "the edges to know each other", 20)
        except BaseException:
            print(self.logs())
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.supervisor.kill()
        for process in (*self.edges, self.broker):
            process.kill()

    def logs(self):
        return "\n".join(f"--- {who}\n{text}" for who, text in [("supervisor", self.supervisor.log()), ("broker", self.broker.tail()),
                                                               *((e.id, e.tail()) for e in self.edges)])
