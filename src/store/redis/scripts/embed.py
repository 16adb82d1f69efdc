#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Writes Lua scripts as the elements of a C array: embed.py FILE.lua... > scripts.inc

The line "-- include FILE.lua" stands for the lines of that file. Other lines that begin with "--" are left out.
"""
import os
import sys

INCLUDE = "-- include "


def code(path):
    with open(path, encoding="ascii") as file:
        for line in file.read().splitlines():
            if line.startswith(INCLUDE):
                yield from code(os.path.join(os.path.dirname(path), line[len(INCLUDE):]))
            elif not line.startswith("--"):
                yield line


def quoted(line):
    return '"' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


for path in sys.argv[1:]:
    name = os.path.splitext(os.path.basename(path))[0].upper()
    print(f"[SP_SCRIPT_{name}] =", *("\t" + quoted(line) for line in code(path)), sep="\n", end=",\n")
