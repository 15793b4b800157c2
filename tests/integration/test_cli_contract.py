"""What scripts rely on in tocsinctl: JSON and nothing else on stdout with --json, and each exit code that its --help documents."""
import json
import os
import signal
import subprocess

import pytest

from support.http import get
from support.process import free_port
from support.programs import clean_env, program, run_program
from support.wait import until

from test_cli import csv_log

COMMANDS = ["up", "status", "publish", "tail", "replay", "demo", "incidents", "check-config"]


def update(channel, key, **incident):
    return json.dumps({"channel": channel, "key": key, "incident": incident}) + "\n"


def json_lines(text):
    lines = [line for line in text.splitlines() if line.strip()]
    assert lines, "nothing was said"
    return [json.loads(line) for line in lines]


class TestJson:
    def test_status_publish_and_incidents(self, shared, channel):
        assert json_lines(shared.ctl("status", "--json").out)
        published = shared.ctl("publish", "--json", "-", stdin=update(channel, "A", title="t"))
        assert json_lines(published.out)[0]["position"]["offset"] == 1
        listed = json_lines(shared.ctl("incidents", "--channel", channel, "--json").out)
        assert "A" in json.dumps(listed)
        assert json_lines(shared.ctl("incidents", "A", "--channel", channel, "--json").out)[0]["title"] == "t"

    def test_tail(self, shared, channel):
        tail = subprocess.Popen([program("tocsinctl"), "--cluster", str(shared.file), "tail", channel, "--json", "--count", "3"],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=clean_env())
        try:
            def published():
                shared.ctl("publish", "-", stdin=update(channel, "A", title="t"))
                return tail.poll() is not None
            until(published, "three updates in the tail", 30)
            assert tail.returncode == 0
            kinds = [frame["type"] for frame in json_lines(tail.stdout.read())]
            assert kinds.count("update") == 3, kinds
        finally:
            tail.kill()
            tail.communicate()

    def test_replay_and_demo_end_with_a_report(self, shared, channel, tmp_path):
        file, rows = csv_log(tmp_path, 5)
        report = json_lines(shared.ctl("replay", "servicenow", file, "--channel", channel, "--json", timeout=60).out)[-1]
        assert (report["published"], report["refused"], report["bad_rows"]) == (rows, 0, 0)
        demo = json_lines(shared.ctl("demo", "--channel", channel + "/demo", "--rate", "50", "--duration", "1s", "--json", timeout=60).out)[-1]
        assert demo["published"] > 0 and demo["refused"] == 0

    def test_check_config(self, tmp_path):
        (tmp_path / "c.yaml").write_text("log:\n  level: info\n")
        done = run_program("tocsinctl", "check-config", "--json", tmp_path / "c.yaml")
        assert done.code == 0 and json_lines(done.out)


class TestExitCodes:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_documents_them(self, command):
        done = run_program("tocsinctl", command, "--help")
        assert done.code == 0 and "Exit codes: 0 done" in done.out, done

    def test_4_there_is_no_such_incident(self, shared, channel):
        done = shared.ctl("incidents", "never", "--channel", channel)
        assert done.code == 4 and "never" in done.err, done

    def test_5_no_process_of_the_cluster_answers(self, shared, tmp_path):
        info = shared.info()
        info["broker"]["ingest"] = f"tcp://127.0.0.1:{free_port()}"
        for part in (info["supervisor"], *info["edges"]):
            part["http"] = f"http://127.0.0.1:{free_port()}"
        for edge in info["edges"]:
            edge["ws"] = f"ws://127.0.0.1:{free_port()}/v1/stream"
        gone = tmp_path / "cluster.json"
        gone.write_text(json.dumps(info))
        for args in (["incidents"], ["publish", "-"]):
            done = run_program("tocsinctl", "--cluster", gone, *args, stdin=update("c", "a", title="t"))
            assert done.code == 5 and done.err.strip(), done

    def test_6_some_updates_were_refused(self, shared, channel):
        done = shared.ctl("publish", "-", stdin=update(channel, "A", title="t") + update(channel, "B", severity="P9"))
        assert done.code == 6 and "severity" in done.err, done
        assert get(shared.edge()["http"] + f"/v1/channels/{channel}").json()["last"] == 1

    def test_7_not_every_process_is_ready(self, cluster):
        broker = cluster.info()["broker"]["pid"]
        os.kill(broker, signal.SIGSTOP)   # neither dead nor alive: nobody restarts it
        try:
            until(lambda: get(cluster.edge()["http"] + "/health/ready").status == 503, "the edge to miss its broker", 20)
            done = cluster.ctl("status")
            assert done.code == 7, done
        finally:
            os.kill(broker, signal.SIGCONT)
        cluster.wait_ready()
        assert cluster.ctl("status").code == 0
