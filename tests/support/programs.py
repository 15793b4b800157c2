"""Where the programs are, and running one to its end."""
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("TOCSIN_BIN") or ROOT / "build" / "bin").resolve()


def program(name):
    """The path of tocsin-broker, tocsin-edge, tocsin-supervisor or tocsinctl."""
    return str(BIN / name)


def helper(name):
    """A program that the build makes for tests (the history checker); None when it was not built."""
    for folder in (BIN, BIN.parent, ROOT / "build", ROOT / "build-dbg"):
        for place in (folder / name, folder / "tests" / "checker" / name):
            if place.is_file() and os.access(place, os.X_OK):
                return str(place)
    return None


class Done:
    """A program that ended: exit code and what it wrote."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def lines(self):
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]

    def __repr__(self):
        return f"exit {self.code}\n--- stdout\n{self.out[-2000:]}\n--- stderr\n{self.err[-2000:]}"


def clean_env(**more):
    """The environment without settings of the caller's own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("TOCSIN_")}
    env.update(more)
    return env


def run_program(name, *args, timeout=30, stdin=None, env=None, cwd=None):
    """Runs a program to its end."""
    done = subprocess.run([program(name), *map(str, args)], input=stdin, capture_output=True, text=True, timeout=timeout,
                          env=env or clean_env(), cwd=cwd, check=False)
    return Done(done.returncode, done.stdout, done.stderr)
