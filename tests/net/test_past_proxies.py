# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Answers of split and adopted connections pass by the proxies: seen by captures at all their interfaces.

    client --- router ---+--- proxy1..3 --- core --- backend1, with an agent
                         `------------------------------'      (front, see cluster.py)
"""
import contextlib
import json

import pytest

import daemon
import tcp
from agent_lab import MIB, AgentLab
from capture import Capture, has_bytes_of, tcp_payload
from conftest import Pairs, Way
from kernel import ADOPT

pytestmark = pytest.mark.spliced
MODES = {"tcp": "whole", "http": "split", "tls": "adopt"}
KINDS = {mode: kind for kind, mode in MODES.items()}
GIB = 1 << 30
SHARE_MAX = 0.03
LARGE = "greater 200"       # than acknowledgements are, and what proxies tell each other of their lives


def services(net, source):
    """Who sees clients' own addresses adopts nothing."""
    return daemon.in_modes(MODES if source == "snat" else {**MODES, "tls": "split"})(net, source)


@pytest.fixture(scope="module")
def lab(start_cluster):
    with start_cluster(("snat", "client"), services=services, agents=["backend1"]) as cluster:
        cluster.start_agents()
        yield AgentLab(cluster)


@pytest.fixture
def pair(lab, pairs_on):
    return pairs_on(lab)


class AtProxies:
    """What their interfaces have seen since it began."""

    def __init__(self, lab, port, stack):
        self.lab = lab
        self.hosts = [proxy.host_ns for proxy in lab.cluster.proxies]
        self.payload = [self.capture(ns, tcp_payload(port), stack) for ns in self.hosts]
        self.large = [self.capture(ns, LARGE, stack) for ns in self.hosts]
        self.before = self.wire_bytes()

    def capture(self, ns, expression, stack):
        return stack.enter_context(contextlib.closing(Capture(ns, expression)))

    def wire_bytes(self):
        """All that has come to them, by whatever cable."""
        links = [link for ns in self.hosts for link in json.loads(ns.run("ip", "-j", "-s", "link"))]
        return sum(link["stats64"]["rx"]["bytes"] for link in links if link["ifname"] != "lo")

    def payload_pkts(self):
        return sum(capture.count() for capture in self.payload)

    def wrapped_up(self):
        """Bytes of an answer in a packet of any kind, as of what daemons hand on to each other."""
        return any(has_bytes_of(packet, bytes(tcp.PATTERN2)) for capture in self.large for packet in capture.packets())

    def bytes(self):
        return self.wire_bytes() - self.before


@contextlib.contextmanager
def watched(lab, pair, family, mode):
    """(client's end, server's end, what proxies see), of a new connection of that mode."""
    before, kind = lab.total(f"spliced_{mode}"), KINDS[mode]
    pair.listener(kind)
    with contextlib.ExitStack() as stack:
        seen = AtProxies(lab, Pairs.PORTS[kind], stack)
        client, server = pair(family, kind)
        yield client, server, seen
    assert lab.total(f"spliced_{mode}") == before + 1


@pytest.mark.parametrize("how", ["split", ADOPT])
def test_no_byte_of_a_1_gib_download(lab, pair, family, how):
    nothing_is_seen(lab, pair, family, how)


def test_nor_where_the_server_sees_its_clients(lab, pair, family):
    nothing_is_seen(lab, pair, Way(family.version, "client"), "split")


def nothing_is_seen(lab, pair, way, how):
    with watched(lab, pair, way, how) as (client, server, seen):
        tcp.transfer(server, client, GIB)
        assert seen.payload_pkts() == 0 and not seen.wrapped_up()
        assert 0 < seen.bytes() <= SHARE_MAX * GIB, seen.bytes() / GIB


def test_a_whole_download_is_seen(lab, pair, family):
    """By the same captures: so they would have seen the others."""
    with watched(lab, pair, family, "whole") as (client, server, seen):
        tcp.transfer(server, client, MIB)
        assert seen.payload_pkts() >= 2 * MIB / (64 << 10)      # in, and out again
        assert seen.wrapped_up() and seen.bytes() >= MIB
