#!/usr/bin/env python3
"""Runs the benchmarks one after the other, writes build/bench.json and prints one table.

Usage: tests/bench/run.py [PART...]   parts: drop stages policy refusals proxy providers ledger books (default: all)
Each part is a program that prints JSON lines {"name", "value", "unit", "peer", "ratio"}: `peer` names what stands beside it
in the same run ("" = a plain figure), `ratio` is ours / peer. A part that fails is reported and makes the exit status 1.
"""
import datetime
import json
import os
import platform
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
PARTS = {
    "drop": ["bash", os.path.join(ROOT, "tests/bench/drop_rate.sh")],
    "stages": [os.path.join(BUILD, "tools/bench_stages")],
    "policy": ["python3", os.path.join(ROOT, "tests/bench/policy.py")],
    "refusals": ["python3", os.path.join(ROOT, "tests/bench/refusals.py")],
    "proxy": ["python3", os.path.join(ROOT, "tests/bench/proxy.py")],
    "providers": ["python3", os.path.join(ROOT, "tests/bench/providers.py")],
    # On the disk that the build is on: what is committed has to get there.
    "ledger": [os.path.join(BUILD, "tools/ledger"), "--dir", BUILD, "--rates", "1000,10000,0", "--gathers", "500,1000", "--json", "1"],
    "books": [os.path.join(BUILD, "tools/books"), "--dir", BUILD, "--records", os.environ.get("TG_BENCH_RECORDS", "2000000")],
}


def machine():
    cpu = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    return {"date": datetime.date.today().isoformat(), "kernel": platform.release(), "cpu": cpu, "cores": os.cpu_count()}


def run_part(name):
    env = dict(os.environ, TG_BUILD=BUILD, TG_ROOT=ROOT)
    proc = subprocess.run(PARTS[name], stdout=subprocess.PIPE, text=True, env=env, cwd=ROOT, check=False)
    rows = []
    for line in proc.stdout.splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            row["part"] = name
            rows.append(row)
    return rows, proc.returncode


def figure(v):
    if v is None:
        return ""
    if abs(v) >= 1000:
        return f"{v:,.0f}"
    return f"{v:.2f}" if abs(v) < 100 else f"{v:.1f}"


def main():
    names = sys.argv[1:] or list(PARTS)
    unknown = [n for n in names if n not in PARTS]
    if unknown:
        print(f"unknown part: {', '.join(unknown)}; parts are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    result, failed = {"machine": machine(), "rows": []}, []
    for name in names:
        rows, status = run_part(name)
        result["rows"] += rows
        if status or not rows:
            failed.append(name)
    path = os.path.join(BUILD, "bench.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
    m = result["machine"]
    print(f"{m['date']}, {m['cores']} cores of {m['cpu']}, Linux {m['kernel']}")
    print(f"{'part':9} {'what':52} {'value':>12} {'unit':12} {'against':28} {'ratio':>7}")
    for r in result["rows"]:
        print(f"{r['part']:9} {r['name']:52} {figure(r['value']):>12} {r['unit']:12} {r.get('peer') or '':28} {figure(r.get('ratio')):>7}")
    for name in failed:
        print(f"FAILED: {name}")
    print(f"written to {os.path.relpath(path, ROOT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
