#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Lint of the project: layout of C sources, names in comments and documents, plain English, glossary.

    tests/lint.py               lint all C sources, and hold the tree to its bounds
    tests/lint.py FILE...       lint FILEs, sources or documents; the glossary, if named, must have each word of a file's name
    tests/lint.py --rates       print each file's rate of pronouns, the highest first
    tests/lint.py --tighten     lower the bounds in tests/lint_bounds.json to the tree as it stands

Bounds are a ratchet for each folder: the tree may not exceed them, and --tighten never raises one. A folder without an
entry has the targets: RATE_TARGET pronouns in 100 words of comment, no line above COLUMNS, no static function of one word.
PRONOUNS lists the words that count. A file of fewer than WORDS_MIN words of comment counts as one of WORDS_MIN.

clang-format is not used: members, defines and tables are aligned at tabs, and a tenth of all lines would change.
"""
import collections
import glob
import json
import pathlib
import re
import subprocess
import sys

COLUMNS = 100			# tabs count 8; strings don't count, since grep finds them best in one piece
FUNCTION_LINES = 60
RATE_TARGET = 6.0
WORDS_MIN = 50
BOUNDS = pathlib.Path(__file__).with_name("lint_bounds.json")
GLOSSARY = "docs/GLOSSARY.md"

PRONOUNS = set("""
    it its itself that this these those they them their themselves he him his she her which
    who whom whose whoever what whatever one ones other others another each none
    somebody someone nobody anybody anyone everybody everyone something nothing anything everything
""".split())
PRODUCT = ("abi", "bpf", "src")

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
FOLDERS = ["abi", "base", "balance", "l7", "tcp", "config", "names", "check", "control", "datapath", "splice", "store", "cluster", "node", "setup", "proxy", "agent"]
BESIDE = {("proxy", "agent"), ("agent", "proxy")}
INCLUDE = re.compile(r'#include "(?:(\w+)/)?[^"]*"')

DOC = re.compile(r"/\*\*\n(.*?)\*/\n(.*?)(?=\n\n|\Z)", re.S)
TAG = re.compile(r"^ \*\s+@(\w+(?:, @\w+)*):", re.M)
MEMBER = re.compile(r"(\w+)(?:\[[^]]*\])*\s*(?=[,;])")
CALL = re.compile(r"\b([a-z]\w+)\(\)")
PATH = re.compile(r"(?<![\w/.-])(?!bench/out/)((?:abi|bpf|src|tests|bench|demo|docs|contrib)/[\w.*/-]*\w)")	# out: of runs
FUNCTION_POINTER = re.compile(r"\(\*(\w+)\)\([^;]*\)(?=;)")


TEXT = re.compile(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])*\'')


TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)
WORD = re.compile(r"[A-Za-z][\w'-]*")
STATIC = re.compile(r"static [^=;(]*?\*?\b(\w+)\((?!\()")
UNITS = {"rate": "pronouns in 100 words of comment in a file", "columns": f"lines above {COLUMNS} columns",
         "one_word": "static functions of one word"}


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
    """No folder includes one below it; splicectl and spliced-web have the control protocol, and nothing else of the daemon's."""
    folder = path.split("/")[1]
    for at, line in enumerate(lines, 1):
        include = INCLUDE.match(line)
        other = include and include[1]
        if folder in ("ctl", "web") and (other in FOLDERS and other not in ("abi", "base", "control")
                                         or other == "control" and not re.search('"control/(control|client).h"', line)):
            yield at, f"a program that asks the daemon includes {line.split()[1]}"
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


# ---- measures of a file, and their bounds ----

def is_too_long(line):
    wide = line.expandtabs(8)
    return len(wide) > COLUMNS and len(TEXT.sub("", wide)) > COLUMNS


def comment_texts(text):
    return [found for found in TOKEN.findall(text) if found.startswith("/") and "SPDX-" not in found]


def count_pronouns(text):
    """Pronouns and words in the comments of @text."""
    words = [word.lower() for comment in comment_texts(text) for word in WORD.findall(comment)]
    return sum(word in PRONOUNS for word in words), len(words)


def rate(pronouns, words):
    return 100 * pronouns / max(words, WORDS_MIN)


def one_word_statics(lines):
    """Line and name of each static function whose name is one bare word."""
    for at, line in enumerate(lines, 1):
        found = STATIC.match(line)
        if found and "_" not in found[1]:
            yield at, found[1]


def measure(path, text):
    lines = text.split("\n")
    statics = list(one_word_statics(lines)) if path.startswith(("src/", "bpf/")) else []
    return {"rate": rate(*count_pronouns(text)), "columns": sum(map(is_too_long, lines)), "one_word": len(statics)}


def folder_of(path):
    return path.rpartition("/")[0]


