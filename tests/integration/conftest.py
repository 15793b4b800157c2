"""Fixtures: a cluster that most tests share (they keep to channels of their own), and fresh ones for those that kill."""
import itertools
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cluster import Cluster            # noqa: E402
from support.programs import BIN, program       # noqa: E402

_numbers = itertools.count(1)


def pytest_sessionstart(session):
    missing = [p for p in ("tocsin-broker", "tocsin-edge", "tocsin-supervisor", "tocsinctl", "tocsin-loadgen") if not os.access(program(p), os.X_OK)]
    if missing:
        pytest.exit(f"{', '.join(missing)} not in {BIN}: run tools/dev build, or set TOCSIN_BIN", returncode=3)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for name, value in item.funcargs.items():
            if isinstance(value, Cluster):
                report.sections.append((f"logs of {name} ({value.dir})", value.logs()))


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A cluster of two edges that nobody kills. Settings that make waits short, none that change behaviour."""
    config = ("session:\n  keepalive_ms: 1500\n  beacon_ms: 500\n  connect_timeout_ms: 1500\n"
              "limits:\n  frame_max_bytes: 65536\n  body_max_bytes: 262144\n  subscriptions_max: 50\n"
              "log:\n  memory_channels: [\"mem/*\"]\n")
    with Cluster(tmp_path_factory.mktemp("shared"), edges=2, config=config) as cluster:
        yield cluster


@pytest.fixture
def cluster(tmp_path):
    """A cluster of two edges for one test, which may do anything to it."""
    with Cluster(tmp_path / "cluster", edges=2) as c:
        yield c


@pytest.fixture
def channel(request):
    """A channel name that no other test uses."""
    return f"t/{request.node.name.split('[')[0]}/{next(_numbers)}"
