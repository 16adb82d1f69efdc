# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Clients whose requests alternate between pools, in one phase of a connection when a fault strikes.

Each path begins with the name of a pool. A backend writes down at which port a request ran, and says so in its response:
each pool has a port of its own. Requests with and without a body alternate, too.
"""
import asyncio
import itertools
import random

from client import HEAD_ROOM, PACE_S, PHASES as OF_CONNECTIONS, PIECE, Client, WrongBytes
from pattern import Stream

POOLS = {"a": 8001, "b": 8002, "c": 8003}
SETTLE_S = 0.03         # a part of a head has arrived
MANY = 3                # requests that wait behind another one


class Exchanges(Client):
    """Requests are numbered; `asked` has the pool of each."""

    def __init__(self, *args):
        super().__init__(*args)
        self.numbers = itertools.count()

    def new(self, pool):
        ident = f"{self.ident}.{next(self.numbers)}"
        self.asked[ident] = POOLS[pool]
        return ident

    def request(self, pool, *more):
        """(its id, all of its bytes)"""
        ident = self.new(pool)
        if len(self.asked) % 2:
            return ident, self.head("DELETE", f"{pool}/do", *more, ident=ident)
        return ident, self.post(*more, ident=ident, path=f"{pool}/do")

    async def response(self, ident):
        """Its head. Bodies are told from each other by the id."""
        headers = await self.read_head()
        if headers["x-request"] != ident or int(headers["x-port"]) != self.asked[ident]:
            raise WrongBytes(f"{ident} of {self.asked[ident]} is answered by {headers['x-port']} for {headers['x-request']}")
        return headers

    async def whole_response(self, ident):
        headers = await self.response(ident)
        body = await self.read(int(headers["content-length"]))
        if not Stream("answer" + ident).check(body):
            raise WrongBytes(f"the body of {ident}")

    async def exchange(self, pool, *more):
        ident, data = self.request(pool, *more)
        await self.send(data)
        await self.whole_response(ident)

    async def last(self):
        """A stay, moves, and the end."""
        for pool in "aacb":
            await self.exchange(pool)
        await self.exchange("c", "Connection: close")
        await self.read_end()

    async def begin(self):
        await self.connect()
        await self.exchange("a")

    def caught(self):
        """By the fault, while it goes on."""
        self.before = self.retrans()
        self.at_phase.set()
        self.clock.due()


async def between(c):
    await c.begin()
    await c.reached()
    await c.pause()
    c.clock.due()
    await c.exchange("b")
    await c.last()


async def second_half_head(c):
    await c.begin()
    room = random.Random(c.ident).choice((0, HEAD_ROOM))
    ident, data = c.request("b", "X-Room: " + "x" * room)
    cut = 20 if not room else room - 500
    await c.send(data[:cut])
    await asyncio.sleep(SETTLE_S)
    await c.reached()
    await c.pause()
    c.clock.due()
    await c.send(data[cut:])
    await c.whole_response(ident)
    await c.last()


async def moving(c):
    """One move after another: a fault meets any part of them."""
    gate = c.shot.gate("late")
    await c.begin()
    c.caught()
    for pool in itertools.cycle("bca"):
        await c.exchange(pool)
        if gate.is_set():
            break
        await asyncio.sleep(PACE_S)
    await c.last()


async def commit_move(c):
    """The store's answers are late for the second request: see commit() of connections."""
    await c.begin()
    c.before = c.retrans()
    c.at_phase.set()
    await c.shot.fire.wait()
    c.awaited, data = c.request("b")
    await c.send(data)
    await c.shot.struck.wait()
    c.clock.due()
    await c.whole_response(c.awaited)
    await c.last()


async def second_first_byte(c):
    gate = c.shot.gate("soon")
    await c.begin()
    ident, data = c.request("b", f"?gate={gate.name}")
    await c.send(data)
    await c.shot.has_run(ident)
    await c.reached()
    await gate.wait()
    c.clock.due()
    await c.whole_response(ident)
    await c.last()


async def second_download(c):
    await c.begin()
    ident = c.new("b")
    stream = Stream("answer" + ident)
    await c.send(c.head("GET", "b/down", f"?gate={c.shot.gate('late').name}", ident=ident))
    await c.response(ident)
    while await c.read_chunk(stream):
        if stream.at >= 4 * PIECE and not c.at_phase.is_set():
            c.caught()
    await c.last()


async def second_upload(c):
    await c.begin()
    ident, gate = c.new("b"), c.shot.gate("late")
    stream, watch = Stream(ident), None
    await c.send(c.head("PUT", "b/up", "Transfer-Encoding: chunked", ident=ident))
    try:
        while not gate.is_set():
            await c.send(b"%x\r\n%b\r\n" % (PIECE, stream.take(PIECE)))
            await asyncio.sleep(PACE_S)
            if stream.at == 4 * PIECE:
                c.caught()
                watch = asyncio.create_task(c.watch_acks())
        await c.send(b"0\r\n\r\n")
        headers = await c.response(ident)
    finally:
        if watch:
            watch.cancel()
    said = (await c.read(int(headers["content-length"]))).decode().split()
    if said != [str(stream.at), "right"]:
        raise WrongBytes(f"the backend has {said} of {stream.at}")
    await c.last()


async def pipelined(c):
    """Requests of other pools wait behind one that has run, and is not answered."""
    gate = c.shot.gate("soon")
    await c.begin()
    requests = [c.request("b", f"?gate={gate.name}"), *(c.request("bca"[n % 3]) for n in range(MANY))]
    await c.send(b"".join(data for _, data in requests))
    await c.shot.has_run(requests[0][0])
    await c.reached()
    await gate.wait()
    c.clock.due()
    for ident, _ in requests:
        await c.whole_response(ident)
    await c.last()


PHASES = {"between": between, "second_half_head": second_half_head, "moving": moving, "commit_move": commit_move,
          "second_first_byte": second_first_byte, "second_download": second_download, "second_upload": second_upload,
          "pipelined": pipelined}
KINDS = {"connections": (Client, OF_CONNECTIONS), "requests": (Exchanges, PHASES)}
COMMITS = ("commit", "commit_move")
