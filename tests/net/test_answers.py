# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Answers of the proxy itself, on connections that end cleanly; and backends that fail, for which others step in."""
import contextlib
import email.utils
import re
import socket
import time

import pytest

import daemon
import rawtcp
from daemon import HTTP, backends, service
from tcp import connect, read_to_end, wait_for
from web import WHERE, exchange, get, request, status_of

pytestmark = pytest.mark.spliced
ONE, ALL_BAD, BAD_FIRST, SILENT, SILENT_FIRST = 8000, 8010, 8011, 8012, 8013
CLOSED, MUTE = 9, 10        # ports of backends: the one refuses, the other one does not answer
HEAD_TIME_S = 1


def failing(net, source):
    def at(*ends):
        return [backend for name, port in ends for backend in named(backends(net, port, (name,)), port)]

    def named(entries, port):
        return [{**entry, "name": f"{entry['name']}-{port}"} for entry in entries]
    for name, port, ends in (
            ("one", ONE, [("backend1", HTTP)]),
            ("all-bad", ALL_BAD, [("backend1", CLOSED), ("backend2", CLOSED)]),
            ("bad-first", BAD_FIRST, [("backend1", CLOSED), ("backend2", HTTP)]),
            ("silent", SILENT, [("backend1", MUTE), ("backend2", MUTE)]),
            ("silent-first", SILENT_FIRST, [("backend1", MUTE), ("backend2", HTTP)])):
        yield (service(name, source, "http", port, routes=[{"host": "www.example.org", "pool": f"{name}-{source}"}]),
               {"name": f"{name}-{source}", "source": source, "backends": at(*ends)})
    for name, port, ends in (("tcp-bad", 7001, [("backend1", CLOSED), ("backend2", CLOSED)]),
                             ("tcp-bad-first", 7002, [("backend1", CLOSED), ("backend2", HTTP)])):
        yield (service(name, source, "tcp", port, default=f"{name}-{source}"),
               {"name": f"{name}-{source}", "source": source, "backends": at(*ends)})
    yield (service("tls", source, "tls", 7003, routes=[{"host": "www.example.org", "pool": f"one-{source}"}]),)


@pytest.fixture(scope="module")
def rig(net, servers, start_rig):
    def configure(net, work):
        return daemon.config(net, work, [entry for source in ("snat", "client") for entry in failing(net, source)],
                             limits={"head_time": f"{HEAD_TIME_S}s", "connect_time": "300ms", "tries": 2})
    mute = f"chain mute {{\n type filter hook input priority 0\n tcp dport {MUTE} drop\n }}"
    with contextlib.ExitStack() as stack:
        for ns in (net.backend1, net.backend2):
            stack.enter_context(ns.nft(mute))
        yield stack.enter_context(start_rig(net, configure))


def answered_cleanly(rig, way, data, port=ONE):
    """The whole answer and then an end, no RST; and both sides agree that it is over."""
    with connect(rig.client, way.vip, port) as sock:
        sport = sock.getsockname()[1]
        sock.sendall(data)
        answer = read_to_end(sock)
    gone(rig, sport)
    assert b"\r\n\r\n" in answer, answer
    return answer


def gone(rig, sport):
    def states():
        lines = rig.client.run("ss", "-Htan", f"sport = :{sport}").splitlines()
        return [line for line in lines if line.split()[0] != "TIME-WAIT"]
    wait_for(lambda: not states(), "the client's FIN to be acknowledged")


def test_no_route_is_404(rig, way):
    assert status_of(answered_cleanly(rig, way, request(host="nobody.example.org"))) == 404


MALFORMED = {
    "no-request-line": b"hello\r\n\r\n",
    "no-version": b"GET /\r\nHost: www.example.org\r\n\r\n",
    "two-lengths": b"POST / HTTP/1.1\r\nHost: www.example.org\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "length-and-chunked": b"POST / HTTP/1.1\r\nHost: www.example.org\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
    "obs-fold": b"GET / HTTP/1.1\r\nHost: www.example.org\r\nX: a\r\n b\r\n\r\n",
    "nul": b"GET / HTTP/1.1\r\nHost: www.example.org\r\nX: a\0b\r\n\r\n",
    "bare-cr": b"GET / HTTP/1.1\r\nHost: www.example.org\r\nX: a\rb\r\n\r\n",
    "no-host": b"GET / HTTP/1.1\r\n\r\n",
    "two-hosts": b"GET / HTTP/1.1\r\nHost: www.example.org\r\nHost: x.example.org\r\n\r\n",
    "authority-against-host": b"GET http://a.example.org/ HTTP/1.1\r\nHost: b.example.org\r\n\r\n",
    "blank-before-colon": b"GET / HTTP/1.1\r\nHost : www.example.org\r\n\r\n",
    "tls-to-http": b"\x16\3\1\2\0\1\0\1\xfc\3\3" + bytes(200) + b"\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_malformed_is_400(rig, way, data):
    assert status_of(answered_cleanly(rig, way, data)) == 400


def fields_of(answer):
    lines = answer.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines)


def test_answer_says_when_and_how_long(rig, way):
    """RFC 9110, 6.6.1: Date is required of who has a clock."""
    answer = answered_cleanly(rig, way, request(host="nobody.example.org"))
    fields, body = fields_of(answer), answer.split(b"\r\n\r\n", 1)[1]
    assert abs(email.utils.parsedate_to_datetime(fields["Date"]).timestamp() - time.time()) < 5, fields
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", fields["Date"])
    assert body == b"404 Not Found\n" and fields["Content-Length"] == str(len(body))
    assert fields["Connection"] == "close" and fields["Content-Type"] == "text/plain"


