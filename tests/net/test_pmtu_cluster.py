# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A router's "packet too big" comes to another proxy than the packets that it is about (RFC 7690): the server learns
the path MTU all the same.

    client -(1300)- router ---+--- proxy1..3 --- core --- backend1, with an agent
                              `------------------------------'      (front, see cluster.py)
"""
import pytest

import topo
from agent_lab import MIB, agent_lab
from kernel import ADOPT
from tcp import info, transfer

pytestmark = pytest.mark.spliced
NARROW = 1300
PROTOCOLS = {4: ("icmp", 10), 6: ("ipv6-icmp", 10)}     # and the preference of their rule
TABLES = {"tcp": 78, "icmp": 77, "ipv6-icmp": 77}


def lead(router, version, proto, pref, proxy):
    """What goes to services."""
    table, digit = TABLES[proto], 10 + proxy
    hop, default = (f"10.2.0.{digit}", "default") if version == 4 else (f"fd00:2::{digit}", "::/0")
    router.run("ip", f"-{version}", "rule", "add", "pref", str(pref), "ipproto", proto,
               "to", topo.VIP_NETS[version == 6], "lookup", str(table))
    router.ip(f"route replace {default} via {hop} table {table}\n")


@pytest.fixture(scope="module", params=["whole", "split", ADOPT])
def lab(request, start_cluster):
    with agent_lab(start_cluster, request.param) as lab:
        router = lab.cluster.router
        for version, (proto, pref) in PROTOCOLS.items():
            lead(router, version, proto, pref, proxy=2)
            lead(router, version, "tcp", pref + 1, proxy=1)
        router.ip(f"route replace 10.1.0.0/24 dev client mtu lock {NARROW}\n"
                  f"route replace fd00:1::/64 dev client metric 256 mtu lock {NARROW}\n")
        yield lab


def test_error_reaches_another_proxy(lab, pairs_on, family, kind):
    pairs = pairs_on(lab)
    for version in ("-4", "-6"):
        lab.backend1.run("ip", version, "route", "flush", "cache")
    asked = lab.total("quote_asked")
    client, server = pairs(family, kind)
    transfer(server, client, 4 * MIB)
    assert int(info(lab.backend1, server)["pmtu"]) == NARROW
    assert lab.total("quote_asked") > asked
