# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What one proxy has acknowledged of a head, another one delivers when its host dies, asked by a packet or not."""
import pytest

from conftest import Lab
from daemon import RAW_HTTP
from tcp import MIB, accept, acknowledged, connect, read, transfer, wait_for
from test_heads import http_head
from test_shared_heads import losing, only_one

pytestmark = [pytest.mark.spliced, pytest.mark.each_mode, pytest.mark.minutes(3)]


@pytest.fixture(scope="module")
def lab(start_cluster):
    with start_cluster(way="bird") as cluster:
        yield Lab(cluster)


@pytest.fixture
def pair(lab, pairs_on):
    yield pairs_on(lab)
    lab.cluster.heal()


class Owner:
    """Which proxy acknowledges a head from now on."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.before = self.counts()

    def counts(self):
        return [proxy.counters()["head_stashed"] for proxy in self.cluster.proxies]

    def find(self):
        grown = [proxy for proxy, n, before in zip(self.cluster.proxies, self.counts(), self.before) if n > before]
        assert len(grown) == 1
        return grown[0]


@pytest.mark.parametrize("sent", [3000, 30000, 59000])
def test_host_dies_with_half_a_head(lab, pair, family, sent):
    listener, data = pair.listener("http"), http_head(60 * 1024, b"body")
    owner = Owner(lab.cluster)
    with connect(lab.client, family.vip, RAW_HTTP) as client:
        for at in range(0, sent, 500):
            client.send(data[at:min(at + 500, sent)])
        wait_for(lambda: acknowledged(client), f"{sent} bytes of a head to be acknowledged")
        owner.find().crash()
        client.sendall(data[sent:])
        with accept(listener) as server:
            assert read(server, len(data)) == data
            transfer(server, client, MIB)
            transfer(client, server, MIB)
            only_one(listener)


def test_host_dies_with_what_it_owes(lab, pair, family):
    listener, data = pair.listener("http"), http_head(60 * 1024)
    owner = Owner(lab.cluster)
    with connect(lab.client, family.vip, RAW_HTTP) as client:
        with losing(lab.backend1):
            client.sendall(data[:-10])
            wait_for(lambda: acknowledged(client), "a head to be acknowledged")
            client.sendall(data[-10:])
            server = accept(listener)
            dying = owner.find()
            wait_for(lambda: dying.counters()["owed_repeated"] > 1, "bytes that are owed to the backend")
            dying.crash()
        with server:
            assert read(server, len(data)) == data
            transfer(server, client, MIB)
            transfer(client, server, MIB)
            only_one(listener)
        assert sum(proxy.counters()["heads_resumed"] for proxy in lab.cluster.proxies if proxy is not dying) >= 1