@pytest.mark.parametrize("before", ["", "\r\n"], ids=["", "empty-line"])
def test_head_is_answered_without_a_body(rig, way, before):
    """RFC 9110, 9.3.2; with the length that a GET's would have."""
    answer = answered_cleanly(rig, way, before.encode() + request(host="nobody.example.org", method="HEAD"))
    assert status_of(answer) == 404 and answer.endswith(b"\r\n\r\n") and fields_of(answer)["Content-Length"] == "14"


def test_repeated_answer_is_the_same(rig, family):
    """Also in another second: a client may have a part of it."""
    answers = []
    with rawtcp.Raw(rig.net, family.vip, ONE, 31000 + family.version) as client:
        client.handshake()
        for _ in range(2):
            client.send(rawtcp.ACK | rawtcp.PSH, request(host="nobody.example.org"))
            answers.append(client.receive(want=lambda seg: seg.payload).payload)
            time.sleep(1.1)
    assert answers[0] == answers[1] and status_of(answers[0]) == 404


@pytest.mark.parametrize("port", [ONE, 7003], ids=["http", "tls"])
def test_nothing_but_a_fin_hears_a_fin(rig, way, port):
    before = rig.spliced.counters()["closed_empty"]
    with connect(rig.client, way.vip, port) as sock:
        sport = sock.getsockname()[1]
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""
    gone(rig, sport)
    assert rig.spliced.counters()["closed_empty"] == before + 1


@pytest.mark.parametrize("before", [b"", b"\r\n"], ids=["", "empty-line"])
def test_too_long_target_is_414(rig, way, before):
    """RFC 9112, 3"""
    assert status_of(answered_cleanly(rig, way, before + b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: www.example.org\r\n\r\n")) == 414


def test_malformed_in_pieces_is_400(rig, family):
    with connect(rig.client, family.vip, ONE) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: www.example.org\r\n")
        sock.sendall(b"X: a\r\n b\r\n\r\n")
        assert status_of(read_to_end(sock)) == 400


def test_slow_head_is_408(rig, way):
    """Also when the client goes on sending a little."""
    start = time.monotonic()
    answer = answered_cleanly(rig, way, b"GET / HTTP/1.1\r\nHost: www.example.org\r\n")
    assert status_of(answer) == 408, answer
    assert HEAD_TIME_S * 0.8 < time.monotonic() - start < HEAD_TIME_S * 4


@pytest.mark.parametrize("kib", [65, 80, 300])
def test_too_large_head_is_431(rig, way, kib):
    """The client is still writing when the answer comes, and must not lose it to an RST."""
    data = b"GET / HTTP/1.1\r\nHost: www.example.org\r\n" + b"X-Filler: " + b"a" * (kib * 1024) + b"\r\n\r\n"
    assert status_of(answered_cleanly(rig, way, data)) == 431


@pytest.mark.parametrize("port", [ALL_BAD, SILENT], ids=["refused", "silent"])
def test_no_backend_is_503(rig, way, port):
    assert status_of(answered_cleanly(rig, way, request(), port)) == 503


def test_other_backend_steps_in_at_once(rig, way):
    """One that refuses costs no client more than a moment."""
    start = time.monotonic()
    for _ in range(6):
        assert get(rig.client, way, port=BAD_FIRST).startswith(WHERE["two"])
    assert time.monotonic() - start < 2


def test_other_backend_steps_in_for_a_silent_one(rig, way):
    for _ in range(4):
        assert get(rig.client, way, port=SILENT_FIRST).startswith(WHERE["two"])


def test_tcp_service_without_backend_resets(rig, way):
    """There is no text to say it with. The RST may be there before connect() has returned."""
    with pytest.raises(ConnectionResetError), connect(rig.client, way.vip, 7001) as sock:
        sock.recv(1)
        raise AssertionError("an end without RST")


def test_tcp_service_tries_another_backend(rig, way):
    for _ in range(4):
        answer = exchange(rig.client, way, request(), 7002)
        assert WHERE["two"].encode() in answer, answer


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\3\1\0\5hello"], ids=["not-tls", "bad-hello"])
def test_no_tls_hello_is_refused(rig, way, data):
    """With an alert or an RST, but soon."""
    with connect(rig.client, way.vip, 7003, timeout=5) as sock:
        sock.sendall(data)
        with contextlib.suppress(ConnectionResetError):
            read_to_end(sock)


def test_no_tls_route_is_refused(rig, way):
    from hello import client_hello
    with connect(rig.client, way.vip, 7003, timeout=5) as sock:
        sock.sendall(client_hello("nobody.example.org"))
        with contextlib.suppress(ConnectionResetError):
            read_to_end(sock)


def test_answer_survives_loss(rig, way):
    """Every second packet from the proxy to the client is lost: the answer is made again."""
    chain = ('chain lose {\n type filter hook forward priority 0\n'
             ' iifname "proxy" meta l4proto tcp numgen inc mod 2 == 1 drop\n }')
    with rig.net.router.nft(chain):
        for _ in range(3):
            assert status_of(answered_cleanly(rig, way, request(host="nobody.example.org"))) == 404


def test_answer_to_a_kept_port(rig, way):
    """The same client port again at once, as load generators do."""
    sport = 30000 + way.version
    for _ in range(20):
        with connect(rig.client, way.vip, ONE, sport=sport) as sock:
            sock.sendall(request(host="nobody.example.org"))
            assert status_of(read_to_end(sock)) == 404
        gone(rig, sport)


def test_empty_connections_cost_nothing(rig, family):
    """Opened, never used, closed: the backend hears nothing of them."""
    before = rig.backend1.counter("TcpPassiveOpens")
    for _ in range(100):
        connect(rig.client, family.vip, ONE).close()
    assert get(rig.client, family, port=ONE).startswith(WHERE["one"])
    assert rig.backend1.counter("TcpPassiveOpens") <= before + 1
