# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Who goes on with a dead proxy's head need not be who makes the splice: packets that come to him then find it."""
import time

import pytest

from conftest import Lab, Pairs
from daemon import RAW_HTTP
from tcp import accept, connect, read, wait_for
from test_heads import http_head
from test_shared_heads import acknowledged

pytestmark = pytest.mark.spliced
CLIENTS = 30            # the dead one's and neither his heir's are a sixth of them
BEGINNING, BODY, SOON_S = 20, b"body" * 500, 3


@pytest.fixture(scope="module")
def lab(start_cluster):
    with start_cluster(way="flow") as cluster:
        yield Lab(cluster)


@pytest.fixture
def pair(lab):
    pairs = Pairs(lab)
    with pairs.stack:
        yield pairs
    lab.cluster.heal()


def resumed(proxy):
    return proxy.counters()["heads_resumed"]


def test_splice_is_made_elsewhere(lab, pair, family):
    dying, *others = lab.cluster.proxies
    listener, data = pair.listener("http"), http_head(1000, BODY)
    cut = len(data) - len(BODY)
    clients = [pair.stack.enter_context(connect(lab.client, family.vip, RAW_HTTP)) for _ in range(CLIENTS)]
    for client in clients:
        client.sendall(data[:BEGINNING])
    wait_for(lambda: all(map(acknowledged, clients)), "the beginnings of heads to be acknowledged")
    before = {proxy: resumed(proxy) for proxy in others}
    dying.crash()
    heir = wait_for(lambda: next((proxy for proxy in others if resumed(proxy) > before[proxy]), None), "an heir")
    other, = set(others) - {heir}
    lab.cluster.way.announce([other.name])
    for client in clients:
        client.sendall(data[BEGINNING:cut])
    servers = [pair.stack.enter_context(accept(listener)) for _ in clients]
    assert all(read(server, cut) == data[:cut] for server in servers)
    assert heir.status()["pending"], "none of them was for another one to splice"
    lab.cluster.way.announce([heir.name])
    start = time.monotonic()
    for client in clients:
        client.sendall(data[cut:])
    assert all(read(server, len(BODY)) == BODY for server in servers)
    assert time.monotonic() - start < SOON_S
