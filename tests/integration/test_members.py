"""The supervisor of edges that others run (supervisor.platform: members), with real edges, names that really resolve, and clients: what it
sees, what it does to them, what it refuses, and what it makes of everything that is not an edge."""
import http.server
import json
import os
import signal
import threading

import pytest

from support import drain
from support.fleet import Fleet
from support.hook import Hook
from support.http import get
from support.members import TOKEN, Members, Supervisor
from support.process import Broker, Edge, free_port
from support.programs import run_program
from support.tls import Authority
from support.wait import until

CLIENTS = 120   # and one that publishes


@pytest.fixture
def members(tmp_path):
    with Members(tmp_path / "m") as m:
        yield m


@pytest.fixture
def fleet(members, tmp_path):
    with Fleet(members.addresses(), clients=CLIENTS, rate=50, history=tmp_path / "history.jsonl", channels=3) as f:
        yield f


def done(ran, code=0):
    assert ran.code == code, ran
    return ran.json()


def nobody_noticed(fleet):
    report = fleet.must_hold()
    assert report["phases"][0]["abrupt"] == 0 and report["phases"][0]["cut"] == 0, report
    return report


def troubles(supervisor):
    return supervisor.status()["troubles"]


def test_it_finds_every_edge_behind_a_name(members):
    s = members.supervisor
    status = s.status()
    assert status["ready"] and status["troubles"] == {} and not status["maintenance"], status
    broker = until(lambda: next(p for p in s.status()["processes"] if p["name"] == "broker" and p["state"] == "ready"), "the broker to be asked")
    assert broker["http"] == members.broker.http
    assert {name: e["http"] for name, e in s.edges().items()} == {e.id: e.http for e in members.edges}
    text = s.ctl("status")
    assert text.code == 0 and all(f"{e.id} " in text.out and f"ws://{e.ip}:{e.port}/v1/stream" in text.out for e in members.edges), text
    checks = {c["check"]: c["ok"] for c in get(s.url + "/health?detailed=true").json()["checks"]}
    assert checks == dict.fromkeys(["lookups", "broker", "edge-0", "edge-1", "edge-2", "maintenance"], True), checks
    assert s.metric("tocsin_supervisor_edges_ready") == 3 and s.metric("tocsin_supervisor_members_troubles") == 0
    assert s.ask(token="another").status == 401 and s.ask("POST", "/rebalance", b"{}", token="").status == 401


def test_drain_migrate_rebalance_and_uncordon(members, fleet):
    s, there = members.supervisor, members.clients()[1]
    plan = done(s.ctl("drain", "plan", "edge-1", "--json"))
    assert plan["clients"] == there and {t["edge"] for t in plan["targets"]} == {"edge-0", "edge-2"}, plan
    report = done(s.ctl("drain", "edge-1", "--wait", "--json"))
    assert report["state"] == "done" and report["planned"] == report["migrated"] == there and report["lost"] == 0, report
    assert members.clients()[1] == 0 and s.edges()["edge-1"]["cordoned"]
    assert s.ctl("uncordon", "edge-1").code == 0
    until(lambda: get(members.edges[1].http + "/health/ready").status == 200, "edge-1 to take clients")
    done(s.ctl("rebalance", "--wait", "--json"))
    assert all(36 <= n <= 44 for n in members.clients()), members.clients()
    before = members.clients()
    report = done(s.ctl("migrate", "edge-0", "--count", 10, "--to", "edge-2", "--wait", "--json"))
    assert report["migrated"] == 10 and members.clients() == [before[0] - 10, before[1], before[2] + 10]
    nobody_noticed(fleet)


def test_a_kill_in_the_middle_of_a_drain(members, fleet):
    """The edge goes on by itself, the next supervisor with the plan; an abort undoes the cordon that the one before gave."""
    s, there = members.supervisor, members.clients()[0]
    plan = done(s.ctl("drain", "edge-0", "--rate", 20, "--json"))["id"]
    until(lambda: get(members.edges[0].http + "/admin/report").status == 200, "edge-0 to have its order")
    drain.until_moving(members.edges[0].http)
    s.kill()
    assert json.loads((s.folder / "cluster" / "plans" / f"{plan}.json").read_text())["phase"] == "moving"
    s.start()
    assert s.edges()["edge-0"]["cordoned"], "it is known at once"
    ended = until(lambda: (lambda r: r if r["state"] == "done" else None)(s.ctl("drain", "report", plan, "--json").json()), "the end", 40)
    assert ended["planned"] == ended["migrated"] == there, ended

    plan = done(s.ctl("drain", "edge-1", "--rate", 5, "--json"))["id"]
    until(lambda: get(members.edges[1].http + "/admin/report").status == 200, "edge-1 to have its order")
    drain.until_moving(members.edges[1].http)
    s.kill()
    s.start()
    assert s.ctl("drain", "abort", plan).code == 0
    until(lambda: s.ctl("drain", "report", plan, "--json").json()["state"] == "aborted", "the plan to be aborted")
    until(lambda: get(members.edges[1].http + "/health/ready").status == 200, "edge-1 to take clients again")
    assert "cordoned" not in s.edges()["edge-1"]
    nobody_noticed(fleet)


