#!/usr/bin/env python3
"""Do alerts, boards, runbook pages and metrics belong together? Says what does not, one line each; exit code 1 then."""
import json
import re
import shutil
import subprocess
import sys

import yaml

import boards
from reference import HERE, ROOT, metrics, names_in, series

RUNBOOK = ROOT / "ops" / "runbook" / "alerts"


def alerts():
    document = yaml.safe_load((HERE / "rules.yml").read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def check_rules(known):
    tested = set(re.findall(r"alertname: (\w+)", (HERE / "rules_test.yml").read_text(encoding="utf-8")))
    seen = set()
    for rule in alerts():
        name = rule["alert"]
        if name in seen:
            yield f"alert {name} is there twice"
        seen.add(name)
        for unknown in sorted(names_in(rule["expr"]) - known):
            yield f"alert {name} asks for {unknown}, which no program has (ops/reference/metrics.md)"
        if not names_in(rule["expr"]):
            yield f"alert {name} asks for nothing"
        if rule.get("labels", {}).get("severity") not in ("critical", "warning"):
            yield f"alert {name} has no severity: critical or warning"
        if rule["annotations"].get("runbook") != f"ops/runbook/alerts/{name}.md":
            yield f"alert {name} does not name its page ops/runbook/alerts/{name}.md"
        if name not in tested:
            yield f"alert {name} has no test in rules_test.yml"


def check_pages():
    names = {rule["alert"] for rule in alerts()}
    pages = {page.stem for page in RUNBOOK.glob("*.md")}
    yield from (f"alert {name} has no page in ops/runbook/alerts" for name in sorted(names - pages))
    yield from (f"ops/runbook/alerts/{page}.md is of no alert" for page in sorted(pages - names))
    for page in sorted(pages & names):
        text = (RUNBOOK / f"{page}.md").read_text(encoding="utf-8")
        if not text.startswith(f"# {page}\n") or "## " not in text or "Clients notice" not in text:
            yield f"ops/runbook/alerts/{page}.md lacks its title, what clients notice, or what to do"
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            if not (RUNBOOK / link).exists():
                yield f"ops/runbook/alerts/{page}.md points to {link}, which is not there"


def check_boards(known):
    made = boards.make()
    shown = set()
    for name, one in made.items():
        for panel in one["panels"]:
            for target in panel.get("targets", []):
                shown |= names_in(target["expr"])
        file = boards.BOARDS / f"{name}.json"
        if not file.exists() or json.loads(file.read_text(encoding="utf-8")) != one:
            yield f"ops/alerts/boards/{name}.json is not what the reference says: run ops/alerts/boards.py"
    yield from (f"ops/alerts/boards/{file.name} is not made any more: remove it" for file in boards.BOARDS.glob("*.json") if file.stem not in made)
    yield from (f"a board asks for {name}, which no program has" for name in sorted(shown - known))
    for metric in metrics():
        if not {metric.name, metric.name + "_bucket"} & shown:
            yield f"{metric.name} is on no board"


def check_promtool():
    promtool = shutil.which("promtool")
    if promtool is None:
        yield "promtool is not there (Debian's package prometheus): the alerts are not tested"
        return
    for command in (["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"]):
        done = subprocess.run([promtool, *command], cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            yield f"promtool {' '.join(command)}:\n{done.stdout}{done.stderr}"


def main():
    known = series(metrics())
    faults = [*check_rules(known), *check_pages(), *check_boards(known), *check_promtool()]
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
