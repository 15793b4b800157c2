"""ops/systemd/tocsin.sysctl in a network namespace of its own: this machine's kernel knows every key, and takes every value."""
import subprocess

import pytest

from base import Missing, need
from support.programs import ROOT

FILE = ROOT / "ops/systemd/tocsin.sysctl"
# Larger is for more sockets; the others are smaller on purpose.
FOR_MORE = ("net.core.somaxconn", "net.ipv4.tcp_max_syn_backlog")


def wanted():
    lines = (line.split("#")[0].strip() for line in FILE.read_text().splitlines())
    return {k.strip(): " ".join(v.split()) for k, v in (line.split("=", 1) for line in lines if line)}


def inside(script, *args):
    """A shell script in a new network namespace, which ends with it."""
    return subprocess.run(["unshare", "--net", "/bin/sh", "-ec", script, "sh", *map(str, args)], capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture(scope="module")
def namespace():
    try:
        need("unshare", "sysctl")
    except Missing as why:
        pytest.skip(f"no network namespace: {why}")
    tried = inside("sysctl -q -w net.ipv4.tcp_keepalive_time=7200")
    if tried.returncode != 0:
        pytest.skip(f"kernel settings cannot be changed in a network namespace here: {tried.stderr.strip()}")


def test_only_the_network_is_touched():
    """What is the whole machine's (fs.file-max and the like) is set by systemd, and higher."""
    assert len(wanted()) >= 5 and all(key.startswith("net.") for key in wanted()), wanted()


def test_every_value_is_taken(namespace):
    done = inside("sysctl --load=$1 >/dev/null; shift; for key; do printf '%s=' $key; sysctl -n $key; done", FILE, *wanted())
    assert done.returncode == 0 and not done.stderr, done
    assert {k: " ".join(v.split()) for k, v in (line.split("=", 1) for line in done.stdout.splitlines())} == wanted()


def test_nothing_is_lowered_that_should_be_raised(namespace):
    """Beside what the kernel has by default."""
    for key in FOR_MORE:
        default = int(inside("sysctl -n $1", key).stdout)
        assert int(wanted()[key]) >= default, (key, default)
    low, high = map(int, wanted()["net.ipv4.ip_local_port_range"].split())
    default_low, default_high = map(int, inside("sysctl -n net.ipv4.ip_local_port_range").stdout.split())
    assert high - low > default_high - default_low
    assert low > 8443, "a port that a program listens on is not given to an outgoing connection"


@pytest.mark.parametrize("broken, says", [("net.core.somaxcon = 4096", "somaxcon"), ("net.ipv4.ip_local_port_range = 65535 15000", "Invalid argument")])
def test_a_mistake_would_be_seen(namespace, tmp_path, broken, says):
    file = tmp_path / "broken"
    file.write_text(FILE.read_text() + broken + "\n")
    done = inside("sysctl --load=$1 >/dev/null", file)
    assert done.returncode != 0 and says in done.stderr, done
