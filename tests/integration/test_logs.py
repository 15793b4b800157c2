"""Logs and the audit log of real processes: the schema, categories, files that take nothing, files that are renamed, who did what."""
import asyncio
import json
import os
import signal
import time

import pytest

from support.client import Client
from support.cluster import Cluster
from support.http import get, post_json, post_lines, request
from support.process import Broker, Edge, Pair
from support.programs import run_program
from support.wait import run, until

MEMBERS = {"timestamp", "level", "category", "event_type", "message", "component"}
CATEGORIES = {"connection", "message", "security", "performance", "error", "system"}
SECRET = "0123456789abcdef0123456789abcdef"


def lines(path):
    """Every line must parse, whenever the file is read: the last one may still be on its way."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def events(path, name):
    return [line for line in lines(path) if line["event_type"] == name]


def metric(edge, name):
    """The sum of a metric's samples."""
    found = [line.split()[-1] for line in get(edge.http + "/metrics").body.decode().splitlines() if line.startswith(name)]
    assert found, name
    return sum(map(float, found))


def mint(secret, *more):
    done = run_program("tocsinctl", "token", "mint", "--secret-file", secret, "--subject", "ann", "--channels", "t/*", "--expires", "1h", *more)
    assert done.code == 0, done
    return done.out.strip()


def test_categories_have_files_and_levels_of_their_own_in_the_schema(tmp_path):
    flags = ["--log-file", tmp_path / "{component}.log", "--log-connection-level", "info", "--log-connection-file", tmp_path / "connections",
             "--log-message-level", "info"]
    with Pair(tmp_path, edge_flags=flags) as pair:
        async def body():
            async with Client(pair.edge.ws) as client:
                await client.subscribe("s", "t/logs")
        run(body())
        closed = until(lambda: events(tmp_path / "connections", "connection_closed"), "the end of the connection")[0]
        assert closed["client_ip"] == "127.0.0.1" and closed["duration_ms"] >= 0 and closed["session_id"], closed
        opened = events(tmp_path / "connections", "connection_established")[0]
        assert opened["session_id"] == closed["session_id"] and opened["connection_id"] == closed["connection_id"]
        main = until(lambda: events(tmp_path / "edge-0.log", "subscribe") and lines(tmp_path / "edge-0.log"), "the subscription")
        assert {line["category"] for line in main} >= {"system", "message"}
        assert not [line for line in main if line["category"] == "connection"]
        for line in main + lines(tmp_path / "connections"):
            assert MEMBERS <= set(line) and line["category"] in CATEGORIES and line["component"] == "edge-0", line
            assert line["level"] in ("DEBUG", "INFO", "WARNING", "ERROR") and line["timestamp"].endswith("Z"), line


@pytest.mark.parametrize("path", ["/dev/full", "/proc/version", "/no/such/folder/log"], ids=["full", "read-only", "absent"])
def test_files_that_take_nothing_stop_nobody(tmp_path, path):
    flags = ["--log-file", path, "--log-audit-file", path, "--log-level", "info"]
    with Pair(tmp_path, broker_flags=flags[:2], edge_flags=flags) as pair:
        async def body():
            async with Client(pair.edge.ws) as client:
                await client.subscribe("s", "t/full")
                reply = post_json(pair.edge.http + "/v1/updates", {"channel": "t/full", "key": "A", "incident": {"title": "t"}})
                assert reply.status == 200, reply
                await client.reached("s", 1)
        run(body())
        until(lambda: metric(pair.edge, "tocsin_log_failed_total") > 0, "the loss to be counted")
        # What the file does not take is on standard error, with a complaint that names the file.
        until(lambda: "log_file_unusable" in pair.edge.text() and '"subscribe"' in pair.edge.text(), "standard error to have it")
        assert path in pair.edge.text()


def test_a_log_is_renamed_at_its_size_and_only_so_many_are_kept(tmp_path):
    log = tmp_path / "log"
    flags = ["--log-connection-level", "info", "--log-file", log, "--log-rotate-bytes", "4096", "--log-rotate-keep", "2"]
    with Pair(tmp_path, edge_flags=flags) as pair:
        async def body():
            for _ in range(40):
                async with Client(pair.edge.ws) as client:
                    await client.connect()
        run(body())
        until(lambda: (tmp_path / "log.2").exists(), "two renamed files")
        until(lambda: metric(pair.edge, "tocsin_edge_left_total") >= 40, "all to be gone")
        assert pair.edge.stop() == 0   # what is queued is written first
    assert not (tmp_path / "log.3").exists()
    for name in ("log", "log.1", "log.2"):
        assert (tmp_path / name).stat().st_size <= 4096
        assert lines(tmp_path / name)
    assert events(log, "stopped"), "the last line is in the newest file"


