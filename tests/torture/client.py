# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A client that is in one phase of a connection when a fault strikes; what it saw is one trial.

Each coroutine below brings its connection to the phase that it is named after, says so (reached()), and
goes on to the end as if nothing had happened. It never connects twice. What it waits for in vain counts:
the longest time without progress while some was due is its stall.
"""
import asyncio
import contextlib
import random
import socket
import struct
import time

from backend import lost_pkts
from pattern import Stream

PIECE, PACE_S, SHORT, HEAD_ROOM = 1 << 16, 0.01, 4096, 3000
TCP_CLOSE, TCP_INFO_ACKED = 7, 120


class Broken(Exception):
    """The connection, by whatever the client has seen of it."""


class WrongBytes(Broken):
    pass


class Trial:
    def __init__(self, ident, fault, phase, family):
        self.ident, self.fault, self.phase, self.family = ident, fault, phase, family
        self.outcome, self.stall_s, self.lost_pkts = "pending", 0.0, 0
        self.ran = 0            # how often the backends say
        self.note, self.is_off_phase = "", False


class Clock:
    """Longest time without progress."""

    def __init__(self):
        self.last, self.longest = None, 0.0

    def due(self):
        """From now on."""
        self.last = time.monotonic()

    def progress(self):
        now = time.monotonic()
        if self.last is not None:
            self.longest = max(self.longest, now - self.last)
        self.last = now

    def pause(self):
        self.progress()
        self.last = None


class Client:
    def __init__(self, trial, sock, target, shot):
        self.trial, self.ident, self.sock, self.target, self.shot = trial, trial.ident, sock, target, shot
        self.loop, self.clock, self.buffer = asyncio.get_running_loop(), Clock(), bytearray()
        self.at_phase = asyncio.Event()
        self.before = self.jitter = 0
        self.awaited, self.asked = self.ident, {}       # request under way, and ports of all of them where they differ
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def run(self, script):
        try:
            await script(self)
            self.trial.outcome = "ok"
        except WrongBytes as error:
            self.fail("wrong", error)
        except (Broken, OSError, ValueError) as error:
            self.fail("broken", error)
        except asyncio.CancelledError:
            self.fail("broken", f"nothing for {time.monotonic() - self.clock.last:.1f} s" if self.clock.last else "cancelled")
        self.at_phase.set()
        self.trial.stall_s = self.clock.longest
        with contextlib.suppress(OSError):
            self.trial.lost_pkts = self.retrans() - self.before
        self.sock.close()

    def fail(self, outcome, error):
        self.clock.progress()
        self.trial.outcome, self.trial.note = outcome, f"{type(error).__name__}: {error}" if isinstance(error, Exception) else error

    async def reached(self):
        """Here the fault finds us."""
        self.before = self.retrans()
        self.at_phase.set()
        await self.shot.struck.wait()

    def retrans(self):
        return lost_pkts(self.sock)

    async def pause(self):
        """As a client does, for a moment of its own."""
        await asyncio.sleep(self.jitter)

    async def connect(self):
        await self.loop.sock_connect(self.sock, self.target)

    async def send(self, data):
        await self.loop.sock_sendall(self.sock, data)

    def head(self, method, path, *more, ident=None):
        lines = (f"{method} /{path}/{ident or self.ident}{self.query(more)} HTTP/1.1", "Host: www.example.org",
                 *(m for m in more if not m.startswith("?")))
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    @staticmethod
    def query(more):
        return "".join(m for m in more if m.startswith("?"))

    def post(self, *more, ident=None, path="do"):
        """A request whole."""
        ident = ident or self.ident
        return self.head("POST", path, f"Content-Length: {SHORT}", *more, ident=ident) + Stream(ident).take(SHORT)

    async def recv(self):
        data = await self.loop.sock_recv(self.sock, 1 << 18)
        self.clock.progress()
        if not data:
            raise Broken("end of stream")
        return data

    async def read_until(self, end):
        while end not in self.buffer:
            self.buffer += await self.recv()
        head, _, rest = bytes(self.buffer).partition(end)
        self.buffer = bytearray(rest)
        return head

    async def read(self, count):
        while len(self.buffer) < count:
            self.buffer += await self.recv()
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    async def read_head(self):
        head = (await self.read_until(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.split("\r\n")
        if not status.startswith("HTTP/1.1 200"):
            raise Broken(status)
        return {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}

    async def read_answer(self, ident=None):
        """To a POST."""
        headers = await self.read_head()
        body = await self.read(int(headers["content-length"]))
        if not Stream("answer" + (ident or self.ident)).check(body):
            raise WrongBytes("the answer's body")

    async def read_end(self):
        data = bytes(self.buffer) or await self.loop.sock_recv(self.sock, 4096)
        self.clock.progress()
        if data:
            raise WrongBytes(f"{len(data)} bytes behind the end")

    async def read_chunk(self, stream):
        size = int(await self.read_until(b"\r\n"), 16)
        data = await self.read(size + 2)
        if not stream.check(data[:-2]):
            raise WrongBytes(f"in the chunk at {stream.at - size}")
        return size

    def acked(self):
        return struct.unpack_from("Q", self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), TCP_INFO_ACKED)[0]

    async def watch_acks(self):
        """Progress of an upload is what gets acknowledged."""
        last = self.acked()
        while True:
            await asyncio.sleep(0.005)
            now = self.acked()
            if now != last:
                self.clock.progress()
            last = now

    async def closed(self):
        """Until the other end has acknowledged our FIN."""
        while self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != TCP_CLOSE:
            await asyncio.sleep(0.005)
        self.clock.progress()


async def synack(c):
    await c.connect()
    await c.reached()
    await c.pause()
    c.clock.due()
    await c.send(c.post())
    await c.read_answer()


async def half_head(c):
    """Two segments' worth of head; all but its end is sent, or a few bytes of it."""
    room = random.Random(c.ident).choice((0, HEAD_ROOM))
    request = c.head("POST", "do", f"Content-Length: {SHORT}", "X-Room: " + "x" * room) + Stream(c.ident).take(SHORT)
    cut = 20 if not room else room - 500
    await c.connect()
    await c.send(request[:cut])
    await asyncio.sleep(0.03)
    await c.reached()
    await c.pause()
    c.clock.due()
    await c.send(request[cut:])
    await c.read_answer()


