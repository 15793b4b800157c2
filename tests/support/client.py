"""An independent client of tocsin.v1.json, written from protocol.md. It checks contiguity as it goes (a hole or a repetition is
an error at once), and records what it saw for the history checker."""
import asyncio
import json

import websockets
from websockets.exceptions import ConnectionClosed

from .wait import Late

SUBPROTOCOL = "tocsin.v1.json"


class Broken(AssertionError):
    """The stream broke the promise."""


class Stream:
    """One subscription on one socket."""

    def __init__(self, subscribed):
        self.id, self.sub = subscribed["id"], subscribed["sub"]
        self.channel, self.outcome = subscribed["channel"], subscribed["outcome"]
        self.reason = subscribed.get("reason")
        self.epoch, self.start = subscribed["position"]["epoch"], subscribed["position"]["offset"]
        self.at = self.start
        self.head = self.start
        self.updates, self.snapshot, self.snapshot_done = [], [], False
        self.skipped = 0
        self.jumped = set()

    def take(self, frame):
        kind = frame["type"]
        if kind == "update":
            self._update(frame)
        elif kind == "skip":
            if frame["from"] != self.at + 1 or frame["to"] < frame["from"]:
                raise Broken(f"{self.id}: at {self.at}, then {frame}")
            self.skipped += frame["to"] - frame["from"] + 1
            self.at = frame["to"]
        elif kind == "head":
            if frame["offset"] < self.at:
                raise Broken(f"{self.id}: at {self.at}, then {frame}")
            self.head = frame["offset"]
        elif kind == "snapshot":
            self.snapshot += frame["incidents"]
            self.snapshot_done = bool(frame.get("last"))

    def _update(self, frame):
        offset, replaced = frame["offset"], frame.get("replaces") or []
        if offset <= self.at:
            raise Broken(f"{self.id}: at {self.at}, then again {offset}")
        self.jumped.update(range(self.at + 1, offset))
        self.jumped.difference_update(replaced)
        if self.jumped and not replaced and "replaces" not in frame:
            raise Broken(f"{self.id}: at {self.at}, then {offset}: {len(self.jumped)} missing")
        self.at = offset
        self.updates.append(frame)

    @property
    def position(self):
        return {"epoch": self.epoch, "offset": self.at}

    def offsets(self):
        return [u["offset"] for u in self.updates]

    def keys(self):
        return [u["key"] for u in self.updates]


class Client:
    """`async with Client(edge["ws"]) as c:`"""

    def __init__(self, url, name="c1", history=None, conn=0, keep_frames=True, **options):
        self.url, self.name, self.history, self.conn = url, name, history, conn
        self.options = {"subprotocols": [SUBPROTOCOL], "max_size": None, "ping_interval": None, "max_queue": None,
                        "compression": None, **options}
        self.frames, self.streams, self.by_sub = [], {}, {}
        self.count = 0
        self.keep_frames = keep_frames
        self.welcome = None
        self.close_code = self.error = None
        self.closed = asyncio.Event()
        self._moved = asyncio.Event()
        self.socket = self._task = None

    async def open(self):
        self.socket = await websockets.connect(self.url, **self.options)
        if self.history:
            self.history.line(client=self.name, conn=self.conn, e="open")
        self._task = asyncio.create_task(self._read())
        return self

    async def __aenter__(self):
        return await self.open()

    async def __aexit__(self, *_):
        await self.close()

    async def close(self):
        if self.socket is not None:
            try:
                await asyncio.wait_for(self.socket.close(), 5)
            except (asyncio.TimeoutError, ConnectionClosed):
                pass
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self):
        try:
            async for text in self.socket:
                self._take(text)
                self._moved.set()
        except ConnectionClosed:
            pass
        except Exception as e:   # told to whoever waits
            self.error = e
        self.close_code = self.socket.close_code
        if self.history:
            self.history.line(client=self.name, conn=self.conn, e="close")
        self.closed.set()
        self._moved.set()

    def _take(self, text):
        frame, text = self.decode(text)
        if self.history:
            self.history.raw_frame(self.name, self.conn, text)
        self.count += 1
        if self.keep_frames or frame["type"] not in ("update", "skip", "head", "snapshot"):
            self.frames.append(frame)
        kind = frame["type"]
        if kind == "welcome":
            self.welcome = frame
        elif kind == "subscribed":
            stream = Stream(frame)
            self.streams[stream.id] = stream
            self.by_sub.setdefault(stream.sub, {})[stream.id] = stream
        elif "sub" in frame:
            for stream in self.by_sub.get(frame["sub"], {}).values():
                if self.streams.get(stream.id) is stream:
                    stream.take(frame)

    def decode(self, text):
        """A message as the frame it is, and as JSON text."""
        assert isinstance(text, str), "tocsin.v1.json sends text frames"
        return json.loads(text), text

    def encode(self, frame):
        return json.dumps(frame)

    async def send(self, **frame):
        if self.history:
            self.history.line(client=self.name, conn=self.conn, sent=frame)
        await self.socket.send(self.encode(frame))

    async def send_raw(self, data):
        await self.socket.send(data)

    async def until(self, look, what, timeout=15):
        """Waits until look() is true; looks again at every frame."""
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            if self.error:
                raise self.error
            value = look()
            if value:
                return value
            if self.closed.is_set():
                raise Broken(f"{self.name}: closed with {self.close_code} while waiting for {what}; last: {self.frames[-3:]}")
            self._moved.clear()
            left = deadline - asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(self._moved.wait(), max(left, 0))
            except asyncio.TimeoutError:
                raise Late(f"{self.name}: waited {timeout:g} s for {what}; last frames: {self.frames[-5:]}") from None

    async def expect(self, kind, timeout=15, **members):
        """The first frame (of all so far or to come) of this type with these members."""
        def found():
            return next((f for f in self.frames if f["type"] == kind and all(f.get(k) == v for k, v in members.items())), None)
        return await self.until(found, f"{kind} {members}", timeout)

    async def connect(self, **members):
        await self.send(type="connect", **members)
        return await self.expect("welcome")

    async def subscribe(self, id, channel="incidents", **members):
        """Subscribes; the stream once it is answered. An error frame is an AssertionError."""
        before = self.streams.get(id)
        seen = len(self.frames)
        await self.send(type="subscribe", id=id, channel=channel, **members)

        def answered():
            refused = next((f for f in self.frames[seen:] if f["type"] == "error" and f.get("id") == id), None)
            if refused:
                raise AssertionError(f"subscribe {id}: {refused}")
            stream = self.streams.get(id)
            return stream if stream is not None and stream is not before else None
        return await self.until(answered, f"subscribed {id}")

    async def reached(self, id, offset, timeout=30):
        """Waits until the stream has everything up to `offset`."""
        await self.until(lambda: self.streams[id].at >= offset, f"{id} to reach {offset} (is at {self.streams[id].at})", timeout)
        return self.streams[id]

    async def publish(self, ref, **update):
        """Publishes and returns `published` or the error."""
        await self.send(type="publish", ref=ref, update=update)

        def answered():
            return next((f for f in self.frames if f["type"] in ("published", "error") and f.get("ref") == ref), None)
        return await self.until(answered, f"the answer to publish {ref}")

    async def wait_closed(self, timeout=15):
        await asyncio.wait_for(self.closed.wait(), timeout)
        return self.close_code


