"""Every profile of the load generator in small: the generator judges each stream while it loads a real edge, and says whether all were whole."""
import json
import subprocess
import time

import pytest

from support.http import get
from support.process import Pair
from support.programs import program
from support.tls import Authority


def load(target, *args, ok=True, seconds=60):
    """Runs the generator; what it found."""
    done = subprocess.run([program("tocsin-loadgen"), "--target", target, "--seconds", str(seconds), *map(str, args)], capture_output=True, text=True, timeout=150)
    seen = json.loads(done.stdout)
    assert (done.returncode == 0) == ok and seen["whole"] == ok, seen
    return seen


@pytest.fixture
def target(shared):
    return shared.edge()["http"].removeprefix("http://")


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    with Pair(tmp_path_factory.mktemp("tls"), edge_flags=Authority(tmp_path_factory.mktemp("authority")).flags()) as pair:
        yield f"127.0.0.1:{pair.edge.port}"


@pytest.mark.parametrize("dialect", ["tocsin", "tocsin-proto"])
def test_one_at_a_time_and_in_bursts(target, channel, dialect):
    for burst in (1, 16):
        seen = load(target, "--dialect", dialect, "--connections", 100, "--lockstep", "--burst", burst, "--count", 20 * burst, "--channel", f"{channel}/{burst}")
        assert seen["deliveries"] == 100 * 20 * burst


def test_at_a_rate_latency_counts_from_when_it_was_due(target, channel):
    seen = load(target, "--connections", 20, "--rate", 200, "--count", 200, "--channel", channel)
    assert seen["delivery_us"]["count"] == 20 * 200
    assert 0 < seen["delivery_us"]["p50"] <= seen["delivery_us"]["p99"] <= seen["delivery_us"]["max"]


def test_many_channels_and_many_filters_reach_only_who_asked(target, channel):
    seen = load(target, "--connections", 60, "--channels", 60, "--lockstep", "--burst", 12, "--count", 240, "--channel", channel)
    assert seen["deliveries"] == 240
    seen = load(target, "--connections", 60, "--filters", 60, "--lockstep", "--count", 120, "--channel", f"{channel}/f")
    assert seen["deliveries"] == 120


@pytest.mark.parametrize("dialect", ["tocsin", "tocsin-proto"])
def test_a_storm_resumes_everyone_with_what_was_missed(target, channel, dialect):
    seen = load(target, "--dialect", dialect, "--connections", 200, "--lockstep", "--count", 2, "--storm", "--missed", 100, "--channel", channel)
    assert seen["resumed"] == 200 and seen["deliveries"] == 200 * 102


def test_stalled_clients_come_back_whole_or_are_told(target, channel):
    seen = load(target, "--connections", 50, "--stalled", 2, "--revive", "--lockstep", "--burst", 16, "--count", 1600, "--size", 1024, "--channel", channel)
    assert seen["too_slow"] + seen["revived"] == 2


def test_over_tls(secure, channel):
    seen = load(secure, "--tls", "--connections", 50, "--lockstep", "--burst", 4, "--count", 40, "--storm", "--missed", 50, "--channel", channel)
    assert seen["tls"] == "TLSv1.3" and seen["resumed"] == 50


def test_a_hold_gathers_what_comes_within_it(tmp_path):
    """fanout.hold_us: a client is written to at most once in it, however fast the machine is."""
    clients, hold_us = 20, 2000
    with Pair(tmp_path, edge_flags=["--fanout-hold-us", hold_us, "--limits-handshakes-per-s", "0"]) as pair:
        def writes():
            text = get(pair.edge.http + "/metrics").body.decode()
            return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("tocsin_edge_net_writes_total "))

        before, started = writes(), time.monotonic()
        seen = load(f"127.0.0.1:{pair.edge.port}", "--connections", clients, "--rate", 4000, "--count", 8000)
        elapsed = time.monotonic() - started
        made = writes() - before
    assert seen["deliveries"] == clients * 8000
    introductions = 4   # welcome, subscribed and what else is a client's own
    assert made <= clients * (elapsed * 1e6 / hold_us + introductions), f"{made} writes in {elapsed:.2f} s"


def test_an_early_end_is_not_whole(target, channel):
    """What is expected and does not come is a failure, in the exit code as well."""
    load(target, "--connections", 2, "--expect", 5, "--channel", channel, ok=False, seconds=1)