def measure_folders(texts):
    """For each folder: the highest rate of a file, the number of long lines, the number of one-word statics."""
    folders = collections.defaultdict(lambda: {"rate": 0.0, "columns": 0, "one_word": 0})
    for path, text in texts.items():
        got, sums = measure(path, text), folders[folder_of(path)]
        sums["rate"] = max(sums["rate"], got["rate"])
        sums["columns"] += got["columns"]
        sums["one_word"] += got["one_word"]
    return folders


def tree_rates(texts):
    """The rate of the product and of its tests, each over all words of comment."""
    parts = {"product": [0, 0], "tests": [0, 0]}
    for path, text in texts.items():
        part = parts["product" if path.split("/")[0] in PRODUCT else "tests"]
        pronouns, words = count_pronouns(text)
        part[0] += pronouns
        part[1] += words
    return {name: rate(*part) for name, part in parts.items()}


def target(name):
    return RATE_TARGET if name == "rate" else 0


def over_bounds(texts, bounds):
    """A line for each bound that the tree exceeds."""
    for folder, got in sorted(measure_folders(texts).items()):
        own = bounds["folders"].get(folder, {})
        for name, unit in UNITS.items():
            allowed = max(own.get(name, 0), target(name))
            if round(got[name], 1) > allowed:
                yield f"{folder}: {got[name]:.4g} {unit}, {allowed} allowed (--rates lists files)"
    for part, got in tree_rates(texts).items():
        if round(got, 1) > bounds["tree"][part]:
            yield f"{part}: {got:.1f} pronouns in 100 words of comment, {bounds['tree'][part]} allowed"


def tightened(bounds, texts):
    """@bounds, lowered to what @texts need; none is raised, and those at their target are left out."""
    folders = {}
    for folder, got in sorted(measure_folders(texts).items()):
        own = bounds["folders"].get(folder, {})
        kept = {name: min(own[name], round(got[name], 1)) for name in UNITS if name in own and got[name] > target(name)}
        if kept:
            folders[folder] = kept
    rates = tree_rates(texts)
    return {"tree": {part: min(bound, round(rates[part], 1)) for part, bound in bounds["tree"].items()}, "folders": folders}


# ---- glossary ----

def unexplained(paths, glossary):
    """Words that name a source file and have no row in the glossary: neither the whole stem nor each part has one."""
    rows = {term for line in glossary.splitlines() if line.startswith("| ")
            for term in re.findall(r"`([\w-]+)`", line.split("|")[1])}
    stems = {path.rpartition("/")[2].partition(".")[0] for path in paths if path.startswith(tuple(f"{top}/" for top in PRODUCT))}
    return sorted({word for stem in stems - rows for word in stem.split("_")} - rows)


def tree_files(*patterns):
    listed = subprocess.run(["git", "ls-files", "--", *patterns], capture_output=True, text=True, check=True)
    return listed.stdout.split()


def named_files():
    return [path for path in tree_files(*PRODUCT) if not path.endswith("meson.build")]


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def lint_file(path, text, sources):
    lines = text.split("\n")
    if path.endswith(".md"):
        yield from document(text, sources)
    else:
        yield from (*layout(lines[:-1]), *functions(lines), *comments(path, text))
        if path.startswith("src/"):
            yield from order(path, lines)
    if path == GLOSSARY:
        yield from ((1, f"no row for `{word}`, which names a source file") for word in unexplained(named_files(), text))
    if lines[-1] or len(lines) > 1 and not lines[-2]:
        yield len(lines), "ends with no newline, or with an empty line"


def lint_files(texts, tree):
    sources = "".join(tree.values())
    for path, text in texts.items():
        for at, what in sorted(lint_file(path, text, sources)):
            yield f"{path}:{at}: {what}"


def lint_tree(sources):
    bounds = json.loads(BOUNDS.read_text())
    rates = tree_rates(sources)
    print(f"pronouns in 100 words of comment: product {rates['product']:.1f}, tests {rates['tests']:.1f}")
    yield from over_bounds(sources, bounds)


def print_rates(sources):
    measured = sorted(((measure(path, text), path) for path, text in sources.items()), key=lambda pair: -pair[0]["rate"])
    for got, path in measured:
        print(f"{got['rate']:5.1f} {got['columns']:3} long {got['one_word']:3} one-word  {path}")


def main(arguments):
    sources = {path: read(path) for path in tree_files("*.c", "*.h")}
    if arguments == ["--rates"]:
        print_rates(sources)
        return 0
    if arguments == ["--tighten"]:
        BOUNDS.write_text(json.dumps(tightened(json.loads(BOUNDS.read_text()), sources), indent=1) + "\n")
        return 0
    texts = {path: read(path) for path in arguments} or sources
    found = [*lint_files(texts, sources), *([] if arguments else lint_tree(sources))]
    for line in found:
        print(line, file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
