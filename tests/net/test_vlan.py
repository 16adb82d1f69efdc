# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A VLAN is an interface of its own: tagged frames are none of the interface that they come in by, and no tag travels on."""
import contextlib
import itertools
import pathlib
import struct
import tempfile
import types

import pytest

import daemon
import kernel
import rawtcp
import tcp
from agents import Agents
from capture import Capture
from conftest import USUAL_PATIENCE, Rig, is_live, ways
from daemon import RAW_HTTP
from rawtcp import ACK, PSH
from tcp import MIB, accept, read, transfer, wait_for
from topo import Net

pytestmark = [pytest.mark.spliced, pytest.mark.whole("the interfaces are a proxy's")]
VLAN, PRIORITY = 0x8100, 0x6000
SERVICE_TAG = 0x88a8
REQUEST = b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n"
sports = itertools.count(16000)


class Neighbour(rawtcp.Raw):
    """A client on the cable between router and proxy, which may tag its frames."""

    def __init__(self, raw, way):
        router = raw.net.router
        client = types.SimpleNamespace(links={"proxy": router.links["proxy"]}, run=router.run, inside=router.inside, name="router")
        super().__init__(types.SimpleNamespace(client=client, ns=raw.net.ns), way.vip, RAW_HTTP, next(sports))

    @contextlib.contextmanager
    def tagged(self, *tags):
        """(type, VLAN and priority), the outer one first"""
        plain = self.header
        self.header = self.macs + b"".join(struct.pack("!HH", *tag) for tag in tags) + plain[len(self.macs):]
        yield
        self.header = plain

    def request(self, listener):
        """Return the server's end, which has read it."""
        self.handshake()
        self.send(ACK | PSH, REQUEST)
        self.seq += len(REQUEST)
        server = accept(listener)
        assert read(server, len(REQUEST)) == REQUEST
        return server


@contextlib.contextmanager
def no_tag_at(host):
    seen = Capture(host, "vlan")
    yield
    assert not seen.count(), "a tag has travelled on"


def drops(raw, name):
    return raw.spliced.drops()[name]


TAGS = {"vlan": [(VLAN, 100)], "with-priority": [(VLAN, PRIORITY | 100)], "service": [(SERVICE_TAG, 100)],
        "in-another": [(SERVICE_TAG, 200), (VLAN, 100)], "vlan-0-outside": [(SERVICE_TAG, 0), (VLAN, 100)]}


@pytest.mark.parametrize("tags", TAGS)
def test_tagged_syn_is_left_to_the_stack(raw, family, tags):
    before = drops(raw, "syn_answered"), drops(raw, "vlan_tag")
    with Neighbour(raw, family) as client:
        with client.tagged(*TAGS[tags]):
            client.send(rawtcp.SYN, options=client.OPTIONS, seq=client.isn)
        assert not client.receive(0.5)
    assert (drops(raw, "syn_answered"), drops(raw, "vlan_tag")) == (before[0], before[1] + 1)


def test_tagged_segment_does_not_get_into_a_splice(raw, pair, family):
    with Neighbour(raw, family) as client, client.request(pair.listener("http")) as server:
        before = drops(raw, "vlan_tag")
        with no_tag_at(raw.net.core), client.tagged((VLAN, 100)):
            client.send(ACK | PSH, b"from another link")
            wait_for(lambda: drops(raw, "vlan_tag") == before + 1, "it to be counted")
        client.send(ACK | PSH, b"from the client's")
        assert read(server, 17) == b"from the client's"


def test_priority_alone_makes_no_vlan(raw, pair, family):
    """VLAN 0 (IEEE 802.1Q): some switches and cards tag all frames so. The tag stays on its link."""
    with Neighbour(raw, family) as client, no_tag_at(raw.net.core), client.tagged((VLAN, PRIORITY)):
        with client.request(pair.listener("http")) as server:
            client.send(ACK | PSH, b"more")
            client.seq += 4
            assert read(server, 4) == b"more"
            server.sendall(b"answer")
            server.shutdown(1)
            assert client.collect(lambda data: False)[0] == b"answer"


@contextlib.contextmanager
def vlans(net):
    """The proxy's two cables become VLANs, one in the other on the backends' side. Their interfaces' names have dots."""
    for k, (host, number) in enumerate((("router", 100), ("core", 200)), 111):
        for digit, ns, peer in ((1, net.ns[host], "proxy"), (2, net.proxy, host)):
            outer = f"{peer}.{number}"
            ns.ip(f"link add link {peer} name {outer} type vlan id {number}\nlink set {outer} up\n")
            name = outer
            if host == "core":
                name = f"{outer}.7"
                ns.ip(f"link add link {outer} name {name} type vlan id 7\nlink set {name} up\n")
            ns.ip(f"addr add 10.{k}.0.{digit}/24 dev {name}\naddr add fd00:{k}::{digit}/64 dev {name} nodad\n")
    net.router.ip("".join(f"route replace {to} via {'fd00:111::2' if ':' in to else '10.111.0.2'}\n"
                          for to in ("192.0.2.0/24", "2001:db8:10::/64")))
    net.core.ip("".join(f"route replace {to} via {'fd00:112::2' if ':' in to else '10.112.0.2'}\n"
                        for to in (*(f"{addr}" for addr in (daemon.SNAT[4], daemon.SNAT[6])), "10.1.0.0/24", "fd00:1::/64")))
    net.proxy.ip("route replace 10.1.0.0/24 via 10.111.0.1\nroute replace fd00:1::/64 via fd00:111::1\n")
    for name in ("backend1", "backend2"):
        k = net.ns[name].links["core"][0]
        net.proxy.ip(f"route replace 10.{k}.0.0/24 via 10.112.0.1\nroute replace fd00:{k}::/64 via fd00:112::1\n")
    yield ["router.100", "core.200.7"]


