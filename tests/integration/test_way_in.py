"""Who comes in: addresses behind proxies, PROXY protocol, origins and hosts. Real edge, real sockets."""
import json
import socket
import struct

import pytest

from support.http import get, raw, request
from support.process import Edge, Pair, free_port
from support.wait import until

UPGRADE = ("GET /v1/stream HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n")
ADMIN = b"GET /admin/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n"


def upgrade(port, before=b"", host="a", **headers):
    """Status and text of the answer to an upgrade."""
    more = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(before + UPGRADE.format(host=host, more=more).encode())
        out = b""
        while b"\r\n\r\n" not in out:
            piece = s.recv(4096)
            if not piece:
                break
            out += piece
    return int(out.split()[1]) if out else 0, out.decode(errors="replace")


def v2(source=None, command=1):
    if source is None:
        return V2 + bytes([0x20, 0, 0, 0])
    body = socket.inet_aton(source) + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 1234, 443)
    return V2 + bytes([0x20 | command, 0x11]) + struct.pack("!H", len(body)) + body


def status_of(answer):
    return int(answer.split()[1]) if answer else 0


class TestForwarded:
    """/admin/ with admin.loopback shows whose address counts: only a caller on this host is let in."""

    def test_a_trusted_proxy_says_who_the_client_is_and_nobody_else(self, tmp_path):
        with Pair(tmp_path, edge_flags=["--admin-loopback"]) as p:
            def ask(port, *lines):
                return status_of(raw("127.0.0.1", port, ADMIN + "".join(f"{x}\r\n" for x in lines).encode() + b"\r\n"))
            assert ask(p.edge.port) == 200
            # Not configured: whatever was sent on by somebody is not from this host, whoever it names.
            assert ask(p.edge.port, "X-Forwarded-For: 127.0.0.1") == 403
            assert ask(p.edge.port, "X-Real-IP: 127.0.0.1") == 403
            assert ask(p.edge.port, "Forwarded: for=127.0.0.1") == 403
            assert ask(p.edge.port, "Via: 1.1 x") == 403
            trusting = Edge(tmp_path / "two", p.broker.endpoint, "--admin-loopback", "--proxy-trusted", "127.0.0.0/8", name="edge-1").start()
            try:
                assert ask(trusting.port) == 200
                assert ask(trusting.port, "X-Forwarded-For: 192.0.2.1") == 403
                assert ask(trusting.port, "X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 192.0.2.1") == 403
            finally:
                trusting.kill()


