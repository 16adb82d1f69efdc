# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Orders of `splicectl backend` in a cluster: all proxies follow, whichever was away or cut off.

    client --- router --- proxy1, proxy2, proxy3 --- core --- backend1, backend2
"""
import concurrent.futures
import time

import pytest

import daemon
from tcp import wait_for

pytestmark = pytest.mark.spliced
AT = "raw-tcp-snat/backend1-v4"
OTHER = "raw-tcp-snat/backend2-v4"


def services(net, source):
    yield daemon.service("raw-tcp", source, "tcp", daemon.RAW_TCP, default=f"raw-tcp-{source}"), daemon.pool(
        net, "raw-tcp", source, daemon.RAW_TCP)


@pytest.fixture(scope="module")
def started(start_cluster):
    with start_cluster(("snat",), services, proxies=3, stores=1) as cluster:
        yield cluster


@pytest.fixture
def cluster(started):
    yield started
    started.heal()
    started.proxies[0].ctl("backend", "--reset")
    all_follow(started, AT, ("auto", None))
    all_follow(started, OTHER, ("auto", None))


def row(proxy, name):
    pool, backend = name.split("/")
    return next(b for p in proxy.status()["pools"] if p["name"] == pool for b in p["backends"] if b["name"] == backend)


def order(proxy, name=AT):
    backend = row(proxy, name)
    return backend["order"], backend["ordered_weight"]


def all_follow(cluster, name, wanted, proxies=None):
    proxies = proxies or cluster.proxies
    wait_for(lambda: all(order(p, name) == wanted for p in proxies), f"all to follow {wanted}", 5)


def test_an_order_is_of_the_cluster(cluster):
    one, two, three = cluster.proxies
    assert one.ctl("backend", AT, "drain") == f"{AT}: drain\ntold to 2 other proxies\n"
    all_follow(cluster, AT, ("drain", None))
    two.ctl("backend", AT, "weight", "7")
    all_follow(cluster, AT, ("drain", 7))
    assert [row(p, AT)["state"] for p in cluster.proxies] == ["draining"] * 3
    title, line = three.ctl("orders").splitlines()
    assert title.split() == ["POOL", "BACKEND", "ORDER", "WEIGHT", "FOR", "BY", "AGE"]
    assert line.split()[:6] == [*AT.split("/"), "drain", "7", "cluster", "proxy2"]
    two.kill9()
    two.start()
    wait_for(lambda: order(two) == ("drain", 7), "the order to outlive the daemon", 5)
    three.ctl("backend", AT, "auto")
    all_follow(cluster, AT, ("auto", 7))


@pytest.mark.parametrize("loss", ["kill9", "crash"])
def test_a_proxy_that_was_dead_or_is_new(cluster, loss):
    """After `crash` its table is empty, as of one that joins later."""
    one, two, three = cluster.proxies
    one.ctl("backend", AT, "drain")
    all_follow(cluster, AT, ("drain", None))
    getattr(three, loss)()
    two.ctl("backend", AT, "down")
    one.ctl("backend", OTHER, "weight", "0")
    three.boot()
    three.wait_well()
    all_follow(cluster, AT, ("down", None))
    all_follow(cluster, OTHER, ("auto", 0))


def test_a_reset_reaches_one_that_was_dead(cluster):
    one, two, three = cluster.proxies
    one.ctl("backend", AT, "drain")
    all_follow(cluster, AT, ("drain", None))
    three.kill9()
    two.ctl("backend", "--reset")
    three.boot()
    three.wait_well()
    all_follow(cluster, AT, ("auto", None))


def test_both_sides_of_a_partition(cluster):
    """The later order of each backend holds; those about others are united."""
    one, two, three = cluster.proxies
    three.unplug("back")
    wait_for(lambda: all(m["state"] == "dead" for m in three.members() if m["name"] != "proxy3"), "the others to be away", 5)
    three.ctl("backend", AT, "down")
    three.ctl("backend", OTHER, "drain")
    one.ctl("backend", AT, "drain")
    all_follow(cluster, AT, ("drain", None), [one, two])
    assert (order(three), order(one, OTHER)) == (("down", None), ("auto", None))
    three.plug()
    all_follow(cluster, AT, ("drain", None))
    all_follow(cluster, OTHER, ("drain", None))


def test_two_operators_at_once(cluster):
    for _ in range(5):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda job: job[0].ctl("backend", AT, job[1]), zip(cluster.proxies, ("up", "drain", "down"))))
        wait_for(lambda: len({order(p) for p in cluster.proxies}) == 1, "all to agree", 5)
        ages = [row(p, AT)["ordered"]["by"] for p in cluster.proxies]
        assert len(set(ages)) == 1


def test_without_the_store(cluster):
    cluster.stores[0].kill()
    cluster.proxies[2].ctl("backend", AT, "down")
    all_follow(cluster, AT, ("down", None))


def test_here(cluster):
    one, two, _ = cluster.proxies
    assert one.ctl("backend", "--here", AT, "drain") == f"{AT}: drain\n"
    two.ctl("backend", OTHER, "drain")
    all_follow(cluster, OTHER, ("drain", None))
    assert (order(one)[0], order(two)[0]) == ("drain", "auto")
    assert row(one, AT)["ordered"]["here"]
    two.ctl("backend", AT, "down")
    all_follow(cluster, AT, ("down", None))
    one.ctl("backend", "--here", AT, "up")
    one.ctl("backend", "--here", "--reset")
    all_follow(cluster, AT, ("down", None))


def test_all_is_quiet_while_they_agree(cluster):
    assert cluster.proxies[0].ctl_run("backend", "raw-tcp-snat/none", "drain").returncode == 1
    cluster.proxies[0].ctl("backend", AT, "drain")
    all_follow(cluster, AT, ("drain", None))
    sent = lambda: [p.counters()["orders_sent"] for p in cluster.proxies]
    before = sent()
    time.sleep(1.2)     # two digests
    assert sent() == before
