"""Kubernetes without a cluster: our manifests, and the supervisor on an API server of our own with real edges behind it."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.programs import BIN, program   # noqa: E402


def pytest_sessionstart(session):
    if not os.access(program("tocsin-supervisor"), os.X_OK):
        pytest.exit(f"tocsin-supervisor is not in {BIN}: run tools/dev build, or set TOCSIN_BIN", returncode=3)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for name, value in item.funcargs.items():
            if hasattr(value, "logs"):
                report.sections.append((f"logs of {name}", value.logs()))
