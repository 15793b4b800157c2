"""What operators of other systems ask for by their own names: their alert rules and boards against a real Prometheus that scrapes an edge, and
the JSON figures of the cluster."""
import json
import pathlib
import re
import shutil
import subprocess
import urllib.parse

import pytest

from support.client import Client
from support.cluster import Cluster
from support.http import get, post_json
from support.process import Pair, free_port
from support.wait import run, until

RULES = pathlib.Path(__file__).parent / "rules"   # as the systems' own guides print them

# The queries of their boards; the rules' are read from the files.
BOARDS = {
    "lim": ["sum(lim_websocket_connections_active)", "rate(lim_websocket_connections_total[5m])", "lim_websocket_subscriptions_active",
            "rate(lim_websocket_messages_sent_total[5m])", "rate(lim_websocket_messages_received_total[5m])", "rate(lim_websocket_errors_total[5m])",
            "histogram_quantile(0.5, rate(lim_websocket_connection_duration_seconds_bucket[5m]))", "lim_websocket_message_queue_size"],
    "mahavishnu": ['websocket_connections_total{server="mahavishnu",tls_mode="ws"}', 'websocket_messages_total{server="mahavishnu",direction="sent"}',
                   'websocket_broadcast_total{server="mahavishnu"}', 'websocket_broadcast_duration_seconds_bucket{server="mahavishnu",le="0.001"}',
                   'websocket_latency_seconds_bucket{server="mahavishnu",le="10"}', 'websocket_connection_errors_total{error_type="max_connections"}',
                   'websocket_message_errors_total{error_type="decode_error"}', 'websocket_message_errors_total{error_type="rate_limit"}',
                   "histogram_quantile(0.95, rate(websocket_latency_seconds_bucket[5m]))"],
    "realtime": ["sum(active_connections) by (pod)", "rate(messages_sent_total[5m])", "rate(messages_received_total[5m])",
                 "rate(total_connections[5m])", "rate(errors_total[5m])", "rate(rate_limit_denied_total[5m])"],
    "vedfolnir": ["websocket_connections_total", "websocket_connections_active", "websocket_connections_failed_total",
                  'websocket_messages_total{event="sent",namespace="/"}', 'websocket_message_processing_seconds_bucket{le="0.1"}',
                  'websocket_message_processing_seconds_bucket{le="0.5"}', "websocket_response_time_seconds_sum", "websocket_cpu_usage_percent",
                  "websocket_memory_usage_bytes", "websocket_error_rate", 'websocket_security_events_total{event_type="authentication_failed"}',
                  "websocket_errors_total"],
}
# One needs another exporter (the containers' own).
FOREIGN = ("container_memory_usage_bytes",)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("watched"), edges=2) as cluster:
        yield cluster


def rule_expressions(name):
    return [m.group(1).strip() for m in re.finditer(r"^\s*expr: (.*)$", (RULES / f"{name}.yml").read_text(), re.M)]


def left_side(expression):
    """A rule compares; what it compares must be there."""
    return re.sub(r"\s*(==|>|<)\s*[\d.]+$", "", expression)


