"""`tocsinctl up`: cluster.json, restarts of what dies, and going on with the same log."""
import json
import os
import signal
import threading
import time

import pytest

from support.cluster import Cluster, exists
from support.http import get, post_json
from support.process import free_port
from support.programs import run_program
from support.wait import until

RESTART_BOUND_S = 3.0   # the contract says 1 s; a busy machine gets more, and the measured value is printed


def publish(url, n=1, channel="incidents", **members):
    update = {"channel": channel, "event_id": f"e{n}", "kind": "created", "key": f"INC{n}", "incident": {"title": f"incident {n}"}}
    reply = post_json(url + "/v1/updates", {**update, **members})
    assert reply.status == 200, reply
    return reply.json()["results"][0]


def test_cluster_json_has_every_member_that_tools_rely_on(shared):
    info = shared.info()
    assert isinstance(info["broker"]["pid"], int) and info["broker"]["ingest"].startswith("tcp://")
    assert isinstance(info["supervisor"]["pid"], int) and info["supervisor"]["http"].startswith("http://")
    assert [e["id"] for e in info["edges"]] == ["edge-0", "edge-1"]
    for edge in info["edges"]:
        assert edge["ws"].startswith("ws://127.0.0.1:") and edge["ws"].endswith("/v1/stream")
        assert edge["http"].startswith("http://127.0.0.1:")
        assert edge["ws"].split("/")[2] == edge["http"].split("/")[2]
    assert all(map(exists, shared.pids()))
    assert len(set(shared.pids())) == 4


def restarted(cluster, which):
    """Kills `which`, waits for cluster.json to name another, ready process, and returns the seconds it took."""
    begin = time.monotonic()
    old = cluster.kill(which)
    until(lambda: cluster.pid_of(which) != old and exists(cluster.pid_of(which)), f"another {which} in cluster.json", 15, 0.005)
    return time.monotonic() - begin


def test_a_killed_process_comes_back_at_once_on_the_same_port(cluster):
    before = cluster.info()
    for which in ("edge-1", "broker", "supervisor", "edge-0"):
        took = restarted(cluster, which)
        print(f"{which}: back in cluster.json {took * 1000:.0f} ms after kill -9")
        assert took < RESTART_BOUND_S
        cluster.wait_ready()
    after = cluster.info()
    assert after["broker"]["ingest"] == before["broker"]["ingest"]
    assert [(e["id"], e["ws"], e["http"]) for e in after["edges"]] == [(e["id"], e["ws"], e["http"]) for e in before["edges"]]
    assert get(after["supervisor"]["http"] + "/health").status == 200


def test_the_supervisor_says_who_is_down_and_since_when_it_is_well_again(cluster):
    url = cluster.info()["supervisor"]["http"] + "/health"

    def checks():
        return {c["check"]: c for c in get(url + "?detailed=true").json()["checks"]}
    assert get(url + "/ready").json() == {"status": "ready"}
    until(lambda: all(c["ok"] for c in checks().values()), "every check to be well")
    assert set(checks()) == {"broker", "edge-0", "edge-1", "maintenance"}
    assert cluster.ctl("maintenance", "on").code == 0
    cluster.kill("edge-1")
    down = until(lambda: (lambda r: r if r.status == 503 else None)(get(url + "/ready")), "the edge to be missed").json()
    assert down["status"] == "not_ready" and down["reasons"] == [down["reason"]], down
    assert down["reason"].startswith("edge-1 does not serve: it is waiting; it was ended by signal 9"), down
    assert "checks" not in down
    told = checks()
    assert told["edge-1"]["detail"] == down["reason"] and told["broker"]["ok"] and told["edge-0"]["ok"], told
    assert "nothing that dies is started again" in told["maintenance"]["detail"], told
    assert cluster.ctl("maintenance", "off").code == 0
    until(lambda: get(url + "/ready").status == 200, "the edge to be back")


def test_the_supervisor_passes_on_why_an_edge_that_serves_is_not_ready(cluster):
    url = cluster.info()["supervisor"]["http"] + "/health?detailed=true"
    broker = cluster.pid_of("broker")
    os.kill(broker, signal.SIGSTOP)   # it hangs: its process is there
    try:
        def said():
            body = get(url).json()
            mine = [c for c in body["checks"] if c["check"] == "edge-0" and not c["ok"] and "broker" in c["detail"]]
            return mine and body
        body = until(said, "the edge's reason")
        assert body["status"] == "ready" and "reasons" not in body, "every process serves, as far as the supervisor can do something"
        assert "{" not in json.dumps([c["detail"] for c in body["checks"] if not c["ok"]]), "sentences, not answers of edges"
    finally:
        os.kill(broker, signal.SIGCONT)


