"""Plain HTTP for tests: blocking, one connection a request, and raw bytes for what no library would send."""
import http.client
import json
import socket
import ssl
import urllib.parse


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {dict(self.headers)}\n{self.body[:2000]!r}"


def request(method, url, body=None, headers=None, timeout=10, tls=None):
    """One request; OSError when nobody answers. `tls`: the ssl.SSLContext for https, None: any certificate is believed."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=tls or _anyone())
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    path = parts.path + ("?" + parts.query if parts.query else "")
    try:
        connection.request(method, path or "/", body=body, headers=headers or {})
        reply = connection.getresponse()
        return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
    except http.client.HTTPException as e:
        raise OSError(f"{method} {url}: {e!r}") from e
    finally:
        connection.close()


def _anyone():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def get(url, **more):
    return request("GET", url, **more)


def post_json(url, value, **more):
    return request("POST", url, json.dumps(value).encode(), {"Content-Type": "application/json"}, **more)


def post_lines(url, values, **more):
    """NDJSON; values may be bytes (sent as they are) or anything JSON."""
    lines = [v if isinstance(v, bytes) else json.dumps(v).encode() for v in values]
    return request("POST", url, b"\n".join(lines) + b"\n", {"Content-Type": "application/x-ndjson"}, **more)


def raw(host, port, data, timeout=10, until_closed=True):
    """Sends bytes as they are and returns what comes back until the peer closes (or the first piece)."""
    with socket.create_connection((host, port), timeout=timeout) as s:
        s.sendall(data)
        out = b""
        while True:
            try:
                piece = s.recv(65536)
            except ConnectionResetError:
                return out
            out += piece
            if not piece or not until_closed:
                return out
