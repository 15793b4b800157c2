"""Fixtures of the tests that deploy: real proxies, containers, packages and units. `tools/dev test deploy` installs what they need; what
this machine does not allow is skipped by name."""
import itertools
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.fleet import Fleet                 # noqa: E402
from support.programs import BIN, program       # noqa: E402
from support.tls import Authority               # noqa: E402

_numbers = itertools.count(1)


def pytest_sessionstart(session):
    if not os.access(program("tocsin-roam"), os.X_OK):
        pytest.exit(f"tocsin-roam is not in {BIN}: run tools/dev build, or set TOCSIN_BIN", returncode=3)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def load(tmp_path):
    """load(addresses, ...) starts a fleet on channels of its own, some of its clients recorded for the checker."""
    fleets = []

    def start(targets, clients=240, rate=100, channels=3, **options):
        n = next(_numbers)
        fleet = Fleet(targets, clients, rate, history=tmp_path / f"history-{n}.jsonl", channel=f"deploy{n}", channels=channels, **options)
        fleets.append(fleet.start())
        return fleet
    yield start
    for fleet in fleets:
        fleet.__exit__()
