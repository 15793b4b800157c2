"""Reload: SIGHUP, POST /admin/reload and `tocsinctl reload`: all or nothing, named rows, and no client notices."""
import asyncio
import json
import os
import signal

import pytest

from support.client import Client
from support.cluster import Cluster
from support.http import get, request
from support.process import Pair
from support.programs import run_program
from support.wait import run, until


def told(process, text):
    """What the log lines with this message say."""
    return [line.get("metadata", {}) for line in map(json.loads, process.text().splitlines()) if line["message"] == text]


@pytest.fixture
def pair(tmp_path):
    """A broker and an edge with a file of settings, `pair.config`, that both read."""
    config = tmp_path / "tocsin.yaml"
    config.write_text("limits:\n  subscriptions_max: 2\n")
    flags = ("--config", config, "--admin-loopback")
    with Pair(tmp_path, broker_flags=flags, edge_flags=flags) as p:
        p.config = config
        yield p


def reload(process):
    return request("POST", process.http + "/admin/reload")


def test_a_client_stays_while_its_limits_change(pair):
    async def body():
        async with Client(pair.edge.ws, "a") as a:
            await a.subscribe("1", "t/1")
            await a.subscribe("2", "t/2")
            await a.send(type="subscribe", id="3", channel="t/3")
            await a.expect("error", id="3", code="too_many")
            pair.config.write_text("limits:\n  subscriptions_max: 3\n")
            reply = await asyncio.to_thread(reload, pair.edge)
            assert reply.status == 200, reply
            assert reply.json() == {"reloaded": True, "restart": [], "changed": [
                {"key": "limits.subscriptions_max", "before": "2", "after": "3", "origin": f"{pair.config}:2"}]}
            await a.subscribe("3", "t/3")
    run(body())


def test_sighup_reloads_and_a_row_that_needs_a_restart_is_named(pair):
    pair.config.write_text("log:\n  level: debug\nlisten:\n  share: true\nbroker:\n  cluster_id: other\n")
    for process, row in ((pair.edge, "listen.share"), (pair.broker, "broker.cluster_id")):
        process.child.send_signal(signal.SIGHUP)
        until(lambda: told(process, "the settings were reloaded"), "the reload to be logged")
        assert [c["key"] for c in told(process, "a setting has changed")] == (
            ["limits.subscriptions_max", "log.level"] if process is pair.edge else ["log.level"])
        assert [w["key"] for w in told(process, "a setting differs that only a restart applies")] == [row]
        assert process.alive()
    assert get(pair.edge.http + "/health/ready").status == 200


@pytest.mark.parametrize("yaml,words", [
    ("log:\n  level: loud\nlimits:\n  subscriptions_max: 3\n", ["tocsin.yaml:2", "log.level", "debug or info"]),
    ("log:\n  level: debug\nlimits:\n  subscriptions_maxx: 3\n", ["tocsin.yaml:4", "did you mean limits.subscriptions_max"]),
    ("log:\n  level: debug\nadmin:\n  roles_file: /nowhere/roles\n", ["admin.roles_file", "/nowhere/roles", "No such file"]),
    ("log: {level: debug\n", ["tocsin.yaml"]),
])
def test_a_broken_file_changes_nothing_and_says_where(pair, yaml, words):
    pair.config.write_text(yaml)
    for process in (pair.edge, pair.broker):
        reply = reload(process)
        assert reply.status == 400 and all(word in reply.json()["detail"] for word in words), reply
        errors = until(lambda p=process: told(p, "the settings were not reloaded, nothing has changed"), "the reason in the log")
        assert errors[0]["detail"] == reply.json()["detail"]
        assert not told(process, "a setting has changed")
    pair.config.unlink()
    assert "cannot read" in reload(pair.edge).json()["detail"]
    pair.config.write_text("limits:\n  subscriptions_max: 2\n")
    assert reload(pair.edge).json()["changed"] == [], "the edge still had its first settings"


def test_who_may_reload(tmp_path):
    roles, token = tmp_path / "roles", tmp_path / "token"
    token.write_text("root-token\n")
    tokens = {}
    for role in ("viewer", "operator"):
        made = run_program("tocsinctl", "token", "admin", "--file", roles, "--name", role[0], "--role", role)
        assert made.code == 0, made
        tokens[role] = made.out.strip()
    assert all(t not in roles.read_text() for t in tokens.values()) and roles.stat().st_mode & 0o077 == 0
    flags = ("--admin-roles-file", roles, "--admin-token-file", token)
    with Pair(tmp_path, broker_flags=flags, edge_flags=flags) as p:
        for process in (p.edge, p.broker):
            def ask(given, method="POST", path="/admin/reload"):
                return request(method, process.http + path, headers={"Authorization": f"Bearer {given}"} if given else {}).status
            assert [ask(None), ask("nonsense"), ask(tokens["viewer"]), ask(tokens["operator"]), ask("root-token")] == [401, 401, 403, 200, 200]
        assert request("GET", p.edge.http + "/admin/status", headers={"Authorization": f"Bearer {tokens['viewer']}"}).status == 200
        assert request("POST", p.edge.http + "/admin/cordon", headers={"Authorization": f"Bearer {tokens['viewer']}"}).status == 403
        # A token that is taken off the list is worth nothing after a reload.
        roles.write_text("".join(line for line in roles.read_text().splitlines(True) if line.startswith("viewer")))
        assert request("POST", p.edge.http + "/admin/reload", headers={"Authorization": "Bearer root-token"}).status == 200
        assert request("POST", p.edge.http + "/admin/reload", headers={"Authorization": f"Bearer {tokens['operator']}"}).status == 401


def test_tocsinctl_reloads_a_cluster(tmp_path):
    with Cluster(tmp_path / "c", edges=2, config="limits:\n  subscriptions_max: 10\n") as cluster:
        config = cluster.dir / "config.yaml"
        config.write_text("limits:\n  subscriptions_max: 11\nlog:\n  history_max_count: 1000\nlisten:\n  share: true\n")
        pids = cluster.pids()
        done = cluster.ctl("reload", "--json")
        assert done.code == 0, done
        said = {p["name"]: p["result"] for p in done.json()["processes"]}
        assert list(said) == ["supervisor", "broker", "edge-0", "edge-1"]
        assert [c["key"] for c in said["edge-1"]["changed"]] == ["limits.subscriptions_max"] and said["edge-1"]["restart"] == ["listen.share"]
        assert [c["key"] for c in said["broker"]["changed"]] == ["log.history_max_count"]
        one = cluster.ctl("reload", "edge-1")
        assert one.code == 0 and one.out.startswith("edge-1") and "needs a restart: listen.share" in one.out, one
        assert cluster.ctl("reload", "edge-9").code == 4
        # Only the broker objects: it alone keeps what it had, and that is told apart from success.
        config.write_text("limits:\n  subscriptions_max: 12\nlog:\n  history_max_count: 0\n")
        partly = cluster.ctl("reload")
        assert partly.code == 6 and "history_max_count" in partly.out and "subscriptions_max 11 -> 12" in partly.out, partly
        # SIGHUP to the supervisor is the same order.
        config.write_text("limits:\n  subscriptions_max: 13\n")
        os.kill(cluster.pid_of("supervisor"), signal.SIGHUP)
        logs = [cluster.dir / "logs" / f"edge-{n}.log" for n in (0, 1)]
        until(lambda: all('"after":"13"' in log.read_text() for log in logs), "both edges to follow")
        assert cluster.pids() == pids and cluster.all_ready()
