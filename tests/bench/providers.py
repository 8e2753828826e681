#!/usr/bin/env python3
"""Four dialects: CPU per event of streams that are passed and of streams that are translated, CPU per JSON call of both, memory of
open streams; and another gateway that speaks them, Portkey's (@portkey-ai/gateway from npm), on the same calls.

Set-up as proxy.py: what is measured runs alone on one core with one worker, the load and the simulated providers on the other;
rounds alternate; medians are printed as JSON lines. "passed" is a chat in the provider's own dialect.

Environment: TG_BENCH_ROUNDS (5), TG_BENCH_SECONDS (3) per JSON round, TG_BENCH_STREAMS (2000), TG_BENCH_OPEN (9900: each open stream
is two connections of the daemon, and many machines allow a process 20,000 files).
"""
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from proxy import CHUNK_INTERVAL_MS, CONNECTIONS, GENERATOR, POLICY, Bench, Target, answers, cpu_s, pinned, rss_bytes, row
from proxy import wrk_script
from tglib import BUILD, ROOT, sh, wait_for

ROUNDS = int(os.environ.get("TG_BENCH_ROUNDS", "5"))
SECONDS = int(os.environ.get("TG_BENCH_SECONDS", "3"))
STREAMS = int(os.environ.get("TG_BENCH_STREAMS", "2000"))
OPEN = int(os.environ.get("TG_BENCH_OPEN", "9900"))
CHUNKS = 60
# Client's dialect, provider's kind. The first is what "twice pass-through" is measured against.
PAIRS = [("openai", "openai"), ("anthropic", "anthropic"), ("gemini", "gemini"), ("openai", "anthropic"), ("openai", "gemini"),
         ("anthropic", "openai"), ("gemini", "openai"), ("responses", "anthropic"), ("anthropic", "gemini")]
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "gemini": "/v1beta/models/at-{p}:generateContent"}
KEYS = {"openai": "Authorization'] = 'Bearer {k}", "anthropic": "x-api-key'] = '{k}'\nwrk.headers['anthropic-version'] = '2023-06-01",
        "gemini": "x-goog-api-key'] = '{k}"}
PROMPT = ("word " * 800)[:3900]
BODIES = {"openai": {"model": "at-{p}", "messages": [{"role": "user", "content": PROMPT}]},
          "anthropic": {"model": "at-{p}", "max_tokens": 4096, "messages": [{"role": "user", "content": PROMPT}]},
          "gemini": {"contents": [{"parts": [{"text": PROMPT}]}]}}


class Providers(Bench):
    """One simulator, three kinds of provider at it."""

    def config(self, extra=""):
        base = f'base_url: "http://127.0.0.1:{self.sim_port}", api_key: "env:SIM_KEY"'
        kinds = ("openai", "anthropic", "gemini")
        providers = "\n".join(f"  {k}: {{kind: {k}, {base}}}" for k in kinds)
        models = "\n".join(f"  at-{k}: {{deployments: [{{provider: {k}}}]}}" for k in kinds)
        models += "\n  slow: {deployments: [{provider: openai, model: sim-slowstream-2000}]}"
        return super().config(extra).replace("providers:\n", f"providers:\n{providers}\n").replace("models:\n", f"models:\n{models}\n")

    def start_tollgated(self, extra=""):
        self.start_gateway("upstream: {pool_max: 20000}\n" + extra)
        self.apply_policy(POLICY)
        return Target(self.name, self.gateway.pid, self.port, self.port, self.make_key()["key"])

    def start_portkey(self):
        folder, source = os.path.join(BUILD, "peers"), os.path.join(ROOT, "tests/bench/peers")
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(source):
            shutil.copy(os.path.join(source, name), folder)
        start = os.path.join(folder, "node_modules/@portkey-ai/gateway/build/start-server.js")
        if not os.path.exists(start):
            sh("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", timeout=300, cwd=folder)
        port = self.free_port()
        proc = self.spawn(["node", start, f"--port={port}", "--headless"], "portkey", env=dict(os.environ, NODE_ENV="production", TRUSTED_CUSTOM_HOSTS="127.0.0.1"))
        wait_for("portkey: " + self.log("portkey"), lambda: answers(port))
        return Target("Portkey", proc.pid, port, port, "peer")


def wrk(script, port, path, seconds):
    argv = pinned(GENERATOR, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{port}{path}")
    out = subprocess.run(argv, check=True, text=True, stdout=subprocess.PIPE).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"{path} on {port}: failed calls:\n{out}")
    return int(re.search(r"(\d+) requests in", out).group(1)), float(re.search(r"requests in ([\d.]+)s", out).group(1))


