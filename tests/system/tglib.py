"""What the system tests share: TAP, network namespaces with a veth, the simulator and the gateway as real processes.

Everything made here is undone by Stack.close(), also when a test fails or is terminated: processes by pid, namespaces,
the bpffs mount, the temporary folder.
"""
import atexit
import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.environ.get("TG_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TG_BUILD") or os.path.join(ROOT, "build")


class Tap:
    """Counts and prints; `with tap.case("name"):` is one test."""

    def __init__(self):
        self.n = self.bad = 0

    def ok(self, cond, name, diag=""):
        self.n += 1
        if cond:
            print(f"ok {self.n} - {name}", flush=True)
        else:
            self.bad += 1
            print(f"not ok {self.n} - {name}{' # ' + str(diag)[:600] if diag != '' else ''}", flush=True)
        return bool(cond)

    def equal(self, got, want, name):
        return self.ok(got == want, name, f"got {got!r}, want {want!r}")

    def skip(self, name, why):
        self.n += 1
        print(f"ok {self.n} - {name} # SKIP {why}", flush=True)

    def end(self):
        print(f"1..{self.n}", flush=True)
        sys.exit(1 if self.bad else 0)


# What a policy of the tests says about prices, unless it says so itself: nothing is served that has no price.
PRICES = """
prices:
  costs:
    - {provider: "*", model: "text-embedding-*", input: 0.02, output: 0}
    - {provider: "*", model: "*", input: 0.15, cached_input: 0.075, output: 0.60}
"""

# And about failures: tests that aren't about them let providers fail as often, and calls run as many at a time, as they like.
FAULTS = {
    "breakers": "breakers: {consecutive_failures: 0, failure_rate: 0, cooldown: 0s, quota_cooldown: 0s, cooldown_max: 0s}",
    "bulkheads": "bulkheads: {deployment: {concurrent: 0}, tenant: {concurrent: 0}}",
}


def whole_policy(text):
    """The policy with what every test's has, unless it says so itself."""
    if "prices:" not in text:
        text += PRICES
    return text + "".join(f"\n{line}\n" for section, line in FAULTS.items() if f"{section}:" not in text)


def sh(*argv, check=True, timeout=30, **kw):
    return subprocess.run(argv, check=check, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, **kw)


def sdk_folder():
    """Where the official SDKs are installed for the tests, with our scripts beside them. One test installs, others wait for it."""
    folder, source = os.path.join(BUILD, "sdk"), os.path.join(ROOT, "tests", "system", "sdk")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in os.listdir(source):
            if name.endswith((".json", ".mjs")):
                shutil.copy(os.path.join(source, name), folder)
        if not all(os.path.isdir(os.path.join(folder, "node_modules", name)) for name in ("openai", "anthropic-bearer", "genai-v1")):
            sh("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", timeout=180, cwd=folder)
    return folder


