"""Forged and misused tokens at every door of an edge (PROTOCOL 9.3): each is refused for its own reason, counted and audited; memory stays
bounded and an honest client notices nothing. Attackers come from 127.0.67.0/24."""
import asyncio
import hashlib
import hmac
import http.client
import itertools
import json
import subprocess
import time

import pytest
from websockets.exceptions import ConnectionClosed

from support.client import Client
from support.http import get, request
from support.process import Pair, rss
from support.programs import run_program
from support.tokens import SECRET, bearer, encoded, token
from support.wait import run, until

GROWTH = 24 << 20
TOO_LONG = "the token is too long"
OTHER_KEY = "the token's algorithm is that of no key here"
_evil = itertools.cycle(range(1, 250))


def openssl(*args):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Keys of three kinds in one set: what HS256 is verified with stands beside public keys."""
    folder = tmp_path_factory.mktemp("confusion")
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", folder / "r")
    openssl("genpkey", "-algorithm", "ed25519", "-out", folder / "e")
    for kid in ("r", "e"):
        openssl("pkey", "-in", folder / kid, "-pubout", "-out", folder / f"{kid}.pem")
    n = bytes.fromhex(openssl("rsa", "-in", folder / "r", "-noout", "-modulus").decode().strip().split("=")[1])
    x = openssl("pkey", "-in", folder / "e", "-pubout", "-outform", "DER")[-32:]
    keys = [{"kty": "RSA", "kid": "r", "n": encoded(n), "e": "AQAB"}, {"kty": "OKP", "crv": "Ed25519", "kid": "e", "x": encoded(x)},
            {"kty": "oct", "kid": "h", "k": encoded(SECRET.encode())}]
    (folder / "jwks").write_text(json.dumps({"keys": keys}))
    (folder / "raw").mkdir()
    for name, data in (("n", n), ("x", x), ("jwk", json.dumps(keys[0]).encode()), ("set", (folder / "jwks").read_bytes()),
                       ("pem", (folder / "r.pem").read_bytes()), ("pem without its end", (folder / "r.pem").read_bytes().strip()),
                       ("der", openssl("pkey", "-in", folder / "r", "-pubout", "-outform", "DER")), ("ed pem", (folder / "e.pem").read_bytes()), ("nothing", b"")):
        (folder / "raw" / name).write_bytes(data)
    (folder / "admin").write_text("the-secret-of-the-operators\n")
    return folder


@pytest.fixture(scope="module")
def pair(folder):
    flags = ["--auth-jwks-file", folder / "jwks", "--auth-audience", "tocsin", "--auth-issuer", "us", "--auth-leeway-ms", "0", "--admin-token-file", folder / "admin",
             "--log-audit-file", folder / "audit", "--log-level", "error", "--session-connect-timeout-ms", "2000"]
    with Pair(folder, edge_flags=flags) as p:
        yield p


H = {"alg": "HS256", "typ": "JWT", "kid": "h"}
SAYS = {"aud": "tocsin", "iss": "us"}


def good(subject="mallory", **more):
    return token(subject, header=H, **{**SAYS, "permissions": {"subscribe": ["*"], "publish": ["*"], "admin": ["*"]}, **more})


def signed(header, payload, key=SECRET.encode()):
    """Header and payload are texts, for what no JSON library would write."""
    text = encoded(header.encode()) + "." + encoded(payload.encode())
    return text + "." + encoded(hmac.new(key, text.encode(), hashlib.sha256).digest())


def forgeries(folder):
    """Name -> (token, why it is refused)."""
    head, now = json.dumps(H), time.time()
    body = json.dumps({"sub": "root", "exp": now + 3600, **SAYS, "permissions": {"subscribe": ["*"], "publish": ["*"], "admin": ["*"]}})
    payload = encoded(body.encode())
    out = {}
    for name in ("none", "None", "NONE", "nOnE", ""):
        header = encoded(json.dumps({"alg": name, "kid": "h"}).encode())
        out[f"alg {name!r}"] = (f"{header}.{payload}.", "the token's algorithm is not allowed")
    out["alg none, signed"] = (signed('{"alg":"none","kid":"h"}', body), "the token's algorithm is not allowed")
    out["alg HS512"] = (signed('{"alg":"HS512","kid":"h"}', body), "the token's algorithm is not allowed")
    for file in sorted((folder / "raw").iterdir()):
        for kid in ("r", "e"):
            out[f"HS256 by {file.name}, kid {kid}"] = (signed(json.dumps({"alg": "HS256", "kid": kid}), body, file.read_bytes()), OTHER_KEY)
        out[f"HS256 by {file.name}, no kid"] = (signed('{"alg":"HS256"}', body, file.read_bytes()), "the token's signature is not valid")
    for algorithm in ("RS256", "EdDSA", "ES256"):
        out[f"{algorithm} by the secret"] = (signed(json.dumps({"alg": algorithm, "kid": "h"}), body), OTHER_KEY)
    out["EdDSA of the other kind's kid"] = (signed('{"alg":"EdDSA","kid":"r"}', body), OTHER_KEY)
    out["unknown kid"] = (signed('{"alg":"HS256","kid":"zz"}', body), "the token's key is not known here")
    out["kid is a path"] = (signed('{"alg":"HS256","kid":"../../dev/null"}', body, b""), "the token's key is not known here")
    out["kid no text"] = (signed('{"alg":"HS256","kid":["h"]}', body), 'the token\'s "kid" is no key\'s name')
    out["key of its own"] = (signed(json.dumps({"alg": "HS256", "kid": "zz", "jwk": {"kty": "oct", "kid": "zz", "k": encoded(b"k" * 32)}}), body, b"k" * 32),
                             "the token's key is not known here")
    out["crit"] = (signed('{"alg":"HS256","kid":"h","crit":["exp"]}', body), "the token has critical members that are not understood")
    out["header member twice"] = (signed('{"alg":"none","alg":"HS256","kid":"h"}', body), "the token's header names a member twice")
    out["claim twice"] = (signed(head, '{"sub":"bob",' + body[1:]), "the token's payload names a member twice")
    out["claim twice, escaped"] = (signed(head, '{"\\u0073ub":"bob",' + body[1:]), "the token's payload names a member twice")
    out["another type"] = (signed('{"alg":"HS256","kid":"h","typ":"secevent+jwt"}', body), "the token is of another type")
    for name, more, why in (("audience", {"aud": "else"}, "the token is for another audience"), ("audience in parts", {"aud": ["toc", "sin"]}, "the token is for another audience"),
                            ("no audience", {"aud": None}, "the token is for another audience"), ("issuer", {"iss": "them"}, "the token is another issuer's"),
                            ("expired", {"exp": now - 1}, "the token has expired"), ("not yet", {"nbf": now + 60}, "the token is not valid yet"),
                            ("never ends", {"exp": 1e30}, '"exp" is no date'), ("no subject", {"sub": ""}, 'the token has no "sub"')):
        out[f"wrong: {name}"] = (good(**more), why)
    out["payload of another"] = (".".join([good().split(".")[0], payload, good().split(".")[2]]), "the token's signature is not valid")
    out["no signature"] = (good().rsplit(".", 1)[0] + ".", "the token's signature is not valid")
    out["two parts"] = (good().rsplit(".", 1)[0], "the token does not have three parts")
    out["four parts"] = (good() + ".e30", "the token does not have three parts")
    out["too long"] = (good(x="x" * 8192), TOO_LONG)
    return out


def asked(p, method, path, body=None, headers=None):
    """One request of an attacker: status and what the answer says of why. None: cut off."""
    connection = http.client.HTTPConnection("127.0.0.1", p.edge.port, timeout=10, source_address=(f"127.0.67.{next(_evil)}", 0))
    try:
        connection.request(method, path, body=body, headers=headers or {})
        reply = connection.getresponse()
        data = reply.read(65536) if reply.status != 200 or "event-stream" not in reply.headers["content-type"] else b""
        return reply.status, json.loads(data)["detail"] if data and "problem" in reply.headers["content-type"] else ""
    except (http.client.HTTPException, OSError):
        return None, ""
    finally:
        connection.close()


def socket_of(p, path="", headers=None, frame=None):
    async def body():
        try:
            async with Client(p.edge.ws + path, "evil", extra_headers=headers, local_addr=(f"127.0.67.{next(_evil)}", 0)) as c:
                try:
                    await c.send(**(frame or {"type": "connect"}))
                except ConnectionClosed:
                    pass   # for what came with the upgrade
                answer = await c.until(lambda: next((f for f in c.frames if f["type"] in ("closing", "welcome")), None), "an answer")
                if answer["type"] == "welcome":
                    return 101, ""
                assert await c.wait_closed() == 4401
                return 401, answer["reason"].split(": ", 1)[1]
        except Exception as e:   # of the library: the upgrade was answered otherwise
            if type(e).__module__.startswith("websockets") or isinstance(e, (OSError, EOFError)):
                return getattr(e, "status_code", None), ""
            raise
    return run(body())


UPDATE = json.dumps({"channel": "c", "key": "K", "incident": {"title": "t"}})
JSON, LINES = {"Content-Type": "application/json"}, {"Content-Type": "application/x-ndjson"}
DOORS = {
    "WebSocket, header": lambda p, t: socket_of(p, headers=bearer(t)),
    "WebSocket, query": lambda p, t: socket_of(p, "?access_token=" + t),
    "WebSocket, first frame": lambda p, t: socket_of(p, frame={"type": "connect", "token": t}),
    "HTTP publish": lambda p, t: asked(p, "POST", "/v1/updates", UPDATE, {**JSON, **bearer(t)}),
    "HTTP publish of lines": lambda p, t: asked(p, "POST", "/v1/updates", UPDATE + "\n" + UPDATE, {**LINES, **bearer(t)}),
    "HTTP read": lambda p, t: asked(p, "GET", "/v1/incidents?channel=c", headers=bearer(t)),
    "SSE, header": lambda p, t: asked(p, "GET", "/v1/events?channel=c", headers=bearer(t)),
    "SSE, query": lambda p, t: asked(p, "GET", "/v1/events?channel=c&access_token=" + t),
    "admin": lambda p, t: asked(p, "POST", "/admin/uncordon", headers=bearer(t)),
}


def refused(p):
    return next(float(line.split()[1]) for line in get(p.edge.http + "/metrics").body.decode().splitlines() if line.startswith("tocsin_edge_tokens_refused_total "))


def audited(folder):
    """How often each reason is in the audit log."""
    out = {}
    for line in (folder / "audit").read_text().splitlines():
        event = json.loads(line)
        if event["client_ip"].startswith("127.0.67."):
            assert "eyJ" not in line, "a token is in the log"
            why = event.get("error_details", "")
            out[why] = out.get(why, 0) + 1
    return out


def beside_an_honest_client(p, attack):
    async def body():
        async with Client(p.edge.ws, "honest") as c:
            await c.connect(token=good("ann"))
            await c.subscribe("h", "honest")

            async def works():
                reply = await asyncio.to_thread(request, "POST", p.edge.http + "/v1/updates", json.dumps({"channel": "honest", "key": "K", "incident": {}}).encode(),
                                                {**JSON, **bearer(good("ann"))})
                assert reply.status == 200, reply
                await c.reached("h", reply.json()["results"][0]["position"]["offset"])
            await works()
            before = most = rss(p.edge.pid)
            running = asyncio.get_running_loop().run_in_executor(None, attack)
            while not running.done():
                await works()
                most = max(most, rss(p.edge.pid))
                await asyncio.sleep(0.05)
            await running
            await works()
            assert max(most, rss(p.edge.pid)) - before < GROWTH
            assert not c.closed.is_set() and [f["type"] for f in c.frames].count("subscribed") == 1
    run(body(), 120)


@pytest.mark.parametrize("door", DOORS)
def test_each_forgery_is_refused_for_its_own_reason(pair, folder, door):
    show, counted, told = DOORS[door], refused(pair), audited(folder)
    assert show(pair, good())[0] in (101, 200), "a good one is let in"
    wanted, tries = dict(told), 0

    def attack():
        nonlocal tries
        for name, (text, why) in forgeries(folder).items():
            status, said = show(pair, text)
            if why == TOO_LONG and "frame" not in door:   # the request's head may not be that long
                assert status is None or 400 <= status < 500, (name, status)
                continue
            if door == "admin" and text.count(".") != 2:   # no token by its looks: the secret of an operator, a wrong one
                assert status == 401, name
                continue
            assert (status, said) == (401, why), name
            tries += 1
            wanted[why] = wanted.get(why, 0) + 1
    beside_an_honest_client(pair, attack)
    assert refused(pair) - counted == tries > 50
    until(lambda: all(audited(folder).get(why, 0) >= count for why, count in wanted.items()), "every refusal in the audit log")


def test_a_refresh_is_a_door_too(pair, folder):
    async def refresh(text, why):
        async with Client(pair.edge.ws, "evil") as c:
            await c.connect(token=good())
            await c.subscribe("a", "c")
            await c.send(type="refresh", token=text)
            assert await c.wait_closed() == 4401
            assert next(f for f in c.frames if f["type"] == "closing")["reason"].endswith(": " + why)

    async def body():
        for text, why in forgeries(folder).values():
            await refresh(text, why)
        await refresh(good("eve"), "a session is refreshed by its own subject only")
    run(body(), 60)


def test_a_token_counts_only_where_it_belongs(pair):
    fine = good()
    for path, headers in (("/v1/incidents", {"Cookie": f"access_token={fine}"}), ("/v1/incidents%3Faccess_token=" + fine, {}), ("/v1/incidents?Access_Token=" + fine, {}),
                          ("/v1/incidents?token=" + fine, {}), ("/v1/incidents?x=%26access_token=" + fine, {}), ("/v1/incidents", {"Authorization": "Basic " + fine}),
                          ("/v1/incidents", {"Authorization": fine}), ("/v1/incidents", {"X-Authorization": "Bearer " + fine}),
                          ("/v1/incidents?access_token=" + fine, bearer("a.b.c")), ("/v1/incidents", {"Referer": "/v1/stream?access_token=" + fine})):
        assert asked(pair, "GET", path, headers=headers)[0] in (401, 404), (path, headers)
    assert asked(pair, "POST", "/v1/updates", "access_token=" + fine, {"Content-Type": "application/x-www-form-urlencoded"})[0] == 401
    # Orders are written into no address: neither alone nor beside a header that only looks like a token's.
    for headers in ({}, {"Authorization": "Basic a.b.c"}, {"Authorization": "a.b.c"}, bearer("the-secret-of.the.operators")):
        for order in ("status", "revocations", "uncordon", "revoke"):
            method = "GET" if order in ("status", "revocations") else "POST"
            assert asked(pair, method, f"/admin/{order}?access_token={fine}", headers=headers)[0] == 401, (order, headers)
    assert asked(pair, "GET", "/admin/status?access_token=the-secret-of-the-operators")[0] == 401
    # Where none is asked for none is looked at.
    before = refused(pair)
    for path in ("/health", "/health/ready", "/metrics", "/"):
        assert asked(pair, "GET", path + "?access_token=a.b.c")[0] == 200, path
    assert refused(pair) == before


def test_very_many_forgeries_cost_no_memory(pair):
    """Each another token, long ones among them; and good ones, of which only so many are remembered."""
    def attack():
        for i in range(1500):
            text = token(f"s{i}", header={"alg": "HS256", "kid": f"k{i}"}, x="x" * (i % 3 * 1500), **SAYS)
            assert asked(pair, "GET", "/v1/incidents?channel=c", headers=bearer(text))[0] == 401
        for i in range(500):
            assert asked(pair, "GET", "/v1/incidents?channel=c", headers=bearer(good(f"s{i}")))[0] == 200
    beside_an_honest_client(pair, attack)


def test_a_mint_of_ours_is_let_in(pair, folder):
    """The control: the same keys, rightly used."""
    for kid in ("r", "e"):
        done = run_program("tocsinctl", "token", "mint", "--key-file", folder / kid, "--kid", kid, "--subject", "bob", "--channels", "*", "--audience", "tocsin", "--issuer", "us")
        assert done.code == 0, done
        assert asked(pair, "GET", "/v1/incidents?channel=c", headers=bearer(done.out.strip()))[0] == 200
