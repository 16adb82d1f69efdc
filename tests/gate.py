#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""All tests, and how they are counted. Run as root by ./run test; the last line says "N passed, N failed".

Tests of tests/net mostly wait. So WORKERS of them run beside each other, a file at a time: first those with a test marked
`minutes`, then the largest ones. Tests marked each_mode run in the modes split and adopt, too. A failed test has failed. It is
run once more with nothing else at work, only to print whether it fails alone, too.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import queue
import re
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
CHECKED = BUILD / "checked"     # built with sanitizers
LOGS = BUILD / "gate"
WORKERS = 4
SLOWEST = 15                # tests of tests/net that are printed with the time that they took
AGAIN_MAX = 16              # failed tests that are run alone as well; more have one reason
UNIT_LIMIT_S = 900          # for a file of tests
SIM_SEEDS = 200000
FUZZ_SECONDS = 5            # for each target
TORTURE_TRIALS = 108        # each fault meets each phase
AGENT_TRIALS = 36           # the same, of the faults that agents have
REQUEST_TRIALS = 32         # the same, of a store server, in the phases of exchanges


@dataclasses.dataclass
class Result:
    """Of a part: how many passed, and what failed, by name."""
    passed: int = 0
    failed: list = dataclasses.field(default_factory=list)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed


class Tally:
    """Counts parts. One that ended badly without naming a test, or ran none, has failed as a whole."""

    def __init__(self):
        self.began_s = time.monotonic()
        self.passed = self.failed = 0
        self.names = []         # of what failed

    def count(self, name, result, status=0):
        failed = len(result.failed) or int(status != 0 or not result.passed)
        self.passed += result.passed
        self.failed += failed
        self.names += [f"{name}: {test}" for test in result.failed or [f"ended with status {status}"] * failed]
        print(f"== {name}: {result.passed} passed, {failed} failed, {time.monotonic() - self.began_s:.0f} s after the build", flush=True)

    def close(self):
        for name in self.names:
            print(f"FAILED {name}")
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def meson_result(path):
    """Of a testlog.json of Meson, a line each test."""
    result = Result()
    for line in path.read_text().splitlines():
        test = json.loads(line)
        if test["result"] in ("OK", "EXPECTEDFAIL"):
            result.passed += 1
        elif test["result"] != "SKIP":
            result.failed.append(test["name"].split(" / ")[-1])
    return result


def pytest_result(path):
    """Of a JUnit file of pytest. Failed tests are named as pytest takes them."""
    result = Result()
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            result.failed.append(f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}")
        elif "skipped" not in kinds:
            result.passed += 1
    return result


def slowest(paths, count):
    """(seconds, name) of the tests in these JUnit files that took longest, with what was set up for them."""
    took = []
    for path in paths:
        cases = xml.etree.ElementTree.parse(path).iter("testcase")
        took += [(float(case.get("time", 0)), f"{path.stem}: {case.get('name')}") for case in cases]
    return sorted(took, reverse=True)[:count]


def fuzz_result(text):
    """Of what tests/fuzz/run.sh prints."""
    result = Result()
    for line in text.splitlines():
        if line.startswith("fuzz "):
            name, _, verdict = line[len("fuzz "):].partition(": ")
            if verdict.startswith("ok"):
                result.passed += 1
            elif verdict.startswith(("FAILED", "no seeds")):
                result.failed.append(name)
    return result


def sim_result(text):
    """Of what tests/sim prints: a line for each seed that failed, and how many ran. All of them are one test."""
    failed = re.findall(r"^(seed \d+): ", text, re.M)
    ran = re.search(r"^(\d+) runs, 0 failed", text, re.M)
    return Result(int(bool(ran and not failed)), failed)


def torture_result(path):
    """Of torture's table, a line each trial."""
    result = Result()
    for line in path.read_text().splitlines()[1:]:
        if ",ok,1," in line:
            result.passed += 1
        else:
            result.failed.append(line)
    return result


