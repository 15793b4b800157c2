"""What runs pods in the tests: a StatefulSet controller, a kubelet that starts real edges as our own manifests say (command, arguments,
environment, probes, preStop, grace period), and a horizontal autoscaler that reads their /metrics. One thread looks every few
milliseconds; a pod that is stopped has one of its own.

Not like a node: pods have addresses in 127/8 instead of network namespaces, so that --self is told its edge's address, and folders of the
host instead of volumes."""
import hashlib
import itertools
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

from .http import get
from .programs import clean_env, program

SET = "tocsin-edge"


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def revision_of(template):
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def is_ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", [])) and \
        "deletionTimestamp" not in pod["metadata"]


class Pod:
    """One container of a pod, as a process."""

    def __init__(self, nodes, spec, name, ip):
        self.nodes, self.spec, self.name, self.ip = nodes, spec, name, ip
        self.container = spec["containers"][0]
        self.folder = nodes.folder / name
        self.child = None
        self.hook = None        # exit code of the preStop hook
        self.killed = False
        self.env = self._environment()

    def _environment(self):
        fields = {"metadata.name": self.name, "metadata.namespace": self.nodes.api.namespace, "status.podIP": self.ip}
        env = {}
        for entry in self.container["env"]:
            value = entry["value"] if "value" in entry else fields[entry["valueFrom"]["fieldRef"]["fieldPath"]]
            env[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda m: env.get(m[1], m[0]), self.nodes.rewrite(value))
        # The node's affair, not the manifest's: see above. What names the pod is the pod's address here.
        env.update(TOCSIN_LISTEN_ADDRESS=self.ip, TOCSIN_LISTEN_PORT=str(self.nodes.port), TOCSIN_EDGE_HTTP=self.url)
        if self.name in env["TOCSIN_EDGE_ENDPOINT"]:
            env["TOCSIN_EDGE_ENDPOINT"] = f"ws://{self.ip}:{self.nodes.port}/v1/stream"
        # Programs of another image say another version.
        _, _, tag = self.container["image"].rpartition(":")
        if tag != self.container["image"]:
            env.setdefault("TOCSIN_EDGE_REVISION", tag)
        return env

    @property
    def url(self):
        return f"http://{self.ip}:{self.nodes.port}"

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        words = [*self.container["command"], *map(self.nodes.rewrite, self.container.get("args", []))]
        with open(self.folder / "log", "ab") as log:
            self.child = subprocess.Popen([program(words[0]), *words[1:]], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=clean_env(**self.env))

    def probe(self, which):
        path = self.container[which]["httpGet"]["path"]
        try:
            return get(self.url + path, timeout=2).status == 200
        except OSError:
            return False

    def run_hook(self):
        command = self.container["lifecycle"]["preStop"]["exec"]["command"]
        with open(self.folder / "hook", "ab") as out:
            try:
                self.hook = subprocess.run([program(command[0]), *command[1:]], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                           env=clean_env(**self.env), timeout=self.spec["terminationGracePeriodSeconds"], check=False).returncode
            except subprocess.TimeoutExpired:
                self.hook = "too late"

    def stop(self):
        """As a kubelet does: the hook, SIGTERM, and SIGKILL when the grace period is over."""
        end = time.monotonic() + self.spec["terminationGracePeriodSeconds"]
        if self.child.poll() is None:
            self.run_hook()
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.killed = True
            self.child.kill()
            self.child.wait()

    def log(self, size=2000):
        parts = [f"{f}:\n{(self.folder / f).read_text(errors='replace')[-size:]}" for f in ("log", "hook") if (self.folder / f).exists()]
        return f"--- {self.name} ({self.ip})\n" + "\n".join(parts)


