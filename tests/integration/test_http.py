"""The HTTP API of protocol.md section 3, and health as old load balancers ask for it."""
import json
import re

import pytest

from support.http import get, post_json, post_lines, raw, request
from support.wait import until


def url(shared, n=0):
    return shared.edge(n)["http"]


def host_port(shared, n=0):
    host, port = url(shared, n).split("/")[2].split(":")
    return host, int(port)


def change(channel, key, event_id=None, **incident):
    update = {"channel": channel, "key": key, "incident": incident}
    return {**update, "event_id": event_id} if event_id else update


def problem(reply, status, code):
    assert reply.status == status, reply
    assert reply.headers["content-type"].startswith("application/problem+json"), reply
    body = reply.json()
    assert body["code"] == code and body["status"] == status, body
    assert isinstance(body["detail"], str) and body["retry"] in ("never", "backoff", "resync"), body
    return body


class TestPublish:
    def test_one_update_is_answered_with_its_position(self, shared, channel):
        reply = post_json(url(shared) + "/v1/updates", change(channel, "A", "e1", title="one"))
        assert reply.status == 200, reply
        result = reply.json()["results"][0]
        assert result["position"]["offset"] == 1 and len(result["position"]["epoch"]) == 16
        assert result["duplicate"] is False and result["durability"] == "disk"

    def test_lines_are_answered_in_order_and_a_bad_one_leaves_nothing(self, shared, channel):
        lines = [change(channel, "A", "e1", title="1"), b"{broken", change(channel, "A", "e2", severity="P7"),
                 change(channel, "A", "e3", title="3"), {"channel": channel}, change(channel, "B", "e4", title="4")]
        reply = post_lines(url(shared) + "/v1/updates", lines)
        assert reply.status == 200, reply
        results = reply.json()["results"]
        assert [r["position"]["offset"] if "position" in r else r["error"]["code"] for r in results] == \
            [1, "invalid_argument", "invalid_argument", 2, "invalid_argument", 3]
        assert get(url(shared) + f"/v1/channels/{channel}").json()["last"] == 3

    def test_many_lines_in_one_request(self, shared, channel):
        reply = post_lines(url(shared) + "/v1/updates", [change(channel, f"K{i % 50}", f"e{i}", title=str(i)) for i in range(3000)])
        assert [r["position"]["offset"] for r in reply.json()["results"]] == list(range(1, 3001))

    def test_a_duplicate_gets_the_first_position(self, shared, channel):
        first = post_json(url(shared) + "/v1/updates", change(channel, "A", "same", title="first")).json()["results"][0]
        again = post_json(url(shared, 1) + "/v1/updates", change(channel, "A", "same", title="first")).json()["results"][0]
        other = post_json(url(shared) + "/v1/updates", change(channel, "A", "same", title="another body")).json()["results"][0]
        assert first["duplicate"] is False
        for result in (again, other):
            assert result["duplicate"] is True and result["position"] == first["position"]
        assert get(url(shared) + f"/v1/incidents/A?channel={channel}").json()["title"] == "first"
        assert get(url(shared) + f"/v1/channels/{channel}").json()["last"] == 1

    def test_an_event_id_is_made_up_when_absent(self, shared, channel):
        for _ in range(2):
            assert post_json(url(shared) + "/v1/updates", change(channel, "A", title="x")).status == 200
        updates = get(url(shared) + f"/v1/channels/{channel}/updates?after=0").json()["updates"]
        assert len({u["event_id"] for u in updates}) == 2

    def test_if_version_conflicts_leave_nothing_behind(self, shared, channel):
        target = url(shared) + "/v1/updates"
        assert post_json(target, {**change(channel, "A", "e1", title="v1"), "if_version": 0}).status in (200, 409)
        base = get(url(shared) + f"/v1/incidents/A?channel={channel}")
        version = base.json()["version"] if base.status == 200 else 0
        if version == 0:
            version = post_json(target, change(channel, "A", "e1b", title="v1")).json()["results"][0]["version"]
        good = post_json(target, {**change(channel, "A", "e2", title="v2"), "if_version": version})
        assert good.status == 200, good
        stale = post_json(target, {**change(channel, "A", "e3", title="v3"), "if_version": version})
        problem(stale, 409, "conflict")
        kept = get(url(shared) + f"/v1/incidents/A?channel={channel}").json()
        assert kept["title"] == "v2" and kept["version"] == version + 1
        retried = post_json(target, {**change(channel, "A", "e3", title="v3"), "if_version": version + 1})
        assert retried.status == 200 and retried.json()["results"][0]["duplicate"] is False

    def test_a_partial_incident_is_merged(self, shared, channel):
        target = url(shared) + "/v1/updates"
        post_json(target, change(channel, "A", title="t", severity="P1", labels={"service": "api", "zone": "b"}))
        post_json(target, change(channel, "A", status="acknowledged", labels={"zone": None}))
        kept = get(url(shared) + f"/v1/incidents/A?channel={channel}").json()
        assert (kept["title"], kept["severity"], kept["status"], kept["labels"]) == ("t", "P1", "acknowledged", {"service": "api"})
        assert kept["version"] == 2 and kept["acknowledged_at"] and kept["id"] == "A"

    def test_memory_durability_is_stated(self, shared):
        result = post_json(url(shared) + "/v1/updates", change("mem/one", "A", title="x")).json()["results"][0]
        assert result["durability"] == "memory"

    def test_an_application_event(self, shared, channel):
        reply = post_json(url(shared) + "/v1/updates", {"channel": channel, "kind": "deploy", "event": {"name": "deploy", "data": {"v": [1, None]}}})
        assert reply.status == 200, reply
        update = get(url(shared) + f"/v1/channels/{channel}/updates?after=0").json()["updates"][0]
        assert update["event"] == {"name": "deploy", "data": {"v": [1, None]}} and "incident" not in update

    @pytest.mark.parametrize("body, code", [
        (b"", "invalid_argument"), (b"{", "invalid_argument"), (b"[]", "invalid_argument"), (b"null", "invalid_argument"),
        (b'{"key":"a","incident":{"title":"\xc3\x28"}}', "invalid_argument"),
        (b'{"key":"a","incident":{"title":"\\ud800"}}', "invalid_argument"),
        (b'{"key":"a","incident":' + b'{"metadata":' * 40 + b"1" + b"}" * 41, "invalid_argument"),
        (b'{"key":"a","incident":{"severity":"P9"}}', "invalid_argument"),
        (b'{"key":"a","incident":{"status":"sleeping"}}', "invalid_argument"),
        (b'{"key":"a","incident":{"labels":["x"]}}', "invalid_argument"),
        (b'{"key":"a","incident":{"title":7}}', "invalid_argument"),
        (b'{"key":7,"incident":{}}', "invalid_argument"),
        (b'{"channel":"with space","key":"a","incident":{}}', "invalid_argument"),
        (b'{"key":"a","incident":{},"if_version":"1"}', "invalid_argument"),
        (b'{"key":"a","incident":{},"at":"yesterday"}', "invalid_argument"),
        (b'{"key":"a"}', "invalid_argument"),
    ])
    def test_bad_bodies_are_refused_with_a_problem(self, shared, body, code):
        reply = request("POST", url(shared) + "/v1/updates", body, {"Content-Type": "application/json"})
        problem(reply, 400, code)

    def test_an_oversized_body_is_413(self, shared, channel):
        body = json.dumps(change(channel, "A", title="x" * 300_000)).encode()
        problem(request("POST", url(shared) + "/v1/updates", body, {"Content-Type": "application/json"}), 413, "too_large")

    def test_an_incident_that_grows_beyond_the_limit_is_refused(self, shared, channel):
        target = url(shared) + "/v1/updates"
        replies = [post_json(target, change(channel, "A", f"g{i}", metadata={f"k{i}": "x" * 60_000})) for i in range(6)]
        assert replies[0].status == 200 and replies[-1].status == 413, [r.status for r in replies]
        problem(replies[-1], 413, "too_large")
        accepted = sum(r.status == 200 for r in replies)
        assert len(get(url(shared) + f"/v1/incidents/A?channel={channel}").json()["metadata"]) == accepted


