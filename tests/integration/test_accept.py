"""The way in: descriptors run out, storms of connections, a bounded send buffer. Real processes and sockets."""
import os
import resource
import socket
import ssl
import time

from support.http import get, post_lines
from support.process import Pair
from support.tls import Authority
from support.wait import until

UPGRADE = (b"GET /v1/stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def head(s):
    """The head of an answer; "" when the connection ended without."""
    out = b""
    try:
        while b"\r\n\r\n" not in out:
            piece = s.recv(4096)
            if not piece:
                break
            out += piece
    except (ConnectionResetError, ssl.SSLError):
        pass
    return out.decode(errors="replace")


def knock(edge):
    s = socket.create_connection(("127.0.0.1", edge.port), timeout=20)
    s.sendall(UPGRADE)
    return s


def metric(edge, name):
    return next(float(line.split()[-1]) for line in get(edge.http + "/metrics").body.decode().splitlines() if line.startswith(name + " "))


def cpu(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_out_of_descriptors_is_survived(tmp_path):
    with Pair(tmp_path) as p:
        p.edge.stop()
        p.edge.limits = {resource.RLIMIT_NOFILE: 64}
        p.edge.start()
        base = descriptors(p.edge.pid)
        crowd = []
        for _ in range(200):
            s = socket.create_connection(("127.0.0.1", p.edge.port), timeout=20)
            s.setblocking(False)
            crowd.append(s)
        until(lambda: descriptors(p.edge.pid) >= 63 or closed_of(crowd) > 100, "the edge to have no descriptor left")
        # It neither dies nor spins: those without room are closed, and the rest of the loop goes on.
        ended = until(lambda: (n := closed_of(crowd)) >= 200 - (64 - base) - 1 and n, "those without room to be closed")
        before, then = cpu(p.edge.pid), time.monotonic()
        until(lambda: time.monotonic() - then > 1, "a second")
        spent = cpu(p.edge.pid) - before
        print(f"{ended} of 200 closed, {spent:.2f} CPU-s in a second without descriptors")
        assert spent < 0.5 and p.edge.alive()
        for s in crowd:
            s.close()
        until(lambda: get(p.edge.http + "/health/ready").status == 200, "the edge to serve again")
        with knock(p.edge) as s:
            assert head(s).startswith("HTTP/1.1 101")
        until(lambda: descriptors(p.edge.pid) <= base + 2, "every descriptor to be given back")


def closed_of(crowd):
    """How many of these sockets the peer has closed."""
    closed = 0
    for s in crowd:
        try:
            closed += s.recv(1) == b""
        except BlockingIOError:
            pass
        except OSError:
            closed += 1
    return closed


def test_a_limit_of_descriptors_is_told_before_it_is_reached(tmp_path):
    with Pair(tmp_path) as p:
        p.edge.stop()
        p.edge.limits = {resource.RLIMIT_NOFILE: 400}
        p.edge.start()
        crowd = [knock(p.edge) for _ in range(330)]
        heads = [head(s) for s in crowd]
        served, told = sum(h.startswith("HTTP/1.1 101") for h in heads), sum(h.startswith("HTTP/1.1 503") for h in heads)
        print(f"{served} served, {told} told to come back")
        assert served == 300 and told == 30, (served, told)
        assert all("retry-after:" in h for h in heads if "503" in h[:12])
        assert get(p.edge.http + "/health/ready").status == 200, "a full edge is not a sick one"
        for s in crowd:
            s.close()
        until(lambda: head(knock(p.edge)).startswith("HTTP/1.1 101"), "room again")


def test_a_storm_is_served_at_the_rate_and_the_rest_is_told_when_to_come_back(tmp_path):
    with Pair(tmp_path, edge_flags=["--limits-handshakes-per-s", "50"]) as p:
        until(lambda: metric(p.edge, "tocsin_edge_net_accepted_total") >= 1, "the edge")
        time.sleep(1.1)   # the bucket is filled by time alone
        started = time.monotonic()
        crowd = [knock(p.edge) for _ in range(140)]
        heads = [head(s) for s in crowd]
        took = time.monotonic() - started
        served, told = sum(h.startswith("HTTP/1.1 101") for h in heads), sum(h.startswith("HTTP/1.1 503") for h in heads)
        waits = [int(line.split(": ")[1]) for h in heads for line in h.split("\r\n") if line.startswith("retry-after")]
        print(f"140 at once at 50 a second: {served} served, {told} told to wait {min(waits)} to {max(waits)} s, {took:.2f} s")
        assert served + told == 140 and 50 <= served <= 50 + 51 * (took + 0.2)
        assert told >= 20 and min(waits) >= 1 and max(waits) <= 3
        assert get(p.edge.http + "/health/live").status == 200
        for s in crowd:
            s.close()
        until(lambda: head(knock(p.edge)).startswith("HTTP/1.1 101"), "the storm to be over")


def test_a_storm_over_tls_gets_the_same_answer(tmp_path):
    authority = Authority(tmp_path / "ca")
    with Pair(tmp_path, edge_flags=[*authority.flags(), "--limits-handshakes-per-s", "20"]) as p:
        crowd = [socket.create_connection(("127.0.0.1", p.edge.port), timeout=20) for _ in range(40)]   # all there before the first handshake
        crowd = [authority.client().wrap_socket(s, server_hostname="localhost") for s in crowd]
        for s in crowd:
            s.sendall(UPGRADE)
        heads = [head(s) for s in crowd]
        for s in crowd:
            s.close()
        served, told = sum(h.startswith("HTTP/1.1 101") for h in heads), sum(h.startswith("HTTP/1.1 503") for h in heads)
        assert served + told == 40 and served >= 15 and told >= 10, (served, told)
        assert all("retry-after: " in h for h in heads if h.startswith("HTTP/1.1 503"))


def test_the_send_buffer_is_bounded(tmp_path):
    """A client that reads nothing: what the kernel holds for it is bounded by limits.send_buffer_bytes: the kernel doubles it and
    may go beyond by one piece of a write. Without the bound it would be megabytes."""
    with Pair(tmp_path, edge_flags=["--limits-send-buffer-bytes", "32768"]) as p:
        with knock(p.edge) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            assert head(s).startswith("HTTP/1.1 101")
            body = b'{"type":"subscribe","id":"s","channel":"incidents"}'
            s.sendall(bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body)
            until(lambda: metric(p.edge, "tocsin_edge_subscriptions") == 1, "the subscription")
            for _ in range(8):
                post_lines(p.edge.http + "/v1/updates", [{"key": f"K{i}", "incident": {"title": "x" * 1900}} for i in range(256)])
            until(lambda: metric(p.edge, "tocsin_edge_blocked_clients") == 1, "the client to be blocked")
            queued = unsent(p.edge.port, s.getsockname()[1])
            print(f"{queued} bytes unsent in the kernel")
            assert 0 < queued <= 2 * 32768 + 65536


def unsent(server_port, client_port):
    """tx_queue of the server's end, from /proc/net/tcp."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        for line in f.read().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].split(":")[1], 16) == server_port and int(fields[2].split(":")[1], 16) == client_port:
                return int(fields[4].split(":")[0], 16)
    return 0
