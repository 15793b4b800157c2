"""The configurations of ops/proxies that pass TLS to the edges: the proxy sees no paths, so the edges alone close what is for operators."""
import http.client
import json
import os
import socket

import pytest

from proxies import ORDERS, STREAM_MODULE, HAProxy, Nginx, found, through
from support import drain
from support.process import Pair
from support.wait import until

PROXIES = [pytest.param(kind, id=kind.program, marks=pytest.mark.skipif(found(kind.program) is None, reason=f"{kind.program} is not installed"))
           for kind in (HAProxy, Nginx)]


def own_address():
    """One of this machine's that is not loopback's; None: it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("198.18.0.1", 9))   # nothing is sent
        except OSError:
            return None
        return s.getsockname()[0]


class Passed:
    """Two edges that speak TLS behind a proxy that passes it, on one host; asked from another address than loopback's."""
    TOKEN = "the-operators-token"

    def __init__(self, kind, folder, authority):
        if kind is Nginx and not os.path.exists(STREAM_MODULE):
            pytest.skip(f"{STREAM_MODULE} is not there (libnginx-mod-stream)")
        self.address = own_address()
        if self.address is None:
            pytest.skip("this machine has no address but loopback's to be an outsider with")
        token = folder / "token"
        token.write_text(self.TOKEN + "\n")
        self.tls = authority.client()
        flags = (*drain.FLAGS, "--admin-token-file", token, "--metrics-access", "viewer", "--proxy-trusted", "127.0.0.1/32", "--proxy-protocol", "required", *authority.flags())
        self.pair = Pair(folder / "tocsin", edges=2, edge_flags=flags)
        self.proxy = through(kind, folder, self.pair.edges)

    def ask(self, path, method="GET", token=None, address=None):
        """From outside, unless `address` says otherwise: status and body."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.proxy.tls_port, timeout=10, context=self.tls, source_address=(address or self.address, 0))
        try:
            connection.request(method, path, body=b"{}" if method == "POST" else None, headers={"Authorization": f"Bearer {token}"} if token else {})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def __enter__(self):
        self.pair.__enter__()
        try:
            self.proxy.start((self.proxy.tls_port,))
            until(lambda: self.ask("/health/ready")[0] == 200, "the proxy to find an edge")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.proxy.stop()
        self.pair.__exit__()


@pytest.fixture(scope="module", params=PROXIES)
def passed(request, tmp_path_factory, authority):
    with Passed(request.param, tmp_path_factory.mktemp("passed"), authority) as p:
        yield p


def test_edges_close_what_is_for_operators(passed):
    """With admin.loopback, and the proxy on their own host: it says that who asks is from elsewhere."""
    for path in ORDERS:
        for token in (None, "another-token"):
            status, body = passed.ask(path, token=token)
            assert status in (401, 403, 404) and b'"revision"' not in body and b'"connections"' not in body, (path, token, status, body[:300])
    for order in ("cordon", "drain", "migrate", "revoke", "reload"):
        assert passed.ask(f"/admin/{order}", "POST")[0] in (401, 403, 404), order
    # It is the address and the token that this hangs on.
    assert passed.ask("/admin/status", token=passed.TOKEN)[0] == 200
    status, body = passed.ask("/admin/status", address="127.0.0.1")
    assert status == 200 and json.loads(body)["state"] == "ready", "nobody's order got through"


@pytest.mark.parametrize("path", ["/metrics", "/websocket/metrics"])
def test_edges_close_metrics(passed, path):
    for token in (None, "another-token"):
        status, body = passed.ask(path, token=token)
        assert status in (401, 403) and b"# TYPE" not in body, (token, status, body[:300])
    assert b"# TYPE" in passed.ask(path, token=passed.TOKEN)[1]
