# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Trials counted by fault and phase, against what is promised."""
import csv
import statistics

from movers import KINDS
from faults import AGENT_FAULTS, DAEMON_FAULTS, FAULTS, HOST_FAULTS

STALL_MEDIAN_S, STALL_WORST_S = 0.4, 1.4        # of a lost host
OFF_PHASE_MAX, LAG_MAX_S = 0.02, 0.1
PHASE_LAG_MAX_S = 0.05      # half of what a fault in phase `commit` has for itself: see shot.py
SPLICED = ("first_byte", "download", "upload", "idle", "fin_ours", "fin_theirs")     # of `requests`, each has further ones to be read
PHASES = [phase for _, phases in KINDS.values() for phase in phases]
COLUMNS = ("trials", "broken", "wrong", "double", "missing", "lost pkts", "median s", "worst s")


class Cell:
    def __init__(self, trials):
        self.trials = len(trials)
        self.broken = sum(t.outcome not in ("ok", "wrong") for t in trials)
        self.wrong = sum(t.outcome == "wrong" for t in trials)
        self.double = sum(t.ran > 1 for t in trials)
        self.missing = sum(t.ran < 1 for t in trials)
        self.lost_pkts = sum(t.lost_pkts for t in trials)
        self.median_s = statistics.median(t.stall_s for t in trials)
        self.worst_s = max(t.stall_s for t in trials)

    def row(self):
        return (self.trials, self.broken, self.wrong, self.double, self.missing, self.lost_pkts,
                f"{self.median_s:.3f}", f"{self.worst_s:.3f}")


def show(trials):
    print(f"\n{'fault':15} {'phase':17}" + "".join(f"{c:>10}" for c in COLUMNS))
    for fault in (*FAULTS, *AGENT_FAULTS):
        of_fault = [t for t in trials if t.fault == fault]
        for phase in PHASES:
            cell = [t for t in of_fault if t.phase == phase]
            if cell:
                print(f"{fault:15} {phase:17}" + "".join(f"{v:>10}" for v in Cell(cell).row()))
        if of_fault:
            print(f"{fault:15} {'all':17}" + "".join(f"{v:>10}" for v in Cell(of_fault).row()) + "\n")
    if trials:
        print(f"{'all':15} {'all':17}" + "".join(f"{v:>10}" for v in Cell(trials).row()))


def timed(trials):
    """Without those during which we were held up ourselves: that says nothing about connections."""
    good = [t for t in trials if t.lag_s <= LAG_MAX_S]
    if len(good) < len(trials):
        print(f"{len(trials) - len(good)} of {len(trials)} trials with lost hosts aren't timed: this machine was late by more than "
              f"{LAG_MAX_S * 1000:.0f} ms")
    return good


def verdicts(trials):
    """What is not as promised."""
    whole = Cell(trials)
    for what in ("broken", "wrong", "double", "missing"):
        if getattr(whole, what):
            yield f"{getattr(whole, what)} {what}"
    off = [t for t in trials if t.is_off_phase]
    on_time = [t for t in off if t.lag_s <= PHASE_LAG_MAX_S]
    if len(off) > len(on_time):
        print(f"{len(off) - len(on_time)} of {len(trials)} trials were struck too late for their phase: so late was this machine")
    if len(on_time) > OFF_PHASE_MAX * len(trials):
        yield f"{len(on_time)} were not in their phase when the fault struck"


def over(trials):
    """How long it took, and what it cost, where that is more than promised: a question of the machine, too."""
    hosts = timed([t for t in trials if t.fault in HOST_FAULTS])
    if hosts and Cell(hosts).median_s > STALL_MEDIAN_S:
        yield f"a lost host stalls for {Cell(hosts).median_s:.3f} s in the median, more than {STALL_MEDIAN_S} s"
    if hosts and Cell(hosts).worst_s > STALL_WORST_S:
        yield f"a lost host stalls for {Cell(hosts).worst_s:.3f} s at worst, more than {STALL_WORST_S} s"
    for fault in DAEMON_FAULTS:
        lost = sum(max(0, t.lost_pkts) for t in trials if t.fault == fault and t.phase in SPLICED)
        if lost > 0:
            yield f"{fault} cost {lost} packets of spliced connections"


def save(path, seed, trials):
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("seed", "id", "fault", "phase", "family", "outcome", "ran", "stall_ms", "lost_pkts", "lag_ms", "note"))
        for t in trials:
            out.writerow((seed, t.ident, t.fault, t.phase, t.family, t.outcome, t.ran, round(t.stall_s * 1000), t.lost_pkts,
                          round(t.lag_s * 1000), t.note))
