# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Two proxies behind BIRD: who is announced, how soon no more, and what the connections through them notice."""
import select
import signal
import struct
import threading
import time

import pytest

import tcp
import ways
from conftest import Lab, Pairs, Way

pytestmark = pytest.mark.spliced
CONNECTIONS = 100
BOTH = ["proxy1", "proxy2"]


class Leaving(Lab):
    def __init__(self, cluster):
        super().__init__(cluster)
        self.way, self.leaver = cluster.way, cluster.proxies[0]

    def withdrawn_after(self, begun):
        """Seconds until neither router leads to the leaver."""
        self.way.wait_for(["proxy2"], 5)
        return time.monotonic() - begun

    def lost(self):
        """Segments that were repeated and hadn't been there: of a needless probe the receiver says so (DSACK)."""
        return sum(ns.counter("TcpRetransSegs") - ns.counter("TcpExtTCPDSACKRecv") for ns in (self.client, self.backend1))


@pytest.fixture(scope="module")
def lab(start_cluster):
    with start_cluster(proxies=2, way="bird") as cluster:
        yield Leaving(cluster)


@pytest.fixture
def streams(lab):
    with Pairs(lab) as pairs, Streams([pairs(Way(4, "snat"), "http") for _ in range(CONNECTIONS)]) as streams:
        yield streams


class Streams:
    """Numbers come down on each connection every 10 ms, and each is sent back; both ends compare."""

    def __init__(self, pairs):
        self.clients, self.servers = zip(*pairs)
        self.next = {sock: 0 for pair in pairs for sock in pair}
        self.last = {sock: time.monotonic() for sock in self.clients}
        self.worst, self.error, self.is_ending = 0, None, False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self.is_ending = True
        self.thread.join(10)

    def run(self):
        poll = select.poll()
        by_fd = {sock.fileno(): sock for sock in self.next}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        try:
            number = 0
            while not self.is_ending:
                for sock in self.servers:
                    sock.send(struct.pack("!Q", number))
                number += 1
                end = time.monotonic() + 0.01
                while (left := end - time.monotonic()) > 0:
                    for fd, _ in poll.poll(left * 1e3):
                        self.take(by_fd[fd])
        except Exception as e:
            self.error = e

    def take(self, sock):
        data = sock.recv(8 * 1024)
        assert data and len(data) % 8 == 0, f"{len(data)} bytes at {self.next[sock]}"
        for (number,) in struct.iter_unpack("!Q", data):
            assert number == self.next[sock], f"{number} instead of {self.next[sock]}"
            self.next[sock] += 1
        if sock in self.last:
            now = time.monotonic()
            self.worst = max(self.worst, now - self.last[sock])
            self.last[sock] = now
            sock.send(data)

    def settle(self, seconds=0.5):
        """Run on for a while; then all of them must have moved."""
        before = dict(self.next)
        time.sleep(seconds)
        assert not self.error, self.error
        stuck = sum(self.next[sock] == before[sock] for sock in self.next)
        assert not stuck, f"{stuck} of {len(self.next)} ends have got nothing in {seconds} s"
        return self.worst


@pytest.mark.parametrize("command", ["drain-self", "freeze"])
def test_leaving_and_joining_stalls_nothing(lab, streams, command):
    """A leaver serves whatever still comes: not one packet is lost. So does the datapath of a frozen daemon."""
    streams.settle()
    before, begun = lab.lost(), time.monotonic()
    lab.leaver.ctl("drain-self") if command == "drain-self" else lab.leaver.freeze()
    after = lab.withdrawn_after(begun)
    worst = streams.settle()
    lab.leaver.ctl("drain-self", "--undo") if command == "drain-self" else lab.leaver.thaw()
    lab.way.wait_for(BOTH, 5)
    worst = max(worst, streams.settle())
    lost = lab.lost() - before
    print(f"{command}: withdrawn after {after * 1e3:.0f} ms, longest gap {worst * 1e3:.0f} ms, {lost} segments lost")
    assert after < tcp.bound(0.7)
    assert worst < tcp.bound(0.4)
    if command == "drain-self":
        assert lost <= 0


