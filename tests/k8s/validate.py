"""Run by the Python of build/k8s-tools: are the objects in this YAML what these versions of Kubernetes say? Prints a line per complaint."""
import functools
import sys

import kubernetes_validate
import yaml
from kubernetes_validate import utils

# It would read the schemas anew for every object.
utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)
path, versions = sys.argv[1], sys.argv[2:]
with open(path, encoding="utf-8") as f:
    objects = [o for o in yaml.safe_load_all(f) if o]
checked = 0
for o in objects:
    if o["apiVersion"].startswith("monitoring.coreos.com/"):
        continue   # not one of Kubernetes' own; the test looks at it
    for version in versions:
        try:
            got = kubernetes_validate.validate(o, version, strict=True)
            assert got == version, f"schemas of {got} instead of {version}"
            checked += 1
        except kubernetes_validate.ValidationError as e:
            where = ".".join(map(str, e.path))
            print(f"{version}: {o['kind']} {o['metadata']['name']}: {where}: {e.message[:300]}")
print(f"checked {checked} of {len(objects) * len(versions)}", file=sys.stderr)
