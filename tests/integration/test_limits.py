"""How much clients may ask: connections, attempts, rates, bans; before the upgrade and after it; over two edges and while sessions move."""
import asyncio
import json
import socket

from support.bare import bare_socket, json_frames, masked
from support.client import Client
from support.http import get, post_json, post_lines, request
from support.process import Pair
from support.tokens import SECRET, bearer, token
from support.wait import run, until

UPGRADE = ("GET /v1/stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n")
SUBSCRIBE = {"type": "subscribe", "id": "a", "channel": "incidents"}


def knock(port, source="127.0.0.1", more=""):
    s = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))
    s.sendall(UPGRADE.format(more=more).encode())
    out = b""
    try:
        while b"\r\n\r\n" not in out:
            piece = s.recv(4096)
            if not piece:
                break
            out += piece
    except ConnectionResetError:
        pass
    return s, out.decode(errors="replace")


def status(answer):
    return int(answer.split()[1]) if answer else 0


def header(answer, name):
    return next((line.split(": ", 1)[1] for line in answer.split("\r\n") if line.lower().startswith(name + ":")), None)


def metric(edge, name):
    return next(float(line.split()[-1]) for line in get(edge.http + "/metrics").body.decode().splitlines() if line.startswith(name + " "))


def limited(edge, limit):
    return metric(edge, f'tocsin_edge_limited_total{{limit="{limit}"}}')


class TestConnections:
    def test_of_an_address_before_the_upgrade(self, tmp_path):
        with Pair(tmp_path, edge_flags=["--limits-connections-per-ip", "3"]) as p:
            port = p.edge.port
            crowd = [knock(port, "127.0.0.2") for _ in range(3)]
            assert [status(a) for _, a in crowd] == [101] * 3
            _, answer = knock(port, "127.0.0.2")
            assert status(answer) == 429 and int(header(answer, "retry-after")) >= 1 and "too_many" in answer
            assert status(knock(port, "127.0.0.3")[1]) == 101, "another address is another client"
            crowd[0][0].close()
            until(lambda: status(knock(port, "127.0.0.2")[1]) == 101, "its place to be free again")
            assert limited(p.edge, "ip_connections") >= 1

    def test_of_clients_behind_a_trusted_proxy(self, tmp_path):
        with Pair(tmp_path, edge_flags=["--limits-connections-per-ip", "2", "--proxy-trusted", "127.0.0.1"]) as p:
            def client(address):
                return knock(p.edge.port, more=f"X-Forwarded-For: {address}\r\n")
            keep = [client("192.0.2.1"), client("192.0.2.1"), client("192.0.2.2")]
            assert [status(a) for _, a in keep] == [101] * 3
            assert status(client("192.0.2.1")[1]) == 429
            assert status(client("192.0.2.1, 127.0.0.1")[1]) == 429
            six = [client(f"2001:db8::{i}") for i in range(3)]
            assert [status(a) for _, a in six] == [101, 101, 429], "an IPv6 network is one client"
            keep[0][0].close()
            until(lambda: status(client("192.0.2.1")[1]) == 101, "its place to be free again")

    def test_attempts_and_bans(self, tmp_path):
        flags = ["--limits-attempts-per-ip", "5", "--limits-attempts-window-ms", "60000", "--limits-ban-after", "3", "--limits-ban-ms", "60000"]
        with Pair(tmp_path, edge_flags=flags) as p:
            port = p.edge.port
            for _ in range(5):
                s, answer = knock(port, "127.0.0.2")
                assert status(answer) == 101
                s.close()
            told = [knock(port, "127.0.0.2")[1] for _ in range(3)]
            assert [status(a) for a in told] == [429] * 3, told
            assert 1 <= int(header(told[0], "retry-after")) <= 12
            _, answer = knock(port, "127.0.0.2")
            assert status(answer) == 429 and int(header(answer, "retry-after")) > 30 and "not served" in answer, answer
            assert metric(p.edge, "tocsin_edge_bans_total") == 1
            assert status(knock(port, "127.0.0.3")[1]) == 101, "honest clients notice nothing"


