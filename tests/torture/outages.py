# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Hosts that fail and are repaired at random, by exponential laws: the model of src/plan/model.h played with a real cluster.

A host fails by pulling its plugs. It is covered if the router leaves it out in time; till it does the cluster is unsafe, and
nothing else happens. It is repaired when it is announced again. One repairman, who comes when he is called, and breaks down.
"""
import collections
import dataclasses
import time

from tcp import wait_for

IN_TIME_S = 1.0
LEFT_OUT_S, BACK_S = 30, 40
VACATION, BUSY, DOWN = "vacation", "busy", "down"


@dataclasses.dataclass(frozen=True)
class Laws:
    """Mean times."""
    mtbf_s: float = 40
    call_out_s: float = 4
    repair_s: float = 4         # and then it boots
    breakdown_s: float = 30
    mend_s: float = 4


class Outages:
    def __init__(self, cluster, laws, rng, say=print):
        self.cluster, self.laws, self.rng, self.say = cluster, laws, rng, say
        self.failed, self.repairman = [], VACATION
        self.seconds, self.counts = collections.Counter(), collections.Counter()
        self.log = []           # (fault, seconds until it was left out)
        self.detect_s = []      # of those that were covered, and left others
        self.state = self.since = None

    def run(self, warm_s, seconds):
        """What happens in the first @warm_s is not counted."""
        self.begin = time.monotonic() + warm_s
        self.end = self.begin + seconds
        self.enter(time.monotonic(), unsafe=0)
        late_s = 0.0
        while True:
            rates = self.rates()
            wait_s = max(0.0, self.rng.expovariate(sum(rates.values())) - late_s)
            time.sleep(max(0.0, min(wait_s, self.end - time.monotonic())))
            if time.monotonic() >= self.end:
                break
            late_s = getattr(self, self.rng.choices(list(rates), list(rates.values()))[0])() or 0.0
        self.enter(self.end, unsafe=0)

    def rates(self):
        """What may happen next."""
        laws, up = self.laws, len(self.cluster.proxies) - len(self.failed)
        rates = {"fail": up / laws.mtbf_s}
        if self.failed and self.repairman == VACATION:
            rates["come"] = 1 / laws.call_out_s
        if self.repairman == BUSY:
            rates.update(repair=1 / laws.repair_s, break_down=1 / laws.breakdown_s)
        if self.repairman == DOWN:
            rates["mend"] = 1 / laws.mend_s
        return rates

    def enter(self, now, unsafe):
        """The state that now begins; the time of the one before is counted."""
        if self.state:
            self.seconds[self.state] += max(0.0, min(now, self.end) - max(self.since, self.begin))
        self.state, self.since = (self.repairman, len(self.failed), unsafe), now

    def count(self, what):
        if time.monotonic() >= self.begin:
            self.counts[what] += 1

    def fail(self):
        """Return how late it is afterwards: a covered failure is over at once in the model."""
        victim = self.rng.choice([p for p in self.cluster.proxies if p not in self.failed])
        others = len(self.cluster.proxies) - len(self.failed) - 1
        self.count("fail")
        start = time.monotonic()
        victim.unplug()
        wait_for(lambda: victim.name not in self.cluster.way.announced("router", 2), f"{victim.name} to be left out", LEFT_OUT_S, 0.01)
        out_s = time.monotonic() - start
        if out_s > IN_TIME_S:
            self.enter(start, unsafe=1)
        else:
            self.count("covered")
            self.detect_s += [out_s] if others else []
        self.failed.append(victim)
        self.enter(start + (out_s if out_s > IN_TIME_S else 0), unsafe=0)
        self.log.append(("host_lost", out_s))
        self.say(f"{start - self.begin:7.1f} s: {victim.name} fails, left out after {out_s:.2f} s; {others} left", flush=True)
        victim.crash()
        return time.monotonic() - self.since

    def repair(self):
        """The boot belongs to it."""
        host = self.failed[0]
        host.boot()
        wait_for(lambda: self.is_back(host), f"{host.name} to be announced and watched", BACK_S, 0.05)
        self.count("repair")
        self.failed.remove(host)
        if not self.failed:
            self.repairman = VACATION
        self.enter(time.monotonic(), unsafe=0)
        self.say(f"{time.monotonic() - self.begin:7.1f} s: {host.name} is back", flush=True)

    def is_back(self, host):
        way = self.cluster.way
        return all(host.name in way.announced(side, k) and way.is_watched(side, [host.name], k) for side, k in (("router", 2), ("core", 3)))

    def become(self, repairman, what):
        self.count(what)
        self.repairman = repairman
        self.enter(time.monotonic(), unsafe=0)

    def come(self):
        self.become(BUSY, "come")

    def break_down(self):
        self.become(DOWN, "break_down")

    def mend(self):
        self.become(BUSY, "mend")
