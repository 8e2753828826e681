#!/usr/bin/env python3
"""Runs every test program, reads its TAP, and ends with one line: N passed, N failed, N skipped.

Usage: scripts/run-tests.py [--only KIND] [NAME...]
Kinds, in this order: house, unit, asan, tsan, kernel, system. It builds nothing: `make test` does, before it calls this.

Programs run one after the other, but for those of kinds tsan, kernel and system: two at a time, as they wait or have one thread; a system
test that says "Runs alone" in its text (it measures, or works on what the machine has one of) has the machine for itself.

A failure is: a test that says "not ok"; a program that is missing, dies, hangs, has no plan, runs another number of tests
than it planned or leaves processes behind; and whatever a sanitizer reports, in any process, also when all tests pass.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
SAN, TSAN = os.path.join(BUILD, "san"), os.path.join(BUILD, "tsan")
KINDS = ("house", "unit", "asan", "tsan", "kernel", "system")
LINE = re.compile(r"^(not )?ok\b\s*(\d+)?\s*-?\s*(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)")
TIMEOUT_S = int(os.environ.get("TG_TIMEOUT_S", "240"))
SHOWN_LINES = 200
LANES = 2
BESIDE = ("tsan", "kernel", "system")
telling = threading.Lock()  # results are printed whole
running = set()             # process groups, to be ended with us


class Program:
    """One test program: its kind, its name as printed, and how to run it."""

    def __init__(self, kind, name, argv, build=BUILD):
        self.kind, self.name, self.argv, self.build = kind, f"{kind}/{name}", argv, build
        self.alone = kind not in BESIDE or (kind == "system" and "Runs alone" in open(argv[0], encoding="utf-8").read())


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def fail(self, what):
        self.failed += 1
        self.failures.append(what)


# ---- one program

def group_members(pgid):
    """Live processes of a process group; zombies are their parents' business."""
    members = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                state, _, pgrp = f.read().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == pgid and state not in "ZX":
            members.append(int(path.split("/")[2]))
    return members


def signal_group(pgid, sig):
    try:
        os.killpg(pgid, sig)
    except ProcessLookupError:
        pass


def await_group(pgid, seconds):
    """What is left of the group after at most that long."""
    end = time.monotonic() + seconds
    while True:
        left = group_members(pgid)
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def execute(program, env, out):
    """(exit status or None for a hang, processes left behind)."""
    # A file and not a pipe: a child that keeps it open can't make us wait. Its own session: everything ends with it.
    try:
        proc = subprocess.Popen(program.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, env=env,
                                start_new_session=True)
    except OSError as e:
        out.write(f"can't be run: {e}\n".encode())
        return 127, 0
    running.add(proc.pid)
    try:
        status = proc.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        status = None
        signal_group(proc.pid, signal.SIGTERM)  # lets it clean up
        try:
            proc.wait(10)
        except subprocess.TimeoutExpired:
            pass
    left = await_group(proc.pid, 0 if status is None else 2)
    if left:
        signal_group(proc.pid, signal.SIGKILL)
    proc.wait()
    running.discard(proc.pid)
    return status, len(left)


def end_all():
    """We are told to stop: so are the tests."""
    for pgid in list(running):
        signal_group(pgid, signal.SIGTERM)
    for pgid in list(running):
        await_group(pgid, 10)
        signal_group(pgid, signal.SIGKILL)


def sanitizer_env(env, folder):
    """Reports of whatever process go to files in `folder`; the daemon may have changed its user by then."""
    os.chmod(folder, 0o1777)
    log = f"log_path={folder}/report"
    return dict(env, ASAN_OPTIONS=f"{log}:exitcode=99:detect_leaks=1:strict_string_checks=1", TSAN_OPTIONS=f"{log}:exitcode=66:second_deadlock_stack=1",
                UBSAN_OPTIONS=f"{log}:print_stacktrace=1",
                LSAN_OPTIONS=f"print_suppressions=0:suppressions={os.path.join(ROOT, 'tests', 'lsan.supp')}")


def read_reports(folder):
    reports = []
    for path in sorted(glob.glob(os.path.join(folder, "*"))):
        with open(path, encoding="utf-8", errors="replace") as f:
            reports.append(f.read())
    return reports


def count(name, text, totals):
    """Reads TAP: (planned or None, seen, bad, skipped)."""
    planned, seen, bad, skipped = None, 0, 0, 0
    for line in text.splitlines():
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
            totals.fail(f"{name}: {m.group(3)}")
        elif re.search(r"#\s*SKIP", m.group(3), re.I):
            skipped += 1
            totals.skipped += 1
            print(f"  skipped: {m.group(3)}")
        else:
            totals.passed += 1
    return planned, seen, bad, skipped


