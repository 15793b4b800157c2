"""Run by the Python of build/deploy-tools: the files of a Terraform folder as one JSON object, as python-hcl2 parses them."""
import json
import pathlib
import sys

import hcl2


def plain(value):
    """Without what the parser adds: quotes of strings and keys, marks of blocks, comments."""
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items() if not k.startswith("__")}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return json.loads(value)
    return value


out = {}
for file in sorted(pathlib.Path(sys.argv[1]).glob("*.tf")):
    with open(file, encoding="utf-8") as f:
        for kind, blocks in plain(hcl2.load(f)).items():
            out.setdefault(kind, []).extend(blocks)
json.dump(out, sys.stdout)
