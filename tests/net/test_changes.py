# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What changes around splices while they carry: interfaces, addresses, routes, MTUs, and what a reload takes away."""
import contextlib
import itertools
import signal
import time

import pytest

import rawtcp
from daemon import RAW_HTTP, RAW_TCP
from kernel import needs_tcx
from one_daemon import pins, raw, runs_again      # noqa: F401
from tcp import MIB, accept, at_bytes, connect, nothing_lost, open_socket, read, transfer, wait_for
from test_machine import warned, warnings

pytestmark = [pytest.mark.spliced, pytest.mark.whole("it is about one proxy and its interfaces")]


class Line:
    """One of the proxy's links, to be taken away and brought back as it was, under other indexes."""
    def __init__(self, net, name):
        self.net, self.name, self.peer = net, name, net.ns[name]
        self.k = net.proxy.links[name][0]
        # the two ends' addresses and routes, as they are now
        self.saved = {ns: (ns.run("ip", "-4", "route", "show"), ns.run("ip", "-6", "route", "show")) for ns in (net.proxy, self.peer)}

    def take_away(self):
        self.net.proxy.ip(f"link del {self.name}\n")

    def bring_back(self, mtu=1500):
        first, second = sorted((self.net.proxy, self.peer), key=lambda ns: ns.links["proxy" if ns is self.peer else self.name][1])
        ends = {self.net.proxy: self.name, self.peer: "proxy"}
        first.ip(f"link add {ends[first]} type veth peer name {ends[second]} netns {second.full}\n")
        for digit, ns in ((1, first), (2, second)):
            dev = ends[ns]
            ns.ip(f"link set {dev} mtu {mtu} up\naddr add 10.{self.k}.0.{digit}/24 dev {dev}\n"
                  f"addr add fd00:{self.k}::{digit}/64 dev {dev} nodad\n")
        for ns, (v4, v6) in self.saved.items():
            for version, lines in ((4, v4), (6, v6)):
                for line in lines.splitlines():
                    if f"dev {ends[ns]}" in line and " via " in line:
                        words = line.split()
                        ns.run("ip", f"-{version}", "route", "replace", words[0], "via", words[words.index("via") + 1], "dev", ends[ns])


@pytest.fixture
def lines(raw):
    return {name: Line(raw.net, name) for name in raw.net.interfaces}


SIZE = 40 * MIB
sports = itertools.count(15000)


def both_ways(client, server, events_down, events_up=None):
    """Every byte is compared, with what happens in between."""
    transfer(server, client, SIZE, at_bytes(events_down))
    transfer(client, server, SIZE, at_bytes(events_up or {}))


def ifindex(ns, name):
    return int(ns.run("ip", "-o", "link", "show", "dev", name).split(":")[0])


