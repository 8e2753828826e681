#!/usr/bin/env python3
"""Checks that includes go down the house's floors only, and that each foreign API stays in its room.

Rooms on one floor don't see each other. Usage: scripts/check-layers.py (from anywhere); exit 1 on a breach.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

FLOORS = [
    ["base"],
    ["model", "event"],
    ["conf", "store", "price", "guard", "dialect", "upstream", "http", "kernel", "fetch", "crypto"],
    ["ledger", "notify", "observe", "tos"],
    ["gateway", "admin"],
    ["daemon", "ctl", "sim"],
]
FLOOR = {room: n for n, rooms in enumerate(FLOORS) for room in rooms}

# Foreign API -> rooms that may include it. A prefix ends in "/".
FOREIGN = {
    "microhttpd.h": {"http"},
    "sqlite3.h": {"store"},
    "libpq-fe.h": {"store"},
    "bpf/": {"kernel"},
    "yaml.h": {"conf"},
    "curl/": {"fetch"},
    "openssl/": {"crypto", "upstream", "sim"},
    "seccomp.h": {"daemon"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def breaches(room, path):
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            m = INCLUDE.match(line)
            if not m:
                continue
            target = m.group(1)
            for api, allowed in FOREIGN.items():
                hit = target.startswith(api) if api.endswith("/") else target == api
                if hit and room not in allowed:
                    yield number, f"{target} belongs to room {'/'.join(sorted(allowed))}, not {room}"
            other = target.split("/")[0]
            if other == room or other not in FLOOR or "/" not in target:
                continue
            if FLOOR[other] >= FLOOR[room]:
                yield number, f"{room} (floor {FLOOR[room]}) includes {target} (floor {FLOOR[other]}): includes go down"


def main():
    bad = 0
    user = os.path.join(ROOT, "user")
    for room in sorted(os.listdir(user)):
        folder = os.path.join(user, room)
        if not os.path.isdir(folder) or room == "web":
            continue
        if room not in FLOOR:
            print(f"user/{room}: not a room of the house (scripts/check-layers.py lists them)")
            bad += 1
            continue
        for base, _, names in os.walk(folder):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    path = os.path.join(base, name)
                    for number, text in breaches(room, path):
                        print(f"{os.path.relpath(path, ROOT)}:{number}: {text}")
                        bad += 1
    for folder in ("include", "bpf"):
        for base, _, names in os.walk(os.path.join(ROOT, folder)):
            for name in sorted(names):
                path = os.path.join(base, name)
                if not name.endswith((".c", ".h")):
                    continue
                with open(path, encoding="utf-8") as f:
                    for number, line in enumerate(f, 1):
                        m = INCLUDE.match(line)
                        if m and m.group(1).split("/")[0] in FLOOR:
                            print(f"{os.path.relpath(path, ROOT)}:{number}: {folder}/ may not include user/")
                            bad += 1
    print(f"layers: {'ok' if not bad else str(bad) + ' breaches'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
