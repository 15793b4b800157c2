"""An edge is drained under load while something happens to those it needs: nothing is lost, nothing comes twice, and who understands
`migrating` is cut by nothing but a death of the edge it is on."""
import os
import signal

import pytest

from support import drain
from support.gate import Gate
from support.process import Broker, Edge
from support.wait import until

from conftest import addresses

CLIENTS = 240


def streams_on(fleet, *edges):
    """True when all clients stream, on these edges and no other."""
    found = fleet.status()["edges"]
    return set(found) <= set(edges) and sum(found.values()) == CLIENTS


def must_have_moved(fleet, name="drain"):
    """The promise for a drain of edge-0 of which nobody was killed."""
    report, phase = fleet.must_hold(), fleet.phase(name)
    assert phase["cut"] == 0 and phase["abrupt"] == 0, phase
    assert phase["blackout_ms"]["max"] == 0
    assert report["renewed_sessions"] == 0 and report["snapshots"] == 0 and report["errors"] == 0, report
    return report


def test_a_drain_under_load_cuts_nobody(cluster, load):
    fleet = load(addresses(cluster.edges))
    http = cluster.edge(0)["http"]
    fleet.mark("drain")
    drain.order(http, deadline_ms=20000, id="p1")
    said = drain.until_over(http)
    until(lambda: streams_on(fleet, "edge-1", "edge-2"), "everyone to be elsewhere")
    assert said["state"] == "done" and said["id"] == "p1" and said["kind"] == "drain", said
    assert said["planned"] >= CLIENTS // 3 and said["migrated"] + said["left"] >= CLIENTS // 3, said
    assert said["resumed"] >= CLIENTS // 3 and said["lost"] == said["resumed_snapshot"] == said["closed"] == said["remaining"] == 0, said
    fleet.stop()
    report = must_have_moved(fleet)
    assert report["hops"]["max"] == 1
    assert drain.status(http)["clients"] == 0


def test_clients_that_do_not_understand_are_told_before_they_are_closed(cluster, load):
    """They come back when they were told to, with their session, and have everything."""
    fleet = load(addresses(cluster.edges), plain=True)
    http = cluster.edge(0)["http"]
    fleet.mark("drain")
    drain.order(http, deadline_ms=20000)
    said = drain.until_over(http)
    until(lambda: streams_on(fleet, "edge-1", "edge-2"), "everyone to be elsewhere")
    fleet.stop()
    report, phase = fleet.must_hold(), fleet.phase("drain")
    assert phase["cut"] == phase["moves"] == CLIENTS // 3 + 1 and phase["abrupt"] == 0, phase   # one more: 27 of 80 in each channel
    assert report["renewed_sessions"] == 0 and report["snapshots"] == 0, report
    assert said["state"] == "done" and said["lost"] == 0 and said["closed"] >= CLIENTS // 3, said


def victim_of(cluster, which):
    return {"target": "edge-1", "source": "edge-0"}.get(which, which)


@pytest.mark.parametrize("victim", ["broker", "target", "supervisor"])
@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_drain_outlives_what_happens_around_it(cluster, load, victim, how):
    """SIGKILL, and SIGSTOP until the drain must have noticed. The drained edge itself lives."""
    fleet = load(addresses(cluster.edges), silence_ms=6000)
    http = cluster.edge(0)["http"]
    fleet.mark("drain")
    drain.order(http, deadline_ms=20000, rate=40, id="p1")
    drain.until_moving(http)
    which = victim_of(cluster, victim)
    pid = cluster.pid_of(which)
    if how == "kill":
        cluster.kill(which)
        until(lambda: cluster.pid_of(which) != pid, f"another {which}", 20)
    else:
        os.kill(pid, signal.SIGSTOP)
        try:
            published = fleet.status()["published"]
            until(lambda: fleet.status()["published"] > published + 400, "time to pass, enough to be called silent")
        finally:
            os.kill(pid, signal.SIGCONT)
    said = drain.until_over(http)
    until(lambda: streams_on(fleet, "edge-1", "edge-2"), "everyone to be elsewhere", 30)
    fleet.stop()
    report, phase = fleet.must_hold(), fleet.phase("drain")
    print(said, phase)
    assert said["state"] == "done" and said["lost"] == 0 and said["remaining"] == 0, said
    if victim != "target":
        assert phase["cut"] == 0, phase
    elif how == "kill":   # those that were on it, and those that had just arrived
        assert CLIENTS // 3 <= phase["abrupt"] <= CLIENTS, phase
    assert report["lost_streams"] == 0


def test_the_drained_edge_dies_in_the_middle(cluster, load):
    fleet = load(addresses(cluster.edges))
    http = cluster.edge(0)["http"]
    fleet.mark("drain")
    drain.order(http, deadline_ms=20000, rate=20, id="p1")
    drain.until_moving(http)
    cluster.kill("edge-0")
    until(lambda: fleet.status()["phase"]["abrupt"] > 0, "clients to see it")
    until(lambda: "none" not in fleet.status()["edges"], "everyone to stream", 20)
    fleet.stop()
    fleet.must_hold()
    phase = fleet.phase("drain")
    assert 0 < phase["abrupt"] < CLIENTS // 3, "some had moved before; the others were cut"


@pytest.fixture
def gated(tmp_path):
    """A broker and three edges without a supervisor, a gate before each edge."""
    broker = Broker(tmp_path)
    gates, edges = [], []
    try:
        broker.start()
        for i in range(3):
            gates.append(Gate(broker.port).__enter__())
            edges.append(Edge(tmp_path, gates[i].endpoint, *drain.FLAGS, name=f"edge-{i}").start())
        yield gates, edges
    finally:
        for process in (*edges, broker):
            process.kill()
        for gate in gates:
            gate.__exit__()


@pytest.mark.parametrize("how", ["cut", "stall"])
@pytest.mark.parametrize("whose", ["source", "target"])
def test_a_drain_without_the_broker_waits_for_it(gated, load, whose, how):
    """No supervisor at all: the edges and the broker do it alone."""
    gates, edges = gated
    fleet = load([f"127.0.0.1:{e.port}" for e in edges])
    fleet.mark("drain")
    drain.order(edges[0].http, deadline_ms=30000, rate=40)
    drain.until_moving(edges[0].http)
    gate = gates[0 if whose == "source" else 1]
    getattr(gate, how)()
    published = fleet.status()["published"]
    until(lambda: fleet.status()["published"] > published + 200, "time to pass")
    gate.heal()
    said = drain.until_over(edges[0].http)
    until(lambda: streams_on(fleet, "edge-1", "edge-2"), "everyone to be elsewhere", 20)
    fleet.stop()
    print(said, fleet.phase("drain"))
    fleet.must_hold()
    assert said["state"] == "done" and said["lost"] == 0, said
    assert fleet.phase("drain")["cut"] == 0
