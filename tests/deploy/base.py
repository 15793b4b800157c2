"""Debian 12, small, as a tar file: made once by debootstrap and kept beside the build, for the image and for machines to install on."""
import contextlib
import ctypes
import os
import pathlib
import shutil
import subprocess

from support.programs import BIN

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_NEWNET = 0x40000000


class Missing(Exception):
    """Why something cannot be had on this machine; the tests are skipped with this text."""


def need(*names):
    """Fails with what is not installed, and without root."""
    absent = [name for name in names if shutil.which(name, path=PATH) is None]
    if absent:
        raise Missing(f"not installed: {', '.join(absent)}")
    if os.geteuid() != 0:
        raise Missing("it takes root")


def run(*args, timeout=300, check=True, **more):
    done = subprocess.run(list(map(str, args)), capture_output=True, text=True, timeout=timeout, check=False, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done


@contextlib.contextmanager
def in_network(place):
    """This thread's sockets are of that network namespace meanwhile: /run/netns/NAME, /proc/PID/ns/net."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as home, open(place, "rb") as there:
        if libc.setns(there.fileno(), _NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            libc.setns(home.fileno(), _NEWNET)


def slim(root):
    """What the published image leaves out too; and the sources of packages of this machine."""
    for place in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt/archives", "var/lib/apt/lists"):
        for path in (root / place).glob("*"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name in ("sources.list", "sources.list.d"):
        source, target = pathlib.Path("/etc/apt") / name, root / "etc/apt" / name
        if source.is_file():
            shutil.copy(source, target)
        elif source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)


def debian():
    """The tar file."""
    archive = pathlib.Path(os.environ.get("TOCSIN_BASE_IMAGE") or BIN.parent / "deploy" / "bookworm-slim.tar")
    if archive.exists():
        return archive
    need("debootstrap", "tar")
    archive.parent.mkdir(parents=True, exist_ok=True)
    root = archive.parent / f"bookworm-{os.getpid()}"
    try:
        done = run("debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", root, timeout=600, check=False)
        if done.returncode != 0:
            raise Missing(f"debootstrap cannot make a base here: {done.stdout[-300:]} {done.stderr[-300:]}")
        slim(root)
        run("tar", "-C", root, "-cf", f"{archive}.part", ".")
        os.replace(f"{archive}.part", archive)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return archive
