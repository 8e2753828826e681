#!/usr/bin/env python3
"""Refusals per second and CPU each: answered at the NIC, and by the daemon itself, in one run on one veth.

Clients reconnect for each request, or keep their connection. The NIC answers in the `close` form, so a client that wants to keep
its connection has to open a new one after each refusal: that cost is in its figure. CPU of the daemon comes from its process
times; CPU of the machine (all cores, clients included) from /proc/stat. Rounds alternate; medians are printed as JSON lines.
"""
import json
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from tglib import BUILD, Stack, sh

ROUNDS = int(os.environ.get("TG_BENCH_ROUNDS", "5"))
REQUESTS = int(os.environ.get("TG_BENCH_REQUESTS", "40000"))
TICK = os.sysconf("SC_CLK_TCK")
POLICY = """
version: 1
limits:
  key: {{requests: 1, period: 24h, tokens: {{tokens: unlimited}}}}
  routes: {{}}
nic: {{answer: {answer}}}
"""


def daemon_cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def machine_cpu_s():
    with open("/proc/stat", encoding="utf-8") as f:
        v = [int(x) for x in f.readline().split()[1:]]
    return (sum(v[:3]) + sum(v[5:8])) / TICK


def main():
    s = Stack(netns=True, kernel=True)
    s.start_sim()
    s.start_gateway()
    key = s.make_key()["key"]
    hammer = os.path.join(BUILD, "tools", "hammer")
    figures = {}
    for _ in range(ROUNDS):
        for where, answer in (("NIC", "true"), ("daemon", "false")):
            s.apply_policy(POLICY.format(answer=answer))
            for clients, flags in (("reconnect", []), ("keep", ["--keep-alive"])):
                argv = s.client(hammer, "--host", s.SERVER4, "--port", "8080", "--key", key, "--connections", "64", *flags)
                sh(*argv, "--requests", "200")  # over the limit, keys learned, caches warm
                d0, m0 = daemon_cpu_s(s.gateway.pid), machine_cpu_s()
                r = json.loads(sh(*argv, "--requests", str(REQUESTS), timeout=120).stdout.splitlines()[-1])
                d1, m1 = daemon_cpu_s(s.gateway.pid), machine_cpu_s()
                if r["status"] != {"429": REQUESTS} or r["resets"] or r["malformed"] or r["cut"]:
                    print(f"unexpected answers from the {where}: {r}", file=sys.stderr)
                    sys.exit(1)
                if where == "NIC" and clients == "reconnect" and r["nic"] != REQUESTS:
                    print(f"not all refused at the NIC: {r}", file=sys.stderr)
                    sys.exit(1)
                f = figures.setdefault((where, clients), {"rate": [], "daemon_us": [], "machine_us": [], "nic": []})
                f["rate"].append(REQUESTS / r["seconds"])
                f["daemon_us"].append((d1 - d0) * 1e6 / REQUESTS)
                f["machine_us"].append((m1 - m0) * 1e6 / REQUESTS)
                f["nic"].append(r["nic"] / REQUESTS)
    s.close()
    for clients in ("reconnect", "keep"):
        med = {w: {k: statistics.median(v) for k, v in figures[(w, clients)].items()} for w in ("NIC", "daemon")}
        for what, unit in (("rate", "refusals/s"), ("daemon_us", "us"), ("machine_us", "us")):
            label = {"rate": "refusals", "daemon_us": "daemon CPU per refusal", "machine_us": "machine CPU per refusal"}[what]
            nic, daemon = med["NIC"][what], med["daemon"][what]
            print(json.dumps({"name": f"{label}, {clients}, daemon", "value": daemon, "unit": unit, "peer": "", "ratio": None}))
            print(json.dumps({"name": f"{label}, {clients}, NIC", "value": nic, "unit": unit, "peer": "the daemon's own",
                              "ratio": nic / daemon if daemon else None}))


main()
