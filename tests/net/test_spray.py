# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Each packet of a connection to the next of three proxies, both ways: what holds for one proxy holds for them."""
import contextlib
import hashlib

import pytest

import daemon
import tcp
from cluster import LOSS
from conftest import Lab
from servers import Servers
from test_apps import sha256, ssh_service
from test_heads import *    # noqa: F401,F403: each promise about heads, with the `raw` of this file
del test_acknowledged_bytes_wait_for_a_window      # noqa: F821: of a backend that is not heard here no window is known
from web import get, request, exchange, status_of, web_services

pytestmark = [pytest.mark.spliced, pytest.mark.each_mode, pytest.mark.minutes(4)]
MIB = 1 << 20


def know_each_other(cluster):
    others = len(cluster.proxies) - 1
    return all(proxy.log.read_text().count(": lives\n") >= others for proxy in cluster.proxies)


def services(view, source):
    return *daemon.raw_services(view, source), *web_services(view, source), ssh_service(view, source)


@pytest.fixture(scope="module")
def raw(start_cluster):
    with start_cluster(("snat", "client"), services, way="spray") as cluster:
        tcp.wait_for(lambda: know_each_other(cluster), "the proxies to know each other")
        yield Lab(cluster)


@pytest.fixture(scope="module")
def servers(raw, tmp_path_factory):
    servers = Servers(raw.cluster, tmp_path_factory.mktemp("servers"), tmp_path_factory.mktemp("files"))
    try:
        yield servers.start()
    finally:
        servers.close()


def shares(lab, client, key):
    """What each proxy has carried of this connection."""
    rows = [proxy.of(client) for proxy in lab.cluster.proxies]
    return [row[key] if row else 0 for row in rows]


def check_shares(raw, client):
    """Each proxy has carried its part of this one connection; answers to agents pass none."""
    for key in ("pkts_up", "pkts_down")[:1 if raw.cluster.agents else 2]:
        carried = shares(raw, client, key)
        assert min(carried) >= 0.2 * sum(carried), (key, carried)


def each_way(raw, pair, way, kind, size, lossy):
    client, server = pair(way, kind)
    with raw.cluster.router.nft(LOSS) if lossy else contextlib.nullcontext():
        tcp.transfer(server, client, size)
        tcp.transfer(client, server, size)
    check_shares(raw, client)


@pytest.mark.parametrize("lossy", [False, True], ids=["", "1-percent-lost"])
@pytest.mark.limit(180)
def test_64_mib_each_way(raw, pair, way, kind, lossy):
    each_way(raw, pair, way, kind, 64 * MIB, lossy)


@pytest.mark.parametrize("lossy", [False, True], ids=["", "1-percent-lost"])
@pytest.mark.limit(180)
def test_1_gib_each_way(raw, pair, family, lossy):
    each_way(raw, pair, family, "http", 1024 * MIB, lossy)


def test_many_requests(raw, servers, way):
    """Each with three ways to go, and a backend's answer, or one of our own."""
    for n in range(50):
        assert get(raw.client, way, f"/{n}").startswith(f"backend1:80 GET www.example.org /{n} ")
        assert status_of(exchange(raw.client, way, b"GET /\r\n\r\n")) == 400
        assert status_of(exchange(raw.client, way, request(host="nobody.example.org"), port=daemon.HTTP_B)) == 404


def test_ssh_session(raw, servers, way):
    data = servers.file("some", 5 * MIB)
    with open(data, "rb") as source:
        proc = raw.client.popen(*servers.ssh(way.vip), "cat; exit 7", stdin=source, stdout=-1)
        out, _ = proc.communicate(timeout=30)
    assert proc.returncode == 7
    assert hashlib.sha256(out).hexdigest() == sha256(data)


def home_of(lab):
    """The proxy that has a head in its hands, when all but one have none."""
    pending = [proxy for proxy in lab.cluster.proxies if proxy.status()["pending"]]
    return pending[0] if len(pending) == 1 else None


def test_a_dead_home_is_replaced(raw, pair, family):
    """Half a head is at its home, which is killed; what the client repeats is put together by the next one."""
    head = pair.HEADS["http"]
    listener = pair.listener("http")
    with tcp.connect(raw.client, family.vip, daemon.RAW_HTTP) as client:
        for i in range(3):
            client.send(head[i:i + 1])
        home = tcp.wait_for(lambda: home_of(raw), "one proxy to hold the head")
        home.kill9()
        raw.cluster.way.announce([proxy.name for proxy in raw.cluster.proxies if proxy is not home])
        try:
            client.sendall(head[3:])
            with tcp.accept(listener) as server:
                assert tcp.read(server, len(head)) == head
                tcp.transfer(server, client, MIB)
        finally:
            home.start()
            raw.cluster.heal()
            tcp.wait_for(lambda: know_each_other(raw.cluster), "the proxies to know each other")


def closed_everywhere(lab, ports):
    """Who has seen neither end was told of both."""
    rows = [row for proxy in lab.cluster.proxies for row in proxy.connections()]
    return all(row["state"] == "closed" for row in rows if int(row["front"]["from"].rpartition(":")[2]) in ports)


@pytest.mark.parametrize("closes", ["server", "client"])
def test_a_port_that_comes_again(raw, pair, family, closes):
    """Its SYN comes to one proxy, and the others have the closed splice of before."""
    ports, listener, data = [next(sports) for _ in range(8)], pair.listener("http"), http_head(3000)
    with raw.client.sysctls(tcp_tw_reuse=1):
        for client, server in [pair(family, "http", sport=port) for port in ports]:
            tcp.close_both(*((server, client) if closes == "server" else (client, server)))
        tcp.wait_for(lambda: closed_everywhere(raw, ports), "all to know that these are closed")
        for port in ports:
            with tcp.connect(raw.client, family.vip, daemon.RAW_HTTP, sport=port) as client:
                client.sendall(data)
                with tcp.accept(listener) as server:
                    assert tcp.read(server, len(data)) == data
                    tcp.transfer(server, client, MIB)
                    tcp.transfer(client, server, MIB)


def test_who_knows_nothing_says_nothing(raw, pair, family):
    """A connection that only the store knows goes on; one that nobody knows is reset, but not at its first segment."""
    client, server = pair(family, "http")
    for proxy in raw.cluster.proxies:
        proxy.end(daemon.signal.SIGTERM)
        proxy.unload()
        proxy.start()
    raw.cluster.wait_well()
    tcp.transfer(client, server, MIB)
    tcp.transfer(server, client, MIB)
