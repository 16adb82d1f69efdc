# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A stranger who knows addresses and ports, but no numbers, sends data all the time: requests go on as before."""
import random
import threading
import time

import pytest

from exchanges import Request
from rawtcp import ACK, PSH, Raw, pack_addr
from shop import balancer, market, on_one_proxy, open_balancer, shop, way    # noqa: F401 - fixtures
from tcp import bound

pytestmark = pytest.mark.spliced
POOLS = "ABBCAB"


class Stranger(Raw):
    """Sends as the client's own kernel would."""
    def __init__(self, shop, way, sock):
        super().__init__(shop.rig.net, way.vip, 80, sock.getsockname()[1])
        self.addr = sock.getsockname()[0]
        self.src = pack_addr(self.addr)


def flood(stranger, done, rnd, gap_s):
    while not done.wait(gap_s):
        stranger.send(ACK | PSH, b"x" * 100, seq=rnd.getrandbits(32), ack=rnd.getrandbits(32))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gap_s", [0.002, 0.02])
def test_forged_data_stall_no_request(shop, way, on_one_proxy, gap_s, seed):
    done = threading.Event()
    visit = shop.visit(way)
    visit.ask(Request("A"))
    with Stranger(shop, way, visit.sock) as stranger:
        thread = threading.Thread(target=flood, args=(stranger, done, random.Random(seed), gap_s))
        thread.start()
        try:
            time.sleep(0.3)
            start = time.monotonic()
            for pool in POOLS:
                visit.ask(Request(pool))
            took = time.monotonic() - start
        finally:
            done.set()
            thread.join()
    assert took < bound(2), took
    assert shop.spliced.status()["counters"]["segment_foreign"]
