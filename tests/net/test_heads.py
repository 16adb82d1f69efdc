# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A head arrives at the backend as it was sent, however it was cut up, reordered or repeated on the way."""
import contextlib
import itertools

import pytest

import rawtcp
from daemon import RAW_HTTP, RAW_TLS
from hello import client_hello
from rawtcp import ACK, FIN, PSH
from reorder import reordering
from tcp import MIB, accept, connect, in_thread, read, transfer, wait_for

sports = itertools.count(10000)


def http_head(size, body=b""):
    """A request whose head has exactly this size."""
    start = b"POST /x HTTP/1.1\r\nHost: www.example.org\r\nContent-Length: %d\r\n" % len(body)
    left = size - len(start) - 2
    headers = b""
    while left > 0:
        n = min(left, 8000)
        if 0 < left - n < 20:
            n -= 20
        headers += b"X-%04d: " % (left % 10000) + b"a" * (n - 10) + b"\r\n"
        left -= n
    head = start + headers + b"\r\n"
    assert len(head) == size
    return head + body


HEADS = {"small": (RAW_HTTP, http_head(200, b"body")), "3k": (RAW_HTTP, http_head(3000, b"body")),
         "hello": (RAW_TLS, client_hello("www.example.org")),
         "hello-in-records": (RAW_TLS, client_hello("www.example.org", record_bytes=100))}


@pytest.fixture(params=HEADS)
def head(request):
    return HEADS[request.param]


@contextlib.contextmanager
def backend_reads(pair, port, data):
    """The backend gets exactly this; in a thread, since the client has things to do meanwhile."""
    got = []
    listener = pair.listener({RAW_HTTP: "http", RAW_TLS: "tls"}[port])

    def serve():
        with accept(listener) as server:
            got.append(read(server, len(data)))
            server.sendall(b"answer")
            server.shutdown(1)
            assert server.recv(1) == b""
    with in_thread(serve):
        yield
    assert got == [data]


def check_answer(sock):
    assert read(sock, 6) == b"answer"
    assert sock.recv(1) == b""


def test_one_byte_per_segment(raw, pair, way, head):
    port, data = head
    with backend_reads(pair, port, data), connect(raw.client, way.vip, port) as client:
        for i in range(len(data)):
            client.send(data[i:i + 1])
        check_answer(client)


@pytest.mark.parametrize("piece", [7, 100, 1000])
def test_in_pieces(raw, pair, way, head, piece):
    port, data = head
    with backend_reads(pair, port, data), connect(raw.client, way.vip, port) as client:
        for at in range(0, len(data), piece):
            client.send(data[at:at + piece])
        check_answer(client)


@pytest.mark.parametrize("kib", [2, 10, 14, 15, 20, 32, 60, 64])
def test_size_of_head(raw, pair, way, kib):
    """Also more than the client sends unacknowledged; then a transfer, to see that nothing is out of step."""
    data = http_head(kib * 1024, b"")
    listener = pair.listener("http")
    with connect(raw.client, way.vip, RAW_HTTP) as client:
        client.sendall(data)
        with accept(listener) as server:
            assert read(server, len(data)) == data
            transfer(server, client, MIB)
            transfer(client, server, MIB)


def test_big_head_with_its_body(raw, pair, way):
    """The body follows at once, 1 MiB of it."""
    data = http_head(60 * 1024, bytes(range(256)) * 4096)
    with backend_reads(pair, RAW_HTTP, data), connect(raw.client, way.vip, RAW_HTTP) as client:
        client.sendall(data)
        check_answer(client)


@pytest.mark.parametrize("size", [1500, 17000, 60000])
def test_size_of_hello(raw, pair, way, size):
    data = client_hello("www.example.org", padding=size - 1400)
    with backend_reads(pair, RAW_TLS, data), connect(raw.client, way.vip, RAW_TLS) as client:
        client.sendall(data)
        check_answer(client)


def test_big_head_under_loss(raw, pair, family):
    data = http_head(60 * 1024, b"body")
    with dropping(raw.net, "numgen random mod 100 < 3"), backend_reads(pair, RAW_HTTP, data):
        with connect(raw.client, family.vip, RAW_HTTP) as client:
            client.sendall(data)
            check_answer(client)


