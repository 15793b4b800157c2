"""TLS at the edge: every door over it, the versions and ciphers it speaks, and what a wrong file is told at the start."""
import asyncio
import json
import socket
import ssl

import pytest

from support.client import Client
from support.cluster import Cluster
from support.http import get, post_lines, request
from support.process import Edge, Pair
from support.programs import run_program
from support.tls import Authority, openssl
from support.wait import run, until

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory, authority):
    with Pair(tmp_path_factory.mktemp("tls"), edge_flags=authority.flags()) as p:
        yield p


def shake(edge, context):
    """One handshake: version, cipher, ALPN and the tickets that came with the answer to a request."""
    with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as plain, context.wrap_socket(plain, server_hostname="localhost") as s:
        s.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := s.recv(4096):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200"), answer
        return s.version(), s.cipher()[0], s.selected_alpn_protocol(), s.session.has_ticket if s.session else False


def test_every_door_works_over_tls(pair, authority):
    edge, tls = pair.edge, authority.client()
    assert edge.ready()["http"].startswith("https://") and edge.ready()["ws"].startswith("wss://")

    async def body():
        async with Client(edge.ws, "a", ssl=tls) as a:
            await a.subscribe("s", "t/doors")
            reply = await asyncio.to_thread(post_lines, edge.http + "/v1/updates?channel=t/doors", [{"key": f"K{i}", "incident": {"title": "x" * 500}} for i in range(300)],
                                            tls=tls)
            assert reply.status == 200 and len(reply.json()["results"]) == 300, reply
            stream = await a.reached("s", 300)
            assert stream.offsets() == list(range(1, 301))
            answer = await a.publish("p", channel="t/doors", key="K1", incident={"title": "over wss"})
            assert answer["type"] == "published"
            await a.reached("s", 301)
    run(body())

    with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as plain, tls.wrap_socket(plain, server_hostname="localhost") as s:
        s.sendall(b"GET /v1/events?channel=t/doors&snapshot=true HTTP/1.1\r\nHost: a\r\n\r\n")
        text = b""
        while b'"last":true' not in text:
            piece = s.recv(65536)
            assert piece, text[-500:]
            text += piece
        assert b"text/event-stream" in text and b"over wss" in text
    assert get(edge.http + "/v1/incidents?channel=t/doors&limit=1000", tls=tls).json()["incidents"]
    assert get(edge.http + "/health/ready", tls=tls).status == 200
    assert "tocsin_edge_active_connections" in get(edge.http + "/metrics", tls=tls).body.decode()
    assert request("GET", edge.http + "/nowhere", tls=tls).status == 404


def test_versions_ciphers_and_alpn(pair, authority):
    version, cipher, _, ticket = shake(pair.edge, authority.client(minimum=V12, maximum=V12))
    assert version == "TLSv1.2" and cipher.startswith("ECDHE-") and ("GCM" in cipher or "POLY1305" in cipher) and not ticket
    assert shake(pair.edge, authority.client(minimum=V13))[0] == "TLSv1.3"
    browser = authority.client()
    browser.set_alpn_protocols(["h2", "http/1.1"])
    assert shake(pair.edge, browser)[2] == "http/1.1", "raw frames must never meet HTTP/2"
    for weak in ("AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256"):
        client = authority.client(minimum=V12, maximum=V12)
        client.set_ciphers(weak + ":@SECLEVEL=0")
        with pytest.raises(ssl.SSLError):
            shake(pair.edge, client)
    old = authority.client()
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        shake(pair.edge, old)
    with pytest.raises(OSError):
        get(pair.edge.http.replace("https", "http") + "/health")   # plain text on the TLS port is cut, not answered
    assert shake(pair.edge, authority.client())[0] == "TLSv1.3", "the edge goes on after all that"


def test_min_version_and_an_rsa_key(tmp_path, authority):
    with Pair(tmp_path, edge_flags=[*authority.flags("rsa", algorithm=("rsa:2048",)), "--tls-min-version", "1.3"]) as p:
        assert shake(p.edge, authority.client())[0] == "TLSv1.3"
        with pytest.raises(ssl.SSLError):
            shake(p.edge, authority.client(minimum=V12, maximum=V12))


