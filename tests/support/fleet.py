"""Many clients that move and come back (tocsin-roam), and what they saw: a process driven by lines, so that a test does to the
cluster what it wants between two of them."""
import json
import queue
import subprocess
import threading

from .history import CHECKER
from .programs import clean_env, helper, program
from .wait import Late


class Fleet:
    """`with Fleet(addresses, clients=100, rate=100) as f:` - every client streams inside. The report is in `f.report` after stop()."""

    def __init__(self, targets, clients=100, rate=100, history=None, recorded=6, prefix=(), **options):
        self.args = ["--commands", "--clients", clients, "--rate", rate]
        for target in targets:
            self.args += ["--target", target]
        self.history, self.prefix = history, list(prefix)   # `prefix`: a command that starts it elsewhere
        if history is not None:
            self.args += ["--history", history, "--recorded", recorded]
        for name, value in options.items():
            self.args += ["--" + name.replace("_", "-"), *([] if value is True else [value])]
        self.report = None
        self._lines = queue.Queue()

    def start(self):
        self.child = subprocess.Popen([*self.prefix, program("tocsin-roam"), *map(str, self.args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                      bufsize=1, env=clean_env())
        threading.Thread(target=self._read, daemon=True).start()
        first = self._take(90)
        assert first["event"] == "ready", first
        return self

    def _read(self):
        for line in self.child.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def _take(self, timeout):
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise Late(f"tocsin-roam said nothing for {timeout} s") from None
        assert line is not None, f"tocsin-roam ended with {self.child.wait()}"
        return line

    def say(self, command):
        """Does the command; how things stand then."""
        self.child.stdin.write(command + "\n")
        return self._take(60)

    def status(self):
        return self.say("status")

    def mark(self, name):
        return self.say(f"mark {name}")

    def stop(self, timeout=90):
        """Ends publishing, waits until everything has arrived; the report."""
        self.say("stop")
        self.report = self._take(timeout)
        self.child.wait(20)
        return self.report

    def phase(self, name):
        return next(p for p in self.report["phases"] if p["name"] == name)

    def must_hold(self):
        """Nothing lost, nothing twice: in the word of the clients, and of the checker about those that were recorded."""
        report = self.report or self.stop()
        assert report["holds"], report
        if self.history is None:
            return report
        checker = helper(CHECKER)
        assert checker is not None, f"{CHECKER} was not built; build the tests first (tools/dev build)"
        done = subprocess.run([checker, "--max", "10", str(self.history)], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{self.history}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}\n{report}"
        return report

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
