# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is not for a service passes the proxy as it would pass any router: only its TTL changes."""
import contextlib
import socket
import struct

import pytest

import daemon
from daemon import RAW_HTTP
from rawtcp import ACK, FIN, PSH, RST, SYN, build, checksum, mac_of, pack_addr
from tcp import MIB, accept, connect, in_thread, listen, transfer

OTHER_PORT = 4321


@pytest.fixture(scope="module")
def rig(make_net, start_rig):
    """The proxy routes the services' addresses to backend1, as far as the daemon leaves anything to route."""
    with make_net() as net:
        if not net.direct:
            net.route_services("backend1")
        with start_rig(net, daemon.raw_config) as rig:
            yield rig


def ip(src, dst, proto, payload, options=b"", fragment=0):
    if len(src) == 16:
        return struct.pack("!IHBB", 6 << 28 | 0x12345, len(payload), proto, 64) + src + dst + payload
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0x28, words * 4 + len(payload), 0x4242, fragment, 64, proto, 0, src, dst) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def tcp(src, dst, port, flags, **fields):
    return build(src, dst, 5555, port, 1, 2, flags, **fields)


def echo_request(src, dst):
    data = b"\0\1\0\1" + b"ping" * 20
    if len(src) == 4:
        head = b"\x08\0"
        return ip(src, dst, 1, head + struct.pack("!H", checksum(head + b"\0\0" + data)) + data)
    head = b"\x80\0"
    pseudo = src + dst + struct.pack("!II", 4 + len(data), 58)
    return ip(src, dst, 58, head + struct.pack("!H", checksum(pseudo + head + b"\0\0" + data)) + data)


def l4(packet):
    return packet[(packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40:]


ANY = {
    "udp-to-the-service": lambda s, d: ip(s, d, 17, struct.pack("!HHHH", 5555, RAW_HTTP, 28, 0x1111) + b"wrong checksum here!"),
    "syn-to-another-port": lambda s, d: tcp(s, d, OTHER_PORT, SYN, options=b"\2\4\5\xb4"),
    "odd-flags-to-another-port": lambda s, d: tcp(s, d, OTHER_PORT, SYN | FIN | RST | PSH, payload=b"x" * 33),
    "data-to-another-port": lambda s, d: tcp(s, d, OTHER_PORT, ACK | PSH, payload=b"y" * 1000),
    "broken-tcp-header": lambda s, d: ip(s, d, 6, struct.pack("!HHII", 5555, OTHER_PORT, 1, 1) + b"\xf0\2\0\0"),
    "echo-request": echo_request,
    "gre": lambda s, d: ip(s, d, 47, b"\0\0\x08\0" + bytes(40)),
    "sctp": lambda s, d: ip(s, d, 132, struct.pack("!HHII", 5555, RAW_HTTP, 0, 0) + bytes(16)),
    "no-transport": lambda s, d: ip(s, d, 59, b""),
}
V4 = {
    "options": lambda s, d: ip(s, d, 6, l4(tcp(s, d, OTHER_PORT, SYN)), options=b"\x94\4\0\0"),
    "fragment": lambda s, d: ip(s, d, 17, bytes(64), fragment=0x2000),
    "later-fragment": lambda s, d: ip(s, d, 6, bytes(64), fragment=0x2010),
}
V6 = {
    "destination-options": lambda s, d: ip(s, d, 60, b"\6\0\1\4\0\0\0\0" + l4(tcp(s, d, OTHER_PORT, SYN))),
    "fragment": lambda s, d: ip(s, d, 44, b"\x11\0\0\1" + b"abcd" + bytes(64)),
}
CASES = [(version, name, make) for version, more in ((4, V4), (6, V6)) for name, make in {**ANY, **more}.items()]


@pytest.mark.parametrize("to", ["vip", "backend"])
@pytest.mark.parametrize("version, name, make", CASES, ids=[f"v{v}-{n}" for v, n, _ in CASES])
def test_packet_arrives_untouched(rig, version, name, make, to):
    net = rig.net
    src = pack_addr(rig.client.addr(version))
    dst = pack_addr({"vip": {4: "192.0.2.10", 6: "2001:db8:10::10"}[version], "backend": rig.backend1.addr(version)}[to])
    packet = make(src, dst)
    kind = 0x0800 if version == 4 else 0x86dd
    with contextlib.ExitStack() as stack:
        with rig.client.inside():
            out = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        with rig.backend1.inside():
            into = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind)))
        out.bind(("router", kind))
        into.settimeout(5)
        header = mac_of(net.router, "client") + mac_of(net.client, "router")
        out.send(bytes.fromhex(header.replace(":", "")) + struct.pack("!H", kind) + packet)
        arrived = next(p for p in iter(lambda: into.recv(65536)[14:], None) if from_to(p) == (src, dst))
    assert normal(arrived[:len(packet)]) == normal(packet)
    hops = 3
    at = 8 if version == 4 else 7
    assert arrived[at] == packet[at] - hops
    if version == 4:
        assert checksum(arrived[:(arrived[0] & 15) * 4]) == 0


def from_to(packet):
    return (packet[12:16], packet[16:20]) if packet[0] >> 4 == 4 else (packet[8:24], packet[24:40])


def normal(packet):
    """Without what a router changes."""
    if packet[0] >> 4 == 4:
        return packet[:8] + b"\0" + packet[9:10] + b"\0\0" + packet[12:]
    return packet[:7] + b"\0" + packet[8:]


@pytest.mark.parametrize("version", [4, 6])
def test_ping(rig, version):
    """Fragments too."""
    for addr in (rig.backend1.addr(version), {4: "192.0.2.10", 6: "2001:db8:10::10"}[version]):
        for size in ("56", "1400", "5000"):
            assert " 0% packet loss" in rig.client.run("ping", "-c2", "-i0.01", "-W2", "-s", size, addr)


@pytest.mark.parametrize("version", [4, 6])
def test_tcp_to_other_ports(rig, version):
    """To a backend itself, to its service port as well, and to a port of the VIP that is no service."""
    for addr, port in ((rig.backend1.addr(version), RAW_HTTP), ({4: "192.0.2.10", 6: "2001:db8:10::10"}[version], OTHER_PORT)):
        with listen(rig.backend1, port) as listener, connect(rig.client, addr, port) as client, accept(listener) as server:
            transfer(client, server, 50 * MIB)
            transfer(server, client, 50 * MIB)


@pytest.mark.parametrize("version", [4, 6])
def test_backend_as_a_client(rig, version):
    """The proxy is its router, too: from its service port even."""
    with listen(rig.client, 6000) as listener:
        with connect(rig.backend1, rig.client.addr(version), 6000, sport=RAW_HTTP) as client, accept(listener) as server:
            with in_thread(transfer, client, server, MIB):
                transfer(server, client, MIB)


@pytest.mark.parametrize("version", [4, 6])
def test_udp(rig, version):
    vip = {4: "192.0.2.10", 6: "2001:db8:10::10"}[version]
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with rig.backend1.inside():
        server = socket.socket(family, socket.SOCK_DGRAM)
    with rig.client.inside():
        client = socket.socket(family, socket.SOCK_DGRAM)
    with server, client:
        server.bind((vip, RAW_HTTP))
        server.settimeout(5)
        client.settimeout(5)
        client.sendto(b"question" * 500, (vip, RAW_HTTP))
        data, sender = server.recvfrom(65536)
        server.sendto(data[::-1], sender)
        assert client.recv(65536) == (b"question" * 500)[::-1]
