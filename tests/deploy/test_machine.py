"""The packages on a fresh Debian with systemd as its first process: installed, started, loaded, watched, drained, upgraded, removed."""
import pathlib
import re

import pytest

from base import Missing, need, run
from machine import Machine
from support.programs import BIN, ROOT
from support.wait import until

VERSION = re.search(r"^  version: '(.*)',", (ROOT / "meson.build").read_text(), re.M).group(1)
UNITS = ("tocsin-broker.service", "tocsin-edge@.service", "tocsin-supervisor.service")
PROGRAMS = ("tocsin-broker", "tocsin-edge", "tocsin-supervisor", "tocsinctl")
EDGES = ("tocsin-edge@8080", "tocsin-edge@8081")
# systemd-analyze's exposure, 0 (none) to 10; what is below was measured and may only fall.
EXPOSED = {"tocsin-broker.service": 1.6, "tocsin-edge@.service": 1.6, "tocsin-supervisor.service": 1.6}


def debs(folder, version):
    run(ROOT / "ops/deb/build.sh", BIN, folder, version)
    return {p.name.split("_")[0]: p for p in pathlib.Path(folder).glob(f"*_{version}_*.deb")}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    try:
        need("dpkg-shlibdeps", "dpkg-deb")
    except Missing as why:
        pytest.skip(f"no packages can be built: {why}")
    return debs(tmp_path_factory.mktemp("debs"), VERSION)


@pytest.fixture(scope="module")
def machine(tmp_path_factory, packages):
    m = None
    try:
        m = Machine(tmp_path_factory.mktemp("machine"))
        m.install("systemd", *packages.values())
        m.boot()
        yield m
    except Missing as why:
        pytest.skip(f"no machine to install on: {why}")
    finally:
        if m is not None:
            m.close()


@pytest.fixture(scope="module")
def serving(machine):
    """A broker and two edges, started as an operator does."""
    machine.ctl("enable", "--now", "tocsin-broker", *EDGES, "tocsin-edges.target")
    return machine


def test_what_an_installation_leaves(machine):
    assert machine.exec("id", "-un", "tocsin").stdout.strip() == "tocsin"
    for path, mode, owner in (("/etc/tocsin", "750", "root:tocsin"), ("/etc/tocsin/tocsin.yaml", "640", "root:tocsin"), ("/var/lib/tocsin", "750", "tocsin:tocsin"),
                              ("/var/log/tocsin", "750", "tocsin:tocsin")):
        assert machine.exec("stat", "-c", "%a %U:%G", path).stdout.split() == [mode, owner], path
    for program in PROGRAMS:
        assert VERSION in machine.exec(program, "--version").stdout
    machine.exec("tocsinctl", "check-config", "/etc/tocsin/tocsin.yaml")
    assert not machine.ctl("list-units", "--no-legend", "tocsin-*.service").stdout.strip(), "an installation starts nothing"


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_right_and_harden(machine, unit):
    checked = machine.exec("systemd-analyze", "verify", unit.replace("@.", "@8080."), check=False)
    complaints = [line for line in (checked.stdout + checked.stderr).splitlines() if "tocsin" in line]
    assert checked.returncode == 0 and not complaints, complaints
    text = machine.exec("systemd-analyze", "security", "--offline=true", "--no-pager", unit, check=False).stdout
    score = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", text).group(1))
    print(unit, "exposure", score)
    assert score <= EXPOSED[unit], text
    lines = (ROOT / "ops/systemd" / unit).read_text().splitlines()
    for wanted in ("NoNewPrivileges=true", "PrivateTmp=true", "ProtectSystem=strict", "ProtectHome=true", "Restart=always", "Type=notify"):
        assert wanted in lines, wanted


