"""A scripted attack run on the sockets of an edge: nobody gets in, memory stays bounded, honest clients notice nothing. The edge has the
limits that ops/runbook recommends for the open internet; attackers come from 127.0.66.0/24, honest clients from 127.0.0.1."""
import asyncio
import base64
import itertools
import random
import socket
import struct
import time
import zlib

import pytest

from support.bare import HANDSHAKE, masked
from support.client import Client
from support.http import get, post_json
from support.process import Pair, rss
from support.wait import run, until

EVIL = itertools.cycle(f"127.0.66.{n}" for n in range(1, 30))   # as many, so that what is tested is the attack and not the limit of attempts
FLAGS = ["--limits-connections-per-ip", "64", "--limits-attempts-per-ip", "400", "--limits-attempts-window-ms", "10000", "--limits-client-messages-per-s", "100",
         "--limits-client-bytes-per-s", "20000", "--limits-client-publishes-per-s", "50", "--limits-handshake-ms", "1000",
         "--session-connect-timeout-ms", "2000", "--limits-frame-max-bytes", "65536", "--session-keepalive-ms", "3000",
         "--limits-exempt", "127.0.0.1"]
GROWTH = 24 << 20   # bytes of memory that an attack may cost at most; most cost a tenth of it


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with Pair(tmp_path_factory.mktemp("attacks"), edge_flags=FLAGS) as p:
        yield p


def evil(p, data=b"", timeout=10, shake=False):
    s = socket.create_connection(("127.0.0.1", p.edge.port), timeout=timeout, source_address=(next(EVIL), 0))
    if shake:
        s.sendall(HANDSHAKE)
        head = b""
        while b"\r\n\r\n" not in head:
            piece = s.recv(1)
            assert piece, head
            head += piece
        assert b" 101 " in head.split(b"\r\n")[0], head
    if data:
        try:
            s.sendall(data)
        except OSError:
            pass
    return s


def answer(s):
    """All that comes until the end; b"" for a reset."""
    out = b""
    try:
        while piece := s.recv(65536):
            out += piece
    except (ConnectionResetError, BrokenPipeError):
        pass
    return out


def closing(s):
    """All that comes until the close frame or the end; then the socket is closed."""
    out = b""
    try:
        while b"\x88" not in out and (piece := s.recv(65536)):
            out += piece
    except (ConnectionResetError, BrokenPipeError):
        pass
    s.close()
    return out


def ended(s):
    try:
        s.setblocking(False)
        while piece := s.recv(65536):
            pass
        return piece == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def statuses(data):
    """The status codes of the answers in a stream of them."""
    return [int(part.split()[0]) for part in data.split(b"HTTP/1.1 ")[1:]]


class Honest:
    """A client that subscribed before the attack, and a publisher: each update must arrive, in order, once."""

    def __init__(self, p):
        self.p, self.n = p, 0

    async def __aenter__(self):
        self.client = await Client(self.p.edge.ws).__aenter__()
        self.stream = await self.client.subscribe("h", "honest")
        return self

    async def __aexit__(self, *exc):
        await self.client.__aexit__(*exc)

    async def works(self):
        reply = await asyncio.to_thread(post_json, self.p.edge.http + "/v1/updates", {"channel": "honest", "key": "K", "incident": {"title": str(time.time())}})
        assert reply.status == 200, reply
        await self.client.reached("h", reply.json()["results"][0]["position"]["offset"])


def under(p, attack, after=None):
    """Runs a blocking attack in a thread beside an honest client; the edge must live, bounded, and serve."""
    async def body():
        async with Honest(p) as honest:
            await honest.works()
            before, most = rss(p.edge.pid), 0
            running = asyncio.get_running_loop().run_in_executor(None, attack)
            while not running.done():
                await honest.works()
                most = max(most, rss(p.edge.pid))
                await asyncio.sleep(0.05)
            result = await running
            await honest.works()
            grown = max(most, rss(p.edge.pid)) - before
            assert p.edge.alive() and grown < GROWTH, f"{grown} bytes more"
            assert (await asyncio.to_thread(get, p.edge.http + "/health/ready")).status == 200
            return result
    result = run(body())
    if after:
        after(result)
    return result


