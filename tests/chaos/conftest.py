"""Fixtures: clusters of real processes under load, to which anything may be done."""
import itertools
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import drain                       # noqa: E402
from support.cluster import Cluster             # noqa: E402
from support.fleet import Fleet                 # noqa: E402
from support.programs import BIN, program       # noqa: E402

_numbers = itertools.count(1)


def pytest_sessionstart(session):
    if not os.access(program("tocsin-roam"), os.X_OK):
        pytest.exit(f"tocsin-roam is not in {BIN}: run tools/dev build, or set TOCSIN_BIN", returncode=3)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for name, value in item.funcargs.items():
            if isinstance(value, Cluster):
                report.sections.append((f"logs of {name} ({value.dir})", value.logs()))


@pytest.fixture
def cluster(tmp_path):
    """Three edges under a supervisor; their admin doors are open to this host."""
    with Cluster(tmp_path / "cluster", edges=3, config=drain.CONFIG) as c:
        yield c


@pytest.fixture
def load(tmp_path):
    """load(addresses, ...) starts a fleet on a channel of its own, some of its clients recorded for the checker."""
    fleets = []

    def start(targets, clients=240, rate=100, channels=3, **options):
        n = next(_numbers)
        fleet = Fleet(targets, clients, rate, history=tmp_path / f"history-{n}.jsonl", channel=f"chaos{n}", channels=channels, **options)
        fleets.append(fleet.start())
        return fleet
    yield start
    for fleet in fleets:
        fleet.__exit__()


def addresses(edges):
    return [e["http"].removeprefix("http://") for e in edges]
