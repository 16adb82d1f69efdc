# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Streams of requests on connections that are kept for a while, and short connections, all out of few ports, while hosts are lost
and daemons killed. A port comes again before the closed splice of its last connection is gone anywhere. How often a request runs is for trials to say."""
import asyncio
import errno
import itertools
import time

from client import Client, Trial
from shot import PORT
from tcp import open_socket
from topo import VIP

KEPT, SHORT, PORTS_EACH = 24, 8, 3      # streams, and ports that each has for itself
KEPT_S, PACE_S = 4, 0.02                # how long a connection is kept
CALM_S, AFTER_S = 5, 4                  # before a fault, and after it
WAIT_MAX_S = 4.0        # for connecting, a request or its end: two SYNs lost, and a slow machine
FIRST_PORT = 61000
STILL_TAKEN = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)     # a port whose last end is not acknowledged yet


class Stream:
    def __init__(self, shot, number, source, is_kept):
        self.shot, self.is_kept, self.name = shot, is_kept, f"{'kept' if is_kept else 'short'}{number}"
        self.vip = VIP[source][4 if number % 2 else 6]
        first = FIRST_PORT + number * PORTS_EACH
        self.ports = itertools.cycle(range(first, first + PORTS_EACH))
        self.idents = (f"{self.name}-{n}" for n in itertools.count())
        self.asked, self.longest, self.failure = [], (0.0, ""), None

    async def timed(self, what, step):
        """The longest wait of all is remembered; one that does not end is told as well."""
        begun, self.waiting = time.monotonic(), (what, time.monotonic())
        await step
        self.longest = max(self.longest, (time.monotonic() - begun, what))

    async def request(self, client, *more):
        ident = next(self.idents)
        self.asked.append(ident)
        await client.send(client.post(*more, ident=ident))
        await client.read_answer(ident)

    async def connection(self, stop):
        port = next(self.ports)
        sock = open_socket(self.shot.cluster.client, self.vip, port)
        client = Client(Trial(self.name, "", "", 0), sock, (self.vip, PORT), self.shot)
        try:
            await self.timed(f"to connect from {port}", client.connect())
            end = time.monotonic() + KEPT_S
            while self.is_kept and time.monotonic() < end and not stop.is_set():
                await self.timed(f"for an answer at {port}", self.request(client))
                await asyncio.sleep(PACE_S)
            await self.timed(f"for the last answer at {port}", self.request(client, "Connection: close"))
            await self.timed(f"for the end at {port}", client.read_end())
        finally:
            sock.close()

    async def run(self, stop):
        try:
            while not stop.is_set():
                try:
                    await self.connection(stop)
                except OSError as error:
                    if error.errno not in STILL_TAKEN:
                        raise
                    await asyncio.sleep(PACE_S)
        except asyncio.CancelledError:
            what, since = self.waiting
            self.failure = f"waits {what} for {time.monotonic() - since:.1f} s"
        except Exception as error:      # whatever it is, the stream is over
            self.failure = f"{type(error).__name__}: {error}"


class Shot:
    """What a Client wants of one."""

    def __init__(self, cluster):
        self.cluster = cluster


async def strike(cluster, rng, seconds, say):
    end = time.monotonic() + seconds
    for number in itertools.count():
        await asyncio.sleep(CALM_S)
        if time.monotonic() >= end:
            return
        victim = rng.choice(cluster.proxies)
        say(f"{victim.name}: {'its host is lost' if number % 2 == 0 else 'its daemon is killed'}")
        await asyncio.to_thread(victim.crash if number % 2 == 0 else victim.kill9)
        await asyncio.sleep(AFTER_S if number % 2 == 0 else 0.5)
        await asyncio.to_thread(cluster.heal)


def complaints(streams, counts):
    for s in streams:
        if s.failure:
            yield f"{s.name}: {s.failure}"
        if s.longest[0] > WAIT_MAX_S:
            yield f"{s.name} waited {s.longest[1]} for {s.longest[0]:.1f} s"
        if not s.failure and not all(counts[ident] for ident in s.asked):
            yield f"{s.name}: a request has not run"


async def run(cluster, backends, source, seconds, rng, say=print):
    """Return what went wrong."""
    stop, shot = asyncio.Event(), Shot(cluster)
    streams = [Stream(shot, n, source, n < KEPT) for n in range(KEPT + SHORT)]
    tasks = [asyncio.create_task(s.run(stop)) for s in streams]
    try:
        await strike(cluster, rng, seconds, say)
    finally:
        stop.set()
        _, late = await asyncio.wait(tasks, timeout=2 * WAIT_MAX_S)
        for task in late:
            task.cancel()
        await asyncio.wait(tasks)
    await asyncio.sleep(0.1)
    backends.read()
    longest = max(streams, key=lambda s: s.longest)
    say(f"{sum(len(s.asked) for s in streams)} requests; the longest wait: {longest.name} {longest.longest[1]}, {longest.longest[0]:.3f} s")
    return list(complaints(streams, backends.counts))
