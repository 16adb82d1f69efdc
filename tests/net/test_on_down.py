# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""on_down: reset in a cluster: connections of a backend that went down are reset at both ends within a second, in each mode."""
import time

import pytest

import daemon
from agent_lab import AgentLab
from conftest import Way
from tcp import listen, transfer, wait_for
from test_expiry import hears

pytestmark = [pytest.mark.spliced, pytest.mark.whole("the cluster has services of each mode")]
CHECKED = 7999      # a port of its own, so that no check is accepted as a client
CHECK = {"type": "tcp", "port": CHECKED, "interval": "100ms", "fall": 2, "rise": 1}
MODES = {"tcp": "split", "http": "adopt", "tls": "whole"}
PROXIES = 2


@pytest.fixture(scope="module")
def lab(start_cluster):
    """By packet, so that each proxy knows the numbers of some packets alone."""
    def services(net, source):
        for one, of in daemon.in_modes(MODES)(net, source):
            yield one, {**of, "on_down": "reset", "check": CHECK}
    with start_cluster(("snat",), services=services, agents=["backend1"], proxies=PROXIES, stores=1, way="spray") as cluster:
        cluster.start_agents()
        yield AgentLab(cluster)


@pytest.fixture
def checked(lab):
    with listen(lab.backend1, CHECKED) as server:
        wait_for(lambda: are_all(lab, "up"), "checks to pass")
        yield server


def are_all(lab, state):
    return all(one["state"] == one["check"]["state"] == state for proxy in lab.proxies
               for pool in proxy.status()["pools"] for one in pool["backends"])


def some(lab, pair, family, kind):
    with lab.made(**{MODES[kind]: 3}):
        ends = [pair(family, kind) for _ in range(3)]
    for client, server in ends:
        transfer(client, server, 20000)
        transfer(server, client, 20000)
    return ends


def all_hear(ends):
    since = time.monotonic()
    for client, server in ends:
        assert hears(client) and hears(server)
    assert time.monotonic() - since < 1


def test_by_an_order(lab, checked, pairs_on, kind):
    """Given to each proxy. Connections to other pools of the same host go on."""
    pair, family = pairs_on(lab), Way(6, "snat")
    ends = some(lab, pair, family, kind)
    others = [pair(family, other) for other in MODES if other != kind]
    for proxy in lab.proxies:
        proxy.ctl("backend", f"raw-{kind}-snat/backend1-v{family.version}", "down")
    all_hear(ends)
    for proxy in lab.proxies:
        proxy.ctl("backend", "--reset")
    for client, server in others:
        transfer(client, server, 1000)
        transfer(server, client, 1000)


def test_by_checks(lab, checked, pairs_on):
    pair, family = pairs_on(lab), Way(4, "snat")
    ends = [end for kind in MODES for end in some(lab, pair, family, kind)]
    checked.close()
    wait_for(lambda: are_all(lab, "down"), "checks to fail")
    all_hear(ends)
