# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A server that closes when idle meets the next request: at each offset of a few ms, and with each kind of an end.

A request to another pool is no matter of that server, whatever it says meanwhile. One to the same pool may be lost with its
connection, if no byte of a response has come.
"""
import os
import time

import pytest

from exchanges import Request, upload
from h1 import Ended
from shop import balancer, market, on_spliced, open_balancer, shop, way    # noqa: F401 - fixtures

pytestmark = pytest.mark.spliced
IDLE_MS = 20
OFFSETS = [at / 4 for at in range(-8, 13)]       # ms
ROUNDS = int(os.environ.get("ROUNDS", 1))
NEXT = {"GET": {}, "POST": upload(3000), "large": {"params": {"size": 50000}}, "chunks": upload(20000, 700)}


def meet(visit, pool, end, offset_ms):
    visit.ask(Request(pool, params={"idle": IDLE_MS, "end": end, "size": 300}))
    time.sleep((IDLE_MS + offset_ms) / 1000)


@pytest.mark.parametrize("end", ["fin", "rst", "408"])
@pytest.mark.parametrize("kind", NEXT)
def test_move_meets_the_end_of_the_old_server(shop, way, end, kind):
    for offset_ms in OFFSETS * ROUNDS:
        visit = shop.visit(way)
        meet(visit, "A", end, offset_ms)
        visit.ask(Request("B", **NEXT[kind]))
        visit.ask(Request("C"))


@pytest.mark.parametrize("end", ["fin", "rst", "408"])
def test_moves_in_a_row(shop, way, end):
    """On one connection, and each server closes."""
    visit = shop.visit(way)
    for offset_ms in OFFSETS * ROUNDS:
        for pool in "AB":
            meet(visit, pool, end, offset_ms)
    visit.ask(Request("C"))


@pytest.mark.parametrize("end", ["fin", "rst", "408"])
def test_many_requests_meet_it(shop, way, end):
    """Pipelined, the first to another pool."""
    for offset_ms in OFFSETS:
        visit = shop.visit(way)
        meet(visit, "A", end, offset_ms)
        requests = [Request(pool, params={"size": 1000}) for pool in "BCB"]
        shop.sent += requests
        visit.send(b"".join(request.wire() for request in requests))
        for request in requests:
            visit.answer(request)


@pytest.mark.parametrize("end", ["fin", "rst", "408"])
def test_stay_meets_the_end_of_its_server(shop, way, end):
    """Either it is answered by another connection to the pool, or the client has to ask again: mixed it is never."""
    lost = 0
    for offset_ms in OFFSETS * ROUNDS:
        visit = shop.visit(way)
        meet(visit, "A", end, offset_ms)
        request = Request("A", params={"size": 1000})
        try:
            visit.ask(request)
            visit.ask(Request("B"))
        except (Ended, ConnectionError) as ended:
            assert getattr(ended, "clean", True), ended
            lost += 1
        except AssertionError:
            assert end == "408" and visit.is_late
            lost += 1
    assert lost < len(OFFSETS) * ROUNDS
