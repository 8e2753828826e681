#!/bin/sh
# Installs from Debian what a target needs and this machine lacks.
# Usage: scripts/deps.sh build|test|bench
set -eu
build="clang llvm gcc make libbpf-dev bpftool libmicrohttpd-dev libyaml-dev libsqlite3-dev libjansson-dev libssl-dev
libelf-dev zlib1g-dev libcurl4-openssl-dev libseccomp-dev pkg-config curl ca-certificates python3"
test="libcriterion-dev libgmp-dev libclang-rt-14-dev iproute2 ethtool wrk tcpdump prometheus jq nodejs npm openssl sqlite3 procps nftables"
bench="nginx-light libnginx-mod-stream haproxy xdp-tools nftables iptables iproute2 ethtool wrk python3"
case "${1:-}" in
build) want=$build ;;
test) want="$build $test" ;;
bench) want="$build $bench" ;;
*)
	echo "usage: $0 build|test|bench" >&2
	exit 2
	;;
esac
missing=
for p in $want; do
	case $p in
	# A Node.js installed by other means than Debian's packages serves as well.
	nodejs) command -v node >/dev/null && continue ;;
	npm) command -v npm >/dev/null && continue ;;
	esac
	dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing" >&2
[ "$(id -u)" = 0 ] || {
	echo "not root: run as root, or install them yourself: apt-get install$missing" >&2
	exit 1
}
# Servers among them (nginx, haproxy, prometheus) are run by tests and benchmarks on their own; none shall start by itself.
guard=/usr/sbin/policy-rc.d
made_guard=
if [ ! -e $guard ]; then
	printf '#!/bin/sh\nexit 101\n' >$guard
	chmod 755 $guard
	made_guard=1
fi
trap '[ -z "$made_guard" ] || rm -f $guard' EXIT
log=$(mktemp)
apt-get update -qq >"$log" 2>&1 || true
# shellcheck disable=SC2086
if ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >"$log" 2>&1; then
	tail -20 "$log" >&2
	echo "apt-get could not install:$missing (log: $log)" >&2
	exit 1
fi
rm -f "$log"