@contextlib.contextmanager
def dropping(net, what):
    with net.router.nft(f"""chain lose {{
            type filter hook forward priority 0
            meta l4proto tcp {what} counter drop
        }}"""):
        yield


@pytest.mark.parametrize("which", ["client", "proxy"])
def test_every_second_packet_is_lost(raw, pair, way, head, which):
    """While the splice is made, on the way from the client, or to it."""
    port, data = head
    with dropping(raw.net, f'iifname "{which}" numgen inc mod 2 == 1'), backend_reads(pair, port, data):
        with connect(raw.client, way.vip, port) as client:
            client.sendall(data)
            check_answer(client)


def test_head_meets_reordering(raw, pair, way):
    data = http_head(30000, b"body")
    with reordering(raw.net, nth=3), contextlib.ExitStack() as stack:
        stack.enter_context(backend_reads(pair, RAW_HTTP, data))
        client = stack.enter_context(connect(raw.client, way.vip, RAW_HTTP))
        for at in range(0, len(data), 500):
            client.send(data[at:at + 500])
        check_answer(client)


# From here on segments are made by hand: the client sends them in just this order.

PIECES = {
    "backwards": lambda n: [4, 3, 2, 1, 0],
    "first-last": lambda n: [1, 2, 3, 4, 0],
    "swapped": lambda n: [1, 0, 3, 2, 4],
    "each-twice": lambda n: [0, 0, 1, 1, 2, 2, 3, 3, 4, 4],
    "again-from-the-start": lambda n: [0, 1, 2, 0, 1, 2, 3, 4],
    "hole-then-all-again": lambda n: [0, 2, 4, 0, 1, 2, 3, 4],
}


RETRANSMITTING_MAX = 0.1    # of all raw clients


@pytest.fixture(scope="module", autouse=True)
def few_retransmit(raw):
    """One proxy loses nothing. Of several, one that lacks the processor for a while is dead for the others, and so are the
    segments that it was given; an agent drops what overtakes the first segment."""
    clients, repeating = rawtcp.Raw.clients, rawtcp.Raw.repeating
    yield
    clients, repeating = rawtcp.Raw.clients - clients, rawtcp.Raw.repeating - repeating
    if not raw.net.past:
        assert repeating <= (clients * RETRANSMITTING_MAX if len(raw.proxies) > 1 else 0), (clients, repeating)


def finish(client, got_len, ended=False):
    """Read the answer, then close as a kernel does."""
    answer, flags = client.collect(lambda data: False)
    assert answer == b"answer" and flags & FIN, (answer, flags)
    client.seq = client.isn + 1 + got_len
    client.acknowledge() if ended else client.close()


@pytest.mark.parametrize("order", PIECES)
def test_segments_in_this_order(raw, pair, way, head, order):
    port, data = head
    size = (len(data) + 4) // 5
    with backend_reads(pair, port, data), rawtcp.Raw(raw.net, way.vip, port, next(sports)) as client:
        client.handshake()
        client.acknowledge()
        for i in PIECES[order](5):
            client.send(ACK | PSH, data[i * size:(i + 1) * size], at=i * size)
        finish(client, len(data))


@pytest.mark.parametrize("kind", ["overlapping", "growing", "with-the-third-ack", "fin-with-it"])
def test_shapes_of_segments(raw, pair, way, head, kind):
    port, data = head
    with backend_reads(pair, port, data), rawtcp.Raw(raw.net, way.vip, port, next(sports)) as client:
        client.handshake()
        if kind not in ("with-the-third-ack", "fin-with-it"):
            client.acknowledge()
        if kind == "overlapping":
            for at in range(0, len(data), 100):
                client.send(ACK | PSH, data[max(0, at - 50):at + 100], at=max(0, at - 50))
        elif kind == "growing":         # as retransmission does that takes more along
            for end in (1, 10, 100, 1000, len(data)):
                client.send(ACK | PSH, data[:min(end, 1400)], at=0)
            client.send(ACK | PSH, data[1400:2800], at=1400) if len(data) > 1400 else None
            client.send(ACK | PSH, data[2800:], at=2800) if len(data) > 2800 else None
        else:
            for at in range(0, len(data), 1000):
                last = at + 1000 >= len(data)
                client.send(ACK | PSH | (FIN if last and kind == "fin-with-it" else 0), data[at:at + 1000], at=at)
        ended = kind == "fin-with-it"
        finish(client, len(data) + ended, ended)


