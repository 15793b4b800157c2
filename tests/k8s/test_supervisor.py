"""The supervisor in Kubernetes: who is in charge, what it says, and what it does when the API server is unwell. Few clients: test_scaling has them."""
import json
import signal

import pytest

from support.hook import Hook
from support.kube import SET, TOKEN, Kube
from support.http import request
from support.programs import clean_env, run_program
from support.wait import until


@pytest.fixture
def kube(tmp_path):
    with Kube(tmp_path / "kube", replicas=2) as k:
        yield k


def names(kube):
    return {p["name"] for p in kube.status()["processes"] if p["name"] != "broker"}


def scale_and_see(kube, count):
    kube.api.scale(SET, count)
    kube.wait_pods(count)
    want = {f"{SET}-{i}" for i in range(count)}
    until(lambda: names(kube) == want, f"the supervisor to see {count} pods", 30, pause=0.1)


def test_status_says_what_there_is(kube):
    status = until(lambda: (lambda s: s if all(p.get("edge_state") == "ready" for p in s["processes"] if p["name"] != "broker") else None)(kube.status()),
                   "both edges to be heard")
    assert status["leader"] == kube.leader().name and status["replicas"] == 2 and status["troubles"] == {}
    for p in status["processes"]:
        assert p["name"] == "broker" or p["newest"] is True
    text = kube.leader().ctl("status")
    assert text.code == 0 and f"{SET}-1" in text.out, text
    metrics = request("GET", kube.leader().url + "/metrics").body.decode()
    assert "tocsin_supervisor_kubernetes_leader 1" in metrics


@pytest.mark.parametrize("fault", ["drop", "expire", "compact", "answer 410", "errors", "slow", "down", "token"])
def test_it_sees_pods_again_after_a_fault(kube, fault):
    api = kube.api
    until(lambda: api.watches() == 2, "both watches to be open")
    if fault == "drop":
        api.drop_watches()
    elif fault == "expire":
        api.expire_watches()
    elif fault == "compact":
        api.compact()
        api.drop_watches()
    elif fault == "answer 410":
        api.faults.gone = 3
        api.drop_watches()
    elif fault == "errors":
        api.faults.errors = 6
        api.drop_watches()
    elif fault == "slow":
        api.faults.slow = 0.4
        api.drop_watches()
    elif fault == "down":
        api.faults.down = True
        api.drop_watches()
        api.scale(SET, 3)   # what happens meanwhile is not missed
        until(lambda: kube.nodes.ready(3), "the third pod", 30)
        api.faults.down = False
    elif fault == "token":
        api.rotate_token()
        api.drop_watches()
    # "down" may have cost it the lease; it is started again then, as a kubelet does.
    for s in kube.supervisors:
        if s.child.poll() is not None:
            s.start()
    kube.wait_in_charge()
    scale_and_see(kube, 3 if kube.api.get("statefulsets", SET)["spec"]["replicas"] == 2 else 2)
    assert not [r for r in api.refused if r[0] != "401"], api.refused


def test_the_second_takes_over_and_goes_on_with_the_plan(tmp_path):
    """The one in charge is killed between draining and patching the number; what it had begun is finished."""
    with Kube(tmp_path / "kube", replicas=3, supervisors=2) as kube:
        first = kube.leader()
        other = next(s for s in kube.supervisors if s is not first)
        said = until(lambda: (lambda r: r if r.status == 503 and first.name in r.body.decode() else None)(
            request("POST", other.url + "/scale", body=b'{"edges":2}', headers={"Authorization": f"Bearer {TOKEN}"})), "the second to stand by")
        assert "stands by" in said.json()["detail"], said
        started = first.ctl("scale", 2, "--json")
        assert started.code == 0, started
        plan = started.json()["id"]
        until(lambda: f"plan.{plan}" in kube.api.get("configmaps", "tocsin-plans").get("data", {}), "the plan to be kept")
        first.kill()
        until(lambda: kube.leader() is other, "the second to take over", 30)
        kube.wait_pods(2)
        done = until(lambda: (lambda d: d.json() if d.code == 0 and d.json()["state"] == "done" else None)(other.ctl("drain", "report", plan, "--json")),
                     "the plan to be done", 30, pause=0.2)
        assert done["id"] == plan
        assert not kube.api.refused


def test_the_lease_is_given_up_by_one_that_stops(tmp_path):
    with Kube(tmp_path / "kube", replicas=1, supervisors=2, lease_ms=60_000) as kube:
        first = kube.leader()
        assert first.kill(signal.SIGTERM) == 0
        # Long before the lease would have run out.
        until(lambda: kube.leader() not in (None, first), "the other to take over", 30)


def test_one_that_was_paused_does_not_act_when_it_wakes(tmp_path):
    with Kube(tmp_path / "kube", replicas=1, supervisors=2, lease_ms=2000) as kube:
        first = kube.leader()
        first.child.send_signal(signal.SIGSTOP)
        until(lambda: kube.leader() not in (None, first), "the other to take over", 30)
        first.child.send_signal(signal.SIGCONT)
        assert first.child.wait(15) == 1
        assert "the lease is lost" in first.log()


