# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Checksums come out right, whether packets come with whole ones or, from a local stack, with the pseudo header's alone.

A packet of the second kind that stays on veth is never verified by its receiver. So the proxy's interfaces are told
here to offload nothing: the kernel completes what the datapath has left in the field, and the receiver verifies it.
"""
import contextlib
import socket
import struct

import pytest

import daemon
from tcp import MIB, transfer

SOL_PACKET, PACKET_AUXDATA, TP_STATUS_CSUMNOTREADY = 263, 8, 8
FORMS = {"partial": "proxy", "whole": "ends"}      # -> who offloads nothing


@pytest.fixture(scope="module", params=[2, 1], ids=["two-arm", "one-arm"])
def rig(request, make_net, start_rig):
    with make_net(arms=request.param) as net, start_rig(net, daemon.raw_config) as rig:
        yield rig


@contextlib.contextmanager
def no_offloads(net, names):
    def switch(state):
        for name in names:
            for peer in net.ns[name].links:
                net.ns[name].run("ethtool", "-K", peer, "tx", state)
    switch("off")
    try:
        yield
    finally:
        switch("on")


class Arrivals:
    """Of segments at an interface: (bytes, is the checksum still to be completed)."""
    def __init__(self, ns, interface):
        with ns.inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.bind((interface, 3))
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.settimeout(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def seen(self):
        found = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                data, control, _, addr = self.sock.recvmsg(200, 100)
                status, length = struct.unpack_from("II", control[0][2])
                proto = data[23] if data[12] == 8 else data[20]
                if proto == 6 and addr[2] != socket.PACKET_OUTGOING:
                    found.add((length > 3000, bool(status & TP_STATUS_CSUMNOTREADY)))
        return found


def bad_checksums(rig):
    return [ns.counter("TcpInCsumErrors") for ns in (rig.client, rig.backend1)]


@pytest.mark.spliced
@pytest.mark.parametrize("form", FORMS)
def test_checksum_is_right_at_the_receiver(rig, pairs_on, way, kind, form):
    names = ["proxy"] if FORMS[form] == "proxy" else ["client", "backend1"]
    before = bad_checksums(rig)
    with no_offloads(rig.net, names), Arrivals(rig.net.proxy, "router") as arrivals:
        client, server = pairs_on(rig)(way, kind)
        transfer(client, server, 4 * MIB)
        transfer(server, client, 4 * MIB)
        client.shutdown(1)
        assert server.recv(1) == b""
        seen = arrivals.seen()
    assert bad_checksums(rig) == before
    # small ones and superpackets, or the test tests nothing
    want = {(False, True), (True, True)} if form == "partial" else {(False, False)}
    assert want <= seen and (form == "partial" or (False, True) not in seen)


@pytest.mark.spliced
def test_answer_to_a_short_syn(rig, pairs_on, way):
    """The answer is of another length than the SYN, which the pseudo header has in it too."""
    before = bad_checksums(rig)
    with no_offloads(rig.net, ["proxy"]), rig.client.sysctls(tcp_timestamps=0, tcp_window_scaling=0):
        client, server = pairs_on(rig)(way, "http")
        transfer(client, server, 1000)
    assert bad_checksums(rig) == before
