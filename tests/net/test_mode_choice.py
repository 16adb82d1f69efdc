# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a connection gets of its service's mode: whole, split or auto, with and without an agent at the backend.

    client --- router ---+--- proxy1, proxy2 --- core --- backend1, with an agent; backend2, with none
"""
import time

import pytest

import daemon
import tcp
from agent_lab import MIB, AgentLab

pytestmark = pytest.mark.spliced
LONELY = {"split": 7001, "adopt": 7002}     # at backend2
MODES = {"http": "whole", "tcp": "split", "tls": "auto"}


def services(net, source):
    yield from daemon.in_modes(MODES)(net, source)
    for mode, port in LONELY.items() if source == "snat" else ():
        yield ({**daemon.service(f"lonely-{mode}", source, "tcp", port, default=f"lonely-{mode}-{source}"), "mode": mode},
               daemon.pool(net, f"lonely-{mode}", source, port, ("backend2",)))


@pytest.fixture(scope="module")
def lab(start_cluster):
    with start_cluster(("snat", "client"), services=services, proxies=2, stores=1, agents=["backend1"]) as cluster:
        cluster.start_agents((daemon.RAW_TCP, daemon.RAW_HTTP, daemon.RAW_TLS))
        yield AgentLab(cluster)


@pytest.fixture
def pair(lab, pairs_on):
    return pairs_on(lab)


def in_effect(proxy, pool, wanted):
    """{(mode, reason)} at the pool's backends."""
    backends, = [p["backends"] for p in proxy.status()["pools"] if p["name"] == pool]
    return {(backend["modes"][wanted]["mode"], backend["modes"][wanted]["reason"]) for backend in backends}


def warnings(proxy, service):
    return [line for line in proxy.status()["warnings"] if line.startswith(f"service {service}:")]


def download(lab, pair, way, kind):
    """(whether proxies have carried it down, counters of modes that have counted it)"""
    before = {name: lab.total(f"spliced_{name}") for name in ("whole", "split", "adopt")}
    client, server = pair(way, kind)
    tcp.transfer(server, client, MIB)
    counted = [name for name in before if lab.total(f"spliced_{name}") > before[name]]
    # What is repeated counts again. A first window may come by a proxy that does not know it yet: its daemon hands that on, uncounted.
    down = lab.down_at_proxies(client)
    assert down == 0 or down >= 0.98 * MIB
    return down > 0, counted


def test_whole_is_whole_where_an_agent_lives(lab, pair, way):
    agent = lab.agent
    before = agent.counters()
    assert download(lab, pair, way, "http") == (True, ["whole"])
    after = agent.counters()
    assert after["spliced_bytes"] == before["spliced_bytes"]
    assert after["agent_whole"] > before["agent_whole"]     # twice, where the answer of the store took long
    assert in_effect(lab.cluster.proxies[0], f"raw-http-{way.source}", "whole") == {("whole", None)}


def test_split_is_split(lab, pair, way):
    assert download(lab, pair, way, "tcp") == (False, ["split"])
    assert in_effect(lab.cluster.proxies[0], f"raw-tcp-{way.source}", "split") == {("split", None)}


def test_auto_is_the_best_there_is(lab, pair, way):
    down, counted = download(lab, pair, way, "tls")
    (mode, reason), = in_effect(lab.cluster.proxies[0], f"raw-tls-{way.source}", "auto")
    assert (down, counted) == (False, [mode]) and mode != "whole"
    assert reason == {"adopt": None}.get(mode, "source_client" if way.source == "client" and reason == "source_client"
                                         else "agent_lacks_adopt")


@pytest.mark.parametrize("wanted, port", LONELY.items(), ids=LONELY)
def test_without_an_agent_all_goes_whole_and_is_said(lab, family, wanted, port):
    before, name = lab.total("fell_back_no_agent"), f"lonely-{wanted}-snat"
    with tcp.listen(lab.cluster.ns["backend2"], port) as listener:
        with tcp.connect(lab.client, family.vip, port) as client, tcp.accept(listener) as server:
            tcp.transfer(server, client, MIB)
            assert lab.down_at_proxies(client) >= MIB
    assert lab.total("fell_back_no_agent") == before + 1
    for proxy in lab.cluster.proxies:
        assert in_effect(proxy, name, wanted) == {("whole", "no_agent")}
        said = tcp.wait_for(lambda: warnings(proxy, name), "a warning", 5)
        assert len(said) == 1 and "no_agent" in said[0], said
        assert proxy.log.read_text().count(f"service {name}: mode {wanted} can't be had") == 1
        text = proxy.ctl("status")
        assert f"WARNING: service {name}" in text and "IN EFFECT" in text


def lines(proxy):
    return [line for line in proxy.log.read_text().splitlines() if "service raw-tcp-snat: mode split" in line]


def test_the_agent_dies_and_comes_back(lab, pair, family):
    """New connections go whole within a second, and then split again. Said once, however many connections there are."""
    agent, before = lab.agent, {proxy: len(lines(proxy)) for proxy in lab.cluster.proxies}
    agent.kill9()
    died_s = time.monotonic()
    tcp.wait_for(lambda: all(in_effect(proxy, "raw-tcp-snat", "split") == {("whole", "no_agent")} for proxy in lab.cluster.proxies),
                 "proxies to know that it is dead", 5)
    assert time.monotonic() - died_s < tcp.bound(1)
    for _ in range(3):
        assert download(lab, pair, family, "tcp") == (True, ["whole"])
    tcp.wait_for(lambda: all(len(lines(proxy)) > before[proxy] for proxy in lab.cluster.proxies), "a line in the log", 5)
    assert all(warnings(proxy, "raw-tcp-snat") for proxy in lab.cluster.proxies)
    agent.start()
    agent.wait_well()
    tcp.wait_for(lambda: download(lab, pair, family, "tcp") == (False, ["split"]), "new ones to be split", 5)
    tcp.wait_for(lambda: all(len(lines(proxy)) == before[proxy] + 2 for proxy in lab.cluster.proxies), "one line each", 5)
    assert not any(warnings(proxy, "raw-tcp-snat") for proxy in lab.cluster.proxies)