def metric(p, name):
    return next((float(x.split()[-1]) for x in get(p.edge.http + "/metrics").body.decode().splitlines() if x.startswith(name + " ")), None)


def test_slowloris(pair):
    """Headers byte by byte, and requests that never end: closed in time, whatever trickles."""
    def attack():
        crowd = [evil(pair, b"GET /v1/stream HTTP/1.1\r\nHost: a\r\nX-A: ") for _ in range(50)]
        deadline = time.monotonic() + 12
        while time.monotonic() < deadline and not all(ended(s) for s in crowd):
            for s in crowd:
                try:
                    s.send(b"b")
                except OSError:
                    pass
            time.sleep(0.1)
        return sum(ended(s) for s in crowd)
    assert under(pair, attack) == 50


def test_slow_bodies_and_unread_answers(pair):
    def attack():
        crowd = [evil(pair, b"POST /v1/updates HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{") for _ in range(30)]
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not all(ended(s) for s in crowd):
            time.sleep(0.2)
        return sum(ended(s) for s in crowd)
    assert under(pair, attack) == 30


def test_oversized_headers(pair):
    """One huge header, very many small ones, an endless request line: no 2xx, no memory."""
    def attack():
        got = []
        for start in (b"GET /health HTTP/1.1\r\nHost: a\r\nX-A: " + b"x" * 1_000_000, b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"X-Y: z\r\n" * 100_000,
                      b"GET /" + b"x" * 1_000_000, b"GET /v1/stream?" + b"a=b&" * 100_000, b"\r\n" * 100_000, b"\0" * 100_000):
            for _ in range(5):
                s = evil(pair, start)
                got += statuses(answer(s))
                s.close()
        return got
    assert all(code >= 400 for code in under(pair, attack))


def test_frame_floods(pair):
    """Small frames as fast as they go, of several kinds: answered with errors and then closed 4429."""
    def attack():
        ends = 0
        for frame in (masked(b'{"type":"ping","ref":"x"}'), masked(b"{"), masked(b'{"type":"subscribe","id":"a","channel":"c"}'),
                      masked(b""), masked(b'{"type":"publish","ref":"r","update":{"channel":"flood","key":"k","incident":{"title":"t"}}}')):
            s = evil(pair, shake=True)
            s.setblocking(False)
            burst, deadline = frame * 200, time.monotonic() + 10
            while time.monotonic() < deadline:
                try:
                    s.send(burst)
                    while (piece := s.recv(65536)) and b'"closing"' not in piece:
                        pass
                    ends += 1
                    break
                except BlockingIOError:
                    time.sleep(0.01)
                except OSError:
                    ends += 1
                    break
            s.close()
        return ends
    assert under(pair, attack) == 5
    assert metric(pair, 'tocsin_edge_limited_total{limit="messages"}') > 0


def test_ping_floods_and_replies_that_are_not_read(pair):
    """Pings without end, pongs unread: closed 4429 by what came on the socket, since no message says it; nothing more is read then."""
    def attack():
        crowd = []
        for _ in range(2):
            s = evil(pair, masked(b'{"type":"connect"}'), shake=True)
            s.setblocking(False)
            crowd.append(s)
        burst, deadline, heard, unsent = masked(b"x" * 100, first=0x89) * 2000, time.monotonic() + 15, {}, {}
        while crowd and time.monotonic() < deadline:
            for s in list(crowd):
                try:
                    rest = unsent.get(s) or burst    # whole frames: half a one would be a protocol error
                    unsent[s] = rest[s.send(rest):]
                except BlockingIOError:
                    time.sleep(0.001)   # for the honest client, whose Python this is as well
                except OSError:
                    crowd.remove(s)
                    continue
                try:
                    heard[s] = heard.get(s, b"")[-200:] + s.recv(65536)
                    if b'"closing"' in heard[s]:
                        assert b"4429" in heard[s], heard[s]
                        crowd.remove(s)
                        s.close()
                except BlockingIOError:
                    pass
                except OSError:
                    crowd.remove(s)
        return len(crowd)
    assert under(pair, attack) == 0
    assert metric(pair, 'tocsin_edge_limited_total{limit="bytes"}') > 0


