#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""No file calls a file of its folder that calls it back, however long the way round is. Reads the libraries of a build.

    tests/circles.py [BUILD]

What the linker would have to resolve counts: functions and data of one object that another one names. Calls through a
table of functions, or through a callback, close no circle.
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Libraries that still have circles, and how many files are in these. It may only become less, and is to be said here then.
KNOWN = {}


def objects(lines):
    """Of `nm -A -g --format=posix`: {object: (symbols that it defines, symbols that it names)}."""
    found = {}
    for line in lines:
        where, _, what = line.partition("]: ")
        name, kind = what.split()[:2]
        defined, named = found.setdefault(pathlib.Path(where).name.removesuffix(".c.o"), (set(), set()))
        (named if kind == "U" else defined).add(name)
    return found


def calls(files):
    """{file: files whose symbols it names}"""
    home = {name: file for file, (defined, _) in files.items() for name in defined}
    return {file: {home[name] for name in undefined if home.get(name, file) != file} for file, (_, undefined) in files.items()}


def reached(graph, start):
    seen, todo = set(), list(graph[start])
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += graph[file]
    return seen


def circles(graph):
    """Sets of files each of which reaches all others of its set."""
    reach = {file: reached(graph, file) for file in graph}
    return {frozenset(other for other in reach[file] if file in reach[other]) for file in graph if file in reach[file]}


def circles_of(library):
    lines = subprocess.run(["nm", "-A", "-g", "--format=posix", library], check=True, capture_output=True, text=True).stdout
    return circles(calls(objects(lines.splitlines())))


def complaint(name, found, known):
    """@found: circles of the library of this name; None: it is as it should be."""
    count = sum(len(circle) for circle in found)
    if count > known:
        return f"{name}: in a circle: " + "; ".join(", ".join(sorted(circle)) for circle in sorted(found, key=sorted))
    return f"{name}: {count} files are in circles, {known} were: say so in KNOWN" if count < known else None


def main(build):
    found = {path.stem.removeprefix("lib"): circles_of(path) for path in sorted((build / "src").rglob("libsp*.a"))}
    said = [complaint(name, found.get(name, set()), KNOWN.get(name, 0)) for name in sorted({*found, *KNOWN})]
    for text in filter(None, said):
        print(text, file=sys.stderr)
    return any(said)


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build")))
