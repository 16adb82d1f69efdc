# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A leg that a connection leaves for another pool is parked: its backend keeps the connection, and gets the next request on it."""
import contextlib
import copy
import time

import pytest

import exchanges
from exchanges import Request, upload
from shop import BACKENDS, PORTS, balancer, market, namespace, on_one_proxy, open_balancer, shop, way    # noqa: F401 - fixtures
from tcp import bound, wait_for

pytestmark = [pytest.mark.spliced, pytest.mark.usefixtures("on_one_proxy")]
PARKED_S = 5            # SP_PARKED_NS


def count(shop, name):
    return shop.spliced.counters()[name]


def connections(shop, event="open"):
    """{pool: number of connections that its servers have seen begin (or end)}, without those of other tests."""
    ids = {(head["pool"], head["conn"]) for head in shop.origins.of("head") if head["nonce"] in {r.nonce for r in shop.sent}}
    seen = [(each["pool"], each["conn"]) for each in shop.origins.of(event)]
    return {pool: sum(each in ids and each[0] == pool for each in seen) for pool in PORTS}


def test_one_connection_for_each_pool(shop, way):
    """Bodies of all kinds both ways, and each of the three pools in turn."""
    visit = shop.visit(way)
    moved, unparked = count(shop, "requests_moved"), count(shop, "legs_unparked")
    for i in range(10):
        for pool in PORTS:
            visit.ask(Request(pool, params={"size": 3000 * i}, **upload(7000 * i) if i % 3 == 1 else {}))
        visit.ask(Request("B", do="chunked", params={"size": 5000, "chunk": 700}))
    assert connections(shop) == {"A": 1, "B": 1, "C": 1}
    assert count(shop, "requests_moved") - moved == 39
    assert count(shop, "legs_unparked") - unparked == 37


def test_pipelined(shop, way):
    visit = shop.visit(way)
    requests = [Request("ABC"[i % 3], params={"size": 100 * i}) for i in range(30)]
    shop.sent += requests
    visit.send(b"".join(request.wire() for request in requests))
    for request in requests:
        visit.answer(request)
    assert connections(shop) == {"A": 1, "B": 1, "C": 1}


def test_legs_of_one_client_are_not_anothers(shop, way):
    visits = [shop.visit(way) for _ in range(4)]
    for _ in range(3):
        for visit in visits:
            visit.ask(Request("A"))
            visit.ask(Request("B"))
    assert connections(shop) == {"A": 4, "B": 4, "C": 0}


@pytest.mark.parametrize("end", ["fin", "408", "rst"])
def test_backend_closes_a_parked_connection(shop, way, end):
    """The client sees nothing of it, and the next request gets another."""
    visit = shop.visit(way)
    visit.ask(Request("A", params={"idle": 200, "end": end}))
    visit.ask(Request("B"))
    time.sleep(bound(0.4))
    visit.ask(Request("B"))
    visit.ask(Request("A"))
    assert connections(shop)["A"] == 2


DEAF = """chain deaf {
    type filter hook input priority 0
    tcp dport %d meta length > 100 counter drop
}""" % PORTS["A"]


@pytest.mark.parametrize("end", ["fin", "rst"])
@pytest.mark.parametrize("request_of", [{}, upload(20000)], ids=["bare", "body"])
def test_backend_closes_before_the_request_comes(shop, way, end, request_of):
    """Its end and the request meet on the way. The request ran nowhere, and goes to another connection."""
    visit = shop.visit(way)
    visit.ask(Request("A", params={"idle": round(bound(0.3) * 1000), "end": end}))
    visit.ask(Request("B"))
    before = count(shop, "requests_taken_back")
    with contextlib.ExitStack() as stack:
        for name in BACKENDS:
            stack.enter_context(namespace(shop.rig, name).nft(DEAF))
        late = visit.post(Request("A", **request_of))
        wait_for(lambda: count(shop, "requests_taken_back") > before, "the backend's end", 2)
    visit.answer(late)
    visit.ask(Request("B"))
    visit.ask(Request("A"))
    assert connections(shop) == {"A": 2, "B": 1, "C": 0}


@pytest.mark.parametrize("end", ["fin", "rst"])
def test_backend_closes_before_a_staying_request_comes(shop, way, end):
    """As above, on the leg in use."""
    visit = shop.visit(way)
    visit.ask(Request("A", params={"idle": round(bound(0.3) * 1000), "end": end}))
    before = count(shop, "requests_taken_back")
    with contextlib.ExitStack() as stack:
        for name in BACKENDS:
            stack.enter_context(namespace(shop.rig, name).nft(DEAF))
        late = visit.post(Request("A"))
        wait_for(lambda: count(shop, "requests_taken_back") > before, "the backend's end", 2)
    visit.answer(late)
    assert connections(shop) == {"A": 2, "B": 0, "C": 0}


def test_it_ends_in_time(shop, way):
    visit = shop.visit(way)
    visit.ask(Request("A"))
    visit.ask(Request("B"))
    wait_for(lambda: connections(shop, "close")["A"] == 1, "the parked leg to end", PARKED_S + 2)
    visit.ask(Request("A"))
    visit.ask(Request("B"))
    assert connections(shop) == {"A": 2, "B": 1, "C": 0}


def test_daemon_dies(shop, way):
    """What was parked is forgotten; nothing is lost."""
    visit = shop.visit(way)
    for _ in range(3):
        visit.ask(Request("A", params={"size": 20000}))
        visit.ask(Request("B"))
        shop.spliced.kill9()
        shop.spliced.start()
        visit.ask(Request("A"))
        visit.ask(Request("C"))


def test_backend_is_taken_out(shop, way):
    """An order counts for a parked leg as for a new connection."""
    visit = shop.visit(way)
    visit.ask(Request("A"))
    visit.ask(Request("B"))
    pool = next(each for each in shop.spliced.conf["pools"] if each["name"].startswith("A-"))
    for backend in pool["backends"]:
        shop.spliced.ctl("backend", f"{pool['name']}/{backend['name']}", "drain")
    try:
        visit.send(Request("A").wire())
        assert visit.response().status == 503
    finally:
        for backend in pool["backends"]:
            shop.spliced.ctl("backend", f"{pool['name']}/{backend['name']}", "auto")




@pytest.fixture
def six_pools(shop):
    """Paths /page/0 to /page/5: a pool each, of the servers of pool A."""
    usual = shop.spliced.conf
    conf = copy.deepcopy(usual)
    like = next(pool for pool in conf["pools"] if pool["name"] == "A-snat")
    conf["pools"] += [{**like, "name": f"P{i}"} for i in range(6)]
    conf["services"][0]["routes"][:0] = [{"host": exchanges.HOST, "path": f"/page/{i}", "pool": f"P{i}"} for i in range(6)]
    shop.spliced.reload(conf)
    yield
    shop.spliced.reload(usual)


def test_no_more_than_four_of_a_client(shop, way, six_pools):
    """The oldest gives way."""
    visit = shop.visit(way)
    for i in range(6):
        visit.ask(Request("A", path=f"/{i}"))
    wait_for(lambda: connections(shop, "close")["A"] == 1, "the oldest to end", PARKED_S / 2)
    unparked = count(shop, "legs_unparked")
    for i in (4, 3, 2, 1):
        visit.ask(Request("A", path=f"/{i}"))
    assert count(shop, "legs_unparked") == unparked + 4
    visit.ask(Request("A", path="/0"))
    assert count(shop, "legs_unparked") == unparked + 4
    assert connections(shop)["A"] == 7