def test_control_frames_that_no_rfc_allows(pair):
    def attack():
        left = 0
        for data in (masked(b"x" * 126, first=0x89), masked(b"x", first=0x09), masked(b"", first=0x83), masked(b"", first=0xf1), b"\x81\x05hello",
                     b"\x81\xff" + struct.pack("!Q", 1 << 63) + b"\0\0\0\0", b"\x81\xff" + struct.pack("!Q", 1 << 40) + b"\0\0\0\0", masked(b"x", first=0x80),
                     masked(b"\x03", first=0x88), masked(struct.pack("!H", 1005), first=0x88)):
            s = evil(pair, data, shake=True, timeout=15)
            closing(s)   # ends
            left += 1
        return left
    assert under(pair, attack) == 10


def test_inflate_bombs(pair):
    """A few KB that inflate to very much: closed 1009 before it is there."""
    shake = HANDSHAKE.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")

    def deflated(payload):
        c = zlib.compressobj(9, zlib.DEFLATED, -15)
        return (c.compress(payload) + c.flush(zlib.Z_SYNC_FLUSH))[:-4]
    bomb = deflated(b"[" + b" " * 50_000_000)

    def attack():
        codes = []
        for _ in range(5):
            s = evil(pair, shake)
            head = b""
            while b"\r\n\r\n" not in head:
                head += s.recv(1)
            assert b"permessage-deflate" in head
            s.sendall(masked(bomb[:60_000], first=0xc1))
            data = closing(s)
            codes += [int.from_bytes(data[i + 2:i + 4], "big") for i in range(len(data) - 3) if data[i] == 0x88]
        return codes
    assert under(pair, attack) == [1009] * 5


def test_half_open_connections(pair):
    """Connected and silent, half closed, reset in the middle: all gone in time."""
    def attack():
        for i in range(200):
            s = evil(pair, HANDSHAKE[:random.Random(i).randrange(len(HANDSHAKE))])
            if i % 3 == 0:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.close()
            elif i % 3 == 1:
                try:
                    s.shutdown(socket.SHUT_WR)
                except OSError:
                    pass   # closed already
            keep.append(s)
        return 200
    keep = []
    under(pair, attack)
    until(lambda: metric(pair, "tocsin_edge_net_connections") <= 3, "all of them to be gone", 15)
    silent = [evil(pair, masked(b'{"type":"connect"}'), shake=True) for _ in range(10)]
    try:
        # Answers no ping: gone after twice the keepalive, as if its cable had been pulled.
        until(lambda: metric(pair, "tocsin_edge_active_connections") == 0, "clients that answer nothing to be gone", 15)
    finally:
        for s in [*silent, *keep]:
            s.close()


