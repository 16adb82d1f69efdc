# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One proxy, no store, mode adopt: all that the agent knows of a connection it was told by the proxy, when it was committed.

    client --- router --- proxy1 --- core --- backend1, with an agent
"""
import time

import pytest

import daemon
import tcp
from agent_lab import BYTES, INTRODUCTION, MIB, AgentLab, agent_lab
from conftest import Pairs, Way
from kernel import needs_adopt

pytestmark = [pytest.mark.spliced, needs_adopt]
LOSES_ONE = """chain lose {
    type filter hook forward priority 0
    %s quota until 200 bytes counter drop
}""" % INTRODUCTION


class Two(AgentLab):
    @property
    def proxy(self):
        return self.cluster.proxies[0]

    def in_effect(self, kind):
        """(mode, reason) at the backends of that service."""
        pool, = [pool for pool in self.proxy.status()["pools"] if pool["name"] == f"raw-{kind}-snat"]
        return {(b["modes"]["adopt"]["mode"], b["modes"]["adopt"]["reason"]) for b in pool["backends"]}

    def wait_for(self, kind, mode, reason=None):
        tcp.wait_for(lambda: self.in_effect(kind) == {(mode, reason)}, f"the proxy to know that {mode} is to be had ({reason})", 5)


@pytest.fixture(scope="module")
def lab(start_cluster):
    with agent_lab(start_cluster, "adopt", proxies=1, stores=0, lab=Two) as lab:
        yield lab


@pytest.fixture
def pair(lab, pairs_on, kind):
    """Not before the proxy has heard that somebody listens."""
    pairs = pairs_on(lab)
    pairs.listener(kind)
    lab.wait_for(kind, "adopt")
    return pairs


def test_nothing_is_asked(lab, pair, family, kind):
    with lab.made(adopt=1):
        client, server = pair(family, kind)
    tcp.transfer(server, client, BYTES)
    tcp.transfer(client, server, BYTES)
    assert lab.down_at_proxies(client) == 0 and lab.agent.counters()["agent_asked"] == 0


def test_a_lost_introduction_is_repeated(lab, pair, family, kind):
    before = lab.proxy.counters()["introduced_again"]
    with lab.cluster.core.nft(LOSES_ONE), lab.made(adopt=1):
        client, server = pair(family, kind)
    assert lab.proxy.counters()["introduced_again"] > before
    tcp.transfer(server, client, MIB)
    tcp.transfer(client, server, MIB)
    assert lab.down_at_proxies(client) == 0


def once(what):
    """In the middle of a transfer."""
    left = [what]
    return lambda got: left and got > BYTES // 4 and left.pop()()


def test_the_agent_is_killed_and_comes_back(lab, pair, family, kind):
    """In the middle of transfers, either way: nothing is lost. New ones go whole until it is back."""
    client, server = pair(family, kind)
    tcp.transfer(server, client, MIB)
    with tcp.nothing_lost(client, server):
        tcp.transfer(server, client, BYTES, once(lab.agent.kill9))
        tcp.transfer(client, server, BYTES)
        lab.wait_for(kind, "whole", "no_agent")
        with lab.made(whole=1):
            other = pair(family, kind)
        tcp.transfer(client, server, BYTES, once(lab.agent.start))
        tcp.transfer(server, client, BYTES)
    assert lab.down_at_proxies(client) == 0
    for one, its_server in ((client, server), other):
        tcp.transfer(its_server, one, MIB)
        tcp.transfer(one, its_server, MIB)
    lab.wait_for(kind, "adopt")
    with lab.made(adopt=1):
        pair(family, kind)


def test_an_agent_that_knows_nothing_any_more(lab, pair, family, kind):
    """As after an upgrade that changes what is pinned. There is nobody to ask: the proxy carries all from then on."""
    client, server = pair(family, kind)

    def goes_by_the_proxy():
        before = lab.down_at_proxies(client)
        tcp.transfer(server, client, MIB)
        return lab.down_at_proxies(client) - before >= MIB
    assert not goes_by_the_proxy()
    lab.agent.end(daemon.signal.SIGTERM)
    lab.agent.unload()
    try:
        tcp.wait_for(goes_by_the_proxy, "the last of its program to be gone")
    finally:
        lab.agent.start()
    tcp.transfer(client, server, MIB)
    assert goes_by_the_proxy()
    lab.wait_for(kind, "adopt")
    with lab.made(adopt=1):
        pair(family, kind)


def test_the_proxys_daemon_is_killed_and_comes_back(lab, pair, family, kind):
    client, server = pair(family, kind)
    tcp.transfer(server, client, MIB)
    with tcp.nothing_lost(client, server):
        lab.proxy.kill9()
        tcp.transfer(server, client, BYTES)
        tcp.transfer(client, server, BYTES)
        lab.proxy.start()
        tcp.transfer(server, client, MIB)
    assert lab.down_at_proxies(client) == 0
    lab.wait_for(kind, "adopt")
    with lab.made(adopt=1):
        pair(family, kind)


def test_both_sides_hear_of_ends(lab, pair, family, kind):
    ends = pair(family, kind)
    client = ends[0]
    for one, other in (ends, ends[::-1]):
        one.shutdown(tcp.socket.SHUT_WR)
        assert tcp.read_to_end(other) == b""
    tcp.wait_for(lambda: all(host.of(client)["state"] == "closed" for host in (lab.proxy, lab.agent)), "both to know that it is closed", 10)


SETTLED_S = 2.5     # a proxy's first two seconds are silent, then it says what is different once a second


def said(lab):
    return [line for line in lab.proxy.log.read_text().splitlines() if "service raw-http-snat: mode adopt" in line]


def test_the_server_ends_and_comes_back(lab):
    """What nobody takes over is not committed to be taken over."""
    with tcp.listen(lab.backend1, daemon.RAW_HTTP):
        lab.wait_for("http", "adopt")
        time.sleep(SETTLED_S)
        before = len(said(lab))
    lab.wait_for("http", "split", "no_listener")
    tcp.wait_for(lambda: "no_listener" in "".join(said(lab)[before:]), "the log to say so")
    with tcp.connect(lab.client, Way(4, "snat").vip, daemon.RAW_HTTP) as client:
        client.sendall(Pairs.HEADS["http"])
        assert b" 503 " in client.recv(100)
    with tcp.listen(lab.backend1, daemon.RAW_HTTP):
        lab.wait_for("http", "adopt")
        tcp.wait_for(lambda: "mode adopt at all" in said(lab)[-1], "the log to say so")