def call_script(bench, target, client, provider):
    path = os.path.join(bench.dir, f"{client}-{provider}.lua")
    body = json.dumps(BODIES[client]).replace("{p}", provider)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"wrk.method = 'POST'\nwrk.body = '{body}'\nwrk.headers['Content-Type'] = 'application/json'\n"
                f"wrk.headers['{KEYS[client].replace('{k}', target.key)}'\n")
    return path


def json_us(bench, target, client, provider):
    before = cpu_s(target.pid)
    calls, _ = wrk(call_script(bench, target, client, provider), target.port, PATHS[client].replace("{p}", provider), SECONDS)
    return (cpu_s(target.pid) - before) * 1e6 / calls


def stream_us(target, client, provider):
    """CPU in us per event of the provider's, from when all streams have begun until all have ended."""
    argv = pinned(GENERATOR, os.path.join(BUILD, "tools", "sse_client"), "--port", str(target.port), "--key", target.key, "--streams",
                  str(STREAMS), "--dialect", client, "--model", f"at-{provider}")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as run:
        json.loads(run.stdout.readline())
        before = cpu_s(target.pid)
        done = json.loads(run.stdout.readline())
        used = cpu_s(target.pid) - before
    if run.returncode or done["failed"]:
        sys.exit(f"{client} at {provider}: failed streams: {done}")
    return used * 1e6 / (STREAMS * CHUNKS)


def open_streams(bench, target):
    """Resident bytes with OPEN streams under way, each with a few events delivered; and before."""
    before = rss_bytes(target.pid)
    argv = pinned(GENERATOR, os.path.join(BUILD, "tools", "sse_client"), "--port", str(target.port), "--key", target.key, "--streams",
                  str(OPEN), "--model", "slow")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as run:
        started = json.loads(run.stdout.readline())
        during = rss_bytes(target.pid)
        in_flight = bench.metric("tollgate_requests_in_flight")
        run.terminate()  # the streams would last two minutes
    if started["failed"] or started["ended"] or in_flight < OPEN:
        sys.exit(f"{OPEN} streams: {in_flight} were open: {started}")
    return before, during


def portkey(bench, target, peer):
    """Calls per second of CPU, rounds alternating."""
    own_script = wrk_script(bench, target)
    text = open(wrk_script(bench, peer), encoding="utf-8").read()
    peer_script = os.path.join(bench.dir, "portkey.lua")
    with open(peer_script, "w", encoding="utf-8") as f:
        f.write(text + f"wrk.headers['x-portkey-provider'] = 'openai'\nwrk.headers['x-portkey-custom-host'] = 'http://127.0.0.1:{bench.sim_port}/v1'\n")
    own, other = [], []
    wrk(peer_script, peer.port, "/v1/chat/completions", 2)  # its just-in-time compiler warm
    for _ in range(ROUNDS):
        for t, script, into in ((target, own_script, own), (peer, peer_script, other)):
            before = cpu_s(t.pid)
            calls, _ = wrk(script, t.port, "/v1/chat/completions", SECONDS)
            into.append(calls / (cpu_s(t.pid) - before))
    row("JSON calls per core, Portkey", statistics.median(other), "calls/s")
    row("JSON calls per core", statistics.median(own), "calls/s", "Portkey", statistics.median(a / b for a, b in zip(own, other)))


def alternate(name, unit, pairs, measure):
    """Pairs in turn; each one's ratio is to the first pair of the same round."""
    figures = {p: [] for p in pairs}
    for p in pairs:
        measure(*p)  # warm
    for _ in range(ROUNDS):
        for p in pairs:
            figures[p].append(measure(*p))
    for (client, provider), values in figures.items():
        how = "passed" if client == provider else "translated"
        first = figures[pairs[0]]
        row(f"{name}, {client} client, {provider} provider", statistics.median(values), unit,
            "" if (client, provider) == pairs[0] else "openai passed", None if (client, provider) == pairs[0]
            else statistics.median(a / b for a, b in zip(values, first)))
        print(f"# {client} at {provider}: {how}", file=sys.stderr)


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    bench = Providers()
    bench.start_sim("--chunks", str(CHUNKS), "--chunk-interval-ms", str(CHUNK_INTERVAL_MS), "--answer-bytes", "800")
    target = bench.start_tollgated()
    calls = [p for p in PAIRS if p[0] in BODIES]
    alternate("CPU per JSON call", "us", calls, lambda c, p: json_us(bench, target, c, p))
    alternate("CPU per provider's event", "us", PAIRS, lambda c, p: stream_us(target, c, p))
    before, during = open_streams(bench, target)
    row(f"memory with {OPEN} open streams", during / 1e6, "MB")
    row("memory per open stream", (during - before) / OPEN / 1e3, "kB")
    portkey(bench, target, bench.start_portkey())
    bench.close()


if __name__ == "__main__":
    main()
