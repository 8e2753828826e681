#!/usr/bin/env python3
"""Proxied calls through tollgated, nginx and haproxy: calls per second and CPU per call, JSON and streams; memory of idle
connections.

Tollgated runs twice: with billing (each call held, priced, committed to disk before its last bytes leave) and without. All of
them run alone on one core (single process, one worker), limits on and never reached, in front of the same simulated
provider; the load generator and the provider share the other core. Rounds alternate between them; medians are printed as JSON
lines. CPU is the run time of all of a process's threads, as the scheduler counts it.

Environment: TG_BENCH_ROUNDS (7), TG_BENCH_SECONDS (3) per JSON round, TG_BENCH_STREAMS (2000), TG_BENCH_IDLE (10000).
"""
import json
import os
import re
import resource
import socket
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from tglib import BUILD, ROOT, Stack, wait_for

ROUNDS = int(os.environ.get("TG_BENCH_ROUNDS", "7"))
SECONDS = int(os.environ.get("TG_BENCH_SECONDS", "3"))
STREAMS = int(os.environ.get("TG_BENCH_STREAMS", "2000"))
IDLE = int(os.environ.get("TG_BENCH_IDLE", "10000"))
CHUNKS, CHUNK_INTERVAL_MS = 60, 50
CONNECTIONS = 64
REQUEST_BYTES, ANSWER_TEXT_BYTES = 4096, 800
UNDER_TEST, GENERATOR = "0", "1"  # cores
POLICY = """
version: 1
limits:
  global: {requests: 1000000000, period: 60s}
  tenant: {requests: 1000000000, period: 60s}
  key: {requests: 1000000000, period: 60s, tokens: {tokens: 4000000000, period: 1s}}
  routes:
    chat.completions: {requests: 1000000000, period: 60s, scope: tenant}
"""


def cpu_s(pid):
    """Run time of the process, ended threads left out (none end while we measure)."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def rss_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return int(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1)) * 1024


def pinned(core, *argv):
    return ["taskset", "-c", core, *argv]


def answers(port):
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


class Bench(Stack):
    """The stack on loopback with one worker; nginx and haproxy beside it."""

    name = "tollgated"

    def config(self, extra=""):
        return super().config(extra).replace("workers: 2", "workers: 1")

    def spawn(self, argv, name, env=None):
        return super().spawn(pinned(GENERATOR if name == "sim" else UNDER_TEST, *argv), name, env)

    def fill(self, template, **names):
        with open(os.path.join(ROOT, "tests/bench", template), encoding="utf-8") as f:
            text = f.read()
        for name, value in names.items():
            text = text.replace(f"@{name}@", str(value))
        path = os.path.join(self.dir, template.removesuffix(".in"))
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def start_nginx(self):
        port, stream_port = self.free_port(), self.free_port()
        conf = self.fill("nginx.conf.in", DIR=self.dir, PORT=port, STREAM_PORT=stream_port, SIM_PORT=self.sim_port)
        proc = self.spawn(["nginx", "-c", conf], "nginx")
        wait_for("nginx: " + self.log("nginx"), lambda: answers(stream_port))
        return Target("nginx", proc.pid, port, stream_port, "peer")

    def start_haproxy(self):
        port = self.free_port()
        conf = self.fill("haproxy.cfg.in", PORT=port, SIM_PORT=self.sim_port)
        proc = self.spawn(["haproxy", "-db", "-q", "-f", conf], "haproxy")
        wait_for("haproxy: " + self.log("haproxy"), lambda: answers(port))
        return Target("haproxy", proc.pid, port, port, "peer")

    def start_tollgated(self, extra=""):
        self.start_gateway("upstream: {pool_max: 4096}\n" + extra)
        self.apply_policy(POLICY)
        return Target(self.name, self.gateway.pid, self.port, self.port, self.make_key()["key"])


class Unbilled(Bench):
    """The gateway without its books, in front of another stack's simulator."""

    name = "tollgated, billing off"

    def __init__(self, sim_port):
        super().__init__()
        self.sim_port = sim_port


class Target:
    def __init__(self, name, pid, port, stream_port, key):
        self.name, self.pid, self.port, self.stream_port, self.key = name, pid, port, stream_port, key


