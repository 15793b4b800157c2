"""Results as Markdown and SVG: a table for each profile, the targets with what was reached, plots."""
import statistics

import plot


def median(runs, key):
    good = [r[key] for r in runs if r.get("whole") and r.get(key) is not None]
    return statistics.median(good) if good else None


def show(value):
    if value is None:
        return "-"
    if isinstance(value, float) and abs(value) < 100:
        return f"{value:.3g}"
    return f"{round(value):,}"


def table(profile, results):
    rounds = max(map(len, results.values()))
    limit = median(results.get(profile.servers[0], []), profile.figure)
    heads = ["server", *profile.columns, f"/ {profile.servers[0]}", "min - max", "CPU s", "beside", "whole"]
    rows = [f"## {profile.name}: {profile.title}", "", f"`tocsin-loadgen {profile.arguments(profile.servers[0])}`; compared: `{profile.figure}`, "
            f"{'more' if profile.more else 'less'} is better; medians of {rounds}", "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, runs in results.items():
        value = median(runs, profile.figure)
        good = [r[profile.figure] for r in runs if r.get("whole") and r.get(profile.figure) is not None]
        cells = [show(median(runs, c)) for c in profile.columns]
        cells.append(f"{value / limit:.2f}" if value is not None and limit else "-")
        cells.append(f"{show(min(good))} - {show(max(good))}" if good else "failed")
        cells += [show(median(runs, "cpu_s")), show(median(runs, "beside_cpu_s")), f"{sum(bool(r.get('whole')) for r in runs)}/{len(runs)}"]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    failures = {f"{name}: {r.get('why')}" for name, runs in results.items() for r in runs if not r.get("whole")}
    return "\n".join(rows + ([""] + [f"Failed run of {f}" for f in sorted(failures)] if failures else [])) + "\n"


def verdict(target, all_results):
    """(measured, wanted, text of the verdict); measured None when a side has no whole run."""
    def look(where):
        profile, server, figure = where
        return median(all_results.get(profile, {}).get(server, []), figure)
    value, base = look(target.value), look(target.base) if target.base else None
    if value is None or (target.base and base in (None, 0)):
        return None, target.bound, "not measured"
    if target.plus:
        got, bound = value, base + target.plus
    else:
        got, bound = value / base if target.base else value, target.bound
    return got, bound, "reached" if (got >= bound if target.sign == ">=" else got <= bound) else "**missed**"


def summary(targets, all_results):
    measured = set(all_results)
    rows = ["## Targets", "", "| target | measured | wanted | |", "|---|---|---|---|"]
    for t in targets:
        if t.value[0] not in measured:
            continue
        got, bound, text = verdict(t, all_results)
        rows.append(f"| {t.text} | {show(got) if got is None or abs(got) >= 100 else f'{got:.2f}'} | {t.sign} {show(bound)} | {text} |")
    return "\n".join(rows) + "\n"


def plots(folder, profiles, all_results):
    for p in profiles:
        if p.name in all_results:
            plot.bars(folder / f"{p.name}.svg", f"{p.name}: {p.figure}", {n: median(r, p.figure) or 0 for n, r in all_results[p.name].items()})