class TestRead:
    def test_the_list_of_incidents_filters_and_pages(self, shared, channel):
        states = ["detected", "investigating", "resolved"]
        post_lines(url(shared) + "/v1/updates",
                   [change(channel, f"I{i:02}", title=str(i), severity=f"P{i % 3}", status=states[i % 3]) for i in range(30)])
        base = url(shared, 1) + f"/v1/incidents?channel={channel}"
        seen, cursor, pages = [], "", 0
        while True:
            page = get(base + "&limit=7" + (f"&cursor={cursor}" if cursor else "")).json()
            seen += [i["id"] for i in page["incidents"]]
            cursor, pages = page.get("cursor", ""), pages + 1
            if not cursor:
                break
        assert sorted(seen) == [f"I{i:02}" for i in range(30)] and len(set(seen)) == 30 and pages >= 5
        assert {i["severity"] for i in get(base + "&severity=P0,P1").json()["incidents"]} == {"P0", "P1"}
        assert {i["status"] for i in get(base + "&status=investigating").json()["incidents"]} == {"investigating"}
        assert len(get(base + "&active=true").json()["incidents"]) == 20

    def test_an_unknown_incident_is_404(self, shared, channel):
        post_json(url(shared) + "/v1/updates", change(channel, "A", title="x"))
        problem(get(url(shared) + f"/v1/incidents/NOPE?channel={channel}"), 404, "not_found")

    def test_an_id_with_odd_characters_is_found(self, shared, channel):
        import urllib.parse
        key = "a b/ü%?"
        assert post_json(url(shared) + "/v1/updates", change(channel, key, title="odd")).status == 200
        assert get(url(shared) + f"/v1/incidents/{urllib.parse.quote(key, safe='')}?channel={channel}").json()["title"] == "odd"

    def test_catch_up_pages_are_contiguous(self, shared, channel):
        post_lines(url(shared) + "/v1/updates", [change(channel, "A", title=str(i)) for i in range(95)])
        info = get(url(shared) + f"/v1/channels/{channel}").json()
        assert (info["first"], info["last"]) == (1, 95)
        after, offsets = 0, []
        while after < info["last"]:
            page = get(url(shared) + f"/v1/channels/{channel}/updates?epoch={info['epoch']}&after={after}&limit=20").json()
            assert page["updates"]
            offsets += [u["offset"] for u in page["updates"]]
            after = offsets[-1]
        assert offsets == list(range(1, 96)) and page["more"] is False

    def test_positions_that_never_were_are_410(self, shared, channel):
        post_json(url(shared) + "/v1/updates", change(channel, "A", title="x"))
        info = get(url(shared) + f"/v1/channels/{channel}").json()
        base = url(shared) + f"/v1/channels/{channel}/updates"
        problem(get(base + "?epoch=00000000deadbeef&after=0"), 410, "position_lost")
        problem(get(base + f"?epoch={info['epoch']}&after=999"), 410, "position_lost")

    @pytest.mark.parametrize("path", ["/v1/incidents?limit=0", "/v1/incidents?limit=x", "/v1/incidents?limit=100000", "/v1/incidents?channel=a%20b",
                                      "/v1/incidents?channel=%ff", "/v1/channels/incidents/updates?epoch=xyz", "/v1/channels/incidents/updates?after=-1",
                                      "/v1/incidents?active=perhaps"])
    def test_bad_queries_are_400(self, shared, path):
        reply = get(url(shared) + path)
        problem(reply, 400, "invalid_argument")


    def test_a_broken_escape_is_refused(self, shared):
        assert get(url(shared) + "/v1/incidents?severity=%zz").status in (400, 403)   # the HTTP library may be faster than we are


