# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Connections of many requests outlive the daemon, and a reload changes their routes at the next request."""
import socket
import threading
import time

import pytest

import daemon
import h1
from exchanges import Request, upload
from shop import balancer, market, on_one_proxy, open_balancer, services, shop, way    # noqa: F401 - fixtures
from tcp import bound, in_thread, wait_for
from wander import wander

pytestmark = [pytest.mark.spliced, pytest.mark.usefixtures("on_one_proxy", "runs_again")]


@pytest.fixture
def runs_again(market):
    """Whatever a test does to the daemon."""
    spliced = market[0].spliced
    usual = spliced and spliced.conf
    yield
    if spliced and not spliced.is_running():
        spliced.write(usual)
        spliced.start()
    elif spliced and spliced.conf != usual:
        spliced.reload(usual)


def restart(shop):
    shop.spliced.kill9()
    shop.spliced.start()


def swapped(shop):
    """The same file, but for the places of pools B and C."""
    conf = dict(shop.spliced.conf)
    routes = daemon.config(shop.rig.net, "", services(shop.rig.net, "snat", swapped=True))["services"][0]["routes"]
    conf["services"] = [{**conf["services"][0], "routes": routes}]
    return conf


# ---- reload ----

def test_reload_takes_effect_at_the_next_request(shop, way):
    visits = [shop.visit(way) for _ in range(3)]
    for visit, pool in zip(visits, "ABC"):
        visit.ask(Request(pool))
    shop.spliced.reload(swapped(shop))
    for visit in visits:
        visit.ask(Request("C", place="B"))
        visit.ask(Request("A"))
        visit.ask(Request("B", place="C"))


def test_reload_in_the_middle_of_a_response(shop, way):
    """It is completed; the request behind it takes the new route."""
    visit = shop.visit(way)
    visit.ask(Request("A"))
    slow = visit.post(Request("B", params={"size": 10000, "at": "body", "ms": 1000}))
    shop.spliced.reload(swapped(shop))
    visit.answer(slow)
    visit.ask(Request("C", place="B"))


def test_reload_in_the_middle_of_an_upload(shop, way):
    visit = shop.visit(way)
    visit.ask(Request("A"))
    for framing in ({}, {"chunk": 3000}):
        request = Request("B", **upload(100000, **framing))
        shop.sent.append(request)
        wire = request.wire()
        visit.send(wire[:50000])
        time.sleep(0.05)
        shop.spliced.reload(swapped(shop))
        visit.send(wire[50000:])
        visit.answer(request)
        visit.ask(Request("C", place="B"))
        shop.spliced.reload({**swapped(shop), "services": daemon.config(
            shop.rig.net, "", services(shop.rig.net, "snat"))["services"]})


def test_refused_reload_changes_nothing(shop, way):
    visit = shop.visit(way)
    visit.ask(Request("B"))
    usual = shop.spliced.conf
    shop.spliced.file.write_text("{}")
    shop.spliced.hangup()
    visit.ask(Request("C"))
    visit.ask(Request("B"))
    shop.spliced.reload(usual)


def test_request_that_waits_while_the_routes_change(shop, way):
    """A pipelined one, behind a slow response: by the routes of its time, or by those before; complete all the same."""
    visit = shop.visit(way)
    first, behind = Request("A", params={"size": 1000, "at": "body", "ms": 600}), Request("B", nonce="waits")
    shop.sent.append(first)
    visit.send(first.wire() + behind.wire())
    shop.spliced.reload(swapped(shop))
    visit.answer(first)
    response = visit.response()
    behind.pool, behind.place = response.headers["x-origin"][0], "B"
    assert behind.pool in "BC"
    shop.sent.append(behind)
    behind.check(response)
    visit.ask(Request("C", place="B"))


# ---- kill -9 ----

@pytest.mark.parametrize("pool", "AB", ids=["same pool", "other pool"])
def test_restart_between_two_requests(shop, way, pool):
    visit = shop.visit(way)
    visit.ask(Request("B"))
    visit.ask(Request("A", params={"size": 20000}))
    for each in (pool, "C", pool):
        restart(shop)
        visit.ask(Request(each, params={"size": 3000}))
        visit.ask(Request("C"))


@pytest.mark.parametrize("before", [1, 2], ids=["first leg", "second leg"])
def test_restart_after_uploads(shop, way, before):
    """What was acknowledged since the daemon knew last is no head."""
    visit = shop.visit(way)
    for pool in "AB"[:before]:
        visit.ask(Request(pool))
    last = "AB"[before - 1]
    visit.ask(Request(last, **upload(50000)))
    restart(shop)
    visit.ask(Request(last, **upload(50000, 700)))
    restart(shop)
    visit.ask(Request("C", **upload(50000)))
    visit.ask(Request(last))


@pytest.mark.parametrize("pool", "AB", ids=["same pool", "other pool"])
def test_request_while_the_daemon_is_away(shop, way, pool):
    """The client retransmits it."""
    visit = shop.visit(way)
    visit.ask(Request("A"))
    shop.spliced.kill9()
    request = visit.post(Request(pool))
    time.sleep(0.3)
    shop.spliced.start()
    visit.answer(request)
    visit.ask(Request("C"))


