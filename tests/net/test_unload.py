# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An agent is taken away while its backend's connections are adopted: none of them ends, nor one that begins meanwhile."""
import threading
import time

import pytest

import tcp
from conftest import Lab, Pairs
from kernel import needs_adopt

pytestmark = [pytest.mark.spliced, needs_adopt]
BYTES = 10000


@pytest.fixture(scope="module")
def lab(start_cluster):
    with start_cluster(proxies=1, stores=1, agents=["backend1"]) as cluster:
        cluster.start_agents(Pairs.PORTS.values())
        yield Lab(cluster)


@pytest.fixture
def pair(lab, pairs_on):
    yield pairs_on(lab)
    lab.cluster.heal()


def test_an_agent_is_unloaded(lab, pair, family):
    agent, proxy = lab.cluster.agents[0], lab.cluster.proxies[0]
    adopted, whole = (proxy.counters()[name] for name in ("spliced_adopt", "spliced_whole"))
    pairs = [pair(family, "http")]
    agent.kill9()
    unloading = threading.Thread(target=agent.unload)
    unloading.start()
    while unloading.is_alive() or proxy.counters()["spliced_whole"] == whole:
        pairs.append(pair(family, "http"))
        time.sleep(0.01)
    unloading.join()
    assert proxy.counters()["spliced_adopt"] - adopted > 1, "none began while it seemed to live"
    for client, server in pairs:
        tcp.transfer(server, client, BYTES)
        tcp.transfer(client, server, BYTES)
