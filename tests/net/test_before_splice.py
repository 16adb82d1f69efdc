# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""From the SYN to the splice: what ends a connection then."""
import contextlib
import itertools

import pytest

import rawtcp
from daemon import RAW_HTTP, RAW_TCP, RAW_TLS
from hello import client_hello
from rawtcp import ACK, PSH, RST
from tcp import MIB, TIMEOUT, accept, connect, open_socket, read, reset, transfer, wait_for

HEADS = {RAW_HTTP: b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n", RAW_TLS: client_hello("www.example.org")}
sports = itertools.count(14000)


def established(raw, port):
    return raw.backend1.run("ss", "-Htn", "state", "established", "state", "syn-recv", f"( sport = :{port} )").splitlines()


def pending(raw):
    return sum(proxy.status()["pending"] for proxy in raw.proxies)


def count(raw, name):
    return sum(proxy.counters()[name] for proxy in raw.proxies)


def open_rows(raw, port):
    return [row for proxy in raw.proxies for row in proxy.connections() if row["state"] == "open" and row["front"]["to"].endswith(f":{port}")]


def connect_and_reset(raw, way, port, times):
    for _ in range(times):
        reset(connect(raw.client, way.vip, port))


def nothing_is_left(raw, port):
    wait_for(lambda: not established(raw, port), "the backend to have no connection")
    wait_for(lambda: not open_rows(raw, port) and not pending(raw), "the proxies to know that all have ended")


@pytest.mark.spliced
def test_connect_and_reset_leaves_nothing(raw, pair, way):
    """A port scanner, and a health check of another balancer. The backend waits for the client to speak."""
    pair.listener("tcp")
    connect_and_reset(raw, way, RAW_TCP, 60)
    nothing_is_left(raw, RAW_TCP)


@pytest.mark.spliced
@pytest.mark.syn("what is adopted has no SYN to lose")
def test_reset_while_the_backend_is_slow(raw, pair, way):
    """It sees only the repetition of a SYN whose client is gone by then."""
    pair.listener("tcp")
    slow = f"""set seen {{ type inet_service; flags dynamic; timeout 5s; }}
        chain slow {{
            type filter hook input priority 0
            tcp dport {RAW_TCP} tcp flags & (syn | ack) == syn tcp sport != @seen add @seen {{ tcp sport }} drop
        }}"""
    with raw.backend1.nft(slow):
        connect_and_reset(raw, way, RAW_TCP, 20)
        nothing_is_left(raw, RAW_TCP)


@contextlib.contextmanager
def half_a_head(raw, way, port):
    """A client that has sent the beginning of one, whose place is taken."""
    with rawtcp.Raw(raw.net, way.vip, port, next(sports)) as client:
        client.handshake()
        client.acknowledge()
        client.send(ACK | PSH, HEADS[port][:20])
        wait_for(lambda: pending(raw), "its head to be held")
        yield client
    wait_for(lambda: not pending(raw), "its place to be free")


@pytest.mark.spliced
@pytest.mark.parametrize("port", HEADS, ids=["http", "tls"])
@pytest.mark.parametrize("flags", [RST, RST | ACK], ids=["rst", "rst-ack"])
def test_reset_of_half_a_head_frees_its_place(raw, family, port, flags):
    """At once, and nothing is said to a client that is gone."""
    said = count(raw, "answered_408")
    with half_a_head(raw, family, port) as client:
        client.send(flags, at=20)
        wait_for(lambda: not pending(raw), "its place to be free", timeout=2)
        assert not client.receive(0.3, lambda seg: seg.payload or seg.flags & rawtcp.FIN)
    assert count(raw, "answered_408") == said


@pytest.mark.spliced
@pytest.mark.parametrize("port", HEADS, ids=["http", "tls"])
def test_reset_out_of_place_is_asked_about(raw, family, port):
    """RFC 5961, 3.2: in the window, but not the next byte. Who has really forgotten the connection says so again."""
    with half_a_head(raw, family, port) as client:
        wait_for(lambda: client.receive(1, lambda seg: seg.ack == client.isn + 21), "the beginning to be acknowledged")
        client.send(RST, at=25)
        challenge = client.receive(2)
        assert challenge and challenge.flags == ACK and challenge.ack == client.isn + 21
        assert pending(raw)
        client.send(RST, seq=challenge.ack)
        wait_for(lambda: not pending(raw), "its place to be free", timeout=2)


@pytest.mark.spliced
def test_reset_by_a_stranger_ends_no_head(raw, pair, family):
    """It does not know the numbers, and the head goes on."""
    pair.listener("http")
    with half_a_head(raw, family, RAW_HTTP) as client:
        for seq in (0, 0x40000000, 0x80000000, 0xc0000000):
            client.send(RST, seq=seq)
        client.send(RST | ACK, at=20, ack=77)
        client.send(ACK | PSH, HEADS[RAW_HTTP][20:], at=20)
        with pair.listener("http").accept()[0] as server:
            assert server.recv(100) == HEADS[RAW_HTTP]
            client.send(RST, at=len(HEADS[RAW_HTTP]))


# ---- data in a SYN ----

MSG_FASTOPEN = 0x20000000


@pytest.mark.spliced
@pytest.mark.parametrize("size", [len(HEADS[RAW_HTTP]), 1000, 1400, 9000], ids=["request", "odd-checksum", "whole-segment", "more-than-a-segment"])
def test_fast_open_costs_no_time(raw, pair, family, size):
    """The client sends its request in the SYN, and all of it again at once, as the SYN alone is acknowledged (RFC 7413)."""
    head = b"GET /" + b"a" * (size - len(HEADS[RAW_HTTP])) + HEADS[RAW_HTTP][5:]
    listener = pair.listener("http")
    before = raw.client.counter("TcpExtTCPTimeouts"), raw.client.counter("TcpExtTCPSynRetrans")
    with raw.client.sysctls(tcp_fastopen=5), open_socket(raw.client, family.vip) as client:     # data without a cookie
        client.sendall(head[client.sendto(head, MSG_FASTOPEN, (family.vip, RAW_HTTP)):])
        with accept(listener) as server:
            assert read(server, len(head)) == head
            transfer(server, client, MIB)
    assert (raw.client.counter("TcpExtTCPTimeouts"), raw.client.counter("TcpExtTCPSynRetrans")) == before


@pytest.mark.spliced
@pytest.mark.parametrize("option", [b"", b"\x22\x02", b"\x22\x0acookie78", b"\xfe\x04\xf9\x89"], ids=["plain", "asked", "cookie", "experimental"])
def test_what_came_in_the_syn_runs_once(raw, pair, family, option):
    """Whether it came in one SYN or in three: only what is sent behind the handshake counts."""
    listener, head = pair.listener("http"), HEADS[RAW_HTTP]
    with rawtcp.Raw(raw.net, family.vip, RAW_HTTP, next(sports)) as client:
        for _ in range(3):
            client.send(rawtcp.SYN, head, seq=client.isn, options=client.OPTIONS + option)
            answer = client.receive(2)
            assert answer.flags == rawtcp.SYN | ACK and answer.ack == client.isn + 1 and b"\x22" not in answer.options
        client.their_isn, client.seq, client.ack = answer.seq, client.isn + 1, answer.seq + 1
        client.send(ACK | PSH, head)
        with accept(listener) as server:
            assert server.recv(1000) == head
            listener.settimeout(0.3)
            with pytest.raises(TimeoutError):
                listener.accept()
            listener.settimeout(TIMEOUT)
