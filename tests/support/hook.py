"""An HTTP server that takes the supervisor's alerts."""
import http.server
import json
import queue
import threading


class Hook:
    """`with Hook() as hook:`. `answers` are the statuses it gives first, then 200."""

    def __init__(self, answers=()):
        self.posts, self.answers = queue.Queue(), list(answers)
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = hook.answers.pop(0) if hook.answers else 200
                hook.posts.put((status, self.path, self.headers.get("Authorization"), json.loads(body)))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def next(self, timeout=30):
        return self.posts.get(timeout=timeout)

    def about(self, key, status):
        """The next post of this alert that was taken; others may come between."""
        while True:
            code, _, _, body = self.next()
            if (body["key"], body["status"]) == (key, status) and code == 200:
                return body
