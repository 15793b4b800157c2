#!/usr/bin/python3
"""The origin behind Pushpin: WebSocket over HTTP. Every client is subscribed to one channel; what a client says is published to it.

    origin.py PORT PUBLISH_URL
"""
import http.client, http.server, json, socketserver, sys, urllib.parse

PUBLISH = urllib.parse.urlsplit(sys.argv[2])
control = http.client.HTTPConnection(PUBLISH.netloc)


def event(kind, body=b""):
    return f"{kind} {len(body):x}\r\n".encode() + body + b"\r\n" if body else f"{kind}\r\n".encode()


def events(data):
    while data:
        head, _, data = data.partition(b"\r\n")
        kind, _, size = head.partition(b" ")
        n = int(size, 16) if size else 0
        yield kind.decode(), data[:n]
        data = data[n + 2:] if size else data


def publish(text):
    item = {"channel": "load", "formats": {"ws-message": {"content": text.decode()}}}
    control.request("POST", PUBLISH.path, json.dumps({"items": [item]}), {"Content-Type": "application/json"})
    control.getresponse().read()


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body, headers):
        self.send_response(200)
        for name, value in {**headers, "Content-Length": len(body)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(b"hello\n", {"Content-Type": "text/plain"})

    def do_POST(self):
        out, headers = b"", {"Content-Type": "application/websocket-events"}
        for kind, body in events(self.rfile.read(int(self.headers.get("Content-Length", 0)))):
            if kind == "OPEN":
                headers["Sec-WebSocket-Extensions"] = "grip"
                out += event("OPEN") + event("TEXT", b'c:{"type":"subscribe","channel":"load"}')
            elif kind == "TEXT":
                publish(body)
            elif kind == "CLOSE":
                out += event("CLOSE", body)
        self.answer(out, headers)


class Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads, request_queue_size = True, 4096


Threads(("127.0.0.1", int(sys.argv[1])), Origin).serve_forever()
