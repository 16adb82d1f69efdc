# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Kinds of interfaces, and what `ethtool -k` and `ip -d link` can set on them: each is carried, or refused by name at the start.

The clients' side of the proxy goes by a device of that kind; the table in OPERATIONS.md has what has passed here.
"""
import contextlib
import os
import signal
import socket
import struct

import pytest

from one_daemon import raw, runs_again     # noqa: F401
from tcp import MIB, transfer
from topo import VIP_NETS

pytestmark = [pytest.mark.spliced, pytest.mark.whole("it is about the proxy's interfaces")]
SIZE = 30 * MIB
K = 77      # the subnet of the devices


def make(ns, lines, what):
    try:
        ns.ip(lines)
    except RuntimeError as error:
        if "Unknown device type" in str(error) or "not supported" in str(error):
            pytest.skip(f"this kernel has no {what}")
        raise


def underlay(ns, peer):
    return ns.addr(4, peer.name)


def tunnel(kind):
    """Between router and proxy, over the line that is there."""
    def build(proxy, router):
        options = {"vxlan": "id 5 dstport 4789 remote {r} local {l}", "geneve": "id 5 remote {r}"}.get(kind, "remote {r} local {l}")
        for ns, peer in ((proxy, router), (router, proxy)):
            make(ns, f"link add k0 type {kind} {options.format(r=underlay(peer, ns), l=underlay(ns, peer))}\nlink set k0 up\n", kind)
    return build


def above(kind, options=""):
    """On the line at the proxy; the router reaches it by the line itself."""
    def build(proxy, router):
        make(proxy, f"link add link router name k0 type {kind} {options}\nlink set k0 up\n", kind)
    return build


def bridge(proxy, router):
    make(proxy, "link add k0 type bridge\nlink set router master k0\nlink set k0 up\n", "bridge")


def bond(proxy, router):
    make(proxy, "link add k0 type bond mode active-backup\nlink set router down\nlink set router master k0\nlink set k0 up\n", "bond")


def macsec(proxy, router):
    for ns, dev in ((proxy, "router"), (router, "proxy")):
        make(ns, f"link add link {dev} k0 type macsec\nlink set k0 up\n", "macsec")


KINDS = {"bridge": bridge, "bond": bond, "macvlan": above("macvlan", "mode bridge"), "macvlan-private": above("macvlan", "mode private"), "macvtap": above("macvtap"),
         "ipvlan": above("ipvlan", "mode l2"), "vxlan": tunnel("vxlan"), "geneve": tunnel("geneve"), "gretap": tunnel("gretap"), "macsec": macsec}
NO_ETHERNET = {"tun": "tuntap add dev k0 mode tun\n", "gre": "link add k0 type gre remote 10.2.0.1 local 10.2.0.2\n",
               "ipip": "link add k0 type ipip remote 10.2.0.1 local 10.2.0.2\n", "sit": "link add k0 type sit remote 10.2.0.1 local 10.2.0.2\n",
               "ip6tnl": "link add k0 type ip6tnl remote fd00:2::1 local fd00:2::2\n", "wireguard": "link add k0 type wireguard\n",
               "xfrm": "link add k0 type xfrm dev router if_id 7\n", "ipvlan-l3": "link add link router name k0 type ipvlan mode l3\n"}


@contextlib.contextmanager
def by_device(raw, build):
    """The line to the router is k0."""
    proxy, router = raw.net.proxy, raw.net.router
    proxy.sysctl("ipv4.conf.all.arp_ignore", 1)     # else the line answers for the device on it
    try:
        build(proxy, router)
        theirs = "k0" if "k0" in router.run("ip", "-br", "link") else "proxy"
        for digit, ns, dev in ((1, router, theirs), (2, proxy, "k0")):
            ns.ip(f"addr add 10.{K}.0.{digit}/24 dev {dev}\naddr add fd00:{K}::{digit}/64 dev {dev} nodad\n")
            ns.run("ip", "neigh", "flush", "to", f"10.{K}.0.0/24")      # of the device before
            ns.run("ip", "-6", "neigh", "flush", "to", f"fd00:{K}::/64")
        k = raw.client.links["router"][0]
        router.ip(f"route replace {VIP_NETS[0]} via 10.{K}.0.2\nroute replace {VIP_NETS[1]} via fd00:{K}::2\n")
        proxy.ip(f"route replace 10.{k}.0.0/24 via 10.{K}.0.1\nroute replace fd00:{k}::/64 via fd00:{K}::1\n")
        yield
    finally:
        for ns in (proxy, router):
            ns.run("ip", "link", "del", "k0", check=False)
        for ns, dev in ((router, "proxy"), (proxy, "router")):
            ns.run("ip", "link", "set", dev, "up", check=False)
            ns.run("ip", "addr", "del", f"10.{K}.0.1/24", "dev", dev, check=False)
            ns.run("ip", "addr", "del", f"fd00:{K}::1/64", "dev", dev, check=False)
        k, back = raw.client.links["router"][0], router.links["proxy"][0]
        router.ip(f"route replace {VIP_NETS[0]} via 10.{back}.0.2\nroute replace {VIP_NETS[1]} via fd00:{back}::2\n")
        proxy.ip(f"route replace 10.{k}.0.0/24 via 10.{back}.0.1\nroute replace fd00:{k}::/64 via fd00:{back}::1\n")


def start_with(raw, interfaces):
    """And nowhere else: what was attached before goes."""
    raw.spliced.end(signal.SIGTERM)
    raw.spliced.unload()
    raw.spliced.write({**raw.usual, "interfaces": interfaces})
    raw.spliced.start()


@pytest.fixture
def as_before(raw):
    yield
    start_with(raw, raw.usual["interfaces"])
    raw.spliced.conf = raw.usual


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_carried(raw, pairs_on, as_before, kind):
    """Each byte, both ways, IPv4 and IPv6; heads, a SYN-ACK of ours, and an answer of ours."""
    from conftest import ways
    with by_device(raw, KINDS[kind]):
        start_with(raw, ["k0", "core"])
        pair = pairs_on(raw)
        for way in ways:
            client, server = pair(way, "http")
            transfer(server, client, SIZE)
            transfer(client, server, SIZE)


@pytest.mark.parametrize("kind", NO_ETHERNET)
def test_kind_without_ethernet_header_is_refused(raw, as_before, kind):
    """By name, at the start, and at a reload nothing changes."""
    make(raw.net.proxy, NO_ETHERNET[kind], kind)
    try:
        said = raw.spliced.reload({**raw.usual, "interfaces": [*raw.usual["interfaces"], "k0"]})
        assert "interface k0: its packets have no Ethernet header" in said and "nothing is changed" in said
        raw.spliced.end(signal.SIGTERM)
        assert "no Ethernet header" in raw.net.proxy.run(raw.spliced.bin, "--config", str(raw.spliced.file), check=False)
    finally:
        raw.net.proxy.ip("link del k0\n")


def ethtool(*words):
    def change(ns, dev, on):
        ns.run("ethtool", "-K", dev, *[part for word in words for part in (word, "on" if on else "off")])
    return change


RTM_SETLINK, REQUEST_ACK = 19, 5
GSO_MAX, GRO_MAX, GSO_MAX_V4, GRO_MAX_V4 = 41, 58, 63, 64      # IFLA_*; iproute2 of Debian 12 does not know the last two
BIG, USUAL = 190000, 65536


def set_link(ns, dev, kind, value):
    with ns.inside(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        body = struct.pack("=BxHiIIHHI", 0, 0, socket.if_nametoindex(dev), 0, 0, 8, kind, value)
        sock.sendall(struct.pack("=IHHII", 16 + len(body), RTM_SETLINK, REQUEST_ACK, 1, 0) + body)
        error = -struct.unpack_from("=i", sock.recv(4096), 16)[0]
    if error:
        raise RuntimeError(os.strerror(error))


def big_tcp(ns, dev, on):
    """Superpackets of more than 64 KiB (Linux 5.19, IPv4 6.3)."""
    for kind in (GSO_MAX, GRO_MAX, GSO_MAX_V4, GRO_MAX_V4):
        set_link(ns, dev, kind, BIG if on else USUAL)


OFFLOADS = {"fraglist-gro": ethtool("gro", "rx-gro-list"), "udp-gro-forwarding": ethtool("gro", "rx-udp-gro-forwarding"), "gro": ethtool("gro"),
            "no-checksum": lambda ns, dev, on: ethtool("tx", "rx")(ns, dev, not on), "no-scatter": lambda ns, dev, on: ethtool("sg")(ns, dev, not on),
            "big-tcp": big_tcp}


@pytest.mark.parametrize("what", OFFLOADS)
def test_offload_is_carried(raw, pair, way, what):
    """At every interface on the way, while connections are there and for new ones."""
    if what == "big-tcp" and way.version == 6:
        pytest.skip("the kernel's own forwarding drops these, and the sender needs many time-outs")
    hosts = [ns for ns in raw.net.ns.values()]
    early = pair(way, "http")
    try:
        for ns in hosts:
            for dev in ns.links:
                try:
                    OFFLOADS[what](ns, dev, True)
                except RuntimeError as error:
                    pytest.skip(f"not here: {error}")
        for client, server in (early, pair(way)):
            transfer(server, client, SIZE)
            transfer(client, server, SIZE)
    finally:
        for ns in hosts:
            for dev in ns.links:
                with contextlib.suppress(RuntimeError):
                    OFFLOADS[what](ns, dev, False)
        raw.net.offloads(True)
