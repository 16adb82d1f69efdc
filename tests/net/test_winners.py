# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A proxy has won the claim, and nothing more is heard of it: who goes on with its splice lacks nothing.

    client --- router ---+--- proxy1..3 --- core --- backend1, with an agent
                         `------------------------------'
"""
import pytest

import tcp
from agent_lab import INTRODUCTION, agent_lab
from conftest import Pairs
from kernel import needs_adopt
from stores import COUNT

pytestmark = pytest.mark.spliced
WINNER, OTHER = "proxy1", "proxy2"
MODES = {"http": "adopt", "tls": "split", "tcp": "whole"}
ANSWERS_LOST = "chain lose {\n type filter hook input priority 0\n tcp sport 6379 counter drop\n }"
SAYS_NOTHING = f"chain lose {{\n type filter hook output priority 0\n {INTRODUCTION} counter drop\n }}"
BYTES = 100000


@pytest.fixture(scope="module")
def lab(start_cluster):
    with agent_lab(start_cluster, MODES, store={"timeout": "1s", "store_loss": "refuse"}) as lab:
        yield lab


@pytest.fixture
def cluster(lab):
    return lab.cluster


@pytest.fixture
def pairs(lab, cluster, pairs_on):
    cluster.way.announce([WINNER])
    yield pairs_on(lab)
    cluster.heal()


@pytest.fixture
def connect(cluster, pairs, family):
    def connect(kind):
        pairs.listener(kind)
        return pairs.stack.enter_context(tcp.connect(cluster.client, family.vip, Pairs.PORTS[kind]))
    return connect


def claims(cluster):
    return sum(store.cli("EVAL", COUNT, "0", "f")[0] for store in cluster.stores)


def accepted(pairs, kind):
    server = pairs.stack.enter_context(tcp.accept(pairs.listener(kind)))
    assert tcp.read(server, len(Pairs.HEADS[kind])) == Pairs.HEADS[kind]
    return server


def both_ways(client, server):
    tcp.transfer(server, client, BYTES)
    tcp.transfer(client, server, BYTES)


@pytest.fixture
def untold(cluster):
    """The agent can neither ask the store, nor be told by the winner."""
    cluster.agents[0].unplug("stores")
    with cluster.ns[WINNER].nft(SAYS_NOTHING):
        yield cluster.agents[0]


@needs_adopt
def test_before_its_adopted_splice_was_introduced(cluster, untold, pairs, connect):
    client, spliced = connect("http"), cluster.proxies[0].counters()["spliced_adopt"]
    client.sendall(Pairs.HEADS["http"])
    tcp.wait_for(lambda: cluster.proxies[0].counters()["spliced_adopt"] > spliced, "a splice", 1)
    cluster.way.announce([OTHER])
    both_ways(client, accepted(pairs, "http"))


def test_before_its_split_splice_was_introduced(lab, cluster, untold, pairs, connect):
    client, introduced = connect("tls"), untold.counters()["agent_introduced"]
    client.sendall(Pairs.HEADS["tls"])
    server = accepted(pairs, "tls")
    tcp.transfer(server, client, BYTES)
    assert untold.counters()["agent_introduced"] == introduced
    cluster.way.announce([OTHER])
    tcp.transfer(client, server, BYTES)
    assert untold.counters()["agent_introduced"] == introduced + 1
    before = lab.down_at_proxies(client)
    tcp.transfer(server, client, BYTES)
    assert lab.down_at_proxies(client) == before


def test_its_agent_dies_before_the_commit(cluster, pairs, connect):
    """Chosen while it lived, introduced when it doesn't: its datapath is there."""
    winner, agent = cluster.proxies[0], cluster.agents[0]
    client = connect("http")
    for store in cluster.stores:
        store.freeze()
    client.sendall(Pairs.HEADS["http"])
    tcp.wait_for(lambda: winner.status()["pending"] > 0, "the claim")
    agent.kill9()
    tcp.wait_for(lambda: not agent.is_known_to(winner), "its death to be noticed")
    for store in cluster.stores:
        store.thaw()
    both_ways(client, accepted(pairs, "http"))


def test_it_hears_too_late_that_it_has_won(cluster, pairs, connect):
    """It gives up. Who does what the client repeats finds its splice in the store, and a backend that still waits. (Last, as adopt rests then.)"""
    winner = cluster.proxies[0]
    client, failed, before = connect("tls"), winner.counters()["commit_failed"], claims(cluster)
    with cluster.ns[WINNER].nft(ANSWERS_LOST):
        client.sendall(Pairs.HEADS["tls"])
        tcp.wait_for(lambda: winner.counters()["commit_failed"] > failed, "it to give up", 5)
        cluster.way.announce([OTHER])
        assert claims(cluster) == before + len(cluster.stores)
    both_ways(client, accepted(pairs, "tls"))
