# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Requests that do not wait for the response before: all responses, complete and in order."""
import contextlib
import itertools
import random
import socket
import time

import pytest

from exchanges import Request, upload
from h1 import Ended
from shop import balancer, market, on_spliced, open_balancer, shop, way    # noqa: F401 - fixtures
from tcp import in_thread

pytestmark = pytest.mark.spliced
PATTERNS = {"one pool": "A", "pairs": "AABB", "alternating": "AB", "three pools": "ABC"}


def along(pattern, count, **more):
    return [Request(pool, **more) for pool in itertools.islice(itertools.cycle(pattern), count)]


def all_at_once(shop, way, requests):
    """In as few segments as they fit in."""
    visit = shop.visit(way)
    shop.sent += requests
    with in_thread(visit.send, b"".join(request.wire() for request in requests)):
        for request in requests:
            visit.answer(request)
    return visit


def send_what_it_takes(visit, requests):
    try:
        visit.send(b"".join(request.wire() for request in requests))
    except OSError:
        pass


def hang_up(visit):
    """A thread that sends sees it, too."""
    with contextlib.suppress(OSError):
        visit.sock.shutdown(socket.SHUT_RDWR)
    visit.sock.close()


@pytest.mark.parametrize("count", [2, 3, 10, 300])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_at_once(shop, way, pattern, count):
    visit = all_at_once(shop, way, along(PATTERNS[pattern], count, params={"size": 200}))
    assert visit.is_quiet(0.02)
    visit.ask(Request("C"))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_large_responses(shop, way, pattern):
    all_at_once(shop, way, along(PATTERNS[pattern], 12, params={"size": 300000}))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_slow_responses(shop, way, pattern):
    """Behind each a pause, in its head or its body."""
    places = itertools.cycle(({"at": "head"}, {"at": "body"}, {"at": "size", "chunk": 50}, {"at": "last"}, {"at": "line"}))
    all_at_once(shop, way, [Request(pool, params={"size": 500, "ms": 30, **next(places)}) for pool in PATTERNS[pattern] * 6])


def test_first_response_stalls(shop, way):
    """Those behind it wait, at whichever server they are."""
    requests = [Request("A", params={"at": "body", "ms": 1000, "size": 1000}), *along("BCAB", 8)]
    begin = time.monotonic()
    visit = all_at_once(shop, way, requests)
    assert time.monotonic() - begin > 0.9
    visit.ask(Request("B"))


FORMS = [{"do": "204"}, {"do": "304"}, {"method": "HEAD"}, {"params": {"chunk": 100, "size": 1000}}, {"do": "103"}, {},
         {"params": {"chunk": 7, "size": 300, "trailer": 1, "ext": 1}}, {"params": {"size": 20000}}, upload(100), upload(5000, 700)]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_form(shop, way, pattern):
    pools = itertools.cycle(PATTERNS[pattern])
    all_at_once(shop, way, [Request(next(pools), **form) for form in FORMS * 3])


@pytest.mark.parametrize("seed", range(4))
def test_cut_anywhere(shop, way, seed):
    """Segments end in the middle of heads and of bodies."""
    chance = random.Random(seed)
    requests = [Request(chance.choice("ABC"), **chance.choice(FORMS)) for _ in range(40)]
    wire = b"".join(request.wire() for request in requests)
    visit = shop.visit(way)
    shop.sent += requests

    def feed():
        at = 0
        while at < len(wire):
            step = chance.choice((1, 3, 50, 300, 2000))
            visit.send(wire[at:at + step])
            at += step
            if chance.random() < 0.2:
                time.sleep(0.002)
    with in_thread(feed):
        for request in requests:
            visit.answer(request)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_half_close_behind_many(shop, way, on_spliced, pattern):
    """HAProxy 2.6 closes after one of the responses."""
    requests = along(PATTERNS[pattern], 10, params={"size": 3000, "at": "body", "ms": 10})
    visit = shop.visit(way)
    shop.sent += requests
    visit.send(b"".join(request.wire() for request in requests))
    visit.sock.shutdown(socket.SHUT_WR)
    for request in requests:
        visit.answer(request)
    assert visit.rest() == b""


@pytest.mark.parametrize("last", [{"do": "close"}, {"do": "until-close", "params": {"size": 1000}}, {"do": "http10"}],
                         ids=["close", "until close", "HTTP/1.0"])
@pytest.mark.parametrize("pool", "BA")
@pytest.mark.parametrize("behind", [{}, upload(60000), upload(60000, 3001)], ids=["GET", "POST", "chunks"])
def test_those_behind_the_last_are_not_answered(shop, way, last, pool, behind):
    """A response that closes: what has been sent behind its request is lost, for the client to send again."""
    visit = shop.visit(way)
    last = {**last, "params": {"at": "head", "ms": 20, **last.get("params", {})}}
    shop.sent += (requests := [Request("A"), Request("B", **last), Request(pool, **behind), Request("C")])
    with in_thread(send_what_it_takes, visit, requests):
        for request in requests[:2]:
            response = visit.answer(request)
        if response.closes:
            assert visit.rest() == b""
            hang_up(visit)
            return
        for request in requests[2:]:
            visit.answer(request)


@pytest.mark.whole("with an agent its bytes are neither acknowledged nor refused")
def test_client_that_still_sends_at_the_end(shop, way):
    """More than fits in its kernel: it is told that this is of no use, and does not wait for ever."""
    visit = shop.visit(way)
    shop.sent += (requests := [Request("A"), Request("B", do="until-close"), Request("B", **upload(8 << 20))])
    with pytest.raises(ConnectionError):
        visit.send(b"".join(request.wire() for request in requests))


def test_client_that_closes_in_the_middle(shop, way):
    """The rest of its requests is of no consequence."""
    for count in (1, 3, 5):
        visit = shop.visit(way)
        shop.sent += (requests := along("ABC", 20, params={"size": 100000}))
        visit.send(b"".join(request.wire() for request in requests))
        for request in requests[:count]:
            visit.answer(request)
        visit.sock.close()
    shop.visit(way).ask(Request("B"))


def test_error_behind_a_slow_response(shop, way):
    """The response comes first, then the 400."""
    visit = shop.visit(way)
    request = Request("B", params={"at": "body", "ms": 200, "size": 1000})
    shop.sent.append(request)
    visit.send(request.wire() + b"GET / HTTP/1.1\r\nHost: shop.example\r\nno colon\r\n\r\n" + Request("C").wire())
    visit.answer(request)
    assert visit.response().status == 400
    assert visit.rest() == b""


@pytest.mark.parametrize("do", ["truncated", "reset"])
@pytest.mark.parametrize("behind", [{}, upload(60000), upload(60000, 3001)], ids=["GET", "POST", "chunks"])
@pytest.mark.parametrize("pools", ["CA", "BC"])
def test_truncated_response_before_others(shop, way, do, behind, pools):
    """No byte of theirs completes it, and the connection ends."""
    visit = shop.visit(way)
    shop.sent += (requests := [Request("A"), Request("B", do=do, params={"size": 5000}), *along(pools, 3, **behind)])
    with in_thread(send_what_it_takes, visit, requests), pytest.raises((Ended, ConnectionError)) as ended:
        visit.answer(requests[0])
        try:
            visit.response()
        finally:
            hang_up(visit)
    seen = getattr(ended.value, "got", b"") + visit.buffer
    assert not any(f"nonce={request.nonce} ".encode() in seen for request in requests[2:])
