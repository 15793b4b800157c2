"""Log files of a machine: written without pause, rotated as Debian does it, read again with what was rotated."""
import contextlib
import gzip
import json
import re
import threading

from base import in_network
from support.http import post_json
from support.wait import until

LOGS = "/var/log/tocsin"


@contextlib.contextmanager
def refusals(machine, ports):
    """One order after the other without a token, at each of these ports: a line of the audit log each. Yields what was asked so far."""
    asked, over, trouble = [], threading.Event(), []

    def ask():
        try:
            with in_network(f"/proc/{machine.init}/ns/net"):
                while not over.wait(0.002):
                    what = f"probe-{len(asked)}"
                    for port in ports:
                        assert post_json(f"http://127.0.0.1:{port}/admin/{what}", {}).status in (401, 403)
                    asked.append(what)
        except BaseException as e:   # told by who waits for it
            trouble.append(e)
    thread = threading.Thread(target=ask)
    thread.start()

    def more(count=50):
        least = len(asked) + count
        until(lambda: trouble or len(asked) >= least, "more lines to be written", 30)
        assert not trouble, trouble
    try:
        more()
        yield asked, more
    finally:
        over.set()
        thread.join()


def rotate(machine):
    """As Debian does every day, in its unit and so with what that forbids; forced."""
    force = "[Service]\nExecStart=\nExecStart=/usr/sbin/logrotate --force /etc/logrotate.conf\n"
    machine.exec("sh", "-ec", 'mkdir -p /run/systemd/system/logrotate.service.d; printf "%s" "$1" >/run/systemd/system/logrotate.service.d/force.conf', "sh", force)
    machine.ctl("daemon-reload")
    machine.ctl("start", "logrotate.service")
    assert machine.show("logrotate.service", "Result") == "success", machine.journal("logrotate.service")


def lines(path):
    """What a log file holds, rotated or not; every line is whole."""
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in text.splitlines()]


def log_to_files(machine):
    """As the file of settings proposes, and an audit log beside it."""
    settings = machine.root / "etc/tocsin/tocsin.yaml"
    text, found = re.subn(r"^# (log:|  file: .*|  rotate_bytes: 0)$", r"\1", settings.read_text(), flags=re.M)
    assert found == 3, text
    settings.write_text(text + f"  audit_file: {LOGS}/audit-{{component}}.log\n")
