"""Our manifests as `kubectl kustomize` renders them, and the programs' own word on settings and metrics."""
import functools
import os
import pathlib
import re
import subprocess

import yaml

from .programs import ROOT

TOOLS = pathlib.Path(os.environ.get("TOCSIN_K8S_TOOLS") or ROOT / "build" / "k8s-tools")
KUBECTL = TOOLS / "bin" / "kubectl"
OVERLAYS = ("dev", "production", "blue-green", "canary")


def available():
    return KUBECTL.exists()


@functools.lru_cache(maxsize=None)
def text(folder):
    """k8s/`folder`, rendered."""
    done = subprocess.run([KUBECTL, "kustomize", ROOT / "k8s" / folder], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"k8s/{folder}: {done.stderr}"
    return done.stdout


def render(folder):
    return [o for o in yaml.safe_load_all(text(folder)) if o]


def source(path):
    """The objects of one file as it is, for those who have no kubectl."""
    return [o for o in yaml.safe_load_all((ROOT / "k8s" / path).read_text()) if o]


def of(objects, kind, name=None):
    found = [o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]
    return found if name is None else found[0]


def settings():
    """{program: {environment variable: (key, flag)}} from ops/reference/config.md."""
    out, program = {}, None
    for line in (ROOT / "ops/reference/config.md").read_text().splitlines():
        if line.startswith("## "):
            program = out.setdefault(line[3:].strip(), {})
        m = re.match(r"^\| `([^`]+)` \| `(TOCSIN_[A-Z0-9_]+)` \| `(--[a-z0-9-]+)` \|", line)
        if m:
            program[m[2]] = (m[1], m[3])
    return out


def metrics():
    """{name: type} of every program, from ops/reference/metrics.md."""
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", (ROOT / "ops/reference/metrics.md").read_text(), re.M))