class Prometheus:
    """A real one, scraping `targets` (job -> (address, path, profile)) each second, with rules loaded."""

    def __init__(self, folder, targets, rules):
        self.port = free_port()
        jobs = [{"job_name": job, "metrics_path": path, "params": {"profile": [profile]} if profile else {}, "static_configs": [{"targets": [at]}]}
                for job, (at, path, profile) in targets.items()]
        config = folder / "prometheus.yml"
        config.write_text(json.dumps({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": list(map(str, rules)),
                                      "scrape_configs": jobs}))
        self.log = open(folder / "prometheus.log", "wb")
        self.child = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
                                       f"--web.listen-address=127.0.0.1:{self.port}"], stdout=self.log, stderr=self.log)

    def api(self, path):
        return get(f"http://127.0.0.1:{self.port}/api/v1/{path}").json()["data"]

    def query(self, expression):
        return self.api("query?query=" + urllib.parse.quote(expression))["result"]

    def close(self):
        self.child.kill()
        self.child.wait()
        self.log.close()


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Debian's package prometheus is not installed")
def test_the_rules_and_boards_of_other_systems_find_what_they_ask_for(watched, tmp_path):
    edge = watched.edge(0)
    at = edge["http"].removeprefix("http://")
    targets = {"lim": (at, "/metrics", "lim"), "mahavishnu_websocket": (at, "/metrics", "mahavishnu"), "realtime": (at, "/metrics", "realtime"),
               "vedfolnir-websocket": (at, "/websocket/metrics", None)}
    prometheus = Prometheus(tmp_path, targets, sorted(RULES.glob("*.yml")))

    async def body():
        async with Client(edge["ws"]) as client:
            await client.subscribe("s", "t/watched")
            for n in range(5):
                assert post_json(edge["http"] + "/v1/updates", {"channel": "t/watched", "key": f"K{n}", "incident": {"title": "t"}}).status == 200
            await client.reached("s", 5)
            until(lambda: {t["health"] for t in prometheus.api("targets")["activeTargets"]} == {"up"} and
                  len(prometheus.query("rate(lim_websocket_messages_sent_total[5m])")) == 1, "two scrapes of every profile", 30)
            jobs = {"lim": "lim", "mahavishnu": "mahavishnu_websocket", "realtime": "realtime", "vedfolnir": "vedfolnir-websocket"}
            for name, job in jobs.items():
                asked = [left_side(e) for e in rule_expressions(name)] + BOARDS[name]
                for expression in asked:
                    if any(name in expression for name in FOREIGN):
                        continue
                    result = until(lambda e=expression: prometheus.query(e), f"{job}: {expression}", 15)
                    assert result, expression
            # What they say is so.
            assert prometheus.query("lim_websocket_connections_active")[0]["value"][1] == "1"
            assert prometheus.query('active_connections{job="realtime"}')[0]["value"][1] == "1"
            assert float(prometheus.query("lim_websocket_messages_sent_total")[0]["value"][1]) >= 5
            groups = prometheus.api("rules")["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            assert len(rules) == 15 and not [r for r in rules if r.get("lastError")], rules
    try:
        run(body())
    finally:
        prometheus.close()


def test_channels_have_labels_where_that_is_wanted_and_never_more_than_that(tmp_path):
    with Pair(tmp_path, edge_flags=["--metrics-channels", "2"]) as pair:
        def counts():
            text = get(pair.edge.http + "/metrics?profile=mahavishnu").body.decode()
            found = re.findall(r'^websocket_broadcast_total\{server="mahavishnu",channel="([^"]+)"\} (\d+)$', text, re.M)
            assert len(found) == len(dict(found)), text
            return {name: int(n) for name, n in found}

        async def body():
            async with Client(pair.edge.ws, "a") as a, Client(pair.edge.ws, "b") as b:
                for n in range(5):
                    await a.subscribe(f"s{n}", f"t/{n}")
                await b.subscribe("x", "t/3")
                await b.subscribe("y", "t/1")
                for n in range(5):
                    for i in range(n + 1):
                        reply = post_json(pair.edge.http + "/v1/updates", {"channel": f"t/{n}", "key": "A", "incident": {"title": str(i)}})
                        assert reply.status == 200, reply
                for n in range(5):
                    await a.reached(f"s{n}", n + 1)
                assert counts() == {"t/1": 2, "t/3": 4, "other": 9}
                await b.send(type="unsubscribe", id="x")
                await a.send(type="unsubscribe", id="s3")   # nobody wants it; it keeps its label while it lingers
                assert counts() == {"t/1": 2, "t/3": 4, "other": 9}
        run(body())
        assert 'channel=' not in get(pair.edge.http + "/metrics").body.decode(), "names are in this profile alone"


@pytest.mark.parametrize("profile", ["tocsin", "lim", "mahavishnu", "realtime", "vedfolnir", "lim,mahavishnu,realtime"])
def test_every_exposition_is_one_that_prometheus_reads(watched, profile):
    reply = get(f"{watched.edge(0)['http']}/metrics?profile={profile}")
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/plain; version=0.0.4"), reply
    names = re.findall(r"^# TYPE (\S+)", reply.body.decode(), re.M)
    assert names and len(names) == len(set(names))
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=reply.body, capture_output=True, timeout=30)
        # Names of others may break the style that it teaches; what it cannot read is another matter.
        assert b"error while linting" not in done.stderr and b"parse" not in done.stderr, done


