#!/bin/bash
# Drop rate of a blocked source; see drop_rate.py. Namespaces of its own: all of it is gone when this ends, however it ends.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo "drop_rate: needs root" >&2; exit 1; }
exec unshare --net --mount --fork --kill-child python3 "$here/drop_rate.py" "$@"
