# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""People who talk for long while every 20 s the host that carries one of them dies, and returns.

Websocket chats, numbered messages both ways; SSE streams; ssh sessions through a `tcp` service. Each connects once. A number
that is missing, doubled or out of order ends a session, and so does the end of its connection. With several modes there is one
of each kind in each of them, by services of their own.
"""
import asyncio
import collections
import contextlib
import itertools
import pathlib
import statistics
import subprocess
import sys
import time

import websockets

import daemon
import tcp
from client import Clock
from faults import SUPERVISOR_S
from servers import Servers
from topo import VIP

CHAT, SSE, SSH = 8080, 8081, daemon.SSH
PORTS_APART = 100       # of the services of one kind
EACH, PACE_S, PERIOD_S, DEAD_S = 3, 0.02, 20, 8
NEXT_VICTIM = 4         # each time another one of another kind and mode
GAP_MAX_S = 1.5
VIP4 = VIP["snat"][4]
HERE = pathlib.Path(__file__).resolve().parent
SSE_GET = b"GET /events HTTP/1.1\r\nHost: www.example.org\r\nAccept: text/event-stream\r\n\r\n"


def services(view, source="snat", modes=(None,)):
    """Of each mode; None leaves it to the cluster."""
    for nth, mode in enumerate(modes):
        for kind, protocol, port in (("chat", "http", CHAT), ("sse", "http", SSE), ("ssh", "tcp", SSH)):
            name = "-".join(filter(None, (kind, mode)))
            yield ({**daemon.service(name, source, protocol, port + PORTS_APART * nth, default=f"{kind}-{source}"),
                    **({"mode": mode} if mode else {})}, daemon.pool(view, kind, source, port, ("backend1",)))


class Hosts:
    """The servers on backend1."""

    def __init__(self, cluster, work, modes=(None,)):
        self.cluster, self.servers, self.modes = cluster, Servers(cluster, work, work), modes
        self.servers.sshd("backend1")
        self.talkers = cluster.backend1.popen(sys.executable, "-B", str(HERE / "talkers.py"), str(CHAT), str(SSE),
                                              stdout=subprocess.PIPE, text=True)
        assert self.talkers.stdout.readline() == "ready\n"
        tcp.wait_for(lambda: self.servers.answers("backend1", SSH), "sshd to listen")

    def close(self):
        self.talkers.kill()
        self.talkers.wait()
        self.talkers.stdout.close()
        self.servers.close()


class Session:
    """One connection. `latencies` are of echoes, in s; the clock is that of what the server sends by itself, or sends back."""
    listens = None

    def __init__(self, cluster, hosts, number):
        nth = number % len(hosts.modes)
        self.cluster, self.hosts, self.mode = cluster, hosts, hosts.modes[nth] or cluster.mode
        self.port, self.sport = self.listens + PORTS_APART * nth, 0
        self.name = f"{type(self).__name__.lower()}{number} ({self.mode})"
        self.clock, self.latencies, self.received, self.failure = Clock(), [], 0, None
        self.sent_at = {}

    def fail(self, why):
        self.failure = self.failure or why

    async def run(self, stop):
        try:
            await self.talk(stop)
        except (OSError, websockets.WebSocketException, AssertionError, asyncio.IncompleteReadError, ValueError) as error:
            self.fail(f"{type(error).__name__}: {error}")

    def connect(self):
        sock = tcp.connect(self.cluster.client, VIP4, self.port)
        self.sport = sock.getsockname()[1]
        sock.setblocking(False)
        return sock

    def note(self, number, expected, what):
        if number != expected:
            raise AssertionError(f"{what} {number} instead of {expected}")
        self.received += 1
        self.clock.progress()

    def echoed(self, number):
        self.latencies.append(time.monotonic() - self.sent_at.pop(number))


class Chat(Session):
    listens = CHAT

    async def talk(self, stop):
        async with websockets.connect("ws://www.example.org/", sock=self.connect(), ping_interval=None,
                                      compression=None) as socket:
            listener = asyncio.create_task(self.listen(socket))
            for number in itertools.count():
                if stop.is_set() or listener.done():
                    break
                self.sent_at[number] = time.monotonic()
                await socket.send(str(number))
                await asyncio.sleep(PACE_S)
            await self.settle(listener)

    async def settle(self, listener):
        """All that was sent must still come back."""
        end = time.monotonic() + 10
        while self.sent_at and not listener.done() and time.monotonic() < end:
            await asyncio.sleep(0.02)
        if not listener.done():
            listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listener
        assert not self.sent_at, f"{len(self.sent_at)} messages have not come back"

    async def listen(self, socket):
        expected = {"echo": 0, "news": 0}
        async for message in socket:
            what, number = message.split()
            self.note(int(number), expected[what], what)
            expected[what] += 1
            if what == "echo":
                self.echoed(int(number))
        raise AssertionError("the chat has ended")


class Sse(Session):
    listens = SSE

    async def talk(self, stop):
        reader, writer = await asyncio.open_connection(sock=self.connect())
        writer.write(SSE_GET)
        await reader.readuntil(b"\r\n\r\n")
        for expected in itertools.count():
            if stop.is_set():
                break
            event = await asyncio.wait_for(reader.readuntil(b"\n\n"), 30)
            number, data = event.split(b"\n")[:2]
            self.note(int(number[4:]), expected, "event")
            assert data == b"data: " + b"x" * (expected % 1000), f"event {expected} is damaged"
        writer.close()


class Ssh(Session):
    listens = SSH

    async def talk(self, stop):
        ssh = await asyncio.create_subprocess_exec("nsenter", f"--net={self.cluster.client.path}", *self.hosts.servers.ssh(VIP4, self.port),
                                                   "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.sport = await asyncio.to_thread(self.find_port, ssh.pid)
            listener = asyncio.create_task(self.listen(ssh.stdout))
            for number in itertools.count():
                if stop.is_set() or listener.done():
                    break
                self.sent_at[number] = time.monotonic()
                ssh.stdin.write(b"%d\n" % number)
                await ssh.stdin.drain()
                await asyncio.sleep(PACE_S)
            ssh.stdin.close()
            await asyncio.wait_for(listener, 30)
            assert not self.sent_at, f"{len(self.sent_at)} lines have not come back"
            assert await asyncio.wait_for(ssh.wait(), 10) == 0, f"ssh ended with {ssh.returncode}"
        finally:
            if ssh.returncode is None:
                ssh.kill()

    def find_port(self, pid):
        """Of the program's own connection."""
        def found():
            out = self.cluster.client.run("ss", "-Htnp", f"dport = :{self.port}")
            return [line.split()[3].rsplit(":", 1)[1] for line in out.splitlines() if f"pid={pid}," in line]
        return int(tcp.wait_for(found, "ssh to connect")[0])

    async def listen(self, stdout):
        for expected in itertools.count():
            line = await stdout.readline()
            if not line:
                return
            self.note(int(line), expected, "line")
            self.echoed(expected)


