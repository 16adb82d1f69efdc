# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""From the SYN to the splice: data that come too early, silence, and what ends a connection then."""
import contextlib
import itertools
import socket
import time

import pytest

import rawtcp
from daemon import RAW_HTTP, RAW_TCP, RAW_TLS
from hello import client_hello
from rawtcp import ACK, PSH, RST
from tcp import MIB, TIMEOUT, accept, connect, in_thread, open_socket, read, reset, transfer, wait_for

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
def test_challenges_are_throttled(raw, family):
    """RFC 5961, 7: ten in five seconds, at most. What is not said is counted, and a reset that fits is heard all the same."""
    with half_a_head(raw, family, RAW_HTTP) as client:
        wait_for(lambda: client.receive(1, lambda seg: seg.ack == client.isn + 21), "the beginning to be acknowledged")
        said, suppressed = count(raw, "rst_challenged"), count(raw, "challenge_throttled")
        for at in range(25, 55):
            client.send(RST, at=at)
        wait_for(lambda: count(raw, "rst_challenged") + count(raw, "challenge_throttled") == said + suppressed + 30, "all to be seen")
        burst = count(raw, "rst_challenged") - said
        assert burst <= 2     # they may come at the border of two halves of a second
        wait_for(lambda: client.send(RST, at=25) or count(raw, "rst_challenged") - said == burst + 1, "another challenge", every=0.1)
        client.send(RST, at=20)
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


# ---- silence before the first byte ----

@pytest.mark.spliced
@pytest.mark.parametrize("port", HEADS, ids=["http", "tls"])
def test_probes_before_the_first_byte_are_answered(raw, pair, family, port):
    """RFC 1122, 4.2.3.6: browsers open connections in advance, and ask whether they are still there."""
    listener = pair.listener({RAW_HTTP: "http", RAW_TLS: "tls"}[port])
    resets = count(raw, "reset_unknown")
    with rawtcp.Raw(raw.net, family.vip, port, next(sports)) as client:
        client.handshake()
        client.acknowledge()
        for garbage in (b"", b"\0") * 3:
            client.send(ACK, garbage, seq=client.isn)
            answer = client.receive(2)
            assert answer and (answer.flags, answer.seq, answer.ack, answer.payload) == (ACK, client.their_isn + 1, client.isn + 1, b"")
            assert answer.window
            time.sleep(0.4)     # in all longer than a stray has until it is refused
        client.send(ACK | PSH, HEADS[port])
        with accept(listener) as server:
            assert read(server, len(HEADS[port])) == HEADS[port]
    assert count(raw, "reset_unknown") == resets


@pytest.mark.spliced
def test_probe_of_a_stranger_is_not_answered(raw, family):
    """It has not shaken hands."""
    with rawtcp.Raw(raw.net, family.vip, RAW_HTTP, next(sports)) as client:
        client.send(ACK, seq=client.isn, ack=12345)
        assert not client.receive(0.5)


@pytest.mark.spliced
def test_probe_between_pieces_of_a_head_is_answered(raw, family):
    with half_a_head(raw, family, RAW_HTTP) as client:
        wait_for(lambda: client.receive(1, lambda seg: seg.ack == client.isn + 21), "the beginning to be acknowledged")
        client.send(ACK, at=19)
        answer = client.receive(2)
        assert answer and answer.flags == ACK and answer.ack == client.isn + 21
        client.send(RST, at=20)


@pytest.mark.spliced
def test_kernel_keeps_an_unused_connection_alive(raw, pair, family):
    listener = pair.listener("http")
    with connect(raw.client, family.vip, RAW_HTTP) as client:
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2)):
            client.setsockopt(socket.IPPROTO_TCP, option, value)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        time.sleep(4.5)
        client.sendall(HEADS[RAW_HTTP])
        with accept(listener) as server:
            assert read(server, len(HEADS[RAW_HTTP])) == HEADS[RAW_HTTP]


# ---- a backend that answers nonsense ----

class Backend:
    """In the place of one that listens: each SYN gets the same answer, and is counted."""

    def __init__(self, raw, flags, ack):
        (self.device, _), *_ = raw.backend1.links.items()
        self.flags, self.ack, self.syns, self.is_done = flags, ack, 0, False
        with raw.backend1.inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.bind((self.device, 3))
        self.sock.settimeout(0.1)

    def answer(self):
        while not self.is_done:
            with contextlib.suppress(TimeoutError):
                frame = self.sock.recv(2000)
                if frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
                    continue
                syn = rawtcp.Segment(frame[14:])
                if syn.proto != 6 or syn.dport != RAW_TCP or syn.flags & (rawtcp.SYN | ACK) != rawtcp.SYN:
                    continue
                self.syns += 1
                ack = syn.seq + self.ack if self.ack is not None else 0
                self.sock.send(frame[6:12] + frame[:6] + frame[12:14] +
                               rawtcp.build(syn.dst, syn.src, syn.dport, syn.sport, 77, ack, self.flags))


NONSENSE = {"rst-without-ack": (RST, None), "rst-of-another": (RST | ACK, 7), "ack-of-another": (ACK, 5000),
            "syn-ack-of-another": (rawtcp.SYN | ACK, 5000), "syn": (rawtcp.SYN, None)}


@pytest.mark.spliced
@pytest.mark.syn("it is a backend's answer to one")
@pytest.mark.parametrize("nonsense", NONSENSE)
def test_backend_that_answers_nonsense_is_not_flooded(raw, family, nonsense):
    """RFC 9293, 3.10.7.3. Three tries of five SYNs go to one that is silent; each may be repeated once."""
    backend = Backend(raw, *NONSENSE[nonsense])
    drop = f"chain d {{\n type filter hook input priority 0\n tcp dport {RAW_TCP} tcp flags & (syn | ack) == syn drop\n }}"
    with raw.backend1.nft(drop), in_thread(backend.answer):
        try:
            with open_socket(raw.client, family.vip) as client, pytest.raises((ConnectionRefusedError, ConnectionResetError)):
                client.connect((family.vip, RAW_TCP))
                client.recv(1)
                raise AssertionError("an end without RST")
        finally:
            backend.is_done = True
    # the SYN-ACK is repeated to a client that waits, and its answer may come to another proxy
    assert 3 <= backend.syns <= 33 * len(raw.proxies)
