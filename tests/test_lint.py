# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The lint's measures of plain English, and its ratchet: the tree may get better, never worse."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import lint     # noqa: E402

FILLER = "\n".join(["word"] * 100)


def test_pronouns_of_comments_alone_count():
    text = '''/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* It keeps what others send. */
int that = 1;	// one more
char *s = "it /* it */ \\" it";
'''
    assert lint.count_pronouns(text) == (4, 7)


def test_a_short_comment_is_not_judged_alone():
    assert lint.rate(1, 2) == 2
    assert lint.rate(6, 60) == 10


@pytest.mark.parametrize("line, names", [
    ("static int send(struct a *a)", ["send"]),
    ("static __always_inline const struct sp_x *find(void)", ["find"]),
    ("static const char *sp_name(void)", []),
    ("static int send_syn(struct a *a)", []),
    ("static const struct a *(*table)[4];", []),
    ("static int table[] = { call(1) };", []),
    ("int send(struct a *a)", []),
])
def test_one_word_statics(line, names):
    assert [name for _, name in lint.one_word_statics([line])] == names


@pytest.mark.parametrize("line, is_long", [
    ("\t" * 12 + "a + b;", True),
    ("a" * 100, False),
    ("a" * 101, True),
    ('"' + "a" * 120 + '"', False),
])
def test_long_lines(line, is_long):
    assert lint.is_too_long(line) == is_long


def bounds(**folder):
    return {"tree": {"product": 99, "tests": 99}, "folders": {"src/a": folder} if folder else {}}


def test_a_folder_without_bounds_has_the_targets():
    texts = {"src/a/b.c": f"/* it that what {FILLER} */\nstatic int f(void)\n" + "a" * 101}
    assert len([*lint.over_bounds(texts, bounds())]) == 2       # long line, one-word static; 3 of 103 is below the target
    assert not [*lint.over_bounds(texts, bounds(columns=1, one_word=1))]


def test_bounds_are_exceeded_by_one_file():
    texts = {"src/a/b.c": f"/* {'it ' * 12}{FILLER} */", "src/a/c.c": f"/* {FILLER} */"}
    assert len([*lint.over_bounds(texts, bounds(rate=10.6))]) == 1
    assert not [*lint.over_bounds(texts, bounds(rate=10.7))]


def test_the_tree_has_a_bound():
    texts = {"src/a/b.c": f"/* it it {FILLER} */", "tests/a.c": f"/* it {FILLER} */"}
    low = bounds()
    low["tree"] = {"product": 1.9, "tests": 1.0}
    assert [line.partition(":")[0] for line in lint.over_bounds(texts, low)] == ["product"]


def test_tightening_never_raises():
    texts = {"src/a/b.c": "a" * 101 + "\n" + "a" * 101}
    assert lint.tightened(bounds(columns=5, rate=9.0), texts)["folders"] == {"src/a": {"columns": 2}}
    assert lint.tightened(bounds(columns=1), texts)["folders"] == {"src/a": {"columns": 1}}
    assert lint.tightened(bounds(), texts)["folders"] == {}
    assert lint.tightened(bounds(), texts)["tree"] == {"product": 0, "tests": 0}


def test_words_of_file_names_need_a_row():
    glossary = "| `port`, `queue` | a row |\n| `http1_scan` | a row |\ntext with `stray`\n"
    paths = ["src/a/port_queue.c", "bpf/http1_scan.bpf.h", "abi/stray.h", "tests/other.c"]
    assert lint.unexplained(paths, glossary) == ["stray"]
