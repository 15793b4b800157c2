"""A WebSocket without a library: the handshake and frames by hand, for what no library would send, and for reading late."""
import asyncio
import json
import socket

HANDSHAKE = (b"GET /v1/stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: tocsin.v1.json\r\n\r\n")


def masked(payload, first=0x81):
    """A client's frame; the mask is zero, which the RFC allows."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big") if size < 65536 else b"\xff" + size.to_bytes(8, "big")
    return bytes([first]) + length + b"\0\0\0\0" + payload


async def bare_socket(host, port):
    """Reader and writer of a socket whose handshake is done."""
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(HANDSHAKE)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert b" 101 " in head.split(b"\r\n")[0], head
    return reader, writer


def sleeper(port, *frames):
    """A socket that sends `frames` and then reads nothing until somebody does; a small receive buffer."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(20)
    s.connect(("127.0.0.1", port))
    s.sendall(HANDSHAKE)
    head = b""
    while b"\r\n\r\n" not in head:
        head += s.recv(1)
    for frame in frames:
        s.sendall(masked(json.dumps(frame).encode()))
    return s


def frames_of(s):
    """Reads a blocking socket until its end: the JSON frames and the close code (None: cut)."""
    data = b""
    while True:
        try:
            piece = s.recv(65536)
        except ConnectionResetError:
            break
        if not piece:
            break
        data += piece
    frames, at, code = [], 0, None
    while at + 2 <= len(data):
        opcode, size, head = data[at] & 15, data[at + 1] & 127, 2
        if size == 126:
            size, head = int.from_bytes(data[at + 2:at + 4], "big"), 4
        elif size == 127:
            size, head = int.from_bytes(data[at + 2:at + 10], "big"), 10
        payload = data[at + head:at + head + size]
        if len(payload) < size:
            break
        if opcode == 1:
            frames.append(json.loads(payload))
        elif opcode == 8:
            code = int.from_bytes(payload[:2], "big")
        at += head + size
    return frames, code


async def json_frames(reader, timeout=20):
    """The JSON frames that arrive, one by one; a close frame is an error."""
    while True:
        first, second = await asyncio.wait_for(reader.readexactly(2), timeout)
        size = second & 127
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await reader.readexactly(8), "big")
        payload = await asyncio.wait_for(reader.readexactly(size), timeout)
        assert first & 15 != 8, (payload[:2], payload[2:])
        if first & 15 == 1:
            yield json.loads(payload)
