# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Split and adopted connections in all phases when a proxy's host dies, when agents die, and when there is no store.

    client --- router ---+--- proxy1..3 --- core --- backend1, with an agent
                         `------------------------------'      (front, see cluster.py; BIRD and BFD find the way)
"""
import contextlib
import threading
import time

import pytest

import tcp
from agent_lab import MIB, AgentLab, agent_lab
from conftest import Pairs, Way
from kernel import ADOPT

pytestmark = [pytest.mark.spliced, pytest.mark.slow]
MODES = {"tcp": "whole", "http": "split", "tls": "adopt"}
KINDS = {mode: kind for kind, mode in MODES.items()}
BULK, TICKS = (128 << 10, 0.005), (100, 0.01)       # bytes of a piece, and seconds until the next one
CALM_S, FOR_A_WHILE_S, AFTER_S = 0.3, 1.0, 0.7
REPEATS_S, LATE_S = (0.2, 0.6, 1.4), 0.5        # when TCP repeats what was lost, and how late we may see it


class Faults(AgentLab):
    def sports(self, proxy, kind, family, count):
        """Source ports whose packets this proxy gets."""
        self.next_sport += 100
        batch = range(self.next_sport, self.next_sport + 100)
        names = self.cluster.carriers(batch, Pairs.PORTS[kind], family.version)
        return [sport for sport, name in zip(batch, names) if name == proxy.name][:count]

    next_sport = 20000

    @contextlib.contextmanager
    def host_dies(self, proxy):
        """Yields at once, and leaves it dead until the end."""
        proxy.unplug()
        try:
            yield
        finally:
            proxy.crash()
            proxy.boot()
            self.cluster.heal()

    def routes_lead_past(self, proxy, begun):
        """Waits for that, and returns how long it took."""
        others = {name for name in self.cluster.names if name != proxy.name}
        tcp.wait_for(lambda: self.cluster.way.announced("router", 2) == others, "the router to know", every=0.01)
        return time.monotonic() - begun


@pytest.fixture(scope="module")
def lab(start_cluster):
    with agent_lab(start_cluster, MODES, way="bird", lab=Faults) as lab:
        yield lab


@pytest.fixture
def pair(lab, pairs_on):
    return pairs_on(lab)


class Stream:
    """Pieces at a pace until stop(); every byte is compared. `gap_s` is the longest time in which nothing came."""

    def __init__(self, sender, receiver, piece, pace_s):
        self.sender, self.receiver, self.piece, self.pace_s = sender, receiver, piece, pace_s
        self.sent, self.got, self.gap_s, self.errors, self.is_ending = 0, 0, 0, [], threading.Event()
        self.threads = [threading.Thread(target=self.guard, args=(body,), daemon=True) for body in (self.send, self.read)]
        for thread in self.threads:
            thread.start()

    def guard(self, body):
        try:
            body()
        except (OSError, AssertionError) as error:
            self.errors.append(error)

    def send(self):
        while not self.is_ending.wait(self.pace_s):
            at = self.sent % len(tcp.PATTERN)
            self.sender.sendall(tcp.PATTERN2[at:at + self.piece])
            self.sent += self.piece
        self.sender.shutdown(tcp.socket.SHUT_WR)

    def read(self):
        buf, last = bytearray(MIB), time.monotonic()
        while n := self.receiver.recv_into(buf, 0):
            now = time.monotonic()
            self.gap_s, last = max(self.gap_s, now - last), now
            at = self.got % len(tcp.PATTERN)
            assert buf[:n] == tcp.PATTERN2[at:at + n], f"byte {self.got} or one of the next {n} differs"
            self.got += n

    def stop(self):
        self.is_ending.set()
        for thread in self.threads:
            thread.join(tcp.TIMEOUT + 5)
        assert not self.errors, self.errors
        assert self.got == self.sent > 0
        return self.gap_s


class Four:
    """Connections of one mode and family: a download, an upload, short messages that come one after the other, and an idle one."""

    def __init__(self, pair, family, how, sports=(0,) * 4):
        self.down, self.up, self.ticks, self.idle = self.all = [pair(family, KINDS[how], sport=sport) for sport in sports]
        for client, server in self.all:
            tcp.transfer(server, client, MIB)
        self.before = {name: on_the_way(*getattr(self, name)) for name in ("ticks", "idle")}
        self.streams = [Stream(*reversed(self.down), *BULK), Stream(*self.up, *BULK), Stream(*reversed(self.ticks), *TICKS)]

    def stop(self):
        """The longest gaps of the three, in s."""
        return [round(stream.stop(), 3) for stream in self.streams]

    def lost(self, name):
        """Segments of a connection that was sent and never came: those of answers, and those of requests and acknowledgements."""
        return [now - before for now, before in zip(on_the_way(*getattr(self, name)), self.before[name])]


def on_the_way(client, server):
    """tcp.on_the_way(), once both ends are silent."""
    def settled():
        before = tcp.on_the_way(server, client)
        time.sleep(0.1)
        return before if tcp.on_the_way(server, client) == before else None
    return tcp.wait_for(settled, "both ends to be silent")


def says(one, other, data=b"hello again"):
    """How long that takes, in s."""
    begun = time.monotonic()
    one.sendall(data)
    assert tcp.read(other, len(data)) == data
    return round(time.monotonic() - begun, 4)


def versions(how):
    """Whole is the control."""
    return (4,) if how == "whole" else (4, 6)


def fours(lab, pair, how, victim=None):
    pair.listener(KINDS[how])
    sports = {v: lab.sports(victim, KINDS[how], Way(v, "snat"), 4) if victim else (0,) * 4 for v in versions(how)}
    before = lab.total(f"spliced_{how}")
    found = [Four(pair, Way(v, "snat"), how, sports[v]) for v in versions(how)]
    assert lab.total(f"spliced_{how}") == before + 4 * len(found)
    time.sleep(CALM_S)
    return found


@pytest.mark.parametrize("how", KINDS)
def test_a_proxys_host_dies(lab, pair, how):
    """Whatever it carried were requests and acknowledgements: no answer is lost, and the server repeats for an acknowledgement at most."""
    victim = lab.cluster.proxies[1]
    connections, begun = fours(lab, pair, how, victim), time.monotonic()
    with lab.host_dies(victim):
        told_s = [says(*reversed(four.idle)) for four in connections]
        outage_s = lab.routes_lead_past(victim, begun)
        asked_s = [says(*four.idle) for four in connections]
        time.sleep(AFTER_S)
        gaps = [four.stop() for four in connections]
        lost = [four.lost(name)[0] for four in connections for name in ("ticks", "idle")]
    print(f"{how}: {outage_s:.3f} s without a way; longest gaps down, up, of messages {gaps}; idle ones hear after {told_s} and are heard"
          f" after {asked_s}; {lost} segments of answers lost")
    if how == "whole":
        assert min(lost) > 0
    else:
        assert set(lost) == {0}
    repeated_s = next(at for at in REPEATS_S if at >= outage_s)
    assert max(max(gap) for gap in gaps) < repeated_s + LATE_S and max(told_s + asked_s) < repeated_s + LATE_S


def kill_agent(lab):
    lab.agent.kill9()


def start_agent(lab):
    lab.agent.start()
    lab.agent.wait_well()


def lose_stores(lab):
    for store in lab.cluster.stores:
        store.unplug()


def find_stores(lab):
    lab.cluster.heal()


@pytest.mark.parametrize("strike, heal", [(kill_agent, start_agent), (lose_stores, find_stores)], ids=["agent_killed", "stores_gone"])
@pytest.mark.parametrize("how", ["split", ADOPT])
def test_what_is_there_needs_no_daemon_and_no_store(lab, pair, how, strike, heal):
    """Nothing is lost, neither way; what begins meanwhile goes on afterwards."""
    connections = fours(lab, pair, how)
    strike(lab)
    try:
        time.sleep(FOR_A_WHILE_S)
        before = lab.total(f"spliced_{how}")
        others = [pair(Way(v, "snat"), KINDS[how]) for v in versions(how)]
        for client, server in others:
            tcp.transfer(server, client, MIB)
        if strike is kill_agent:
            assert lab.total(f"spliced_{how}") == before
    finally:
        heal(lab)
    time.sleep(AFTER_S)
    gaps = [four.stop() for four in connections]
    assert [four.lost("ticks") for four in connections] == [[0, 0]] * len(connections)
    assert max(max(gap) for gap in gaps) < tcp.bound(LATE_S), gaps
    for client, server in [four.idle for four in connections] + others:
        tcp.transfer(client, server, MIB)
        tcp.transfer(server, client, MIB)
    tcp.wait_for(lambda: grows(lab, pair, how), "new ones to go by the agent again")


def grows(lab, pair, how):
    before = lab.total(f"spliced_{how}")
    pair(Way(4, "snat"), KINDS[how])
    return lab.total(f"spliced_{how}") > before
