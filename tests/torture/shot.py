# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One fault, and the clients that it finds in all phases."""
import asyncio
import collections
import contextlib
import itertools
import subprocess
import sys
import pathlib
import time

from client import Trial
from faults import AGENT_FAULTS, FAULTS
from movers import COMMITS, KINDS, POOLS
from tcp import open_socket
from topo import VIP
from ways import Spray

PORT = 80
REACH_S, FINISH_S = 15, 20      # to get to the phases, and to the end after the fault
LATE_S, EARLY_S = 0.15, 0.06    # how late the store answers for phase `commit`, and when the fault strikes then
RECORDS = 4                     # of a splice: two halves, a majority of three servers at least
AFTER_S = 0.5                   # transfers go on for, after the fault
SPORTS = (20000, 61000)
HERE = pathlib.Path(__file__).resolve().parent


class Backends:
    """Both servers, and what they have written down."""

    def __init__(self, cluster):
        self.processes, self.files, self.counts, self.ends, self.wrong = [], [], collections.Counter(), {}, set()
        self.ports = {}         # where each request has run at last
        for name in ("backend1", "backend2"):
            path = cluster.work / f"{name}.record"
            path.touch()
            self.files.append(open(path))
            self.processes.append(cluster.ns[name].popen(sys.executable, "-B", str(HERE / "backend.py"), str(path), str(PORT),
                                                         *map(str, POOLS.values()),
                                                         stdin=subprocess.PIPE, text=True, bufsize=1))

    def open_gate(self, name):
        for process in self.processes:
            process.stdin.write(f"open {name}\n")

    def read(self):
        for file in self.files:
            for line in file:
                what, ident, *rest = line.split()
                if what == "ran":
                    self.counts[ident] += 1
                    self.ports[ident] = int(rest[3])
                    if rest[2] != "right":
                        self.wrong.add(ident)
                else:
                    self.ends[ident] = rest[0], int(rest[1])

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdin.close()
        for file in self.files:
            file.close()


class Gate:
    def __init__(self, name):
        self.name, self.event = name, asyncio.Event()
        self.wait, self.is_set = self.event.wait, self.event.is_set


class Ports:
    """Source ports that lead to a proxy; none twice within a run, as long as there are some."""

    def __init__(self, cluster, source):
        self.cluster, self.source = cluster, source
        self.next = {version: itertools.cycle(range(*SPORTS)) for version in (4, 6)}
        self.found = collections.defaultdict(collections.deque)

    def get(self, name, version):
        if isinstance(self.cluster.way, Spray):
            return next(self.next[version])
        while not self.found[name, version]:
            batch = list(itertools.islice(self.next[version], 100))
            for sport, carrier in zip(batch, self.cluster.carriers(batch, PORT, version, self.source)):
                self.found[carrier, version].append(sport)
        return self.found[name, version].popleft()


