# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One proxy, no store: it and the agent know each other by their configurations.

    client --- router --- proxy1 --- core --- backend1, with an agent
"""
import time
import types

import pytest

import daemon
import hosts
import tcp
from agent_lab import MIB, AgentLab
from conftest import Pairs
from topo import VIP

pytestmark = pytest.mark.spliced
MODES = {"http": "split", "tcp": "whole", "tls": "whole"}


@pytest.fixture(scope="module")
def lab(start_cluster):
    with start_cluster(services=daemon.in_modes(MODES), proxies=1, stores=0, agents=["backend1"]) as cluster:
        cluster.start_agents((daemon.RAW_TCP, daemon.RAW_HTTP))
        yield AgentLab(cluster)


@pytest.fixture
def pair(lab, pairs_on):
    return pairs_on(lab)


def at_backend(lab):
    (backend, *_), = [pool["backends"] for pool in lab.cluster.proxies[0].status()["pools"] if pool["name"] == "raw-http-snat"]
    return backend["agent"], backend["modes"]["split"]["mode"], backend["modes"]["split"]["reason"]


def states(host):
    return {member["name"]: member["state"] for member in host.members()}


def test_both_know_each_other(lab):
    for host in (lab.cluster.proxies[0], lab.agent):
        tcp.wait_for(lambda: states(host) == {"proxy1": "ready", "backend1": "agent"}, "all to be known", 5)
    tcp.wait_for(lambda: at_backend(lab) == ("backend1", "split", None), "the agent to have told what it serves", 5)
    assert lab.cluster.proxies[0].counters()["relay_refused_unknown"] == 0


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_what_is_introduced_is_split(lab, pair, family, kind):
    """There is no store that the agent could ask: it knows what the proxy has told it, and lets all else pass."""
    client, server = pair(family, kind)
    tcp.transfer(server, client, MIB)
    tcp.transfer(client, server, MIB)
    assert (lab.cluster.proxies[0].of(client)["bytes_down"] == 0) == (kind == "http")
    assert lab.agent.counters()["agent_asked"] == 0


@pytest.mark.parametrize("first", ["client", "server"])
def test_both_sides_hear_of_ends(lab, pair, family, first):
    """One FIN passes the proxy and the other one the agent."""
    client, server = pair(family, "http")
    tcp.transfer(server, client, MIB)
    one, other = (client, server) if first == "client" else (server, client)
    hosts = (lab.cluster.proxies[0], lab.agent)
    one.shutdown(tcp.socket.SHUT_WR)
    assert tcp.read_to_end(other) == b""
    other.shutdown(tcp.socket.SHUT_WR)
    assert tcp.read_to_end(one) == b""
    tcp.wait_for(lambda: all(host.of(client)["state"] == "closed" for host in hosts), "both to know that it is closed", 10)


def test_an_agent_that_comes_again_is_known_again(lab):
    agent = lab.agent
    agent.kill9()
    tcp.wait_for(lambda: at_backend(lab) == (None, "whole", "no_agent"), "the proxy to know that it is dead", 5)
    agent.start()
    tcp.wait_for(lambda: at_backend(lab) == ("backend1", "split", None), "the proxy to know that it lives", 5)


def test_a_list_of_servers_changes(lab):
    """By SIGHUP: the proxy hears of it, and asks for nothing that the agent doesn't do."""
    agent = lab.agent
    usual = agent.conf
    agent.reload({**usual, "serves": [at for at in usual["serves"] if not at.endswith(f":{daemon.RAW_HTTP}")]})
    try:
        tcp.wait_for(lambda: at_backend(lab) == (None, "whole", "no_agent"), "the proxy to know what is served no more", 5)
    finally:
        agent.reload(usual)
    tcp.wait_for(lambda: at_backend(lab) == ("backend1", "split", None), "the proxy to know what is served again", 5)


def test_nobody_else_did_what_was_held(lab):
    """Agents are no other proxies: after a stop the daemon goes on with what it has."""
    proxy, head = lab.cluster.proxies[0], Pairs.HEADS["http"]
    with tcp.listen(lab.backend1, daemon.RAW_HTTP) as listener, tcp.connect(lab.client, VIP["snat"][4], daemon.RAW_HTTP) as client:
        client.sendall(head[:20])
        tcp.wait_for(lambda: proxy.status()["pending"] == 1, "the proxy to hold it")
        proxy.freeze()
        time.sleep(1.3)     # STOPPED_NS in front.c
        proxy.thaw()
        assert proxy.status()["pending"] == 1 and proxy.counters()["stopped"] == 0
        client.sendall(head[20:])
        with tcp.accept(listener) as server:
            assert tcp.read(server, len(head)) == head


def test_who_is_not_named_is_not_believed(lab):
    """A proxy of the same key, at an endpoint that the agent's configuration does not have."""
    agent, proxy = lab.agent, lab.cluster.proxies[0]
    proxy.end(daemon.signal.SIGTERM)
    usual = proxy.conf
    before = agent.counters()["relay_refused_unknown"]
    proxy.write({**usual, "cluster": {**usual["cluster"], "name": "another"}})
    try:
        proxy.start()
        tcp.wait_for(lambda: agent.counters()["relay_refused_unknown"] > before + 3, "it to be refused", 5)
        assert set(states(agent)) == {"proxy1", "backend1"}
    finally:
        proxy.end(daemon.signal.SIGTERM)
        proxy.write(usual)
        proxy.start()


@pytest.fixture
def another(lab):
    """A second proxy, which has nothing in common with the first one but the key; each of the two names the other as a member."""
    cluster, first = lab.cluster, lab.cluster.proxies[0]
    usual, work, relay = first.conf, cluster.work / "backend2", cluster.agent_relay("backend2")
    work.mkdir()
    first.end(daemon.signal.SIGTERM)
    first.write({**usual, "cluster": {**usual["cluster"], "members": [*usual["cluster"]["members"], {"name": "backend2", "at": relay}]}})
    other = hosts.Member(cluster, "backend2", types.SimpleNamespace(proxy=cluster.ns["backend2"]), {
        **usual, "interfaces": ["core"], "key_file": f"{work}/cookie.key", "control": f"{work}/ctl.sock",
        "state_dir": f"/sys/fs/bpf/sp-{cluster.id}-backend2",
        "cluster": {"name": "backend2", "relay": relay, "members": [{"name": "proxy1", "at": usual["cluster"]["relay"]}]}})
    try:
        yield first.start(), other.start()
    finally:
        other.close()
        first.end(daemon.signal.SIGTERM)
        first.write(usual)
        first.start()


def test_another_proxy_is_no_member(another):
    """Without a store that they share, neither is the home of the other's connections."""
    for proxy in another:
        tcp.wait_for(lambda: proxy.counters()["member_refused_role"] > 3, "the other one to be refused", 5)
        assert [m["name"] for m in proxy.members() if m["state"] == "ready"] == [proxy.name]