class TestEdgesOfHttp:
    def test_unknown_paths_are_404_with_a_problem(self, shared):
        for path in ("/v2/updates", "/board/x/nope.js", "/v1/incidentsx", "/%2e%2e/etc/passwd", "/v1/channels/"):
            assert get(url(shared) + path).status in (400, 404), path
        problem(get(url(shared) + "/nothing"), 404, "not_found")

    def test_the_board_is_at_the_root_and_names_files_that_are_there(self, shared):
        page = get(url(shared) + "/")
        assert page.status == 200 and page.headers["content-type"].startswith("text/html")
        assert "script-src 'self'" in page.headers["content-security-policy"]
        files = re.findall(r'(?:src|href)="(board/[^"]+)"', page.body.decode())
        assert len(files) == 2
        for file in files:
            assert get(f"{url(shared)}/{file}").headers["cache-control"].endswith("immutable"), file
        problem(request("POST", url(shared) + "/", b""), 405, "method_not_allowed")

    def test_other_methods_are_405_and_say_which_are_allowed(self, shared):
        for method, path in (("GET", "/v1/updates"), ("DELETE", "/v1/updates"), ("POST", "/v1/incidents"), ("PUT", "/metrics")):
            reply = request(method, url(shared) + path, b"" if method in ("POST", "PUT") else None)
            problem(reply, 405, "method_not_allowed")
            assert reply.headers["allow"]

    @pytest.mark.parametrize("ask", [b"GET /health HTTP/1.0\r\n\r\n", b"GET /health/live HTTP/1.0\r\n\r\n", b"GET /health/ready HTTP/1.0\r\n\r\n",
                                     b"GET /health HTTP/1.0\r\nUser-Agent: old\r\n\r\n"])
    def test_health_is_answered_without_any_header(self, shared, ask):
        for n in (0, 1):
            answer = raw(*host_port(shared, n), ask)
            assert answer.split(b"\r\n")[0].split()[1] == b"200", answer
            assert b"\r\n\r\n" in answer

    def test_health_answers_byte_by_byte_requests(self, shared):
        import socket
        with socket.create_connection(host_port(shared), timeout=10) as s:
            for byte in b"GET /health HTTP/1.0\r\n\r\n":
                s.sendall(bytes([byte]))
            assert b" 200 " in s.recv(4096).split(b"\r\n")[0]

    def test_requests_on_one_connection_are_answered_in_order(self, shared):
        import http.client
        c = http.client.HTTPConnection(*host_port(shared), timeout=10)
        for path in ("/health", "/metrics", "/health/ready", "/nothing", "/v1/incidents?limit=1"):
            c.request("GET", path)
            reply = c.getresponse()
            reply.read()
            assert reply.status in (200, 404)
        c.close()

    def test_metrics_are_prometheus_text(self, shared):
        reply = get(url(shared) + "/metrics")
        assert reply.status == 200 and reply.headers["content-type"].startswith("text/plain")
        lines = reply.body.decode().splitlines()
        names = {line.split()[2] for line in lines if line.startswith("# TYPE")}
        assert any(n.startswith("tocsin_edge_") for n in names)
        for line in lines:
            if line and not line.startswith("#"):
                float(line.rsplit(" ", 1)[1])

    @pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"\r\n\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                                         b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
                                         b"POST /v1/updates HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
                                         b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
                                         b"GET /health HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(3000)) + b"\r\n"])
    def test_garbage_costs_nothing_but_its_own_connection(self, shared, garbage):
        try:
            raw(*host_port(shared), garbage, timeout=10, until_closed=True)
        except (TimeoutError, OSError):
            pass   # whether and how it is answered is free; the edge must go on
        assert get(url(shared) + "/health/ready").status == 200

    def test_a_request_that_never_ends_is_cut(self, shared):
        import socket
        with socket.create_connection(host_port(shared), timeout=15) as s:
            s.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nX-Slow: ")
            s.settimeout(15)
            try:
                while s.recv(4096):
                    pass
            except ConnectionResetError:
                pass   # both ways of being cut are fine; a time-out is not


