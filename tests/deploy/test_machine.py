"""The packages on a fresh Debian with systemd as its first process: installed, started, loaded, watched, drained, upgraded, removed."""
import collections
import pathlib
import re

import pytest

from base import Missing, need, run
from logs import LOGS, lines, log_to_files, refusals, rotate
from machine import Machine
from support.programs import BIN, ROOT
from support.wait import until

VERSION = re.search(r"^  version: '(.*)',", (ROOT / "meson.build").read_text(), re.M).group(1)
UNITS = ("tocsin-broker.service", "tocsin-edge@.service", "tocsin-supervisor.service")
PROGRAMS = ("tocsin-broker", "tocsin-edge", "tocsin-supervisor", "tocsinctl")
EDGES = ("tocsin-edge@8080", "tocsin-edge@8081")


def debs(folder, version):
    run(ROOT / "ops/deb/build.sh", BIN, folder, version)
    return {p.name.split("_")[0]: p for p in pathlib.Path(folder).glob(f"*_{version}_*.deb")}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    try:
        need("dpkg-shlibdeps", "dpkg-deb")
    except Missing as why:
        pytest.skip(f"no packages can be built: {why}")
    with pytest.MonkeyPatch.context() as env:
        env.setenv("SOURCE_DATE_EPOCH", "1700000000")   # else the last commit's
        return debs(tmp_path_factory.mktemp("debs"), VERSION)