def run(command, log=None, limit_s=3600):
    """Return its status; 124 when it took too long."""
    out = open(log, "w") if log else None
    try:
        return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out and subprocess.STDOUT,
                              timeout=limit_s).returncode
    except subprocess.TimeoutExpired:
        return 124
    finally:
        if out:
            out.close()


def read(reader, path, nothing=None):
    """What a part left behind; @nothing, if it did not get so far."""
    try:
        return reader(path)
    except (OSError, ValueError, KeyError, xml.etree.ElementTree.ParseError):
        return Result() if nothing is None else nothing


def say_alone(name, failed, again):
    """@again: the result of the tests in @failed, run with nothing else at work. For whoever looks for the reason."""
    for test in failed:
        ran = test in again.failed or again.passed + len(again.failed) >= len(failed)
        print(f"== {name}: {test} {'fails' if test in again.failed else 'passes' if ran else 'did not run'} alone", flush=True)


# ---- unit tests, tests of the datapath and of the store ----

def meson(command, folder):
    log = folder / "meson-logs/testlog.json"
    log.unlink(missing_ok=True)
    status = run(command)
    return read(meson_result, log), status


def meson_part(tally, name, command, folder):
    """@command: leads to a `meson test` in @folder."""
    result, status = meson(command, folder)
    if 0 < len(result.failed) <= AGAIN_MAX:
        again, _ = meson([*command, "--no-rebuild", "--num-processes", "1", *result.failed], folder)
        say_alone(name, result.failed, again)
    tally.count(name, result, status)


def unit(tally):
    result = LOGS / "counting.xml"
    tests = ["tests/test_gate.py", "tests/test_circles.py", "tests/test_lint.py", "tests/test_bench.py"]
    status = run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests,
                  "--junit-xml", result])
    tally.count("counting", read(pytest_result, result), status)
    meson_part(tally, "unit", ["./run", "unit"], CHECKED)
    here = ["meson", "test", "-C", BUILD, "--print-errorlogs", "--no-suite", "checked"]
    meson_part(tally, "bpf and sim", here, BUILD)


# ---- tests/net ----

@dataclasses.dataclass
class Unit:
    """What one pytest runs: a file of tests in a mode. @part: under whose name it is counted."""
    part: str
    path: str
    options: list

    @property
    def name(self):
        return f"{self.part}-{pathlib.Path(self.path).stem}"


def pytest(unit, *options):
    """Return: what passed and failed, and pytest's status. 5, no test at all, is well for a file."""
    xml_path, log = LOGS / f"{unit.name}.xml", LOGS / f"{unit.name}.log"
    xml_path.unlink(missing_ok=True)
    status = run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", unit.path, *unit.options, *options,
                  "--build", BUILD, "--junit-xml", xml_path], log, UNIT_LIMIT_S)
    return read(pytest_result, xml_path), 0 if status == 5 else status


def collect(marker):
    """Lines about the tests of tests/net that have this marker."""
    return subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q", "-m", marker,
                           "tests/net"], cwd=ROOT, capture_output=True, text=True).stdout.splitlines()


def files_of(lines):
    return {line.partition("::")[0] for line in lines if "::" in line}


def minutes_of(lines):
    """{file: minutes that it takes}, see tests/net/conftest.py"""
    return {path: int(minutes) for word, minutes, path in (line.split() for line in lines if line.startswith("minutes "))}


def in_order(units, minutes):
    """The longest begin first: by what they say themselves, then by size."""
    return sorted(units, key=lambda unit: (minutes.get(unit.path, 0), os.path.getsize(ROOT / unit.path)), reverse=True)


def net_units(mode):
    """@mode: of all of tests/net; None: whole, and what agents have a part in also in split and adopt"""
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/net").glob("test_*.py"))
    units = [Unit(mode or "net", path, ["--mode", mode or "whole"]) for path in files]
    if not mode:
        units += [Unit(each, path, ["--mode", each, "-m", "each_mode"])
                  for path in sorted(files_of(collect("each_mode"))) for each in ("split", "adopt")]
    return in_order(units, minutes_of(collect("minutes")))


