# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""More connections than ports, or than splices, in the time that a closed one is kept: what is over gives way."""
import contextlib
import socket
import time

import pytest

import daemon
import tcp
from daemon import HTTP
from tcp import MIB, accept, connect, read, read_to_end, transfer, wait_for
from web import exchange, pool_at, request, status_of

pytestmark = [pytest.mark.spliced, pytest.mark.minutes(4)]
TCP_CLOSE = 7
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


def is_over(sock):
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE


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


def test_who_holds_most_gives_way(net, start_rig, pairs_on, family):
    """To another client; both ends of what gives way hear of it. The one who holds all gets no more of it."""
    with start_rig(net, configure()) as rig:
        pair = pairs_on(rig)
        ends = [pair(family, "http") for _ in range(PORTS)]
        listener = pair.listener("http")
        for i in range(10):
            with connect(rig.net.router, family.vip, daemon.RAW_HTTP) as other:
                other.sendall(pair.HEADS["http"])
                with accept(listener) as server:
                    assert read(server, len(pair.HEADS["http"])) == pair.HEADS["http"]
                    transfer(server, other, 1000)
                    assert status_of(exchange(rig.client, family, pair.HEADS["http"], daemon.RAW_HTTP)) == 503
                    tcp.reset(other)    # else its port would serve the next one, a second after
                    with pytest.raises(ConnectionResetError):
                        server.recv(1)
        assert count(rig, "gave_way") == 10 - count(rig, "ports_reclaimed")
        reset = [(client, server) for client, server in ends if is_over(client) or is_over(server)]
        assert len(reset) == count(rig, "gave_way") >= 1
        assert all(is_over(client) and is_over(server) for client, server in reset)


def time_until_a_port(rig, pair, family, most):
    """Return after how many seconds one more connection is made; at first there is none."""
    start = time.monotonic()
    assert status_of(exchange(rig.client, family, pair.HEADS["http"], daemon.RAW_HTTP)) == 503
    pair.listener("http").settimeout(0.2)

    def one_more():
        with contextlib.suppress(AssertionError, OSError):
            return pair(family, "http", timeout=1, server_options={"timeout": 1})
    for end in wait_for(one_more, "a port", most, every=1):
        end.close()
    return time.monotonic() - start


def test_vanished_ones_give_way_earlier(net, start_rig, pairs_on, family):
    """Of many clients that hold one each: those whose server has said FIN, and that are silent for half a minute."""
    with start_rig(net, configure(transitory="1h")) as rig:
        pair = pairs_on(rig)
        ends = [pair(family, "http") for _ in range(PORTS)]
        for client, server in ends[:3]:
            server.shutdown(1)
        assert time_until_a_port(rig, pair, family, 45) > 25
        assert count(rig, "expired") >= 1 and count(rig, "gave_way") == 0


def test_those_that_leave_a_fin_unacknowledged_give_way_soon(net, start_rig, pairs_on, family):
    """Their servers have closed, and given up. The others, which are idle, live on."""
    with start_rig(net, configure(transitory="1h")) as rig:
        pair = pairs_on(rig)
        *gone, living = [pair(family, "http") for _ in range(PORTS)]
        ports = ", ".join(str(client.getsockname()[1]) for client, _ in gone[:3])
        rig.net.backend1.sysctl("ipv4.tcp_orphan_retries", 2)
        with rig.client.nft("chain in {\n type filter hook input priority 0\n"
                            f" tcp sport {daemon.RAW_HTTP} tcp dport {{ {ports} }} drop\n }}"):
            for _, server in gone[:3]:
                server.close()
            assert 5 < time_until_a_port(rig, pair, family, 25) < tcp.bound(20)
        rig.net.backend1.sysctl("ipv4.tcp_orphan_retries", 0)
        assert count(rig, "expired") >= 1 and count(rig, "gave_way") == 0
        transfer(*living, MIB)


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