def next_version(packages, folder):
    """The same packages under a higher version, and not compressed: what is built from sources is tried elsewhere."""
    newer = {}
    for name, path in packages.items():
        tree = folder / name
        run("dpkg-deb", "--raw-extract", path, tree)
        control = tree / "DEBIAN/control"
        control.write_text(control.read_text().replace(f"Version: {VERSION}\n", f"Version: {VERSION}+next\n").replace(f"(= {VERSION})", f"(= {VERSION}+next)"))
        newer[name] = folder / f"{name}.deb"
        run("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, newer[name])
    return newer


@pytest.fixture(scope="module")
def machine(tmp_path_factory, packages):
    m = None
    try:
        m = Machine(tmp_path_factory.mktemp("machine"))
        m.install("systemd", "logrotate", *packages.values())
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
    places = {"/etc/tocsin": "750 root:tocsin", "/etc/tocsin/keys": "750 root:tocsin", "/etc/tocsin/tocsin.yaml": "640 root:tocsin",
              "/var/lib/tocsin": "750 tocsin:tocsin", LOGS: "750 tocsin:tocsin"}
    assert machine.stat(*places) == places
    assert machine.exec("getent", "passwd", "tocsin").stdout.strip().split(":")[5:] == ["/var/lib/tocsin", "/usr/sbin/nologin"]
    for program in PROGRAMS:
        assert VERSION in machine.exec(program, "--version").stdout
    machine.exec("tocsinctl", "check-config", "/etc/tocsin/tocsin.yaml")
    assert not machine.ctl("list-units", "--no-legend", "tocsin-*.service").stdout.strip(), "an installation starts nothing"


def test_users_and_folders_are_put_right_again(machine):
    """What systemd does at each boot."""
    machine.exec("sh", "-ec", f"chmod 777 /etc/tocsin/keys; rm -r {LOGS}; chown root /var/lib/tocsin")
    machine.exec("systemd-sysusers")
    machine.exec("systemd-tmpfiles", "--create")
    places = {"/etc/tocsin/keys": "750 root:tocsin", LOGS: "750 tocsin:tocsin", "/var/lib/tocsin": "750 tocsin:tocsin"}
    assert machine.stat(*places) == places


def test_who_is_this_user_may_open_many_files(machine):
    """ops/systemd/tocsin.limits, by PAM; root has another limit. What the kernel does not give this machine PAM has asked for all the same."""
    def limits(user):
        return machine.exec("su", "-s", "/bin/sh", user, "-c", "ulimit -Sn; ulimit -Hn").stdout.split()
    got = limits("tocsin")
    if machine.may_open(262144):
        assert got == ["262144", "262144"]
    else:
        assert "Could not set limit for 'nofile' to soft=262144, hard=262144" in machine.exec("journalctl", "--no-pager", "-t", "su").stdout, got
    assert limits("root") != ["262144", "262144"]


def exposures():
    """Of each unit, as ops/runbook/deploy.md says it."""
    text = (ROOT / "ops/runbook/deploy.md").read_text()
    others, supervisor = map(float, re.search(r"`systemd-analyze security` says ([\d.]+), of the supervisor ([\d.]+)", text).groups())
    return {unit: supervisor if "supervisor" in unit else others for unit in UNITS}


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_right_and_harden(machine, unit):
    checked = machine.exec("systemd-analyze", "verify", unit.replace("@.", "@8080."), check=False)
    complaints = [line for line in (checked.stdout + checked.stderr).splitlines() if "tocsin" in line]
    assert checked.returncode == 0 and not complaints, complaints
    text = machine.exec("systemd-analyze", "security", "--offline=true", "--no-pager", unit, check=False).stdout
    score = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", text).group(1))
    print(unit, "exposure", score)
    assert score == exposures()[unit], text
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
    for unit, files in (("tocsin-broker", 65536), *((edge, 262144) for edge in EDGES)):
        assert serving.show(unit, "LimitNOFILE") == str(files)
        limits = serving.exec("cat", f"/proc/{serving.show(unit, 'MainPID')}/limits").stdout
        assert re.search(rf"^Max open files +\d+ +{files} ", limits, re.M) or not serving.may_open(files), limits
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


def test_log_files_are_rotated_and_no_line_is_lost(serving):
    log_to_files(serving)
    serving.ctl("reload", "tocsin-broker", *EDGES)
    folder = serving.root / LOGS[1:]
    until(lambda: len(list(folder.glob("[!a]*.log"))) == 3, "broker and edges to have files", 10)
    with refusals(serving, (7401, 8080, 8081)) as (asked, more):
        for turn in range(3):
            rotate(serving)
            until(lambda: all(p.stat().st_size > 0 for p in folder.glob("*.log")), "everybody to write on in new files", 10)
            more()
    files = sorted(folder.iterdir())
    by_writer = collections.Counter(p.name.split(".log")[0] for p in files)
    assert len(by_writer) == 6 and set(by_writer.values()) == {4}, files
    assert sum(p.suffix == ".gz" for p in files) == 12, files

    def written():
        """How often each was written: the broker says the path from its beginning, an edge from /admin/ on."""
        what = (line["metadata"].get("what", "") for p in folder.glob("audit-*") for line in lines(p))
        return collections.Counter(w.rsplit("/", 1)[-1] for w in what if "probe-" in w)
    until(lambda: sum(written().values()) >= 3 * len(asked), "the last lines to be written", 10)
    counted = written()
    missing = {what: counted[what] for what in asked if counted[what] != 3}
    assert not missing, f"{len(missing)} of {len(asked)} were not written three times: {list(missing.items())[:9]}"
    current = [f"{LOGS}/{p.name}" for p in files if p.suffix == ".log"]
    assert set(serving.stat(*current).values()) == {"640 tocsin:tocsin"}, files


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
        # Its children's files are rotated too: it tells them.
        rotate(serving)
        folder = serving.root / LOGS[1:]
        wanted = ("supervisor.log", "broker.log", "edge-0.log", "edge-1.log")
        until(lambda: all((folder / name).exists() and (folder / name).stat().st_size > 0 for name in wanted), "everybody to write on in new files", 10)
    finally:
        serving.ctl("stop", "tocsin-supervisor")
    assert serving.exec("pgrep", "tocsin-", check=False).stdout == ""
    serving.ctl("start", "tocsin-broker", *EDGES, "tocsin-edges.target")


def test_an_upgrade_of_the_packages_leaves_everybody_running(serving, packages, tmp_path, load):
    newer = next_version(packages, tmp_path)
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


def test_packages_are_the_same_bytes_twice(packages, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    again = debs(tmp_path, VERSION)
    assert {n: p.read_bytes() for n, p in packages.items()} == {n: p.read_bytes() for n, p in again.items()}


