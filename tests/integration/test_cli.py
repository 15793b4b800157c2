"""tocsinctl: what people and scripts call. Exit codes as its --help documents them."""
import json
import pathlib
import signal
import subprocess

import pytest

from support.http import get, post_json
from support.programs import ROOT, clean_env, program, run_program
from support.wait import until

REAL_LOG = ROOT.parent / "shared" / "data" / "servicenow-incident-log.csv.xz"

CSV_HEAD = ("number,incident_state,active,reassignment_count,reopen_count,sys_mod_count,made_sla,caller_id,opened_by,opened_at,"
            "sys_created_by,sys_created_at,sys_updated_by,sys_updated_at,contact_type,location,category,subcategory,u_symptom,cmdb_ci,"
            "impact,urgency,priority,assignment_group,assigned_to,knowledge,u_priority_confirmation,notify,problem_id,rfc,vendor,"
            "caused_by,closed_code,resolved_by,resolved_at,closed_at")


def csv_log(folder, incidents, states=("New", "Active", "Resolved", "Closed")):
    """A small log in the real one's form: each incident goes through `states`."""
    rows = [CSV_HEAD]
    for n in range(incidents):
        for minute, state in enumerate(states):
            rows.append(f"INC{n:07},{state},true,0,0,{minute},true,Caller 1,Opened by 1,29/2/2016 01:{minute:02},Created by 1,"
                        f"29/2/2016 01:{minute:02},Updated by 2,29/2/2016 01:{minute:02},Phone,Location 1,Category {n % 7},"
                        f"Subcategory 1,Symptom 1,?,2 - Medium,2 - Medium,{1 + n % 4} - x,Group 5,?,true,false,Do Not Notify,?,?,?,?,"
                        "code 5,Resolved by 1,29/2/2016 11:29,5/3/2016 12:00")
    file = pathlib.Path(folder) / "log.csv"
    file.write_text("\n".join(rows) + "\n")
    return file, len(rows) - 1


def test_status_names_every_process(shared):
    done = shared.ctl("status", "--json")
    assert done.code == 0, done
    text = json.dumps(done.json())
    for word in ("edge-0", "edge-1", "broker", "supervisor"):
        assert word in text
    human = shared.ctl("status")
    assert human.code == 0 and "edge-0" in human.out and "ready" in human.out, human


def test_publish_then_read_it_back(shared, channel):
    update = {"channel": channel, "event_id": "cli-1", "kind": "created", "key": "CLI1", "incident": {"title": "from the CLI", "severity": "P1"}}
    done = shared.ctl("publish", "--json", "-", stdin=json.dumps(update) + "\n")
    assert done.code == 0, done
    assert '"offset":1' in done.out.replace(" ", ""), done
    listed = shared.ctl("incidents", "--channel", channel, "--json")
    assert listed.code == 0 and "from the CLI" in listed.out, listed
    human = shared.ctl("incidents", "--channel", channel)
    assert human.code == 0 and "CLI1" in human.out, human


def test_publish_of_bad_input_says_what_is_wrong(shared, channel):
    done = shared.ctl("publish", "-", stdin=json.dumps({"channel": channel, "key": "a", "incident": {"severity": "P9"}}) + "\n")
    assert done.code not in (0, None), done
    assert "severity" in done.err, done


