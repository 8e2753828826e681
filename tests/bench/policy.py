#!/usr/bin/env python3
"""Policy swap with 10,000 keys and 100,000 list entries; import of 1,000,000 list entries.

Absolute times on this machine, measured from outside as an operator sees them (tollctl start to end). JSON lines.
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from tglib import Stack

KEYS, LIST, BULK = 10000, 100000, 1000000


def cidr(n):
    """Distinct: two thirds exact addresses, one third /28 networks, none of them in the test's own range."""
    if n % 3:
        return f"{11 + (n >> 20) % 60}.{n >> 12 & 255}.{n >> 4 & 255}.{(n & 15) + 1}"
    return f"{100 + (n >> 20) % 60}.{n >> 12 & 255}.{n >> 4 & 255}.{(n & 15) << 4}/28"


def policy(ids, start, requests):
    out = ["version: 1", "limits:", "  key: {requests: 1000, period: 60s}", "overrides:", "  keys:"]
    out += [f"    {i}: {{requests: {requests}, period: 60s}}" for i in ids]
    out += ["lists:", "  block:"]
    out += [f"    - {cidr(n)}" for n in range(start, start + LIST)]
    return "\n".join(out) + "\n"


def row(name, value, unit):
    print(json.dumps({"name": name, "value": value, "unit": unit, "peer": "", "ratio": None}), flush=True)


def timed(s, *argv):
    t0 = time.monotonic()
    r = s.tollctl(*argv)
    took = time.monotonic() - t0
    if r.returncode:
        print(r.stdout + r.stderr, file=sys.stderr)
        sys.exit(1)
    return took


def main():
    s = Stack(netns=True, kernel=True)
    s.start_sim()
    s.start_gateway()
    s.admin("POST", "/admin/v1/tenants", {"id": "bench", "name": "bench"})
    ids = [s.admin("POST", "/admin/v1/keys", {"tenant": "bench", "name": "k"})[1]["id"] for _ in range(KEYS)]
    first, second = os.path.join(s.dir, "first.yaml"), os.path.join(s.dir, "second.yaml")
    for path, start, requests in ((first, 0, 500), (second, LIST // 2, 600)):
        with open(path, "w", encoding="utf-8") as f:
            f.write(policy(ids, start, requests))
    row("policy apply, 10,000 keys and 100,000 entries, all new", timed(s, "policy", "apply", first), "s")
    row("policy apply, same size, half of the entries changed", timed(s, "policy", "apply", second), "s")
    bulk = os.path.join(s.dir, "bulk.txt")
    with open(bulk, "w", encoding="utf-8") as f:
        f.writelines(cidr(n) + "\n" for n in range(LIST * 2, LIST * 2 + BULK))
    row("block import, 1,000,000 entries, kernel and store", timed(s, "block", "import", bulk), "s")
    s.close()


main()
