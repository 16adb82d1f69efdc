# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which files are in a circle of calls."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import circles     # noqa: E402

LINES = """\
lib.a[x/lib.a.p/a.c.o]: one T 0 4
lib.a[x/lib.a.p/a.c.o]: two U
lib.a[x/lib.a.p/a.c.o]: table U
lib.a[x/lib.a.p/b.c.o]: two T 0 4
lib.a[x/lib.a.p/b.c.o]: three U
lib.a[x/lib.a.p/c.c.o]: three T 0 4
lib.a[x/lib.a.p/c.c.o]: one U
lib.a[x/lib.a.p/d.c.o]: table R 0 4
lib.a[x/lib.a.p/d.c.o]: printf U""".splitlines()


def test_objects_and_calls():
    files = circles.objects(LINES)
    assert files["a"] == ({"one"}, {"two", "table"})
    assert circles.calls(files) == {"a": {"b", "d"}, "b": {"c"}, "c": {"a"}, "d": set()}


def test_a_long_way_round_is_a_circle():
    assert circles.circles(circles.calls(circles.objects(LINES))) == {frozenset("abc")}


def test_a_line_is_none():
    assert circles.circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == set()


def test_two_circles_are_two():
    graph = {"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"c"}}
    assert circles.circles(graph) == {frozenset("ab"), frozenset("cd")}


def test_what_is_known_may_only_become_less():
    found = circles.circles({"a": {"b"}, "b": {"a"}})
    assert circles.complaint("lib", found, 2) is None
    assert circles.complaint("lib", found, 0) == "lib: in a circle: a, b"
    assert circles.complaint("lib", found, 3) == "lib: 2 files are in circles, 3 were: say so in KNOWN"
    assert circles.complaint("lib", set(), 0) is None