@pytest.mark.parametrize("isn", [0, 1, 0xffffffff, 0xfffffff0, 0x7fffffff])
def test_head_across_the_wrap(raw, pair, way, isn):
    port, data = HEADS["3k"]
    with backend_reads(pair, port, data), rawtcp.Raw(raw.net, way.vip, port, next(sports), isn=isn) as client:
        client.handshake()
        for at in (2000, 0, 1000, 2000, 3000):
            client.send(ACK | PSH, data[at:at + 1000], at=at)
        finish(client, len(data))


OPTIONS = {
    "none": b"",
    "mss-only": b"\2\4\5\xb4",
    "wscale-14": b"\2\4\5\xb4\1\3\3\16",
    "wscale-0": b"\2\4\5\xb4\1\3\3\0",
    "sack-only": b"\2\4\5\xb4\1\1\4\2",
    "mss-536": b"\2\4\2\x18\4\2\1\3\3\7",
    "mss-1300": b"\2\4\5\x14\4\2\1\3\3\7",
    "mss-64": b"\2\4\0\x40\4\2\1\3\3\7",
    "mss-535": b"\2\4\2\x17\4\2\1\3\3\7",
    "mss-1000": b"\2\4\3\xe8\4\2\1\3\3\7",
    "unknown-option": b"\2\4\5\xb4\x99\4ab\4\2\1\3\3\7",
    "end-of-list": b"\2\4\5\xb4\0\4\2\3",
    "windows": b"\2\4\5\xb4\1\3\3\x08\1\1\4\2",
}


MSS = {f"mss-{mss}": mss for mss in (64, 535, 536, 1000, 1300)}


@pytest.mark.parametrize("options", OPTIONS)
def test_syn_with_options(raw, pair, way, options):
    """Every kind of SYN leads to a connection on which no segment is longer than its MSS allows."""
    mss = {"none": 536 if way.version == 4 else 1220}.get(options) or MSS.get(options, 1460)
    data = http_head(200)
    answer = b"0123456789" * 2000
    listener = pair.listener("http")
    with raw.net.no_superpackets(), rawtcp.Raw(raw.net, way.vip, RAW_HTTP, next(sports), options=OPTIONS[options]) as client:
        client.handshake()
        client.send(ACK | PSH, data)
        client.seq += len(data)
        with client.accepted(listener) as server:
            assert read(server, len(data)) == data
            server.sendall(answer)
            got, _ = client.collect(lambda data: len(data) >= len(answer))
            assert got == answer
            assert mss * 3 / 4 < client.longest <= mss


def test_our_own_answer_obeys_the_mss(raw, family):
    with rawtcp.Raw(raw.net, family.vip, RAW_HTTP, next(sports), options=OPTIONS["mss-64"]) as client:
        client.handshake()
        client.send(ACK | PSH, b"nonsense\r\n\r\n")
        got, flags = client.collect(lambda data: False)
        assert got.startswith(b"HTTP/1.1 400 ") and flags & FIN and client.longest <= 64


@contextlib.contextmanager
def closed_window(raw):
    """The server does not read until the end of this."""
    def counters():
        return raw.spliced.status()["counters"]
    before = counters()
    yield lambda: counters()["owed_probed"] - before["owed_probed"]
    assert counters()["owed_repeated"] == before["owed_repeated"]


def test_acknowledged_bytes_wait_for_a_window(raw, pair, family):
    """Of a server that does not read: it is asked now and then, by a byte, and gets the rest when it does."""
    data = http_head(60000)
    listener = pair.listener("http", rcvbuf=4096)
    with connect(raw.client, family.vip, RAW_HTTP) as client:
        client.sendall(data)
        with accept(listener) as server:
            with closed_window(raw) as probes:
                wait_for(lambda: probes() > 1, "probes")
            assert read(server, len(data)) == data
            transfer(server, client, MIB)
