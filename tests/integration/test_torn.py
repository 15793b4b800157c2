"""Frames stay whole on a socket that takes them in bits: small buffers, reads of random sizes, pings between. Every message and
every pong must arrive intact and in order - plain, over TLS, compressed, and as an event stream."""
import json
import random
import select
import socket
import ssl
import threading
import time
import zlib

import pytest

from support.http import get, post_lines
from support.process import Pair
from support.tls import Authority

COUNT = {"plain": 2400, "tls": 640}   # a record of 16 KiB through buffers of 4 KiB takes a while
BATCH = 16
EDGE = ["--limits-send-buffer-bytes", "4096", "--fanout-slow-close-ms", "60000", "--fanout-hold-us", "0"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with Pair(tmp_path_factory.mktemp("plain"), edge_flags=EDGE) as p:
        yield p


@pytest.fixture(scope="module")
def secure(tmp_path_factory, authority):
    with Pair(tmp_path_factory.mktemp("secure"), edge_flags=[*EDGE, *authority.flags()]) as p:
        yield p


class Reader:
    """A socket read in bits of 1 to 4096 bytes; between the reads a ping every 3 ms."""

    def __init__(self, edge, head, tls=None, seed=1):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(20)
        s.connect(("127.0.0.1", edge.port))
        if tls:
            s = tls.wrap_socket(s, server_hostname="localhost")
        s.sendall(head)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += s.recv(1)
        assert answer.split(b"\r\n")[0].split()[1] in (b"101", b"200"), answer
        s.setblocking(False)
        self.socket, self.answer, self.data, self.random = s, answer, b"", random.Random(seed)
        self.pings, self.next_ping = 0, 0.0
        self.until = time.monotonic() + 60

    def send(self, first, payload):
        size = len(payload)
        frame = bytes([first]) + (bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")) + b"\0\0\0\0" + payload
        while frame:
            try:
                frame = frame[self.socket.send(frame):]
            except (BlockingIOError, ssl.SSLWantWriteError):
                select.select([], [self.socket], [], 1)

    def ping(self):
        self.pings += 1
        self.send(0x89, f"{self.pings:06d}".encode() * 10 + b"ping")

    def more(self, with_pings=True):
        assert time.monotonic() < self.until, "the stream stands still"
        if with_pings and time.monotonic() >= self.next_ping:
            self.ping()
            self.next_ping = time.monotonic() + 0.003
        try:
            piece = self.socket.recv(self.random.randint(1, 4096))
            assert piece, "the edge closed"
            self.data += piece
        except (BlockingIOError, ssl.SSLWantReadError):
            select.select([self.socket], [], [], 0.002)

    def frame(self):
        """The next frame: first byte, payload."""
        while True:
            if len(self.data) >= 2:
                size, head = self.data[1] & 127, 2
                if size == 126:
                    size, head = int.from_bytes(self.data[2:4], "big"), 4
                elif size == 127:
                    size, head = int.from_bytes(self.data[2:10], "big"), 10
                if len(self.data) >= head + size:
                    first, payload = self.data[0], self.data[head:head + size]
                    self.data = self.data[head + size:]
                    return first, payload
            self.more()


def publish(edge, channel, count):
    """Updates of 1 KiB, 16 at a time; half of it is left when compressed."""
    def body():
        noise = random.Random(count)
        for at in range(0, count, BATCH):
            reply = post_lines(edge.http + f"/v1/updates?channel={channel}",
                               [{"key": f"K{n}", "event": {"name": "tick", "data": {"n": n, "text": noise.randbytes(430).hex()}}} for n in range(at + 1, at + BATCH + 1)])
            assert reply.status == 200, reply
    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    return thread


def metric(edge, name):
    return next(float(line.split()[-1]) for line in get(edge.http + "/metrics").body.decode().splitlines() if line.startswith(name + " "))


def websocket(p, channel, tls=None, extensions="", seed=1):
    count = COUNT["tls" if tls else "plain"]
    head = ("GET /v1/stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extensions}\r\n").encode()
    partial = metric(p.edge, "tocsin_edge_net_partial_writes_total")
    r = Reader(p.edge, head, tls, seed)
    assert (b"permessage-deflate" in r.answer) == bool(extensions)
    r.send(0x81, json.dumps({"type": "subscribe", "id": "s", "channel": channel, "conflate": False}).encode())
    at, numbers, pongs, compressed, last_ping, thread = None, [], 0, 0, 0, None
    while at is None or at < count:
        first, payload = r.frame()
        if first == 0x8a:
            number = int(payload[:6])
            assert payload == f"{number:06d}".encode() * 10 + b"ping" and number > last_ping, payload
            last_ping, pongs = number, pongs + 1
            continue
        if first == 0x89:   # keepalive
            continue
        if first == 0xc1:
            assert extensions
            payload, compressed = zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff"), compressed + 1
        else:
            assert first == 0x81, (first, payload[:100])
        frame = json.loads(payload)
        if frame["type"] == "subscribed":
            at, thread = frame["position"]["offset"], publish(p.edge, channel, count)
        elif frame["type"] == "update":
            assert frame["offset"] == at + 1, (frame["offset"], at)
            at = frame["offset"]
            numbers.append(frame["event"]["data"]["n"])
        else:
            assert frame["type"] in ("welcome", "head"), frame
    thread.join(30)
    assert numbers == list(range(1, count + 1))
    quiet = r.pings
    while last_ping <= quiet:   # the socket has taken everything: pings go on and are answered
        first, payload = r.frame()
        if first == 0x8a:
            last_ping = int(payload[:6])
    partial = metric(p.edge, "tocsin_edge_net_partial_writes_total") - partial
    print(f"{partial:.0f} partial writes, {r.pings} pings, {pongs} pongs, {compressed} compressed")
    assert partial > 0 and pongs > 20   # how many depends on the machine
    r.socket.close()
    return compressed


def test_plain(plain):
    websocket(plain, "t/torn/plain")


def test_over_tls(secure, authority):
    websocket(secure, "t/torn/tls", authority.client(), seed=2)


def test_over_tls_1_2(secure, authority):
    websocket(secure, "t/torn/tls12", authority.client(maximum=ssl.TLSVersion.TLSv1_2), seed=3)


@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_compressed(plain, secure, authority, kind):
    p, tls = (plain, None) if kind == "plain" else (secure, authority.client())
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    compressed = websocket(p, f"t/torn/deflate/{kind}", tls, offer, seed=4)
    assert compressed >= COUNT[kind] * 0.9


@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_an_event_stream(plain, secure, authority, kind):
    p, tls, channel = (plain, None, "t/torn/sse") if kind == "plain" else (secure, authority.client(), "t/torn/sse/tls")
    count = COUNT[kind]
    r = Reader(p.edge, f"GET /v1/events?channel={channel}&conflate=false HTTP/1.1\r\nHost: a\r\n\r\n".encode(), tls, seed=5)
    at, numbers, thread = None, [], None
    while at is None or at < count:
        while b"\n\n" not in r.data:
            r.more(with_pings=False)
        event, _, r.data = r.data.partition(b"\n\n")
        lines = dict(line.split(b": ", 1) for line in event.split(b"\n") if b": " in line and not line.startswith(b":"))
        if b"data" not in lines:
            continue
        frame = json.loads(lines[b"data"])
        if frame["type"] == "subscribed":
            at, thread = frame["position"]["offset"], publish(p.edge, channel, count)
        elif frame["type"] == "update":
            assert frame["offset"] == at + 1 and lines[b"id"].endswith(f":{frame['offset']}".encode())
            at = frame["offset"]
            numbers.append(frame["event"]["data"]["n"])
    thread.join(30)
    assert numbers == list(range(1, count + 1))
    r.socket.close()
