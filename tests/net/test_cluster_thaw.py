# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A daemon was stopped for longer than the store remembers what others have done meanwhile: nothing runs again."""
import contextlib

import pytest

from conftest import Lab
from daemon import RAW_HTTP
from tcp import accept, connect, read, read_to_end, wait_for
from topo import VIP

pytestmark = pytest.mark.spliced
REQUEST = b"GET /once HTTP/1.1\r\nHost: www.example.org\r\nConnection: close\r\n\r\n"
STOPPED, OTHERS = "proxy1", ["proxy2", "proxy3"]


@pytest.fixture(scope="module")
def lab(start_cluster):
    with start_cluster(limits={"closed": "1s"}) as cluster:
        yield Lab(cluster)


@pytest.fixture
def listener(lab, pairs_on):
    yield pairs_on(lab).listener("http")
    lab.cluster.heal()


def no_syns(backend):
    return backend.nft("chain lose {\n type filter hook input priority 0\n tcp dport %d tcp flags syn counter drop\n }" % RAW_HTTP)


def run_elsewhere(lab, clients, listener):
    """The clients repeat what the stopped one has; another proxy does it, and all of them forget it."""
    lab.cluster.way.announce(OTHERS)
    for _ in clients:
        with accept(listener) as server:
            assert read(server, len(REQUEST)) == REQUEST
            server.sendall(b"done")
    for client in clients:
        assert read_to_end(client) == b"done"
        client.close()
    wait_for(lambda: not any(store.cli("EVAL", "return #redis.call('KEYS', '[fd]*')", "0") for store in lab.cluster.stores),
             "the store to forget the connections", 30)


def nothing_more(listener):
    """Whatever comes within some seconds brings no bytes."""
    listener.settimeout(4)
    with contextlib.suppress(TimeoutError, ConnectionResetError), listener.accept()[0] as again:
        again.settimeout(4)
        assert again.recv(1) == b"", "it runs a second time"


@pytest.fixture
def stopped(lab):
    proxy = lab.cluster.proxies[lab.cluster.names.index(STOPPED)]
    lab.cluster.way.announce([STOPPED])
    return proxy


def test_what_was_in_the_ring_does_not_run_again(lab, listener, stopped):
    client = connect(lab.client, VIP["snat"][4], RAW_HTTP)
    stopped.freeze()
    client.sendall(REQUEST)
    run_elsewhere(lab, [client], listener)
    stopped.thaw()
    nothing_more(listener)
    assert stopped.counters()["event_old"] > 0


@pytest.mark.syn("no SYN is waited for")
def test_what_waited_for_a_backend_does_not_run_again(lab, listener, stopped):
    with no_syns(lab.backend1):
        client = connect(lab.client, VIP["snat"][4], RAW_HTTP)
        client.sendall(REQUEST)
        wait_for(lambda: stopped.status()["pending"] > 0, "a SYN to the backend")
        stopped.freeze()
    run_elsewhere(lab, [client], listener)
    stopped.thaw()
    nothing_more(listener)


def test_what_others_relayed_does_not_run_again(lab, listener, stopped):
    """The two halves of a head wait in the socket of their home."""
    lab.cluster.way.announce(OTHERS)
    clients = [connect(lab.client, VIP["snat"][4], RAW_HTTP) for _ in range(16)]
    stopped.freeze()
    for half in (REQUEST[:20], REQUEST[20:]):
        for client in clients:
            client.sendall(half)
    run_elsewhere(lab, clients, listener)
    stopped.thaw()
    nothing_more(listener)
    assert stopped.counters()["relay_refused_old"] > 0