class Follower:
    """An application that wants one channel whole: connects again when cut, resumes from where it is, on any of several edges."""

    def __init__(self, urls, name, history=None, channel="incidents", filter=None, since=None, snapshot=False, options=None, client=Client):
        self.urls, self.name, self.history = list(urls), name, history
        self.channel, self.filter, self.position, self.snapshot = channel, filter, since, snapshot
        self.options = options or {}
        self.make, self.client = client, None
        self.at = since["offset"] if since else 0
        self.epoch = since["epoch"] if since else None
        self.lost = []
        self.sockets = 0
        self.attached = asyncio.Event()
        self._task = None

    def start(self):
        self._task = asyncio.create_task(self._run())
        return self

    async def stop(self):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self):
        turn = 0
        while True:
            client = self.make(self.urls[turn % len(self.urls)], self.name, self.history, conn=self.sockets, keep_frames=False, **self.options)
            turn += 1
            try:
                await client.open()
            except (OSError, websockets.exceptions.WebSocketException, asyncio.TimeoutError):
                await asyncio.sleep(0.02)   # pace of connection attempts, not a wait for luck
                continue
            self.sockets += 1
            try:
                await self._follow(client)
            except (ConnectionClosed, OSError, Broken, AssertionError) as e:
                if client.error or isinstance(e, Broken) and not client.closed.is_set():
                    raise
            finally:
                await client.close()

    async def _follow(self, client):
        members = {"filter": self.filter} if self.filter else {}
        if self.position:
            members["since"] = self.position
        elif self.snapshot:
            members["snapshot"] = True
        await client.subscribe("s", self.channel, **members)
        self.client = client
        while True:
            stream = client.streams["s"]
            if stream.outcome == "lost":
                self.lost.append(stream.reason)
            self.position, self.at, self.epoch = stream.position, stream.at, stream.epoch
            self.attached.set()
            if client.error:
                raise client.error
            if client.closed.is_set():
                return
            client._moved.clear()
            await client._moved.wait()
            self.position, self.at = client.streams["s"].position, client.streams["s"].at

    async def reached(self, offset, timeout=30):
        deadline = asyncio.get_running_loop().time() + timeout
        while self.at < offset:
            if self._task.done():
                self._task.result()
            if asyncio.get_running_loop().time() > deadline:
                raise Late(f"{self.name} is at {self.at}, not {offset}, after {timeout:g} s ({self.sockets} sockets)")
            await asyncio.sleep(0.01)
        return self.at
