# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The second head of a connection is read as strictly as the first, and our own responses may come in the middle."""
import socket
import time

import pytest

from exchanges import HOST, Request, upload
from h1 import Ended
from shop import balancer, market, on_spliced, open_balancer, shop, way    # noqa: F401 - fixtures

pytestmark = pytest.mark.spliced
HEAD = f"POST /api/x?n=smuggled HTTP/1.1\r\nHost: {HOST}\r\n"
CHUNKED = HEAD + "Transfer-Encoding: chunked\r\n"
HIDDEN = f"GET /static/x?n=hidden HTTP/1.1\r\nHost: {HOST}\r\n\r\n"

# What two servers may read differently. HAProxy forgives those that are named in FORGIVEN.
HEADS = {
    "two lengths": HEAD + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then a length": CHUNKED + "Content-Length: 5\r\n\r\n0\r\n\r\n",
    "two Content-Length": HEAD + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "list of lengths": HEAD + "Content-Length: 0, 5\r\n\r\n",
    "length with a sign": HEAD + "Content-Length: +5\r\n\r\nhello",
    "negative length": HEAD + "Content-Length: -1\r\n\r\n",
    "length in hex": HEAD + "Content-Length: 0x5\r\n\r\nhello",
    "length of 2^64": HEAD + "Content-Length: 18446744073709551616\r\n\r\n",
    "empty length": HEAD + "Content-Length: \r\n\r\n",
    "unknown coding": HEAD + "Transfer-Encoding: gzip\r\n\r\n",
    "chunked is not the last": HEAD + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": HEAD + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "two Transfer-Encoding": CHUNKED + "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "blank before the colon": HEAD + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "vertical tab in a coding": HEAD + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "obs-fold": HEAD + "X-Long: a\r\n b\r\n\r\n",
    "obs-fold of a coding": HEAD + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "bare LF": HEAD.replace("\r\n", "\n") + "\n",
    "bare LF in the middle": HEAD + "X-A: b\nContent-Length: 5\r\n\r\nhello",
    "bare CR": HEAD + "X-A: b\rContent-Length: 5\r\n\r\n",
    "NUL": HEAD + "X-A: b\0c\r\n\r\n",
    "two Host": HEAD + "Host: other.example\r\n\r\n",
    "no Host": "GET /api HTTP/1.1\r\n\r\n",
    "no version": "GET /api\r\n\r\n",
    "chunked in HTTP/1.0": CHUNKED.replace("1.1", "1.0") + "\r\n0\r\n\r\n",
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\r\n\r\n",
    "blank at the beginning": " GET /api HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    "field without a colon": HEAD + "nothing\r\n\r\n",
    "blanks in the request line": HEAD.replace("POST ", "POST  ") + "\r\n",
}
FORGIVEN = {"two lengths", "chunked, then a length", "list of lengths", "obs-fold", "bare LF", "bare LF in the middle", "bare CR",
            "two Transfer-Encoding", "no Host", "no version", "chunked in HTTP/1.0", "HTTP/2", "obs-fold of a coding",
            "vertical tab in a coding", "length of 2^64", "NUL", "chunked twice", "blanks in the request line", "two Host", "blank at the beginning"}
# Bodies that two servers may read differently: the head may go on, the body behind the fault may not.
BODIES = {
    "size with a blank before it": CHUNKED + "\r\n 5\r\nhello\r\n0\r\n\r\n",
    "size with a sign": CHUNKED + "\r\n+5\r\nhello\r\n0\r\n\r\n",
    "size with 0x": CHUNKED + "\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "size of 17 digits": CHUNKED + "\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
    "negative size": CHUNKED + "\r\n-1\r\nhello\r\n0\r\n\r\n",
    "no size": CHUNKED + "\r\n\r\nhello\r\n0\r\n\r\n",
    "size with a bare LF": CHUNKED + "\r\n5\nhello\r\n0\r\n\r\n",
    "chunk without its CRLF": CHUNKED + "\r\n5\r\nhello0\r\n\r\n",
    "chunk with a bare LF": CHUNKED + "\r\n5\r\nhello\n0\r\n\r\n",
    "longer than its size": CHUNKED + "\r\n3\r\nhello\r\n0\r\n\r\n",
    "extension with a bare LF": CHUNKED + "\r\n5;a=\nb\r\nhello\r\n0\r\n\r\n",
    "no trailer": CHUNKED + "\r\n0\r\nno colon\r\n\r\n",
    "last size with a bare LF": CHUNKED + "\r\n0\n\r\n",
}


