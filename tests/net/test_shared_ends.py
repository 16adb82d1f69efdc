# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Three proxies: no one sees both ends of a connection, yet all of them and the store let go of it."""
import contextlib
import socket
import time

import pytest

import tcp
from daemon import RAW_HTTP
from conftest import Lab, Way
from stores import COUNT
from tcp import wait_for

pytestmark = pytest.mark.spliced
# What backends send to the client's own address comes to any proxy; what they send to a SNAT address does so with `spray`.
SOURCE = {"flow": "client", "spray": "snat"}
REQUEST = b"GET /x HTTP/1.1\r\nHost: www.example.org\r\nConnection: close\r\n\r\n"
CLOSED_S = 1
SOON_S = 8


@pytest.fixture(scope="module", params=["flow", "spray"])
def lab(request, start_cluster):
    with start_cluster([SOURCE[request.param]], way=request.param, limits={"idle": "1h", "closed": f"{CLOSED_S}s"}) as cluster:
        lab = Lab(cluster)
        lab.source = SOURCE[request.param]
        yield lab


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
def way(request, lab):
    return Way(request.param, lab.source)


@pytest.fixture
def pair(lab, pairs_on):
    return pairs_on(lab)


def splices(lab):
    return [host.status()["splices"] for host in lab.cluster.proxies + lab.cluster.agents]


def keys(lab):
    return [store.cli("EVAL", COUNT, "0", kind)[0] for store in lab.cluster.stores for kind in ("f", "d")]


def everywhere(lab, pair, way, count):
    """So many connections, each of them known to more than one."""
    pairs = [pair(way) for _ in range(count)]
    for client, server in pairs:
        tcp.transfer(client, server, 50000)
        tcp.transfer(server, client, 50000)
    assert sum(splices(lab)) > count and keys(lab) == [count] * 6
    return pairs


@pytest.mark.each_mode
@pytest.mark.parametrize("first", ["client", "server", "reset"])
def test_ends_are_told(lab, pair, way, first):
    if first == "reset" and lab.cluster.agents and way.source == "snat":
        pytest.skip("whole only: of sprayed packets, the proxy that gets the RST need not have seen where the stream ends, "
                    "and what the server acknowledges passes none")
    pairs = everywhere(lab, pair, way, 30)
    for client, server in pairs:
        one, other = (server, client) if first == "server" else (client, server)
        if first == "reset":
            tcp.reset(one)
            other.close()
        else:
            tcp.close_both(one, other)
    wait_for(lambda: not any(splices(lab)), "all proxies to let them go", 2 * CLOSED_S + SOON_S)
    wait_for(lambda: not any(keys(lab)), "the store to forget them", SOON_S)


def test_half_closed_goes_on(lab, pair, way):
    """That one end has finished is told, and ends nothing."""
    pairs = everywhere(lab, pair, way, 10)
    for client, server in pairs:
        client.shutdown(1)
        assert server.recv(1) == b""
    for _ in range(3):
        time.sleep(1.2)
        for client, server in pairs:
            tcp.transfer(server, client, 50000)
    assert keys(lab) == [10] * 6
    for client, server in pairs:
        tcp.close_both(server, client)
    wait_for(lambda: not any(splices(lab)) and not any(keys(lab)), "all to be gone", 2 * CLOSED_S + SOON_S)


@pytest.mark.each_mode
@pytest.mark.parametrize("first", ["client", "server"])
def test_fin_is_the_first_that_a_proxy_sees(lab, pair, way, first):
    """It goes on through the daemon, which has asked the store first: it counts all the same."""
    lab.cluster.way.announce(["proxy1"])
    pairs = [pair(way) for _ in range(20)]
    lab.cluster.way.announce(["proxy2"])
    start = time.monotonic()
    for client, server in pairs:
        tcp.close_both(*((server, client) if first == "server" else (client, server)))
    assert time.monotonic() - start < tcp.bound(SOON_S), "they went on by repetition alone"
    wait_for(lambda: not any(splices(lab)), "all proxies to let them go", 2 * CLOSED_S + SOON_S)
    wait_for(lambda: not any(keys(lab)), "the store to forget them", SOON_S)
    lab.cluster.way.announce(lab.cluster.names)


def test_fin_comes_with_the_head(lab, pair, way):
    """As the head it is the daemon's to forward."""
    with contextlib.ExitStack() as stack:
        listener = pair.listener("http")
        for _ in range(10):
            client = stack.enter_context(tcp.connect(lab.client, way.vip, RAW_HTTP))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            client.sendall(REQUEST)
            client.shutdown(socket.SHUT_WR)
            with tcp.accept(listener) as server:
                assert tcp.read_to_end(server) == REQUEST
                server.sendall(b"answer")
            assert tcp.read_to_end(client) == b"answer"
    wait_for(lambda: not any(splices(lab)) and not any(keys(lab)), "all to be gone", 2 * CLOSED_S + SOON_S)


def test_reset_is_the_first_that_a_proxy_sees(lab, pair, way):
    """It is said only once: whoever gets it asks the store, and sends it on. (Last, as it leaves entries behind.)"""
    lab.cluster.way.announce(["proxy1"])
    pairs = [pair(way) for _ in range(10)]
    lab.cluster.way.announce(["proxy2"])
    for client, server in pairs:
        tcp.reset(client)
        with pytest.raises(ConnectionResetError):
            server.recv(1)
    lab.cluster.way.announce(lab.cluster.names)