def test_edges_come_and_go(members, fleet):
    s = members.supervisor
    members.edges.append(members.edge(3).start())
    s.name(edge=members.ips())
    s.wait_edges("edge-0", "edge-1", "edge-2", "edge-3")
    done(s.ctl("rebalance", "--wait", "--json"))
    assert all(24 <= n <= 37 for n in members.clients()), members.clients()
    leaver = members.edges.pop(1)
    assert leaver.stop(timeout=40) == 0, "SIGTERM drains, whoever watches"
    s.name(edge=members.ips())
    until(lambda: s.edges()["edge-1"]["state"] == "gone" if "edge-1" in s.edges() else True, "edge-1 to be gone")
    s.wait_edges("edge-0", "edge-2", "edge-3")
    assert s.ctl("drain", "edge-1").code != 0
    # Elsewhere, under its name: what the one before was told is not its affair.
    back = members.edge(7, name="edge-1").start()
    members.edges.append(back)
    s.name(edge=members.ips())
    s.wait_edges("edge-0", "edge-1", "edge-2", "edge-3")
    assert s.edges()["edge-1"]["http"] == back.http
    nobody_noticed(fleet)


def test_a_cordon_is_kept_for_an_edge_that_starts_again_and_for_the_next_supervisor(members):
    s, edge = members.supervisor, members.edges[2]
    assert s.ctl("cordon", "edge-2").code == 0
    edge.kill()
    until(lambda: s.edges()["edge-2"]["state"] == "silent", "it to be missed")
    assert s.status()["troubles"].get(edge.http) or until(lambda: troubles(s).get(edge.http), "the trouble to be told")
    s.kill()
    s.start()
    assert "edge-2" in s.edges(), "dead, and known to the next supervisor"
    edge.start()
    until(lambda: get(edge.http + "/health/ready").status == 503, "the new process to be cordoned too")
    assert s.ctl("maintenance", "on").code == 0
    s.kill()
    s.start()
    assert s.status()["maintenance"] and s.ctl("rebalance").code != 0
    assert s.ctl("maintenance", "off").code == 0
    until(lambda: s.ctl("uncordon", "edge-2").code == 0, "edge-2 to be uncordoned")
    s.wait_edges("edge-0", "edge-1", "edge-2")


@pytest.mark.parametrize("words, says", [(("scale", "4"), "ops/compose/scale.sh"), (("restart", "--rolling"), "ops/compose/upgrade.sh")])
def test_what_others_do_is_refused_with_what_to_use(members, words, says):
    refused = members.supervisor.ctl(*words)
    assert refused.code != 0 and says in refused.err and "systemctl" in refused.err, refused
    assert members.supervisor.status()["plans"] == []


