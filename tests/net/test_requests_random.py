# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random clients (wander.py) for SECONDS: no byte of a response is of another server, or of another request.

SEED repeats what the clients of a failed run have sent.
"""
import os
import random

import pytest

from shop import PORTS, Origins, Shop, Visit, balancer, market, on_one_proxy, on_spliced, open_balancer, services, shop, way    # noqa: F401 - fixtures
from tcp import connect
from wander import wander

pytestmark = [pytest.mark.spliced, pytest.mark.slow]
SECONDS = int(os.environ.get("SECONDS", 5))
SEED = os.environ.get("SEED", str(random.randrange(1 << 32)))
LIMIT = SECONDS + 90


def judge(stats):
    print(f"seed {SEED}: {dict(stats)}")
    assert stats["exchanges"] > SECONDS * 20, stats
    assert stats["lost to an idle server's end"] < stats["exchanges"] / 10, stats


@pytest.mark.limit(LIMIT)
def test_random_clients(shop, way):
    judge(wander(shop, lambda: shop.visit(way), SEED, SECONDS))


@pytest.mark.limit(LIMIT)
def test_random_clients_over_ipv6(shop, family):
    judge(wander(shop, lambda: shop.visit(family), SEED, SECONDS // 2))


def test_random_clients_without_a_balancer(market, balancer):
    """What is tested here are the clients and the servers."""
    shop = Shop(*market, "none")
    address = market[0].net.backend1.addr(4)
    judge(wander(shop, lambda: Visit(shop, connect(shop.client, address, PORTS["A"])), SEED, 2, pools="A", without=("error", "idle")))
    shop.check()


@pytest.mark.limit(LIMIT)
@pytest.mark.parametrize("routing", ["flow", pytest.param("spray", marks=pytest.mark.xfail(
    reason="the last word of an idle server, see docs/decisions/2026-11-30-sprayed-legs.md", strict=False))])
def test_random_clients_of_a_cluster(start_cluster, on_spliced, way, tmp_path, routing):
    with start_cluster(services=services, way=routing) as cluster:
        origins = Origins(cluster, tmp_path)
        try:
            cluster.spliced = None
            shop = Shop(cluster, origins, "spliced")
            judge(wander(shop, lambda: shop.visit(way), SEED, SECONDS))
            shop.check()
        finally:
            origins.close()
