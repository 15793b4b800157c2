"""Certificates that are replaced while clients are connected, clients' own, the port that redirects, and the headers of answers."""
import asyncio
import os
import pathlib
import shutil
import socket
import ssl

import pytest

from support.client import Client
from support.http import get, request
from support.process import Pair, free_port
from support.programs import run_program
from support.tls import Authority
from support.wait import run


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def pair(tmp_path, authority):
    """An edge whose certificate lies in files of its own, `pair.cert` and `pair.key`, and a port that redirects."""
    cert, key = tmp_path / "edge.pem", tmp_path / "edge.key"
    for source, target in zip(authority.issue("first"), (cert, key)):
        shutil.copy(source, target)
    redirect = free_port()
    with Pair(tmp_path, edge_flags=["--tls-cert-file", cert, "--tls-key-file", key, "--tls-redirect-port", redirect, "--admin-loopback"]) as p:
        p.cert, p.key, p.plain = cert, key, f"http://127.0.0.1:{redirect}"
        yield p


def served(edge, context):
    """The common name of the certificate that a new handshake gets."""
    with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as plain, context.wrap_socket(plain, server_hostname="localhost") as s:
        return dict(pairs[0] for pairs in s.getpeercert()["subject"])["commonName"]


def replace(pair, files):
    for source, target in zip(files, (pair.cert, pair.key)):
        beside = pathlib.Path(f"{target}.new")
        shutil.copy(source, beside)
        os.replace(beside, target)


def reload(pair):
    return request("POST", pair.edge.http + "/admin/reload")


def days_left(pair):
    text = get(pair.edge.http + "/metrics").body.decode()
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith("tocsin_edge_tls_days_left ")))


def test_new_handshakes_get_the_new_certificate_and_clients_stay(pair, authority):
    tls = authority.client()

    async def body():
        async with Client(pair.edge.ws, "a", ssl=tls) as a, Client(pair.edge.ws, "b", ssl=tls) as b:
            for client in (a, b):
                await client.subscribe("s", "t/reload")
            assert await asyncio.to_thread(served, pair.edge, tls) == "first"
            assert 1 < days_left(pair) < 2.1
            # Another kind of key as well: nothing of the old pair may be left to be chosen.
            for number, (name, how) in enumerate((("second", {"days": 40}), ("third-rsa", {"algorithm": ("rsa:2048",)}), ("fourth", {}))):
                replace(pair, authority.issue(name, **how))
                reply = await asyncio.to_thread(reload, pair)
                assert reply.status == 200, reply
                for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                    assert await asyncio.to_thread(served, pair.edge, authority.client(minimum=version, maximum=version)) == name
                answer = await a.publish(f"p{number}", channel="t/reload", key="K1", incident={"title": name})
                assert answer["type"] == "published", answer
                for client in (a, b):
                    await client.reached("s", number + 1)
                if name == "second":
                    assert 39 < days_left(pair) < 40.1
            async with Client(pair.edge.ws, "late", ssl=tls) as late:
                stream = await late.subscribe("s", "t/reload")
                assert stream
    run(body())


def test_a_broken_pair_leaves_the_old_one(pair, authority):
    tls = authority.client()
    cert, _ = authority.issue("other")
    shutil.copy(cert, pair.cert)   # the key is still the first one's
    reply = reload(pair)
    assert reply.status == 400 and "tls.key_file" in reply.json()["detail"] and "is not the key" in reply.json()["detail"], reply
    assert served(pair.edge, tls) == "first"
    pair.cert.write_text("nonsense")
    assert "BEGIN CERTIFICATE" in reload(pair).json()["detail"]
    pair.cert.unlink()
    assert "No such file" in reload(pair).json()["detail"]
    assert served(pair.edge, tls) == "first" and get(pair.edge.http + "/health/ready", tls=tls).status == 200


def test_tls_is_not_switched_by_a_reload(tmp_path, authority):
    config = tmp_path / "c.yaml"
    config.write_text("")
    with Pair(tmp_path, edge_flags=["--config", config, "--admin-loopback"]) as p:
        cert, key = authority.issue("late")
        config.write_text(f"tls:\n  cert_file: {cert}\n  key_file: {key}\n")
        reply = reload(p)
        assert reply.status == 400 and "restart" in reply.json()["detail"], reply
        assert get(p.edge.http + "/health").status == 200