@pytest.fixture
def has_vlans(net):
    """Tags are known to every kernel, their interfaces are not."""
    try:
        net.core.ip("link add link proxy name try.1 type vlan id 1\nlink del try.1\n")
    except RuntimeError as error:
        pytest.skip(f"no interface of type vlan can be made: {error}")


@pytest.mark.parametrize("attach", ["tcx", "clsact"])
def test_vlan_interfaces_carry_splices(has_vlans, make_net, start_rig, pairs_on, monkeypatch, attach):
    if attach == "clsact":
        monkeypatch.setenv("SPLICED_ATTACH", "clsact")
    with make_net() as net, vlans(net) as interfaces:
        with start_rig(net, lambda net, work: {**daemon.raw_config(net, work), "interfaces": interfaces}) as rig:
            pair = pairs_on(rig)
            for way, kind in itertools.product(ways, ("tcp", "http")):
                client, server = pair(way, kind)
                transfer(client, server, 5 * MIB)
                transfer(server, client, 5 * MIB)
                row = rig.spliced.of(client)
                assert row["pkts_up"] and row["pkts_down"]
            assert not rig.spliced.drops()["vlan_tag"]


def lay_vlan(net, backend):
    """The cable of a backend's host becomes a VLAN, with the same addresses and routes. Return the host's interface."""
    for host, peer in ((backend, "core"), ("core", backend)):
        ns, name = net.ns[host], f"{peer}.300"
        routes = [line.split() for version in (4, 6)
                  for line in ns.run("ip", f"-{version}", "route", "show", "dev", peer).splitlines() if " via " in line]
        k, digit = ns.links[peer]
        ns.ip(f"link add link {peer} name {name} type vlan id 300\nlink set {name} up\n"
              f"addr flush dev {peer}\naddr add 10.{k}.0.{digit}/24 dev {name}\naddr add fd00:{k}::{digit}/64 dev {name} nodad\n"
              + "".join(f"route replace {to} via {hop} dev {name}\n" for to, _, hop, *_ in routes))
    return "core.300"


@pytest.fixture(params=["its-vlan", "below-its-vlan"])
def agent_rig(request, has_vlans):
    """Whose first backend's host has an agent, at an interface of type vlan or at the one below."""
    with contextlib.ExitStack() as stack:
        work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sp-net-")))
        net, build = Net(past=True), request.config.getoption("--build")
        stack.callback(net.close)
        agents = stack.enter_context(contextlib.closing(Agents(net, build, work)))
        conf = agents.configure(daemon.raw_config(net, work), "auto")
        interface = lay_vlan(net, "backend1")
        agents.conf["backend1"]["interfaces"] = [interface if request.param == "its-vlan" else "core"]
        spliced = daemon.Spliced(net, build, work, conf)
        stack.callback(spliced.close)
        rig = Rig(net, work, spliced, agents.agents)
        rig.is_at_vlan = request.param == "its-vlan"
        stack.enter_context(is_live(rig))
        spliced.start()
        agents.start(spliced)
        yield rig


def test_agent_of_a_vlan(agent_rig, pairs_on):
    """
    Its answers leave with the service's address. At the interface below, where they have a tag, they go by the proxy, and
    nothing is adopted: what the host should take over would come past the agent.
    """
    rig, pair = agent_rig, pairs_on(agent_rig)
    agent = rig.agents[0]
    assert ("core.300 is a VLAN of core" in agent.log.read_text()) == (kernel.can_adopt() and not rig.is_at_vlan)

    def pair_past(way, kind):
        """Where the processor is emulated, the agent may seem to be dead for a moment."""
        for _ in range(5 if tcp.patience > USUAL_PATIENCE else 1):
            before = rig.spliced.counters()["spliced_whole"]
            ends = pair(way, kind)
            if rig.spliced.counters()["spliced_whole"] == before:
                break
        return ends
    for way, kind in itertools.product(ways, ("tcp", "http")):
        client, server = pair_past(way, kind)
        before = agent.counters()["spliced_bytes"]
        transfer(client, server, MIB)
        transfer(server, client, 5 * MIB)
        carried = agent.counters()["spliced_bytes"] - before
        assert carried >= 5 * MIB if rig.is_at_vlan else not carried
        assert rig.spliced.of(client)["bytes_down"] == 0 or not rig.is_at_vlan
    assert (agent.drops()["vlan_tag"] > 0) != rig.is_at_vlan