def test_profiles_that_are_none_or_contradict_each_other_are_refused(watched):
    http = watched.edge(0)["http"]
    for bad in ("grafana", "lim,nonsense", "vedfolnir,mahavishnu", "realtime-json,lim", ""):
        reply = get(f"{http}/metrics?profile={bad}")
        assert reply.status == 400 and reply.json()["code"] == "invalid_argument", (bad, reply)
    assert b"tocsin_edge_active_connections" in get(http + "/metrics").body


def test_forms_for_jq(watched):
    http = watched.edge(0)["http"]
    figures = get(http + "/metrics?profile=realtime-json").json()
    assert set(figures) == {"active_connections", "total_connections", "messages_sent", "messages_received", "errors"}
    assert all(isinstance(v, int) for v in figures.values())
    page = get(http + "/websocket/metrics?format=json").json()
    assert {"timestamp", "uptime_seconds", "connections", "messages", "performance", "security"} == set(page)
    assert page["performance"]["memory_usage_bytes"] > 1 << 20


def test_metrics_are_for_operators_where_that_is_wanted(tmp_path):
    (tmp_path / "token").write_text("the-operators-token\n")
    with Pair(tmp_path, edge_flags=["--metrics-access", "viewer", "--admin-token-file", tmp_path / "token"]) as pair:
        for path in ("/metrics", "/websocket/metrics", "/metrics?profile=lim"):
            for headers in ({}, {"Authorization": "Bearer another-token"}):
                refused = get(pair.edge.http + path, headers=headers)
                assert refused.status in (401, 403) and b"# TYPE" not in refused.body, refused
            told = get(pair.edge.http + path, headers={"Authorization": "Bearer the-operators-token"})
            assert told.status == 200 and b"# TYPE" in told.body, told
        assert get(pair.edge.http + "/health").status == 200


def test_the_clusters_figures_come_from_any_edge_for_who_has_the_token(watched):
    first, second = (e["http"] for e in watched.edges)
    token = (watched.dir / "admin.token").read_text().strip()
    metrics, active = "/api/monitoring/websocket/metrics/", "/api/monitoring/websocket/active-connections/"

    def asked(http, path):
        reply = get(http + path, headers={"Authorization": f"Bearer {token}"})
        assert reply.status == 200, reply
        return reply.json()

    async def body():
        async with Client(watched.edge(0)["ws"]) as a, Client(watched.edge(1)["ws"]) as b:
            for client in (a, b):
                await client.subscribe("s", "t/figures")
            before = asked(first, metrics)
            for n in range(7):
                assert post_json(first + "/v1/updates", {"channel": "t/figures", "key": f"K{n}", "incident": {"title": "t"}}).status == 200
            await a.reached("s", 7)
            await b.reached("s", 7)
            for http in (first, second):
                until(lambda h=http: asked(h, active) == {"active_connections": 2}, "both clients")
                until(lambda h=http: asked(h, metrics)["messages_sent"] >= before["messages_sent"] + 14, "what both were sent")
            now = asked(second, metrics)
            assert set(now) == {"active_connections", "connections_today", "messages_sent", "messages_received", "avg_connection_duration",
                                "messages_per_minute", "timestamp"}
            assert now["connections_today"] >= 2 and now["messages_received"] >= 2 and now["timestamp"].endswith("Z")
            assert isinstance(now["avg_connection_duration"], float)
        until(lambda: asked(second, active) == {"active_connections": 0}, "both to be gone")
        until(lambda: asked(second, metrics)["avg_connection_duration"] > 0, "how long they were there")
    run(body())
    for path in (metrics, active, metrics.rstrip("/")):
        assert get(first + path).status == 401
        refused = get(first + path, headers={"Authorization": "Bearer wrong"})
        assert refused.status == 401 and refused.json()["detail"]
