"""tocsinctl revoke against real processes (PROTOCOL 9.7): everywhere at once, for edges that come later too, and after the broker's death."""
import asyncio
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from support.client import Client
from support.cluster import Cluster
from support.http import get, request
from support.programs import run_program
from support.proto_client import ProtoClient
from support.tokens import SECRET, bearer, encoded, token
from support.wait import run, until


@pytest.fixture
def guarded(tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    with Cluster(tmp_path / "c", edges=2, config=f"auth:\n  key_file: {tmp_path / 'secret'}\n") as cluster:
        yield cluster


def status(edge, text):
    return get(edge["http"] + "/v1/channels/t/none", headers=bearer(text)).status   # 404: let in


def publish(http, text, key):
    body = json.dumps({"channel": "t/a", "key": key, "incident": {"title": "t"}}).encode()
    return request("POST", http + "/v1/updates", body, {"Content-Type": "application/json", **bearer(text)})


def test_everywhere_at_once_and_for_good(guarded, tmp_path):
    async def body():
        eve, bob = token("eve", jti="e1"), token("bob", jti="b1")
        clients = []
        for door, edge, text in ((Client, 0, eve), (ProtoClient, 1, eve), (Client, 1, bob)):
            c = await door(guarded.edge(edge)["ws"]).open()
            await c.connect(token=text)
            await c.subscribe("a", "t/a")
            clients.append(c)
        (tmp_path / "eve").write_text(eve)
        done = await asyncio.to_thread(guarded.ctl, "revoke", "--token", str(tmp_path / "eve"))
        assert done.code == 0, done
        # The command has returned: every edge knows, and nothing more is delivered.
        assert (await asyncio.to_thread(publish, guarded.edge()["http"], bob, "K")).status == 200
        for c in clients[:2]:
            assert await c.wait_closed(5) == 4401
            assert [f["reason"].endswith("the token was revoked") for f in c.frames if f["type"] == "closing"] == [True]
            assert not c.streams["a"].updates
        await clients[2].reached("a", 1)
        for edge in guarded.edges:
            assert (status(edge, eve), status(edge, bob)) == (401, 404)
            assert publish(edge["http"], eve, "K").status == 401
        for c in clients:
            await c.close()
    run(body())
    eve, bob = token("eve", jti="e1"), token("bob", jti="b1")
    assert guarded.ctl("revoke", "--subject", "bob", "--for", "1h").code == 0
    assert "bob" in guarded.ctl("revoke", "--list").out
    later = token("bob", iat=int(time.time()) + 5)
    for which in ("broker", "edge-0"):
        pid = guarded.kill(which)
        until(lambda: guarded.pid_of(which) != pid, f"{which} to be back", 20)
        guarded.wait_ready()
        for edge in guarded.edges:
            assert (status(edge, eve), status(edge, bob), status(edge, later)) == (401, 401, 404), which
    assert guarded.ctl("scale", "3", "--wait", timeout=60).code == 0
    assert (status(guarded.edge(2), eve), status(guarded.edge(2), later)) == (401, 404)


def test_what_cannot_be_revoked_is_told(guarded, tmp_path):
    (tmp_path / "none").write_text("no token\n")
    (tmp_path / "nameless").write_text(token())
    for args in ((), ("--token", tmp_path / "none"), ("--token", tmp_path / "nameless"), ("--subject", ""), ("--subject", "x", "--for", "soon")):
        done = guarded.ctl("revoke", *map(str, args))
        assert done.code == 2 and "tocsinctl: " in done.err, done
    http = guarded.edge()["http"]
    for body in (b"", b"{}", b'{"subjects":[]}', b'{"subjects":["a"],"until":1}', b'{"subject":["a"]}', b'{"token_ids":[1]}'):
        admin = guarded.info()["supervisor"]["token_file"]
        reply = request("POST", http + "/admin/revoke", body, bearer(open(admin).read().strip()))
        assert reply.status == 400, (body, reply)
    assert request("POST", http + "/admin/revoke", b'{"subjects":["a"]}', bearer(token())).status in (401, 403)
    operator = bearer(token(permissions={"admin": ["*"]}))
    assert request("POST", http + "/admin/revoke", b'{"subjects":["a"],"for_s":60}', operator).json() == {"revoked": 1}
    assert get(http + "/admin/revocations", headers=operator).json()["revocations"][0]["subject"] == "a"


class Issuer:
    """A JWK set by HTTP that changes, breaks and dies."""

    def __init__(self):
        issuer = self
        self.answer, self.asked = (200, b""), 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                status, body = issuer.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def lists(self, *keys):
        self.answer = (200, json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x} for kid, x in keys]}).encode())


def test_keys_by_url(tmp_path):
    def listed(kid):
        der = subprocess.run(["openssl", "pkey", "-in", tmp_path / kid, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        return kid, encoded(der[-32:])

    def signed(kid):
        done = run_program("tocsinctl", "token", "mint", "--key-file", tmp_path / kid, "--kid", kid, "--subject", "bob", "--channels", "*")
        assert done.code == 0, done
        return done.out.strip()
    for kid in ("old", "new"):
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / kid], check=True, capture_output=True)
    issuer = Issuer()
    issuer.answer = (503, b"")
    config = f"auth:\n  jwks_url: {issuer.url}\n  jwks_refresh_ms: 60000\n  jwks_floor_ms: 200\n  jwks_keep_ms: 60000\n"
    with Cluster(tmp_path / "c", edges=1, config=config) as cluster:
        edge = cluster.edge()
        assert status(edge, signed("old")) == 503
        issuer.lists(listed("old"))
        until(lambda: status(edge, signed("old")) == 404, "the keys to be fetched", 15)
        assert status(edge, signed("new")) == 401
        issuer.lists(listed("new"))
        until(lambda: status(edge, signed("new")) == 404, "the new key to be fetched when it is named", 15)
        assert status(edge, signed("old")) == 404   # kept for a while
        asked = issuer.asked
        for answer in ((200, b"{"), (500, b""), (200, b'{"keys":[]}')):
            issuer.answer = answer
            before = issuer.asked
            status(edge, token(header={"alg": "EdDSA", "kid": "unknown"}))
            until(lambda: issuer.asked > before, "another fetch", 15)
            assert (status(edge, signed("old")), status(edge, signed("new"))) == (404, 404)
        issuer.server.shutdown()
        issuer.server.server_close()
        assert status(edge, token(header={"alg": "EdDSA", "kid": "unknown"})) == 401
        assert (status(edge, signed("old")), status(edge, signed("new"))) == (404, 404)
        assert "those known stay in use" in cluster.logs() and asked < issuer.asked
