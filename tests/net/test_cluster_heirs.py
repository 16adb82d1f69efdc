# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Who goes on with a dead proxy's head need not be who makes the splice: packets that come to him then find it."""
import time

import pytest

from conftest import Lab, Pairs
from daemon import RAW_HTTP
from rawtcp import ACK, PSH, Raw
from tcp import accept, acknowledged, bound, connect, read, wait_for
from test_heads import http_head, sports

pytestmark = pytest.mark.spliced
CLIENTS = 30            # the dead one's and neither his heir's are a sixth of them
RAW_CLIENTS = 16        # a third of them has the dying one for its home
BEGINNING, BODY, SOON_S = 20, b"body" * 500, 3


@pytest.fixture(scope="module")
def lab(start_cluster):
    with start_cluster(way="flow") as cluster:
        yield Lab(cluster)


@pytest.fixture
def pair(lab):
    with Pairs(lab) as pairs:
        yield pairs
    lab.cluster.heal()


def resumed(proxy):
    return proxy.counters()["heads_resumed"]


def left_behind(lab, pair, family, data):
    """Clients whose heads begin alike, at proxies of which one has died. Return (they, who goes on with its heads, the third proxy)."""
    dying, *others = lab.cluster.proxies
    clients = [pair.stack.enter_context(connect(lab.client, family.vip, RAW_HTTP)) for _ in range(CLIENTS)]
    for client in clients:
        client.sendall(data[:BEGINNING])
    wait_for(lambda: all(map(acknowledged, clients)), "the beginnings of heads to be acknowledged")
    before = {proxy: resumed(proxy) for proxy in others}
    dying.crash()
    heir = wait_for(lambda: next((proxy for proxy in others if resumed(proxy) > before[proxy]), None), "an heir")
    other, = set(others) - {heir}
    return clients, heir, other


def say_by(lab, proxy, clients, data):
    lab.cluster.way.announce([proxy.name])
    for client in clients:
        client.sendall(data)


def test_splice_is_made_elsewhere(lab, pair, family):
    listener, data = pair.listener("http"), http_head(1000, BODY)
    cut = len(data) - len(BODY)
    clients, heir, other = left_behind(lab, pair, family, data)
    say_by(lab, other, clients, data[BEGINNING:cut])
    servers = [pair.stack.enter_context(accept(listener)) for _ in clients]
    assert all(read(server, cut) == data[:cut] for server in servers)
    assert heir.status()["pending"], "none of them was for another one to splice"
    start = time.monotonic()
    say_by(lab, heir, clients, data[cut:])
    assert all(read(server, len(BODY)) == BODY for server in servers)
    assert time.monotonic() - start < bound(SOON_S)


def test_head_goes_on_at_two_places(lab, pair, family):
    """Its home has acknowledged more of it than its heir knows, to whom all else comes."""
    listener, data = pair.listener("http"), http_head(1000, BODY)
    clients, heir, other = left_behind(lab, pair, family, data)
    say_by(lab, other, clients, data[BEGINNING:500])
    wait_for(lambda: all(map(acknowledged, clients)), "more of the heads to be acknowledged")
    say_by(lab, heir, clients, data[500:])
    servers = [pair.stack.enter_context(accept(listener)) for _ in clients]
    assert all(read(server, len(data)) == data for server in servers)


def test_head_in_pieces_whose_home_has_just_died(lab, pair, family):
    """It is told its pieces until its death is noticed; this client repeats nothing."""
    dying, other, _ = lab.cluster.proxies
    listener, data = pair.listener("http"), http_head(2500, BODY)
    pieces = [data[at:at + 1000] for at in range(0, len(data), 1000)]
    lab.cluster.way.announce([other.name])
    clients = [pair.stack.enter_context(Raw(lab.net, family.vip, RAW_HTTP, next(sports))) for _ in range(RAW_CLIENTS)]
    for client in clients:
        client.handshake()
        client.acknowledge()
    dying.unplug()
    for client in clients:
        for n, piece in enumerate(pieces):
            client.send(ACK | PSH, piece, at=n * 1000)
    servers = [pair.stack.enter_context(accept(listener)) for _ in clients]
    assert all(read(server, len(data)) == data for server in servers)
    assert other.counters()["told_again"] > 0
