# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""More connections than ports, or than splices, in the time that a closed one is kept: what is over gives way."""
import contextlib
import time

import pytest

import daemon
from daemon import HTTP
from tcp import MIB, connect, read_to_end, transfer, wait_for
from web import exchange, pool_at, request, status_of

pytestmark = pytest.mark.spliced
PORTS = 300
PER_S, COUNT = 220, 1000                    # a closed one has to be quiet for 1 s
PER_S_AGENTS, COUNT_AGENTS = 34, 380        # 6.5 s where an agent carries acknowledgements, and it hears of the end 1 to 2 s later


def configure(**more):
    def conf(net, work):
        pool = pool_at(net, "one", "snat", "backend1", HTTP)
        services = [(daemon.service("www", "snat", "http", HTTP, default=pool["name"]), pool),
                    *daemon.raw_services(net, "snat")]
        whole = daemon.config(net, work, services, limits=more)
        whole["source"]["ports"] = f"20000-{20000 + PORTS - 1}"
        return whole
    return conf


def ask_often(rig, family):
    """Short connections, one after the other. Return how many."""
    start, (per_s, number) = time.monotonic(), (PER_S_AGENTS, COUNT_AGENTS) if rig.agents else (PER_S, COUNT)
    for i in range(number):
        time.sleep(max(0, start + i / per_s - time.monotonic()))
        assert status_of(exchange(rig.client, family, request())) == 200, f"connection {i}"
    assert time.monotonic() - start < 25, "closed splices had time to be aged"
    return number


def count(rig, name):
    return rig.spliced.status()["counters"][name]


@contextlib.contextmanager
def lives(rig, family):
    """A connection on its port before all others."""
    with connect(rig.client, family.vip, HTTP) as live:
        def ask():
            live.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status_of(live.recv(65536)) == 200
        ask()
        row = rig.spliced.of(live)
        yield
        ask()
        now = rig.spliced.of(live)
        assert (row["back"], row["state"]) == (now["back"], now["state"])


def test_short_of_ports(net, servers, start_rig, family):
    with start_rig(net, configure()) as rig, lives(rig, family):
        number = ask_often(rig, family)
        assert count(rig, "ports_reclaimed") >= number - PORTS
        assert count(rig, "ports_exhausted") == 0


def test_short_of_splices(net, servers, start_rig, family):
    with start_rig(net, configure(splices=PORTS)) as rig, lives(rig, family):
        ask_often(rig, family)
        assert rig.spliced.status()["splices"] < PORTS


def test_all_ports_are_needed(net, start_rig, pairs_on, family):
    """Live connections keep theirs: one more hears 503, until one of them has ended."""
    with start_rig(net, configure()) as rig:
        pair = pairs_on(rig)
        ends = [pair(family, "http") for _ in range(PORTS)]
        assert status_of(exchange(rig.client, family, pair.HEADS["http"], daemon.RAW_HTTP)) == 503
        assert count(rig, "ports_reclaimed") == 0 and count(rig, "ports_exhausted") >= 1
        for end in ends[PORTS // 2]:
            end.close()

        def one_more():
            with contextlib.suppress(AssertionError, OSError):
                return pair(family, "http", timeout=1, server_options={"timeout": 1})
        pair.listener("http").settimeout(0.2)
        client, server = wait_for(one_more, "a port", every=0.3)
        transfer(client, server, MIB)
        for client, server in ends[:3] + ends[-3:]:
            transfer(server, client, 10000)


def test_unacknowledged_end_keeps_its_port(net, start_rig, pairs_on, family):
    """Both have said FIN, but the client lacks the last bytes for 3 s: they reach it, though ports are short."""
    with start_rig(net, configure()) as rig:
        pair = pairs_on(rig)
        client, server = pair(family, "http")
        others = [pair(family, "http") for _ in range(PORTS - 1)]
        client.shutdown(1)
        assert server.recv(1) == b""
        with rig.client.nft("chain in {\n type filter hook input priority 0\n"
                            f" tcp sport {daemon.RAW_HTTP} tcp dport {client.getsockname()[1]} drop\n }}"):
            server.sendall(b"the end")
            server.close()
            end = time.monotonic() + 3
            while time.monotonic() < end:
                assert status_of(exchange(rig.client, family, pair.HEADS["http"], daemon.RAW_HTTP)) == 503
                time.sleep(0.1)
        assert read_to_end(client) == b"the end"
        assert count(rig, "ports_reclaimed") == 0
        assert len(others) == PORTS - 1
