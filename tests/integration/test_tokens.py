"""Tokens against real processes: every door asks for one, what it permits and no more, its end, its refresh, and keys that change (PROTOCOL 3.8, 9)."""
import asyncio
import json
import time

import pytest

from support.client import Client
from support.cluster import Cluster
from support.http import get, post_json, post_lines, request
from support.programs import run_program
from support.wait import run, until

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    (folder / "secret").write_text(SECRET + "\n")
    return folder


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, keys):
    config = (f"auth:\n  key_file: {keys / 'secret'}\n  audience: tocsin\n  leeway_ms: 0\n  grace_ms: 1500\n"
              "session:\n  beacon_ms: 300\n  connect_timeout_ms: 1000\n")
    with Cluster(tmp_path_factory.mktemp("guarded"), edges=2, config=config) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def mint(keys):
    def make(subject="bob", channels="t/*", publish="t/*", expires="1h", audience="tocsin", secret="secret", more=()):
        done = run_program("tocsinctl", "token", "mint", "--secret-file", keys / secret, "--subject", subject, "--channels", channels,
                           "--publish", publish, "--expires", expires, "--audience", audience, *more)
        assert done.code == 0, done
        return done.out.strip()
    return make


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def publish(url, channel, token, key="A"):
    body = json.dumps({"channel": channel, "key": key, "incident": {"title": "t"}}).encode()
    return request("POST", url + "/v1/updates", body, {"Content-Type": "application/json", **bearer(token)})


class TestHttp:
    def test_nothing_below_v1_without_a_token_and_health_as_ever(self, guarded):
        http = guarded.edge()["http"]
        for path in ("/v1/incidents", "/v1/incidents/A", "/v1/channels/t/a", "/v1/channels/t/a/updates", "/v1/events?channel=t/a"):
            reply = get(http + path)
            assert reply.status == 401 and reply.json()["code"] == "unauthorized", (path, reply)
            assert reply.headers["www-authenticate"] == "Bearer"
        assert post_json(http + "/v1/updates", {"key": "A", "incident": {"title": "t"}}).status == 401
        assert post_lines(http + "/v1/updates", [{"key": "A", "incident": {"title": "t"}}]).status == 401
        for path in ("/health", "/health/live", "/health/ready", "/metrics", "/"):
            assert get(http + path).status == 200, path

    def test_what_is_permitted_and_what_is_not(self, guarded, mint, channel):
        http, token = guarded.edge()["http"], mint()
        assert publish(http, channel, token).status == 200
        assert publish(http, "other", token).status == 403
        assert get(f"{http}/v1/incidents?channel={channel}", headers=bearer(token)).json()["incidents"][0]["title"] == "t"
        assert get(f"{http}/v1/incidents?channel={channel}&access_token={token}").status == 200
        assert get(f"{http}/v1/channels/{channel}", headers=bearer(token)).json()["last"] == 1
        for path in ("/v1/incidents", "/v1/incidents?channel=other", "/v1/incidents/A", "/v1/channels/other", "/v1/channels/other/updates",
                     "/v1/events?channel=other"):
            reply = get(http + path, headers=bearer(token))
            assert reply.status == 403 and reply.json()["code"] == "forbidden", (path, reply)
        assert get(http + "/v1/incidents/A", headers=bearer(mint(channels="*"))).status == 200
        mixed = request("POST", http + "/v1/updates", b'{"channel":"%s","key":"B","incident":{}}\n{"channel":"other","key":"B","incident":{}}\n'
                        % channel.encode(), {"Content-Type": "application/x-ndjson", **bearer(token)})
        first, second = mixed.json()["results"]
        assert first["position"]["offset"] == 2 and second["error"]["code"] == "forbidden"

    def test_tokens_that_are_none(self, guarded, mint, keys):
        (keys / "other").write_text("f" * 32)
        for token in ("x", "a.b.c", mint(audience="else"), mint(secret="other"), mint()[:-3] + "AAA",
                      "eyJhbGciOiJub25lIn0." + mint().split(".")[1] + "."):
            assert get(guarded.edge()["http"] + "/v1/channels/t/a", headers=bearer(token)).status == 401, token