class Shot:
    def __init__(self, cluster, backends, ports, late, number, fault, kind, phases, rng):
        self.cluster, self.backends, self.late, self.number, self.fault, self.rng = cluster, backends, late, number, fault, rng
        self.victim, self.other = rng.sample(cluster.proxies, 2)
        self.store = rng.choice(cluster.stores)
        self.struck, self.fire = asyncio.Event(), asyncio.Event()
        self.gates = {kind: Gate(f"{number}-{kind}") for kind in ("soon", "late")}
        self.lag_s = 0.0
        self.kind, self.scripts = KINDS[kind]
        self.clients = [self.client(n, phase, ports) for n, phase in enumerate(phases)]

    def client(self, n, phase, ports):
        trial = Trial(f"{self.number}-{n}", self.fault, phase, 4 if (self.number + n) % 2 else 6)
        vip = VIP[ports.source][trial.family]
        sock = open_socket(self.cluster.client, vip, ports.get(self.victim.name, trial.family))
        client = self.kind(trial, sock, (vip, PORT), self)
        client.jitter = self.rng.uniform(0, 0.2)
        return client

    def gate(self, kind):
        return self.gates[kind]

    def open(self, kind):
        self.backends.open_gate(self.gates[kind].name)
        self.gates[kind].event.set()

    async def has_run(self, ident):
        while not self.backends.counts[ident]:
            await asyncio.sleep(0.005)
            self.backends.read()

    async def act(self, what):
        await asyncio.to_thread(what)

    async def strike(self, what):
        await self.act(what)
        self.struck.set()

    async def watch_lag(self):
        """What we see late ourselves is no stall of a connection."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            self.lag_s = max(self.lag_s, time.monotonic() - before - 0.01)

    async def fire_commits(self):
        """Leaves with all commits in the servers, and the answers under way."""
        committing = [c for c in self.clients if c.trial.phase in COMMITS]
        if not committing:
            return
        await self.act(lambda: self.late.begin(self.victim))
        before = self.records()
        self.fire.set()
        await asyncio.sleep(EARLY_S)
        is_new = committing[0].trial.phase == "commit"
        if is_new and self.records() - before < RECORDS * len(committing):
            self.off_phase(committing, "not yet in the servers")
        self.backends.read()
        self.off_phase([c for c in committing if self.backends.counts[c.awaited]], "forwarded before the fault")

    def records(self):
        """In all servers."""
        return sum(store.cli("dbsize") for store in self.cluster.stores)

    @staticmethod
    def off_phase(clients, why):
        for c in clients:
            c.trial.is_off_phase, c.trial.note = True, why

    async def run(self):
        lag = asyncio.create_task(self.watch_lag())
        tasks = [asyncio.create_task(c.run(self.scripts[c.trial.phase])) for c in self.clients]
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.gather(*(c.at_phase.wait() for c in self.clients)), REACH_S)
            self.lag_s = 0.0
            await self.fire_commits()
            await asyncio.gather(({**FAULTS, **AGENT_FAULTS})[self.fault](self), self.after_the_strike())
            await asyncio.sleep(AFTER_S)
            self.open("late")
            await asyncio.wait(tasks, timeout=FINISH_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            lag.cancel()
        await asyncio.to_thread(self.cluster.heal)
        await self.count()
        return [c.trial for c in self.clients]

    async def after_the_strike(self):
        await self.struck.wait()
        if self.fire.is_set():
            await self.act(lambda: self.late.end(self.victim))
        await asyncio.sleep(self.rng.uniform(0, 0.25))
        self.open("soon")

    async def count(self):
        """How often requests ran, and how their connections ended."""
        await asyncio.sleep(0.05)
        self.backends.read()
        for c in self.clients:
            trial, ident = c.trial, c.ident
            trial.ran = self.backends.counts[ident] if not c.asked else self.count_asked(c)
            if trial.phase == "idle" and trial.ran == 1:
                trial.ran = self.backends.counts[ident + "a"]       # the request before
            end, lost_pkts = self.backends.ends.get(ident, ("open", 0))
            trial.lost_pkts += lost_pkts
            if {ident, *c.asked} & self.backends.wrong and trial.outcome == "ok":
                trial.outcome, trial.note = "wrong", "the request's body"
            if trial.phase.startswith("fin") and trial.outcome == "ok" and end != "eof":
                trial.outcome, trial.note = "broken", f"the backend's end is {end}"
            trial.lag_s = self.lag_s

    def count_asked(self, c):
        """How often: of many requests that of the worst, all in all."""
        ran = {ident: self.backends.counts[ident] for ident in c.asked}
        elsewhere = [ident for ident, port in c.asked.items() if ran[ident] and self.backends.ports[ident] != port]
        if elsewhere:
            c.trial.outcome = "wrong"
            c.trial.note += f"; {elsewhere[0]} ran at {self.backends.ports[elsewhere[0]]}"
        worst = max(ran, key=lambda ident: (abs(ran[ident] - 1), ran[ident]))
        if c.trial.outcome != "ok":
            c.trial.note += f"; at its request {len(ran)}"
        if ran[worst] != 1:
            c.trial.note += f"; {worst} ran {ran[worst]} times"
        return ran[worst]
