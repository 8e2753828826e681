#!/usr/bin/env python3
"""Trims a full vmlinux.h (bpftool btf dump ... format c) to the types that the kernel program uses.

Usage: trim_vmlinux.py FULL.h FOLDER... > vmlinux.h
Kept: every type whose name appears in the folders' sources, and all that those types reach by value. Types reached only
by pointer become forward declarations. The parts for integers (__u32, size_t, bool ...) are kept whole.
"""
import os
import re
import sys

WORD = re.compile(r"[A-Za-z_]\w*")


def declarations(text):
    """Top-level declarations, in order, as strings."""
    body = text[text.index("#ifndef BPF_NO_PRESERVE_ACCESS_INDEX"):]
    body = re.sub(r"^#.*$", "", body, flags=re.M)
    out, depth, start = [], 0, 0
    for i, c in enumerate(body):
        if c == "{":
            depth += 1
        elif c == "}":
            depth -= 1
        elif c == ";" and depth == 0:
            d = body[start:i + 1].strip()
            start = i + 1
            if d:
                out.append(d)
    return out


def names_of(d):
    """What a declaration defines: {'struct x'}, {'enum y', 'CONST'...}, {'typedef_name'}."""
    m = re.match(r"(struct|union|enum) (\w+) \{", d)
    out = set()
    if m:
        out.add(f"{m.group(1)} {m.group(2)}")
    if re.match(r"(typedef )?enum", d) and "{" in d:
        out |= set(re.findall(r"^\s*(\w+)\s*(?:=|,|$)", d[d.index("{") + 1:d.rindex("}")], flags=re.M))
    if d.startswith("typedef"):
        f = re.search(r"\(\*(\w+)\)\(", d)
        if f:
            out.add(f.group(1))
        else:
            last = re.search(r"(\w+)\s*(?:\[[^\]]*\]\s*)*;$", d)
            if last:
                out.add(last.group(1))
    return out


def by_value(d):
    """Names a declaration needs complete, and tags that it needs only declared."""
    need, tags = set(), set()
    inner = d[d.index("{") + 1:d.rindex("}")] if "{" in d else d[len("typedef "):] if d.startswith("typedef") else ""
    for field in re.split(r"[;{}]", inner):
        pointer = "*" in field
        for kind, name in re.findall(r"\b(struct|union|enum) (\w+)", field):
            (tags if pointer and kind != "enum" else need).add(f"{kind} {name}")
        for word in WORD.findall(re.sub(r"\b(struct|union|enum) \w+", "", field)):
            need.add(word)
    return need, tags


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        decls = declarations(f.read())
    index = {}
    for n, d in enumerate(decls):
        if re.match(r"(struct|union|enum) \w+;$", d):
            continue
        for name in names_of(d):
            index.setdefault(name, n)
    used = set()
    for folder in sys.argv[2:]:
        for base, _, files in os.walk(folder):
            for name in files:
                if not name.endswith((".c", ".h")):
                    continue
                with open(os.path.join(base, name), encoding="utf-8") as f:
                    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", f.read(), flags=re.S)
                used |= {f"{k} {n}" for k, n in re.findall(r"\b(struct|union|enum) (\w+)", text)}
                used |= set(WORD.findall(text))
    # what libbpf's own headers need
    used |= {"__u8", "__u16", "__u32", "__u64", "__s8", "__s16", "__s32", "__s64", "__be16", "__be32", "__be64",
             "__le16", "__le32", "__le64", "__wsum", "__sum16", "bool", "size_t", "u8", "u16", "u32", "u64", "s32", "s64",
             "enum bpf_map_type", "BPF_MAP_TYPE_ARRAY", "struct bpf_timer", "BPF_F_NO_PREALLOC", "BPF_ANY",
             "enum bpf_func_id", "enum xdp_action", "struct __sk_buff", "struct xdp_md"}
    keep, tags, todo = set(), set(), [u for u in used if u in index]
    while todo:
        name = todo.pop()
        n = index[name]
        if n in keep:
            continue
        keep.add(n)
        need, weak = by_value(decls[n])
        tags |= weak
        todo += [x for x in need if x in index and index[x] not in keep]
    have = set()
    for n in keep:
        have |= names_of(decls[n])
    print("/* Kernel types that bpf/ uses, from BTF by scripts/gen-vmlinux.sh. Generated: don't edit. */")
    print("#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n")
    print("#ifndef BPF_NO_PRESERVE_ACCESS_INDEX")
    print("#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)")
    print("#endif\n")
    for tag in sorted(t for t in tags if t not in have and not t.startswith("enum")):
        print(f"{tag};")
    print()
    for n in sorted(keep):
        print(decls[n] + "\n")
    print("#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n\n#endif")


if __name__ == "__main__":
    main()