class TestProxyProtocol:
    def test_both_versions_in_pieces_and_whole(self, tmp_path):
        with Pair(tmp_path, edge_flags=["--proxy-trusted", "127.0.0.1", "--proxy-protocol", "required", "--admin-loopback"]) as p:
            port = p.edge.port
            for header in (b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n", v2("192.0.2.1")):
                assert upgrade(port, header)[0] == 101
                # From this host by its socket, from elsewhere by its header.
                assert status_of(raw("127.0.0.1", port, header + ADMIN + b"\r\n")) == 403
                with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    for byte in header + b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n":
                        s.sendall(bytes([byte]))
                    assert s.recv(4096).startswith(b"HTTP/1.1 200")
            for own in (b"PROXY UNKNOWN\r\n", v2()):
                assert status_of(raw("127.0.0.1", port, own + ADMIN + b"\r\n")) == 200, "the proxy speaks for itself"

    def test_without_a_good_header_nobody_of_a_trusted_network_gets_in(self, tmp_path):
        with Pair(tmp_path) as p:
            edge = Edge(tmp_path / "two", p.broker.endpoint, "--proxy-trusted", "127.0.0.1", "--proxy-protocol", "required",
                        "--limits-handshake-ms", "1000", name="edge-1").start()
            try:
                for start in (b"", b"PROXY TCP4 1.2.3.4\r\n", b"PROXY TCP4 999.0.0.1 10.0.0.1 1 2\r\n", V2 + b"\x31\x11\0\0",
                              V2 + b"\x21\x11\xff\xff", b"\x16\x03\x01\x02\x00", b"\0" * 64):
                    assert raw("127.0.0.1", edge.port, start + b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n") == b""
                # Half a header, and then nothing: closed in time, by the rule of all handshakes.
                assert raw("127.0.0.1", edge.port, b"PROXY TCP4 192.0.2.1") == b""
                ask = raw("127.0.0.1", edge.port, v2() + b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").decode()
                refused = next(x for x in ask.splitlines() if x.startswith("tocsin_edge_net_proxy_headers_refused_total "))
                assert refused.split()[-1] == "8", refused
            finally:
                edge.kill()

    def test_a_header_from_somebody_else_is_no_header(self, tmp_path):
        flags = ["--proxy-trusted", "192.0.2.0/24", "--proxy-protocol", "required", "--admin-loopback"]
        with Pair(tmp_path, edge_flags=flags) as p:
            assert upgrade(p.edge.port)[0] == 101, "others connect as ever"
            answer = raw("127.0.0.1", p.edge.port, b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n" + ADMIN + b"\r\n")
            assert status_of(answer) != 403, "from this host all the same, if it is answered at all"


class TestOrigin:
    def test_only_pages_of_listed_origins_connect(self, tmp_path):
        with Pair(tmp_path, edge_flags=["--origin-allowed", "https://app.example.com,https://*.example.org"]) as p:
            port = p.edge.port
            assert upgrade(port, Origin="https://app.example.com")[0] == 101
            assert upgrade(port, Origin="https://a.b.example.org")[0] == 101
            assert upgrade(port)[0] == 101, "programs name none"
            for bad in ("https://evil.net", "http://app.example.com", "https://app.example.com.evil.net", "null", "https://example.org"):
                status, text = upgrade(port, Origin=bad)
                assert status == 403 and "origin.allowed" in text, (bad, text)
            url = p.edge.http
            assert request("GET", url + "/v1/events?channel=incidents", headers={"Origin": "https://evil.net"}).status == 403
            refused = request("POST", url + "/v1/updates", b'{"key":"a","incident":{"title":"x"}}', {"Origin": "https://evil.net"})
            assert refused.status == 403 and "access-control-allow-origin" not in refused.headers
            taken = request("POST", url + "/v1/updates", b'{"key":"a","incident":{"title":"x"}}', {"Origin": "https://x.example.org"})
            assert taken.status == 200 and taken.headers["access-control-allow-origin"] == "https://x.example.org"
            assert request("GET", url + "/v1/incidents").status == 200
            assert get(url + "/health/live").status == 200

    def test_missing_origins_can_be_refused_and_hosts_named(self, tmp_path):
        with Pair(tmp_path, edge_flags=["--origin-missing=false", "--listen-hosts", "stream.example.com,*.example.org"]) as p:
            port = p.edge.port
            assert upgrade(port, host="stream.example.com", Origin="https://any.net")[0] == 101
            assert upgrade(port, host="x.example.org:8443", Origin="https://any.net")[0] == 101
            status, text = upgrade(port, host="stream.example.com")
            assert status == 403 and "origin.missing" in text
            for bad in ("other.net", "example.org", "stream.example.com.evil.net"):
                status, text = upgrade(port, host=bad, Origin="https://any.net")
                assert status == 403 and "listen.hosts" in text, (bad, text)

    @pytest.mark.parametrize("flags,words", [
        (["--origin-allowed", "app.example.com"], "https://app.example.com"),
        (["--proxy-trusted", "10.0.0.1/8"], "10.0.0.0/8"),
        (["--proxy-protocol", "required"], "proxy.trusted"),
        (["--listen-hosts", "https://a.net"], "listen.hosts"),
    ])
    def test_settings_that_cannot_be_meant(self, tmp_path, flags, words):
        edge = Edge(tmp_path, f"tcp://127.0.0.1:{free_port()}", *flags)
        edge.start(wait=False)
        assert edge.wait_exit() == 2 and words in edge.text(), edge.tail()