def wait_for(what, fn, timeout_s=15.0):
    """Polls fn until it returns something true; its result. Fails the test program otherwise."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            got = fn()
        except (OSError, http.client.HTTPException):
            got = None
        if got:
            return got
        if time.monotonic() > end:
            raise RuntimeError(f"timed out: {what}")
        time.sleep(0.02)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("tollgate", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Stack:
    """One gateway with its simulator, optionally between two namespaces: client --veth-- server.

    Addresses: server 10.77.0.1 and fd77::1, client 10.77.0.2 and fd77::2; gateway on port 8080 there.
    Without `netns` all is on loopback, ports chosen free.
    """

    SERVER4, CLIENT4, SERVER6, CLIENT6 = "10.77.0.1", "10.77.0.2", "fd77::1", "fd77::2"

    def __init__(self, netns=False, kernel=False, mode=None):
        self.dir = tempfile.mkdtemp(prefix="tgtest-")
        self.kernel, self.netns = kernel, netns
        self.mode = mode or ("native" if netns else "generic")
        self.procs, self.gateway, self.sim = [], None, None
        self.ns_server, self.ns_client = f"tgs{os.getpid()}", f"tgc{os.getpid()}"
        self.pin_mount = os.path.join(self.dir, "bpf")
        self.mounted = False
        atexit.register(self.close)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        os.chmod(self.dir, 0o755)
        if netns:
            self._net()
        if kernel:
            os.mkdir(self.pin_mount)
            sh("mount", "-t", "bpf", "bpf", self.pin_mount)
            self.mounted = True
        self.sim_port = self.free_port()
        self.port = 8080 if netns else self.free_port()
        self.control_port = self.free_port()
        self.host = self.SERVER4 if netns else "127.0.0.1"
        self.socket = os.path.join(self.dir, "control.sock")
        self.pin_dir = os.path.join(self.pin_mount, "tollgate")

    # ---- network
    def _net(self):
        for ns in (self.ns_server, self.ns_client):
            sh("ip", "netns", "add", ns)
            sh("ip", "-n", ns, "link", "set", "lo", "up")
            # Tens of thousands of short connections from one address: ports shall not run out, nor their search grow slow.
            sh("nsenter", f"--net=/run/netns/{ns}", "sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65000", "net.ipv4.tcp_tw_reuse=1",
               "net.ipv4.tcp_max_tw_buckets=2000")
        sh("ip", "link", "add", "tgv0", "netns", self.ns_server, "type", "veth", "peer", "name", "tgv1", "netns", self.ns_client)
        for ns, dev, a4, a6 in ((self.ns_server, "tgv0", self.SERVER4, self.SERVER6), (self.ns_client, "tgv1", self.CLIENT4, self.CLIENT6)):
            sh("ip", "-n", ns, "addr", "add", f"{a4}/24", "dev", dev)
            sh("ip", "-n", ns, "addr", "add", f"{a6}/64", "dev", dev, "nodad")
            sh("ip", "-n", ns, "link", "set", dev, "up")
            # Offloaded checksums would hide a wrong one.
            sh("nsenter", f"--net=/run/netns/{ns}", "ethtool", "-K", dev, "tx", "off", "gso", "off", "tso", "off")
        # veth hands on what the peer's program sends with XDP_TX only where it has a program too.
        sh("ip", "-n", self.ns_client, "link", "set", "dev", "tgv1", "xdpdrv", "obj", os.path.join(BUILD, "bpf", "xdp_pass.bpf.o"), "sec", "xdp")

    def in_ns(self, ns, *argv):
        return ["nsenter", f"--net=/run/netns/{ns}", *argv] if self.netns else list(argv)

    def server(self, *argv):
        return self.in_ns(self.ns_server, *argv)

    def client(self, *argv):
        return self.in_ns(self.ns_client, *argv)

    @staticmethod
    def free_port():
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]

    def lose(self, percent):
        """Loses packets each way, at the client's ends of the link; 0 = none any more. (Not every kernel has netem.)"""
        sh(*self.client("nft", "flush", "ruleset"))
        if percent:
            rules = "".join(f"chain {hook} {{\n type filter hook {hook} priority 0;\n numgen random mod 1000 < {percent * 10} counter drop;\n}}\n"
                            for hook in ("input", "output"))
            sh(*self.client("nft", "-f", "-"), input=f"table inet loss {{\n{rules}}}\n")

    # ---- processes
    def spawn(self, argv, name, env=None):
        log = open(os.path.join(self.dir, name + ".log"), "ab")
        proc = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, env=env, cwd=self.dir)
        log.close()
        self.procs.append(proc)
        return proc

    def log(self, name):
        with open(os.path.join(self.dir, name + ".log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def start_sim(self, *flags):
        argv = [os.path.join(BUILD, "tollgate-sim"), "--address", "127.0.0.1", "--port", str(self.sim_port), *flags]
        self.sim = self.spawn(self.server(*argv), "sim")
        wait_for("simulator", lambda: "listening" in self.log("sim"))

    def sim_stats(self):
        out = sh(*self.server("curl", "-s", f"http://127.0.0.1:{self.sim_port}/_sim/stats")).stdout
        return json.loads(out)

    def config(self, extra=""):
        interface = "tgv0" if self.netns else "lo"
        kernel = f"""
kernel:
  enabled: {"true" if self.kernel else "false"}
  pin_dir: {self.pin_dir}
  interfaces:
    - {{name: {interface}, mode: {self.mode}}}
"""
        listen = [f"{self.host}:{self.port}"] + ([f"[{self.SERVER6}]:{self.port}"] if self.netns else [])
        return f"""
listen:
{chr(10).join(f'  - {{address: "{l}"}}' for l in listen)}
control: {{listen: "127.0.0.1:{self.control_port}", socket: {self.socket}}}
workers: 2
state_dir: {self.dir}/state
policy: {self.dir}/policy.yaml
store: {{path: {self.dir}/state/tollgate.db}}
log: {{format: logfmt, level: info}}
stop_timeout: 5s
{kernel}
providers:
  sim: {{kind: openai, base_url: "http://127.0.0.1:{self.sim_port}", api_key: "env:SIM_KEY"}}
models:
  gpt-4o-mini: {{deployments: [{{provider: sim, model: gpt-4o-mini}}]}}
  text-embedding-3-small: {{deployments: [{{provider: sim, model: text-embedding-3-small}}]}}
{self._scenario_models()}
{extra}
"""

    scenarios = ("sim-slow-300", "sim-error-500", "sim-ratelimit", "sim-truncate", "sim-malformed", "sim-close", "sim-drip",
                 "sim-long-200", "sim-midstream-error", "sim-slow-1500")

    def _scenario_models(self):
        return "\n".join(f"  {m}: {{deployments: [{{provider: sim, model: {m}}}]}}" for m in self.scenarios)

    def start_gateway(self, extra="", wait=True):
        os.makedirs(os.path.join(self.dir, "state"), exist_ok=True)
        path = os.path.join(self.dir, "tollgated.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(self.config(extra))
        with open(os.path.join(self.dir, "policy.yaml"), "w", encoding="utf-8") as f:
            f.write(whole_policy("version: 1\n"))
        argv = [os.path.join(BUILD, "tollgated"), "--config", path] + ([] if self.kernel else ["--no-kernel"])
        env = dict(os.environ, SIM_KEY="sk-sim-secret-0123456789")
        self.gateway = self.spawn(self.server(*argv), "gateway", env=env)
        if wait:
            wait_for("gateway ready:\n" + self.log("gateway"), self._ready)

    def _ready(self):
        if self.gateway.poll() is not None:
            raise RuntimeError("gateway ended: " + self.log("gateway")[-3000:])
        return self.admin("GET", "/readyz")[0] == 200

    def stop(self, proc, sig=signal.SIGTERM, timeout=15):
        if proc.poll() is None:
            proc.send_signal(sig)
            proc.wait(timeout)
        if proc in self.procs:
            self.procs.remove(proc)
        return proc.returncode

    # ---- control
    def admin(self, method, path, body=None, content_type="application/json"):
        c = UnixConnection(self.socket)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        c.request(method, path, body=body, headers={"Content-Type": content_type} if body is not None else {})
        r = c.getresponse()
        text = r.read().decode()
        c.close()
        try:
            return r.status, json.loads(text)
        except ValueError:
            return r.status, text

    def make_key(self, tenant="acme", name="test", deposit="1000000"):
        """A key of a tenant that can pay; both are made if need be."""
        status, _ = self.admin("POST", "/admin/v1/tenants", {"id": tenant, "name": tenant})
        assert status in (201, 409), status
        if deposit and status == 201:
            status, got = self.admin("POST", f"/admin/v1/accounts/{tenant}/deposits", {"amount": deposit})
            assert status == 201 or got["error"]["code"] == "billing_off", (status, got)
        status, key = self.admin("POST", "/admin/v1/keys", {"tenant": tenant, "name": name})
        assert status == 201, (status, key)
        return key

    def apply_policy(self, text):
        status, got = self.admin("POST", "/admin/v1/policy/apply", whole_policy(text), "text/yaml")
        assert status == 200, (status, got)
        return got

    def metrics(self):
        return self.admin("GET", "/metrics")[1]

    def metric(self, name, **labels):
        """Sum of the series of `name` that carry these labels."""
        total = 0.0
        for line in self.metrics().splitlines():
            head, _, value = line.rpartition(" ")
            if head.split("{")[0] == name and all(f'{k}="{v}"' in head for k, v in labels.items()):
                total += float(value)
        return total

    def nic(self, verdict, reason=None):
        """Packets counted by the kernel program."""
        _, stats = self.admin("GET", "/admin/v1/stats")
        return sum(v["packets"] for v in stats["verdicts"]
                   if v["layer"] == "nic" and v["verdict"] == verdict and (reason is None or v["reason"] == reason))

    def tollctl(self, *argv):
        return subprocess.run(self.server(os.path.join(BUILD, "tollctl"), "--socket", self.socket, "--pin-dir", self.pin_dir, *argv),
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)

    def close(self):
        atexit.unregister(self.close)
        for proc in reversed(self.procs):
            if proc.poll() is None:
                proc.terminate()
        for proc in reversed(self.procs):
            try:
                proc.wait(7)
            except subprocess.TimeoutExpired:
                proc.kill()
                proc.wait()
        self.procs = []
        if self.kernel and os.path.exists(os.path.join(BUILD, "tollctl")):
            subprocess.run(self.server(os.path.join(BUILD, "tollctl"), "--pin-dir", self.pin_dir, "detach", "--all"),
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30, check=False)
        if self.netns:
            for ns in (self.ns_server, self.ns_client):
                subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL, check=False)
        if self.mounted:
            subprocess.run(["umount", self.pin_mount], stderr=subprocess.DEVNULL, check=False)
        if os.environ.get("TG_KEEP"):
            print(f"# kept {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
