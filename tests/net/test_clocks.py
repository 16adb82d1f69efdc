# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A backend's host whose clock is wrong: how much is borne, and that it is said. Like this, too, looks what was recorded of an agent."""
import contextlib
import glob

import pytest

import hosts
import tcp
from conftest import Lab, Pairs

pytestmark = pytest.mark.spliced
ANSWER = 100000


@pytest.fixture
def start(start_cluster, pairs_on):
    """(proxy, agent, pairs), the agent's clock being so many seconds ahead."""
    library, = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")

    @contextlib.contextmanager
    def start(seconds, stores=1):
        with start_cluster(proxies=1, stores=stores, agents=["backend1"]) as cluster:
            agent = hosts.Agent(cluster, "backend1", cluster.agent_config("backend1", Pairs.PORTS.values()))
            cluster.agents.append(agent)
            agent.env = {"LD_PRELOAD": library, "FAKETIME": f"{seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
            agent.start()
            yield cluster.proxies[0], agent, pairs_on(Lab(cluster))
    return start


def answers_at(proxy, pairs, family):
    client, server = pairs(family, "http")
    tcp.transfer(server, client, ANSWER)
    return proxy.of(client)["bytes_down"]


@pytest.mark.parametrize("stores", [1, 0])
def test_introductions_are_refused(start, family, stores):
    """And known to be: nothing is adopted, and the store is asked, if there is one."""
    with start(-7, stores) as (proxy, agent, pairs):
        agent.wait_well()
        # the agent itself sees no difference, as its kernel's stamps of datagrams are right
        warning, = proxy.status()["warnings"]
        assert warning.startswith("the clock of backend1 is ") and "ms behind ours" in warning
        pairs.listener("http")
        assert (answers_at(proxy, pairs, family) == 0) == bool(stores)
        assert agent.drops()["intro_old"] and agent.counters()["agent_asked"] == stores
        assert proxy.counters()["fell_back_clock_off"] == proxy.counters()["spliced_split"] == 1


def test_it_is_not_believed_to_live(start, family):
    with start(20) as (proxy, agent, pairs):
        tcp.wait_for(lambda: proxy.counters()["relay_refused_skewed"] > 5, "what it says to be refused")
        assert not agent.is_known_to(proxy) and "the clock of backend1 is " in proxy.ctl("status")
        assert answers_at(proxy, pairs, family) >= ANSWER
