"""Histories for the checker (tests/checker/FORMAT.md): written by those who saw them, judged by a program of its own."""
import json
import subprocess
import time

from .programs import Done, helper

CHECKER = "tocsin-check-history"


class History:
    """A file of lines. One process writes it, from one thread."""

    def __init__(self, path, **meta):
        self.path = path
        self._file = open(path, "w", encoding="utf-8")
        if meta:
            self.line(e="meta", **meta)

    def line(self, **members):
        members["t"] = int(time.time() * 1000)
        self._file.write(json.dumps(members, separators=(",", ":")) + "\n")

    def raw_frame(self, client, conn, text):
        """A frame as it came; `text` is its JSON."""
        self._file.write(f'{{"client":"{client}","conn":{conn},"frame":{text}}}\n')

    def settled(self):
        self.line(e="settled")

    def close(self):
        self._file.close()

    def judge(self, max_violations=10):
        """The checker's verdict; None when it was not built."""
        self._file.flush()
        checker = helper(CHECKER)
        if checker is None:
            return None
        done = subprocess.run([checker, "--max", str(max_violations), str(self.path)], capture_output=True, text=True, timeout=120,
                              check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    def must_hold(self):
        """Fails with the checker's explanation unless the promise holds."""
        verdict = self.judge()
        assert verdict is not None, f"{CHECKER} was not built; build the tests first (tools/dev build)"
        assert verdict.code == 0, f"{self.path}: {verdict!r}"
        return verdict