def text(name, cases):
    return cases[name].encode("latin-1")


def after_a_request(shop, way):
    visit = shop.visit(way)
    visit.ask(Request("A", params={"size": 1000}))
    return visit


@pytest.mark.parametrize("name", HEADS)
def test_first_head_is_refused(shop, way, on_spliced, name):
    visit = shop.visit(way)
    visit.send(text(name, HEADS))
    assert visit.response().status == 400
    assert visit.rest() == b""


@pytest.mark.parametrize("name", HEADS)
def test_second_head_is_refused(shop, way, name):
    if shop.balancer == "haproxy" and name in FORGIVEN:
        pytest.skip("HAProxy forgives it")
    visit = after_a_request(shop, way)
    visit.send(text(name, HEADS) + HIDDEN.encode())
    assert visit.response().status == 400
    assert visit.rest() == b""
    time.sleep(0.05)
    assert len(shop.heads()) == 1


@pytest.mark.parametrize("name", HEADS)
def test_pipelined_second_head_is_refused(shop, way, name):
    if shop.balancer == "haproxy" and name in FORGIVEN:
        pytest.skip("HAProxy forgives it")
    visit = shop.visit(way)
    request = Request("B", params={"size": 1000})
    shop.sent.append(request)
    visit.send(request.wire() + text(name, HEADS) + HIDDEN.encode())
    visit.answer(request)
    assert visit.response().status == 400
    assert visit.rest() == b""


@pytest.mark.parametrize("name", BODIES)
def test_second_body_is_refused(shop, way, name):
    """Nothing behind it is taken for a request; the connection ends."""
    if shop.balancer == "haproxy" and name in ("extension with a bare LF", "size with a bare LF", "last size with a bare LF",
                                               "no trailer", "chunk with a bare LF"):
        pytest.skip("HAProxy forgives it")
    shop.may_be_bad = True
    visit = after_a_request(shop, way)
    shop.sent.append(Request("C", nonce="smuggled"))
    visit.send(text(name, BODIES) + HIDDEN.encode())
    try:
        assert visit.response().status == 400
    except (Ended, ConnectionError):
        pass
    assert visit.rest() == b""
    time.sleep(0.05)
    assert "hidden" not in shop.heads()


# ---- our own responses ----

OWN = {
    404: "GET /x HTTP/1.1\r\nHost: nowhere.example\r\n\r\n",
    503: f"GET /none/x HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
    400: f"GET /x HTTP/1.1\r\nHost: {HOST}\r\nno colon\r\n\r\n",
}


@pytest.mark.parametrize("status", OWN)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_own_response_in_the_middle(shop, way, status, method):
    visit = after_a_request(shop, way)
    visit.ask(Request("B"))
    visit.send(OWN[status].replace("GET", method, 1).encode())
    response = visit.response(method if shop.balancer == "spliced" or status != 400 else "GET")
    assert response.status == status
    assert response.closes or shop.balancer == "haproxy"
    if response.closes:
        assert visit.rest() == b""


@pytest.mark.parametrize("status", OWN)
def test_own_response_comes_after_the_one_before(shop, way, status):
    visit = shop.visit(way)
    requests = [Request("A"), Request("B", params={"size": 300000, "at": "body", "ms": 150})]
    shop.sent += requests
    visit.send(b"".join(request.wire() for request in requests) + OWN[status].encode() + Request("C", nonce="behind").wire())
    for request in requests:
        visit.answer(request)
    response = visit.response()
    assert response.status == status
    if shop.balancer == "haproxy" and not response.closes:
        shop.sent.append(Request("C", nonce="behind"))
        visit.answer(shop.sent[-1])
    if response.closes:
        assert visit.rest() == b""


