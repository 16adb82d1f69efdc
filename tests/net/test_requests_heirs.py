# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The proxy that reads a client's requests dies: another one, which knows of an earlier request alone, goes on."""
import contextlib

import pytest

import daemon
from conftest import Lab
from daemon import service
from heads import Recorder
from tcp import acknowledged, connect, wait_for
from test_changed_heads import RAW, ask, head
from topo import VIP

pytestmark = [pytest.mark.spliced, pytest.mark.whole("requests are read")]
PORT, CLIENTS, BEGINNING = 7208, 24, 20


def services(view, source):
    pools = [daemon.pool(view, f"heirs-{n}", source, RAW, (f"backend{n}",)) for n in (1, 2)]
    yield service("heirs", source, "http", PORT, default=pools[0]["name"], routes=[{"path": "/b", "pool": pools[1]["name"]}]), *pools


@pytest.fixture(scope="module")
def lab(start_cluster):
    with start_cluster(services=services, way="flow") as cluster:
        yield Lab(cluster)


@pytest.fixture
def cluster(lab):
    yield lab.cluster
    lab.cluster.heal()


@pytest.fixture
def records(cluster):
    with contextlib.ExitStack() as stack:
        records = [Recorder(cluster.ns[f"backend{n}"], RAW) for n in (1, 2)]
        for record in records:
            stack.callback(record.close)
        yield records


def clients_of(cluster, stack, *paths):
    """Each has had these responses."""
    socks = [stack.enter_context(connect(cluster.client, VIP["snat"][4], PORT)) for _ in range(CLIENTS)]
    for path in paths:
        for i, sock in enumerate(socks):
            ask(sock, head(f"{path}/{i}"))
    return socks


def die(cluster):
    cluster.proxies[0].crash()
    cluster.way.announce(cluster.names[1:])


@pytest.mark.parametrize("path", ["/b", "/a"])
def test_half_a_head_behind_a_request_that_stayed(cluster, records, path):
    """No store knows of a bare head that stays. The rest of the next head looks like the beginning of one."""
    with contextlib.ExitStack() as stack:
        socks = clients_of(cluster, stack, "/a", "/b", "/b/stays")
        halves = [head(f"{path}/half/{i}", "X-Long: " + "x" * 100) for i in range(CLIENTS)]
        for sock, data in zip(socks, halves):
            sock.sendall(data[:BEGINNING])
        wait_for(lambda: all(map(acknowledged, socks)), "the first halves to be acknowledged")
        die(cluster)
        for sock, data in zip(socks, halves):
            sock.sendall(data[BEGINNING:])
        for i, sock in enumerate(socks):
            assert f"{path}/half/{i} " in ask(sock, b"")
    there = records[path == "/b"].requests
    assert sorted(each[1] for each in there if b"/half/" in each[1]) == sorted(halves)


def test_request_before_the_death_is_known(cluster, records):
    """It goes to the dead reader, and again to the heir, before the client sends it again and again."""
    with contextlib.ExitStack() as stack:
        socks = clients_of(cluster, stack, "/a", "/b")
        before = sum(proxy.counters()["told_again"] for proxy in cluster.proxies[1:])
        die(cluster)
        for i, sock in enumerate(socks):
            sock.sendall(head(f"/a/early/{i}"))
        for i, sock in enumerate(socks):
            assert f"/a/early/{i} " in ask(sock, b"")
        assert sum(proxy.counters()["told_again"] for proxy in cluster.proxies[1:]) > before
    assert len([each for each in records[0].requests if b"/early/" in each[1]]) == CLIENTS