@pytest.mark.parametrize("framing", [{}, {"chunk": 1000}], ids=["length", "chunks"])
@pytest.mark.parametrize("pool", "AB", ids=["same pool", "other pool"])
def test_response_while_the_daemon_is_away(shop, way, framing, pool):
    """It needs none."""
    visit = shop.visit(way)
    visit.ask(Request("A"))
    slow = visit.post(Request(pool, params={"size": 2000000, "at": "body", "ms": 500, **framing}))
    assert visit.fill()
    shop.spliced.kill9()
    visit.answer(slow)
    shop.spliced.start()
    for each in (pool, "C", "B"):
        visit.ask(Request(each))


@pytest.mark.parametrize("pool", "AB", ids=["same pool", "other pool"])
@pytest.mark.parametrize("framing", [{}, {"chunk": 5000}], ids=["length", "chunks"])
@pytest.mark.parametrize("at", ["line", "head", "size", "body", "last"])
def test_restart_in_the_middle_of_a_response(shop, way, pool, framing, at):
    """The daemon that comes has to find its end."""
    visit = shop.visit(way)
    visit.ask(Request("A"))
    slow = visit.post(Request(pool, params={"size": 20000, "at": at, "ms": 700, **framing}))
    time.sleep(0.05)
    restart(shop)
    visit.answer(slow)
    visit.ask(Request("C"))


@pytest.mark.parametrize("framing", [{}, {"chunk": 3000}, {"chunk": 200000}], ids=["length", "chunks", "a chunk"])
@pytest.mark.parametrize("pool", "AB", ids=["same pool", "other pool"])
def test_restart_in_the_middle_of_an_upload(shop, way, framing, pool):
    visit = shop.visit(way)
    visit.ask(Request("A"))
    request = Request(pool, **upload(100000, **framing))
    shop.sent.append(request)
    wire = request.wire()
    visit.send(wire[:50000])
    time.sleep(0.05)
    restart(shop)
    visit.send(wire[50000:])
    visit.answer(request)
    visit.ask(Request("C"))


@pytest.mark.parametrize("pool", "AB", ids=["same pool", "other pool"])
def test_restart_in_the_middle_of_a_head(shop, way, pool):
    """Law 7: of a head that is not complete nothing is acknowledged."""
    visit = shop.visit(way)
    visit.ask(Request("A"))
    request = Request(pool, params={"size": 1000})
    shop.sent.append(request)
    visit.send(request.wire()[:40])
    time.sleep(0.05)
    restart(shop)
    visit.send(request.wire()[40:])
    visit.answer(request)
    visit.ask(Request("C"))


@pytest.mark.parametrize("pattern", ["BB", "AB", "BC"])
def test_restart_while_requests_wait(shop, way, pattern):
    """Behind a response that stalls."""
    visit = shop.visit(way)
    visit.ask(Request("A"))
    requests = [Request(pattern[0], params={"size": 3000, "at": "body", "ms": 700}), *(Request(pool) for pool in pattern * 3)]
    shop.sent += requests
    visit.send(b"".join(request.wire() for request in requests))
    time.sleep(0.05)
    restart(shop)
    for request in requests:
        visit.answer(request)


def test_server_that_closes_while_the_daemon_is_away(shop, way):
    visit = shop.visit(way)
    visit.ask(Request("A", params={"idle": 300}))
    shop.spliced.kill9()
    time.sleep(0.5)
    shop.spliced.start()
    assert visit.is_quiet(bound(0.2))
    visit.ask(Request("B"))
    visit.ask(Request("A"))


def test_tunnel_over_a_restart(shop, way):
    visit = shop.visit(way)
    visit.ask(Request("A"))
    visit.answer(visit.post(Request("B", do="upgrade", more=("Connection: Upgrade", "Upgrade: echo"))))
    visit.line_of_tunnel()
    restart(shop)
    for data in (Request("C").wire(), b"x" * 200000):
        with in_thread(visit.send, data):
            assert visit.exactly(len(data)) == data
    visit.sock.shutdown(socket.SHUT_WR)
    assert visit.rest() == b""


@pytest.mark.slow
@pytest.mark.limit(120)
def test_random_clients_while_the_daemon_is_killed(shop, way):
    over = threading.Event()

    def kill():
        while not over.wait(0.7):
            restart(shop)
    with in_thread(kill):
        try:
            # a client that sends ahead may wait until its server closes: see docs/THREATS.md
            stats = wander(shop, lambda: shop.visit(way), "life", 10, without=("batch", "last"))
        finally:
            over.set()
    print(dict(stats))
    assert stats["exchanges"] > 100, stats


# ---- a reply of our own ----

DEAF = """chain deaf {
    type filter hook input priority 0
    tcp sport 80 meta length > 70 counter drop
    tcp sport 80 tcp flags & fin == fin counter drop
}"""


@pytest.mark.parametrize("before", [0, 1], ids=["first", "second"])
def test_reply_that_is_lost_with_the_daemon(shop, way, before):
    """No daemon knows of it, nor the client: a first request is answered again. Behind another, its connection is over."""
    visit = shop.visit(way)
    for _ in range(before):
        visit.ask(Request("A"))
    answered = shop.spliced.counters()["answered_404"]
    with shop.rig.client.nft(DEAF):
        visit.send(b"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n")
        wait_for(lambda: shop.spliced.counters()["answered_404"] > answered, "the reply")
        restart(shop)
    if not before:
        assert visit.response().status == 404
    else:
        with pytest.raises(h1.Ended, match="reset"):
            visit.response()