def test_a_pod_that_cannot_start_fails_the_scaling_and_is_taken_back(kube):
    kube.nodes.broken = {f"{SET}-2"}
    done = kube.leader().ctl("scale", 3, "--wait", "--json")
    assert done.code != 0
    report = done.json()
    assert report["state"] == "failed" and "ImagePullBackOff" in report["reason"], report
    assert kube.api.get("statefulsets", SET)["spec"]["replicas"] == 2


def test_a_cordon_is_kept_and_a_restart_is_kubernetes_affair(kube):
    name = f"{SET}-1"
    until(lambda: kube.leader().ctl("cordon", name).code == 0, "the cordon to be taken")
    until(lambda: name in kube.api.get("configmaps", "tocsin-plans").get("data", {}).get("cordoned", ""), "the cordon to be kept")
    kube.nodes.crash(name)   # the pod that is made in its place is cordoned too
    until(lambda: any(p["name"] == name and p.get("edge_state") in ("cordoned", "empty") for p in kube.status()["processes"]), "the new pod to be cordoned",
          30, pause=0.1)
    until(lambda: kube.leader().ctl("uncordon", name).code == 0, "the uncordon to be taken")
    kube.wait_pods(2)
    refused = kube.leader().ctl("restart", "--rolling")
    assert refused.code != 0 and "kubectl rollout restart" in refused.err, refused


@pytest.mark.parametrize("change, says", [
    ({"TOCSIN_KUBERNETES_CA_FILE": "/nowhere/ca.crt"}, "kubernetes.ca_file"),
    ({"TOCSIN_ADMIN_TOKEN_FILE": "/nowhere/token"}, "/nowhere/token"),
    ({"TOCSIN_SUPERVISOR_LISTEN": "7402"}, "host:port"),
    ({"TOCSIN_KUBERNETES_NAMESPACE": ""}, "kubernetes.namespace"),
])
def test_settings_that_cannot_work_end_it_with_a_sentence(tmp_path, change, says):
    token, ca = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("x")
    ca.write_text("")
    env = {"TOCSIN_SUPERVISOR_PLATFORM": "kubernetes", "TOCSIN_CLUSTER_DIR": str(tmp_path / "run"), "TOCSIN_ADMIN_TOKEN_FILE": str(token),
           "TOCSIN_KUBERNETES_TOKEN_FILE": str(token), "TOCSIN_KUBERNETES_CA_FILE": str(ca), "TOCSIN_KUBERNETES_NAMESPACE": "tocsin",
           "TOCSIN_SUPERVISOR_LISTEN": "127.0.0.1:0", **change}
    done = run_program("tocsin-supervisor", env=clean_env(**env), timeout=20)
    assert done.code in (2, 3) and says in done.err, done


def test_alerts_are_posted_by_the_one_in_charge_and_the_next_one_knows_of_them(tmp_path):
    with Hook() as hook:
        times = {"TOCSIN_ALERTS_CHECK_MS": "100", "TOCSIN_ALERTS_RESOLVE_MS": "1000", "TOCSIN_ALERTS_PROCESS_DOWN_MS": "300"}
        with Kube(tmp_path / "kube", replicas=2, supervisors=2, TOCSIN_ALERTS_WEBHOOK_URL=f"http://127.0.0.1:{hook.port}/hook", **times) as kube:
            kube.broker.kill()
            assert hook.about("process_down/broker", "firing")["alert"]["severity"] == "critical"
            until(lambda: '"broker"' in kube.api.get("configmaps", "tocsin-plans").get("data", {}).get("alerts", ""), "what was told to be kept")
            first = kube.leader()
            first.kill()
            until(lambda: kube.leader() not in (None, first), "the other to take over", 30)
            kube.broker.start()
            assert hook.about("process_down/broker", "resolved")
            told = [(post[3]["key"], post[3]["status"]) for post in list(hook.posts.queue)]
            assert ("process_down/broker", "firing") not in told, "once, by one of them"


def test_an_api_server_of_another_authority_is_not_believed(tmp_path):
    from support.tls import Authority
    other = Authority(tmp_path / "other")
    with Kube(tmp_path / "kube", replicas=1) as kube:
        kube.more = {"TOCSIN_KUBERNETES_CA_FILE": str(other.cert)}
        before = len(kube.api.requests)
        stranger = kube.add_supervisor()
        stranger.kube.supervisors.remove(stranger)
        try:
            until(lambda: "does not answer" in stranger.log(), "it to say so", 20)
            text = request("GET", stranger.url + "/metrics").body.decode()
            assert "tocsin_supervisor_kubernetes_leader 0" in text
        finally:
            stranger.kill()
        assert len(kube.api.requests) >= before
        assert kube.leader() is not stranger and json.dumps(kube.api.get("leases", "tocsin-supervisor")).count(stranger.name) == 0
