"""The metrics that exist, read from ops/reference/metrics.md, and the names that a PromQL expression uses."""
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REFERENCE = ROOT / "ops" / "reference" / "metrics.md"
PROMETHEUS_OWN = {"up"}

# Words of PromQL that stand where a name might.
KEYWORDS = {"and", "or", "unless", "on", "ignoring", "group_left", "group_right", "by", "without", "bool", "offset", "inf", "nan"}


class Metric:
    def __init__(self, program, name, kind, labels, help_text):
        self.program, self.name, self.kind, self.labels, self.help = program, name, kind, labels, help_text


def metrics(path=REFERENCE):
    """In the order of the page; `program` is its heading."""
    found, program = [], None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            program = line[3:].strip()
        row = re.match(r"\| `([a-z_0-9]+)` \| (\w+) \| ([^|]*) \| (.*) \|$", line)
        if row and program:
            labels = re.findall(r"([a-z_]+)(?=:|$|,)", re.sub(r"`[^`]*`", "", row.group(3)))
            found.append(Metric(program, row.group(1), row.group(2), labels, row.group(4)))
    return found


def series(all_metrics):
    """Every name that a scrape brings, with what is derived from histograms."""
    names = set(PROMETHEUS_OWN)
    for m in all_metrics:
        names |= {m.name + s for s in ("_bucket", "_sum", "_count")} if m.kind == "histogram" else {m.name}
    return names


def names_in(expression):
    """Names of series in an expression: what is no keyword, no function, and not in braces, brackets, quotes or a grouping."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', " ", expression)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    return {w for w, call in re.findall(r"(?<![\w.$])([a-zA-Z_:][\w:]*)\s*(\(?)", bare) if not call and w.lower() not in KEYWORDS}
