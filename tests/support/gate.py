"""A TCP gate between two processes: lets bytes through, or cuts, or stalls them, until it is healed."""
import selectors
import socket
import threading


class Gate:
    """`with Gate(port) as g:` - whoever connects to `g.port` reaches `port` of this host, while the gate is open."""

    def __init__(self, to):
        self.to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self.endpoint = f"tcp://127.0.0.1:{self.port}"
        self._mode = "open"
        self._over = False
        self._peer, self._waiting = {}, {}   # socket -> the other one; socket -> bytes that it is owed
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over = True
        self._bell.send(b"x")
        self._thread.join(5)

    def _become(self, mode):
        self._mode = mode
        self._bell.send(b"x")

    def cut(self):
        """Connections are reset, and new ones are closed at once."""
        self._become("cut")

    def stall(self):
        """Connections stay, and nothing passes."""
        self._become("stall")

    def heal(self):
        self._become("open")

    def _run(self):
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        while not self._over:
            for key, events in self._selector.select(1):
                if key.fileobj is self._ear:
                    self._ear.recv(64)
                elif key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj in self._peer:
                    self._move(key.fileobj, events)
            self._apply()
        for s in [*self._peer]:
            self._end(s)
        for s in (self._listener, self._ear, self._bell):
            s.close()

    def _apply(self):
        if self._mode == "cut":
            for s in [*self._peer]:
                self._end(s)
        for s in self._peer:
            self._watch(s)

    def _watch(self, s):
        """Nobody is read faster than the other side takes it; while stalled nobody is read at all."""
        events = 0
        if self._mode == "open":
            events |= 0 if len(self._waiting[self._peer[s]]) > 1 << 20 else selectors.EVENT_READ
            events |= selectors.EVENT_WRITE if self._waiting[s] else 0
        known = self._selector.get_map().get(s.fileno())
        if known is None:
            if events:
                self._selector.register(s, events)
        elif not events:
            self._selector.unregister(s)
        elif known.events != events:
            self._selector.modify(s, events)

    def _accept(self):
        try:
            near, _ = self._listener.accept()
        except OSError:
            return
        if self._mode == "cut":
            near.close()
            return
        try:
            far = socket.create_connection(("127.0.0.1", self.to), timeout=2)
        except OSError:
            near.close()
            return
        for s, other in ((near, far), (far, near)):
            s.setblocking(False)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peer[s], self._waiting[s] = other, bytearray()

    def _move(self, s, events):
        try:
            if events & selectors.EVENT_READ:
                data = s.recv(1 << 16)
                if not data:
                    return self._end(s)
                self._waiting[self._peer[s]] += data
                self._flush(self._peer[s])
            if events & selectors.EVENT_WRITE:
                self._flush(s)
        except BlockingIOError:
            pass
        except OSError:
            self._end(s)

    def _flush(self, s):
        owed = self._waiting[s]
        try:
            del owed[:s.send(owed)]
        except BlockingIOError:
            pass

    def _end(self, s):
        other = self._peer.pop(s, None)
        if other is None:
            return
        self._peer.pop(other, None)
        for one in (s, other):
            self._waiting.pop(one, None)
            if one.fileno() in self._selector.get_map():
                self._selector.unregister(one)
            one.close()