def test_a_dying_supervisor_leaves_the_others_alone(cluster):
    before = cluster.info()
    restarted(cluster, "supervisor")
    after = cluster.info()
    assert after["broker"]["pid"] == before["broker"]["pid"]
    assert [e["pid"] for e in after["edges"]] == [e["pid"] for e in before["edges"]]


def test_a_reader_of_cluster_json_never_sees_half_a_file(cluster):
    broken, reads, stop = [], [0], threading.Event()

    def read():
        while not stop.is_set():
            try:
                json.loads(cluster.file.read_text())
                reads[0] += 1
            except Exception as e:   # noqa: BLE001 - whatever it is, it is the finding
                broken.append(e)
    reader = threading.Thread(target=read)
    reader.start()
    for which in ("edge-0", "edge-1", "edge-0", "broker"):
        restarted(cluster, which)
    stop.set()
    reader.join()
    assert not broken and reads[0] > 100


def test_starting_again_on_the_same_folder_continues_the_log(tmp_path):
    folder = tmp_path / "c"
    with Cluster(folder) as first:
        url = first.edge()["http"]
        one = publish(url, 1)["position"]
        two = publish(url, 2)["position"]
        assert first.stop() == 0
    assert two == {"epoch": one["epoch"], "offset": one["offset"] + 1}
    with Cluster(folder) as second:
        url = second.edge(1)["http"]
        again = publish(url, 2)
        assert again["position"] == two and again["duplicate"] is True
        assert publish(url, 3)["position"] == {"epoch": one["epoch"], "offset": two["offset"] + 1}
        assert get(url + "/v1/incidents/INC1").json()["title"] == "incident 1"
        assert second.stop() == 0


def test_what_was_acknowledged_survives_kill_9_of_everything(tmp_path):
    folder = tmp_path / "c"
    first = Cluster(folder).start()
    kept = [publish(first.edge(n % 2)["http"], n)["position"] for n in range(1, 21)]
    pids = first.pids()
    for pid in (first.child.pid, *pids):
        os.kill(pid, signal.SIGKILL)
    first.stop(check=False)
    with Cluster(folder) as second:
        url = second.edge()["http"]
        info = get(url + "/v1/channels/incidents").json()
        assert (info["epoch"], info["last"]) == (kept[-1]["epoch"], kept[-1]["offset"])
        assert [publish(url, n)["position"] for n in range(1, 21)] == kept


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_ends_cleanly_on_a_signal(tmp_path, number):
    with Cluster(tmp_path / "c", edges=1) as c:
        pids = c.pids()
        c.child.send_signal(number)
        assert c.child.wait(20) == 0, c.logs()
        until(lambda: not any(map(exists, pids)), "all processes to be gone", 10)


def test_edges_listen_on_consecutive_ports(tmp_path):
    def three_in_a_row():
        port = free_port()
        try:
            import socket
            for p in (port + 1, port + 2):
                with socket.socket() as s:
                    s.bind(("127.0.0.1", p))
            return port
        except OSError:
            return None
    port = until(three_in_a_row, "three free ports in a row")
    with Cluster(tmp_path / "c", edges=3, port=port) as c:
        assert [e["ws"] for e in c.edges] == [f"ws://127.0.0.1:{port + i}/v1/stream" for i in range(3)]


def test_a_port_in_use_is_named_and_nothing_is_left_running(tmp_path):
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        done = run_program("tocsinctl", "up", "--edges", "1", "--port", port, "--dir", tmp_path / "c", timeout=30)
    assert done.code == 3, done
    assert str(port) in done.err and "in use" in done.err, done
    assert not (tmp_path / "c" / "cluster.json").exists()


def test_a_folder_in_use_by_a_running_cluster_is_refused(cluster):
    done = run_program("tocsinctl", "up", "--edges", "1", "--port", "0", "--dir", cluster.dir, timeout=30)
    assert done.code == 3, done
    assert str(cluster.dir) in done.err or "running" in done.err, done
    assert cluster.all_ready()


def test_a_config_with_a_typo_is_refused_with_its_line(tmp_path):
    config = tmp_path / "tocsin.yaml"
    config.write_text("log:\n  level: info\nsession:\n  keepalive_msx: 5\n")
    done = run_program("tocsinctl", "up", "--edges", "1", "--port", "0", "--dir", tmp_path / "c", "--config", config, timeout=30)
    assert done.code == 2, done
    assert "keepalive_msx" in done.err and ("line 4" in done.err or ":4" in done.err), done
