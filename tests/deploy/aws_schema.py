#!/usr/bin/env python3
"""Writes aws_schema.json: what the AWS provider of Terraform takes for the resources of ops/proxies/aws. The provider itself is not to be had
from every registry; its schema is, in the npm package that is generated from it:

    npm pack @cdktf/provider-aws@21.22.1 && tar xf cdktf-provider-aws-*.tgz && tests/deploy/aws_schema.py package

A member of a resource or block is the name of its type, or for a block its own members; a "!" behind a name: it must be there."""
import json
import pathlib
import re
import sys

RESOURCES = ("lb", "lb_listener", "lb_listener_rule", "lb_target_group", "security_group")


def members(text, interface):
    body = re.search(rf"^export interface {interface} (?:extends \S+ )?\{{\n(.*?)^\}}", text, re.M | re.S)[1]
    out = {}
    for name, optional, kind in re.findall(r"#(\w+) \w+#\w+\}.*?readonly \w+(\??): (.*?)(?:;|\{)\n", body, re.S):
        block = re.match(r"(\w+)", kind)[1] if kind else "map"
        known = block not in ("string", "number", "boolean", "cdktf", "map") and f"export interface {block} " in text
        if block.endswith("Timeouts"):
            continue
        out[name + ("" if optional else "!")] = members(text, block) if known else ("list" if "[]" in kind else block)
    return out


def main(package):
    root = pathlib.Path(package) / "lib"
    out, version = {}, None
    for resource in RESOURCES:
        text = (root / resource.replace("_", "-") / "index.d.ts").read_text()
        version = re.search(r"hashicorp/aws/([\d.]+)/", text)[1]
        out["aws_" + resource] = members(text, "".join(w.title() for w in resource.split("_")) + "Config")
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps({"provider": version, "resources": out}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
