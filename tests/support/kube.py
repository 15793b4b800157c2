"""A cluster in Kubernetes as far as Tocsin sees of it: API server, nodes, a broker, one supervisor or two, all of them real programs but
the first two."""
import itertools
import pathlib
import signal
import subprocess

import yaml

from . import manifests
from .http import request
from .kube_api import ApiServer
from .kube_nodes import SET, Nodes
from .process import Broker, free_port
from .programs import ROOT, clean_env, program, run_program
from .tls import Authority
from .wait import until

# Short enough to wait for; everything else is what k8s/cluster/tocsin.yaml says.
TIMES = {"drain": {"lb_settle_ms": 300, "offer_ms": 3000, "deadline_ms": 30000}}
TOKEN = "the-admins-token"


class Supervisor:
    """A pod of the Deployment, as a process with its environment."""

    def __init__(self, kube, name):
        self.kube, self.name, self.folder = kube, name, kube.folder / name
        self.port = free_port()
        self.child = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def cluster_file(self):
        return self.folder / "cluster.json"

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        container = manifests.of(self.kube.objects, "Deployment", "tocsin-supervisor")["spec"]["template"]["spec"]["containers"][0]
        env = {e["name"]: self.kube.rewrite(e["value"]) for e in container["env"] if "value" in e}
        env.update(POD_NAME=self.name, POD_IP="127.0.0.1", TOCSIN_KUBERNETES_NAMESPACE=self.kube.api.namespace, TOCSIN_KUBERNETES_IDENTITY=self.name,
                   TOCSIN_KUBERNETES_ADMIN_URL=self.url, TOCSIN_SUPERVISOR_LISTEN=f"127.0.0.1:{self.port}", TOCSIN_CLUSTER_DIR=str(self.folder),
                   TOCSIN_BROKER_HTTP_URL=self.kube.broker.http, TOCSIN_KUBERNETES_API=self.kube.api.url,
                   TOCSIN_KUBERNETES_CA_FILE=str(self.kube.api.ca_file), TOCSIN_KUBERNETES_TOKEN_FILE=str(self.kube.api.token_file),
                   TOCSIN_KUBERNETES_EDGE_URL=f"http://{{ip}}:{self.kube.nodes.port}", TOCSIN_KUBERNETES_LEASE_MS=str(self.kube.lease_ms))
        env.update(self.kube.more)
        words = [*container["command"], *map(self.kube.rewrite, container["args"])]
        with open(self.folder / "log", "ab") as log:
            self.child = subprocess.Popen([program(words[0]), *words[1:]], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=clean_env(**env))
        return self

    def kill(self, how=signal.SIGKILL):
        if self.child and self.child.poll() is None:
            self.child.send_signal(how)
            return self.child.wait(15)
        return None

    def ctl(self, *args, timeout=60):
        return run_program("tocsinctl", "--cluster", self.cluster_file, *args, timeout=timeout)

    def log(self, size=3000):
        file = self.folder / "log"
        return f"--- {self.name}\n" + (file.read_text(errors="replace")[-size:] if file.exists() else "")


# What the tests apply when they apply no overlay; read as it is, so that no kubectl is needed.
PLAIN = ("supervisor/rbac.yaml", "supervisor/deployment.yaml", "supervisor/state.yaml", "edge/statefulset.yaml", "edge/services.yaml")


