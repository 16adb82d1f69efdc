# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Small limits: each test has a daemon of its own, in namespaces of its own."""
import contextlib
import select
import time

import pytest

from daemon import RAW_HTTP
from one_daemon import small
from tcp import accept, connect, transfer, wait_for
from test_edges import is_reset

pytestmark = pytest.mark.spliced


def test_idle_splices_age_out(make_net, start_rig, pairs_on, family):
    """And one that is not idle stays."""
    with small(make_net, start_rig, idle="2s", closed="1s") as rig:
        pair = pairs_on(rig)
        idle, busy, closed = pair(family), pair(family), pair(family)
        transfer(*idle, 1000)       # without a byte it could be taken for a new one: its cookie is still good
        for sock in closed:
            sock.close()

        def only_busy():
            transfer(*busy, 1000)
            rows = rig.spliced.connections()
            return len(rows) == 1 and rows[0]["front"]["from"].endswith(f":{busy[0].getsockname()[1]}")
        wait_for(only_busy, "only the busy connection to be left", every=0.2)
        assert is_reset(idle[0])


def test_full_table_refuses_new_and_keeps_old(make_net, start_rig, pairs_on, family):
    with small(make_net, start_rig, splices=7, closed="1s") as rig:
        pair = pairs_on(rig)
        ends = []
        with contextlib.suppress(OSError):
            while len(ends) < 40:
                ends.append(pair(family, timeout=1, server_options={"timeout": 1}))
        assert len(ends) == rig.spliced.status()["splices"] == 7
        assert rig.spliced.drops()["table_full"]
        for client, server in ends:
            transfer(client, server, 100000)
            transfer(server, client, 100000)
        for client, server in ends[:4]:
            client.close()
            server.close()
        wait_for(lambda: rig.spliced.status()["splices"] == len(rig.spliced.connections()) == 3, "closed splices to go")
        pair.listener("tcp").settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            while True:
                pair.listener("tcp").accept()[0].close()
        pair.listener("tcp").settimeout(10)
        client, server = pair(family)
        transfer(client, server, 100000)


def test_what_is_left_is_for_others(make_net, start_rig, pairs_on, family):
    """A client with seven eighths of the table hears 503; another one is served."""
    with small(make_net, start_rig, splices=40, closed="1s") as rig:
        pair = pairs_on(rig)
        for _ in range(36):
            pair(family, "http")
        time.sleep(0.5)     # until they were counted
        with connect(rig.client, family.vip, RAW_HTTP) as client:
            client.sendall(pair.HEADS["http"])
            assert client.recv(100).startswith(b"HTTP/1.1 503 ")
        assert rig.spliced.counters()["share_full"] == 1
        with connect(rig.net.router, family.vip, RAW_HTTP) as other:
            other.sendall(pair.HEADS["http"])
            with accept(pair.listener("http")) as server:
                transfer(server, other, 1000)


def test_burst_at_a_full_table_is_answered(make_net, start_rig, pairs_on, family):
    """More handshakes were answered than there is room for: who comes too late hears 503, and not all have to wait."""
    with small(make_net, start_rig, splices=4) as rig:
        pair = pairs_on(rig)
        pair.listener("http")
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connect(rig.client, family.vip, RAW_HTTP, timeout=5)) for _ in range(12)]
            for client in clients[:4]:
                client.sendall(pair.HEADS["http"])
            wait_for(lambda: rig.spliced.status()["splices"] == 4, "the table to be full")
            for client in clients[4:]:
                client.sendall(pair.HEADS["http"])
            answers = [client.recv(100) for client in clients[4:]]
            assert all(answer.startswith(b"HTTP/1.1 503 ") for answer in answers), answers
            assert rig.spliced.status()["splices"] == 4


HEAD = b"GET / HTTP/1.1\r\nHost: www.example.org\r\n"


@contextlib.contextmanager
def slow_heads(rig, family, count, size, pause_s=0):
    """Clients whose heads never end. Each has sent so many bytes, and the daemon has them."""
    with contextlib.ExitStack() as stack:
        clients = []
        for i in range(count):
            clients.append(stack.enter_context(connect(rig.client, family.vip, RAW_HTTP, timeout=8)))
            clients[-1].sendall(HEAD + b"X: " + b"a" * size)
            wait_for(lambda: rig.spliced.status()["pending"] == i + 1, "the daemon to have it")
        time.sleep(pause_s)
        yield clients


def test_whole_head_needs_no_room_among_held_ones(make_net, start_rig, pairs_on, family):
    """Nor has a large one to give way to it."""
    with small(make_net, start_rig, held="64KiB", head_time="8s") as rig:
        pair = pairs_on(rig)
        with slow_heads(rig, family, 2, 30000):
            start = time.monotonic()
            transfer(*pair(family, "http"), 10000)
            assert time.monotonic() - start < 3
            assert rig.spliced.counters()["head_gave_way"] == 0


def test_larger_head_gives_way_to_a_smaller_one(make_net, start_rig, pairs_on, family):
    with small(make_net, start_rig, held="64KiB", head_time="8s") as rig:
        pair = pairs_on(rig)
        listener = pair.listener("http")
        with slow_heads(rig, family, 2, 31000) as slow, connect(rig.client, family.vip, RAW_HTTP, timeout=8) as client:
            start = time.monotonic()
            client.sendall(HEAD)
            wait_for(lambda: rig.spliced.counters()["head_gave_way"] == 1, "a slow head to give way")
            client.sendall(b"\r\n")
            listener.accept()[0].close()
            ended, _, _ = select.select(slow, [], [], 0)
            assert len(ended) == 1 and ended[0].recv(100).startswith(b"HTTP/1.1 408 ")
            assert time.monotonic() - start < 5


def test_equal_heads_do_not_push_each_other_out(make_net, start_rig, family):
    """Who comes when there is no room for an incomplete head is told so at once."""
    with small(make_net, start_rig, held="64KiB", head_time="8s") as rig:
        with slow_heads(rig, family, 16, 100), connect(rig.client, family.vip, RAW_HTTP, timeout=3) as client:
            client.sendall(HEAD)
            assert client.recv(100).startswith(b"HTTP/1.1 503 ")
            assert rig.spliced.counters()["held_full"] == 1 and rig.spliced.counters()["head_gave_way"] == 0


def test_oldest_head_gives_way_where_slots_run_short(make_net, start_rig, pairs_on, family):
    with small(make_net, start_rig, pending=4, head_time="8s") as rig:
        pair = pairs_on(rig)
        with slow_heads(rig, family, 4, 100, pause_s=1.2) as slow:
            start = time.monotonic()
            transfer(*pair(family, "http"), 10000)
            assert time.monotonic() - start < 3
            assert select.select(slow, [], [], 0)[0] == slow[:1] and slow[0].recv(100).startswith(b"HTTP/1.1 408 ")
            assert rig.spliced.counters()["head_gave_way"] == 1
