#!/usr/bin/env python3
"""Makes the Grafana boards from the metric reference: one with what matters first, and one a program with every metric it has.

    ops/alerts/boards.py          writes ops/alerts/boards/*.json       (after tools/dev reference)
    ops/alerts/boards.py FOLDER   writes them there
"""
import json
import pathlib
import sys

from reference import HERE, metrics

BOARDS = HERE / "boards"
SOURCE = {"type": "prometheus", "uid": "${source}"}
RATE = "[$__rate_interval]"
WIDTH, HEIGHT = 8, 7

# The first board: title, unit, {legend: query}. `$job` and `$instance` are chosen at its top.
S = '{job=~"$job"}'
OVERVIEW = [
    ("What is there", [
        ("Edges that hear the broker", "none", {"ready": f"sum(tocsin_edge_link_ready{S})", "edges": f"count(tocsin_edge_link_ready{S})"}),
        ("Clients", "none", {"{{instance}}": f"tocsin_edge_active_connections{S}"}),
        ("Load of edges", "percentunit", {"{{instance}}": f"tocsin_edge_load_permille{S} / 1000"}),
    ]),
    ("Updates", [
        ("Published", "ops", {"kept": f"sum(rate(tocsin_broker_published_total{S}{RATE}))", "repeated": f"sum(rate(tocsin_broker_duplicates_total{S}{RATE}))",
                              "refused": f"sum(rate(tocsin_broker_refused_total{S}{RATE}))", "overloaded": f"sum(rate(tocsin_broker_overloaded_total{S}{RATE}))"}),
        ("Delivered frames", "ops", {"{{instance}}": f"rate(tocsin_edge_delivered_total{S}{RATE})"}),
        ("Commit", "s", {f"p{q}": f"histogram_quantile(0.{q}, sum by (le) (rate(tocsin_broker_commit_seconds_bucket{S}{RATE})))" for q in (50, 99)}),
        ("From a publish to its commit", "s", {f"p{q}": f"histogram_quantile(0.{q}, sum by (le) (rate(tocsin_broker_publish_commit_seconds_bucket{S}{RATE})))" for q in (50, 99)}),
        ("From arrival at the edge to the sockets", "s", {f"p{q}": f"histogram_quantile(0.{q}, sum by (le) (rate(tocsin_edge_arrival_socket_seconds_bucket{S}{RATE})))" for q in (50, 99)}),
    ]),
    ("Trouble", [
        ("Closed clients", "ops", {"{{reason}}": f"sum by (reason) (rate(tocsin_edge_closed_total{S}{RATE}))"}),
        ("Turned away", "ops", {"503": f"sum(rate(tocsin_edge_net_refused_total{S}{RATE}))", "unanswered": f"sum(rate(tocsin_edge_net_turned_away_total{S}{RATE}))",
                                "tokens": f"sum(rate(tocsin_edge_tokens_refused_total{S}{RATE}))"}),
        ("Edges that lag, commits that failed", "none", {"lagging": f"sum(tocsin_broker_lagging_edges{S})",
                                                        "failed": f"sum(increase(tocsin_broker_commit_failures_total{S}{RATE}))"}),
        ("Refused by limits, banned", "ops", {"{{limit}}": f"sum by (limit) (rate(tocsin_edge_limited_total{S}{RATE}))",
                                              "addresses banned": f"sum(rate(tocsin_edge_bans_total{S}{RATE}))"}),
        ("Log lines that are lost", "ops", {"dropped": f"sum(rate(tocsin_log_dropped_total{S}{RATE}))", "not taken by a file": f"sum(rate(tocsin_log_failed_total{S}{RATE}))",
                                            "not taken by syslog": f"sum(rate(tocsin_log_syslog_lost_total{S}{RATE}))",
                                            "of the audit log": f"sum(rate(tocsin_audit_lost_total{S}{RATE}))"}),
        ("Backups and fetches of keys that failed", "none", {"backups": f'sum(increase(tocsin_broker_backups_total{{job=~"$job", outcome="failed"}}{RATE}))',
                                                             "keys": f'sum(increase(tocsin_edge_jwks_fetches_total{{job=~"$job", outcome="failed"}}{RATE}))'}),
    ]),
    ("Operation", [
        ("Clients still to move", "none", {"{{instance}}": f"tocsin_edge_drain_remaining_clients{S}"}),
        ("Age of the newest backup", "s", {"{{instance}}": f"time() - (tocsin_broker_backup_newest_timestamp_seconds{S} > 0)"}),
        ("Memory", "bytes", {"{{instance}}": f"process_resident_memory_bytes{S}"}),
    ]),
]


