# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Three proxies: each of them carries any connection, however packets get there."""
import pytest

import daemon
import tcp
import ways
from conftest import Lab

pytestmark = [pytest.mark.spliced, pytest.mark.each_mode]
BYTES = 32 << 20


@pytest.fixture(scope="module", params=["flow", "spray", "bird"])
def lab(request, start_cluster):
    with start_cluster(way=request.param) as cluster:
        yield Lab(cluster)


@pytest.fixture
def pair(lab, pairs_on):
    return pairs_on(lab)


def is_spray(lab):
    return isinstance(lab.cluster.way, ways.Spray)


def carried(lab):
    return [proxy.counters()["spliced_pkts"] for proxy in lab.cluster.proxies]


@pytest.mark.limit(120)
def test_bytes_are_the_same_through_three_proxies(lab, pair, family, kind):
    before = carried(lab)
    client, server = pair(family, kind)
    tcp.transfer(client, server, BYTES)
    tcp.transfer(server, client, BYTES)
    shares = [after - n for n, after in zip(before, carried(lab))]
    if is_spray(lab):
        assert min(shares) >= 0.2 * sum(shares), shares


def test_carriers_are_foretold(lab, pair, family):
    """What Cluster.carriers() says is where the packets go."""
    if is_spray(lab):
        pytest.skip("each packet has its own")
    sports = range(21000, 21012)
    names = lab.cluster.carriers(sports, daemon.RAW_HTTP, family.version)
    assert len(set(names)) > 1
    for sport, name in zip(sports, names):
        client, server = pair(family, "http", sport=sport)
        proxy = lab.cluster.proxies[lab.cluster.names.index(name)]
        before = proxy.counters()["spliced_pkts"]
        for _ in range(20):
            client.sendall(b"x")
            assert tcp.read(server, 1) == b"x"
        assert proxy.counters()["spliced_pkts"] >= before + 20
