"""Plans of the supervisor and the commands that make them, against edges that are numbers (support/fake/edge.py): what happens when an
edge hangs, refuses or dies, when the supervisor is killed, and what people are told. With real edges: test_supervisor_moves.py."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from support.cluster import Cluster
from support.http import request
from support.programs import clean_env, program, run_program
from support.wait import until

FAKE = pathlib.Path(__file__).resolve().parents[1] / "support" / "fake" / "edge.py"


class Numbers(Cluster):
    """A cluster of a real broker, a real supervisor and edges that are numbers."""

    def __init__(self, folder, edges):
        self.programs = pathlib.Path(folder) / "programs"
        self.programs.mkdir(parents=True)
        (self.programs / "tocsin-broker").symlink_to(program("tocsin-broker"))
        (self.programs / "tocsin-edge").symlink_to(FAKE)
        super().__init__(folder, edges, config=f"supervisor:\n  programs: {self.programs}\n")

    def put(self, *counts):
        for n, count in enumerate(counts):
            (self.dir / "run" / f"edge-{n}.clients").write_text(str(count))

    def count(self, edge):
        file = self.dir / "run" / f"{edge}.clients"
        return int(file.read_text() or 0) if file.exists() else 0

    def total(self):
        return sum(int(f.read_text() or 0) for f in (self.dir / "run").glob("*.clients"))

    def mood(self, edge, text):
        (self.dir / "run" / f"{edge}.mood").write_text(text)

    def plans(self):
        return [json.loads(f.read_text()) for f in sorted((self.dir / "plans").glob("*.json"))]

    def admin(self, method, path, body=None, token=None):
        info = self.info()["supervisor"]
        token = token or pathlib.Path(info["token_file"]).read_text().strip()
        return request(method, info["http"] + path, body, {"Authorization": f"Bearer {token}"})


@pytest.fixture
def numbers(tmp_path):
    with Numbers(tmp_path / "c", 3) as cluster:
        cluster.put(100, 100, 100)
        yield cluster


def report_of(done, code=0):
    assert done.code == code, done
    assert done.out.count("\n") == 1, "the report is one JSON object on one line"
    return done.json()


def test_a_drain_is_reported_as_one_json_object(numbers):
    report = report_of(numbers.ctl("drain", "edge-1", "--wait", "--json"))
    assert report["state"] == "done" and report["kind"] == "drain" and report["edge"] == "edge-1"
    assert report["planned"] == report["migrated"] == 100 and report["lost"] == report["remaining"] == 0
    assert report["blackout_ms"] == {"p50": 0, "p99": 3, "max": 9}
    assert sum(report["targets"].values()) == 100 and set(report["targets"]) == {"edge-0", "edge-2"}
    assert numbers.count("edge-1") == 0 and numbers.total() == 300
    again = numbers.ctl("drain", "report", "edge-1", "--json")
    assert again.code == 0 and again.json()["id"] == report["id"]
    people = numbers.ctl("drain", "report", report["id"])
    assert people.code == 0 and "100 migrated" in people.out and "p99 3 ms" in people.out, people
    status = numbers.ctl("status")
    assert re.search(r"edge-1 +empty", status.out) and status.code == 7, status
    # cordoned outlives the edge: the supervisor says it again
    numbers.kill("edge-1")
    until(lambda: re.search(r"edge-1 +cordoned", numbers.ctl("status").out), "edge-1 to be cordoned again")
    assert numbers.ctl("uncordon", "edge-1").code == 0
    until(lambda: numbers.ctl("status").code == 0, "edge-1 to be ready")


def test_only_to_some(numbers):
    report = report_of(numbers.ctl("migrate", "edge-0", "--count", 30, "--to", "edge-2", "--wait", "--json"))
    assert report["kind"] == "migrate" and report["targets"] == {"edge-2": 30}
    assert [numbers.count(f"edge-{n}") for n in range(3)] == [70, 100, 130]


def test_rebalance_brings_each_within_a_tenth(numbers):
    numbers.put(280, 20, 0)
    report = report_of(numbers.ctl("rebalance", "--wait", "--json", timeout=60))
    counts = [numbers.count(f"edge-{n}") for n in range(3)]
    assert report["state"] == "done" and sum(counts) == 300 and all(90 <= c <= 110 for c in counts), (counts, report)


def test_scale_up_and_down(numbers):
    up = report_of(numbers.ctl("scale", 5, "--wait", "--json", timeout=60))
    assert up["state"] == "done" and [e["id"] for e in numbers.edges] == [f"edge-{n}" for n in range(5)]
    assert all(50 <= numbers.count(f"edge-{n}") <= 70 for n in range(5))
    # the next supervisor keeps the count
    old = numbers.kill("supervisor")
    until(lambda: numbers.pid_of("supervisor") != old, "another supervisor")
    until(lambda: len(numbers.edges) == 5 and numbers.ctl("status").code == 0, "five edges")
    down = report_of(numbers.ctl("scale", 2, "--wait", "--json", timeout=60))
    assert down["state"] == "done" and [e["id"] for e in numbers.edges] == ["edge-0", "edge-1"]
    assert numbers.count("edge-0") + numbers.count("edge-1") == 300


def test_rolling_restart_replaces_every_process(numbers):
    before = numbers.info()
    report = report_of(numbers.ctl("restart", "--rolling", "--wait", "--json", timeout=90))
    after = numbers.info()
    assert report["state"] == "done" and numbers.total() == 300
    assert [e["id"] for e in after["edges"]] == [e["id"] for e in before["edges"]]
    assert [e["ws"] for e in after["edges"]] == [e["ws"] for e in before["edges"]]
    assert not {e["pid"] for e in before["edges"]} & {e["pid"] for e in after["edges"]}
    assert before["broker"]["pid"] != after["broker"]["pid"] and before["broker"]["ingest"] == after["broker"]["ingest"]
    assert report["migrated"] <= 300 + 100, "hops: one each, and a second one for those of the surge edge"
    assert numbers.count("edge-surge") == 0
    counts = [numbers.count(f"edge-{n}") for n in range(3)]
    assert all(90 <= c <= 110 for c in counts), counts


@pytest.mark.parametrize("kind", ["drain", "scale", "restart"])
def test_a_supervisor_killed_in_the_middle_goes_on(numbers, kind):
    numbers.put(100, 600, 600)
    command = {"drain": ["drain", "edge-1"], "scale": ["scale", "1"], "restart": ["restart", "--rolling"]}[kind]
    plan = numbers.ctl(*command, "--json").json()["id"]
    for kill in range(3):
        def moved():
            return next(p for p in numbers.plans() if p["id"] == plan)["phase"] not in ("planned",)
        until(moved, "the plan to be under way")
        old = numbers.kill("supervisor")
        until(lambda: numbers.pid_of("supervisor") != old, "another supervisor")
    until(lambda: next(p for p in numbers.plans() if p["id"] == plan)["phase"] == "done", "the plan to end", 60)
    assert numbers.total() == 1300
    if kind == "drain":
        assert numbers.count("edge-1") == 0
    until(lambda: len(numbers.edges) == (1 if kind == "scale" else 3), "cluster.json to say so")


def test_a_release_that_cannot_start_changes_nothing(numbers, tmp_path):
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "tocsin-broker").symlink_to(program("tocsin-broker"))
    (bad / "tocsin-edge").write_text("#!/bin/sh\necho this release is broken >&2\nexit 2\n")
    (bad / "tocsin-edge").chmod(0o755)
    before = numbers.pids()
    done = numbers.ctl("restart", "--rolling", "--programs", bad, "--wait", "--json", timeout=60)
    report = report_of(done, 1)
    assert report["state"] == "failed" and "this release is broken" in report["reason"], report
    assert numbers.pids() == before and numbers.total() == 300
    missing = numbers.ctl("restart", "--rolling", "--programs", tmp_path)
    assert missing.code == 2 and "tocsin-broker" in missing.err, missing
    assert numbers.ctl("restart").code == 2


def test_a_broker_that_cannot_start_gets_its_old_release_back(numbers, tmp_path):
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "tocsin-edge").symlink_to(FAKE)
    (bad / "tocsin-broker").write_text("#!/bin/sh\necho this broker is broken >&2\nexit 2\n")
    (bad / "tocsin-broker").chmod(0o755)
    report = report_of(numbers.ctl("restart", "--rolling", "--programs", bad, "--wait", "--json", timeout=60), 1)
    assert report["state"] == "failed" and "this broker is broken" in report["reason"] and "old programs" in report["reason"], report
    until(lambda: numbers.ctl("status").code == 0, "the cluster to be whole")
    assert numbers.total() == 300 and len(numbers.edges) == 3


def test_calling_off(numbers):
    numbers.put(100, 5000, 100)
    numbers.ctl("drain", "edge-1")
    until(lambda: numbers.count("edge-1") < 5000, "the drain to begin")
    done = numbers.ctl("drain", "abort", "edge-1")
    assert done.code == 0, done
    until(lambda: numbers.ctl("drain", "report", "edge-1", "--json").json()["state"] == "aborted", "the end of it")
    until(lambda: numbers.ctl("status").code == 0, "edge-1 to take clients again")
    assert 0 < numbers.count("edge-1") < 5000 and numbers.total() == 5200
    nothing = numbers.ctl("drain", "abort")
    assert nothing.code == 4 and "nothing is under way" in nothing.err, nothing


def test_an_edge_that_hangs_is_waited_for(numbers):
    numbers.put(100, 2000, 100)
    numbers.ctl("drain", "edge-1")
    until(lambda: numbers.count("edge-1") < 2000, "the drain to begin")
    numbers.mood("edge-1", "hang")
    until(lambda: numbers.ctl("drain", "report", "edge-1", "--json").json()["state"] == "paused", "the plan to say so", 30)
    numbers.mood("edge-1", "")
    until(lambda: numbers.ctl("drain", "report", "edge-1", "--json").json()["state"] == "done", "the end of it", 30)
    assert numbers.total() == 2200


def test_an_edge_that_refuses(numbers):
    numbers.mood("edge-1", "refuse")
    report = report_of(numbers.ctl("migrate", "edge-1", "--count", 5, "--wait", "--json"), 1)
    assert report["state"] == "failed" and report["reason"] == "edge-1: not in the mood", report


def test_maintenance(numbers):
    done = numbers.ctl("maintenance", "on")
    assert done.code == 0, done
    assert "maintenance is on" in numbers.ctl("status").out
    refused = numbers.ctl("rebalance")
    assert refused.code == 10 and "maintenance off" in refused.err, refused
    pid = numbers.kill("edge-1")
    old = numbers.kill("supervisor")
    until(lambda: numbers.pid_of("supervisor") != old, "another supervisor")
    status = until(lambda: (s := numbers.ctl("status", "--json").json().get("supervisor")) and s["maintenance"] and s, "maintenance kept")
    assert next(p for p in status["processes"] if p["name"] == "edge-1")["pid"] in (0, pid)
    assert numbers.ctl("maintenance", "off").code == 0
    until(lambda: {e["id"]: e["pid"] for e in numbers.edges}.get("edge-1", pid) != pid and numbers.ctl("status").code == 0,
          "edge-1 to be started again")
    assert numbers.ctl("maintenance", "perhaps").code == 2


@pytest.mark.parametrize("args, code, words", [
    (["drain", "egde-1"], 4, ["no edge", "did you mean edge-1"]),
    (["drain", "plan", "egde-1"], 4, ["did you mean edge-1"]),
    (["drain", "report", "edge-9"], 4, ["edge-9"]),
    (["drain"], 2, ["--self"]),
    (["drain", "edge-1", "--to", "edge-7"], 4, ["edge-7"]),
    (["drain", "edge-1", "--to", "edge-1"], 2, ["own target"]),
    (["drain", "edge-1", "--deadline", "soon"], 2, ["--deadline"]),
    (["migrate", "edge-1"], 2, ["--count"]),
    (["migrate", "edge-1", "--count", "0"], 2, ["--count"]),
    (["scale", "0"], 2, ["64"]),
    (["scale", "65"], 2, ["64"]),
    (["cordon", "nobody"], 4, ["no edge"]),
])
def test_bad_input_says_what_to_do(plans_shared, args, code, words):
    done = plans_shared.ctl(*args)
    assert done.code == code, done
    for word in words:
        assert word in done.err, done


@pytest.fixture(scope="module")
def plans_shared(tmp_path_factory):
    with Numbers(tmp_path_factory.mktemp("plans") / "c", 2) as cluster:
        yield cluster


def test_the_last_edge_has_no_target(plans_shared):
    assert plans_shared.ctl("cordon", "edge-1").code == 0
    until(lambda: "cordoned" in plans_shared.ctl("status").out, "edge-1 to be cordoned")

    def refused():
        done = plans_shared.ctl("drain", "edge-0")
        return done if done.code == 5 and "no target" in done.err else None
    done = until(refused, "the refusal")
    assert "uncordon" in done.err, done
    assert plans_shared.ctl("uncordon", "edge-1").code == 0


def test_the_admin_api_wants_the_token(plans_shared):
    for method, path in (("GET", "/plans"), ("POST", "/edges/edge-0/drain"), ("POST", "/scale"), ("POST", "/maintenance")):
        reply = plans_shared.admin(method, path, token="wrong")
        assert reply.status == 401, (path, reply)
    assert plans_shared.admin("GET", "/plans").status == 200
    assert plans_shared.admin("DELETE", "/plans").status == 405
    assert plans_shared.admin("POST", "/scale", b"[").status == 400
    assert plans_shared.admin("POST", "/nothing").status == 404


def test_a_terminal_sees_a_line_of_progress(plans_shared):
    until(lambda: plans_shared.ctl("status").code == 0, "both edges to take clients")
    plans_shared.put(500, 0)
    reader, writer = os.openpty()
    child = subprocess.Popen([program("tocsinctl"), "--cluster", str(plans_shared.file), "migrate", "edge-0", "--count", "500", "--wait"],
                             stdout=subprocess.PIPE, stderr=writer, text=True, env=clean_env())
    os.close(writer)
    out, _ = child.communicate(timeout=30)
    seen = b""
    try:
        while piece := os.read(reader, 4096):
            seen += piece
    except OSError:   # the terminal's other end is closed
        pass
    os.close(reader)
    assert child.returncode == 0 and "migrate of edge-0: done" in out, out
    assert re.search(rb"migrate of edge-0 \[#*\.*\] \d+ of 500 clients", seen), seen
    plans_shared.put(100, 100)


def test_another_token_is_refused_in_words(plans_shared, tmp_path):
    info = plans_shared.info()
    token = tmp_path / "other.token"
    token.write_text("x" * 96)
    info["supervisor"]["token_file"] = str(token)
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps(info))
    done = run_program("tocsinctl", "--cluster", file, "drain", "edge-1")
    assert done.code == 1 and "does not take the token" in done.err, done
    token.unlink()
    done = run_program("tocsinctl", "--cluster", file, "drain", "edge-1")
    assert done.code == 1 and "cannot be read" in done.err, done


def test_a_dead_supervisor_is_named(plans_shared, tmp_path):
    info = plans_shared.info()
    info["supervisor"]["http"] = "http://127.0.0.1:9"
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps(info))
    done = run_program("tocsinctl", "--cluster", file, "drain", "edge-1")
    assert done.code == 5 and "supervisor does not answer" in done.err and "--self" in done.err, done


def test_drain_self_needs_no_supervisor(plans_shared):
    edge = plans_shared.edge(1)
    token = plans_shared.info()["supervisor"]["token_file"]
    refused = plans_shared.ctl("drain", "--self", "--wait", "--edge-http", edge["http"])
    assert refused.code == 1 and "--token-file" in refused.err, refused
    nobody = plans_shared.ctl("drain", "--self", "--edge-http", "http://127.0.0.1:9")
    assert nobody.code == 5 and "TOCSIN_EDGE_HTTP" in nobody.err, nobody
    assert os.path.exists(token)