class TestRates:
    def test_frames_over_the_limit_are_answered_and_their_flood_ends_with_4429(self, tmp_path):
        with Pair(tmp_path, edge_flags=["--limits-client-messages-per-s", "5", "--limits-burst-ms", "1000"]) as p:
            async def body():
                reader, writer = await bare_socket("127.0.0.1", p.edge.port)
                frames = [masked(json.dumps({"type": "ping", "ref": str(i)}).encode()) for i in range(20)]
                writer.write(b"".join(frames))
                pongs, errors = [], []
                async for frame in json_frames(reader):
                    if frame["type"] == "pong":
                        pongs.append(frame["ref"])
                    elif frame["type"] == "error":
                        assert frame["code"] == "too_many" and frame["status"] == 429 and frame["retry"] == "backoff", frame
                        errors.append(frame["ref"])
                    if len(pongs) + len(errors) == 20:
                        break
                assert pongs[:5] == [str(i) for i in range(5)] and len(errors) >= 10, "each refused frame is named"
                writer.write(b"".join(masked(b'{"type":"ping","ref":"x"}') for _ in range(400)))
                code = None
                try:
                    async for frame in json_frames(reader):
                        if frame["type"] == "closing":
                            code = frame["code"]
                except (AssertionError, asyncio.IncompleteReadError):
                    pass
                assert code == 4429
                writer.close()
                async with Client(p.edge.ws) as c:
                    assert (await c.subscribe("a")).outcome == "live", "others notice nothing"
            run(body())
            assert limited(p.edge, "messages") >= 100

    def test_publishes_over_http(self, tmp_path):
        with Pair(tmp_path, edge_flags=["--limits-client-publishes-per-s", "10", "--limits-burst-ms", "1000"]) as p:
            url = p.edge.http + "/v1/updates"
            reply = post_lines(url, [{"key": f"K{i}", "event_id": f"e{i}", "incident": {"title": "x"}} for i in range(50)])
            results = reply.json()["results"]
            taken = [i for i, r in enumerate(results) if "position" in r]
            assert reply.status == 200 and taken == list(range(len(taken))) and 10 <= len(taken) <= 15, taken
            assert all(r["error"]["code"] == "too_many" for r in results[len(taken):])
            refused = post_json(url, {"key": "L", "incident": {"title": "x"}})
            assert refused.status == 429 and int(refused.headers["retry-after"]) >= 1
            assert get(p.edge.http + "/v1/channels/incidents").json()["last"] == len(taken), "what was refused left nothing behind"


class TestCluster:
    FLAGS = ["--limits-cluster-connections-per-ip", "3", "--admin-loopback"]

    def test_an_address_is_counted_over_all_edges_and_a_broker_that_restarts_knows_it_again(self, tmp_path):
        with Pair(tmp_path, edge_flags=self.FLAGS, edges=2) as p:
            async def body():
                a = await Client(p.edges[0].ws).__aenter__()
                b = await Client(p.edges[0].ws).__aenter__()
                c = await Client(p.edges[1].ws).__aenter__()
                for client in (a, b, c):
                    await client.subscribe("s")
                for edge in p.edges:
                    answer = await asyncio.to_thread(lambda e=edge: until(lambda: (lambda x: x if status(x) == 429 else None)(knock(e.port)[1]), "the limit to be known"))
                    assert "to the cluster" in answer and header(answer, "retry-after")
                await asyncio.to_thread(p.broker.kill)
                await asyncio.to_thread(p.broker.start)
                await asyncio.to_thread(lambda: until(lambda: all(get(e.http + "/health/ready").status == 200 for e in p.edges), "the edges"))
                await asyncio.to_thread(lambda: until(lambda: all(status(knock(e.port)[1]) == 429 for e in p.edges), "the counts to be told again"))
                await c.__aexit__()
                await asyncio.to_thread(lambda: until(lambda: status(knock(p.edges[0].port)[1]) == 101, "its place"))
                await a.__aexit__()
                await b.__aexit__()
            run(body())

    def test_a_drain_at_the_limit_moves_every_session_and_counts_it_once(self, tmp_path):
        with Pair(tmp_path, edge_flags=self.FLAGS, edges=2) as p:
            source, target = p.edges

            async def body():
                loop = asyncio.get_running_loop()
                readers = []
                for _ in range(3):
                    reader, writer = await bare_socket("127.0.0.1", source.port)
                    writer.write(masked(json.dumps(SUBSCRIBE).encode()))
                    frames = json_frames(reader)
                    async for frame in frames:
                        if frame["type"] == "subscribed":
                            break
                    readers.append((frames, writer))
                await loop.run_in_executor(None, lambda: until(lambda: status(knock(target.port)[1]) == 429, "the limit to be known"))
                assert request("POST", source.http + "/admin/drain", b'{"deadline_ms":20000}').status == 202
                moved = []
                for frames, old in readers:
                    ticket = None
                    async for frame in frames:
                        if frame["type"] == "status" and frame["status"] == "migrating":
                            ticket = frame["details"]["resume_token"]
                            break
                    new_reader, new = await bare_socket("127.0.0.1", target.port)
                    new.write(masked(json.dumps({"type": "connect", "ticket": ticket}).encode()))
                    outcome = None
                    async for frame in json_frames(new_reader):
                        assert frame["type"] not in ("closing", "error"), frame
                        if frame["type"] == "subscribed":
                            outcome = frame["outcome"]
                            break
                    assert outcome == "resumed"
                    moved.append((new, old))   # both sockets stay open for now
                # Two sockets each, three sessions: the next one without a ticket is one too many, now that its first frame tells.
                reader, writer = await bare_socket("127.0.0.1", target.port)
                writer.write(masked(json.dumps(SUBSCRIBE).encode()))
                async for frame in json_frames(reader):
                    if frame["type"] == "closing":
                        assert frame["code"] == 4429, frame
                        break
                for new, old in moved:
                    old.write(masked(b'{"type":"bye"}'))
                moved[0][0].close()

                async def room():
                    while True:
                        r, w = await bare_socket("127.0.0.1", target.port)
                        w.write(masked(json.dumps(SUBSCRIBE).encode()))
                        async for frame in json_frames(r):
                            if frame["type"] == "subscribed":
                                return
                            if frame["type"] == "closing":
                                break
                        w.close()
                        await asyncio.sleep(0.1)
                await asyncio.wait_for(room(), 15)
            run(body())


