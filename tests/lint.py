#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What no other linter says: layout of C sources, and whether structured comments and documents name what is there.

Not clang-format: it can't keep members, defines and tables aligned at tabs, and would change a tenth of all lines.
"""
import glob
import re
import sys

COLUMNS = 120			# tabs count 8; texts don't, which are found best in one piece
FUNCTION_LINES = 60

RAW = [				# of the line as it is
    (r"[ \t]$", "blank at the end of the line"),
    (r"\r", "carriage return"),
    (r"^\t* {8}", "indented with spaces"),
    (r" \t", "space before a tab"),
]
CODE = [			# of what is neither text nor comment
    (r"\b(if|for|while|switch)\(", "no blank before ("),
    (r"\b(if|for|while|switch) .*\)\{$", "no blank before {"),
    (r"^\w[^;=]*\) \{$", "brace of a function on the line of its name"),
]

# Folders of src/: a file includes what stands in its own one, or in one before it. Agent and proxy are beside each other.
FOLDERS = ["abi", "base", "l7", "tcp", "config", "control", "datapath", "splice", "store", "cluster", "node", "proxy", "agent"]
BESIDE = {("proxy", "agent"), ("agent", "proxy")}
INCLUDE = re.compile(r'#include "(?:(\w+)/)?[^"]*"')

DOC = re.compile(r"/\*\*\n(.*?)\*/\n(.*?)(?=\n\n|\Z)", re.S)
TAG = re.compile(r"^ \*\s+@(\w+(?:, @\w+)*):", re.M)
MEMBER = re.compile(r"(\w+)(?:\[[^]]*\])*\s*(?=[,;])")
CALL = re.compile(r"\b([a-z]\w+)\(\)")
PATH = re.compile(r"(?<![\w/.-])(?!bench/out/)((?:abi|bpf|src|tests|bench|demo|docs|contrib)/[\w.*/-]*\w)")	# out: of runs
FUNCTION_POINTER = re.compile(r"\(\*(\w+)\)\([^;]*\)(?=;)")


TEXT = re.compile(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])*\'')


def without_text(line):
    """The line, with strings and comments emptied."""
    line = TEXT.sub('""', line)
    return re.sub(r"/\*.*?(\*/|$)|^\s*\*.*|//.*", "", line)


def layout(lines):
    for at, line in enumerate(lines, 1):
        code = without_text(line)
        before = lines[at - 2] if at > 1 else None
        yield from ((at, what) for pattern, what in RAW if re.search(pattern, line))
        yield from ((at, what) for pattern, what in CODE if re.search(pattern, code))
        if re.match(r"\s+else\b", line) and before.strip() == "}":
            yield at, "else on the line behind its }"
        columns = len(line.expandtabs(8))
        if columns > COLUMNS and len(TEXT.sub("", line.expandtabs(8))) > COLUMNS:
            yield at, f"{columns} columns, {COLUMNS} are allowed"
        if not line and not before:
            yield at, "two empty lines, or one at the beginning"


def functions(lines):
    begin = None
    for at, line in enumerate(lines, 1):
        if line == "{":
            begin = at
        elif line.startswith("}") and begin:
            if at - begin - 1 > FUNCTION_LINES:
                yield begin, f"function of {at - begin - 1} lines, {FUNCTION_LINES} are allowed"
            begin = None


def members(body):
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    body = re.sub(r" : \d+;", ";", body)
    body = FUNCTION_POINTER.sub(r"\1", body[body.index("{") + 1:body.rindex("}")])
    return {name for name in MEMBER.findall(body) if not name.startswith("pad")}


def comments(path, text):
    """None names what isn't there; in abi/ every member is described."""
    for doc in DOC.finditer(text):
        at = text.count("\n", 0, doc.start()) + 1
        named = {name for tags in TAG.findall(doc[1]) for name in tags.split(", @")}
        first = re.match(r" \* (struct )?(\w+)", doc[1])
        if not first or first[2] not in doc[2]:
            yield at, "describes something else than what follows"
            continue
        yield from ((at, f"{first[2]} has no @{name}") for name in sorted(named - set(re.findall(r"\w+", doc[2]))))
        if first[1] and path.startswith("abi/"):
            yield from ((at, f"{first[2]}: @{name} is not described") for name in sorted(members(doc[2]) - named))


def order(path, lines):
    """No folder includes one below it; splicectl has the control protocol, and nothing else of the daemon's."""
    folder = path.split("/")[1]
    for at, line in enumerate(lines, 1):
        include = INCLUDE.match(line)
        other = include and include[1]
        if folder == "ctl" and (other in FOLDERS and other not in ("abi", "base", "control")
                                or other == "control" and '"control/control.h"' not in line):
            yield at, f"splicectl includes {line.split()[1]}"
        elif other in FOLDERS and folder in FOLDERS and (
                FOLDERS.index(other) > FOLDERS.index(folder) or (folder, other) in BESIDE):
            yield at, f"{folder} stands above {other}, and does not include it"
        elif other == "src" or "../" in line and include:
            yield at, "includes are from src/ on"


def document(text, sources):
    for at, line in enumerate(text.split("\n"), 1):
        for name in CALL.findall(line):
            if not re.search(rf"\b{name}\(", sources):
                yield at, f"there is no {name}()"
        for path in PATH.findall(line):
            if not glob.glob(path):
                yield at, f"there is no {path}"


def main():
    bad = 0
    texts = {}
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8", newline="") as file:
            texts[path] = file.read()
    sources = "".join(text for path, text in texts.items() if not path.endswith(".md"))
    for path, text in texts.items():
        lines = text.split("\n")
        if path.endswith(".md"):
            found = [*document(text, sources)]
        else:
            found = [*layout(lines[:-1]), *functions(lines), *comments(path, text)]
            if path.startswith("src/"):
                found += order(path, lines)
        if lines[-1] or len(lines) > 1 and not lines[-2]:
            found.append((len(lines), "ends with no newline, or with an empty line"))
        for at, what in sorted(found):
            print(f"{path}:{at}: {what}", file=sys.stderr)
        bad += len(found)
    return bad > 0


sys.exit(main())
