# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A client's port comes again while the store still has its closed splice, at a proxy that knows nothing of that one."""
import socket

import pytest

from conftest import Lab, Pairs
from daemon import RAW_HTTP
from tcp import accept, close_both, connect, read, transfer
from test_heads import http_head, sports

pytestmark = pytest.mark.spliced
CLIENTS, MSS_PAYLOAD, WAIT_S = 12, 1000, 1.5     # two thirds of them have another proxy for their home


@pytest.fixture(scope="module")
def lab(start_cluster):
    with start_cluster(("snat", "client"), way="flow") as cluster:
        yield Lab(cluster)


@pytest.fixture
def pair(lab):
    with Pairs(lab) as pairs:
        yield pairs
    lab.cluster.heal()


def in_two_segments(client, data):
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(data[:MSS_PAYLOAD])
    client.sendall(data[MSS_PAYLOAD:])


def test_head_of_two_segments_from_a_port_that_comes_again(lab, pair, family):
    listener, data = pair.listener("http"), http_head(2 * MSS_PAYLOAD)
    ports = [next(sports) for _ in range(CLIENTS)]
    lab.cluster.way.announce(["proxy1"])
    for port in ports:
        client, server = pair(family, "http", sport=port)
        close_both(server, client)
    lab.cluster.way.announce(["proxy2"])
    for port in ports:
        with connect(lab.client, family.vip, RAW_HTTP, sport=port, timeout=5) as client:
            in_two_segments(client, data)
            with accept(listener) as server:
                assert read(server, len(data)) == data
                transfer(server, client, 10000)
                transfer(client, server, 10000)


def test_connection_from_a_port_that_comes_again(lab, pair, way):
    """It begins where nobody knows of the closed one; its packets come to a proxy that does when the first one is gone."""
    ports = [next(sports) for _ in range(CLIENTS)]
    lab.cluster.way.announce(["proxy1"])
    for port in ports:
        client, server = pair(way, "http", sport=port)
        close_both(server, client)
    lab.cluster.way.announce(["proxy2"])
    pairs = [pair(way, "http", sport=port) for port in ports]
    for client, server in pairs:
        transfer(client, server, 10000)
    lab.cluster.way.announce(["proxy1"])
    waits = [max(transfer(client, server, 10000), transfer(server, client, 10000)) for client, server in pairs]
    assert max(waits) < WAIT_S, waits


def test_answer_of_our_own_to_a_port_that_comes_again(lab, pair, family):
    """The store is asked before it is said, and has the closed splice of before."""
    lab.cluster.way.announce(["proxy1"])
    for port in [next(sports) for _ in range(CLIENTS)]:
        client, server = pair(family, "http", sport=port)
        close_both(server, client)
        with connect(lab.client, family.vip, RAW_HTTP, sport=port, timeout=WAIT_S) as client:
            client.sendall(b"nonsense\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 400")
