#!/usr/bin/env python3
"""How many packets of a blocked source one core drops per second: the gate (exact address, prefix), xdp-filter, nft at
netdev ingress, nft at input, all on the same veth in the same run, rounds alternating; medians as JSON lines.

One core floods (flood.c), the other does nothing but receive: the receiving end's NAPI is a thread of its own there.
What is reported is what the contender itself counted as dropped, over the time its core was busy; that the core was busy
nearly all the time is said on standard error. Ours looks among 10,000 entries; the others have one address to look at.
Run through drop_rate.sh, which gives it namespaces of its own. DROP_ROUNDS (5), DROP_MS (800) change the length.
"""
import ctypes
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time

ROOT = os.environ.get("TG_ROOT", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
TOOLS = os.path.join(os.environ.get("TG_BUILD", os.path.join(ROOT, os.environ.get("BUILD", "build"))), "tools")
ROUNDS = int(os.environ.get("DROP_ROUNDS", "5"))
WINDOW_S = int(os.environ.get("DROP_MS", "800")) / 1000
SOURCE, HERE, PORT = "198.18.7.66", "198.18.0.1", "8080"
RX, TX = "tgrx", "tgtx"
PIN = "/sys/fs/bpf/tgdrop"
GATE = os.path.join(TOOLS, "drop_rate_gate")


def sh(*argv, check=True, **kw):
    r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)
    if check and r.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {r.stderr.strip() or r.stdout.strip()}")
    return r.stdout


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def nft(text):
    sh("nft", "-f", "-", input=text)


def nft_count(family):
    return int(re.search(r"packets (\d+)", sh("nft", "list", "counter", family, "tgbench", "dropped")).group(1))


class Gate:
    def __init__(self, kind):
        self.kind = kind

    def up(self):
        sh(GATE, "up", PIN, RX, self.kind, SOURCE)

    def down(self):
        sh(GATE, "down", PIN)

    def count(self):
        return int(sh(GATE, "count", PIN))


class XdpFilter:
    def up(self):
        sh("xdp-filter", "load", "--mode", "native", "--features", "ipv4", RX)
        sh("xdp-filter", "ip", "--mode", "src", SOURCE)

    def down(self):
        sh("xdp-filter", "unload", RX)

    def count(self):
        return int(re.search(rf"{re.escape(SOURCE)}\s+src\s+(\d+)", sh("xdp-filter", "status")).group(1))


class NftNetdev:
    def up(self):
        nft(f"""table netdev tgbench {{
            counter dropped {{ }}
            chain c {{ type filter hook ingress device {RX} priority 0; ip saddr {SOURCE} counter name dropped drop; }}
        }}""")

    def down(self):
        nft("delete table netdev tgbench")

    def count(self):
        return nft_count("netdev")


class NftInput:
    def up(self):
        nft(f"""table ip tgbench {{
            counter dropped {{ }}
            chain c {{ type filter hook input priority 0; ip saddr {SOURCE} counter name dropped drop; }}
        }}""")

    def down(self):
        nft("delete table ip tgbench")

    def count(self):
        return nft_count("ip")


CONTENDERS = {
    "block list, exact address": Gate("hash"),
    "block list, prefix": Gate("prefix"),
    "xdp-filter": XdpFilter(),
    "nft netdev ingress": NftNetdev(),
    "nft input": NftInput(),
}


def make_net():
    """The pair, the far end in a namespace of its own (held by a sleeping process)."""
    sh("mount", "--make-rprivate", "/")
    sh("mount", "-t", "sysfs", "sysfs", "/sys")
    sh("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
    holder = subprocess.Popen(["unshare", "--net", "sleep", "600"], preexec_fn=die_with_parent)
    mine = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{holder.pid}/ns/net") == mine:
        time.sleep(0.01)
    sh("ip", "link", "add", RX, "type", "veth", "peer", "name", TX, "netns", str(holder.pid))
    sh("ip", "addr", "add", f"{HERE}/15", "dev", RX)
    sh("ethtool", "-K", RX, "gro", "on")  # NAPI on this end with and without XDP: the same road for all
    sh("ip", "link", "set", RX, "up")
    sh("nsenter", "-t", str(holder.pid), "-n", "ip", "link", "set", TX, "up")
    with open(f"/sys/class/net/{RX}/threaded", "w", encoding="ascii") as f:
        f.write("1")
    for knob in ("all", RX):
        with open(f"/proc/sys/net/ipv4/conf/{knob}/rp_filter", "w", encoding="ascii") as f:
            f.write("0")
    return holder


def napi_thread():
    """The thread that receives: the second core is its own, whatever else runs on the machine."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as f:
                if f.read().startswith(f"napi/{RX}"):
                    os.sched_setaffinity(int(pid), {1})
                    os.sched_setscheduler(int(pid), os.SCHED_FIFO, os.sched_param(1))
                    return int(pid)
        except OSError:
            continue
    raise RuntimeError(f"no NAPI thread of {RX}")


def busy_ns(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0])


def flood(holder, mac):
    argv = ["nsenter", "-t", str(holder.pid), "-n", "taskset", "-c", "0", os.path.join(TOOLS, "flood"), TX, SOURCE, HERE,
            PORT, mac, str(int(WINDOW_S * 1000) + 800)]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)


def measure(contender, holder, mac):
    """Packets dropped per second of the receiving core, in thousands; share of the time that core was busy."""
    contender.up()
    try:
        pid = napi_thread()
        sender = flood(holder, mac)
        time.sleep(0.3)
        n0, b0, t0 = contender.count(), busy_ns(pid), time.monotonic_ns()
        time.sleep(WINDOW_S)
        n1, b1, t1 = contender.count(), busy_ns(pid), time.monotonic_ns()
        if sender.wait():
            raise RuntimeError("flood failed")
        return (n1 - n0) / (b1 - b0) * 1e6, (b1 - b0) / (t1 - t0)
    finally:
        contender.down()


def report(name, value, peer="", ratio=None):
    print(json.dumps({"name": name, "value": round(value, 1), "unit": "kpps", "peer": peer, "ratio": ratio and round(ratio, 2)}),
          flush=True)


def main():
    if os.cpu_count() < 2:
        print("drop_rate: needs two cores", file=sys.stderr)
        return 1
    os.sched_setaffinity(0, {0})
    os.nice(-20)
    holder = make_net()
    try:
        with open(f"/sys/class/net/{RX}/address", encoding="ascii") as f:
            mac = f.read().strip()
        rates = {name: [] for name in CONTENDERS}
        for n in range(ROUNDS):
            for name, contender in CONTENDERS.items():
                rate, busy = measure(contender, holder, mac)
                rates[name].append(rate)
                print(f"drop_rate: round {n + 1}: {name}: {rate:.0f} kpps, core {busy:.0%} busy", file=sys.stderr)
    finally:
        holder.kill()
        holder.wait()
    median = {name: statistics.median(r) for name, r in rates.items()}
    for ours in ("block list, exact address", "block list, prefix"):
        for peer in ("xdp-filter", "nft netdev ingress", "nft input"):
            report(f"drops, {ours}", median[ours], peer, median[ours] / median[peer])
    for peer in ("xdp-filter", "nft netdev ingress", "nft input"):
        report(f"drops, {peer}", median[peer])
    return 0


if __name__ == "__main__":
    sys.exit(main())
