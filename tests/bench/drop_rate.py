#!/usr/bin/env python3
"""How many packets of a blocked source one core drops per second: the gate (exact address, prefix), xdp-filter, nft at
netdev ingress, nft at input, all on the same veth in the same run, rounds alternating; medians as JSON lines.

One core floods with XDP frames (flood.c), and on veth the same core receives, in softirq: no wake-ups and no cache lines
travelling between cores, so that what differs between contenders is what they cost. What is reported:
  one core sends and drops   packets the contender counted as dropped, per second of CPU time of that core
  receiving side alone       the same without the sending, whose cost is measured by frames that nobody receives
CPU time and not time on the wall: other load on the machine then matters little. (A kernel with CONFIG_IRQ_TIME_ACCOUNTING
leaves softirq out of a thread's CPU time; there the figures mean nothing, and the run refuses.)
Ours looks among 10,000 entries; the others have one address to look at. The flood has one source: the gate remembers what its
lists said of it (what a source's first packet costs is in bench_stages).
Run through drop_rate.sh, which gives it namespaces of its own. DROP_ROUNDS (5), DROP_MS (500) change the length.
"""
import ctypes
import gzip
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
MS = os.environ.get("DROP_MS", "500")
CORE = os.cpu_count() - 1
SOURCE, HERE, PORT = "198.18.7.66", "198.18.0.1", "8080"
RX, TX = "tgrx", "tgtx"
PIN = "/sys/fs/bpf/tgdrop"


OURS = ("block list, exact address", "block list, prefix")
PEERS = ("xdp-filter", "nft netdev ingress", "nft input")


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
        self.proc = None

    def up(self):
        self.proc = subprocess.Popen([os.path.join(TOOLS, "drop_rate_gate"), PIN, RX, self.kind, SOURCE], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.count()

    def down(self):
        self.proc.stdin.close()
        if self.proc.wait():
            raise RuntimeError("drop_rate_gate failed")

    def count(self):
        self.proc.stdin.write("\n")
        self.proc.stdin.flush()
        return int(self.proc.stdout.readline())


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


def gro(on):
    """On: this end has NAPI with and without XDP, the same road for all. Off and no XDP: frames end at the pair's middle."""
    sh("ethtool", "-K", RX, "gro", "on" if on else "off")


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
    gro(True)
    sh("ip", "link", "set", RX, "up")
    sh("nsenter", "-t", str(holder.pid), "-n", "ip", "link", "set", TX, "up")
    for knob in ("all", RX):
        with open(f"/proc/sys/net/ipv4/conf/{knob}/rp_filter", "w", encoding="ascii") as f:
            f.write("0")
    return holder


def check_accounting():
    try:
        with gzip.open("/proc/config.gz", "rt") as f:
            text = f.read()
    except OSError:
        path = f"/boot/config-{os.uname().release}"
        text = open(path, encoding="ascii").read() if os.path.exists(path) else ""
    if "CONFIG_IRQ_TIME_ACCOUNTING=y" in text:
        raise RuntimeError("this kernel accounts softirq apart from threads (CONFIG_IRQ_TIME_ACCOUNTING)")


def softirq_thread():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as f:
                if f.read().strip() == f"ksoftirqd/{CORE}":
                    return pid
        except OSError:
            continue
    raise RuntimeError(f"no ksoftirqd/{CORE}")


def busy_ns(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0])


def flood(holder, mac, softirqd):
    """Packets sent, and CPU time of sending and receiving them."""
    before = busy_ns(softirqd)
    out = sh("nsenter", "-t", str(holder.pid), "-n", "taskset", "-c", str(CORE), os.path.join(TOOLS, "flood"), TX, SOURCE, HERE,
             PORT, mac, MS, preexec_fn=die_with_parent)
    sent, cpu_ns = map(int, out.split())
    return sent, cpu_ns + busy_ns(softirqd) - before


def measure(contender, holder, mac, softirqd):
    """ns per dropped packet, sending included."""
    contender.up()
    try:
        before = contender.count()
        sent, cpu_ns = flood(holder, mac, softirqd)
        dropped = contender.count() - before
    finally:
        contender.down()
    if dropped < sent * 0.98:
        print(f"drop_rate: only {dropped} of {sent} packets were dropped by rule: the rest was lost before", file=sys.stderr)
    return cpu_ns / dropped


def measure_sending(holder, mac, softirqd):
    gro(False)
    try:
        sent, cpu_ns = flood(holder, mac, softirqd)
    finally:
        gro(True)
    return cpu_ns / sent


def report(name, value, peer="", ratio=None):
    print(json.dumps({"name": name, "value": round(value), "unit": "kpps", "peer": peer, "ratio": ratio and round(ratio, 2)}),
          flush=True)


def report_all(ns, what):
    for ours in OURS:
        for peer in PEERS:
            report(f"{ours} ({what})", 1e6 / ns[ours], peer, ns[peer] / ns[ours])
    for peer in PEERS:
        report(f"{peer} ({what})", 1e6 / ns[peer])


def main():
    check_accounting()
    holder, softirqd = make_net(), softirq_thread()
    try:
        with open(f"/sys/class/net/{RX}/address", encoding="ascii") as f:
            mac = f.read().strip()
        rounds = {name: [] for name in CONTENDERS}
        sending = []
        for n in range(ROUNDS):
            sending.append(measure_sending(holder, mac, softirqd))
            for name, contender in CONTENDERS.items():
                rounds[name].append(measure(contender, holder, mac, softirqd))
            print(f"drop_rate: round {n + 1}: sending {sending[-1]:.0f} ns, with "
                  + ", ".join(f"{name} {r[-1]:.0f}" for name, r in rounds.items()), file=sys.stderr)
    finally:
        holder.kill()
        holder.wait()
    median = {name: statistics.median(r) for name, r in rounds.items()}
    report_all(median, "one core sends and drops")
    report_all({name: ns - statistics.median(sending) for name, ns in median.items()}, "receiving side alone")
    return 0


if __name__ == "__main__":
    sys.exit(main())
