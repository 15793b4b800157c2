"""Proxy configurations published for other servers, as they were written, in front of two edges: which load, what passes, and how they
differ from ours (ops/proxies/README.md). Only addresses, ports, files and logs are replaced."""
import pathlib
import re

import pytest

from proxies import HAProxy, Nginx, adapted, found, pem
from support import drain
from support.client import Client
from support.http import get, raw
from support.process import Pair
from support.wait import run, until

OTHERS = pathlib.Path(__file__).with_name("others")
WITHOUT_DEFAULTS = "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  timeout tunnel 60s\n"
UPGRADE = ("GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: tocsin.v1.json\r\n\r\n")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with Pair(tmp_path_factory.mktemp("others"), edge_flags=drain.FLAGS, edges=2) as p:
        yield p


def written(name):
    return (OTHERS / name).read_text()


def haproxy(name, folder, authority, pair):
    """Servers of the file become the two edges, in turn."""
    both, _, _ = pem(authority, folder)
    text = re.sub(r"^\s*log .*$|^\s*option httplog$", "", written(name), flags=re.M)
    ports = iter([e.port for e in pair.edges] * 20)
    text = re.sub(r"^(\s*server \S+) \S+:\d+", lambda m: f"{m[1]} 127.0.0.1:{next(ports)}", text, flags=re.M)
    text = re.sub(r"bind \*:443 ssl crt \S+", f"bind 127.0.0.1:@TLS_PORT@ ssl crt {both}", text).replace("bind *:80", "bind 127.0.0.1:@PORT@")
    text = text.replace("maxconn 50000", "maxconn 4000")
    if "defaults" not in text:
        text = WITHOUT_DEFAULTS + text
    if "frontend" not in text:   # a fragment
        text += "\nfrontend all\n  bind 127.0.0.1:@PORT@\n  default_backend mahavishnu_websocket\n"
    return HAProxy(folder / "proxy", text)


def nginx(name, folder, authority, pair):
    _, cert, key = pem(authority, folder)
    text = written(name)
    if text.lstrip().startswith("http {"):
        text = text.strip()[len("http {"):-1]
    elif "http {" in text:   # a whole file: its events are the test's
        text = text[text.index("http {") + len("http {"):].strip()[:-1]
    ports = iter([e.port for e in pair.edges] * 20)
    text = re.sub(r"^(\s*server) [a-z0-9.-]+:\d+", lambda m: f"{m[1]} 127.0.0.1:{next(ports)}", text, flags=re.M)
    text = re.sub(r"^\s*listen \[::\]:\d+.*$|^\s*(access|error)_log .*$|^\s*ssl_(stapling|stapling_verify|trusted_certificate) .*$", "", text, flags=re.M)
    text = re.sub(r"ssl_certificate [^;]+;", f"ssl_certificate {cert};", text)
    text = re.sub(r"ssl_certificate_key [^;]+;", f"ssl_certificate_key {key};", text)
    text = text.replace("listen 443 ssl http2;", "listen 127.0.0.1:@TLS_PORT@ ssl http2;").replace("listen 80;", "listen 127.0.0.1:@PORT@;")
    return Nginx(folder / "proxy", text)


MAKE = {"cfg": haproxy, "conf": nginx}
HAPROXY = pytest.mark.skipif(found("haproxy") is None, reason="haproxy is not installed")
NGINX = pytest.mark.skipif(found("nginx") is None, reason="nginx is not installed")


def made(name, folder, authority, pair):
    return MAKE[name.rsplit(".", 1)[1]](name, folder, authority, pair)


def streams(url, tls=None):
    async def body():
        async with Client(url, "a", **({"ssl": tls} if tls else {})) as a:
            assert (await a.connect())["type"] == "welcome"
            await a.subscribe("s", "t/others")
            assert (await a.publish("p", channel="t/others", key="K", incident={"title": "through"}))["type"] == "published"
            await a.reached("s", a.streams["s"].start + 1)
    run(body())


