"""Counts every test of a run and prints the closing line "N passed, N failed[, N skipped]".

Reads meson's testlog.json (a doctest program counts its cases, any other program counts as one test) and pytest's
JUnit files. Exits 1 when a test failed or none ran.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree

DOCTEST = re.compile(r"\[doctest\] test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed \|\s*(\d+) skipped")
passed = failed = skipped = 0
bad = []

results = pathlib.Path(sys.argv[1])
for log in sorted(results.glob("*.json")):
    for line in log.read_text().splitlines():
        test = json.loads(line)
        ok, name = test["result"] in ("OK", "EXPECTEDFAIL"), f"{log.stem}: {test['name']}"
        cases = DOCTEST.search(test.get("stdout") or "")
        if test["result"] == "SKIP":
            skipped += 1
        elif cases:
            p, f, _ = map(int, cases.groups())
            passed, failed = passed + p, failed + (0 if ok else max(f, 1))  # a crash or leak after the last case counts
        else:
            passed, failed = passed + ok, failed + (not ok)
        if not ok and test["result"] != "SKIP":
            bad.append(f"{name} ({test['result']})")

for junit in sorted(results.glob("*.xml")):
    for case in xml.etree.ElementTree.parse(junit).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed += 1
            bad.append(f"{junit.stem}: {case.get('classname')}.{case.get('name')}")
        elif "skipped" in kinds:
            skipped += 1
        else:
            passed += 1

for name in bad:
    print(f"failed: {name}")
print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
sys.exit(bool(failed) or passed == 0)