def test_ready_is_said_when_it_serves(serving):
    for unit in ("tocsin-broker", *EDGES):
        assert serving.ctl("is-active", unit).stdout.strip() == "active"
        assert serving.show(unit, "StatusText").startswith("serves ")
    assert serving.exec("tocsinctl", "health").stdout and serving.exec("tocsinctl", "health", "127.0.0.1:7401").stdout
    pid = serving.show("tocsin-broker", "MainPID")
    assert serving.exec("ps", "-o", "user=", "-p", pid, check=False).stdout.strip() in ("tocsin", "")
    status = serving.exec("cat", f"/proc/{pid}/status").stdout
    assert "NoNewPrivs:\t1" in status and "CapEff:\t0000000000000000" in status and "Seccomp:\t2" in status


def test_a_stopped_edge_drains_and_a_started_one_serves_again(serving, load):
    fleet = load(["127.0.0.1:8080", "127.0.0.1:8081"], clients=200, prefix=serving.prefix)
    assert len(fleet.status()["edges"]) == 2
    fleet.mark("stop")
    serving.ctl("stop", EDGES[0])
    assert serving.show(EDGES[0], "Result") == "success"
    assert len(fleet.status()["edges"]) == 1
    serving.ctl("start", EDGES[0])
    fleet.stop()
    fleet.must_hold()
    phase = fleet.phase("stop")
    assert phase["cut"] == 0 and phase["blackout_ms"]["max"] == 0, phase


def test_a_broker_that_is_restarted_and_one_that_is_killed(serving, load):
    fleet = load(["127.0.0.1:8080", "127.0.0.1:8081"], clients=100, prefix=serving.prefix)
    fleet.mark("broker")
    serving.ctl("restart", "tocsin-broker")
    before = serving.show("tocsin-broker", "MainPID")
    serving.ctl("kill", "--signal=KILL", "tocsin-broker")
    until(lambda: serving.show("tocsin-broker", "MainPID") not in ("0", before), "systemd to start it again", 20, 0.1)
    until(lambda: serving.exec("tocsinctl", "health", check=False).returncode == 0, "the edges to have their broker again", 20, 0.2)
    fleet.stop()
    fleet.must_hold()
    assert fleet.phase("broker")["cut"] == 0


def test_the_watchdog_replaces_an_edge_that_hangs(serving):
    """It is stopped, so it beats no more; the unit's own time is long, a shorter one does."""
    serving.exec("mkdir", "-p", "/run/systemd/system/tocsin-edge@8081.service.d")
    serving.exec("sh", "-c", "printf '[Service]\\nWatchdogSec=2\\n' >/run/systemd/system/tocsin-edge@8081.service.d/soon.conf")
    serving.ctl("daemon-reload")
    serving.ctl("restart", EDGES[1])
    before = serving.show(EDGES[1], "MainPID")
    serving.ctl("kill", "--signal=STOP", EDGES[1])
    until(lambda: serving.show(EDGES[1], "MainPID") not in ("0", before), "the watchdog to bite", 60, 0.2)
    until(lambda: serving.ctl("is-active", EDGES[1], check=False).stdout.strip() == "active", "it to serve again", 30, 0.2)
    assert int(serving.show(EDGES[1], "NRestarts")) >= 1


def test_a_reload_keeps_it_running(serving):
    before = serving.show(EDGES[0], "MainPID")
    serving.ctl("reload", EDGES[0])
    assert serving.exec("tocsinctl", "health").stdout
    assert serving.show(EDGES[0], "MainPID") == before


def test_bad_settings_end_it_with_a_sentence(serving):
    serving.exec("sh", "-c", "echo TOCSIN_LIMITS_CLIENTS_MAX=many >/etc/tocsin/edge-8089.env")
    serving.exec("systemctl", "start", "--no-block", "tocsin-edge@8089")
    until(lambda: serving.show("tocsin-edge@8089", "ExecMainStatus") == "2", "it to give up", 20, 0.2)
    serving.ctl("stop", "tocsin-edge@8089")
    assert "limits.clients_max" in serving.journal("tocsin-edge@8089").lower().replace("_clients", ".clients") or "CLIENTS_MAX" in serving.journal("tocsin-edge@8089")


