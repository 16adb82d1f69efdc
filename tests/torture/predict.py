# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What spliced-plan says of a run, given the run's own rates; and how far a run of that length may be from it."""
import json
import math
import subprocess

from outages import BUSY, DOWN, VACATION

PLAYED, CONFIDENCE = 1000, 0.95


class Rates:
    """Per second, as they were: how often, in how much time in which it could have been. What never was is as was meant."""

    def __init__(self, outages):
        laws, hosts = outages.laws, len(outages.cluster.proxies)
        self.hosts, n = hosts, outages.counts
        safe = {state: s for state, s in outages.seconds.items() if not state[2]}
        unsafe_s = sum(s for state, s in outages.seconds.items() if state[2])
        at_work = sum(s for (man, _, _), s in safe.items() if man == BUSY)
        self.failure = self.rate(n["fail"], sum(s * (hosts - failed) for (_, failed, _), s in safe.items()), laws.mtbf_s)
        self.coverage = n["covered"] / n["fail"] if n["fail"] else 1.0
        self.reboot = self.rate(n["fail"] - n["covered"], unsafe_s, 1)
        self.come = self.rate(n["come"], sum(s for (man, failed, _), s in safe.items() if man == VACATION and failed), laws.call_out_s)
        self.repair = self.rate(n["repair"], at_work, laws.repair_s)
        self.breakdown = self.rate(n["break_down"], at_work, laws.breakdown_s)
        self.mend = self.rate(n["mend"], sum(s for (man, _, _), s in safe.items() if man == DOWN), laws.mend_s)
        self.detect_s = sum(outages.detect_s) / max(1, len(outages.detect_s))

    @staticmethod
    def rate(count, seconds, mean_s):
        return count / seconds if count and seconds else 1 / mean_s

    def __str__(self):
        return (f"a host fails each {1 / self.failure:.1f} s, {100 * self.coverage:.0f} % covered after {self.detect_s:.2f} s, else after "
                f"{1 / self.reboot:.1f} s; someone comes after {1 / self.come:.1f} s and repairs for {1 / self.repair:.1f} s")


def plan(program, *args):
    return json.loads(subprocess.run([program, *args, "--json"], check=True, capture_output=True, text=True).stdout)


def predicted(program, rates):
    """In the long run."""
    mean_s = {name: f"{1 / getattr(rates, name):.9g}s" for name in ("failure", "reboot", "come", "repair", "breakdown", "mend")}
    each_s = {name: f"{getattr(rates, name):.9g}/s" for name in mean_s}
    hosts, coverage = str(rates.hosts), repr(rates.coverage)
    model = plan(program, "model", "--operating", hosts, "--lambda", each_s["failure"], "--coverage", coverage,
                 "--beta", each_s["reboot"], "--theta", each_s["come"], "--mu", each_s["repair"],
                 "--breakdown", each_s["breakdown"], "--mend", each_s["mend"])
    words = plan(program, "--proxies", hosts, "--host-mtbf", mean_s["failure"], "--coverage", coverage,
                 "--detect", f"{rates.detect_s:.9g}s", "--reboot", mean_s["reboot"], "--call-out", mean_s["come"],
                 "--repair", mean_s["repair"], "--repairman-mtbf", mean_s["breakdown"], "--repairman-repair", mean_s["mend"])
    return {"not served": words["worth"]["service_lost"], "unsafe": model["measures"]["unsafe"],
            **{f"{n} failed": p for n, p in enumerate(model["by_failed"]["safe"])}}


def shares(seconds, not_served, hosts):
    """The same of a run: seconds in each state."""
    total = sum(seconds.values())
    return {"not served": not_served, "unsafe": sum(s for state, s in seconds.items() if state[2]) / total,
            **{f"{n} failed": sum(s for (_, failed, unsafe), s in seconds.items() if failed == n and not unsafe) / total
               for n in range(hosts + 1)}}


class Play:
    """A run without hosts."""

    def __init__(self, rates, rng):
        self.rates, self.rng = rates, rng
        self.man, self.failed, self.unsafe, self.seconds, self.lost_s = VACATION, 0, 0, {}, 0.0

    def run(self, seconds):
        """Counted from now on."""
        self.seconds, self.lost_s = {}, 0.0
        while seconds > 0:
            events = self.events()
            wait_s = self.rng.expovariate(sum(rate for rate, _ in events))
            self.stay(min(wait_s, seconds))
            seconds -= wait_s
            if seconds > 0:
                self.rng.choices([act for _, act in events], [rate for rate, _ in events])[0]()
        return self

    def stay(self, seconds):
        state, left = (self.man, self.failed, self.unsafe), self.rates.hosts - self.failed
        self.seconds[state] = self.seconds.get(state, 0.0) + seconds
        self.lost_s += seconds * (1 if not left else self.unsafe / left)

    def events(self):
        rates = self.rates
        if self.unsafe:
            return [(rates.reboot, self.noticed)]
        events = [(rates.failure * (rates.hosts - self.failed), self.fail)] if self.failed < rates.hosts else []
        if self.man == BUSY:
            return events + [(rates.repair, self.repaired), (rates.breakdown, lambda: self.become(DOWN))]
        if self.man == DOWN:
            return events + [(rates.mend, lambda: self.become(BUSY))]
        return events + ([(rates.come, lambda: self.become(BUSY))] if self.failed else [])

    def become(self, man):
        self.man = man

    def fail(self):
        left = self.rates.hosts - self.failed
        if self.rng.random() >= self.rates.coverage:
            self.unsafe = 1
            return
        self.failed += 1
        self.lost_s += self.rates.detect_s / left if left > 1 else 0

    def noticed(self):
        self.unsafe, self.failed = 0, self.failed + 1

    def repaired(self):
        self.failed -= 1
        self.man = BUSY if self.failed else VACATION


def interval(rates, rng, warm_s, seconds, attempts):
    """Of each share in that many seconds: (lowest, highest). 95 % of runs have theirs of attempts within, and 95 % have all others."""
    plays = []
    for _ in range(PLAYED):
        play = Play(rates, rng)
        play.run(warm_s)
        play.run(seconds)
        lost = play.lost_s / seconds
        plays.append(shares(play.seconds, lost + rng.gauss(0, math.sqrt(lost * max(0, 1 - lost) / attempts)), rates.hosts))
    found = {}
    for name in plays[0]:
        values = sorted(play[name] for play in plays)
        cut = int(PLAYED * (1 - CONFIDENCE) / 2 / (1 if name == "not served" else len(plays[0]) - 1))
        found[name] = values[cut], values[-1 - cut]
    return found