def test_clients_certificates(tmp_path, authority):
    strangers = Authority(tmp_path / "strangers")
    config = tmp_path / "c.yaml"
    config.write_text("tls:\n  client_certs: required\n")
    flags = [*authority.flags("server"), "--tls-ca-file", authority.cert, "--config", config, "--admin-loopback"]

    def ask(edge, files, version):
        tls = authority.client(minimum=version, maximum=version)
        if files:
            tls.load_cert_chain(*map(str, files))
        return get(edge.http.replace("127.0.0.1", "localhost") + "/health/live", tls=tls).status

    with Pair(tmp_path, edge_flags=flags) as p:
        known, stranger = authority.issue("client"), strangers.issue("client")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            assert ask(p.edge, known, version) == 200
            for files in (None, stranger):
                with pytest.raises(OSError):
                    ask(p.edge, files, version)
        config.write_text("tls:\n  client_certs: optional\n")
        tls = authority.client()
        tls.load_cert_chain(*map(str, known))
        assert request("POST", p.edge.http + "/admin/reload", tls=tls).status == 200
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            assert ask(p.edge, None, version) == 200 and ask(p.edge, known, version) == 200
            with pytest.raises(OSError):
                ask(p.edge, stranger, version)
        config.write_text("tls:\n  client_certs: none\n")
        assert request("POST", p.edge.http + "/admin/reload", tls=tls).status == 200
        assert ask(p.edge, stranger, ssl.TLSVersion.TLSv1_3) == 200


def test_the_plain_port_redirects_everything_but_health(pair):
    port = pair.edge.port
    for path in ("/health", "/health/live", "/health/ready?detailed=true"):
        reply = get(pair.plain + path)
        assert reply.status == 200 and "strict-transport-security" not in reply.headers, reply
    for method, path, status in (("GET", "/v1/incidents?limit=1", 301), ("HEAD", "/", 301), ("POST", "/v1/updates", 308), ("GET", "/metrics", 301),
                                 ("GET", "/admin/status", 301), ("GET", "//evil.example/", 301)):
        reply = request(method, pair.plain + path, headers={"Host": "status.example"}, body=b"{}" if method == "POST" else None)
        to = path.replace("//", "/")
        assert (reply.status, reply.headers["location"]) == (status, f"https://status.example:{port}{to}"), reply
    # A token that came in plain text is not carried on.
    assert "secret" not in get(pair.plain + "/v1/events?channel=a&access_token=secret").headers["location"]
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert request("GET", pair.plain + "/v1/stream", headers=upgrade).status == 301
    assert request("GET", pair.plain + "/", headers={"Host": "a\"b"}).status == 400


def test_behind_a_proxy_that_ends_tls(tmp_path):
    with Pair(tmp_path, edge_flags=["--http-https-only", "--proxy-trusted", "127.0.0.1"]) as p:
        def ask(path, proto):
            return get(p.edge.http + path, headers={"Host": "status.example", "X-Forwarded-For": "192.0.2.7", **({"X-Forwarded-Proto": proto} if proto else {})})
        for proto in ("http", None):
            reply = ask("/v1/incidents?limit=1", proto)
            assert (reply.status, reply.headers["location"]) == (301, "https://status.example/v1/incidents?limit=1"), reply
            assert "strict-transport-security" not in reply.headers and ask("/health", proto).status == 200
        reply = ask("/", "https")
        assert reply.status == 200 and "max-age" in reply.headers["strict-transport-security"], reply


def test_every_answer_has_its_headers(pair):
    for path, status in (("/", 200), ("/health", 200), ("/metrics", 200), ("/v1/incidents", 404), ("/nowhere", 404), ("/v1/stream", 426)):
        reply = get(pair.edge.http + path)
        assert reply.status == status, reply
        assert reply.headers["strict-transport-security"].startswith("max-age=31536000"), reply
        assert reply.headers["x-content-type-options"] == "nosniff" and reply.headers["referrer-policy"] == "no-referrer", reply
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"], reply
    assert "script-src 'self'" in get(pair.edge.http + "/").headers["content-security-policy"], "the board brings its own policy"
    broker = get(pair.broker.http + "/health")
    assert broker.headers["x-content-type-options"] == "nosniff" and "default-src 'none'" in broker.headers["content-security-policy"]


