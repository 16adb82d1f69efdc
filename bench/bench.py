#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Measures spliced beside plain routing, nft NAT, HAProxy and nginx; see METHOD.md."""
import argparse
import contextlib
import csv
import datetime
import os
import pathlib
import platform
import signal
import subprocess
import sys
import time

import contenders
import lab
import measures
import table

HERE = pathlib.Path(__file__).resolve().parent
COLUMNS = ("commit", "date", "kernel", "measure", "contender", "round", "value")
QUICK_ROUNDS, QUICK_SECONDS = 3, 2
FULL_ROUNDS, FULL_SECONDS = 7, 4
IDLE_PROBE_S = 1


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__)
    add_arguments(p)
    p.add_argument("--contenders", metavar="A,B", help="of " + ",".join(contenders.START))
    p.add_argument("--measures", metavar="A,B", help="of " + ",".join(measures.MEASURES))
    options = p.parse_args()
    options.contenders = chosen(p, options.contenders, contenders.START)
    options.measures = chosen(p, options.measures, measures.MEASURES)
    return with_lengths(options)


def add_arguments(p):
    p.add_argument("--build", type=pathlib.Path, metavar="DIR", help="where spliced was built")
    p.add_argument("--quick", action="store_true",
                   help=f"{QUICK_ROUNDS} rounds of {QUICK_SECONDS} s instead of {FULL_ROUNDS} of {FULL_SECONDS} s")
    p.add_argument("--rounds", type=int, metavar="N")
    p.add_argument("--seconds", type=int, metavar="S", help="length of one sample")
    p.add_argument("--congestion", default="cubic", metavar="NAME", help="TCP congestion control (cubic)")
    p.add_argument("--out", type=pathlib.Path, default=HERE / "out", metavar="DIR", help="where the CSV goes")
    p.add_argument("--strict", action="store_true", help="exit 1 when a bar falls short")
    p.add_argument("--table", type=pathlib.Path, metavar="CSV", help="only print the table of an earlier run")


def with_lengths(options):
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else FULL_ROUNDS)
    options.seconds = options.seconds or (QUICK_SECONDS if options.quick else FULL_SECONDS)
    return options


def chosen(parser, text, table_of):
    names = text.split(",") if text else list(table_of)
    for name in names:
        if name not in table_of:
            parser.error(f"no {name}; there are {', '.join(table_of)}")
    return names