def test_after_a_rename_sighup_opens_the_name_anew(tmp_path):
    log = tmp_path / "log"
    with Pair(tmp_path, edge_flags=["--log-file", log, "--log-connection-level", "info"]) as pair:
        until(lambda: events(log, "ready"), "the first lines")
        log.rename(tmp_path / "old")
        pair.edge.child.send_signal(signal.SIGHUP)
        until(log.exists, "the file to be there again")
        assert pair.edge.alive()

        async def body():
            async with Client(pair.edge.ws) as client:
                await client.connect()
        run(body())
        until(lambda: events(log, "connection_closed"), "lines in the new file")
        assert not events(tmp_path / "old", "connection_closed")


def test_the_audit_log_says_who_did_what_from_where(tmp_path):
    secret, audit = tmp_path / "secret", tmp_path / "audit"
    secret.write_text(SECRET + "\n")
    token = tmp_path / "admin"
    token.write_text("admin-secret\n")
    flags = ["--auth-key-file", secret, "--admin-token-file", token, "--log-audit-file", audit, "--log-level", "error"]
    with Pair(tmp_path, edge_flags=flags) as pair:
        async def body():
            async with Client(pair.edge.ws) as client:
                await client.connect(token=mint(secret))
                await client.subscribe("s", "t/mine")
                await client.send(type="subscribe", id="x", channel="others")
                await client.expect("error")
            async with Client(pair.edge.ws) as client:
                await client.send(type="connect", token="nonsense")
                assert await client.wait_closed() == 4401
        run(body())
        assert request("POST", pair.edge.http + "/admin/cordon").status == 401
        headers = {"Authorization": "Bearer admin-secret"}
        assert request("POST", pair.edge.http + "/admin/cordon", headers=headers).status == 200

        def seen(name, outcome):
            return [e for e in events(audit, name) if e["metadata"]["outcome"] == outcome]
        ok = until(lambda: seen("subscribe", "ok"), "the subscription")[0]
        assert (ok["user_id"], ok["client_ip"], ok["metadata"]["what"]) == ("ann", "127.0.0.1", "t/mine"), ok
        no = until(lambda: seen("subscribe", "forbidden"), "the refusal")[0]
        assert (no["level"], no["user_id"], no["metadata"]["what"], no["error_code"]) == ("WARNING", "ann", "others", "forbidden"), no
        assert until(lambda: seen("refuse", "unauthenticated"), "the bad token")[0]["client_ip"] == "127.0.0.1"
        assert until(lambda: seen("admin", "unauthorized"), "who had no right")[0]["metadata"]["what"]
        assert until(lambda: seen("admin", "ok"), "the order")[0]["metadata"]["what"] == "cordon"
        assert "admin-secret" not in audit.read_text() and "nonsense" not in audit.read_text()


def test_what_is_slow_is_told_among_the_performance_lines(tmp_path):
    flags = ["--log-performance-file", tmp_path / "{component}.slow", "--log-slow-ms", "1"]
    with Pair(tmp_path, broker_flags=flags, edge_flags=flags) as pair:
        async def body():
            async with Client(pair.edge.ws) as client:
                for n in range(40):   # views of their own, so that a pass has something to do
                    await client.subscribe(f"s{n}", "t/slow", filter={"incident": ["A", f"K{n}"]})

                def both():
                    lines = [{"channel": "t/slow", "key": "A", "incident": {"title": "t", "severity": "P0", "metadata": {"pad": "x" * 10_000}}}] * 100
                    assert post_lines(pair.edge.http + "/v1/updates", lines).status == 200
                    return events(tmp_path / "broker.slow", "slow_commit") and events(tmp_path / "edge-0.slow", "slow_pass")
                await asyncio.to_thread(until, both, "a commit and a pass of a millisecond", 60)
        run(body())
        for path, name in ((tmp_path / "broker.slow", "slow_commit"), (tmp_path / "edge-0.slow", "slow_pass")):
            line = events(path, name)[0]
            assert line["category"] == "performance" and line["level"] == "WARNING" and line["duration_ms"] >= 1, line
            assert line["metadata"]["updates"] >= 0 and line["metadata"]["times"] >= 1 and line["metadata"]["worst_ms"] >= 1, line
            assert len(events(path, name)) <= 2 + 60 / 10, "not one for each"


