"""Plans of the supervisor with real edges, under clients that understand offers and a steady load: nothing is lost, nothing comes twice,
nobody is cut. What goes wrong on the way is in test_supervisor_plans.py and tests/chaos."""
import pytest

from support import drain
from support.cluster import Cluster
from support.fleet import Fleet
from support.http import get
from support.wait import until

CLIENTS = 120   # and one that publishes


def addresses(cluster):
    return [e["http"].removeprefix("http://") for e in cluster.edges]


def counts(cluster):
    return [get_status(e)["clients"] for e in cluster.edges]


def get_status(edge):
    reply = get(edge["http"] + "/admin/status")
    assert reply.status == 200, reply
    return reply.json()


@pytest.fixture
def three(tmp_path):
    with Cluster(tmp_path / "c", edges=3, config=drain.CONFIG) as cluster:
        yield cluster


@pytest.fixture
def fleet(three, tmp_path):
    with Fleet(addresses(three), clients=CLIENTS, rate=50, history=tmp_path / "history.jsonl", channels=3) as f:
        yield f


def done(ran, code=0):
    assert ran.code == code, ran
    return ran.json()


def under_way(edge):
    """Waits for the middle of the drain that was ordered: the supervisor gives the order when the edge knows where to."""
    until(lambda: get(edge["http"] + "/admin/report").status == 200, f"{edge['id']} to have its order")
    drain.until_moving(edge["http"])


def nobody_noticed(fleet):
    report = fleet.must_hold()
    assert report["phases"][0]["abrupt"] == 0 and report["phases"][0]["cut"] == 0, report
    return report


def test_drain_and_uncordon(three, fleet):
    there = counts(three)[1]
    report = done(three.ctl("drain", "edge-1", "--wait", "--json", timeout=60))
    assert report["state"] == "done" and report["planned"] == report["migrated"] == there and report["lost"] == 0, report
    assert counts(three)[1] == 0 and sum(counts(three)) == CLIENTS + 1
    assert get(three.edge(1)["http"] + "/health/ready").status == 503
    plan = three.ctl("drain", "plan", "edge-0", "--json")
    assert done(plan)["clients"] == counts(three)[0]
    assert [t["edge"] for t in plan.json()["targets"]] == ["edge-2"]
    assert three.ctl("uncordon", "edge-1").code == 0
    until(lambda: get(three.edge(1)["http"] + "/health/ready").status == 200, "edge-1 to take clients")
    done(three.ctl("rebalance", "--wait", "--json", timeout=60))
    assert all(36 <= n <= 44 for n in counts(three)), counts(three)
    nobody_noticed(fleet)


def test_migrate_some_to_one(three, fleet):
    before = counts(three)
    report = done(three.ctl("migrate", "edge-0", "--count", 10, "--to", "edge-2", "--wait", "--json", timeout=60))
    assert report["migrated"] == 10 and report["targets"] == {"edge-2": 10}, report
    assert counts(three) == [before[0] - 10, before[1], before[2] + 10]
    nobody_noticed(fleet)


def test_scale_up_and_down(three, fleet):
    report = done(three.ctl("scale", 4, "--wait", "--json", timeout=60))
    assert report["state"] == "done" and len(three.edges) == 4
    assert all(27 <= n <= 33 for n in counts(three)), counts(three)
    report = done(three.ctl("scale", 2, "--wait", "--json", timeout=60))
    assert report["state"] == "done" and [e["id"] for e in three.edges] == ["edge-0", "edge-1"]
    assert sum(counts(three)) == CLIENTS + 1
    nobody_noticed(fleet)


def test_rolling_restart_with_another_configuration(three, fleet, tmp_path):
    config = tmp_path / "next.yaml"
    config.write_text(drain.CONFIG + "session:\n  beacon_ms: 1234\n")
    before = three.pids()
    report = done(three.ctl("restart", "--rolling", "--config", config, "--wait", "--json", timeout=90))
    assert report["state"] == "done" and report["lost"] == report["closed"] == 0, report
    after = three.pids()
    assert before[1] == after[1] and not {before[0], *before[2:]} & {after[0], *after[2:]}
    assert {get_status(e)["revision"] for e in three.edges} == {"2"}
    assert CLIENTS < report["migrated"] <= (CLIENTS + 1) * (1 + 1 / 3), "hops: one each, and a second one for a third of them at most"
    assert sum(counts(three)) == CLIENTS + 1
    nobody_noticed(fleet)


def test_the_supervisor_is_killed_in_the_middle_of_a_drain(three, fleet):
    there = counts(three)[0]
    plan = done(three.ctl("drain", "edge-0", "--rate", 20, "--json"))["id"]
    under_way(three.edge(0))
    old = three.kill("supervisor")
    until(lambda: three.pid_of("supervisor") != old, "another supervisor")
    ended = until(lambda: (lambda r: r if r["state"] == "done" else None)(three.ctl("drain", "report", plan, "--json").json()), "the end", 40)
    assert ended["planned"] == ended["migrated"] == there, ended
    nobody_noticed(fleet)


def test_calling_a_drain_off(three, fleet):
    done(three.ctl("drain", "edge-0", "--rate", 10, "--json"))
    under_way(three.edge(0))
    assert three.ctl("drain", "abort", "edge-0").code == 0
    until(lambda: three.ctl("drain", "report", "edge-0", "--json").json()["state"] == "aborted", "the plan to be aborted")
    until(lambda: get(three.edge(0)["http"] + "/health/ready").status == 200, "edge-0 to take clients again")
    assert counts(three)[0] > 0 and sum(counts(three)) == CLIENTS + 1
    nobody_noticed(fleet)


def test_drain_self_works_without_a_supervisor(three, fleet):
    http = three.edge(2)["http"]
    report = done(three.ctl("drain", "--self", "--edge-http", http, "--wait", "--json", timeout=60))
    assert report["state"] == "done" and report["kind"] == "drain" and counts(three)[2] == 0
    nobody_noticed(fleet)