def test_cert_dev_and_cert_check(tmp_path, authority):
    made = run_program("tocsinctl", "cert", "dev", "localhost", "127.0.0.1", "--out", tmp_path / "dev")
    assert made.code == 0, made
    cert, key = tmp_path / "dev.pem", tmp_path / "dev.key"
    assert key.stat().st_mode & 0o077 == 0
    assert run_program("tocsinctl", "cert", "dev", "--out", tmp_path / "dev").code == 2, "nothing is replaced unasked"

    def check(*args):
        done = run_program("tocsinctl", "cert", "check", "--json", *args)
        return done.code, (done.json() if done.out else done.err)

    code, said = check(cert, "--key", key, "--ca", cert, "--host", "localhost", "--host", "127.0.0.1")
    assert code == 0 and said["days_left"] in (89, 90) and said["chain"][0]["names"] == ["localhost", "127.0.0.1"], said
    assert check(cert, "--ca", cert, "--days", "100")[0] == 12
    code, said = check(cert, "--key", key)
    assert code == 11 and "authority" in said["problems"][0], "nobody believes it by himself"
    assert check(cert, "--ca", cert, "--host", "elsewhere.example")[0] == 11

    issued, issued_key = authority.issue("checked")
    assert check(issued, "--key", issued_key, "--ca", authority.cert, "--days", "1")[0] == 0
    assert check(issued, "--key", key, "--ca", authority.cert, "--days", "1")[1]["problems"] == [
        "the key is not this certificate's: the files of one pair belong together"]
    backwards = tmp_path / "backwards.pem"
    backwards.write_text(authority.cert.read_text() + issued.read_text())
    assert any("order" in problem for problem in check(backwards, "--ca", authority.cert)[1]["problems"])
    chain = tmp_path / "chain.pem"
    chain.write_text(issued.read_text() + authority.cert.read_text())
    assert check(chain, "--ca", authority.cert, "--days", "1")[0] == 0
    for bad in (key, tmp_path / "nowhere.pem"):
        assert check(bad)[0] == 11
    config = tmp_path / "c.yaml"
    config.write_text(f"tls:\n  cert_file: {cert}\n  key_file: {key}\n")
    assert check("--config", config, "--ca", cert)[0] == 0

    with Pair(tmp_path / "p", edge_flags=["--tls-cert-file", cert, "--tls-key-file", key]) as p:
        tls = ssl.create_default_context(cafile=str(cert))
        assert get(p.edge.http + "/health/ready", tls=tls).status == 200


def test_health_says_why(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("limits:\n  clients_max: 2\n")
    flags = ["--config", config, "--admin-loopback", "--health-paths", "/websocket/health,/alive=live", "--link-silence-ms", "1500"]

    async def body(p):
        def look(path):
            reply = get(p.edge.http + path)
            return reply.status, reply.json()
        for path in ("/websocket/health", "/websocket/health/live", "/websocket/health/ready", "/alive", "/health/"):
            assert (await asyncio.to_thread(look, path))[0] == 200, path
        assert (await asyncio.to_thread(look, "/alive/ready"))[0] == 404
        status, said = await asyncio.to_thread(look, "/health/ready?detailed=true")
        assert status == 200 and [c["check"] for c in said["checks"]] == ["state", "broker", "capacity", "certificate"]
        assert all(c["ok"] for c in said["checks"]) and said["clients_max"] == 2 and said["uptime_seconds"] >= 0 and said["version"]
        async with Client(p.edge.ws, "a") as a, Client(p.edge.ws, "b") as b:
            await a.connect()
            await b.connect()
            for full, statuses in (("ready", [200, 200, 200]), ("not_ready", [200, 200, 503]), ("unhealthy", [200, 503, 503])):
                config.write_text(f"limits:\n  clients_max: 2\nhealth:\n  full: {full}\n")
                assert (await asyncio.to_thread(reload, p)).status == 200
                got = [await asyncio.to_thread(look, path) for path in ("/health/live", "/health", "/health/ready")]
                assert [g[0] for g in got] == statuses, (full, got)
                if full != "ready":
                    assert got[2][1]["status"] == "full" and "2 of 2" in got[2][1]["reason"], got
        config.write_text("health:\n  paths: [metrics]\n")
        refused = await asyncio.to_thread(request, "POST", p.edge.http + "/admin/reload")
        assert refused.status == 200, "the flag wins over the file"
        p.broker.kill()

        def alone():
            status, said = look("/websocket/health/ready?detailed=1")
            return status == 503 and said
        for _ in range(200):
            said = await asyncio.to_thread(alone)
            if said:
                break
            await asyncio.sleep(0.05)
        assert said and said["reasons"] and not next(c for c in said["checks"] if c["check"] == "broker")["ok"], said
        assert (await asyncio.to_thread(look, "/health"))[0] == 200
    with Pair(tmp_path, edge_flags=flags) as p:
        run(body(p))


@pytest.mark.parametrize("flag,value,words", [
    ("--health-paths", "healthz", ["health.paths", "/healthz"]), ("--health-paths", "/a=what", ["health.paths", "=ready"]),
    ("--health-paths", "/metrics", ["health.paths"]), ("--tls-redirect-port", "1", ["tls.redirect_port", "tls.cert_file"]),
    ("--tls-client-certs", "required", None)])
def test_what_cannot_be_is_told_at_the_start(tmp_path, authority, flag, value, words):
    flags = authority.flags("start") if words is None else []
    edge = Pair(tmp_path, edge_flags=[*flags, flag, value]).edge
    edge.start(wait=False)
    assert edge.wait_exit() == 2, edge.tail()
    sentence = edge.text().strip().splitlines()[-1]
    assert all(word in sentence for word in words or ["tls.ca_file is missing"]), sentence
