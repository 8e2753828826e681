#!/bin/bash
# `make run`: a working gateway on this machine. Built-in simulated provider, SQLite, the kernel program on loopback (generic
# mode), a demo tenant and key, and the curl line to try. Ctrl-C stops everything and detaches the program.
# TG_DEMO_DIR, TG_DEMO_PORT, TG_DEMO_CONTROL, TG_DEMO_SIM change where it lives.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "${BUILD:-build}")
dir=${TG_DEMO_DIR:-$build/demo}
port=${TG_DEMO_PORT:-8080} control=${TG_DEMO_CONTROL:-8081} sim=${TG_DEMO_SIM:-8090}
pin_dir=${TG_DEMO_PIN_DIR:-/sys/fs/bpf/tollgate-demo}
mkdir -p "$dir"
chmod 755 "$dir"
sim_pid= gate_pid=
ctl() { "$build/tollctl" --socket "$dir/control.sock" --pin-dir "$pin_dir" "$@"; }
stop() {
	trap - EXIT INT TERM
	[ -z "$gate_pid" ] || { kill "$gate_pid" 2>/dev/null && wait "$gate_pid" 2>/dev/null; } || true
	[ -z "$sim_pid" ] || { kill "$sim_pid" 2>/dev/null && wait "$sim_pid" 2>/dev/null; } || true
	if [ -n "$kernel_flag_off" ]; then return; fi
	ctl detach --all >/dev/null 2>&1 || true
}
kernel_flag_off=
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ "$(id -u)" != 0 ]; then
	echo "not root: the kernel program can't be loaded, limits will hold in user space only (--no-kernel)" >&2
	kernel_flag_off=--no-kernel
fi
cat >"$dir/policy.yaml" <<'POLICY'
# The demo's policy: small enough to run into. `tollctl policy apply` takes another at any time.
version: 1
limits:
  key: {requests: 10, period: 60s, tokens: {tokens: 100000, period: 60s}}
# What the provider charges per million tokens; what tenants pay is made of it by the default margins (docs/pricing.md).
prices:
  costs:
    - {provider: "*", model: "text-embedding-*", input: 0.02, output: 0}
    - {provider: "*", model: "*", input: 0.15, cached_input: 0.075, output: 0.60}
POLICY
cat >"$dir/tollgated.yaml" <<CONFIG
listen:
  - {address: "127.0.0.1:$port"}
control: {listen: "127.0.0.1:$control", socket: $dir/control.sock}
state_dir: $dir/state
store: {path: $dir/state/tollgate.db}
policy: $dir/policy.yaml
kernel:
  enabled: true
  pin_dir: $pin_dir
  interfaces:
    - {name: lo, mode: generic}
# One simulator plays them all.
providers:
  sim: {kind: openai, base_url: "http://127.0.0.1:$sim", api_key: "env:TOLLGATE_DEMO_PROVIDER_KEY"}
  sim-anthropic: {kind: anthropic, base_url: "http://127.0.0.1:$sim", api_key: "env:TOLLGATE_DEMO_PROVIDER_KEY"}
  sim-gemini: {kind: gemini, base_url: "http://127.0.0.1:$sim", api_key: "env:TOLLGATE_DEMO_PROVIDER_KEY"}
models:
  gpt-4o-mini: {deployments: [{provider: sim, model: gpt-4o-mini}]}
  claude-sonnet: {deployments: [{provider: sim-anthropic}]}
  gemini-flash: {deployments: [{provider: sim-gemini}]}
  text-embedding-3-small: {deployments: [{provider: sim, model: text-embedding-3-small}]}
CONFIG
mkdir -p "$dir/state"
"$build/tollgate-sim" --address 127.0.0.1 --port "$sim" >"$dir/sim.log" 2>&1 &
sim_pid=$!
TOLLGATE_DEMO_PROVIDER_KEY=demo "$build/tollgated" --config "$dir/tollgated.yaml" $kernel_flag_off 2>"$dir/tollgated.log" &
gate_pid=$!
for _ in $(seq 200); do
	if [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$control/readyz" 2>/dev/null)" = 200 ]; then break; fi
	kill -0 "$gate_pid" 2>/dev/null && kill -0 "$sim_pid" 2>/dev/null || {
		echo "it did not start:" >&2
		tail -20 "$dir/tollgated.log" "$dir/sim.log" >&2
		exit 1
	}
	sleep 0.05
done
ctl tenant list --json | grep -q '"demo"' || ctl tenant create demo --name "Demo tenant" --tier growth >/dev/null
ctl account deposit demo 10.00 --ref "make run" >/dev/null
key=$(ctl key create demo --name "made by make run" --json | sed -n 's/.*"key": *"\(tg_live_[A-Za-z0-9]*\)".*/\1/p' | head -1)
[ -n "$key" ] || { echo "could not make a key" >&2; exit 1; }
cat <<TEXT

Tollgate is running. A request through it (limit: 10 a minute, then 429 from the NIC):

  curl -i http://127.0.0.1:$port/v1/chat/completions -H 'Authorization: Bearer $key' -H 'Content-Type: application/json' -d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}'

Any model in any dialect; here one of Anthropic's asked as OpenAI's SDK would, and OpenAI's as Anthropic's would:

  curl http://127.0.0.1:$port/v1/chat/completions -H 'Authorization: Bearer $key' -d '{"model":"claude-sonnet","messages":[{"role":"user","content":"Hello"}]}'
  curl http://127.0.0.1:$port/v1/messages -H 'x-api-key: $key' -d '{"model":"gpt-4o-mini","max_tokens":100,"messages":[{"role":"user","content":"Hello"}]}'

Beside it:

  export TOLLGATE_SOCKET=$dir/control.sock
  $build/tollctl status
  $build/tollctl stats
  $build/tollctl explain $key
  $build/tollctl account show demo
  $build/tollctl usage list --tenant demo
  $build/tollctl breaker list
  $build/tollctl bill explain REQUEST   # the x-request-id of an answer
  curl http://127.0.0.1:$control/metrics

Logs: $dir/tollgated.log   Stop: Ctrl-C
TEXT
wait "$gate_pid"
