# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The proxy that reads a client's requests dies: another one, which knows of an earlier request alone, goes on."""
import contextlib
import socket
import struct

import pytest

import daemon
from conftest import Lab
from daemon import service
from heads import Recorder
from tcp import accept, acknowledged, connect, listen, read, wait_for
from test_changed_heads import RAW, ask, head
from topo import VIP

pytestmark = [pytest.mark.spliced, pytest.mark.whole("requests are read")]
PORT, CLIENTS, BEGINNING = 7208, 24, 20
COMMITTING = "COMMITTING: its boundary moves"


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


TCP_INFO_TOTAL_RETRANS = 100
THROUGH = ("its splice carries what is held", "its splice is here, with acknowledged bytes to deliver")
LOST_ANSWERS = "chain lose {\n type filter hook input priority 0\n tcp sport 6379 counter drop\n }"


def retransmissions(sock):
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), TCP_INFO_TOTAL_RETRANS)[0]


def test_commit_of_a_killed_daemon_carries_what_the_next_one_has_acknowledged(cluster):
    """The store has the end of a chunk and more of the body committed, and the answer was lost. The next daemon reads the end alone."""
    proxy, ports = cluster.proxies[0], range(31000, 31100)
    sport = next(port for port, name in zip(ports, cluster.carriers(ports, PORT)) if name == proxy.name)
    begin, rest = head("/b", "Transfer-Encoding: chunked", method="PUT") + b"2\r\nab", b"7000\r\n" + b"x" * 0x7000 + b"\r\n0\r\n\r\n"
    with listen(cluster.ns["backend2"], RAW) as listener, connect(cluster.client, VIP["snat"][4], PORT, sport=sport) as sock:
        sock.sendall(begin)
        with accept(listener) as server:
            assert read(server, len(begin)) == begin
            wait_for(lambda: acknowledged(sock), "the first chunk to be acknowledged")
            with proxy.host_ns.nft(LOST_ANSWERS):
                before = proxy.log.read_text().count(COMMITTING)
                sock.sendall(b"\r\n")
                sock.sendall(rest)
                wait_for(lambda: proxy.log.read_text().count(COMMITTING) > before, "a commit")
                wait_for(lambda: retransmissions(sock), "the client to probe for a loss: the servers have the commit")
                proxy.kill9()
            probes = retransmissions(sock)
            wait_for(lambda: retransmissions(sock) > probes, "the client to send the end of the chunk again")
            proxy.start()
            assert read(server, 2 + len(rest)) == b"\r\n" + rest
    assert any(text in proxy.log.read_text() for text in THROUGH), "what is held has to go through the splice that the store has"