def unit_of(metric):
    for ending, unit in (("_bytes", "bytes"), ("_bytes_total", "bytes"), ("_timestamp_seconds", "dateTimeFromNow"), ("_seconds", "s"),
                         ("_milliseconds", "ms"), ("_seconds_total", "s")):
        if metric.name.endswith(ending):
            return {"bytes": "Bps", "s": "percentunit"}.get(unit, unit) if metric.kind == "counter" else unit
    return "ops" if metric.kind == "counter" else "none"


def queries_of(metric):
    where = '{job=~"$job", instance=~"$instance"}'
    by = "".join(f" {{{{{label}}}}}" for label in metric.labels)
    if metric.kind == "histogram":
        return {f"p{q} {{{{instance}}}}{by}": f"histogram_quantile(0.{q}, sum by ({', '.join(['instance', *metric.labels, 'le'])}) "
                                              f"(rate({metric.name}_bucket{where}{RATE})))" for q in (50, 99)}
    if metric.kind == "counter":
        return {"{{instance}}" + by: f"rate({metric.name}{where}{RATE})"}
    if metric.name.endswith("_timestamp_seconds") or metric.name == "process_start_time_seconds":
        return {"{{instance}}" + by: f"{metric.name}{where} * 1000"}
    return {"{{instance}}" + by: f"{metric.name}{where}"}


def panel(number, title, unit, queries, place, text=""):
    targets = [{"refId": chr(65 + i), "datasource": SOURCE, "expr": query, "legendFormat": legend} for i, (legend, query) in enumerate(queries.items())]
    return {"id": number, "type": "timeseries", "title": title, "description": text, "datasource": SOURCE, "gridPos": place, "targets": targets,
            "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": {"fillOpacity": 8, "showPoints": "never"}}, "overrides": []},
            "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}}


def variable(name, query):
    return {"name": name, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name}, "refresh": 2, "multi": True,
            "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}


def board(uid, title, rows):
    """`rows`: (title, [(title, unit, queries, text)])."""
    panels, y, number = [], 0, 0
    for row, members in rows:
        number += 1
        panels.append({"id": number, "type": "row", "title": row, "collapsed": False, "panels": [], "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}})
        y += 1
        for i, (name, unit, queries, text) in enumerate(members):
            number += 1
            panels.append(panel(number, name, unit, queries, {"h": HEIGHT, "w": WIDTH, "x": i % 3 * WIDTH, "y": y + i // 3 * HEIGHT}, text))
        y += (len(members) + 2) // 3 * HEIGHT
    source = {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return {"uid": uid, "title": title, "tags": ["tocsin"], "schemaVersion": 37, "editable": True, "refresh": "10s", "timezone": "browser",
            "time": {"from": "now-1h", "to": "now"}, "annotations": {"list": []}, "panels": panels,
            "templating": {"list": [source, variable("job", "label_values(tocsin_build_info, job)"),
                                    variable("instance", 'label_values(tocsin_build_info{job=~"$job"}, instance)')]}}


def row_of(metric):
    """tocsin_edge_link_ready -> link, when several begin so; see grouped()."""
    return metric.name.removeprefix("tocsin_").split("_", 2)[1] if metric.name.startswith("tocsin_") else "process"


def grouped(members):
    rows = {}
    for metric in members:
        rows.setdefault(row_of(metric), []).append(metric)
    alone = [m for group in rows.values() if len(group) == 1 for m in group]
    out = [(name, group) for name, group in rows.items() if len(group) > 1]
    return ([("general", alone)] if alone else []) + out


def make():
    """name of the file -> board."""
    boards = {"overview": board("tocsin-overview", "Tocsin", [(row, [(*p, "") for p in panels]) for row, panels in OVERVIEW])}
    programs = {}
    for metric in metrics():
        programs.setdefault(metric.program.removeprefix("tocsin-").replace("every program", "processes"), []).append(metric)
    for program, members in programs.items():
        rows = [(row, [(m.name.removeprefix("tocsin_"), unit_of(m), queries_of(m), m.help) for m in group]) for row, group in grouped(members)]
        boards[program] = board(f"tocsin-{program}", f"Tocsin: {program}", rows)
    return boards


def text_of(one):
    return json.dumps(one, indent=1, ensure_ascii=False) + "\n"


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else BOARDS
    folder.mkdir(parents=True, exist_ok=True)
    for name, one in make().items():
        (folder / f"{name}.json").write_text(text_of(one), encoding="utf-8")


if __name__ == "__main__":
    main()
