"""A container engine of the tests' own: Debian's dockerd on a scratch folder, in a network namespace of its own. Images are built before
that, with the machine's network and without any bridge, because only there is a registry. What this machine does not allow is said in
Missing, by name."""
import os
import pathlib
import shutil
import signal
import subprocess
import time

from base import PATH, Missing, debian, in_network, need, run
from support.programs import ROOT, clean_env
from support.wait import Late, until

NAMESPACE, PUBLIC = "tocsin-deploy", "198.18.0.1"
ENTER = ("nsenter", f"--net=/run/netns/{NAMESPACE}")   # not "ip netns exec", which hides the groups of /sys


def in_namespace():
    """This thread's sockets are of the containers' network meanwhile."""
    return in_network(f"/run/netns/{NAMESPACE}")


class Engine:
    def __init__(self, folder):
        need("dockerd", "docker", "docker-compose", "containerd", "runc", "ip", "nsenter", "iptables")
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket = f"unix://{self.folder}/docker.sock"
        self.env = clean_env(DOCKER_HOST=self.socket, DOCKER_BUILDKIT="1", COMPOSE_DOCKER_CLI_BUILD="1", PATH=PATH, HOME=str(self.folder),
                             COMPOSE_PROJECT_NAME="tocsin", COMPOSE_HTTP_TIMEOUT="200")
        self.daemon, self.inside = None, False

    def log(self, size=3000):
        file = self.folder / "dockerd.log"
        return file.read_text(errors="replace")[-size:] if file.exists() else ""

    def _start(self, prefix, *flags):
        command = [*prefix, "dockerd", "--data-root", self.folder / "data", "--exec-root", self.folder / "run", "--host", self.socket, "--pidfile",
                   self.folder / "docker.pid", "--oom-score-adjust", "0", *flags]
        with open(self.folder / "dockerd.log", "ab") as log:
            self.daemon = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.env, start_new_session=True)

        def look():
            if self.daemon.poll() is not None:
                raise Missing(f"dockerd ends with {self.daemon.returncode} on this machine: {self.log(600)}")
            return self.docker("info", check=False, timeout=20).returncode == 0
        try:
            until(look, "dockerd", 60, 0.2)
        except Late as late:
            raise Missing(f"dockerd does not answer: {self.log(600)}") from late

    def for_building(self):
        """With the machine's own network, and no bridge."""
        self._start([], "--bridge", "none", "--iptables=false", "--ip-forward=false", "--ip-masq=false")

    def for_running(self):
        """In a namespace of its own, where addresses and rules are nobody else's."""
        self._end_daemon()
        run("ip", "netns", "del", NAMESPACE, check=False)
        made = run("ip", "netns", "add", NAMESPACE, check=False)
        if made.returncode != 0:
            raise Missing(f"no network namespace: {made.stderr.strip()}")
        self.inside = True
        # The address of this "host", as its clients see it.
        for command in ("link set lo up", f"addr add {PUBLIC}/32 dev lo"):
            run("ip", "-n", NAMESPACE, *command.split())
        self._start([*ENTER], "--iptables=true")

    def docker(self, *args, **more):
        return run("/usr/bin/docker", *args, env=self.env, **more)

    def compose(self, *args, env=None, timeout=300, check=True):
        return run("docker-compose", *args, env={**self.env, **(env or {})}, cwd=self.compose_dir, timeout=timeout, check=check)

    def script(self, *args, env=None, timeout=300, check=True):
        """One of ops/compose's, as an operator calls it."""
        return run(*args, env={**self.env, **(env or {})}, cwd=self.compose_dir, timeout=timeout, check=check)

    @property
    def compose_dir(self):
        return self.folder / "ops" / "compose"

    def copy_tree(self):
        """ops, with no .env of anybody's: scripts write one."""
        shutil.copytree(ROOT / "ops", self.folder / "ops", dirs_exist_ok=True)

    def base_image(self):
        """The registry of images is not to be had everywhere, Debian's packages are."""
        self.docker("import", debian(), "debian:bookworm-slim")

    def size(self, image):
        return int(self.docker("image", "inspect", "-f", "{{.Size}}", image).stdout)

    def _end_daemon(self):
        if self.daemon is None:
            return
        if self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.daemon.pid, signal.SIGKILL)
                self.daemon.wait()
        self.daemon = None

    def close(self):
        if self.daemon is not None and self.daemon.poll() is None:
            ids = self.docker("ps", "-aq", check=False).stdout.split()
            if ids:
                self.docker("rm", "-f", *ids, check=False)
        self._end_daemon()
        if self.inside:
            run("ip", "netns", "del", NAMESPACE, check=False)
        for line in pathlib.Path("/proc/mounts").read_text().splitlines():
            place = line.split()[1]
            if place.startswith(str(self.folder)):
                run("umount", "-l", place, check=False)
        for _ in range(20):   # containerd's last shims let go of it
            shutil.rmtree(self.folder / "data", ignore_errors=True)
            if not (self.folder / "data").exists():
                return
            time.sleep(0.2)