class TestQuestions:
    PATHS = ("/v1/incidents?channel=t/q", "/v1/incidents/A?channel=t/q", "/v1/channels/t/q", "/v1/channels/t/q/updates")

    def test_each_is_a_message_and_too_many_are_429_counted_and_audited(self, tmp_path):
        flags = ["--limits-client-messages-per-s", "5", "--limits-burst-ms", "2000", "--log-audit-file", tmp_path / "audit"]
        with Pair(tmp_path, edge_flags=flags) as p:
            post_json(p.edge.http + "/v1/updates", {"channel": "t/q", "key": "A", "incident": {"title": "t"}})
            replies = [get(p.edge.http + self.PATHS[n % 4]) for n in range(40)]
            assert {r.status for r in replies} == {200, 429}
            over = [r for r in replies if r.status == 429]
            assert len(over) >= 20 and all(int(r.headers["retry-after"]) >= 1 and r.json()["code"] == "too_many" for r in over)
            assert limited(p.edge, "messages") == len(over)

            def audited():
                lines = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
                return sum(e["metadata"]["outcome"] == "messages" and "messages a second" in e["error_details"] for e in lines)
            until(lambda: audited() == len(over), "a line of the audit log for each")
            for path in ("/health", "/health/ready", "/metrics", "/"):
                assert get(p.edge.http + path).status == 200, "what operators look at is no client's question"
            until(lambda: get(p.edge.http + self.PATHS[0]).status == 200, "the rate to allow another", pause=0.5)

    def test_by_subject_and_tenant_and_who_shows_no_good_token_spends_nobodys(self, tmp_path):
        (tmp_path / "secret").write_text(SECRET)
        flags = ["--limits-subject-messages-per-s", "4", "--limits-tenant-messages-per-s", "8", "--limits-burst-ms", "10000", "--auth-key-file", tmp_path / "secret"]

        def ask(subject, tenant, count):
            return [get(p.edge.http + self.PATHS[2], headers=bearer(token(subject, tenant=tenant))).status for _ in range(count)]
        with Pair(tmp_path, edge_flags=flags) as p:
            for _ in range(60):
                assert get(p.edge.http + self.PATHS[2], headers=bearer("a.b.c")).status == 401
            assert ask("ann", "acme", 50).count(429) in range(5, 11)
            assert ask("bob", "acme", 45).count(429) in range(1, 6), "the tenant's, too"
            assert 429 not in ask("eve", "other", 30)
            assert limited(p.edge, "messages") > 0


class TestReload:
    def test_limits_proxies_and_origins_follow_their_file(self, tmp_path):
        config = tmp_path / "tocsin.yaml"
        config.write_text("{}\n")
        with Pair(tmp_path, edge_flags=["--config", config, "--admin-loopback"]) as p:
            port = p.edge.port
            before = [knock(port, "127.0.0.2") for _ in range(3)]
            assert [status(a) for _, a in before] == [101] * 3

            def reload(text):
                config.write_text(text)
                return request("POST", p.edge.http + "/admin/reload")
            assert reload("limits:\n  connections_per_ip: 2\norigin:\n  allowed: ['https://a.example']\n").status == 200
            after = [knock(port, "127.0.0.2") for _ in range(3)]
            assert [status(a) for _, a in after] == [101, 101, 429], "who was there before is not counted, and stays"
            assert status(knock(port, "127.0.0.3", "Origin: https://b.example\r\n")[1]) == 403
            refused = reload("limits:\n  exempt: [10.0.0.1/8]\nproxy:\n  trusted: [127.0.0.1]\n")
            assert refused.status == 400 and "limits.exempt" in refused.body.decode(), refused
            assert status(knock(port, "127.0.0.3", "Origin: https://b.example\r\n")[1]) == 403, "all of it or nothing"
            for s, _ in [*before, *after]:
                s.close()
            assert reload("proxy:\n  trusted: [127.0.0.1]\nlimits:\n  connections_per_ip: 1\n").status == 200
            keep = knock(port, more="X-Forwarded-For: 192.0.2.1\r\n")
            assert status(keep[1]) == 101 and status(knock(port, more="X-Forwarded-For: 192.0.2.1\r\n")[1]) == 429
