# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Each form of a request and of its response, between requests to other pools on the same connection."""
import socket
import time

import pytest

from exchanges import Request, upload
from h1 import Ended
from shop import balancer, market, on_spliced, open_balancer, shop, way    # noqa: F401 - fixtures
from tcp import bound

pytestmark = pytest.mark.spliced
MIB = 1 << 20
POOLS = "ABC"


def others(pool):
    return [each for each in POOLS if each != pool]


def between(shop, way, request):
    """The response, with a request to another pool before it and behind it; what ends a connection, ends it."""
    before, behind = others(request.pool)
    visit = shop.visit(way)
    visit.ask(Request(before))
    response = visit.ask(request)
    if response.closes:
        assert visit.rest() == b""
    else:
        visit.ask(Request(behind))
        visit.ask(Request(request.pool))
    return response


RESPONSES = {
    "empty chunked": {"params": {"chunk": 10}},
    "1 MiB": {"params": {"size": MIB}},
    "8 MiB": {"params": {"size": 8 * MIB}},
    "chunks of one byte": {"params": {"size": 500, "chunk": 1}},
    "chunks of 7 bytes": {"params": {"size": 20000, "chunk": 7}},
    "chunks of a segment": {"params": {"size": 200000, "chunk": 1448}},
    "a chunk of 8 MiB": {"params": {"size": 8 * MIB, "chunk": 9 * MIB}},
    "extensions": {"params": {"size": 5000, "chunk": 100, "ext": 1}},
    "trailer": {"params": {"size": 5000, "chunk": 1000, "trailer": 1}},
    "extensions and trailer": {"params": {"size": 50000, "chunk": 1000, "trailer": 1, "ext": 1}},
    "HEAD": {"method": "HEAD", "params": {"size": 5000}},
    "HEAD of chunks": {"method": "HEAD", "params": {"size": 5000, "chunk": 100}},
    "204": {"do": "204"},
    "304 with a length": {"do": "304", "params": {"size": 10000}},
    "HEAD with 304": {"do": "304", "method": "HEAD", "params": {"size": 10000}},
    "103": {"do": "103", "params": {"size": 100}},
    "five times 103": {"do": "103", "params": {"size": 100, "times": 5}},
    "103 before chunks": {"do": "103", "params": {"size": 1000, "chunk": 100}},
    "Connection: close": {"do": "close", "params": {"size": 1000}},
    "chunked and Connection: close": {"do": "close", "params": {"size": 1000, "chunk": 100}},
    "until the end": {"do": "until-close", "params": {"size": 100000}},
    "until the end, nothing in it": {"do": "until-close"},
    "HTTP/1.0": {"do": "http10", "params": {"size": 1000}},
    "HTTP/1.0 with keep-alive": {"do": "http10", "params": {"size": 1000, "keep": 1}},
    "by header": {"pool": "C", "by_header": True, "params": {"size": 100}},
    "OPTIONS": {"method": "OPTIONS"},
    "DELETE": {"method": "DELETE"},
}


@pytest.mark.parametrize("pool", POOLS[1:])
@pytest.mark.parametrize("name", RESPONSES)
def test_response(shop, way, name, pool):
    response = between(shop, way, Request(**{"pool": pool, **RESPONSES[name]}))
    if "103" in name and shop.balancer == "spliced":
        assert len(response.interim) == RESPONSES[name]["params"].get("times", 1)