@pytest.mark.parametrize("name", [pytest.param(n, marks=HAPROXY) for n in ("incident-manager.haproxy.cfg", "mahavishnu.haproxy.cfg", "vedfolnir.haproxy.cfg")])
def test_these_of_haproxy_stream_as_written(name, tmp_path, authority, pair):
    """vedfolnir's binds TLS only."""
    with_tls = "bind *:443" in written(name)
    proxy = made(name, tmp_path, authority, pair)
    ports = (proxy.port,) if not with_tls else (proxy.tls_port,)
    try:
        proxy.start(ports)
        tls = authority.client() if with_tls else None
        until(lambda: get((proxy.https if with_tls else proxy.http) + "/health", tls=tls).status == 200, "an edge")
        streams(proxy.wss if with_tls else proxy.ws, tls)
        # What ours closes and these do not.
        assert get((proxy.https if with_tls else proxy.http) + "/metrics", tls=tls).status == 200
    finally:
        proxy.stop()


@HAPROXY
def test_one_that_sends_every_request_for_a_host_to_its_websocket_backend(tmp_path, authority, pair):
    """Two acl lines of one name are OR-ed; plain HTTP there is served like any other."""
    with made("realtime.haproxy.cfg", tmp_path, authority, pair) as proxy:
        tls = authority.client()
        until(lambda: get(proxy.https + "/health", tls=tls).status == 200, "an edge")
        streams(proxy.wss, tls)
        assert raw("127.0.0.1", proxy.port, b"GET /health HTTP/1.1\r\nHost: ws.example.com\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 302")


@NGINX
def test_two_of_nginx_do_not_load_as_written(tmp_path, authority, pair):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    code, said = made("mahavishnu.nginx.conf", tmp_path / "a", authority, pair).check()
    assert code != 0 and 'duplicate' in said and "proxy_http_version" in said, said
    code, said = made("vedfolnir.nginx.conf", tmp_path / "b", authority, pair).check()
    assert code != 0 and 'no "ssl_certificate" is defined' in said, said


@NGINX
def test_the_upgrade_passes_although_connection_is_set_twice(tmp_path, authority, pair):
    proxy = made("mahavishnu.nginx.conf", tmp_path, authority, pair)
    second = "        # Keepalive\n        proxy_http_version 1.1;\n"
    proxy.text = adapted(proxy.text, {second: "        # Keepalive\n"})
    with proxy:
        tls = authority.client()
        streams(proxy.wss, tls)
        assert get(proxy.https + "/v1/channels/t%2Fothers", tls=tls).status in (200, 404)   # a plain GET with "Connection: upgrade"
        assert get(proxy.http + "/health").status == 200
        assert get(proxy.https + "/metrics", tls=tls).status == 403


@pytest.mark.parametrize("name,path", [("incident-manager.nginx.conf", "/graphql/ws"), ("realtime.nginx.conf", "/ws"), ("vedfolnir.nginx.conf", "/socket.io/")])
@NGINX
def test_those_with_paths_of_their_own_pass_only_these(tmp_path, authority, pair, name, path):
    proxy = made(name, tmp_path, authority, pair)
    if name.startswith("vedfolnir"):
        _, cert, key = pem(authority, tmp_path)
        proxy.text = proxy.text.replace("    server_name", f"    ssl_certificate {cert};\n    ssl_certificate_key {key};\n    listen 127.0.0.1:@PORT@;\n    server_name", 1)
    with proxy:
        # Their path gets to an edge, upgrade and all; ours is answered by nginx itself.
        theirs = raw("127.0.0.1", proxy.port, UPGRADE.format(path=path).encode(), until_closed=False)
        assert b"server: nginx" in raw("127.0.0.1", proxy.port, UPGRADE.format(path="/v1/stream").encode(), until_closed=False).lower()
        assert b"problem+json" in theirs or theirs.startswith(b"HTTP/1.1 101"), theirs[:300]
    # With our path in their location it streams.
    proxy.text = proxy.text.replace(f"location {path}", "location /v1/stream")
    with proxy:
        streams(proxy.ws)