class Kube:
    """`with Kube(folder, replicas=2) as kube:` - all pods and a supervisor are ready inside. `objects`: a rendered overlay; it may have more
    than one set of edges, `kube.sets`, of `replicas` pods each. `public`: where clients reach what the overlay says they do."""
    PUBLIC = "wss://tocsin.example.com/v1/stream"

    def __init__(self, folder, replicas=2, supervisors=1, lease_ms=3000, seed=1, objects=None, public="", **more):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.replicas, self.lease_ms, self.more = replicas, lease_ms, more
        config = yaml.safe_load((ROOT / "k8s/cluster/tocsin.yaml").read_text())
        for section, members in TIMES.items():
            config.setdefault(section, {}).update(members)
        (self.folder / "tocsin.yaml").write_text(yaml.safe_dump(config))
        (self.folder / "admin-token").write_text(TOKEN + "\n")
        self.objects = objects or [o for path in PLAIN for o in manifests.source(path)]
        self.public = public
        role = manifests.of(self.objects, "Role", "tocsin-supervisor")
        self.api = ApiServer(self.folder, Authority(self.folder / "ca"), role["rules"], seed=seed)
        self.broker = Broker(self.folder, *self._keys())
        self._names = itertools.count(0)
        self.supervisors = []
        self.wanted = supervisors
        self.sets = {}

    def _keys(self):
        """Secret tocsin-keys, where the overlay wants one; the broker's flags."""
        if "/etc/tocsin/keys" not in str(self.objects):
            return ()
        for name in ("broker", "edge"):
            made = run_program("tocsinctl", "keys", "make", name, "--dir", self.folder)
            assert made.code == 0, made
        return ("--curve-key-file", self.folder / "keys/broker.json")

    @property
    def nodes(self):
        """The set of edges, or the first of several."""
        return next(iter(self.sets.values()), None)

    def rewrite(self, text):
        """What a mount or a Service is in a pod, here."""
        for inside, here in (("/etc/tocsin/config", str(self.folder)), ("/etc/tocsin/admin/token", str(self.folder / "admin-token")),
                             ("/etc/tocsin/keys", str(self.folder / "keys")), ("tcp://tocsin-broker:7400", self.broker.endpoint), (self.PUBLIC, self.public)):
            text = text.replace(inside, here)
        return text

    def __enter__(self):
        try:
            self.broker.start()
            self.api.__enter__()
            for o in self.objects:
                resource = {"Lease": "leases", "ConfigMap": "configmaps", "Service": "services"}.get(o["kind"])
                if resource:
                    self.api.put(resource, o["metadata"]["name"], lambda _, o=o: o)
            port = free_port()
            for o in self.objects:
                if o["kind"] == "StatefulSet" and o["metadata"]["name"] != "tocsin-broker":
                    o["spec"].update(replicas=self.replicas, minReadySeconds=2)
                    self.sets[o["metadata"]["name"]] = Nodes(self.api, self.folder / "pods", o, port, self.rewrite).__enter__()
            for _ in range(self.wanted):
                self.add_supervisor()
            for nodes in self.sets.values():
                until(lambda n=nodes: n.ready(self.replicas), f"{self.replicas} pods of {nodes.set} to be ready", 60)
            self.wait_in_charge()
        except BaseException:
            print(self.logs())
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for s in self.supervisors:
            s.kill()
        for nodes in self.sets.values():
            nodes.__exit__()
        if hasattr(self.api, "thread"):
            self.api.__exit__()
        self.broker.kill()

    def add_supervisor(self):
        self.supervisors.append(Supervisor(self, f"tocsin-supervisor-{next(self._names)}").start())
        return self.supervisors[-1]

    def leader(self):
        """The one that the lease names, while it runs."""
        lease = self.api.get("leases", "tocsin-supervisor")
        holder = lease.get("spec", {}).get("holderIdentity")
        return next((s for s in self.supervisors if s.name == holder and s.child.poll() is None), None)

    def wait_in_charge(self, timeout=30):
        """Until one takes orders."""
        def takes_orders():
            reply = request("GET", self.leader().url + "/status", headers={"Authorization": f"Bearer {TOKEN}"})
            return reply.status == 200 and self.leader().cluster_file.exists()
        until(lambda: self.leader() is not None and takes_orders(), "a supervisor to be in charge", timeout, pause=0.05)

    def status(self):
        done = self.leader().ctl("status", "--json")
        return done.json()["supervisor"]

    def wait_pods(self, count, timeout=60):
        until(lambda: self.nodes.ready(count), f"{count} pods to be ready", timeout)

    def addresses(self):
        return [u.removeprefix("http://") for u in self.nodes.urls().values()]

    def must_have_stopped_well(self):
        """Every pod that was stopped drained by its hook to the end, and nobody had to be killed."""
        bad = [(p.name, p.hook, p.killed) for nodes in self.sets.values() for p in nodes.ended if p.hook not in (0, None) or p.killed]
        assert not bad, f"{bad}\n{self.logs()}"
        assert not [r for r in self.api.refused if r[0] != "401"], f"the role does not permit: {self.api.refused}"

    def logs(self):
        parts = [s.log() for s in self.supervisors]
        return "\n".join([*parts, self.broker.tail(), *(nodes.logs() for nodes in self.sets.values())])

    def apply(self, objects):
        """Another rendering of the overlay: Services, and a supervisor in place of each whose pod is not the same any more."""
        before = manifests.of(self.objects, "Deployment", "tocsin-supervisor")["spec"]["template"]
        self.objects = objects
        for o in manifests.of(objects, "Service"):
            self.api.put("services", o["metadata"]["name"], lambda _, o=o: o)
        if manifests.of(objects, "Deployment", "tocsin-supervisor")["spec"]["template"] != before:
            for old in list(self.supervisors):
                self.add_supervisor()
                assert old.kill(signal.SIGTERM) == 0
                self.supervisors.remove(old)
            self.wait_in_charge()

