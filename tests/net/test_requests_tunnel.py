# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A tunnel through three proxies: bytes in it are no requests to the proxy that goes on with it after another's death."""
import contextlib

import pytest

import tcp
from exchanges import Request
from shop import Origins, Shop, balancer, on_spliced, services    # noqa: F401 - fixtures
from test_requests_forms import UPGRADE

pytestmark = [pytest.mark.spliced, pytest.mark.whole("requests are read")]
VISITS = 8


def talk(visit, data):
    visit.send(data)
    assert visit.exactly(len(data)) == data


def test_tunnel_outlives_two_proxies(start_cluster, on_spliced, family, tmp_path):
    with start_cluster(services=services, way="flow") as cluster:
        cluster.spliced = None
        tcp.wait_for(lambda: all(proxy.log.read_text().count(": lives\n") >= 2 for proxy in cluster.proxies), "the proxies to know each other")
        with contextlib.closing(Origins(cluster, tmp_path)) as origins:
            shop = Shop(cluster, origins, "spliced")
            visits = [shop.visit(family) for _ in range(VISITS)]
            for visit in visits:
                visit.ask(Request("A"))
                visit.answer(visit.post(Request("B", do="upgrade", more=UPGRADE)))
                visit.line_of_tunnel()
                talk(visit, b"hello")
            for lost, left in ((0, (1, 2)), (1, (0, 2))):
                cluster.proxies[lost].crash()
                cluster.way.announce([cluster.names[i] for i in left])
                for visit in visits:
                    for data in (b"hello", Request("C").wire(), b"x" * 100000):
                        talk(visit, data)
                cluster.heal()
            shop.stack.close()