class Nodes:
    """`with Nodes(api, folder, statefulset, port, rewrite) as nodes:`"""
    LOOK = 0.05
    _ips = itertools.count(1)   # of all sets of pods

    def __init__(self, api, folder, statefulset, port, rewrite, start_delay=0.0):
        self.api, self.folder, self.port, self.rewrite = api, pathlib.Path(folder), port, rewrite
        self.start_delay = start_delay
        self.pods, self.ended, self.stopping = {}, [], {}
        self.broken = set()   # names of pods that are not to start
        self._halt = threading.Event()
        self._since = {}   # when a pod was first seen ready
        # Of this process alone: several test runs may share the machine.
        self._net = f"127.{64 + os.getpid() % 128}.{os.getpid() // 128 % 250}"
        statefulset = json.loads(json.dumps(statefulset))
        statefulset["metadata"].pop("namespace", None)
        self.set = statefulset["metadata"]["name"]
        api.put("statefulsets", self.set, lambda _: statefulset)

    # ---- for tests
    def set_template(self, change):
        """kubectl apply of another template: a rollout."""
        def apply(o):
            change(o["spec"]["template"])
            return o
        self.api.put("statefulsets", self.set, apply)

    def ready(self, count):
        """Exactly so many pods, all ready, none on its way out, all of the newest revision."""
        with self.api.lock:
            pods, owner = self.own_pods(), self.api.get("statefulsets", self.set)
            return len(pods) == count and owner["spec"]["replicas"] == count and \
                owner.get("status", {}).get("updateRevision") == revision_of(owner["spec"]["template"]) and \
                all(is_ready(p) and self._revision(p) == owner["status"]["updateRevision"] for p in pods)

    def own_pods(self):
        """Objects of this set's pods."""
        return [p for p in self.api.all("pods") if p["metadata"]["name"].rpartition("-")[0] == self.set]

    def urls(self):
        return {name: pod.url for name, pod in sorted(self.pods.items())}

    def crash(self, name):
        """kill -9; the pod's object goes and the controller makes another."""
        self.pods[name].child.kill()

    # ---- its life
    def __enter__(self):
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self._halt.set()
        self.thread.join(10)
        for pod in [*self.pods.values(), *(p for p, _ in self.stopping.values())]:
            if pod.child and pod.child.poll() is None:
                pod.child.kill()
                pod.child.wait()
        for _, thread in self.stopping.values():
            thread.join(10)

    def _run(self):
        while not self._halt.wait(self.LOOK):
            self._control()
            self._keep()

    # ---- the StatefulSet controller
    def _is_available(self, pod):
        """Ready for minReadySeconds."""
        name = (pod["metadata"]["name"], pod["metadata"]["uid"])
        if not is_ready(pod):
            self._since.pop(name, None)
            return False
        least = self.api.get("statefulsets", self.set)["spec"].get("minReadySeconds", 0)
        return time.monotonic() - self._since.setdefault(name, time.monotonic()) >= least

    @staticmethod
    def _revision(pod):
        return pod["metadata"]["labels"]["controller-revision-hash"]

    def _control(self):
        owner = self.api.get("statefulsets", self.set)
        wanted, template = owner["spec"].get("replicas", 1), owner["spec"]["template"]
        revision = revision_of(template)
        pods = {p["metadata"]["name"]: p for p in self.own_pods()}
        for i in range(wanted):
            if f"{self.set}-{i}" not in pods:
                self._create(f"{self.set}-{i}", i, template, revision)
        for name, pod in pods.items():
            if int(name.rsplit("-", 1)[1]) >= wanted:
                self._delete(name)
        self._roll(pods, wanted, revision)

        def status(o):
            o["status"] = {"replicas": len(pods), "readyReplicas": sum(map(is_ready, pods.values())), "updateRevision": revision}
            return o
        self.api.put("statefulsets", self.set, status)

    def _roll(self, pods, wanted, revision):
        """From the highest ordinal down, one at a time, and only while those above are ready."""
        for i in reversed(range(wanted)):
            pod = pods.get(f"{self.set}-{i}")
            if pod is None or "deletionTimestamp" in pod["metadata"]:
                return
            if self._revision(pod) != revision:
                return self._delete(f"{self.set}-{i}")
            if not self._is_available(pod):
                return

    def _create(self, name, ordinal, template, revision):
        labels = {**template["metadata"]["labels"], "controller-revision-hash": revision, "statefulset.kubernetes.io/pod-name": name,
                  "apps.kubernetes.io/pod-index": str(ordinal)}
        self.api.put("pods", name, lambda _: {
            "metadata": {"name": name, "labels": labels, "creationTimestamp": now(),
                         "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": self.set, "controller": True}]},
            "spec": template["spec"], "status": {"phase": "Pending"}})

    def _delete(self, name):
        def mark(o):
            if o is not None:
                o["metadata"].setdefault("deletionTimestamp", now())
            return o
        self.api.put("pods", name, mark)

    # ---- the kubelet
    def _keep(self):
        for shown in self.own_pods():
            name = shown["metadata"]["name"]
            pod = self.pods.get(name)
            if "deletionTimestamp" in shown["metadata"]:
                self._begin_stop(name)
            elif pod is None and name not in self.stopping:
                self._begin(name, shown)
            elif pod is not None and pod.child is not None and pod.child.poll() is not None:
                self._gone(name, pod)
            elif pod is not None and pod.child is not None:
                self._tell(name, pod, pod.probe("readinessProbe"))

    def _begin(self, name, shown):
        if name in self.broken:
            waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
            return self._status(name, {"phase": "Pending", "containerStatuses": [{"name": "edge", "restartCount": 0, "state": waiting}]})
        if self.start_delay and time.time() - time.mktime(time.strptime(shown["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ")) < self.start_delay:
            return None
        pod = self.pods[name] = Pod(self, shown["spec"], name, f"{self._net}.{next(self._ips) % 250 + 1}")
        pod.start()
        return self._tell(name, pod, False)

    def _tell(self, name, pod, ready):
        self._status(name, {"phase": "Running", "podIP": pod.ip, "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
                            "containerStatuses": [{"name": "edge", "restartCount": 0, "ready": ready, "state": {"running": {}}}]})

    def _status(self, name, status):
        def change(o):
            if o is not None:
                o["status"] = status
            return o
        self.api.put("pods", name, change)

    def _begin_stop(self, name):
        pod = self.pods.pop(name, None)
        if pod is None:
            if name not in self.stopping:
                self.api.put("pods", name, lambda _: None)
            return

        def stop():
            pod.stop()
            self._gone(name, pod)
        thread = threading.Thread(target=stop, daemon=True)
        self.stopping[name] = (pod, thread)
        thread.start()

    def _gone(self, name, pod):
        self.pods.pop(name, None)
        self.ended.append(pod)
        self.api.put("pods", name, lambda _: None)
        self.stopping.pop(name, None)

    def logs(self):
        every = [*self.ended[-6:], *(p for p, _ in self.stopping.values()), *self.pods.values()]
        return "\n".join(pod.log() for pod in every)


class Autoscaler:
    """The formula of a HorizontalPodAutoscaler on one Pods metric, from the pods' own /metrics: desired = ceil(sum / target). The policies
    and windows of its behaviour block only slow that down; tests have no patience for them."""

    def __init__(self, api, nodes, metric, least, most):
        self.api, self.nodes, self.metric, self.least, self.most = api, nodes, metric, least, most

    def average(self):
        values = []
        for pod in self.api.all("pods"):
            name = pod["metadata"]["name"]
            if not is_ready(pod) or name not in self.nodes.pods:
                continue
            text = get(self.nodes.pods[name].url + "/metrics", timeout=5).body.decode()
            values.append(float(re.search(rf"^{self.metric} (\S+)$", text, re.M)[1]))
        return sum(values) / len(values), len(values)

    def step(self, target):
        """One sync with this averageValue; the new number of replicas."""
        average, counted = self.average()
        replicas = self.api.get("statefulsets", SET)["spec"]["replicas"]
        desired = replicas if abs(average / target - 1) <= 0.1 else math.ceil(average * counted / target)
        desired = max(self.least, min(self.most, desired))
        if desired != replicas:
            self.api.scale(SET, desired)
        return desired
