# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Other surroundings than the usual two arms with an MTU of 1500: one arm, jumbo frames, ends with small segments."""
import contextlib

import pytest

import daemon
from tcp import MIB, info, transfer

NETS = {"one-arm": {"arms": 1}, "jumbo": {"mtu": 9000}, "one-arm-jumbo": {"arms": 1, "mtu": 9000}, "small": {"mtu": 1280}}


@pytest.fixture(scope="module", params=NETS)
def rig(request, make_net, start_rig):
    with make_net(**NETS[request.param]) as net, start_rig(net, daemon.raw_config) as rig:
        rig.mtu = NETS[request.param].get("mtu", 1500)
        yield rig


@pytest.fixture
def pair(rig, pairs_on):
    return pairs_on(rig)


@pytest.mark.parametrize("tso", [True, False], ids=["tso", "no-tso"])
def test_transfers(rig, pair, way, kind, tso):
    with contextlib.nullcontext() if tso else rig.net.no_superpackets():
        client, server = pair(way, kind)
        transfer(client, server, 50 * MIB)
        transfer(server, client, 50 * MIB)
    overhead = (40 if way.version == 4 else 60) + 12
    for ns, sock in ((rig.client, client), (rig.backend1, server)):
        mss = int(info(ns, sock)["mss"])
        assert mss <= rig.mtu - overhead
        assert mss > rig.mtu - overhead - 100, "smaller segments than need be"


@pytest.mark.spliced
def test_transfer_outlives_the_daemon(rig, pair, way):
    client, server = pair(way, "http")
    rig.spliced.kill9()
    transfer(server, client, 50 * MIB)
    rig.spliced.start()
    transfer(client, server, 50 * MIB)
    again = pair(way, "http")
    transfer(*again, MIB)


@pytest.mark.each_mode
def test_close_and_reset(pair, way):
    import test_edges
    test_edges.test_half_close(pair, way, "http", "client")
    test_edges.test_rst_is_seen_at_the_other_end(pair, way, "http", "server", 0)
    test_edges.test_rst_is_seen_at_the_other_end(pair, way, "http", "client", 1000)


@pytest.mark.parametrize("advmss", [536, 1000, 1220])
def test_client_with_small_segments(rig, pair, way, advmss):
    """What the client says it can take is what the backend sends at most."""
    if advmss > rig.mtu - 60:
        pytest.skip("no smaller than the MTU")
    with small_segments(rig.client, rig.net.via(rig.client, "router")[way.version == 6], way.vip, advmss):
        client, server = pair(way, "http")
        transfer(server, client, 4 * MIB)
        transfer(client, server, 4 * MIB)
        assert int(info(rig.backend1, server)["mss"]) <= advmss - 12


@contextlib.contextmanager
def small_segments(ns, via, addr, advmss):
    ns.ip(f"route add {addr} via {via} advmss {advmss}\n")
    try:
        yield
    finally:
        ns.ip(f"route del {addr} via {via}\n")
