"""Traces: spans of sampled updates as an OTLP collector gets them, and a collector that is away."""
import http.server
import json
import threading

from support.client import Client
from support.http import get, request
from support.process import Edge, Pair, free_port
from support.wait import run, until


class Collector:
    """Takes OTLP/HTTP in JSON and keeps the spans."""

    def __init__(self):
        self.spans, self.refused = [], 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):   # noqa: N802
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path != "/v1/traces" or self.headers["content-type"] != "application/json":
                    outer.refused += 1
                for group in body["resourceSpans"]:
                    resource = {a["key"]: a["value"]["stringValue"] for a in group["resource"]["attributes"]}
                    for scope in group["scopeSpans"]:
                        for span in scope["spans"]:
                            attributes = {a["key"]: a["value"]["stringValue"] for a in span["attributes"]}
                            outer.spans.append({**span, "by": resource, "at": attributes})
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, event_id):
        return {s["name"]: s for s in self.spans if s["at"]["tocsin.event_id"] == event_id}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def publish(edge, event_id, headers=None):
    update = {"channel": "t/traced", "event_id": event_id, "key": "A", "incident": {"title": "t"}}
    reply = request("POST", edge.http + "/v1/updates", json.dumps(update), {"Content-Type": "application/json", **(headers or {})})
    assert reply.status == 200, reply


def test_a_sampled_update_is_followed_from_its_publish_to_the_sockets(tmp_path):
    collector = Collector()
    flags = ["--trace-endpoint", collector.url, "--trace-one-in", "1", "--trace-service", "incidents"]
    try:
        with Pair(tmp_path, broker_flags=flags, edge_flags=flags) as pair:
            async def body():
                async with Client(pair.edge.ws) as client:
                    await client.subscribe("s", "t/traced")
                    publish(pair.edge, "e-1")
                    await client.reached("s", 1)
            run(body())
            spans = until(lambda: len(collector.of("e-1")) == 3 and collector.of("e-1"), "three spans")
    finally:
        collector.close()
    root, commit, deliver = (spans["tocsin." + name] for name in ("publish", "commit", "deliver"))
    assert {s["traceId"] for s in spans.values()} == {root["traceId"]} and len(root["traceId"]) == 32
    assert "parentSpanId" not in root and commit["parentSpanId"] == root["spanId"] and deliver["parentSpanId"] == commit["spanId"]
    assert root["by"] == {"service.name": "incidents", "service.instance.id": "edge-0"} and commit["by"]["service.instance.id"] == "broker"
    assert commit["at"]["tocsin.offset"] == deliver["at"]["tocsin.offset"] == "1" and deliver["at"]["tocsin.channel"] == "t/traced"
    for span in spans.values():
        assert 0 < int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
    assert int(root["startTimeUnixNano"]) <= int(commit["endTimeUnixNano"]) <= int(deliver["endTimeUnixNano"])
    assert collector.refused == 0


TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_publisher_that_is_traced_has_its_updates_in_its_own_trace(tmp_path):
    """W3C Trace Context: none of these would be traced otherwise."""
    collector = Collector()
    flags = ["--trace-endpoint", collector.url, "--trace-one-in", "1000000000"]
    bad = {"unsampled": f"00-{TRACE}-{SPAN}-00", "zero": f"00-{'0' * 32}-{SPAN}-01", "version": f"ff-{TRACE}-{SPAN}-01",
           "capitals": f"00-{TRACE.upper()}-{SPAN}-01", "long": f"00-{TRACE}-{SPAN}-01-x", "nonsense": "x" * 1000, "empty": ""}
    try:
        with Pair(tmp_path, broker_flags=flags, edge_flags=flags) as pair:
            async def body():
                async with Client(pair.edge.ws) as client:
                    await client.subscribe("s", "t/traced")
                    for name, value in bad.items():
                        publish(pair.edge, name, {"traceparent": value})
                    publish(pair.edge, "none")
                    publish(pair.edge, "first", {"traceparent": f"00-{TRACE}-{SPAN}-01"})
                    publish(pair.edge, "first", {"traceparent": f"00-{'a' * 32}-{SPAN}-01"})   # a duplicate: its own publish, no more
                    publish(pair.edge, "later", {"TraceParent": f"cc-{TRACE}-{SPAN}-01-more"})
                    await client.reached("s", len(bad) + 3)
            run(body())
            until(lambda: len(collector.of("later")) == 3 and len(collector.of("first")) == 3, "the spans")
            lines = "\n".join(json.dumps({"channel": "t/traced", "event_id": f"line-{n}", "key": "A", "incident": {"title": "t"}}) for n in range(3))
            reply = request("POST", pair.edge.http + "/v1/updates", lines, {"Content-Type": "application/x-ndjson", "traceparent": f"00-{TRACE}-{SPAN}-01"})
            assert reply.status == 200, reply
            until(lambda: all("tocsin.commit" in collector.of(f"line-{n}") for n in range(3)), "a span of each line")
    finally:
        collector.close()
    assert {s["at"]["tocsin.event_id"] for s in collector.spans} == {"first", "later", "line-0", "line-1", "line-2"}
    for event_id in ("first", "later"):
        mine = [s for s in collector.spans if s["at"]["tocsin.event_id"] == event_id and s["traceId"] == TRACE]
        spans = {s["name"]: s for s in mine}
        assert len(mine) == 3 and set(spans) == {"tocsin.publish", "tocsin.commit", "tocsin.deliver"}, mine
        assert spans["tocsin.publish"]["parentSpanId"] == SPAN
        assert spans["tocsin.commit"]["parentSpanId"] == spans["tocsin.publish"]["spanId"]
        assert spans["tocsin.deliver"]["parentSpanId"] == spans["tocsin.commit"]["spanId"]


def test_a_traceparent_is_not_read_when_it_is_not_wanted(tmp_path):
    collector = Collector()
    flags = ["--trace-endpoint", collector.url, "--trace-one-in", "1000000000"]
    try:
        with Pair(tmp_path, broker_flags=flags, edge_flags=[*flags, "--trace-join=false"]) as pair:
            publish(pair.edge, "unread", {"traceparent": f"00-{TRACE}-{SPAN}-01"})
            # The broker is asked by another edge, so that its spans of the first update would have come before.
            other = Edge(tmp_path, pair.broker.endpoint, *flags, name="edge-1").start()
            try:
                publish(other, "read", {"traceparent": f"00-{TRACE}-{SPAN}-01"})
                until(lambda: len(collector.of("read")) == 2, "what another edge says of its own")
            finally:
                other.kill()
        assert {s["at"]["tocsin.event_id"] for s in collector.spans} == {"read"}
    finally:
        collector.close()


def test_a_collector_that_is_away_costs_spans_and_nothing_else(tmp_path):
    flags = ["--trace-endpoint", f"http://127.0.0.1:{free_port()}/v1/traces", "--trace-one-in", "1"]
    with Pair(tmp_path, broker_flags=flags, edge_flags=flags) as pair:
        publish(pair.edge, "e-1")

        def failed():
            text = get(pair.edge.http + "/metrics").body.decode()
            return 'tocsin_trace_requests_total{outcome="failed"} 0' not in text
        until(failed, "the failure to be counted")
        publish(pair.edge, "e-2")
        assert pair.edge.stop() == 0 and pair.broker.stop() == 0


def test_only_one_in_so_many_is_traced(tmp_path):
    collector = Collector()
    flags = ["--trace-endpoint", collector.url, "--trace-one-in", "4"]
    try:
        with Pair(tmp_path, broker_flags=flags, edge_flags=flags) as pair:
            for n in range(64):
                publish(pair.edge, f"update-{n}")
            full = until(lambda: [s for s in collector.spans if s["name"] == "tocsin.commit"], "spans of the broker")
            until(lambda: len([s for s in collector.spans if s["name"] == "tocsin.publish"]) >= len(full), "spans of the edge")
            # Both chose the same ones, without a word between them.
            ids = {name: {s["at"]["tocsin.event_id"] for s in collector.spans if s["name"] == name} for name in ("tocsin.commit", "tocsin.publish")}
            until(lambda: ids["tocsin.commit"] <= {s["at"]["tocsin.event_id"] for s in collector.spans if s["name"] == "tocsin.publish"}, "the same ones")
            assert 4 <= len(ids["tocsin.commit"]) <= 32, ids
    finally:
        collector.close()
