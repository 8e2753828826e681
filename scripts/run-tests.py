#!/usr/bin/env python3
"""Runs every test program, reads its TAP, and ends with one line: N passed, N failed, N skipped.

Usage: scripts/run-tests.py [--only unit|kernel|system|build|house] [NAME...]
Order: cheap and pure first, so that a broken build shows at once. A program that dies, hangs, or runs fewer tests than
it planned counts as a failure.
"""
import argparse
import glob
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
LINE = re.compile(r"^(not )?ok\b\s*(\d+)?\s*-?\s*(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)")
TIMEOUT_S = 240


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []


def kill_group(proc):
    try:
        os.killpg(proc.pid, 9)
    except ProcessLookupError:
        pass


def run(name, argv, totals, env):
    start = time.monotonic()
    proc = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                            cwd=ROOT, env=env, start_new_session=True)
    timed_out = False
    try:
        out, _ = proc.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        timed_out = True
        os.killpg(proc.pid, 15)  # lets it clean up
        try:
            out, _ = proc.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            kill_group(proc)
            out, _ = proc.communicate()
    planned, seen, bad, skipped = None, 0, 0, 0
    for line in out.splitlines():
        plan = PLAN.match(line)
        if plan:
            planned = int(plan.group(1))
            continue
        m = LINE.match(line)
        if not m:
            continue
        seen += 1
        if m.group(1):
            bad += 1
            totals.failed += 1
            totals.failures.append(f"{name}: {m.group(3)}")
        elif re.search(r"#\s*SKIP", m.group(3), re.I):
            skipped += 1
            totals.skipped += 1
            print(f"  skipped: {m.group(3)}")
        else:
            totals.passed += 1
    trouble = None
    if timed_out:
        trouble = f"no end after {TIMEOUT_S} s"
    elif proc.returncode != 0 and not bad:
        trouble = f"ended with status {proc.returncode}"
    elif seen == 0:
        trouble = "ran no test"
    elif planned is not None and seen < planned:
        trouble = f"planned {planned} tests, ran {seen}"
    if trouble:
        totals.failed += 1
        totals.failures.append(f"{name}: {trouble}")
    took = time.monotonic() - start
    state = "ok" if not (bad or trouble) else "FAILED"
    print(f"{name:36} {seen - bad - skipped:4} passed {bad + bool(trouble):3} failed {skipped:3} skipped {took:6.1f} s  {state}", flush=True)
    if bad or trouble:
        print("\n".join("    | " + l for l in out.splitlines()[-200:]), flush=True)


def programs(only):
    def want(kind):
        return not only or only == kind

    if want("house"):
        yield "house/layers", ["sh", "-c", "python3 scripts/check-layers.py && echo ok 1 - includes go down the floors"]
    if want("unit"):
        for path in sorted(glob.glob(os.path.join(BUILD, "unit", "*"))):
            if os.access(path, os.X_OK) and os.path.isfile(path):
                yield "unit/" + os.path.basename(path), [path, "--tap", "-j2"]
    if want("build") and not only_quick():
        yield "build/clang", ["sh", "-c", "make -s -j2 clang-build >build/clang.log 2>&1 || { cat build/clang.log; exit 1; }; "
                              "echo ok 1 - compiles clean with clang"]
        yield "build/sanitize", ["sh", "-c", "make -s -j2 BUILD=build/san SAN=address,undefined OPT='-O1 -g' unit >build/san.log 2>&1 "
                                 "|| { cat build/san.log; exit 1; }; echo ok 1 - unit tests compile with ASan and UBSan"]
        for room in sorted(os.listdir(os.path.join(ROOT, "tests", "unit"))):
            yield "asan/" + room, [os.path.join(ROOT, "build", "san", "unit", room), "--tap", "-j2"]
        for room in ("shared", "guard", "observe"):
            yield "tsan/" + room, ["sh", "-c", f"make -s -j2 BUILD=build/tsan SAN=thread OPT='-O1 -g' build/tsan/unit/{room} "
                                   f"&& exec build/tsan/unit/{room} --tap -j1"]
    if want("kernel"):
        for path in sorted(glob.glob(os.path.join(BUILD, "kernel", "*"))):
            if os.access(path, os.X_OK) and os.path.isfile(path):
                yield "kernel/" + os.path.basename(path), [path, "--tap", "-j1"]
    if want("system"):
        for path in sorted(glob.glob(os.path.join(ROOT, "tests", "system", "*.test"))):
            yield "system/" + os.path.basename(path)[:-5], [path]


def only_quick():
    return bool(os.environ.get("TG_QUICK"))


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--only", choices=["unit", "kernel", "system", "build", "house"])
    args.add_argument("names", nargs="*", help="run only these programs, such as unit/guard")
    opts = args.parse_args()
    env = dict(os.environ, TG_BUILD=BUILD, TG_ROOT=ROOT)
    totals = Totals()
    for name, argv in programs(opts.only):
        if opts.names and name not in opts.names:
            continue
        run(name, argv, totals, env)
    for failure in totals.failures:
        print(f"FAILED {failure}")
    print(f"{totals.passed} passed, {totals.failed} failed, {totals.skipped} skipped")
    return 1 if totals.failed or not totals.passed else 0


if __name__ == "__main__":
    sys.exit(main())