def test_path_tricks(pair):
    """/admin/ by other spellings, files by way of the board, paths with everything in them: nothing is let in, nothing is shown."""
    tricks = ["/admin/status", "//admin/status", "/./admin/status", "/x/../admin/status", "/%61dmin/status", "/admin%2fstatus", "/admin/%2e%2e/admin/status",
              "/health/../admin/status", "/admin/status%00", "/admin/status?x=/health", "/admin/status#/health", "/ADMIN/status", "/board/../../etc/passwd",
              "/board/..%2f..%2fetc%2fpasswd", "/board/%2e%2e/%2e%2e/etc/passwd", "/board//etc/passwd", "/board/....//etc/passwd", "/v1/incidents/../../admin/status",
              "/v1/incidents/%2e%2e%2f%2e%2e%2fadmin%2fstatus", "/%2e%2e/%2e%2e/etc/passwd", "/metrics/../admin/status", "/\\admin\\status", "/admin;/status",
              "http://a/admin/status", "/v1/channels/..%2f..%2fadmin", "/%c0%ae%c0%ae/admin/status", "*", "/" + "a/" * 2000]

    def attack():
        got = []
        for trick in tricks:
            for method in ("GET", "POST", "HEAD"):
                s = evil(pair, f"{method} {trick} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                got.append((method, trick, answer(s)))
                s.close()
        return got
    for method, trick, data in under(pair, attack):
        assert b"root:" not in data and b'"edges"' not in data and b'"state":"ready"' not in data, (method, trick, data)
        if b"admin" in trick.lower().encode() and "?" not in trick and not trick.startswith("/v1/"):
            assert not data.startswith(b"HTTP/1.1 2"), (method, trick, data)


def test_request_smuggling(pair):
    """Two lengths, lengths and chunks, chunks in chunks, bare line feeds, folded headers: what follows is never taken for a request."""
    hidden = b"GET /v1/channels/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    post = b"POST /v1/updates HTTP/1.1\r\nHost: a\r\n"
    tricks = [
        post + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
        post + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" + hidden,
        post + b"Content-Length: 0\r\nContent-Length: 60\r\n\r\n" + hidden,
        post + b"Content-Length: 0, 60\r\n\r\n" + hidden,
        post + b"Content-Length: +0\r\n\r\n" + hidden,
        post + b"Content-Length: 0x0\r\n\r\n" + hidden,
        post + b"Content-Length: -1\r\n\r\n" + hidden,
        post + b"Content-Length: 99999999999999999999\r\n\r\n" + hidden,
        post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
        post + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden,
        post + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
        post + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + hidden,
        post + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
        b"GET /v1/stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 777\r\n\r\n" + hidden,
    ]

    def attack():
        crowd = [evil(pair, trick, timeout=20) for trick in tricks]   # all at once: each takes its time to be closed
        out = [(trick, answer(s)) for trick, s in zip(tricks, crowd)]
        for s in crowd:
            s.close()
        return out
    for trick, data in under(pair, attack):
        assert all(400 <= code < 500 for code in statuses(data)), (trick, data)
        # One answer of ours; the library's own 403 to what is no request at all may follow.
        assert data.count(b"application/problem+json") <= 1 and b"not_found" not in data, (trick, data)


def test_ticket_forgery(pair):
    """Tickets of other keys, changed ones, cut ones, swapped parts, another's session: a new session each time, never another's."""
    async def body():
        async with Client(pair.edge.ws) as victim:
            await victim.subscribe("secret", "victim")
            welcome = next(f for f in victim.frames if f["type"] == "welcome")
            ticket, session = welcome["ticket"], welcome["session"]
            parts = ticket.split(".")
            flipped = bytearray(base64.urlsafe_b64decode(parts[-1] + "=" * (-len(parts[-1]) % 4)))
            flipped[0] ^= 1
            forged = [ticket[:-1], ticket + "A", ticket[1:], ticket.upper(), "", "x", ".", "..", "a.b.c", "A" * 8000, ticket[::-1],
                      ".".join([*parts[:-1], base64.urlsafe_b64encode(bytes(flipped)).rstrip(b"=").decode()]), parts[0], ".".join(parts[::-1])]
            rng = random.Random(7)
            for _ in range(20):
                at = rng.randrange(len(ticket) - 1)
                forged.append(ticket[:at] + chr(ord(ticket[at]) ^ 1) + ticket[at + 1:])
            for fake in forged:
                if fake == ticket:
                    continue
                async with Client(pair.edge.ws) as c:
                    await c.send(type="connect", ticket=fake, session=session)
                    got = await c.until(lambda: next((f for f in c.frames if f["type"] in ("welcome", "closing")), None), "an answer")
                    assert got["type"] == "closing" or (got["session"] != session and not got.get("resumed")), (fake, got)
                    assert not [f for f in c.frames if f["type"] == "subscribed"], fake
            assert not victim.closed.is_set()
            await victim.send(type="ping", ref="still")
            await victim.expect("pong", ref="still")
    run(body())
    assert metric(pair, 'tocsin_edge_tickets_refused_total{reason="forged"}') > 0


def test_a_storm_from_very_many_addresses_keeps_the_table_small(tmp_path):
    """127.0.0.0/8 has sixteen million addresses: each attempt from another one."""
    flags = ["--limits-connections-per-ip", "4", "--limits-attempts-per-ip", "10", "--limits-sources-max", "1024"]
    with Pair(tmp_path, edge_flags=flags) as p:
        base = rss(p.edge.pid)
        for i in range(3000):
            s = socket.socket()
            s.bind((f"127.{1 + i // 60000}.{i // 250 % 240}.{1 + i % 250}", 0))
            s.connect(("127.0.0.1", p.edge.port))
            s.sendall(b"GET /v1/incidents?limit=x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            s.recv(64)
            s.close()
        until(lambda: metric(p, "tocsin_edge_sources") <= 1024 + 8, "the table to be small")
        assert rss(p.edge.pid) - base < GROWTH
