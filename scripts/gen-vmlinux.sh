#!/bin/sh
# Regenerates vmlinux.h from this kernel's BTF, trimmed to the types that bpf/ uses (and what they reach).
# CO-RE relocates field offsets at load time, so the result serves other kernels too.
# Usage: scripts/gen-vmlinux.sh   (writes ./vmlinux.h)
set -eu
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bpftool btf dump file /sys/kernel/btf/vmlinux format c >"$tmp/full.h"
python3 scripts/trim_vmlinux.py "$tmp/full.h" bpf include/tollgate >"$tmp/vmlinux.h"
mv "$tmp/vmlinux.h" vmlinux.h
