"""A machine to install on: a fresh Debian in a folder, with systemd as its first process in namespaces of their own, and this machine's
packages at hand. It has no network but its loopback once it runs."""
import os
import pathlib
import shutil
import signal
import subprocess

from base import Missing, debian, need, run
from support.wait import Late, until

# Mounts of the namespace, then systemd: as a container's first process wants them.
BOOT = r"""
set -e
mount --make-rprivate /
mount --bind "$ROOT" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs -o mode=755 tmpfs "$ROOT/run"
mount -t tmpfs tmpfs "$ROOT/tmp"
mount -t sysfs -o ro sysfs "$ROOT/sys"
mount -t cgroup2 cgroup2 "$ROOT/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$ROOT/dev"
mkdir -p "$ROOT/dev/pts" "$ROOT/dev/shm"
for device in null zero full random urandom tty; do
  touch "$ROOT/dev/$device"
  mount --bind "/dev/$device" "$ROOT/dev/$device"
done
ln -s /proc/self/fd "$ROOT/dev/fd"
ln -s pts/ptmx "$ROOT/dev/ptmx"
# Kernel settings are this machine's: not to be written from in there.
mount --bind "$ROOT/proc/sys" "$ROOT/proc/sys"
mount -o remount,bind,ro "$ROOT/proc/sys"
ip link set lo up
cd "$ROOT"
mkdir -p .old
pivot_root . .old
umount -l /.old
exec env -i container=tocsin-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --log-target=console --show-status=no
"""


class Machine:
    def __init__(self, folder):
        need("unshare", "nsenter", "ip", "tar", "debootstrap")
        self.root = pathlib.Path(folder) / "machine"
        self.console = pathlib.Path(folder) / "console.log"
        self.root.mkdir(parents=True)
        run("tar", "-C", self.root, "-xf", debian())
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        # Nothing that a package installs is started here.
        (self.root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (self.root / "usr/sbin/policy-rc.d").chmod(0o755)
        self.child = self.init = None
        self.cgroup = None

    def within(self, *command, check=True, timeout=300):
        """Before it is started: a command in its folder."""
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        return run("chroot", self.root, *command, check=check, timeout=timeout, env=env)

    def install(self, *packages):
        """Packages by name, or .deb files of this machine."""
        names = []
        for package in map(str, packages):
            if package.endswith(".deb"):
                shutil.copy(package, self.root / "tmp")
                package = "/tmp/" + pathlib.Path(package).name
            names.append(package)
        if not list((self.root / "var/lib/apt/lists").glob("*Packages*")):
            self.within("apt-get", "-q", "update")
        return self.within("apt-get", "-qy", "-o", "Dpkg::Use-Pty=0", "install", "--no-install-recommends", *names)

    def boot(self):
        """systemd runs; Missing where the kernel does not let it."""
        for parent in (pathlib.Path("/sys/fs/cgroup/unified"), pathlib.Path("/sys/fs/cgroup")):
            if (parent / "cgroup.procs").exists() and (parent / "cgroup.controllers").exists():
                break
        else:
            raise Missing("no cgroup2 hierarchy is mounted here")
        self.cgroup = parent / f"tocsin-machine-{os.getpid()}"
        try:
            self.cgroup.mkdir()
        except OSError as e:
            raise Missing(f"no cgroup can be made here: {e}") from None
        script = self.console.with_name("boot.sh")
        script.write_text(BOOT)
        enter = f"echo $$ >{self.cgroup}/cgroup.procs; exec unshare --fork --kill-child --pid --mount --net --ipc --uts --cgroup /bin/bash {script}"
        with open(self.console, "ab") as console:
            self.child = subprocess.Popen(["/bin/bash", "-c", enter], stdout=console, stderr=console, stdin=subprocess.DEVNULL,
                                          env={**os.environ, "ROOT": str(self.root)})

        def look():
            if self.child.poll() is not None:
                raise Missing(f"systemd does not run as a machine's first process here: {self.text()}")
            children = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()
            if not children:
                return False
            self.init = int(children[0])
            return self.ctl("is-system-running", check=False).stdout.strip() in ("running", "degraded")
        try:
            until(look, "systemd to be up", 60, 0.2)
        except Late as late:
            raise Missing(f"systemd does not come up here: {self.text()}") from late

    def text(self):
        return self.console.read_text(errors="replace")[-1500:] if self.console.exists() else ""

    @property
    def prefix(self):
        """In front of a command of this machine: it speaks on the booted one's network."""
        return ["nsenter", "--target", str(self.init), "--net"]

    def exec(self, *command, check=True, timeout=120):
        """A command on the booted machine."""
        return run("nsenter", "--target", self.init, "--all", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *command, check=check, timeout=timeout)

    def ctl(self, *args, **more):
        return self.exec("systemctl", *args, **more)

    def show(self, unit, name):
        return self.ctl("show", "--value", "--property", name, unit).stdout.strip()

    def stat(self, *paths):
        """{path: mode and owner}"""
        return dict(line.split(" ", 1) for line in self.exec("stat", "-c", "%n %a %U:%G", *paths).stdout.splitlines())

    def may_open(self, files):
        """Whether the kernel lets root of this machine have so many open files."""
        return self.exec("prlimit", f"--nofile={files}:{files}", "true", check=False).returncode == 0

    def journal(self, unit):
        return self.exec("journalctl", "--no-pager", "-n", "40", "-u", unit, check=False).stdout

    def close(self):
        if self.child is not None and self.child.poll() is None:
            os.kill(self.init or self.child.pid, signal.SIGKILL)
            self.child.wait(20)
        if self.cgroup is not None and self.cgroup.exists():
            until(lambda: self._remove_groups(), "the machine's processes to be gone", 10, 0.1)
        shutil.rmtree(self.root, ignore_errors=True)

    def _remove_groups(self):
        for folder, _, _ in os.walk(self.cgroup, topdown=False):
            os.rmdir(folder)
        return True