def work_off(units, done):
    """Runs all @units, WORKERS at a time; @done is called with each one and what became of it, one after the other."""
    waiting, lock = queue.SimpleQueue(), threading.Lock()
    for unit in units:
        waiting.put(unit)

    def worker():
        while True:
            try:
                unit = waiting.get_nowait()
            except queue.Empty:
                return
            begin = time.monotonic()
            result, status = pytest(unit, "--patient")
            with lock:
                done(unit, result, status, time.monotonic() - begin)
    threads = [threading.Thread(target=worker) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def try_alone(unit, failed):
    """With the bounds of time as they are written."""
    functions = sorted({name.split("::")[-1].split("[")[0] for name in failed})
    again, _ = pytest(dataclasses.replace(unit, part=f"{unit.part}-alone"), "-k", " or ".join(functions))
    say_alone(unit.name, failed, again)


def net(tally, mode=None):
    parts, bad = {}, []
    for old in LOGS.glob("*.xml"):
        old.unlink()

    def done(unit, result, status, took_s):
        print(f"{unit.name}: {result.passed} passed, {len(result.failed)} failed, {took_s:.0f} s", flush=True)
        if result.failed or status:
            print((LOGS / f"{unit.name}.log").read_text(errors="replace"), flush=True)
        if result.failed:
            bad.append((unit, result.failed))
        elif status:
            result = Result(result.passed, [f"{unit.name} ended with status {status}"])
        parts.setdefault(unit.part, Result()).add(result)
    work_off(net_units(mode), done)
    if sum(len(failed) for _, failed in bad) <= AGAIN_MAX:
        for unit, failed in bad:
            try_alone(unit, failed)
    for took_s, name in read(lambda paths: slowest(paths, SLOWEST), sorted(LOGS.glob("*-test_*.xml")), []):
        print(f"{took_s:.0f} s: {name}")
    for part, result in parts.items():
        tally.count(part, result)


# ---- the rest ----

class Behind:
    """Behind all else, as it never waits: it gets what the tests of processors leave. @reader: of what it prints."""

    def __init__(self, name, command, reader):
        self.name, self.reader, self.log = name, reader, LOGS / f"{name}.log"
        with open(self.log, "w") as out:
            self.process = subprocess.Popen(["nice", "-n", "10", *command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT)

    def count(self, tally):
        status = self.process.wait()
        text = self.log.read_text(errors="replace")
        print(text)
        tally.count(self.name, self.reader(text), status)


def torture(tally, name, trials, *options):
    """The same trials every time. How long they stall is for a machine at rest."""
    csv = BUILD / f"{name}.csv"
    csv.unlink(missing_ok=True)
    status = run([sys.executable, "tests/torture/torture.py", "--build", BUILD, "--csv", csv, "--seed", "1", "--trials",
                  str(trials), "--clients", "1", "--patient", *options])
    tally.count(name, read(torture_result, csv), status)


def everything(tally):
    unit(tally)
    fuzz = Behind("fuzz", ["tests/fuzz/run.sh", str(FUZZ_SECONDS)], fuzz_result)
    sim = Behind("sim", [BUILD / "tests/sim/sim", "--seeds", str(SIM_SEEDS)], sim_result)
    net(tally)
    fuzz.count(tally)
    sim.count(tally)
    torture(tally, "torture", TORTURE_TRIALS)
    torture(tally, "torture-requests", REQUEST_TRIALS, "--kind", "requests", "--only", "store,")
    for mode in ("split", "adopt"):
        torture(tally, f"torture-{mode}", AGENT_TRIALS, "--mode", mode, "--only", "agents,")


def one_mode(tally, mode):
    net(tally, mode)
    torture(tally, f"torture-{mode}", TORTURE_TRIALS + AGENT_TRIALS, "--mode", mode)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mode", choices=("whole", "split", "adopt", "auto"), help="all of tests/net and torture in one mode, nothing else")
    mode = parser.parse_args().mode
    LOGS.mkdir(parents=True, exist_ok=True)
    tally = Tally()
    if mode:
        one_mode(tally, mode)
    else:
        everything(tally)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
