# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How the gate counts: nothing that went wrong may come out as passed."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import gate     # noqa: E402
from gate import Result     # noqa: E402


def tallied(result, status, capsys):
    tally = gate.Tally()
    tally.count("part", result, status)
    code = tally.close()
    return code, capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize("result, status, code, line", [
    (Result(3), 0, 0, "3 passed, 0 failed"),
    (Result(3, ["a", "b"]), 1, 1, "3 passed, 2 failed"),
    (Result(3, ["a"]), 0, 1, "3 passed, 1 failed"),
    (Result(3), 1, 1, "3 passed, 1 failed"),        # ended badly without naming a test
    (Result(0), 0, 1, "0 passed, 1 failed"),        # ran nothing
])
def test_a_part_is_counted(capsys, result, status, code, line):
    assert tallied(result, status, capsys) == (code, line)


def test_nothing_at_all_is_a_failure():
    assert gate.Tally().close() == 1


def test_meson(tmp_path):
    log = tmp_path / "testlog.json"
    log.write_text("\n".join('{"name": "spliced:unit / %s", "result": "%s"}' % pair for pair in [
        ("a", "OK"), ("b", "FAIL"), ("c", "SKIP"), ("d", "TIMEOUT"), ("e", "EXPECTEDFAIL"), ("f", "INTERRUPT")]))
    assert gate.meson_result(log) == Result(2, ["b", "d", "f"])


def test_pytest(tmp_path):
    path = tmp_path / "x.xml"
    path.write_text('<testsuites><testsuite>'
                    '<testcase classname="tests.net.test_a" name="test_x[v4]"/>'
                    '<testcase classname="tests.net.test_a" name="test_y"><failure/></testcase>'
                    '<testcase classname="tests.net.test_a" name="test_z"><error/></testcase>'
                    '<testcase classname="tests.net.test_a" name="test_s"><skipped/></testcase>'
                    '</testsuite></testsuites>')
    assert gate.pytest_result(path) == Result(1, ["tests/net/test_a.py::test_y", "tests/net/test_a.py::test_z"])