@needs_tcx
@pytest.mark.limit(90)
@pytest.mark.parametrize("which", ["router", "core"])
def test_interface_goes_and_comes_back(raw, pair, lines, way, which):
    """Under the same name and another index, in the middle of a transfer; nobody does anything for it."""
    line, before = lines[which], ifindex(raw.net.proxy, which)
    client, server = pair(way, "http")

    def change():
        line.take_away()
        time.sleep(0.3)
        line.bring_back()
    both_ways(client, server, {SIZE // 3: change}, {SIZE // 2: change})
    assert ifindex(raw.net.proxy, which) != before
    wait_for(lambda: not warnings(raw.spliced, "detached"), "to be attached again", 5)
    assert raw.spliced.ctl_run("ready").returncode == 0
    transfer(*pair(way), MIB)


@needs_tcx
@pytest.mark.parametrize("which", ["router", "core"])
def test_removed_interface_carries_what_is_spliced(raw, pair, way, which):
    """Nothing of it is lost; new connections are not answered there, and it is let go with the last of the old ones."""
    conf = {**raw.usual, "limits": {**raw.usual.get("limits", {}), "head_time": "1s", "connect_time": "1s", "closed": "2s"},
            "interfaces": [i for i in raw.usual["interfaces"] if i != which]}
    client, server = pair(way)
    with nothing_lost(client, server):
        both_ways(client, server, {SIZE // 2: lambda: raw.spliced.reload(conf)})
    assert warned(raw.spliced, "leaving")["object"] == which
    if which == "router":
        with open_socket(raw.client, way.vip, timeout=0.5) as late, pytest.raises(OSError):
            late.connect((way.vip, RAW_TCP))
    # it outlives the daemon's next start, too
    raw.spliced.end(signal.SIGTERM)
    raw.spliced.start()
    both_ways(client, server, {})
    assert any(f"link_{which}" in pin for pin in pins(raw))
    client.close()
    server.close()
    wait_for(lambda: not any(f"link_{which}" in pin for pin in pins(raw)), "the interface to be let go", 20)
    assert not warnings(raw.spliced, "leaving")
    raw.spliced.reload(raw.usual)
    transfer(*pair(way), MIB)


@needs_tcx
def test_removed_interface_that_comes_back_into_the_file(raw, pair, family):
    """It answers again, at once."""
    without = {**raw.usual, "interfaces": ["core"]}
    client, server = pair(family)
    for _ in range(2):
        raw.spliced.reload(without)
        assert warned(raw.spliced, "leaving")
        raw.spliced.reload(raw.usual)
        assert not warnings(raw.spliced, "leaving")
        transfer(*pair(family), MIB)
    transfer(client, server, MIB)


def test_heads_that_have_begun_outlive_their_service(raw, pair, way):
    """A reload without their service, in the middle of the head and behind the handshake; then nobody is answered."""
    conf = {**raw.usual, "services": [s for s in raw.usual["services"] if s["name"] != f"raw-http-{way.source}"]}
    listener, head = pair.listener("http"), pair.HEADS["http"]
    with connect(raw.client, way.vip, RAW_HTTP) as client:
        client.sendall(head[:20])
        wait_for(lambda: raw.spliced.status()["pending"], "its head to be held")
        raw.spliced.reload(conf)
        client.sendall(head[20:])
        with accept(listener) as server:
            assert read(server, len(head)) == head
            transfer(server, client, MIB)
            transfer(client, server, MIB)
    with open_socket(raw.client, way.vip, timeout=0.5) as late, pytest.raises(TimeoutError):
        late.connect((way.vip, RAW_HTTP))
    raw.net.proxy.ip(f"route add unreachable {way.vip} metric 10\n")
    try:        # as OPERATIONS.md has it; what else is served at this address is as before
        with open_socket(raw.client, way.vip) as late, pytest.raises(OSError, match="unreachable|No route"):
            late.connect((way.vip, RAW_HTTP))
        transfer(*pair(way), MIB)
    finally:
        raw.net.proxy.ip(f"route del unreachable {way.vip} metric 10\n")


@pytest.mark.parametrize("which", ["router", "core"])
def test_mtu_changes(raw, pair, way, which):
    """Down and up again, at both ends of a link: what is spliced goes on, and new clients are promised what fits."""
    peer, proxy = raw.net.ns[which], raw.net.proxy
    for ns in (raw.client, raw.backend1):       # what they have learned of the path before
        for version in ("-4", "-6"):
            ns.run("ip", version, "route", "flush", "cache")
    raw.spliced.hangup()
    client, server = pair(way, "http")

    def set_mtu(mtu):
        peer.ip(f"link set proxy mtu {mtu}\n")
        proxy.ip(f"link set {which} mtu {mtu}\n")

    def offered():
        with rawtcp.Raw(raw.net, way.vip, RAW_HTTP, next(sports)) as late:
            return int.from_bytes(late.handshake().options[2:4], "big")
    usual = offered()
    try:
        with raw.net.no_superpackets():
            both_ways(client, server, {SIZE // 3: lambda: set_mtu(1300), 2 * SIZE // 3: lambda: set_mtu(1500)},
                      {SIZE // 3: lambda: set_mtu(1300)})
        wait_for(lambda: offered() == usual - 200, "what is offered to follow", 2)
    finally:
        set_mtu(1500)
    wait_for(lambda: offered() == usual, "what is offered to follow again", 2)
    transfer(client, server, MIB)


@pytest.mark.parametrize("which", ["router", "core"])
def test_next_hop_changes(raw, pair, way, which):
    """The neighbour gets another address, and the old one goes; so does the proxy's own."""
    line = Line(raw.net, which)
    peer, proxy, k = raw.net.ns[which], raw.net.proxy, line.k
    client, server = pair(way, "http")
    for ns in (peer, proxy):
        ns.sysctl("ipv4.conf.all.promote_secondaries", 1)

    def move(old, new):
        """The last digits of both ends."""
        for ns, dev, digit in ((peer, "proxy", 1 if peer.links["proxy"][1] == 1 else 2), (proxy, which, proxy.links[which][1])):
            ns.ip(f"addr add 10.{k}.0.{digit + new}/24 dev {dev}\naddr add fd00:{k}::{digit + new}/64 dev {dev} nodad\n")
        for ns, dev, theirs in ((peer, "proxy", proxy.links[which][1]), (proxy, which, peer.links["proxy"][1])):
            for version, saved in zip((4, 6), line.saved[ns]):
                for said in saved.splitlines():
                    if f"dev {dev}" in said and " via " in said:
                        via = f"10.{k}.0.{theirs + new}" if version == 4 else f"fd00:{k}::{theirs + new}"
                        ns.run("ip", f"-{version}", "route", "replace", said.split()[0], "via", via, "dev", dev)
        for ns, dev, digit in ((peer, "proxy", peer.links["proxy"][1]), (proxy, which, proxy.links[which][1])):
            ns.ip(f"addr del 10.{k}.0.{digit + old}/24 dev {dev}\naddr del fd00:{k}::{digit + old}/64 dev {dev}\n")
    try:
        both_ways(client, server, {SIZE // 2: lambda: move(0, 10)}, {SIZE // 2: lambda: move(10, 20)})
    finally:
        with contextlib.suppress(RuntimeError):
            move(20, 0)
    transfer(*pair(way), MIB)


def test_source_address_goes_and_comes_back(raw, pair, family):
    """Of the machine, where it has it; splices don't need it to be there."""
    lo = raw.net.proxy
    client, server = pair(family)
    address = {4: "10.99.0.1/32", 6: "fd99::1/128"}[family.version]
    both_ways(client, server, {SIZE // 3: lambda: lo.ip(f"addr add {address} dev lo\n"),
                               2 * SIZE // 3: lambda: lo.ip(f"addr del {address} dev lo\n")})
    transfer(*pair(family), MIB)
