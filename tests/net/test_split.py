# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The half from the backend is carried by an agent on the backend's host: answers never cross a proxy.

    client --- router ---+--- proxy1..3 --- core --- backend1, with an agent
                         `------------------------------'      (front, see cluster.py)
"""
import contextlib
import json
import time

import pytest

import daemon
import tcp
from addresses import CLIENT_NETS, addr
from agent_lab import BYTES, MIB, AgentLab, agent_lab, as_they_are, with_loss, without_superpackets
from conftest import Pairs
from test_heads import http_head

pytestmark = pytest.mark.spliced


class Split(AgentLab):
    def up_at(self, proxy, client):
        row = proxy.of(client)
        return row["bytes_up"] if row else 0

    def wire_bytes(self):
        """All that has passed the proxies' cables to the router and to the core."""
        links = [link for name in self.cluster.names for link in json.loads(self.cluster.ns[name].run("ip", "-j", "-s", "link"))]
        return sum(link["stats64"]["rx"]["bytes"] for link in links if link["ifname"] in ("front", "back"))


@pytest.fixture(scope="module")
def lab(start_cluster):
    with agent_lab(start_cluster, "split", ("snat", "client"), lab=Split) as lab:
        yield lab


@pytest.fixture
def pair(lab, pairs_on):
    return pairs_on(lab)


@pytest.mark.parametrize("how", [as_they_are, without_superpackets, with_loss], ids=lambda how: how.__name__)
@pytest.mark.limit(180)
def test_no_answer_crosses_a_proxy(lab, pair, way, kind, how):
    with how(lab):
        client, server = pair(way, kind)
        before = lab.wire_bytes()
        carried, down, _ = lab.download(client, server)
        wire = lab.wire_bytes() - before
        assert (down, carried >= BYTES) == (0, True)
        if how is not without_superpackets:     # an acknowledgement for each two segments is what they are then
            assert wire <= 0.03 * BYTES, wire / BYTES
        tcp.transfer(client, server, BYTES)
        assert lab.down_at_proxies(client) == 0


def test_what_is_no_splice_is_left_alone(lab, family):
    """A neighbour comes straight to the server: asked about once, and not again."""
    addr = lab.backend1.addr(family.version, "core")
    with tcp.listen(lab.backend1, daemon.RAW_TCP) as listener, tcp.connect(lab.cluster.core, addr, daemon.RAW_TCP) as client:
        with tcp.accept(listener) as server:
            before = lab.agent.counters()
            tcp.transfer(server, client, MIB)
            after = lab.agent.counters()
    assert after["agent_no_half"] - before["agent_no_half"] == 1
    assert after["spliced_bytes"] == before["spliced_bytes"]


def test_the_agent_is_killed_and_comes_back(lab, pair, way):
    """Of what is spliced, no packet is lost."""
    client, server = pair(way, "http")
    lab.download(client, server, MIB)
    tcp.transfer(server, client, BYTES, tcp.at_bytes({BYTES // 4: lab.agent.kill9, BYTES // 2: lab.agent.start}))
    assert lab.down_at_proxies(client) == 0
    lab.agent.wait_well()
    assert lab.download(client, server)[1] == 0


def test_without_a_daemon_new_connections_go_whole(lab, pair, way):
    lab.agent.kill9()
    try:
        time.sleep(2)       # its heartbeat is stale
        client, server = pair(way, "http")
        gap = tcp.transfer(server, client, BYTES)
        assert gap < tcp.bound(0.15) and lab.down_at_proxies(client) >= 0.99 * BYTES     # a few are relayed by daemons
    finally:
        lab.agent.start()
        lab.agent.wait_well()


def test_a_transfer_under_way_is_taken_over(lab, pair, way):
    """Its superpackets are too long to wait for the store: they pass."""
    client, server = pair(way, "http")
    lab.agent.end(daemon.signal.SIGTERM)
    lab.agent.unload()
    tcp.transfer(server, client, BYTES)
    lab.agent.start()
    lab.agent.wait_well()
    _, _, gap = lab.download(client, server)
    carried, down, _ = lab.download(client, server)
    assert carried >= BYTES and down == 0 and gap < tcp.bound(0.15), (carried, down, gap)
    assert lab.agent.counters()["stray_kept"] < 8       # what is shorter, before the store has answered


def owed(lab):
    return [lab.total(name) for name in ("fell_back_head_acked", "owed_lost")]


def test_a_head_that_was_acknowledged_goes_whole(lab, pair, family):
    """Who owes it must hear of it. The server answers before it has read all of it, and nothing is repeated in vain."""
    listener, data = pair.listener("http"), http_head(60 * 1024)
    (fell_back, lost), split = owed(lab), lab.agent.counters()["spliced_pkts"]
    with tcp.connect(lab.client, family.vip, daemon.RAW_HTTP) as client:
        client.sendall(data[:-10])
        tcp.wait_for(lambda: tcp.acknowledged(client), "a head to be acknowledged")
        client.sendall(data[-10:])
        with tcp.accept(listener) as server:
            tcp.transfer(server, client, MIB)
            assert tcp.read(server, len(data)) == data
            tcp.wait_for(lambda: not any(proxy.status()["pending"] for proxy in lab.cluster.proxies), "the head to be delivered", 5)
            tcp.transfer(client, server, MIB)
    assert owed(lab) == [fell_back + 1, lost] and lab.agent.counters()["spliced_pkts"] == split


def test_a_frozen_daemon_costs_one_retransmission(lab, pair, way):
    lab.agent.signal(daemon.signal.SIGSTOP)
    try:
        with lab.introductions_lost():
            client, server = pair(way, "http")
            gap = tcp.transfer(server, client, BYTES)
        assert gap < tcp.bound(0.6) and lab.down_at_proxies(client) >= 0.99 * BYTES
    finally:
        lab.agent.signal(daemon.signal.SIGCONT)
    lab.agent.wait_well()


def test_without_a_store_new_ones_go_whole_and_others_as_they_went(lab, pair, way):
    client, server = pair(way, "http")
    assert lab.download(client, server, MIB)[1] == 0
    for store in lab.cluster.stores:
        store.freeze()
    try:
        assert lab.download(client, server)[1] == 0
        with lab.introductions_lost():
            other, its_server = pair(way, "http")
            carried, _, gap = lab.download(other, its_server)
        # past other proxies the answer of a backend that sees clients is handed on by daemons, which ask the store first
        assert gap < tcp.bound(0.5 if way.source == "snat" else 2) and carried == 0, (gap, carried)
    finally:
        lab.cluster.heal()
    tcp.wait_for(lambda: lab.is_past(pair, way), "the agent to ask again")


def states(lab, client):
    """What all who have it say of a connection."""
    return [row["state"] for row in (host.of(client) for host in (lab.agent, *lab.cluster.proxies)) if row]


@pytest.mark.parametrize("first", ["client", "server"])
def test_both_sides_hear_of_ends(lab, pair, way, first):
    """One FIN passes a proxy and the other one the agent: it is closed at both, and the store forgets it in the end."""
    ends = dict(zip(("client", "server"), pair(way, "http")))
    lab.download(ends["client"], ends["server"], MIB)
    one, other = (ends[first], ends["server" if first == "client" else "client"])
    one.shutdown(tcp.socket.SHUT_WR)
    assert tcp.read_to_end(other) == b""
    other.shutdown(tcp.socket.SHUT_WR)
    assert tcp.read_to_end(one) == b""
    tcp.wait_for(lambda: len(states(lab, ends["client"])) >= 2 and set(states(lab, ends["client"])) == {"closed"},
                 "agent and proxies to know that it is closed", 10)


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_reset_arrives_and_closes(lab, pair, way, who):
    client, server = pair(way, "http")
    lab.download(client, server, MIB)
    me = daemon.endpoint(*client.getsockname()[:2])
    tcp.reset(client if who == "client" else server)
    with pytest.raises(ConnectionResetError):
        (server if who == "client" else client).recv(1)
    # whoever has not seen it hears of it when it is removed there: what was reset is in nobody's way
    seen_by = lab.cluster.proxies if who == "client" else [lab.agent]
    tcp.wait_for(lambda: any(row["state"] == "closed" for host in seen_by for row in host.connections(me)), "it to be seen")


@contextlib.contextmanager
def narrow_at_the_router(lab):
    """As a narrow link behind it: neither end sees it."""
    with narrow(lab.cluster.router, lambda version: f"{CLIENT_NETS[version == 6]} dev client" + " metric 256" * (version == 6)):
        yield


@contextlib.contextmanager
def narrow_at_the_host(lab):
    """The way to the client is narrower than that to the proxies, which is the one that the server's TCP knows."""
    with narrow(lab.backend1, lambda version: f"{CLIENT_NETS[version == 6]} via {addr(2, 1, version)} dev front table 200"):
        yield


@contextlib.contextmanager
def narrow(ns, route):
    for version in (4, 6):
        ns.ip(f"route replace {route(version)} mtu lock 1300\n")
    try:
        yield
    finally:
        for version in (4, 6):
            ns.ip(f"route replace {route(version)}\n")


def forget_mtu(ns):
    for family in ("-4", "-6"):
        ns.run("ip", family, "route", "flush", "cache")


@pytest.mark.parametrize("where", [narrow_at_the_router, narrow_at_the_host], ids=lambda where: where.__name__)
def test_the_server_learns_the_path_mtu(lab, pair, way, where):
    """At the router: its ICMP error goes to the service's address, so to a proxy, which translates it for the server."""
    try:
        with where(lab):
            client, server = pair(way, "http")
            carried, down, _ = lab.download(client, server)
            assert down == 0 and carried >= BYTES
            assert tcp.info(lab.backend1, server)["pmtu"] == "1300"
    finally:
        forget_mtu(lab.backend1)


@pytest.mark.limit(120)
def test_a_proxys_host_dies_during_a_download(lab, pair, family):
    """All that is lost are acknowledgements, until the router knows."""
    cluster = lab.cluster
    client, server = pair(family, "http")
    lab.download(client, server, MIB)
    proxy, = [proxy for proxy in cluster.proxies if lab.up_at(proxy, client)]

    def die():
        proxy.crash()
        cluster.way.announce([other for other in cluster.names if other != proxy.name])
    try:
        gap = tcp.transfer(server, client, 4 * BYTES, tcp.at_bytes({BYTES // 2: die}))
        assert gap < tcp.bound(1.4), gap
        tcp.transfer(client, server, MIB)
    finally:
        proxy.boot()
        cluster.way.announce(cluster.names)
        cluster.heal()
        lab.agent.wait_well()


@pytest.fixture(scope="module")
def few_ports(start_cluster):
    with agent_lab(start_cluster, "split", proxies=1, limits={"closed": "1s"}, agent={"limits": {"closed": "30s"}}) as lab:
        lab.have_ports("20000-20015")
        yield lab


def test_a_backends_tuple_that_comes_again_is_a_new_connection(few_ports, family):
    """The agent still has the half of the one before, to another client's port."""
    lab = few_ports
    with tcp.listen(lab.backend1, daemon.RAW_HTTP) as listener:
        for n in range(48):
            if n % 12 == 0:
                tcp.wait_for(lambda: lab.cluster.proxies[0].status()["splices"] <= 2, "ports to come back", 20)
            with tcp.connect(lab.client, family.vip, daemon.RAW_HTTP) as client:
                client.sendall(Pairs.HEADS["http"])
                with tcp.accept(listener) as server:
                    tcp.read(server, len(Pairs.HEADS["http"]))
                    carried, down, _ = lab.download(client, server, 64 << 10)
                    assert (down, carried >= 64 << 10) == (0, True), n
    assert lab.agent.status()["splices"] <= 32       # one of each family for each port