class Strange:
    """An HTTP server at an address of the name that is no edge."""

    def __init__(self, ip, port):
        self.answer, self.tokens = (200, b"{}"), set()
        strange = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                strange.tokens.add(self.headers.get("Authorization"))
                status, body = strange.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.url = f"http://{ip}:{port}"
        self.server = http.server.ThreadingHTTPServer((ip, port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def test_an_address_that_answers_nonsense_is_a_trouble_and_no_edge(members):
    s = members.supervisor
    strange = Strange("127.0.0.99", members.port)
    s.name(edge=[*members.ips(), "127.0.0.99"])
    for answer, says in [((200, b"<html>hello</html>"), "no status of an edge"), ((200, b"[1,2]"), "no status of an edge"), ((500, b"{}"), "no status of an edge"),
                         ((200, b"{}"), "no name"), ((200, json.dumps({"edge": "../../etc/x", "state": "ready", "edges": [1, None, {"id": 7}]}).encode()), "no name"),
                         ((200, b'{"edge":{"a":1},"clients":-1,"state":[],"edges":"x","move":7}'), "no name"), ((200, b"\xff\xfe\x00" * 1000), "no status of an edge"),
                         ((200, json.dumps({"edge": "edge-0", "state": "ready", "started_ms": 7}).encode()), "so does")]:
        strange.answer = answer
        until(lambda says=says: says in troubles(s).get(strange.url, ""), f"{answer[1][:40]} to be a trouble", 15)
        assert set(s.edges()) == {"edge-0", "edge-1", "edge-2"} and s.edges()["edge-0"]["http"] == members.edges[0].http
    text = s.ctl("status")
    assert f"trouble     {strange.url}: " in text.out, text
    assert s.metric("tocsin_supervisor_members_troubles") == 1
    strange.server.shutdown()
    strange.server.server_close()
    s.name(edge=members.ips())
    until(lambda: troubles(s) == {}, "the trouble to be over", 20)
    assert set(s.edges()) == {"edge-0", "edge-1", "edge-2"}


def test_a_token_that_the_edges_do_not_take(members):
    other = members.folder / "other-token"
    other.write_text("not theirs\n")
    s = Supervisor(members.folder / "other", [f"{ip}:{members.port}" for ip in members.ips()], other).start()
    try:
        def refused():
            seen = s.ask(token="not theirs").json()["troubles"]
            return {about for about, what in seen.items() if "does not take the token of admin.token_file" in what} == {e.http for e in members.edges}
        until(refused, "three troubles", 15)
        assert s.ask(token="not theirs").json()["troubles"]["broker.http_url"], "it is not where Kubernetes would have it"
        assert "trouble     " in s.ctl("status").out
        # The right one, without a restart.
        other.write_text(TOKEN + "\n")
        s.child.send_signal(signal.SIGHUP)
        until(lambda: s.ask().status == 200 and set(s.edges()) == {"edge-0", "edge-1", "edge-2"}, "the edges to be known", 15)
        until(lambda: set(troubles(s)) == {"broker.http_url"}, "no other trouble")
    finally:
        s.kill()


def test_a_name_that_does_not_resolve_and_then_does(members):
    s = Supervisor(members.folder / "late", [f"late.test:{members.port}"], members.token_file, names={}).start(wait=False)
    try:
        trouble = until(lambda: troubles(s).get(f"late.test:{members.port}"), "the trouble to be told", 30)
        assert "does not resolve" in trouble
        sick = get(s.url + "/health/ready?detailed=true")
        assert sick.status == 503 and "members.edges" in sick.json()["reason"], sick
        assert any(c["check"] == f"late.test:{members.port}" and not c["ok"] for c in sick.json()["checks"]) and get(s.url + "/health/live").status == 200
        refused = s.ctl("drain", "edge-0")
        assert refused.code != 0 and "there is no edge" in refused.err, refused
        s.name(late_test=members.ips()[:2])
        s.wait_edges("edge-0", "edge-1")
        until(s.is_ready, "it to be ready")
        until(lambda: "late" not in str(troubles(s)), "the trouble to be over")
    finally:
        assert s.kill(signal.SIGTERM) == 0


def test_an_edge_at_an_ipv6_address(members):
    try:
        edge = Edge(members.folder, members.broker.endpoint, "--listen-address", "::1", "--admin-token-file", members.token_file, name="six").start()
    except AssertionError as no:
        pytest.skip(f"no IPv6 here: {no}")
    try:
        s = members.supervisor
        s.configure(edges=[f"[::1]:{edge.port}"])
        s.child.send_signal(signal.SIGHUP)
        s.wait_edges("six")
        assert s.edges()["six"]["http"] == f"http://[::1]:{edge.port}" and s.ctl("status").code == 0
    finally:
        edge.kill()


def test_settings_follow_their_file_and_tocsinctl_reloads_everybody(members):
    s = members.supervisor
    port = members.port
    s.configure(edges=[f"127.0.0.11:{port}", f"http://127.0.0.12:{port}"])
    s.child.send_signal(signal.SIGHUP)
    s.wait_edges("edge-0", "edge-1")
    s.configure(edges=["nothing"])
    answer = s.ctl("reload", "supervisor", "--json")
    (said,) = answer.json()["processes"]
    assert answer.code != 0 and "members.edges" in said["error"]["detail"] and "has no port" in said["error"]["detail"], answer
    assert set(s.edges()) == {"edge-0", "edge-1"}, "nothing has changed"
    s.configure(edges=[f"edge:{port}"])
    everybody = s.ctl("reload", "--json")
    assert everybody.code == 0, everybody
    assert [p["name"] for p in everybody.json()["processes"]] == ["supervisor", "broker", "edge-0", "edge-1"] and everybody.json()["ok"]
    s.wait_edges("edge-0", "edge-1", "edge-2")


def test_alerts_are_posted_and_so_is_their_end(tmp_path):
    with Hook() as hook:
        alerts = {"webhook_url": f"http://127.0.0.1:{hook.port}/hook", "check_ms": 100, "resolve_ms": 200, "process_down_ms": 300}
        with Members(tmp_path / "m", edges=2, alerts=alerts) as m:
            m.edges[0].child.send_signal(signal.SIGSTOP)
            try:
                body = hook.about("process_down/edge-0", "firing")
                assert body["alert"]["runbook"] == "ops/runbook/alerts/TocsinProcessDown.md"
                told = m.supervisor.folder / "cluster" / "alerts.json"
                until(lambda: told.exists() and "edge-0" in told.read_text(), "what was told to be kept")
                m.supervisor.kill()   # the next one knows it
                m.supervisor.start()
            finally:
                m.edges[0].child.send_signal(signal.SIGCONT)
            assert hook.about("process_down/edge-0", "resolved")
            m.broker.kill()
            assert hook.about("process_down/broker", "firing")
            m.broker.start()
            assert hook.about("process_down/broker", "resolved")


@pytest.mark.parametrize("settings, says", [
    ({}, "members.edges is empty"),
    ({"TOCSIN_MEMBERS_EDGES": "edge"}, '"edge" has no port'),
    ({"TOCSIN_MEMBERS_EDGES": "edge:8080,ftp://edge:1"}, "is neither http nor https"),
    ({"TOCSIN_MEMBERS_EDGES": "edge:99999"}, "has no port from 1 to 65535"),
    ({"TOCSIN_MEMBERS_EDGES": "edge:8080", "TOCSIN_SUPERVISOR_LISTEN": "7402"}, "host:port"),
    ({"TOCSIN_MEMBERS_EDGES": "edge:8080", "TOCSIN_ADMIN_TOKEN_FILE": "/nowhere/token"}, "/nowhere/token"),
    ({"TOCSIN_MEMBERS_EDGES": "edge:8080", "TOCSIN_MEMBERS_RESOLVE_MS": "1"}, "members.resolve_ms"),
    ({"TOCSIN_MEMBERS_EDGES": "edge:8080", "TOCSIN_ALERTS_WEBHOOK_URL": "ftp://x"}, "alerts.webhook_url"),
    ({"TOCSIN_MEMBERS_EDGES": "https://edge:8443", "TOCSIN_MEMBERS_EDGE_CA_FILE": "/nowhere/ca.pem"}, "/nowhere/ca.pem"),
    ({"TOCSIN_MEMBERS_EDGES": "edge:8080", "TOCSIN_SUPERVISOR_PLATFORM": "member"}, "supervisor.platform"),
])
def test_settings_that_cannot_work_end_it_with_a_sentence(tmp_path, settings, says):
    env = {k: v for k, v in os.environ.items() if not k.startswith("TOCSIN_")}
    env |= {"TOCSIN_SUPERVISOR_PLATFORM": "members", "TOCSIN_CLUSTER_DIR": str(tmp_path / "c"), "TOCSIN_SUPERVISOR_LISTEN": "127.0.0.1:0", **settings}
    ended = run_program("tocsin-supervisor", env=env, timeout=20)
    assert ended.code in (1, 2, 3) and says in ended.err, ended


def test_a_second_supervisor_in_the_folder_and_notes_that_do_not_read_back(tmp_path):
    token = tmp_path / "token"
    token.write_text("x")
    s = Supervisor(tmp_path / "s", [f"127.0.0.1:{free_port()}"], token).start()
    second = run_program("tocsin-supervisor", "--config", s.config, "--supervisor-listen", "127.0.0.1:0")
    assert second.code == 3 and "another supervisor works in" in second.err, second
    assert s.kill(signal.SIGTERM) == 0
    notes = s.folder / "cluster" / "members.json"
    notes.write_text('{"edges":')
    broken = run_program("tocsin-supervisor", "--config", s.config)
    assert broken.code == 3 and "members.json" in broken.err and "remove that file" in broken.err, broken
    notes.unlink()
    s.start().kill()


def test_an_edge_with_tls_is_asked_only_with_a_certificate_that_is_believed(tmp_path):
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    token = tmp_path / "token"
    token.write_text(TOKEN)
    broker = Broker(tmp_path).start()
    edge = Edge(tmp_path, broker.endpoint, *authority.flags(), "--admin-token-file", token)
    s = Supervisor(tmp_path / "s", [f"https://localhost:{edge.port}"], token)
    try:
        edge.start()
        s.configure(edge_ca_file=str(authority.cert))
        s.start().wait_edges("edge-0")
        s.kill()
        s.configure(edge_ca_file=str(other.cert))
        s.start()
        until(lambda: troubles(s).get(f"https://localhost:{edge.port}"), "the certificate to be refused")
        assert s.edges()["edge-0"]["state"] == "silent"
    finally:
        for process in (s, edge, broker):
            process.kill()
