"""The AWS balancer of ops/proxies/aws, as far as it can be judged without Amazon: syntax by terraform itself, names and types by the provider's
schema (aws_schema.py), what Amazon's documentation forbids, what outsiders get to see, and what must fit together with the edges' settings."""
import copy
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from proxies import METRICS, ORDERS
from support.programs import ROOT

FOLDER = ROOT / "ops/proxies/aws"
TEXT = "\n".join(re.sub(r"^\s*#.*$", "", f.read_text(), flags=re.M) for f in sorted(FOLDER.glob("*.tf")))


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
def test_terraform_reads_it(tmp_path):
    def fmt(folder):
        return subprocess.run(["terraform", f"-chdir={folder}", "fmt", "-check", "-diff"], capture_output=True, text=True, timeout=60, check=False)
    done = fmt(FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = tmp_path / "main.tf"
    broken.write_text((FOLDER / "main.tf").read_text().replace('resource "aws_lb" "tocsin" {', 'resource "aws_lb" "tocsin" ', 1))
    assert fmt(tmp_path).returncode not in (0, 3), "what does not parse is told from what is only badly laid out"


def test_every_reference_is_to_something_that_is_there():
    resources = set(re.findall(r'^resource "(\w+)" "(\w+)"', TEXT, flags=re.M))
    used = set(re.findall(r"\b(aws_\w+)\.(\w+)\b", TEXT))
    assert used and used <= resources, used - resources
    declared = set(re.findall(r'^variable "(\w+)"', TEXT, flags=re.M))
    assert set(re.findall(r"\bvar\.(\w+)", TEXT)) == declared


TOOLS = pathlib.Path(os.environ.get("TOCSIN_DEPLOY_TOOLS") or ROOT / "build" / "deploy-tools") / "bin" / "python"
SCHEMA = json.loads(pathlib.Path(__file__).with_name("aws_schema.json").read_text())
META = {"for_each", "count", "depends_on", "lifecycle", "provider"}
IS = {"string": (str, int), "number": (int, float), "boolean": (bool,), "list": (list,), "map": (dict,)}


@pytest.fixture(scope="module")
def parsed():
    if not TOOLS.exists():
        pytest.skip(f"{TOOLS} is not there (tools/dev test deploy installs it)")
    done = subprocess.run([TOOLS, pathlib.Path(__file__).with_name("hcl.py"), FOLDER], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def resources(parsed, kind=None):
    """{type.name: body}"""
    every = {f"{k}.{name}": body for block in parsed["resource"] for k, named in block.items() for name, body in named.items()}
    return every if kind is None else {k: v for k, v in every.items() if k.split(".")[0] == kind}


def the(parsed, kind):
    (body,) = resources(parsed, kind).values()
    return body


def complaints(body, members, where):
    """What the provider would say to it. Expressions (${...}) may become anything."""
    known = {name.rstrip("!"): kind for name, kind in members.items()}
    out = [f"{where}: there is no {name}" for name in body if name not in known and name not in META]
    out += [f"{where}: {name[:-1]} is missing" for name in members if name.endswith("!") and name[:-1] not in body]
    for name, value in body.items():
        kind = known.get(name)
        if isinstance(kind, dict):
            blocks = value if isinstance(value, list) else [value]
            out += [c for b in blocks for c in (complaints(b, kind, f"{where}.{name}") if isinstance(b, dict) else [f"{where}: {name} is a block"])]
        elif kind is not None and not (isinstance(value, str) and value.startswith("${")):
            fits = isinstance(value, IS[kind]) and (kind == "boolean" or not isinstance(value, bool))
            out += [] if fits else [f"{where}: {name} is a {kind}, not {value!r}"]
    return out


def all_complaints(parsed):
    return [c for name, body in resources(parsed).items() for c in complaints(body, SCHEMA["resources"][name.split(".")[0]], name)]


def test_the_provider_knows_every_name(parsed):
    assert all_complaints(parsed) == []
    wanted = parsed["terraform"][0]["required_providers"][0]["aws"]["version"]
    assert SCHEMA["provider"].startswith(wanted.removeprefix(">= ") + "."), "the schema is that of the oldest provider that will do"


@pytest.mark.parametrize("kind, change, says", [
    ("aws_lb", lambda b: b.update(idle_time_out=75), "there is no idle_time_out"),
    ("aws_lb", lambda b: b.update(enable_http2="yes"), "enable_http2 is a boolean"),
    ("aws_lb_target_group", lambda b: b["stickiness"][0].pop("type"), "type is missing"),
    ("aws_lb_target_group", lambda b: b["health_check"][0].update(interval="5s"), "interval is a number"),
    ("aws_lb_listener_rule", lambda b: b["condition"][0]["path_pattern"][0].update(regexes=[]), "there is no regexes"),
])
def test_a_mistake_would_be_seen(parsed, kind, change, says):
    broken = copy.deepcopy(parsed)
    change(the(broken, kind))
    assert any(says in c for c in all_complaints(broken)), all_complaints(broken)


def patterns(parsed):
    return [p for rule in resources(parsed, "aws_lb_listener_rule").values() for c in rule["condition"] for p in c["path_pattern"][0].get("regex_values", [])]


def test_rules_are_such_as_amazon_takes(parsed):
    """Three values a condition, five a rule, 128 characters each; five wildcards a rule and no percent in values without regular expressions."""
    for rule in resources(parsed, "aws_lb_listener_rule").values():
        conditions = [c["path_pattern"][0] for c in rule["condition"]]
        for c in conditions:
            values = c.get("values", []) + c.get("regex_values", [])
            assert 1 <= len(values) <= 3 and all(len(v) <= 128 for v in values), values
            assert all(re.fullmatch(r"[A-Za-z0-9_.$/~\"'@:+;&*?-]+", v) for v in c.get("values", [])), values
        assert sum(v.count("*") + v.count("?") for c in conditions for v in c.get("values", [])) <= 5
    for p in patterns(parsed):
        assert not re.search(r"\(\?|\\[1-9]|[*+?}]\+", re.sub(r"\[[^]]*\]", "x", p)), f"{p}: no lookaround, back references or possessive quantifiers"
    for group in resources(parsed, "aws_lb_target_group").values():
        assert group["protocol"] == "HTTP" and "target_health_state" not in group and not group.get("connection_termination"), "those are a network balancer's"
        check = group["health_check"][0]
        assert 5 <= check["interval"] <= 300 and 2 <= check["timeout"] < check["interval"] and 2 <= check["healthy_threshold"] <= 10


FOR_CLIENTS = ["/", "/v1/stream", "/v1/events", "/v1/updates", "/v1/incidents", "/v1/incidents/INC-1", "/v1/incidents/a.b%20c", "/v1/channels/t%2Fops/updates",
               "/v1/channels/incidents.eu/updates", "/board/board.js", "/health", "/health/ready"]


def test_only_what_clients_need_is_let_through(parsed):
    """Whether the balancer looks at a path as it came or with its percents resolved."""
    let_through = patterns(parsed)
    assert the(parsed, "aws_lb_listener_rule")["action"][0]["type"] == "forward"
    default = resources(parsed, "aws_lb_listener")["aws_lb_listener.https"]["default_action"][0]
    assert default["type"] == "fixed-response" and default["fixed_response"][0]["status_code"] == "404"
    for path in FOR_CLIENTS:
        assert any(re.search(p, path) for p in let_through), path
    more = ["/v1/./stream", "/v1//stream", "/v1/x%2F..%2F..%2Fmetrics", "/v1/...", "/v1/%2E%2e/metrics", "/v1/%2e./metrics", "/v1/.%2e/metrics", "/board/../metrics",
            "/board//", "/v1/x%2F%2e%2e/%2e%2e/metrics", "/healthy", "/v1"]
    for path in METRICS + ORDERS + more:
        path = path.split("?")[0]
        assert not any(re.search(p, path) for p in let_through), path


def default(row):
    """The names of rows are those of the reference; what they are by default is in there too."""
    return int(re.search(rf"^\| `{re.escape(row)}` .*?\| `(\d+)` \|", (ROOT / "ops/reference/config.md").read_text(), flags=re.M).group(1))


def test_it_fits_the_edges(parsed):
    settle_ms = int(re.search(r"drain\.lb_settle_ms of (\d+)", (FOLDER / "main.tf").read_text()).group(1))
    group = the(parsed, "aws_lb_target_group")
    check = group["health_check"][0]
    assert the(parsed, "aws_lb")["idle_timeout"] * 1000 > 2 * default("session.keepalive_ms")
    assert group["deregistration_delay"] * 1000 > settle_ms + default("drain.deadline_ms")
    assert check["interval"] * check["unhealthy_threshold"] * 1000 < settle_ms
    assert (check["path"], check["matcher"]) == ("/health/ready", "200")
    assert group["stickiness"][0]["enabled"] is False
    assert group["load_balancing_algorithm_type"] == "least_outstanding_requests"
    weights = [t["weight"] for t in the(parsed, "aws_lb_listener_rule")["action"][0]["forward"][0]["target_group"]]
    assert weights == ["${100 - var.green_percent}", "${var.green_percent}"]
    assert len(parsed["output"]) == 3