async def restart_agents(cluster):
    for agent in cluster.agents:
        agent.kill9()
    await asyncio.sleep(SUPERVISOR_S)
    for agent in cluster.agents:
        await asyncio.to_thread(agent.start)
        await asyncio.to_thread(agent.wait_well)


async def kill_hosts(cluster, sessions, seconds, say):
    """Returns when there is no time for one more."""
    end = time.monotonic() + seconds
    for turn in itertools.count():
        begin = time.monotonic()
        if end - begin < PERIOD_S / 2:
            await asyncio.sleep(max(0, end - begin))
            return
        victim = sessions[turn * NEXT_VICTIM % len(sessions)]
        name = cluster.carriers([victim.sport], victim.port)[0]
        proxy = cluster.proxies[cluster.names.index(name)]
        say(f"{name} dies, which carries {victim.name}")
        await asyncio.to_thread(proxy.crash)
        await asyncio.sleep(DEAD_S)
        await asyncio.to_thread(proxy.boot)
        await asyncio.to_thread(cluster.wait_well)
        if cluster.agents:
            await restart_agents(cluster)
            say("the agents have died and are back")
        say(f"{name} is back; longest gap {max(s.clock.longest for s in sessions):.3f} s")
        await asyncio.sleep(max(0, begin + PERIOD_S - time.monotonic()))


def percentiles(sessions):
    echoes = sorted(latency for s in sessions for latency in s.latencies)
    if len(echoes) < 100:
        return "no echoes"
    cuts = statistics.quantiles(echoes, n=100)
    return f"echo p50 {cuts[49] * 1000:.2f} ms, p99 {cuts[98] * 1000:.2f} ms, worst {echoes[-1] * 1000:.0f} ms, {len(echoes)} of them"


def in_effect(cluster):
    """Whether each backend gets what its services ask for."""
    backends = [b for proxy in cluster.proxies for pool in proxy.status()["pools"] for b in pool["backends"]]
    return all(now["mode"] == asked for b in backends for asked, now in b["modes"].items() if asked != "auto")


def in_other_modes(cluster, sessions):
    """A line for each mode that has fewer connections than should be."""
    for mode, wanted in collections.Counter(s.mode for s in sessions if s.mode != "auto").items():
        made = sum(proxy.counters()[f"spliced_{mode}"] for proxy in cluster.proxies)
        if made < wanted:
            yield f"{made} connections were {mode}, and not {wanted}"


async def run(cluster, hosts, seconds, calm_s, say=print):
    """Return what went wrong, a line for each session."""
    stop = asyncio.Event()
    await asyncio.to_thread(tcp.wait_for, lambda: in_effect(cluster), "all modes to be had")
    sessions = [kind(cluster, hosts, n) for n in range(EACH) for kind in (Chat, Sse, Ssh)]
    tasks = [asyncio.create_task(s.run(stop)) for s in sessions]
    await asyncio.to_thread(tcp.wait_for, lambda: all(s.received > 10 or s.failure for s in sessions), "all sessions to talk", 30)
    others = list(in_other_modes(cluster, sessions))
    for s in sessions:
        s.clock.longest, s.latencies = 0.0, []
    await asyncio.sleep(calm_s)
    say(f"without faults: {percentiles(sessions)}, longest gap {max(s.clock.longest for s in sessions):.3f} s")
    for s in sessions:
        s.clock.longest, s.latencies = 0.0, []
    try:
        await kill_hosts(cluster, sessions, seconds, say)
    finally:
        stop.set()
        await asyncio.wait(tasks, timeout=60)
    say(f"with faults: {percentiles(sessions)}, longest gap {max(s.clock.longest for s in sessions):.3f} s, "
        f"{sum(s.received for s in sessions)} messages in {len(sessions)} sessions")
    return others + [f"{s.name}: {why}" for s in sessions for why in complaints(s)]


def complaints(session):
    if session.failure:
        yield session.failure
    if session.clock.longest > GAP_MAX_S:
        yield f"a gap of {session.clock.longest:.3f} s"