def test_a_loop_that_was_held_up_is_told(tmp_path):
    flags = ["--log-performance-file", tmp_path / "{component}.slow"]
    with Pair(tmp_path, broker_flags=flags, edge_flags=flags) as pair:
        for process, name in ((pair.edge, "edge-0"), (pair.broker, "broker")):
            before = len(events(tmp_path / f"{name}.slow", "loop_lag"))
            process.child.send_signal(signal.SIGSTOP)   # as if a turn took that long
            time.sleep(0.6)
            process.child.send_signal(signal.SIGCONT)
            if before == 0:   # on a busy machine it may have been told already; the next is ten seconds away
                late = until(lambda n=name: events(tmp_path / f"{n}.slow", "loop_lag"), f"{name} to tell")[0]
                assert late["duration_ms"] >= 250 and late["metadata"]["period_ms"] == 100, late
            assert process.alive()


def test_sighup_gives_the_broker_other_levels_and_files(tmp_path):
    """The files of before stay as they are, lines go to the new ones, and what the new level hides is not there."""
    config = tmp_path / "tocsin.yaml"
    first, second = tmp_path / "first", tmp_path / "second"
    config.write_text(f"log:\n  level: info\n  file: {first}\n")
    token = tmp_path / "admin"
    token.write_text("admin-secret\n")
    broker = Broker(tmp_path, "--config", config, "--admin-token-file", token).start()
    try:
        until(lambda: events(first, "the_broker_serves"), "the first line")
        config.write_text(f"log:\n  level: debug\n  file: {second}\n  system_level: error\n")
        broker.child.send_signal(signal.SIGHUP)
        assert until(lambda: request("POST", broker.http + "/admin/reload").status == 401 and events(second, "admin"), "a line of another category there")
        assert not events(second, "the_settings_were_reloaded"), "its level hides it"
        config.write_text(f"log:\n  level: info\n  file: {second}\n")
        broker.child.send_signal(signal.SIGHUP)
        until(lambda: events(second, "the_settings_were_reloaded"), "the level to be back")
        assert broker.stop() == 0
        assert events(second, "stopping_what_is_under_way_is_committed_and_answ") or events(second, "stopped"), second.read_text()
        assert not events(first, "stopped"), first.read_text()
    finally:
        broker.kill()


def test_sighup_gives_the_supervisor_other_levels_and_files(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    with Cluster(tmp_path / "c", edges=1, config=f"log:\n  file: {first}-{{component}}\n") as cluster:
        own, other = tmp_path / "first-supervisor", tmp_path / "second-supervisor"
        until(own.exists, "its first lines")
        (cluster.dir / "config.yaml").write_text(f"log:\n  file: {second}-{{component}}\n  security_level: error\n")
        os.kill(cluster.pid_of("supervisor"), signal.SIGHUP)
        until(lambda: events(other, "every_process_was_reloaded"), "the other file")
        before = own.stat().st_size
        url = cluster.info()["supervisor"]["http"]
        assert request("POST", url + "/maintenance").status == 401
        # The refusal is a security line: not there. What follows it is, in the new file alone.
        (cluster.dir / "config.yaml").write_text(f"log:\n  file: {second}-{{component}}\n")
        os.kill(cluster.pid_of("supervisor"), signal.SIGHUP)
        until(lambda: len(events(other, "every_process_was_reloaded")) >= 2, "the level to be back")
        assert not events(other, "admin")
        assert request("POST", url + "/maintenance").status == 401
        until(lambda: events(other, "admin"), "the refusal to be told")
        assert own.stat().st_size == before
        assert (tmp_path / "second-broker").exists() and (tmp_path / "second-edge-0").exists()


def test_a_bad_address_of_syslog_is_a_clear_error(tmp_path):
    edge = Edge(tmp_path, "tcp://127.0.0.1:1", "--log-syslog", "collector")
    edge.start(wait=False)
    assert edge.wait_exit() == 2
    assert "log.syslog must be host:port" in edge.text()
