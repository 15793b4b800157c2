"""The cluster is changed under load by its own commands: rolling restart, more edges and fewer. Nobody is cut, nobody hops in circles."""
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import drain
from support.cluster import Cluster
from support.wait import until

from conftest import addresses

CLIENTS = 270   # the same on each of three edges


def must_be_untouched(fleet, name):
    """The promise where nothing died: no client was without its stream for a moment."""
    report, phase = fleet.must_hold(), fleet.phase(name)
    print(report)
    assert phase["cut"] == 0 and phase["blackout_ms"]["max"] == 0, phase
    assert report["renewed_sessions"] == 0 and report["snapshots"] == 0, report
    return report


def streaming(fleet):
    edges = fleet.status()["edges"]
    return sum(edges.values()) == CLIENTS and "none" not in edges


def test_a_rolling_restart_of_three_edges(cluster, load):
    before = {e["id"]: e["pid"] for e in cluster.edges}
    broker = cluster.pid_of("broker")
    fleet = load(addresses(cluster.edges), clients=CLIENTS)
    fleet.mark("restart")
    done = cluster.ctl("restart", "--rolling", "--wait", "--json", timeout=120)
    assert done.code == 0, done
    until(lambda: streaming(fleet), "everyone to stream")
    fleet.stop()
    report = must_be_untouched(fleet, "restart")
    now = {e["id"]: e["pid"] for e in cluster.edges}
    assert now.keys() == before.keys() and all(now[e] != before[e] for e in before), (before, now)
    assert cluster.pid_of("broker") != broker
    assert report["hops"]["max"] <= 2, report["hops"]
    assert report["hops"]["mean"] <= 1 + 1 / len(before), report["hops"]


@pytest.mark.parametrize("what", [["drain", "edge-0", "--rate", "60"], ["restart", "--rolling"]], ids=lambda w: w[0])
def test_the_supervisor_dies_in_the_middle_of_its_plan(cluster, load, what):
    """The next one goes on with it, and the command that waits for it hardly notices."""
    fleet = load(addresses(cluster.edges), clients=CLIENTS)
    fleet.mark("plan")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(cluster.ctl, *what, "--wait", "--json", timeout=120)
        until(lambda: fleet.status()["phase"]["moves"] > CLIENTS // 10, "clients to move")
        cluster.kill("supervisor")
        done = waiting.result()
    assert done.code == 0, done
    assert done.json()["state"] == "done" and done.json()["lost"] == 0, done
    until(lambda: streaming(fleet), "everyone to stream")
    fleet.stop()
    assert must_be_untouched(fleet, "plan")["hops"]["max"] <= 2


def scaled(cluster, fleet, count):
    done = cluster.ctl("scale", count, "--wait", "--json", timeout=120)
    assert done.code == 0, done
    assert len(cluster.edges) == count
    until(lambda: streaming(fleet) and set(fleet.status()["edges"]) <= {e["id"] for e in cluster.edges}, f"everyone to be on the {count} edges")
    fleet.say("endpoints " + ",".join(addresses(cluster.edges)))


@pytest.mark.parametrize("cycles", [int(os.environ.get("TOCSIN_SCALE_CYCLES", "1"))])
def test_scale_up_and_down_again(tmp_path, load, cycles):
    """2 -> 5 -> 2; `tools/dev soak` does it ten times."""
    with Cluster(tmp_path / "cluster", edges=2, config=drain.CONFIG) as cluster:
        fleet = load(addresses(cluster.edges), clients=CLIENTS, settle_seconds=60)
        fleet.mark("scale")
        for _ in range(cycles):
            scaled(cluster, fleet, 5)
            share = CLIENTS / 5
            edges = fleet.status()["edges"]
            assert len(edges) == 5 and max(edges.values()) <= share * 1.25, f"rebalanced: {edges}"
            scaled(cluster, fleet, 2)
        fleet.stop()
        must_be_untouched(fleet, "scale")