class Recorder:
    """Every sample goes to the file at once, so that a run cut short leaves what it had."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.datetime.now(datetime.timezone.utc)
        self.fixed = (commit_id(), now.strftime("%Y-%m-%dT%H:%M:%SZ"), platform.release())
        self.path = folder / f"{now.strftime('%Y%m%d-%H%M%S')}-{self.fixed[0]}-{os.getpid()}.csv"
        self.rows = []
        self.failures = 0
        with open(self.path, "w", newline="", encoding="ascii") as f:
            csv.writer(f).writerow(COLUMNS)

    def add(self, values, contender, turn):
        with open(self.path, "a", newline="", encoding="ascii") as f:
            for measure, value in values.items():
                self.rows.append((measure, contender, turn, value))
                csv.writer(f).writerow((*self.fixed, measure, contender, turn, f"{value:.6g}"))


    @contextlib.contextmanager
    def failing(self, rig):
        """A sample that cannot be had is told and is missing; the others go on, and the run ends with 1."""
        try:
            yield
        except (lab.LabError, measures.MeasureError, OSError) as e:
            self.failures += 1
            say(f"  {rig.name}: FAILED: {e}{rig.logs()}")


def commit_id():
    git = ["git", "-C", str(HERE)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode:
        return "unknown"
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=False).stdout
    return head.stdout.strip() + ("-dirty" if changed.strip() else "")


def read_rows(path):
    with open(path, newline="", encoding="ascii") as f:
        return [(r["measure"], r["contender"], int(r["round"]), float(r["value"])) for r in csv.DictReader(f)]


def say(text):
    print(text, flush=True)


def probe_noise():
    busy_pct = measures.probe_noise(IDLE_PROBE_S)
    note = "; others use it, the figures will be noisy" if busy_pct > measures.QUIET_PCT else ""
    say(f"machine before the start: {busy_pct:.1f} % busy{note}")
    return {"noise_busy_pct": busy_pct}


def stand_up_all(the_lab, options, recorder):
    names = list(options.contenders)
    reason = contenders.why_no_spliced(options)
    for name in {contenders.OURS, contenders.FIRST_ONLY, contenders.SHARED, contenders.LOGGED} & set(names) if reason else ():
        names.remove(name)
        say(f"{name}: SKIPPED, {reason}")
    return stand_up_each([lab.Rig(the_lab, name) for name in names], options, recorder, contenders.stand_up)


def stand_up_each(rigs, options, recorder, stand_up):
    """Those that do."""
    standing = {}
    for rig in rigs:
        with recorder.failing(rig):
            stand_up(rig, options)
            measures.check(rig)
            standing[rig.name] = rig
            say(f"{rig.name}: stands and answers")
    return standing


def rotated(names, by):
    by %= max(1, len(names))
    return names[by:] + names[:by]


def run_rounds(rigs, options, recorder):
    program = bpf_cost_program(options)
    for turn in range(options.rounds):
        for measure in options.measures:
            say(f"round {turn + 1}/{options.rounds}: {measure}")
            run_measure({n: rig for n, rig in rigs.items() if measures.takes_part(n, measure)}, measure, turn, options, recorder)
        if program:
            recorder.add(measures.bpf_cost(program), "spliced", turn)


def run_measure(rigs, measure, turn, options, recorder, known=None):
    for name in rotated(list(rigs), turn):
        with recorder.failing(rigs[name]):
            rigs[name].check_alive()
            values = measures.sample(rigs[name], measure, options.seconds, known)
            recorder.add(values, name, turn)
            say(f"  {name:14}" + "".join(f" {k}={v:.6g}" for k, v in values.items()))


def bpf_cost_program(options):
    path = options.build / "tests/bpf/bpf_cost" if options.build else None
    if not path or not os.access(path, os.X_OK):
        say(f"ns per packet: SKIPPED, {path or 'no --build DIR given'}{' is not there' if path else ''}")
        return None
    return path


def check_splice(rigs, options, recorder):
    """The fair bulk rival really splices."""
    if "haproxy-tcp" not in rigs or "bulk" not in options.measures:
        return
    with recorder.failing(rigs["haproxy-tcp"]):
        pipes = contenders.pipes_of_haproxy(rigs["haproxy-tcp"])
        say(f"\nhaproxy-tcp made {pipes} pipes: {'it spliced' if pipes else 'IT DID NOT SPLICE'}")


def bench(options):
    recorder = Recorder(options.out)
    with lab.Lab(options.congestion) as the_lab:
        recorder.add(probe_noise(), "machine", 0)
        the_lab.prepare(HERE)
        rigs = stand_up_all(the_lab, options, recorder)
        run_rounds(rigs, options, recorder)
        check_splice(rigs, options, recorder)
    say(f"samples are in {recorder.path}")
    return recorder


def stop(signum, frame):
    raise KeyboardInterrupt


def main(options, take, show):
    """What is measured (take), or was, is shown; the exit code says whether samples are missing."""
    program = pathlib.Path(sys.argv[0]).name
    if options.table:
        rows, failures = read_rows(options.table), 0
    else:
        if os.geteuid():
            sys.exit(f"{program}: needs root, it makes network namespaces")
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, stop)
        start = time.monotonic()
        try:
            recorder = take(options)
        except (lab.LabError, measures.MeasureError) as e:
            sys.exit(f"{program}: {e}")
        except KeyboardInterrupt:
            sys.exit(f"{program}: interrupted; everything was taken down")
        rows, failures = recorder.rows, recorder.failures
        say(f"took {time.monotonic() - start:.0f} s, {failures} samples failed")
    short = show(rows)
    return 1 if failures or (short and options.strict) else 0


if __name__ == "__main__":
    sys.exit(main(parse_arguments(), bench, table.print_table))
