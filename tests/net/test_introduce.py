# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Proxies introduce splices to the agent of the backend's host before they forward: then nothing is asked. See test_split.py."""
import itertools

import pytest

import daemon
import tcp
from agent_lab import BYTES, MIB, AgentLab, agent_lab
from conftest import USUAL_PATIENCE, Pairs

pytestmark = pytest.mark.spliced
SHORT = 200
ANSWER = 20000


class Introduced(AgentLab):
    sports = itertools.count(20000)     # no port comes again: what the agent lists are then all that it has

    def at_agent(self):
        """(introduced, asked)"""
        counters = self.agent.counters()
        return counters["agent_introduced"], counters["agent_asked"]

    def past(self):
        """Connections whose answers should pass by the proxies."""
        return self.total("spliced_split") + self.total("spliced_adopt")

    def introduced(self):
        """By proxies: splices, however often each was told."""
        return self.total("introductions_sent") - self.total("introduced_again")

    def refused(self):
        return {name: n for name, n in self.agent.drops().items() if name.startswith("intro_") and n}


@pytest.fixture(scope="module")
def lab(start_cluster):
    with agent_lab(start_cluster, "auto", ("snat", "client"), lab=Introduced) as lab:
        yield lab


@pytest.fixture
def pair(lab, pairs_on):
    return pairs_on(lab)


def short_ones(lab, way, count):
    """
    One after the other: head, answer, end. Return (connections past the proxies, introduced, asked, bytes that proxies
    have carried down). All are past them, but where the processor is emulated: there an agent may seem to be dead for a
    moment, and an answer of the store take longer than the first bytes wait for it.
    """
    before, past, down = lab.at_agent(), lab.past(), 0
    with tcp.listen(lab.backend1, daemon.RAW_HTTP) as listener:
        for _ in range(count):
            with tcp.connect(lab.client, way.vip, daemon.RAW_HTTP, sport=next(lab.sports)) as client:
                client.sendall(Pairs.HEADS["http"])
                with tcp.accept(listener) as server:
                    tcp.read(server, len(Pairs.HEADS["http"]))
                    tcp.transfer(server, client, ANSWER)
                    down += lab.down_at_proxies(client)
    past, is_emulated = lab.past() - past, tcp.patience > USUAL_PATIENCE
    assert past >= count // 2 if is_emulated else past == count
    return (past, *(after - n for after, n in zip(lab.at_agent(), before)), 0 if is_emulated else down)


def test_nothing_is_asked(lab, way):
    past, introduced, asked, down = short_ones(lab, way, SHORT)
    assert (introduced, down) == (past, 0) and asked <= SHORT // 50 + SHORT - past, (past, introduced, asked, down, lab.refused())


def test_what_is_lost_is_asked_for(lab, way):
    with lab.introductions_lost():
        past, introduced, asked, down = short_ones(lab, way, 20)
    lab.agent.wait_well()
    assert (introduced, asked, down) == (0, past, 0)


def test_introduced_splices_are_counted_age_and_end(lab, pair, way):
    """As those that were fetched: closed at both sides, gone from the agent, and its count is right."""
    tcp.wait_for(lambda: lab.agent.status()["splices"] == len(lab.agent.connections()), "count and table to agree")
    client, server = pair(way, "http")
    lab.download(client, server, MIB)
    row = lab.agent.of(client)
    assert row["state"] == "open" and row["bytes_down"] >= MIB
    tcp.wait_for(lambda: lab.agent.status()["connections_survivable"] >= 1, "the agent to know that the store has it", 10)
    client.shutdown(tcp.socket.SHUT_WR)
    server.shutdown(tcp.socket.SHUT_WR)
    assert tcp.read_to_end(client) == b""
    tcp.wait_for(lambda: lab.agent.of(client)["state"] == "closed", "the agent to hear that it is closed", 10)


def test_without_the_agents_daemon(lab, pair, way):
    """Killed, and not missed yet: what proxies introduce is carried all the same, and adopted by the next daemon."""
    pair.listener("http")       # of which the agent has to say so, where it adopts
    for _ in range(4):          # on a busy machine the agent is missed before they are made
        before, made = lab.at_agent()[0], lab.introduced()
        lab.agent.kill9()
        try:
            pairs = [pair(way, "http") for _ in range(5)]
            made = lab.introduced() - made
            gaps = [tcp.transfer(server, client, MIB) for client, server in pairs]
            down = [lab.down_at_proxies(client) for client, _ in pairs]
        finally:
            lab.agent.start()
            lab.agent.wait_well()
        if made == 5:
            break
    assert made == 5, "too slow for this test"
    assert down == [0] * 5 and max(gaps) < tcp.bound(0.15), (down, gaps)
    assert lab.at_agent()[0] - before == 5
    assert all(lab.agent.of(client)["state"] == "open" for client, _ in pairs)
    tcp.wait_for(lambda: lab.agent.status()["splices"] == len(lab.agent.connections()), "count and table to agree")
    client, server = pairs[0]
    assert lab.download(client, server)[1] == 0


def test_without_a_store(lab, pair, way):
    for store in lab.cluster.stores:
        store.freeze()
    try:
        client, server = pair(way, "http")
        carried, down, _ = lab.download(client, server)
        assert carried >= BYTES and down == 0     # what is repeated counts again
    finally:
        lab.cluster.heal()
    tcp.wait_for(lambda: lab.is_past(pair, way), "all to be well again")


def test_forged_ones_are_refused_by_name(lab):
    """By anybody who reaches the relay. A whole one of another cluster, and noise of the right length."""
    relay = lab.agent.conf["cluster"]["relay"].rsplit(":", 1)
    head = b"S" + bytes([2, 0, 0]) + b"R" + bytes([3, 4, 0])
    with lab.cluster.core.inside(), tcp.socket.socket(tcp.socket.AF_INET, tcp.socket.SOCK_DGRAM) as sock:
        for text in (head + bytes(144), head + bytes(143), head + bytes(145), head):
            sock.sendto(text, (relay[0], int(relay[1])))
    tcp.wait_for(lambda: lab.refused().get("intro_foreign", 0) + lab.refused().get("intro_forged", 0) == 1 and
                 lab.refused().get("intro_short", 0) == 3, "all four to be refused")