def test_slowest(tmp_path):
    for name, times in (("net-test_a", (0.5, 7)), ("net-test_b", (3,))):
        cases = "".join(f'<testcase name="test_{t}" time="{t}"/>' for t in times)
        (tmp_path / f"{name}.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    assert gate.slowest(sorted(tmp_path.glob("*.xml")), 2) == [(7, "net-test_a: test_7"), (3, "net-test_b: test_3")]


def test_fuzz():
    assert gate.fuzz_result("fuzz a: ok, 7 runs in 5 s\nINFO: noise\nfuzz b: FAILED, see above\nfuzz c: no seeds in x\n"
                            "fuzz d: left out, it needs root") == Result(1, ["b", "c"])


@pytest.mark.parametrize("text, result", [
    ("9 runs, 0 failed, 800 a second\n", Result(1)),
    ("seed 7: law 1: x\nseed 8: y\n9 runs, 2 failed, 800 a second\n", Result(0, ["seed 7", "seed 8"])),
    ("", Result()),     # it was killed
])
def test_sim(text, result):
    assert gate.sim_result(text) == result


def test_torture(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("fault,phase,verdict,right\nkill,idle,ok,1,\nkill,idle,broken,1,\nkill,idle,ok,0,\n")
    result = gate.torture_result(path)
    assert result.passed == 1 and len(result.failed) == 2


@pytest.mark.parametrize("text", ["", "<testsuites>", "{"])
def test_what_broke_off_counts_for_nothing(tmp_path, text):
    path = tmp_path / "x"
    path.write_text(text)
    for reader in (gate.pytest_result, gate.meson_result):
        assert gate.read(reader, path) == Result()
    assert gate.read(gate.meson_result, tmp_path / "missing") == Result()


def test_each_unit_is_run_once(monkeypatch):
    ran, reported = [], []

    def pretend(unit, *options):
        ran.append(unit.name)
        return Result(1), 0
    monkeypatch.setattr(gate, "pytest", pretend)
    units = [gate.Unit("net", f"tests/net/test_{i}.py", []) for i in range(20)]
    gate.work_off(units, lambda unit, result, status, took_s: reported.append(unit.name))
    assert sorted(ran) == sorted(reported) == sorted(unit.name for unit in units)


def test_what_runs_for_minutes_begins_first():
    files = ["tests/net/test_unload.py", "tests/net/test_heads.py", "tests/net/test_spray.py"]
    units = [gate.Unit("net", path, []) for path in files]
    lines = [f"minutes 2 {files[0]}", f"minutes 1 {files[2]}", f"{files[1]}::test_x[v4]", "", "3/9 tests collected"]
    assert gate.files_of(lines) == {files[1]}
    assert [unit.path for unit in gate.in_order(units, gate.minutes_of(lines))] == [files[0], files[2], files[1]]
    assert gate.in_order(units, {})[-1].path == files[0]


A = "tests/net/test_a.py::test_x"


def pretend_net(monkeypatch, capsys, first, alone=None):
    """A single file of tests: its results beside others, and alone. Return: the count, the text, the answers not asked for."""
    answers = [first, alone]
    monkeypatch.setattr(gate, "net_units", lambda mode: [gate.Unit("net", "tests/net/test_a.py", [])])
    monkeypatch.setattr(gate, "pytest", lambda unit, *options: answers.pop(0))
    monkeypatch.setattr(gate, "LOGS", pathlib.Path("/dev"))
    monkeypatch.setattr(pathlib.Path, "read_text", lambda *_, **__: "log")
    tally = gate.Tally()
    gate.net(tally)
    tally.close()
    return (tally.passed, tally.failed), capsys.readouterr().out, answers


@pytest.mark.parametrize("alone, word", [
    (Result(1), "passes"),          # so the load has a part in it: a failure nonetheless
    (Result(0, [A]), "fails"),
    (Result(), "did not run"),
])
def test_a_second_run_changes_no_count(monkeypatch, capsys, alone, word):
    count, text, left = pretend_net(monkeypatch, capsys, (Result(5, [A]), 1), (alone, 0))
    assert count == (5, 1) and not left
    assert f"== net-test_a: {A} {word} alone" in text and f"FAILED net: {A}" in text


def test_a_file_that_breaks_off(monkeypatch, capsys):
    count, text, _ = pretend_net(monkeypatch, capsys, (Result(5), 3))
    assert count == (5, 1) and "FAILED net: net-test_a ended with status 3" in text


def test_too_many_are_not_run_again(monkeypatch, capsys):
    many = [f"{A}[{i}]" for i in range(gate.AGAIN_MAX + 1)]
    count, _, left = pretend_net(monkeypatch, capsys, (Result(5, many), 1), (Result(17), 0))
    assert count == (5, 17) and len(left) == 1


@pytest.mark.parametrize("alone", [Result(1), Result(0, ["a"])])
def test_a_unit_test_that_fails_has_failed(monkeypatch, capsys, alone):
    answers = [(Result(3, ["a"]), 1), (alone, 0)]
    monkeypatch.setattr(gate, "meson", lambda command, folder: answers.pop(0))
    tally = gate.Tally()
    gate.meson_part(tally, "unit", ["true"], pathlib.Path("/dev"))
    assert (tally.passed, tally.failed, answers) == (3, 1, [])


def test_what_runs_behind_is_counted(monkeypatch, tmp_path):
    monkeypatch.setattr(gate, "LOGS", tmp_path)
    tally = gate.Tally()
    gate.Behind("a", ["echo", "fuzz a: ok, 7 runs in 5 s"], gate.fuzz_result).count(tally)
    gate.Behind("b", ["false"], gate.fuzz_result).count(tally)
    assert (tally.passed, tally.failed) == (1, 1)
