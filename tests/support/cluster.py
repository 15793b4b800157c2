"""A local cluster as people run it: `tocsinctl up`. Looked at only through cluster.json and its addresses."""
import json
import os
import pathlib
import signal
import subprocess

from .http import get
from .programs import clean_env, program, run_program
from .wait import until


def exists(pid):
    """True while the process is there (a zombie is not)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rsplit(b")", 1)[1].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


class Cluster:
    """`with Cluster(folder) as c:` - ready inside, stopped after."""

    def __init__(self, folder, edges=2, config=None, port=0):
        self.dir = pathlib.Path(folder)
        self.edges_wanted, self.config, self.port = edges, config, port
        self.file = self.dir / "cluster.json"
        self.child = None
        self.out = None

    def start(self, timeout=30):
        self.dir.mkdir(parents=True, exist_ok=True)
        self.out = self.dir / "up.out"
        args = ["up", "--edges", str(self.edges_wanted), "--port", str(self.port), "--dir", str(self.dir)]
        if self.config is not None:
            config = self.dir / "config.yaml"
            config.write_text(self.config)
            args += ["--config", str(config)]
        self.file.unlink(missing_ok=True)
        with open(self.out, "ab") as out:
            self.child = subprocess.Popen([program("tocsinctl"), *args], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                          env=clean_env(), start_new_session=True)

        def ready():
            if self.child.poll() is not None:
                raise AssertionError(f"tocsinctl up ended with {self.child.returncode}:\n{self.logs()}")
            return self.file.exists() and self.all_ready()
        try:
            until(ready, "the cluster to be ready", timeout)
        except BaseException:
            print(self.logs())
            self.stop(check=False)
            raise
        return self

    def stop(self, check=True, timeout=20):
        """SIGTERM to `up`; its exit code. Every process must be gone."""
        if self.child is None:
            return None
        pids = self.pids() if self.file.exists() else []
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            code = self.child.wait(timeout)
            if check:
                until(lambda: not any(map(exists, pids)), "the cluster's processes to be gone", 10)
            return code
        except (subprocess.TimeoutExpired, AssertionError):
            if check:
                raise AssertionError(f"up did not stop everything:\n{self.logs()}") from None
            return None
        finally:
            for pid in {*pids, self.child.pid}:
                if exists(pid):
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            self.child.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop(check=False)

    def info(self):
        """cluster.json, whole: it is replaced, never rewritten, so every read must parse."""
        return json.loads(self.file.read_text())

    def pids(self):
        info = self.info()
        return [info["broker"]["pid"], info["supervisor"]["pid"], *(e["pid"] for e in info["edges"])]

    @property
    def edges(self):
        return self.info()["edges"]

    def edge(self, n=0):
        return self.edges[n]

    def all_ready(self):
        return all(get(e["http"] + "/health/ready", timeout=2).status == 200 for e in self.edges)

    def wait_ready(self, timeout=15):
        until(self.all_ready, "all edges to be ready", timeout)

    def ctl(self, *args, timeout=30, stdin=None):
        return run_program("tocsinctl", "--cluster", self.file, *args, timeout=timeout, stdin=stdin)

    def kill(self, which):
        """kill -9 of "broker", "supervisor" or "edge-N"; the pid that died."""
        info = self.info()
        entry = info[which] if which in info else next(e for e in info["edges"] if e["id"] == which)
        os.kill(entry["pid"], signal.SIGKILL)
        return entry["pid"]

    def pid_of(self, which):
        info = self.info()
        return (info[which] if which in info else next(e for e in info["edges"] if e["id"] == which))["pid"]

    def logs(self, size=3000):
        """The ends of all logs, for the report of a failure."""
        parts = []
        for file in sorted([*self.dir.glob("*.out"), *self.dir.glob("logs/*.log")]):
            parts.append(f"--- {file.name}\n{file.read_text(errors='replace')[-size:]}")
        return "\n".join(parts)
