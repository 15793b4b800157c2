"""The supervisor's webhook and the doctor, with real processes that really die and a real HTTP server that listens."""
import json
import os
import signal
import threading

import pytest

from support.cluster import Cluster
from support.hook import Hook
from support.http import get, request
from support.process import Pair
from support.programs import run_program
from support.wait import until

CONFIG = """
alerts:
  webhook_url: http://127.0.0.1:{port}/hook
  webhook_token_file: {token}
  check_ms: 100
  resolve_ms: 200
  process_down_ms: 300
  restarts: 0
  disk_free_percent: 0
  memory_mb: 0
"""


@pytest.fixture
def told(tmp_path):
    token = tmp_path / "hook.token"
    token.write_text("shh\n")
    with Hook() as hook:
        with Cluster(tmp_path / "cluster", edges=1, config=CONFIG.format(port=hook.port, token=token)) as cluster:
            yield cluster, hook


def quiet(cluster):
    """No alert is on, and nobody has to be told of an end: a slow start may have been one."""
    metrics = get(cluster.info()["supervisor"]["http"] + "/metrics").body.decode()
    known = cluster.dir / "alerts.json"
    return "tocsin_supervisor_alerts_firing 0\n" in metrics and (not known.exists() or json.loads(known.read_text()) == {"alerts": []})


def test_what_is_wrong_is_posted_until_it_is_taken_once_and_so_is_its_end(told):
    cluster, hook = told
    edge = cluster.pid_of("edge-0")
    assert cluster.ctl("maintenance", "on").code == 0
    until(lambda: all(quiet(cluster) for _ in range(5)), "the start to be over")
    while not hook.posts.empty():
        hook.next()
    hook.answers.append(503)
    os.kill(edge, signal.SIGSTOP)   # it hangs
    try:
        until(lambda: not json.loads(cluster.ctl("status", "--json").out)["ready"], "the edge to be missed")
        assert hook.posts.empty(), f"maintenance silences this, but: {hook.next()}"
        assert cluster.ctl("maintenance", "off").code == 0
        code, path, authorization, body = hook.next()
        assert (code, path, authorization) == (503, "/hook", "Bearer shh")
        again = hook.next()
        assert again[0] == 200 and again[3]["key"] == body["key"] == "process_down/edge-0", "it was tried again"
    finally:
        os.kill(edge, signal.SIGCONT)
    body = again[3]
    assert body["status"] == "firing" and body["service"] == "tocsin" and body["hostname"] and body["timestamp"].endswith("Z")
    alert = body["alert"]
    assert alert["type"] == "process_down" and alert["subject"] == "edge-0" and "edge-0 has not been ready" in alert["message"]
    assert alert["value"] >= 0.3 and alert["runbook"] == "ops/runbook/alerts/TocsinProcessDown.md"
    assert hook.about("process_down/edge-0", "resolved")
    cluster.wait_ready()
    until(lambda: json.loads((cluster.dir / "alerts.json").read_text()) == {"alerts": []}, "the end to be remembered")
    assert hook.posts.empty(), "once, and nothing else"


def test_log_lines_that_no_file_takes_are_told_until_one_does(tmp_path):
    logs = tmp_path / "absent"
    with Hook() as hook:
        token = tmp_path / "hook.token"
        token.write_text("shh\n")
        config = CONFIG.format(port=hook.port, token=token) + f"log:\n  file: {logs}/{{component}}.log\n  audit_file: {logs}/{{component}}.audit\n"
        with Cluster(tmp_path / "cluster", edges=1, config=config) as cluster:
            edge = cluster.info()["edges"][0]["http"]
            noise = threading.Event()

            def refused():   # each is a line of the audit log
                while not noise.wait(0.02):
                    request("POST", edge + "/admin/cordon")
            thread = threading.Thread(target=refused)
            thread.start()
            try:
                told = {}
                while not {"log_lines_lost/edge-0", "audit_lost/edge-0"} <= set(told):
                    body = hook.next()[3]
                    told[body["key"]] = body["alert"]
                alert = told["log_lines_lost/edge-0"]
                assert alert["runbook"] == "ops/runbook/alerts/TocsinLogLinesLost.md" and "log lines of edge-0" in alert["message"], alert
                assert told["audit_lost/edge-0"]["severity"] == "critical" and told["audit_lost/edge-0"]["value"] >= 1, told
                logs.mkdir()
                hook.about("audit_lost/edge-0", "resolved")
                until(lambda: "unauthorized" in (logs / "edge-0.audit").read_text(), "the lines to be where they belong")
            finally:
                noise.set()
                thread.join()


def test_a_webhook_that_is_no_url_is_refused_at_start(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("alerts: {webhook_url: 'ftp://example.com'}\n")
    done = run_program("tocsinctl", "up", "--dir", tmp_path / "c", "--port", "0", "--config", config)
    assert done.code == 2 and "alerts.webhook_url" in done.err, done


def levels(report):
    return {(f["check"], f["level"]) for f in report["findings"]}


def test_the_doctor_names_what_is_wrong_and_what_to_do(cluster):
    well = cluster.ctl("doctor", "--json")
    report = well.json()
    assert {("processes", "ok"), ("versions", "ok"), ("lag", "ok")} <= levels(report), well
    assert ("backup", "warning") in levels(report), "there is none"
    assert well.code == {"ok": 0, "warning": 13, "problem": 1}[report["worst"]]
    assert all(f.get("todo") for f in report["findings"] if f["level"] != "ok"), "each says what to do"
    assert cluster.ctl("backup", "create", "--reserve", "0").code == 0
    assert ("backup", "ok") in levels(cluster.ctl("doctor", "--json").json())

    assert cluster.ctl("maintenance", "on").code == 0
    cluster.kill("edge-1")

    def missed():
        text = cluster.ctl("doctor")
        seen = "PROBLEM  processes    edge-1 does not answer" in text.out and "maintenance is on" in text.out
        return text if seen else None
    text = until(missed, "the doctor to see it")
    assert text.code == 1
    assert "-> tocsinctl maintenance off" in text.out, text


def test_the_doctor_without_a_cluster_looks_at_what_there_is(tmp_path):
    nothing = run_program("tocsinctl", "doctor", "--cluster", tmp_path / "none.json")
    assert nothing.code == 1 and "PROBLEM  cluster" in nothing.out, nothing
    with Pair(tmp_path) as p:
        alone = run_program("tocsinctl", "doctor", "--data", p.broker.data, "--json", cwd=tmp_path)
        assert ("disk", "ok") in levels(alone.json()) or ("disk", "warning") in levels(alone.json()), alone


def test_the_doctor_sees_a_certificate_that_ends_soon_or_that_clients_would_not_believe(tmp_path):
    made = run_program("tocsinctl", "cert", "dev", "localhost", "127.0.0.1", "--out", tmp_path / "c", "--days", "5")
    assert made.code == 0, made
    config = f"tls:\n  cert_file: {tmp_path}/c.pem\n  key_file: {tmp_path}/c.key\n"
    with Cluster(tmp_path / "cluster", edges=1, config=config) as cluster:
        findings = [f for f in cluster.ctl("doctor", "--json").json()["findings"] if f["check"] == "certificate"]
        assert [f["level"] for f in findings] == ["warning", "warning"], findings
        assert "ends in 4 days" in findings[0]["what"] and "self-signed" in findings[1]["what"], findings
        believed = cluster.ctl("--ca", tmp_path / "c.pem", "doctor", "--json").json()["findings"]
        assert [f["what"] for f in believed if f["check"] == "certificate"] == [findings[0]["what"]]
