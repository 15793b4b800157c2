"""The doctor's comparison of clocks and what it reads from metrics, with programs that the test plays."""
import http.server
import json
import os
import threading
import time

import pytest

from support.programs import run_program


class Programs:
    """Answers /NAME/health/ready and /NAME/metrics for the programs of a cluster; `ahead`: ms by which a clock goes ahead, or what now_ms is."""

    def __init__(self, folder, ahead, metrics=None, slow_s=0.0):
        self.file = folder / "fake.json"
        metrics = metrics or {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):   # noqa: N802
                _, name, what = self.path.split("/", 2)
                if what.startswith("health"):
                    outer.asked.append(what)
                    now = ahead.get(name, 0)
                    now = round(time.time() * 1000) + now if isinstance(now, int) else now
                    time.sleep(slow_s)
                    self.reply("application/json", json.dumps({"status": "ready"} if now is None else {"status": "ready", "now_ms": now}))
                else:
                    self.reply("text/plain", metrics.get(name, "a 1\n"))

            def reply(self, kind, text):
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass
        self.asked = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        me = os.getpid()
        self.file.write_text(json.dumps({
            "broker": {"pid": me, "ingest": "tcp://127.0.0.1:1", "http": url + "broker"}, "supervisor": {"pid": me, "http": url + "supervisor"},
            "edges": [{"id": f"edge-{i}", "pid": me, "ws": "ws://127.0.0.1:1/v1/stream", "http": url + f"edge-{i}"} for i in range(2)], "dir": str(folder)}))

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def findings(self, *checks):
        report = run_program("tocsinctl", "doctor", "--cluster", self.file, "--json").json()
        return [f for f in report["findings"] if f["check"] in checks]


@pytest.mark.parametrize("ahead, says", [
    ({"edge-1": 120_000}, ["the clock of edge-1 is 120 s ahead of this host's"]),
    ({"edge-0": -5_000, "broker": 700}, ["the clock of broker is", "the clock of edge-0 is"]),
    (dict.fromkeys(("broker", "supervisor", "edge-0", "edge-1"), -90_000), ["this host's clock is 90 s ahead of that of every process, which agree"]),
], ids=["one", "two", "this host's"])
def test_a_clock_that_is_off_is_named_with_what_to_do(tmp_path, ahead, says):
    with Programs(tmp_path, ahead) as programs:
        findings = programs.findings("clocks")
        assert all("detailed=true" in what for what in programs.asked)
    assert [f["level"] for f in findings] == ["warning"] * len(says), findings
    for finding, text in zip(findings, says):
        assert text.rstrip("0123456789") in finding["what"] and "NTP" in finding["todo"], findings


def test_clocks_that_agree_and_an_answer_that_took_its_time_are_well(tmp_path):
    with Programs(tmp_path, {"edge-0": 100}) as programs:
        assert [f["level"] for f in programs.findings("clocks")] == ["ok"]
    # 900 ms on the way: the clock may be anywhere within half of that.
    with Programs(tmp_path, {"edge-0": 150, "edge-1": -150}, slow_s=0.9) as programs:
        assert [f["level"] for f in programs.findings("clocks")] == ["ok"]


@pytest.mark.parametrize("now", [None, "noon", -5.0, 1e300, [1], {"a": 1}], ids=str)
def test_who_does_not_tell_the_time_is_passed_over(tmp_path, now):
    with Programs(tmp_path, dict.fromkeys(("broker", "supervisor", "edge-0", "edge-1"), now)) as programs:
        assert programs.findings("clocks") == []


def test_bans_lost_lines_and_revocations_are_told(tmp_path):
    metrics = {
        "edge-0": 'tocsin_edge_bans_total 3\ntocsin_edge_limited_total{limit="banned"} 40\ntocsin_edge_limited_total{limit="messages"} 7\ntocsin_edge_revoked 2\n',
        "edge-1": "tocsin_log_dropped_total 5\ntocsin_log_failed_total 6\ntocsin_log_syslog_lost_total 0\ntocsin_edge_revoked 1\n",
        "broker": "tocsin_broker_revocations 2\ntocsin_audit_lost_total 4\n",
    }
    with Programs(tmp_path, {}, metrics) as programs:
        found = {(f["check"], f["level"]): f for f in programs.findings("limits", "log", "tokens") if "tocsin" in f.get("todo", "") or "runbook" in f.get("todo", "")}
    assert "edge-0 has banned 3 addresses" in found["limits", "warning"]["what"] and "40 connections" in found["limits", "warning"]["what"], found
    assert "edge-1" in found["log", "warning"]["what"] and "5 dropped, 6 on standard error" in found["log", "warning"]["what"], found
    assert "4 lines are missing in the audit log of broker" in found["log", "problem"]["what"], found
    assert "edge-1 knows of 1 of 2 revocations" in found["tokens", "warning"]["what"], found


def test_a_well_cluster_has_nothing_of_these(shared):
    report = shared.ctl("doctor", "--json").json()
    levels = {(f["check"], f["level"]) for f in report["findings"]}
    assert ("clocks", "ok") in levels, report
    assert not {("log", "problem"), ("tokens", "warning"), ("clocks", "warning")} & levels, report