UPLOADS = {
    "nothing": upload(0),
    "one byte": upload(1),
    "1 MiB": upload(MIB),
    "4 MiB": upload(4 * MIB),
    "nothing in chunks": upload(0, 10),
    "chunks of one byte": upload(300, 1),
    "chunks of 7 bytes": upload(20000, 7),
    "a chunk of 4 MiB": upload(4 * MIB, 5 * MIB),
    "chunks of 5000": upload(MIB, 5000),
    "extensions and trailers": upload(50000, 1000, ext=True),
    "PUT": upload(1000, method="PUT"),
    "GET with a body": upload(1000, method="GET"),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_upload(shop, way, name):
    if shop.balancer == "haproxy" and name == "GET with a body":
        pytest.skip("HAProxy 2.6 refuses it")
    between(shop, way, Request("B", **UPLOADS[name]))


def test_upload_in_small_segments(shop, way):
    """Head, sizes of chunks and chunks are cut anywhere."""
    request = Request("C", **upload(3000, 17, ext=True))
    visit = shop.visit(way)
    visit.ask(Request("A"))
    shop.sent.append(request)
    wire = request.wire()
    for at in range(0, len(wire), 13):
        visit.send(wire[at:at + 13])
    visit.answer(request)
    visit.ask(Request("B"))


@pytest.mark.parametrize("what", ["line", "head", "body", "last"])
@pytest.mark.parametrize("framing", [{}, {"chunk": 100}], ids=["length", "chunks"])
def test_stalled_response(shop, way, what, framing):
    between(shop, way, Request("B", params={"size": 1000, "at": what, "ms": 150, **framing}))


@pytest.mark.parametrize("what", ["size", "crlf"])
def test_response_stalled_in_the_size_of_a_chunk(shop, way, what):
    between(shop, way, Request("B", params={"size": 1000, "at": what, "ms": 150, "chunk": 100}))


# ---- Expect: 100-continue ----

def expecting(pool, size=1000, **more):
    return Request(pool, more=("Expect: 100-continue",), **upload(size), **more)


def test_expected_100_arrives_before_the_body(shop, way):
    visit = shop.visit(way)
    visit.ask(Request("A"))
    request = expecting("B")
    shop.sent.append(request)
    visit.send(request.head())
    assert visit.head().status == 100
    visit.send(request.body_on_wire())
    visit.answer(request)
    visit.ask(Request("C"))


def test_client_that_expects_100_and_does_not_wait(shop, way):
    visit = shop.visit(way)
    visit.ask(Request("A"))
    visit.ask(expecting("B", size=100000))
    visit.ask(Request("C"))


def test_refused_expectation_and_the_body_all_the_same(shop, way):
    """The body has been announced, so it is part of the connection."""
    visit = shop.visit(way)
    visit.ask(Request("A"))
    request = expecting("B", do="refuse")
    shop.sent.append(request)
    visit.send(request.head())
    response = visit.answer(request)
    if response.closes:
        return
    try:
        visit.send(request.body_on_wire())
        visit.ask(Request("C"))
    except (Ended, ConnectionError) as ended:
        assert getattr(ended, "clean", True), ended


def test_refused_expectation_with_close(shop, way):
    visit = shop.visit(way)
    visit.ask(Request("A"))
    request = Request("B", do="refuse", more=("Expect: 100-continue", "Connection: close"), **upload(1000))
    shop.sent.append(request)
    visit.send(request.head())
    visit.answer(request)
    assert visit.has_no_more()


# ---- early responses ----

def test_response_before_the_upload_is_complete(shop, way):
    visit = shop.visit(way)
    visit.ask(Request("A"))
    request = Request("B", do="early", params={"size": 100}, **upload(500000))
    shop.sent.append(request)
    wire = request.wire()
    visit.send(wire[:100000])
    response = visit.answer(request)
    try:
        visit.send(wire[100000:])
        if not response.closes:
            visit.ask(Request("C"))
            visit.ask(Request("B"))
    except (Ended, ConnectionError) as ended:
        assert getattr(ended, "clean", True), ended


def test_early_response_with_close(shop, way):
    """The rest of the upload is read by no server: not by the next one, either."""
    visit = shop.visit(way)
    visit.ask(Request("A"))
    request = Request("B", do="early", more=("Connection: close",), **upload(500000))
    shop.sent.append(request)
    wire = request.wire()
    visit.send(wire[:100000])
    try:
        visit.answer(request)
        visit.send(wire[100000:] + Request("C").wire())
    except (Ended, ConnectionError):
        pass
    assert visit.rest() == b""
    time.sleep(0.1)
    assert len(shop.heads()) == 2


# ---- HTTP/1.0 ----

def test_http10_client(shop, way):
    """Without keep-alive: one request."""
    visit = shop.visit(way)
    visit.ask(Request("B", version="1.0"))
    assert visit.rest() == b""


def test_http10_client_with_keep_alive(shop, way):
    visit = shop.visit(way)
    for pool in "ABCAB":
        response = visit.ask(Request(pool, version="1.0", more=("Connection: keep-alive",), params={"size": 100}))
        assert "keep-alive" in response.headers.get("connection", "").lower()
    visit.ask(Request("C", version="1.0"))
    assert visit.rest() == b""


def test_client_that_closes_with_its_request(shop, way):
    visit = shop.visit(way)
    visit.ask(Request("A"))
    visit.ask(Request("B", more=("Connection: close",), params={"size": 10000}))
    assert visit.rest() == b""


@pytest.mark.parametrize("pool", POOLS[:2])
@pytest.mark.parametrize("framing", [{}, {"chunk": 100}], ids=["length", "chunks"])
@pytest.mark.parametrize("pause", [{}, {"at": "body", "ms": 200}], ids=["at once", "slow"])
def test_half_close_after_the_last_request(shop, way, pool, framing, pause):
    visit = shop.visit(way)
    visit.ask(Request("A"))
    request = visit.post(Request(pool, params={"size": 10000, **framing, **pause}))
    visit.sock.shutdown(socket.SHUT_WR)
    visit.answer(request)
    assert visit.rest() == b""


# ---- tunnels ----

def tunnel(visit, request):
    """Behind an accepted Upgrade or CONNECT: bytes of one server, and all that look like a request are only bytes."""
    visit.answer(visit.post(request))
    assert visit.line_of_tunnel().endswith(f"/{request.nonce}")
    for text in (b"hello", Request("A").wire(), b"x" * 100000, Request("C").wire()):
        visit.send(text)
        assert visit.exactly(len(text)) == text
    visit.sock.shutdown(socket.SHUT_WR)
    assert visit.rest() == b""


UPGRADE = ("Connection: Upgrade", "Upgrade: echo")


@pytest.mark.parametrize("pool", POOLS)
def test_upgrade(shop, way, pool):
    visit = shop.visit(way)
    visit.ask(Request("A"))
    visit.ask(Request("B"))
    tunnel(visit, Request(pool, do="upgrade", more=UPGRADE))


def test_refused_upgrade(shop, way):
    between(shop, way, Request("B", more=UPGRADE, params={"size": 1000}))


def test_upgrade_behind_a_refused_one(shop, way):
    visit = shop.visit(way)
    visit.ask(Request("B", more=UPGRADE))
    visit.ask(Request("C", more=UPGRADE))
    tunnel(visit, Request("A", do="upgrade", more=UPGRADE))


@pytest.mark.parametrize("by_header", [False, True], ids=["A", "C"])
def test_connect(shop, way, by_header):
    visit = shop.visit(way)
    visit.ask(Request("B"))
    tunnel(visit, Request("C" if by_header else "A", do="connect", method="CONNECT", by_header=by_header))


# ---- servers that close ----

@pytest.mark.parametrize("end", ["fin", "rst", "408"])
@pytest.mark.parametrize("pool", POOLS[:2], ids=["same pool", "other pool"])
def test_server_that_closes_when_idle(shop, way, end, pool):
    """Its client stays, and sees nothing of it."""
    visit = shop.visit(way)
    visit.ask(Request("B"))
    visit.ask(Request("A", params={"idle": 60, "end": end}))
    assert visit.is_quiet(bound(0.2)), bytes(visit.buffer)
    for each in (pool, "C", pool):
        visit.ask(Request(each))


def test_server_that_closes_at_once(shop, way):
    """Without having said so: after the response its FIN comes."""
    visit = shop.visit(way)
    for pool in "ABCCBA":
        visit.ask(Request(pool, params={"idle": 1, "size": 100}))
        time.sleep(0.02)
    visit.ask(Request("A"))


@pytest.mark.parametrize("pool", POOLS[:2], ids=["same pool", "other pool"])
def test_garbage_behind_a_response(shop, way, pool):
    """It is no response to the next request. It may end the connection."""
    visit = shop.visit(way)
    visit.ask(Request("B"))
    visit.ask(Request("A", do="garbage", params={"size": 100}))
    try:
        if b"garbage" in visit.buffer:
            visit.buffer.clear()
        visit.ask(Request(pool))
    except (Ended, ConnectionError):
        pass


@pytest.mark.parametrize("do", ["truncated", "reset"])
@pytest.mark.parametrize("framing", [{}, {"chunk": 100}], ids=["length", "chunks"])
def test_truncated_response(shop, way, do, framing):
    """The client sees that it is; it is not completed with bytes of the next response."""
    visit = shop.visit(way)
    visit.ask(Request("A"))
    visit.post(Request("B", do=do, params={"size": 5000, **framing}))
    visit.post(Request("C"))
    with pytest.raises((Ended, ConnectionError)) as ended:
        visit.response()
    assert b"pool=C" not in getattr(ended.value, "got", b"") + visit.buffer