def spoil(folder, authority, how):
    """(flags, what the complaint says) of one way to get it wrong."""
    cert, key = authority.issue("good")
    other_cert, _ = authority.issue("other")
    rsa_cert, rsa_key = authority.issue("rsa2", algorithm=("rsa:2048",))
    empty, locked = folder / "empty.pem", folder / "locked.key"
    empty.write_text("")
    openssl("pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked)
    cert_flag, key_flag = "--tls-cert-file", "--tls-key-file"
    return {"no key": ([cert_flag, cert], ["tls.key_file is missing"]),
            "no certificate": ([key_flag, key], ["tls.cert_file is missing"]),
            "missing certificate": ([cert_flag, folder / "nowhere.pem", key_flag, key], ["tls.cert_file", "nowhere.pem", "No such file"]),
            "missing key": ([cert_flag, cert, key_flag, folder / "nowhere.key"], ["tls.key_file", "nowhere.key", "No such file"]),
            "empty certificate": ([cert_flag, empty, key_flag, key], ["tls.cert_file", "BEGIN CERTIFICATE"]),
            "key for certificate": ([cert_flag, key, key_flag, key], ["tls.cert_file", "BEGIN CERTIFICATE"]),
            "certificate for key": ([cert_flag, cert, key_flag, cert], ["tls.key_file", "BEGIN PRIVATE KEY"]),
            "another's key": ([cert_flag, other_cert, key_flag, key], ["tls.key_file", "is not the key of the certificate", other_cert.name]),
            "another kind of key": ([cert_flag, rsa_cert, key_flag, key], ["tls.key_file", "is not the key of the certificate"]),
            "locked key": ([cert_flag, cert, key_flag, locked], ["tls.key_file", "passphrase", "openssl pkey"]),
            "ciphers": ([cert_flag, cert, key_flag, key, "--tls-ciphers", "NOTHING"], ["tls.ciphers", "NOTHING"])}[how]


@pytest.mark.parametrize("how", ["no key", "no certificate", "missing certificate", "missing key", "empty certificate", "key for certificate",
                                 "certificate for key", "another's key", "another kind of key", "locked key", "ciphers"])
def test_a_wrong_file_is_told_in_a_sentence(tmp_path, authority, how):
    flags, words = spoil(tmp_path, authority, how)
    edge = Edge(tmp_path, "tcp://127.0.0.1:1", *flags)
    edge.start(wait=False)
    assert edge.wait_exit() == 2, edge.tail()
    sentence = edge.text().strip().splitlines()[-1]
    assert sentence.startswith("tocsin-edge: ") and all(word in sentence for word in words), sentence


def test_an_ended_certificate_is_served_with_a_warning(tmp_path, authority):
    cert, key = authority.issue("short", days=1)
    with Pair(tmp_path, edge_flags=["--tls-cert-file", cert, "--tls-key-file", key]) as p:
        warned = [json.loads(line) for line in p.edge.text().splitlines() if "certificate ends soon" in line]
        assert warned and warned[0]["level"] == "WARNING" and warned[0]["metadata"]["file"] == str(cert)


def test_a_cluster_with_tls_is_run_and_looked_at_by_tocsinctl(tmp_path, authority):
    cert, key = authority.issue("cluster")
    with Cluster(tmp_path / "c", edges=2, config=f"tls:\n  cert_file: {cert}\n  key_file: {key}\n") as cluster:
        assert all(e["http"].startswith("https://") and e["ws"].startswith("wss://") for e in cluster.edges)
        status = until(lambda: (s := cluster.ctl("status", "--json")).code == 0 and s, "the cluster to be ready by tocsinctl's eyes")
        assert all(p["ready"] for p in status.json()["processes"])
        published = cluster.ctl("--ca", authority.cert, "publish", "--key", "K1", "--set", "title=hello")
        assert published.code == 0, published
        tail = cluster.ctl("tail", "--ca", authority.cert, "--snapshot", "--until-quiet", "1s")
        assert tail.code == 0 and "K1" in tail.out, tail
        assert "K1" in cluster.ctl("--ca", authority.cert, "incidents").out
        stranger = cluster.ctl("publish", "--key", "K2", "--set", "title=hello")
        assert stranger.code == 5, stranger   # nobody answers as an edge whose certificate can be believed
        assert "K2" not in cluster.ctl("--ca", authority.cert, "incidents").out


def test_check_config_is_no_substitute_for_the_files(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("tls:\n  min_version: 1.1\n")
    checked = run_program("tocsinctl", "check-config", config)
    assert checked.code == 2 and "1.2 or 1.3" in checked.err + checked.out, checked