def test_silent_host_is_left_out(lab, streams):
    """BFD 50 ms x 3: nobody tells the routers. What was under way is repeated, and carried by the other."""
    streams.settle()
    begun = time.monotonic()
    lab.leaver.unplug("front", "back")
    try:
        after = lab.withdrawn_after(begun)
        worst = streams.settle(1.5)
    finally:
        lab.leaver.plug()
    lab.way.wait_for(BOTH, 10)
    streams.settle()
    print(f"unplugged: withdrawn after {after * 1e3:.0f} ms, longest gap {worst * 1e3:.0f} ms")
    assert after < tcp.bound(0.3)
    assert worst < tcp.bound(1.4)


@pytest.mark.parametrize("side", ["router", "core"])
def test_router_loses_all_proxies_at_once(lab, streams, side):
    """Its BIRD was held up, so they have closed their sessions: until these are back the static routes must do."""
    streams.settle()
    bird = lab.way.processes[side]
    bird.send_signal(signal.SIGSTOP)
    try:
        streams.settle()
    finally:
        bird.send_signal(signal.SIGCONT)
    tcp.wait_for(lambda: not lab.way.announced(side, dict((name, k) for name, _, k in ways.SIDES)[side]), "all routes to go", 2)
    worst = streams.settle()
    lab.way.wait_for(BOTH, 10)
    worst = max(worst, streams.settle())
    print(f"BIRD of {side} held up: longest gap {worst * 1e3:.0f} ms")
    assert worst < tcp.bound(0.4)


def test_cold_proxy_joins_without_a_stall(lab, streams):
    """Its table is empty: each connection that comes to it is fetched, and its packet waits for that."""
    streams.settle()
    lab.leaver.crash()
    lab.way.wait_for(["proxy2"], 5)
    streams.settle(1.5)
    streams.worst, before = 0, lab.lost()
    lab.leaver.boot()
    lab.way.wait_for(BOTH, 10)
    worst = streams.settle()
    lost, fetched = lab.lost() - before, lab.leaver.counters()["fetched"]
    print(f"cold proxy: {fetched} fetched, longest gap {worst * 1e3:.0f} ms, {lost} segments lost")
    assert fetched > 10
    assert worst < tcp.bound(0.4)
    assert lost <= 0


def test_restarted_daemon_stays_announced(lab, streams):
    """Its datapath goes on: nothing would be won by moving everything away and back."""
    streams.settle()
    before = lab.lost()
    lab.leaver.kill9()
    worst = streams.settle()
    assert lab.way.announced("router", 2) == set(BOTH)
    lab.leaver.start()
    worst = max(worst, streams.settle(1.5))
    assert lab.way.announced("router", 2) == set(BOTH)
    assert lab.lost() <= before
    assert worst < tcp.bound(0.2)


def test_returning_proxy_is_announced_when_it_is_ready(lab):
    """BIRD alone announces nothing, and neither does a daemon that was told to leave."""
    lab.leaver.kill9()
    lab.way.wait_for(["proxy2"], 3)
    ready = lab.leaver.ctl_run("ready")
    assert ready.returncode == 3 and "no daemon reached" in ready.stderr
    lab.leaver.start()
    lab.leaver.ctl("drain-self")
    lab.leaver.reload()
    assert lab.leaver.ctl_run("ready").returncode == 1, "a reload has undone drain-self"
    time.sleep(0.6)
    assert lab.way.announced("router", 2) == {"proxy2"}
    lab.leaver.ctl("drain-self", "--undo")
    lab.way.wait_for(BOTH, 2)
    assert lab.leaver.ctl("ready") == "ready\n"


@pytest.mark.parametrize("part, key, value", [("store", "timeout", "200ms"), ("cluster", "name", "other")])
def test_reload_refuses_another_place_among_the_others(lab, part, key, value):
    """What is only read at the start is not taken for in force."""
    before = lab.leaver.conf
    said = lab.leaver.reload({**before, part: {**before[part], key: value}})
    assert "reload refused" in said and f"{part}" in said
    assert "done" in lab.leaver.reload(before)


def test_ready_answers_in_time_when_the_daemon_is_frozen(lab):
    lab.leaver.freeze()
    try:
        for _ in range(25):         # more than the socket has room for
            begun = time.monotonic()
            ready = lab.leaver.ctl_run("ready")
            took = time.monotonic() - begun
            assert ready.returncode == 4 and "may hang" in ready.stderr, ready
            assert took < tcp.bound(0.4), f"{took * 1e3:.0f} ms"
    finally:
        lab.leaver.thaw()
    lab.way.wait_for(BOTH, 5)