async def commit(c):
    """The shot makes the store's answers late, says when to send, and strikes before they are here."""
    await c.connect()
    c.before = c.retrans()
    c.at_phase.set()
    await c.shot.fire.wait()
    await c.send(c.post())
    await c.shot.struck.wait()
    c.clock.due()
    await c.read_answer()


async def first_byte(c):
    gate = c.shot.gate("soon")
    await c.connect()
    await c.send(c.post(f"?gate={gate.name}"))
    await c.shot.has_run(c.ident)
    await c.reached()
    await gate.wait()
    c.clock.due()
    await c.read_answer()


async def download(c):
    stream = Stream("answer" + c.ident)
    await c.connect()
    await c.send(c.head("GET", "down", f"?gate={c.shot.gate('late').name}"))
    await c.read_head()
    while await c.read_chunk(stream):
        if stream.at >= 4 * PIECE and not c.at_phase.is_set():
            c.before = c.retrans()
            c.at_phase.set()
            c.clock.due()


async def upload(c):
    stream, gate = Stream(c.ident), c.shot.gate("late")
    await c.connect()
    await c.send(c.head("PUT", "up", "Transfer-Encoding: chunked"))
    watch = None
    try:
        while not gate.is_set():
            await c.send(b"%x\r\n%b\r\n" % (PIECE, stream.take(PIECE)))
            await asyncio.sleep(PACE_S)
            if stream.at == 4 * PIECE:
                c.before = c.retrans()
                c.at_phase.set()
                c.clock.due()
                watch = asyncio.create_task(c.watch_acks())
        await c.send(b"0\r\n\r\n")
        headers = await c.read_head()
    finally:
        if watch:
            watch.cancel()
    said = (await c.read(int(headers["content-length"]))).decode().split()
    if said != [str(stream.at), "right"]:
        raise WrongBytes(f"the backend has {said} of {stream.at}")


async def idle(c):
    first = c.ident + "a"
    await c.connect()
    await c.send(c.post(ident=first))
    await c.read_answer(first)
    await c.reached()
    await c.pause()
    c.clock.due()
    await c.send(c.post())
    await c.read_answer()


async def fin_ours(c):
    """The client's FIN goes first: its request is over, and the answer still to come."""
    gate = c.shot.gate("soon")
    await c.connect()
    await c.send(c.post(f"?gate={gate.name}", "Connection: close"))
    c.sock.shutdown(socket.SHUT_WR)
    await c.shot.has_run(c.ident)
    await c.reached()
    await gate.wait()
    c.clock.due()
    await c.read_answer()
    await c.read_end()


async def fin_theirs(c):
    """The server's FIN goes first; ours comes after the fault, and it must hear of it."""
    await c.connect()
    await c.send(c.post("Connection: close"))
    await c.read_answer()
    await c.read_end()
    await c.reached()
    await c.pause()
    c.clock.due()
    c.sock.shutdown(socket.SHUT_WR)
    await c.closed()


PHASES = {"synack": synack, "half_head": half_head, "commit": commit, "first_byte": first_byte, "download": download,
          "upload": upload, "idle": idle, "fin_ours": fin_ours, "fin_theirs": fin_theirs}