def test_the_supervisor_runs_a_cluster_in_place_of_the_other_units(serving):
    serving.ctl("start", "tocsin-supervisor")
    try:
        assert all(serving.ctl("is-active", unit, check=False).stdout.strip() in ("inactive", "failed") for unit in ("tocsin-broker", *EDGES))
        assert serving.show("tocsin-supervisor", "StatusText") == "the cluster is up, 2 edges"
        cluster = ("tocsinctl", "--cluster", "/var/lib/tocsin/cluster/cluster.json")
        serving.exec(*cluster, "status")
        serving.exec(*cluster, "publish", "--key", "K", "--set", "title=from a unit")
        # It alone dies: its processes go on, the next one adopts them.
        before = serving.exec("pgrep", "-o", "tocsin-broker").stdout
        old = serving.show("tocsin-supervisor", "MainPID")
        serving.exec("kill", "-KILL", old)
        until(lambda: serving.show("tocsin-supervisor", "MainPID") not in ("0", old), "the next supervisor", 20, 0.1)
        until(lambda: serving.exec(*cluster, "status", check=False).returncode == 0, "it to be ready", 20, 0.2)   # adopted, not started anew
        assert serving.exec("pgrep", "-o", "tocsin-broker").stdout == before
    finally:
        serving.ctl("stop", "tocsin-supervisor")
    assert serving.exec("pgrep", "tocsin-", check=False).stdout == ""
    serving.ctl("start", "tocsin-broker", *EDGES, "tocsin-edges.target")


def test_an_upgrade_of_the_packages_leaves_everybody_running(serving, tmp_path, load):
    newer = debs(tmp_path, VERSION + "+next")
    fleet = load(["127.0.0.1:8080", "127.0.0.1:8081"], clients=100, prefix=serving.prefix)
    fleet.mark("upgrade")
    pids = {unit: serving.show(unit, "MainPID") for unit in ("tocsin-broker", *EDGES)}
    for path in newer.values():
        (serving.root / "var/tmp" / path.name).write_bytes(path.read_bytes())
    said = serving.exec("sh", "-c", "dpkg --install /var/tmp/*.deb").stdout
    assert "still runs the version before" in said, said
    assert {unit: serving.show(unit, "MainPID") for unit in pids} == pids
    for unit in (*EDGES, "tocsin-broker"):   # one edge after the other, the broker last
        serving.ctl("restart", unit)
    assert all(serving.show(unit, "MainPID") not in ("0", pid) for unit, pid in pids.items())
    fleet.stop()
    fleet.must_hold()
    assert fleet.phase("upgrade")["cut"] == 0, fleet.phase("upgrade")


def test_removed_and_purged(serving):
    """Last in this file: there is nothing left to test with."""
    names = ("tocsin-supervisor", "tocsin-edge", "tocsin-broker", "tocsin-tools", "tocsin-common")
    serving.exec("dpkg", "--remove", *names)
    assert serving.exec("pgrep", "tocsin-", check=False).stdout == ""
    assert serving.exec("ls", "/var/lib/tocsin/broker").stdout, "the log stays until it is purged"
    serving.exec("dpkg", "--purge", *names)
    left = serving.exec("find", "/etc", "/usr", "/var/lib/tocsin", "/var/log/tocsin", "-xdev", "-name", "*tocsin*", check=False).stdout.split()
    assert [p for p in left if not p.startswith("/usr/share/doc")] == [], left


def test_packages_are_the_same_bytes_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")   # else the last commit's
    packages, again = debs(tmp_path / "one", VERSION), debs(tmp_path / "two", VERSION)
    assert {n: p.read_bytes() for n, p in packages.items()} == {n: p.read_bytes() for n, p in again.items()}