class TestStream:
    def test_no_token_and_a_bad_one_close_with_4401(self, guarded, mint):
        async def body():
            ws = guarded.edge()["ws"]
            async with Client(ws, "silent") as c:
                assert await c.wait_closed() == 4401
            async with Client(ws, "asks") as c:
                await c.send(type="subscribe", id="a", channel="t/a")
                assert await c.wait_closed() == 4401
            async with Client(ws, "bad") as c:
                await c.send(type="connect", token="a.b.c")
                assert await c.wait_closed() == 4401
            async with Client(ws + "?access_token=a.b.c", "bad query") as c:
                assert await c.wait_closed() == 4401
        run(body())

    def test_each_way_to_show_it(self, guarded, mint, channel):
        async def body():
            ws, token = guarded.edge()["ws"], mint()
            for url, options, members in ((ws, {}, {"token": token}), (ws + "?access_token=" + token, {}, {}),
                                          (ws, {"extra_headers": bearer(token)}, {})):
                async with Client(url, **options) as c:
                    await c.connect(**members)
                    await c.subscribe("a", channel)
                    await c.send(type="subscribe", id="b", channel="other")
                    assert (await c.expect("error", id="b"))["code"] == "forbidden"
                    assert (await c.publish("p", channel="other", key="A", incident={}))["code"] == "forbidden"
                    assert (await c.publish("q", channel=channel, key="A", incident={}))["type"] == "published"
        run(body())

    def test_at_its_end_delivery_stops_and_a_refresh_keeps_the_position(self, guarded, mint, channel):
        async def body():
            ws, http, lasting = guarded.edge()["ws"], guarded.edge()["http"], mint()
            async with Client(ws, "does not refresh") as c:
                await c.connect(token=mint(expires="2s"))
                await c.subscribe("a", channel)
                assert await c.wait_closed() == 4401
                assert (await asyncio.to_thread(publish, http, channel, lasting)).status == 200
                assert not c.streams["a"].updates
            async with Client(ws, "refreshes in time") as c:
                await c.connect(token=mint(expires="2s"))
                stream = await c.subscribe("a", channel)
                await c.send(type="refresh", token=mint())
                head = stream.start
                await asyncio.to_thread(publish, http, channel, lasting, "B")
                await c.reached("a", head + 1)
                assert [f for f in c.frames if f["type"] == "subscribed"] == [await c.expect("subscribed")]
        run(body())

    def test_a_session_is_its_subjects_on_every_edge(self, guarded, mint, channel):
        async def body():
            async with Client(guarded.edge(0)["ws"]) as c:
                await c.connect(token=mint("bob"))
                await c.subscribe("a", channel)
                ticket, session = c.welcome["ticket"], c.welcome["session"]
            async with Client(guarded.edge(1)["ws"], "eve") as c:
                assert (await c.connect(token=mint("eve"), ticket=ticket))["resumed"] is False
                assert (await c.expect("error"))["reason"] == "foreign"
            async with Client(guarded.edge(1)["ws"], "bob") as c:
                assert (await c.connect(token=mint("bob", channels="t/none"), ticket=ticket))["session"] == session
                assert (await c.expect("error", id="a"))["code"] == "forbidden"
        run(body())


class TestKeys:
    def test_a_new_key_counts_without_a_restart_and_a_spoiled_set_changes_nothing(self, tmp_path, mint):
        import base64

        def jwks(*kids):
            return json.dumps({"keys": [{"kty": "oct", "kid": kid, "k": base64.urlsafe_b64encode((kid * 32).encode()).decode().rstrip("=")} for kid in kids]})

        def by(kid):
            (tmp_path / kid).write_text(kid * 32)
            return mint(secret=tmp_path / kid, more=("--kid", kid))
        file = tmp_path / "jwks.json"
        file.write_text(jwks("o"))
        with Cluster(tmp_path / "c", edges=1, config=f"auth:\n  jwks_file: {file}\n") as cluster:
            def status(kid):   # 404: let in, and there is no such channel
                return get(cluster.edge()["http"] + "/v1/channels/t/none", headers=bearer(by(kid))).status
            assert (status("o"), status("n")) == (404, 401)
            file.write_text(jwks("o", "n"))
            until(lambda: status("n") == 404, "the new key to count", 10)
            file.write_text("{")
            until(lambda: "stay in use" in cluster.logs(), "the spoiled set to be told", 10)
            assert (status("o"), status("n")) == (404, 404)
            file.write_text(jwks("n"))
            until(lambda: status("o") == 401, "the old key to end", 10)
            assert status("n") == 404


class TestManyAtOnce:
    def test_tokens_that_end_together_stop_those_who_do_not_refresh_and_nobody_else(self, guarded, channel, tmp_path):
        from support.tokens import token
        from test_load import load
        ends = int(time.time()) + 6
        (tmp_path / "short").write_text("\n".join(token(f"s{i}", lasts=0, exp=ends, aud="tocsin") for i in range(100)))
        (tmp_path / "long").write_text("\n".join(token(f"s{i}", aud="tocsin") for i in range(100)))
        seen = load(guarded.edge()["http"].removeprefix("http://"), "--connections", 100, "--rate", 50, "--channel", channel, "--token-file", tmp_path / "short",
                    "--refresh-file", tmp_path / "long", "--refresh-after", 0.5, "--expires-at", ends, ok=False, seconds=10)
        assert (seen["opened"], seen["expired"], seen["late"], seen["closed_early"], seen["refused"]) == (100, 50, 0, 0, 0), seen
        assert (seen["gaps"], seen["duplicates"], seen["lost"], seen["errors"]) == (0, 0, 0, 0) and seen["deliveries"] >= 50 * (seen["published"] - 1), seen
