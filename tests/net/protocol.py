# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The answers of the control socket as src/control/control.h describes them, and whether an answer is such a one."""
import itertools
import pathlib
import re

HISTOGRAM = '{"sum_us":N, "buckets":[{"end_us":N|null, "count":N}...]}'
HEADER = pathlib.Path(__file__).resolve().parents[2] / "src/control/control.h"
TOKEN = re.compile(r'"[^"]*"|\.\.\.|[A-Z]+|true|null|[][{}:,|]')
KINDS = {"TEXT": str, "N": int, "BOOL": bool, "OBJECT": dict, "null": type(None), "true": bool}


class Parser:
    """Of one form, such as {"ready":BOOL, "reason":TEXT|null, "of":[TEXT...], "counters":{NAME:N...}}."""

    def __init__(self, text):
        self.tokens = TOKEN.findall(text)
        self.at = 0

    def take(self, *wanted):
        token = self.tokens[self.at]
        assert not wanted or token in wanted, f"{token} where {wanted} should be"
        self.at += 1
        return token

    def one(self):
        token = self.take()
        if token == "[":
            inner = self.alternatives()
            self.take("...")
            self.take("]")
            return ("list", inner)
        if token != "{":
            return ("is", token[1:-1]) if token[0] == '"' else ("kind", KINDS.get(token, str))
        return self.object()

    def object(self):
        members = {}
        while not members or self.take(",", "}", "...") == ",":
            name = self.take()
            self.take(":")
            members[name] = self.alternatives()
        if self.tokens[self.at - 1] == "...":
            self.take("}")
            return ("map", members.popitem()[1])
        return ("object", {name[1:-1]: form for name, form in members.items()})

    def alternatives(self):
        forms = [self.one()]
        while self.tokens[self.at] == "|":
            self.take("|")
            forms.append(self.one())
        return forms


def forms():
    """Of each command the forms of its lines."""
    text = HEADER.read_text()
    text = re.sub(r"^ \* ?", "", text[text.index(' * Answer to "status"'):text.index(" * A client has")], flags=re.M).replace("HISTOGRAM", HISTOGRAM)
    found = {}
    for command, lines in re.findall(r'^Answer to "([\w-]+)":(.*?)(?=^Answer to|\Z)', text, flags=re.M | re.S):
        blocks = re.findall(r"(?:^\t.*\n)+", lines, flags=re.M)
        found[command] = [Parser(block).one() for block in blocks]
    return found


def paths(form, path=""):
    """All places of a form."""
    kind, inner = form
    yield path
    if kind == "object":
        for name, alternatives in inner.items():
            yield from itertools.chain.from_iterable(paths(one, f"{path}.{name}") for one in alternatives)
    elif kind in ("list", "map"):
        yield from itertools.chain.from_iterable(paths(one, path + "[]") for one in inner)


def check(value, form, seen, path=""):
    """Raise AssertionError unless @value has this form; else add its places to @seen."""
    kind, inner = form
    if kind == "object":
        assert isinstance(value, dict) and set(value) == set(inner), f"{path}: has {value!r:.200}, described are {sorted(inner)}"
        for name, alternatives in inner.items():
            check_any(value[name], alternatives, seen, f"{path}.{name}")
    elif kind in ("list", "map"):
        assert isinstance(value, list if kind == "list" else dict), f"{path}: {value!r} is no {kind}"
        for item in value if kind == "list" else value.values():
            check_any(item, inner, seen, path + "[]")
    else:
        assert value == inner if kind == "is" else type(value) is inner, f"{path}: {value!r} is not {inner}"
    seen.add(path)


def check_any(value, alternatives, seen, path):
    if len(alternatives) == 1:
        check(value, alternatives[0], seen, path)
        return
    for one in alternatives:
        try:
            check(value, one, seen, path)
            return
        except AssertionError:
            continue
    raise AssertionError(f"{path}: {value!r} is none of {alternatives}")
