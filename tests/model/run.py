#!/usr/bin/env python3
"""Checks handover.pml with spin: it holds in each setting, and each seeded bug is found.

usage: run.py MODEL    Exit code: 0 all as expected, 1 not, 77 without spin (Debian package "spin").
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HOLDS = [["-DCALM"], ["-DUPDATES=1", "-DCUTS=0"], ["-DUPDATES=1", "-DCRASHES=0", "-DSOCKETS=4"]]
BROKEN = [["-DUPDATES=1", "-DCUTS=0", "-DBUG_REUSE"], ["-DUPDATES=1", "-DCRASHES=0", "-DSOCKETS=4", "-DBUG_NO_FENCE"],
          ["-DUPDATES=1", "-DCUTS=0", "-DBUG_OWN_POSITION"], ["-DCALM", "-DBUG_BREAK_FIRST"]]


def errors(model, options):
    """What spin counts in the whole state space; None when the search was not complete."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(model, os.path.join(folder, "model.pml"))
        subprocess.run(["spin", *options, "-a", "model.pml"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["gcc", "-w", "-O2", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"], cwd=folder, check=True)
        out = subprocess.run(["./pan", "-m100000", "-n"], cwd=folder, check=True, capture_output=True, text=True).stdout
    found = re.search(r"errors: (\d+)", out)
    states = re.search(r"(\S+) states, stored", out)
    count = int(found.group(1)) if found else None
    if "max search depth too small" in out or (count == 0 and "Search not completed" in out):
        count = None
    print(" ".join(options), "errors:", count, "states:", states.group(1) if states else "?", flush=True)
    return count


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if not shutil.which("spin"):
        print("skipped: spin is not installed")
        sys.exit(77)
    held = [errors(sys.argv[1], options) == 0 for options in HOLDS]
    caught = [(errors(sys.argv[1], options) or 0) > 0 for options in BROKEN]
    sys.exit(0 if all(held) and all(caught) else 1)


main()
