# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Congestion is told by marks (RFC 3168) where client and backend both do so, and by loss where one does not.

    client --- router ---+--- proxy1..3 --- core --- backend1, with an agent
                         `------------------------------'      (front, see cluster.py)
"""
import contextlib

import pytest

import daemon
import tcp
from agent_lab import MIB, AgentLab, agent_lab
from conftest import Pairs
from kernel import ADOPT

pytestmark = pytest.mark.spliced
BYTES = 4 * MIB
HEAD = Pairs.HEADS["http"]
# Each 40th packet that may be marked is.
MARKS = """chain congest {
    type filter hook forward priority 0
    ip ecn { ect0, ect1 } numgen inc mod 40 == 20 ip ecn set ce counter
    ip6 ecn { ect0, ect1 } numgen inc mod 40 == 20 ip6 ecn set ce counter
}"""
# What arrives and might have been marked.
MAY_BE_MARKED = """counter seen { }
chain count {
    type filter hook input priority 0
    ip ecn != not-ect meta l4proto tcp counter name seen
    ip6 ecn != not-ect meta l4proto tcp counter name seen
}"""
MARKS_THE_HEAD = """chain congest {
    type filter hook forward priority 0
    tcp dport %d ip ecn ect0 limit rate 1/hour burst 1 packets ip ecn set ce counter
    tcp dport %d ip6 ecn ect0 limit rate 1/hour burst 1 packets ip6 ecn set ce counter
}""" % (daemon.RAW_HTTP, daemon.RAW_HTTP)


class EcnLab(AgentLab):
    @contextlib.contextmanager
    def backend_without(self):
        """And the proxies know it."""
        with self.backend1.sysctls(tcp_ecn=0):
            self.wait_ecn(False)
            yield
        self.wait_ecn(True)

    def wait_ecn(self, is_on):
        tcp.wait_for(lambda: all(member["adopts_ecn"] == is_on for proxy in self.cluster.proxies
                                 for member in proxy.members() if member["state"] == "agent"), "proxies to have heard it")

    def marks_lost(self):
        return sum(proxy.drops().get("ecn_mark", 0) for proxy in self.cluster.proxies)

    @contextlib.contextmanager
    def splices_one(self):
        """In the mode of this lab."""
        before = self.total("spliced_" + self.mode)
        yield
        assert self.total("spliced_" + self.mode) - before == 1


@pytest.fixture(scope="module", params=["whole", "split", ADOPT])
def lab(request, start_cluster):
    with agent_lab(start_cluster, request.param, lab=EcnLab) as lab:
        lab.mode = request.param
        yield lab


@pytest.fixture
def pair(lab, pairs_on):
    pairs = pairs_on(lab)

    def connect(*args, **options):
        with lab.splices_one():
            return pairs(*args, **options)
    return connect


def words(ns, sock):
    return tcp.info(ns, sock)["detail"].split()


def reductions(ns):
    return ns.counter("TcpExtTCPDeliveredCE")


def lost(ns, sock):
    """Segments that were repeated, but for those that the other end had already: a tail that was probed too early."""
    said = tcp.info(ns, sock)
    return int(said.get("retrans", "0/0").split("/")[1]) - int(said.get("dsack_dups", 0))


def told_by_marks(lab, sender, receiver, ns, other):
    """A transfer whose sender hears of marks, slows down, and loses nothing."""
    before, lost_before = reductions(ns), lost(ns, sender)
    tcp.transfer(sender, receiver, BYTES)
    assert reductions(ns) > before and "ecnseen" in words(other, receiver)
    assert "ssthresh" in tcp.info(ns, sender) and lost(ns, sender) <= lost_before


@pytest.mark.parametrize("where, kind", [("router", "http"), ("core", "tcp")], ids=["before", "behind"])
def test_marks_are_told_to_the_sender(lab, pair, family, where, kind):
    """Before the proxies or behind them, either way."""
    with lab.client.sysctls(tcp_ecn=1):
        client, server = pair(family, kind)
    assert "ecn" in words(lab.client, client) and "ecn" in words(lab.backend1, server)
    with lab.cluster.ns[where].nft(MARKS):
        told_by_marks(lab, client, server, lab.client, lab.backend1)
        if lab.mode == "whole" or where == "router":
            told_by_marks(lab, server, client, lab.backend1, lab.client)
    assert lab.marks_lost() == 0


def test_client_without_is_never_marked(lab, pair, family):
    """Its backend would do it."""
    client, server = pair(family, "http")
    assert "ecn" not in words(lab.client, client) and "ecn" not in words(lab.backend1, server)
    with lab.cluster.router.nft(MARKS), lab.cluster.core.nft(MARKS), lab.client.nft(MAY_BE_MARKED):
        tcp.transfer(client, server, MIB)
        tcp.transfer(server, client, MIB)
        assert seen(lab.client) == 0


def seen(ns):
    return int(ns.run("nft", "list counter inet test seen").split("packets ")[1].split()[0])


def test_backend_without_sees_loss_in_the_place_of_marks(lab, pair, family, kind):
    with lab.client.sysctls(tcp_ecn=1), lab.backend_without():
        client, server = pair(family, kind)
    assert "ecn" in words(lab.client, client) and "ecn" not in words(lab.backend1, server)
    before, lost_before = lab.marks_lost(), lost(lab.client, client)
    with lab.backend1.nft(MAY_BE_MARKED), lab.cluster.core.nft(MARKS):
        tcp.transfer(client, server, BYTES)
        tcp.transfer(server, client, BYTES)
        assert lab.marks_lost() == before and lost(lab.client, client) <= lost_before
        with lab.cluster.router.nft(MARKS):
            tcp.transfer(client, server, BYTES)
        assert seen(lab.backend1) == 0
    assert lab.marks_lost() > before and lost(lab.client, client) > lost_before


def test_mark_on_the_head_is_told(lab, pair, family):
    """Before there is a splice."""
    with lab.client.sysctls(tcp_ecn=1), lab.cluster.router.nft(MARKS_THE_HEAD):
        before = reductions(lab.client)
        client, server = pair(family, "http")
        server.sendall(b"x")
        assert tcp.read(client, 1) == b"x"
        assert "ecnseen" in words(lab.backend1, server)
        tcp.wait_for(lambda: reductions(lab.client) > before, "the client to hear of the mark")


def test_head_in_pieces(lab, family, pairs_on):
    """Part of it is acknowledged: its splice is whole."""
    pairs = pairs_on(lab)
    listener = pairs.listener("http")
    with lab.client.sysctls(tcp_ecn=1), tcp.connect(lab.client, family.vip, daemon.RAW_HTTP) as client:
        client.sendall(HEAD[:20])
        tcp.wait_for(lambda: not tcp.unsent(client), "the first piece to be acknowledged")
        client.sendall(HEAD[20:])
        with tcp.accept(listener) as server:
            assert tcp.read(server, len(HEAD)) == HEAD
            assert "ecn" in words(lab.client, client) and "ecn" in words(lab.backend1, server)
            with lab.cluster.router.nft(MARKS):
                told_by_marks(lab, client, server, lab.client, lab.backend1)