def test_tail_prints_matching_updates_as_they_come(shared, channel):
    tail = subprocess.Popen([program("tocsinctl"), "--cluster", str(shared.file), "tail", channel, "--filter", "severity=P0,P1", "--json"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_env())
    try:
        # tail is live from where it subscribes: publish until it was seen to be there
        seen = []

        def note():
            n = note.n = getattr(note, "n", 0) + 1
            post_json(shared.edge()["http"] + "/v1/updates", {"channel": channel, "key": f"T{n}", "incident": {"severity": f"P{n % 4}", "title": "x"}})
            import select
            while select.select([tail.stdout], [], [], 0)[0]:
                line = tail.stdout.readline()
                if not line:
                    return False
                seen.append(json.loads(line))
            return len([s for s in seen if s.get("incident")]) >= 4
        until(note, "four updates on tail's stdout", 20, 0.05)
        severities = {s["incident"]["severity"] for s in seen if s.get("incident")}
        assert severities == {"P0", "P1"}
        tail.send_signal(signal.SIGINT)
        assert tail.wait(10) in (0, 130)
    finally:
        tail.kill()
        tail.communicate()


def test_replay_of_a_small_log_reaches_every_incident(shared, channel, tmp_path):
    file, rows = csv_log(tmp_path, 200)
    done = shared.ctl("replay", "servicenow", file, "--speed", "max", "--channel", channel, "--json", timeout=60)
    assert done.code == 0, done
    info = get(shared.edge()["http"] + f"/v1/channels/{channel}").json()
    assert info["last"] == rows
    again = shared.ctl("replay", "servicenow", file, "--speed", "max", "--channel", channel, "--json", timeout=60)
    assert again.code == 0, again
    assert get(shared.edge()["http"] + f"/v1/channels/{channel}").json()["last"] == rows, "a second replay must be all duplicates"


def test_replay_names_the_rows_it_could_not_take(shared, channel, tmp_path):
    file, rows = csv_log(tmp_path, 5)
    text = file.read_text().splitlines()
    text[3] = "not,a,row"
    file.write_text("\n".join(text) + "\n")
    done = shared.ctl("replay", "servicenow", file, "--speed", "max", "--channel", channel, timeout=60)
    assert done.code == 6, done
    assert "4" in done.err, done
    assert get(shared.edge()["http"] + f"/v1/channels/{channel}").json()["last"] == rows - 1


def test_replay_reads_the_real_log(shared, channel, tmp_path):
    if not REAL_LOG.exists():
        pytest.skip(f"{REAL_LOG} is not there")
    import lzma
    part = tmp_path / "part.csv.xz"
    with lzma.open(REAL_LOG, "rt") as f, lzma.open(part, "wt") as out:
        for _, line in zip(range(3001), f):
            out.write(line)
    done = shared.ctl("replay", "servicenow", part, "--speed", "max", "--channel", channel, timeout=60)
    assert done.code in (0, 6), done
    assert get(shared.edge()["http"] + f"/v1/channels/{channel}").json()["last"] >= 2900, done


def test_demo_publishes_a_believable_stream(shared, channel):
    demo = subprocess.Popen([program("tocsinctl"), "--cluster", str(shared.file), "demo", "--channel", channel, "--rate", "200"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=clean_env())
    url = shared.edge()["http"]
    try:
        until(lambda: demo.poll() is None and get(f"{url}/v1/channels/{channel}").json().get("last", 0) >= 50, "50 updates of the demo", 20)
        kinds = {u["kind"] for u in get(f"{url}/v1/channels/{channel}/updates?after=0&limit=1000").json()["updates"]}
        assert "created" in kinds and len(kinds) >= 3
        demo.send_signal(signal.SIGINT)
        assert demo.wait(10) in (0, 130)
    finally:
        demo.kill()
        demo.communicate()


@pytest.mark.parametrize("args", [["status"], ["incidents"], ["publish", "-"], ["tail", "incidents"]])
def test_without_a_cluster_it_says_what_to_do(tmp_path, args):
    done = run_program("tocsinctl", "--cluster", tmp_path / "none.json", *args, stdin="{}", cwd=tmp_path)
    assert done.code not in (0, None), done
    assert "tocsinctl up" in done.err or "--cluster" in done.err, done


def test_an_unknown_command_is_wrong_usage():
    done = run_program("tocsinctl", "frobnicate")
    assert done.code == 2 and done.err, done


def test_help_documents_the_exit_codes():
    done = run_program("tocsinctl", "--help")
    assert done.code == 0
    assert "xit code" in done.out
    for command in ("up", "status", "publish", "tail", "replay", "demo", "incidents", "check-config", "drain", "migrate", "rebalance", "scale", "restart",
                    "cordon", "uncordon", "maintenance", "token"):
        assert command in done.out


class TestCheckConfig:
    def check(self, folder, text, *flags):
        file = folder / "tocsin.yaml"
        file.write_text(text)
        return run_program("tocsinctl", "check-config", file, *flags)

    def test_a_good_file_passes(self, tmp_path):
        done = self.check(tmp_path, "log:\n  level: info\n  dedup_window: 1000\nsession:\n  keepalive_ms: 5000\n")
        assert done.code == 0, done

    @pytest.mark.parametrize("text, words", [
        ("log:\n  leve: info\n", ["log.leve", "2"]),
        ("session:\n  keepalive_ms: soon\n", ["session.keepalive_ms"]),
        ("session:\n  keepalive_ms: -1\n", ["session.keepalive_ms"]),
        ("log:\n  level: loud\n", ["log.level"]),
        ("log: [\n", []),
        ("- a\n- b\n", []),
    ])
    def test_what_is_wrong_is_named(self, tmp_path, text, words):
        done = self.check(tmp_path, text)
        assert done.code == 2, done
        assert done.err.strip(), done
        for word in words:
            assert word in done.err, done

    def test_json_for_machines(self, tmp_path):
        done = self.check(tmp_path, "log:\n  leve: info\n", "--json")
        assert done.code == 2
        assert json.loads(done.out), done


@pytest.mark.parametrize("name", ["tocsin-broker", "tocsin-edge", "tocsin-supervisor"])
class TestEveryProgram:
    def test_help_comes_from_the_rows(self, name):
        done = run_program(name, "--help")
        assert done.code == 0 and "--log-level" in done.out and "TOCSIN_LOG_LEVEL" in done.out, done

    def test_dump_config_shows_the_origin(self, name):
        done = run_program(name, "--dump-config", "--log-level", "debug", env=clean_env())
        assert done.code == 0, done
        assert "debug" in done.out and "# --log-level" in done.out and "# default" in done.out, done

    def test_a_flag_wins_over_environment_over_file(self, name, tmp_path):
        file = tmp_path / "c.yaml"
        file.write_text("log:\n  level: error\n")
        from_file = run_program(name, "--dump-config", "--config", file)
        from_env = run_program(name, "--dump-config", "--config", file, env=clean_env(TOCSIN_LOG_LEVEL="warn"))
        from_flag = run_program(name, "--dump-config", "--config", file, "--log-level", "debug", env=clean_env(TOCSIN_LOG_LEVEL="warn"))

        def level(done):
            return next(line for line in done.out.splitlines() if "level" in line)
        assert "error" in level(from_file) and "warn" in level(from_env) and "debug" in level(from_flag)

    def test_an_unknown_flag_is_wrong_usage(self, name):
        done = run_program(name, "--no-such-flag", "1")
        assert done.code == 2 and "no-such-flag" in done.err, done

    def test_a_typo_in_the_file_is_named_with_its_line(self, name, tmp_path):
        file = tmp_path / "c.yaml"
        file.write_text("# comment\nlog:\n  levle: info\n")
        done = run_program(name, "--config", file)
        assert done.code == 2, done
        assert "levle" in done.err and "3" in done.err, done
