# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A packet filter of the backend's host drops what its kernel should take over: the first connection begins anew, all go split.

    client --- router ---+--- proxy1..3 --- core --- backend1, with an agent and a firewall
                         `------------------------------'
"""
import time

import pytest

import daemon
import tcp
from agent_lab import MIB, AgentLab, agent_lab
from kernel import needs_adopt

pytestmark = [pytest.mark.spliced, needs_adopt]
PORTS = f"{{ {daemon.RAW_TCP}, {daemon.RAW_HTTP}, {daemon.RAW_TLS} }}"
RULES = {"not-syn": "tcp flags & (fin|syn|rst|ack) != syn ct state new", "invalid": "ct state invalid"}
SHARES = {"cluster": {}, "alone": {"proxies": 1, "stores": 0}}


@pytest.fixture(scope="module", params=SHARES)
def lab(request, start_cluster):
    with agent_lab(start_cluster, "auto", lab=AgentLab, **SHARES[request.param]) as lab:
        yield lab


@pytest.fixture
def fresh(lab):
    """An agent that knows nothing against its listeners."""
    lab.agent.end(15)
    lab.agent.start()
    lab.cluster.wait_well()
    return lab


def warned(spliced):
    return [one for one in spliced.status()["warning_details"] if one["kind"] == "adopt_filtered"]


@pytest.mark.parametrize("rule", RULES)
def test_begins_anew_and_goes_split(fresh, pairs_on, family, kind, rule):
    lab, pair = fresh, pairs_on(fresh)
    pair.listener(kind)
    lab.backend1.sysctl("netfilter.nf_conntrack_tcp_loose", int(rule == "not-syn"))
    try:
        with lab.backend1.nft(f"chain in {{ type filter hook input priority 0; iifname core tcp dport {PORTS} {RULES[rule]} drop; }}"):
            before, start = lab.total("adopted_in_vain"), time.monotonic()
            with lab.made(adopt=1, split=2):
                first = pair(family, kind)
                assert time.monotonic() - start < tcp.bound(2)
                second = pair(family, kind)
            for client, server in (first, second):
                tcp.transfer(server, client, MIB)
                tcp.transfer(client, server, MIB)
                assert lab.down_at_proxies(client) == 0
            assert lab.total("adopted_in_vain") > before and lab.total("fell_back_filtered")
    finally:
        lab.backend1.sysctl("netfilter.nf_conntrack_tcp_loose", 1)
    said, = warned(lab.agent)
    assert said["object"] in said["text"] and "notrack" in said["remedy"]
    assert any(said["object"] == one["object"] for proxy in lab.cluster.proxies for one in warned(proxy))
    assert "filtered" in lab.cluster.proxies[0].ctl("status")


def test_a_full_queue_proves_nothing(fresh, pairs_on, family):
    """It drops first segments, too: they are taken as soon as there is room, and adopted."""
    lab = fresh
    with tcp.listen(lab.backend1, daemon.RAW_HTTP) as listener:
        listener.listen(0)
        tcp.wait_for(lambda: not any(p.misses_listener(daemon.RAW_HTTP) for p in lab.cluster.proxies), "the proxies to hear", 5)
        with tcp.connect(lab.client, family.vip, daemon.RAW_HTTP) as one, tcp.connect(lab.client, family.vip, daemon.RAW_HTTP) as two:
            head = b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n"
            with lab.made(adopt=2):
                one.sendall(head)
                tcp.wait_for(lambda: lab.agent.counters()["taken_over"] >= 1, "the first to be taken over")
                two.sendall(head)
                time.sleep(0.5)
                for _ in range(2):
                    with tcp.accept(listener) as server:
                        assert tcp.read(server, len(head)) == head
    assert not warned(lab.agent) and lab.agent.drops()["adopt_untaken"]