def wrk_script(bench, target):
    head = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"'
    body = head + ("word " * REQUEST_BYTES)[: REQUEST_BYTES - len(head) - 4] + '"}]}'
    path = os.path.join(bench.dir, f"{target.port}.lua")
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"wrk.method = 'POST'\nwrk.body = '{body}'\n"
                f"wrk.headers['Content-Type'] = 'application/json'\nwrk.headers['Authorization'] = 'Bearer {target.key}'\n")
    return path


def json_round(bench, target, seconds):
    """(calls per second, CPU in us per call)"""
    argv = pinned(GENERATOR, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", wrk_script(bench, target),
                  f"http://127.0.0.1:{target.port}/v1/chat/completions")
    before = cpu_s(target.pid)
    out = subprocess.run(argv, check=True, text=True, stdout=subprocess.PIPE).stdout
    used = cpu_s(target.pid) - before
    calls = int(re.search(r"(\d+) requests in", out).group(1))
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"{target.name}: failed calls:\n{out}")
    return calls / float(re.search(r"requests in ([\d.]+)s", out).group(1)), used * 1e6 / calls


def stream_round(target):
    """CPU in us per event, from when all streams have begun until all have ended."""
    argv = pinned(GENERATOR, os.path.join(BUILD, "tools", "sse_client"), "--port", str(target.stream_port), "--key", target.key,
                  "--streams", str(STREAMS))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as client:
        started = json.loads(client.stdout.readline())
        before = cpu_s(target.pid)
        done = json.loads(client.stdout.readline())
        used = cpu_s(target.pid) - before
    if client.returncode or done["failed"]:
        sys.exit(f"{target.name}: failed streams: {done}")
    return used * 1e6 / (done["events"] - started["events"])


def idle_memory(target):
    """Resident bytes with IDLE connections that have each served a request."""
    request = f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {target.key}\r\n\r\n".encode()
    socks = []
    for _ in range(IDLE):
        s = socket.create_connection(("127.0.0.1", target.port), timeout=10)
        s.sendall(request)
        if not s.recv(65536).startswith(b"HTTP/1.1 200"):
            sys.exit(f"{target.name}: no 200 on an idle connection's first request")
        socks.append(s)
    resident = rss_bytes(target.pid)
    for s in socks:
        s.close()
    return resident


def row(name, value, unit, peer="", ratio=None):
    print(json.dumps({"name": name, "value": value, "unit": unit, "peer": peer, "ratio": ratio}), flush=True)


def report(name, unit, figures):
    """figures: target's name -> list of one figure a round. Values are medians; a ratio is the median of the rounds' own
    ratios, so that a machine whose speed drifts between rounds doesn't make it."""
    ours = {n: figures.pop(n) for n in (Bench.name, Unbilled.name)}
    for peer, values in figures.items():
        row(f"{name}, {peer}", statistics.median(values), unit)
    for which, own in ours.items():
        for peer, values in figures.items():
            row(name + which.removeprefix("tollgated"), statistics.median(own), unit, peer,
                statistics.median(a / b for a, b in zip(own, values)))


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    bench = Bench()
    unbilled = Unbilled(bench.sim_port)
    bench.start_sim("--chunks", str(CHUNKS), "--chunk-interval-ms", str(CHUNK_INTERVAL_MS), "--answer-bytes",
                    str(ANSWER_TEXT_BYTES))
    targets = [bench.start_tollgated(), bench.start_nginx(), unbilled.start_tollgated("billing: {enabled: off}"), bench.start_haproxy()]
    rate, call_us, event_us = ({t.name: [] for t in targets} for _ in range(3))
    for t in targets:
        json_round(bench, t, 1)  # connections and caches warm
    for n in range(ROUNDS):
        for t in targets[n % 4:] + targets[:n % 4]:
            calls, us = json_round(bench, t, SECONDS)
            rate[t.name].append(calls)
            call_us[t.name].append(us)
    for n in range(ROUNDS):
        for t in targets[n % 4:] + targets[:n % 4]:
            event_us[t.name].append(stream_round(t))
    total = idle_memory(targets[0])
    unbilled.close()
    bench.close()
    report("JSON calls, one core", "calls/s", rate)
    report("CPU per JSON call", "us", call_us)
    report(f"CPU per event of {STREAMS} streams", "us", event_us)
    row(f"memory with {IDLE} idle connections", total / 1e6, "MB")


if __name__ == "__main__":
    main()
