"""permessage-deflate (RFC 7692): compressed once for all, read back by an independent client, odd offers declined, bombs stopped."""
import asyncio
import json
import os
import socket
import zlib

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Offer

from support.client import Client
from support.http import get, post_lines
from support.process import Pair
from support.tls import Authority
from support.wait import run

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with Pair(tmp_path_factory.mktemp("deflate"), edge_flags=["--limits-frame-max-bytes", "65536"]) as p:
        yield p


def metric(edge, name, **more):
    return next(float(line.split()[-1]) for line in get(edge.http + "/metrics", **more).body.decode().splitlines() if line.startswith(name + " "))


def update(n, size=900):
    words = "the replica in zone lags behind by seconds and catches up slowly while the queue is read".split()
    text = " ".join(words[(n * 7 + i * 5 + i * i) % len(words)] for i in range(size // 6))
    return {"key": f"K{n}", "incident": {"title": f"incident {n}", "severity": "P2", "description": text, "metadata": {"n": n}}}


OFFERS = {"the browsers'": Offer(client_max_window_bits=True),
          "bare": Offer(),
          "no server takeover": Offer(server_no_context_takeover=True),
          "no client takeover": Offer(client_no_context_takeover=True),
          "both": Offer(server_no_context_takeover=True, client_no_context_takeover=True),
          "small client window": Offer(client_max_window_bits=9)}


@pytest.mark.parametrize("offer", OFFERS)
def test_messages_both_ways(pair, offer):
    async def body():
        async with Client(pair.edge.ws, compression=None, extensions=[OFFERS[offer]]) as c:
            assert [e.name for e in c.socket.extensions] == ["permessage-deflate"]
            assert c.socket.extensions[0].remote_no_context_takeover and c.socket.extensions[0].local_no_context_takeover
            channel = f"t/deflate/{list(OFFERS).index(offer)}"
            await c.subscribe("s", channel)
            for n in range(1, 41):   # compressed by the client, one after the other
                assert (await c.publish(f"p{n}", channel=channel, **update(n, 4000 if n % 10 == 0 else 900)))["type"] == "published"
            await c.reached("s", 40)
            reply = await asyncio.to_thread(post_lines, pair.edge.http + f"/v1/updates?channel={channel}", [update(n) for n in range(41, 241)])
            assert reply.status == 200
            stream = await c.reached("s", 240)
            assert stream.offsets() == list(range(1, 241))
            assert [u["incident"]["metadata"]["n"] for u in stream.updates] == list(range(1, 241))
            again = await c.subscribe("again", channel, snapshot=True)
            await c.until(lambda: again.snapshot_done, "the snapshot")
            assert len(again.snapshot) == 240
            assert (await c.publish("spaces", channel=channel, key="K", incident={"title": " " * 500}))["type"] == "published"
    run(body())


def test_a_message_costs_a_third_and_one_compression(pair):
    """Bytes on the wire of 20 clients that agreed, against 20 that did not."""
    async def body():
        def written():
            return metric(pair.edge, "tocsin_edge_net_written_bytes_total")
        sizes = []
        for extensions in ([], [Offer(client_max_window_bits=True)]):
            channel = f"t/share/{len(sizes)}"
            clients = [Client(pair.edge.ws, keep_frames=False, compression=None, extensions=extensions) for _ in range(20)]
            await asyncio.gather(*(c.open() for c in clients))
            for c in clients:
                await c.subscribe("s", channel)
            before, encoded = written(), metric(pair.edge, "tocsin_edge_encoded_total")
            await asyncio.to_thread(post_lines, pair.edge.http + f"/v1/updates?channel={channel}", [update(n) for n in range(100)])
            for c in clients:
                await c.reached("s", 100)
            sizes.append(written() - before)
            assert metric(pair.edge, "tocsin_edge_encoded_total") - encoded == 100
            for c in clients:
                await c.close()
        print(f"20 clients x 100 updates: {sizes[0]:.0f} B plain, {sizes[1]:.0f} B compressed, {sizes[1] / sizes[0]:.3f}")
        assert sizes[1] < 0.5 * sizes[0]
    run(body())


def shake(edge, *headers):
    """A handshake by hand: the socket and the answer's head."""
    s = socket.create_connection(("127.0.0.1", edge.port), timeout=10)
    s.sendall("\r\n".join(["GET /v1/stream HTTP/1.1", "Host: a", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", KEY, *headers, "", ""]).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        piece = s.recv(1)
        assert piece, head
        head += piece
    return s, head.decode()


def masked(payload, first=0xc1):
    mask = os.urandom(4)
    n = len(payload)
    size = bytes([0x80 | n]) if n < 126 else bytes([0xfe]) + n.to_bytes(2, "big") if n < 65536 else bytes([0xff]) + n.to_bytes(8, "big")
    return bytes([first]) + size + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload))


def compress(data):
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


def frames(s):
    """(opcode with RSV, payload) until the peer closes."""
    data = b""
    while True:
        try:
            piece = s.recv(65536)
        except ConnectionResetError:
            piece = b""
        data += piece
        while len(data) >= 2:
            size, head = data[1] & 127, 2
            if size == 126:
                size, head = int.from_bytes(data[2:4], "big"), 4
            if len(data) < head + size:
                break
            yield data[0], data[head:head + size]
            data = data[head + size:]
        if not piece:
            return


@pytest.mark.parametrize("offer", ["permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=15", "permessage-deflate; client_max_window_bits=7",
                                   "permessage-deflate; unknown", "permessage-deflate; client_max_window_bits=\"10\"", "permessage-bzip2", "x-webkit-deflate-frame",
                                   "permessage-deflate; server_no_context_takeover; server_no_context_takeover", "permessage-deflate, permessage-deflate; server_max_window_bits=9"])
def test_odd_offers_are_declined_and_the_connection_goes_on(pair, offer):
    s, head = shake(pair.edge, "Sec-WebSocket-Extensions: " + offer)
    with s:
        assert head.startswith("HTTP/1.1 101") and "extensions" not in head.lower(), head
        s.sendall(masked(b'{"type":"ping","ref":"x"}', 0x81))
        assert next(json.loads(p) for first, p in frames(s) if first == 0x81 and b"pong" in p)["ref"] == "x"


def test_of_two_offers_the_good_one_is_taken(pair):
    s, head = shake(pair.edge, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10, permessage-deflate")
    with s:
        line = next(line for line in head.split("\r\n") if line.lower().startswith("sec-websocket-extensions"))
        assert line.split(": ")[1] == "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        s.sendall(masked(compress(b'{"type":"ping","ref":"' + b"x" * 100 + b'"}')))
        assert next(json.loads(p) for first, p in frames(s) if first == 0x81 and b"pong" in p)["ref"] == "x" * 100


def test_too_many_offers_are_refused_in_words(pair):
    s, head = shake(pair.edge, "Sec-WebSocket-Extensions: " + ", ".join(f"x-extension-{i}" for i in range(40)))
    with s:
        assert head.startswith("HTTP/1.1 400"), head


def code_of(s):
    return next((int.from_bytes(p[:2], "big") for first, p in frames(s) if first & 15 == 8), None)


def agree(edge):
    s, head = shake(edge, "Sec-WebSocket-Extensions: permessage-deflate")
    assert "permessage-deflate" in head
    return s


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))


def test_bombs_are_closed_with_1009_and_cost_no_memory(pair):
    bomb = compress(b" " * (60 << 20))
    assert len(bomb) < 65536
    before = rss(pair.edge.pid)
    for _ in range(20):
        with agree(pair.edge) as s:
            s.sendall(masked(bomb))
            assert code_of(s) == 1009
    with agree(pair.edge) as s:   # in fragments, with a ping between
        half = len(bomb) // 2
        s.sendall(masked(bomb[:half], 0x41) + masked(b"p", 0x89) + masked(bomb[half:], 0x80))
        assert code_of(s) == 1009
    with agree(pair.edge) as s:   # and one that is too long as it is
        s.sendall(masked(os.urandom(100_000)))
        assert code_of(s) == 1009
    grown = rss(pair.edge.pid) - before
    print(f"grew by {grown >> 10} KiB for 20 bombs of 60 MiB")
    assert grown < 8 << 20


def test_what_is_no_deflate_closes_with_a_reason(pair):
    with agree(pair.edge) as s:
        s.sendall(masked(b"\xff\xff\xff\xff\xff\xff"))
        assert code_of(s) == 4400
    s, _ = shake(pair.edge)   # compressed without having agreed
    with s:
        s.sendall(masked(compress(b'{"type":"ping"}')))
        assert code_of(s) in (1002, None)
    with agree(pair.edge) as s:   # what spreads over frames of one byte each
        payload = compress(b'{"type":"ping","ref":"' + b"piece by piece " * 8 + b'"}')
        s.sendall(masked(payload[:1], 0x41) + b"".join(masked(payload[i:i + 1], 0x00) for i in range(1, len(payload))) + masked(b"", 0x80))
        assert next(json.loads(p) for first, p in frames(s) if b"pong" in p)["ref"].startswith("piece by ")


def test_it_can_be_switched_off(tmp_path):
    with Pair(tmp_path, edge_flags=["--websocket-deflate=false"]) as p:
        s, head = shake(p.edge, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
        s.close()
        assert head.startswith("HTTP/1.1 101") and "extensions" not in head.lower(), head


def test_over_tls(tmp_path):
    authority = Authority(tmp_path / "ca")
    with Pair(tmp_path, edge_flags=authority.flags()) as p:
        async def body():
            async with Client(p.edge.ws, ssl=authority.client(), compression="deflate") as c:
                assert c.socket.extensions
                await c.subscribe("s")
                await asyncio.to_thread(post_lines, p.edge.http + "/v1/updates", [update(n) for n in range(300)])
                assert (await c.reached("s", 300)).offsets() == list(range(1, 301))
        run(body())