@pytest.mark.parametrize("status", OWN)
def test_own_response_to_an_upload(shop, way, status):
    """Its body may be on its way."""
    visit = after_a_request(shop, way)
    head, _, _ = OWN[status].replace("GET", "POST").rpartition("\r\n")
    try:
        visit.send(head.encode() + b"Content-Length: 100000\r\n\r\n" + bytes(50000))
        assert visit.response().status == status
    except (ConnectionError, Ended) as ended:
        assert shop.balancer == "haproxy" and not getattr(ended, "got", b""), ended


def test_client_goes_on_after_our_response(shop, way):
    """On a new connection."""
    for status in OWN:
        visit = after_a_request(shop, way)
        visit.send(OWN[status].encode())
        assert visit.response().status == status
    shop.visit(way).ask(Request("B"))


# ---- how a second head arrives ----

LONG = tuple(f"X-Filler-{n}: {'f' * 950}" for n in range(60))


def slowly(shop, visit, request, cuts):
    shop.sent.append(request)
    wire = request.wire()
    for begin, end in zip([0, *cuts], [*cuts, len(wire)]):
        visit.send(wire[begin:end])
        time.sleep(0.003)
    visit.answer(request)


@pytest.mark.parametrize("pool", "AB", ids=["stays", "moves"])
def test_head_in_single_bytes(shop, way, pool):
    visit = after_a_request(shop, way)
    request = Request(pool, params={"size": 1000})
    slowly(shop, visit, request, range(1, len(request.wire())))
    visit.ask(Request("C"))


@pytest.mark.parametrize("pool", "AB", ids=["stays", "moves"])
def test_head_in_two_segments(shop, way, pool):
    """Each cut."""
    visit = after_a_request(shop, way)
    for cut in range(1, len(Request(pool).wire()) - 1, 3):
        request = Request(pool)
        slowly(shop, visit, request, [cut])
        visit.ask(Request("C"))


@pytest.mark.parametrize("pool", "AB", ids=["stays", "moves"])
def test_large_head(shop, way, pool):
    """Of 58 KiB: many segments, and more than a window at the beginning of a connection."""
    visit = after_a_request(shop, way)
    for each in (pool, "C", pool):
        visit.ask(Request(each, more=LONG, params={"size": 1000}))


@pytest.mark.parametrize("pool", "AB", ids=["stays", "moves"])
def test_large_head_with_a_body(shop, way, pool):
    visit = after_a_request(shop, way)
    visit.ask(Request(pool, more=LONG, **upload(200000)))
    visit.ask(Request(pool, more=LONG, **upload(200000, 999)))
    visit.ask(Request("C"))


@pytest.mark.parametrize("pool", "AB", ids=["stays", "moves"])
def test_head_behind_a_body_in_one_segment(shop, way, pool):
    visit = after_a_request(shop, way)
    one, two = Request(pool, **upload(100)), Request("C", **upload(50, 10))
    shop.sent += [one, two]
    visit.send(one.wire() + two.wire())
    visit.answer(one)
    visit.answer(two)


def test_empty_lines_before_a_head(shop, way):
    """RFC 9112, 2.2: one is ignored."""
    visit = after_a_request(shop, way)
    request = Request("B")
    shop.sent.append(request)
    visit.send(b"\r\n" + request.wire())
    visit.answer(request)


def test_too_large_head_is_431(shop, way, on_spliced):
    visit = after_a_request(shop, way)
    visit.send(Request("B", more=LONG * 3).head())
    try:
        assert visit.response().status == 431
        assert visit.rest() == b""
    except ConnectionError:
        pass


def test_half_a_second_head_and_the_end(shop, way):
    """Nothing of it reaches a server, and the connection ends."""
    visit = after_a_request(shop, way)
    visit.send(Request("B").wire()[:30])
    visit.sock.shutdown(socket.SHUT_WR)
    visit.rest()
    assert len(shop.heads()) == 1