class TestSse:
    rest = {}   # of a chunked stream: what was read and not yet looked at, by file

    def stream(self, target, headers=b"", first=b""):
        import socket
        host, port = target.split("/")[2].split(":")
        s = socket.create_connection((host, int(port)), timeout=15)
        path = "/" + target.split("/", 3)[3]
        s.sendall(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n" + headers + b"\r\n")
        return s, s.makefile("rb")

    def head(self, file):
        status = file.readline()
        headers = {}
        while (line := file.readline().strip()):
            name, _, value = line.partition(b":")
            headers[name.decode().lower()] = value.strip().decode()
        return int(status.split()[1]), headers

    def lines(self, file, chunked):
        """Lines of the event stream, whatever the transfer coding. What is left over is kept with the file."""
        if not chunked:
            yield from iter(file.readline, b"")   # not `yield from file`: ending this generator would close the file
            return
        while True:
            rest = self.rest.get(file, b"")
            line, newline, rest = rest.partition(b"\n")
            if newline:
                self.rest[file] = rest
                yield line
                continue
            size = int(file.readline().strip() or b"0", 16)
            if size == 0:
                return
            self.rest[file] = line + file.read(size)
            file.readline()

    def events(self, file, chunked, count, kinds=("update",)):
        """The next `count` events whose JSON is of these types, as (id, frame)."""
        found, data, last = [], [], None
        for line in self.lines(file, chunked):
            line = line.rstrip(b"\r\n")
            if line.startswith(b"data:"):
                data.append(line[5:].strip())
            elif line.startswith(b"id:"):
                last = line[3:].strip().decode()
            elif not line and data:
                frame = json.loads(b"\n".join(data))
                data = []
                if frame.get("type") in kinds:
                    found.append((last, frame))
                    if len(found) == count:
                        return found
        raise AssertionError(f"the stream ended after {found}")

    def test_updates_come_with_ids_and_last_event_id_resumes(self, shared, channel):
        target = url(shared) + "/v1/updates"
        post_json(target, change(channel, "A", title="before"))
        s, file = self.stream(url(shared, 1) + f"/v1/events?channel={channel}")
        status, headers = self.head(file)
        assert status == 200 and headers["content-type"].startswith("text/event-stream"), (status, headers)
        chunked = headers.get("transfer-encoding") == "chunked"
        self.events(file, chunked, 1, kinds=("subscribed",))
        for i in range(3):
            post_json(target, change(channel, "A", title=f"live {i}"))
        got = self.events(file, chunked, 3)
        assert [f["offset"] for _, f in got] == [2, 3, 4]
        assert all(i.split(":")[1] == str(f["offset"]) for i, f in got)
        s.close()
        for i in range(3):
            post_json(target, change(channel, "A", title=f"missed {i}"))
        s, file = self.stream(url(shared) + f"/v1/events?channel={channel}", b"Last-Event-ID: " + got[-1][0].encode() + b"\r\n")
        status, headers = self.head(file)
        resumed = self.events(file, headers.get("transfer-encoding") == "chunked", 3)
        assert [f["offset"] for _, f in resumed] == [5, 6, 7]
        s.close()

    def test_a_filter_in_the_query(self, shared, channel):
        s, file = self.stream(url(shared) + f"/v1/events?channel={channel}&severity=P0,P1")
        status, headers = self.head(file)
        chunked = headers.get("transfer-encoding") == "chunked"
        self.events(file, chunked, 1, kinds=("subscribed",))
        for i in range(8):
            post_json(url(shared) + "/v1/updates", change(channel, f"K{i}", title="x", severity=f"P{i % 4}"))
        assert [f["incident"]["severity"] for _, f in self.events(file, chunked, 4)] == ["P0", "P1", "P0", "P1"]
        s.close()

    def test_a_wrong_last_event_id_is_told_as_lost(self, shared, channel):
        post_json(url(shared) + "/v1/updates", change(channel, "A", title="x"))
        for wrong, reason in ((b"nonsense", "malformed"), (b"00000000deadbeef:1", "epoch_changed")):
            s, file = self.stream(url(shared) + f"/v1/events?channel={channel}", b"Last-Event-ID: " + wrong + b"\r\n")
            status, headers = self.head(file)
            assert status == 200
            (_, frame), = self.events(file, headers.get("transfer-encoding") == "chunked", 1, kinds=("subscribed",))
            assert (frame["outcome"], frame["reason"]) == ("lost", reason)
            s.close()

    def test_a_bad_query_is_a_problem(self, shared):
        problem(get(url(shared) + "/v1/events?channel=a%20b"), 400, "invalid_argument")


def test_the_broker_and_supervisor_answer_health_and_metrics(shared):
    info = shared.info()
    places = [info["supervisor"]["http"]] + ([info["broker"]["http"]] if info["broker"].get("http") else [])
    for place in places:
        assert get(place + "/health").status == 200
        metrics = get(place + "/metrics")
        assert metrics.status == 200 and b"# TYPE tocsin_" in metrics.body
        host, port = place.split("/")[2].split(":")
        assert b" 200 " in raw(host, int(port), b"GET /health HTTP/1.0\r\n\r\n").split(b"\r\n")[0]


def test_readiness_follows_the_broker(cluster):
    broker = cluster.pid_of("broker")
    import os
    import signal
    os.kill(broker, signal.SIGSTOP)
    try:
        until(lambda: get(cluster.edge()["http"] + "/health/ready").status == 503, "the edge to be not ready", 20)
        assert get(cluster.edge()["http"] + "/health/live").status == 200
        assert get(cluster.edge()["http"] + "/health").json()["reason"]
    finally:
        os.kill(broker, signal.SIGCONT)
    cluster.wait_ready(20)
