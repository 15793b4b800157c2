#!/usr/bin/python3
"""An edge that has no clients, only numbers of them: started by the supervisor in place of tocsin-edge, it speaks the admin HTTP of
edges and moves its numbers at a fixed pace. For what real edges cannot be brought to do in a test. The others are found by their ready
files. A file `<ready file>.mood` makes it refuse (`refuse`) or hang (`hang`)."""
import json
import os
import pathlib
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PER_TICK, TICK = 20, 0.05


def flags(argv):
    return {argv[i][2:]: argv[i + 1] for i in range(1, len(argv) - 1) if argv[i].startswith("--")}


class FakeEdge:
    def __init__(self, given):
        self.id, self.port = given["edge-id"], int(given["listen-port"])
        self.ready = pathlib.Path(given["run-ready-file"])
        self.revision = given.get("edge-revision", "1")
        self.token = pathlib.Path(given["admin-token-file"]).read_text().strip()
        self.box = self.ready.with_suffix(".clients")      # outlives the process, as clients do
        self.state, self.move, self.left, self.lock = "ready", None, 0, threading.Lock()

    def clients(self, change=0):
        """Counts are files, changed under a lock file: others send theirs here."""
        lock = self.box.with_suffix(".lock")
        while True:
            try:
                os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
                break
            except FileExistsError:
                time.sleep(0.001)
        try:
            count = int(self.box.read_text() or 0) if self.box.exists() else 0
            if change:
                count += change
                self.box.write_text(str(count))
            return count
        finally:
            lock.unlink()

    def mood(self):
        file = self.ready.with_suffix(".mood")
        return file.read_text().strip() if file.exists() else ""

    def others(self, body):
        out = []
        for file in sorted(self.ready.parent.glob("edge-*.ready")):
            name = file.stem
            if name == self.id or name in body.get("exclude", []) or (body.get("targets") and name not in body["targets"]):
                continue
            other = FakeEdge({"edge-id": name, "listen-port": 0, "run-ready-file": file, "admin-token-file": self.token_file})
            out.append(other)
        return out

    def start(self, kind, body):
        with self.lock:
            if self.move and self.move["id"] == body["id"]:
                return
            count = self.clients() if kind == "drain" else min(body["count"], self.clients())
            self.left, self.body = count, body
            if kind == "drain":
                self.state = "migrating"
            self.move = {"id": body["id"], "kind": kind, "edge": self.id, "state": "running", "planned": count, "migrated": 0, "resumed": 0,
                         "lost": 0, "remaining": count, "blackout_ms": {"p50": 0, "p99": 3, "max": 9}, "targets": {}, "elapsed_ms": 0,
                         "planned_ms": 50 + 1000 * count // int(PER_TICK / TICK)}
            self.began = time.monotonic()

    def tick(self):
        while True:
            time.sleep(TICK)
            with self.lock:
                if not self.move or self.move["state"] in ("done", "aborted"):
                    continue
                targets = self.others(self.body)
                self.move["state"] = "running" if targets else "paused"
                for target in targets[:1] if self.left < 2 else targets:
                    n = min(self.left, max(1, PER_TICK // len(targets)))
                    if n:
                        self.clients(-n)
                        target.clients(n)
                        self.left -= n
                        self.move["migrated"] += n
                        self.move["resumed"] += n
                        self.move["targets"][target.id] = self.move["targets"].get(target.id, 0) + n
                self.move["remaining"] = self.left
                self.move["elapsed_ms"] = int(1000 * (time.monotonic() - self.began))
                if self.left == 0:
                    self.move["state"] = "done"
                    if self.move["kind"] == "drain":
                        self.state = "empty"

    def serve(self):
        edge = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self, status, value):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}") if length else {}
                if edge.mood() == "hang":
                    time.sleep(5)
                if self.path.startswith("/health"):
                    return self.answer(200 if edge.state == "ready" else 503, {"status": edge.state})
                if self.headers.get("Authorization") != "Bearer " + edge.token:
                    return self.answer(401, {"code": "unauthorized", "status": 401, "detail": "wrong token"})
                what = self.path.split("?")[0].removeprefix("/admin/")
                if self.command == "POST" and edge.mood() == "refuse":
                    return self.answer(400, {"code": "invalid_argument", "status": 400, "detail": "not in the mood"})
                if what in ("drain", "migrate"):
                    edge.start(what, body)
                elif what == "abort" and edge.move and edge.move["state"] not in ("done", "aborted"):
                    with edge.lock:
                        edge.move["state"], edge.state = "aborted", "ready"
                elif what in ("cordon", "uncordon"):
                    edge.state = "cordoned" if what == "cordon" else "ready"
                elif what == "report":
                    return self.answer(200, edge.move) if edge.move else self.answer(404, {"code": "not_found", "status": 404, "detail": "none"})
                return self.answer(200, {"edge": edge.id, "state": edge.state, "revision": edge.revision, "clients": edge.clients(),
                                         "load": 0, "take_per_s": 1000, "move": edge.move,
                                         "edges": [{"id": o.id, "state": "ready", "take_per_s": 1000, "weight": 100} for o in edge.others({})]})
            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass
        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = True
        threading.Thread(target=self.tick, daemon=True).start()
        url = f"127.0.0.1:{self.port}"
        part = self.ready.with_suffix(".part")
        part.write_text(json.dumps({"pid": os.getpid(), "http": f"http://{url}", "ws": f"ws://{url}/v1/stream"}))
        part.rename(self.ready)
        server.serve_forever()


def main():
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    given = flags(sys.argv)
    edge = FakeEdge(given)
    edge.token_file = pathlib.Path(given["admin-token-file"])
    edge.serve()


if __name__ == "__main__":
    main()