def trouble_of(status, left, planned, seen, bad, reports):
    """What is wrong beyond tests that say so."""
    if status is None:
        yield f"no end after {TIMEOUT_S} s"
    elif status < 0:
        yield f"ended by signal {-status} ({signal.Signals(-status).name})"
    elif status and not bad:
        yield f"ended with status {status}"
    if left and status is not None:
        yield f"left {left} processes behind"
    if planned is None:
        yield "has no plan"
    elif seen != planned:
        yield f"planned {planned} tests, ran {seen}"
    elif not seen:
        yield "ran no test"
    if reports:
        yield f"{len(reports)} reports of the sanitizer"


def run(program, totals):
    start = time.monotonic()
    env = dict(os.environ, TG_BUILD=program.build, TG_ROOT=ROOT)
    folder = tempfile.mkdtemp(prefix="tgsan-")
    try:
        if program.kind in ("asan", "tsan"):
            env = sanitizer_env(env, folder)
        with tempfile.TemporaryFile() as out:
            status, left = execute(program, env, out)
            out.seek(0)
            text = out.read().decode(errors="replace")
        reports = read_reports(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    took = time.monotonic() - start
    with telling:
        tell(program, totals, text, (status, left, reports), took)


def tell(program, totals, text, ended, took):
    status, left, reports = ended
    planned, seen, bad, skipped = count(program.name, text, totals)
    troubles = list(trouble_of(status, left, planned, seen, bad, reports))
    for trouble in troubles:
        totals.fail(f"{program.name}: {trouble}")
    print(f"{program.name:28} {seen - bad - skipped:4} passed {bad + len(troubles):3} failed {skipped:3} skipped {took:6.1f} s  "
          f"{'FAILED' if bad or troubles else 'ok'}", flush=True)
    if bad or troubles:
        for part in [text] + reports[:5]:
            print("\n".join("    | " + l for l in part.splitlines()[-SHOWN_LINES:]), flush=True)


# ---- all programs

def unit_rooms():
    return sorted(os.path.basename(os.path.dirname(p)) for p in glob.glob(os.path.join(ROOT, "tests", "unit", "*", "")) if glob.glob(p + "*.c"))


def built(folder):
    return sorted(p for p in glob.glob(os.path.join(folder, "*")) if os.access(p, os.X_OK) and os.path.isfile(p))


def programs():
    yield Program("house", "layers", ["sh", "-c", "echo 1..1; python3 scripts/check-layers.py && echo ok 1 - includes go down the floors"])
    for room in unit_rooms():
        yield Program("unit", room, [os.path.join(BUILD, "unit", room), "--tap", "-j2"])
    smoke, load = os.path.join(ROOT, "tests", "system", "smoke.test"), os.path.join(ROOT, "tests", "tsan", "daemon.test")
    providers = os.path.join(ROOT, "tests", "tsan", "providers.test")
    for room in unit_rooms():
        yield Program("asan", room, [os.path.join(SAN, "unit", room), "--tap", "-j2"], SAN)
    yield Program("asan", "daemon", [smoke], SAN)
    yield Program("asan", "daemon-load", [load], SAN)
    yield Program("asan", "daemon-providers", [providers], SAN)
    for path in built(os.path.join(TSAN, "threads")) or [os.path.join(TSAN, "threads", "not-built")]:
        yield Program("tsan", os.path.basename(path), [path], TSAN)
    yield Program("tsan", "daemon", [smoke], TSAN)
    yield Program("tsan", "daemon-load", [load], TSAN)
    yield Program("tsan", "daemon-providers", [providers], TSAN)
    for name in ("program", "room"):
        yield Program("kernel", name, [os.path.join(BUILD, "kernel", name), "--tap", "-j1"])
    for path in sorted(glob.glob(os.path.join(ROOT, "tests", "system", "*.test"))):
        yield Program("system", os.path.basename(path)[:-5], [path])


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--only", choices=KINDS, action="append", help="this kind of programs (may be repeated)")
    args.add_argument("names", nargs="*", help="run only these programs, such as unit/guard")
    opts = args.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    totals = Totals()
    chosen = [p for p in programs() if (not opts.only or p.kind in opts.only) and (not opts.names or p.name in opts.names)]
    for name in set(opts.names) - {p.name for p in chosen}:
        totals.fail(f"{name}: there is no such program")
    lanes = concurrent.futures.ThreadPoolExecutor(LANES)
    try:
        for program in (p for p in chosen if p.alone):
            run(program, totals)
        for done in [lanes.submit(run, p, totals) for p in chosen if not p.alone]:
            done.result()
    except BaseException:
        lanes.shutdown(wait=False, cancel_futures=True)
        end_all()
        raise
    lanes.shutdown()
    for failure in totals.failures:
        print(f"FAILED {failure}")
    print(f"{totals.passed} passed, {totals.failed} failed, {totals.skipped} skipped")
    return 1 if totals.failed or not totals.passed else 0


if __name__ == "__main__":
    sys.exit(main())
