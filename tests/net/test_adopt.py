# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Mode adopt: the kernel of the backend's host goes on with the handshake that a proxy has answered.

    client --- router ---+--- proxy1..3 --- core --- backend1, with an agent
                         `------------------------------'      (front, see cluster.py)
"""
import contextlib
import os
import socket
import subprocess
import time

import pytest

import daemon
import tcp
from agent_lab import BYTES, MIB, AgentLab, agent_lab, as_they_are, with_loss, without_superpackets
from conftest import Pairs
from kernel import needs_adopt

pytestmark = [pytest.mark.spliced, needs_adopt]
HEAD = Pairs.HEADS["http"]
LOSES_THE_FIRST = """chain lose {
    type filter hook forward priority 0
    tcp dport %d meta length 100-400 quota until 350 bytes counter drop
}""" % daemon.RAW_HTTP


class AdoptLab(AgentLab):
    @contextlib.contextmanager
    def adopts(self, count=1, whole=0):
        """So many connections are taken over meanwhile, and no proxy makes any other splice."""
        here = self.agent.counters()["taken_over"]
        with self.made(adopt=count, whole=whole):
            yield
        assert self.agent.counters()["taken_over"] - here == count


def started(start_cluster, **options):
    return agent_lab(start_cluster, "adopt", lab=AdoptLab, **options)


@pytest.fixture(scope="module")
def lab(start_cluster):
    with started(start_cluster) as lab:
        yield lab


@pytest.fixture
def pair(lab, pairs_on):
    return pairs_on(lab)


def without_timestamps(lab):
    return lab.client.sysctls(tcp_timestamps=0)


def without_sack(lab):
    return lab.client.sysctls(tcp_sack=0)


def without_scaling(lab):
    return lab.client.sysctls(tcp_window_scaling=0)


def with_none_of_them(lab):
    return lab.client.sysctls(tcp_timestamps=0, tcp_sack=0, tcp_window_scaling=0)


HOW = [as_they_are, without_superpackets, with_loss, without_timestamps, without_sack, without_scaling, with_none_of_them]
# What ss says of the server's socket, where the client offers all but that
LACKS = {without_timestamps: [" ts "], without_sack: [" sack "], without_scaling: ["wscale:"],
         with_none_of_them: [" ts ", " sack ", "wscale:"]}


@pytest.mark.parametrize("how", HOW, ids=lambda how: how.__name__)
@pytest.mark.limit(240)
def test_all_bytes_arrive_and_no_answer_crosses_a_proxy(lab, pair, family, kind, how):
    with how(lab):
        with lab.adopts():
            client, server = pair(family, kind)
        detail = tcp.info(lab.backend1, server)["detail"] + " "
        for word in (" ts ", " sack ", "wscale:"):
            assert (word in detail) == (word not in LACKS.get(how, ())), detail
        tcp.transfer(server, client, BYTES)
        tcp.transfer(client, server, BYTES)
        tcp.transfer(server, client, MIB)
        assert lab.down_at_proxies(client) == 0


def test_the_socket_is_an_ordinary_one(lab, pair, family):
    """Of the address that the server listens at; its peer is the proxy, as with any other way to reach it."""
    client, server = pair(family, "http")
    sources = {f"10.99.0.{n}" if family.version == 4 else f"fd99::{n}" for n in (1, 2, 3)}
    assert server.getsockname()[0].removeprefix("::ffff:") == lab.backend1.addr(family.version, "core")
    assert server.getpeername()[0].removeprefix("::ffff:") in sources
    assert client.getpeername()[:2] == (family.vip, daemon.RAW_HTTP)


def test_ends_of_either_side(lab, pair, family):
    for first in ("client", "server"):
        ends = dict(zip(("client", "server"), pair(family, "http")))
        one, other = ends[first], ends["server" if first == "client" else "client"]
        one.sendall(b"the last words")
        one.shutdown(socket.SHUT_WR)
        assert tcp.read_to_end(other) == b"the last words"
        tcp.transfer(other, one, MIB)
        other.shutdown(socket.SHUT_WR)
        assert tcp.read_to_end(one) == b""


def test_data_with_a_fin_behind_them(lab, family):
    """The whole life of a client is over before its server is told."""
    with lab.listen() as listener, tcp.connect(lab.client, family.vip, daemon.RAW_HTTP) as client:
        client.sendall(HEAD)
        client.shutdown(socket.SHUT_WR)
        with tcp.accept(listener) as server:
            assert tcp.read_to_end(server) == HEAD
            server.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            server.shutdown(socket.SHUT_WR)
            assert tcp.read_to_end(client) == b"HTTP/1.1 200 OK\r\n\r\n"


def test_a_head_that_had_to_be_acknowledged_first(lab, family):
    """In pieces, each of which waits for the acknowledgement of the one before: proxies deliver them, by the whole way."""
    with lab.listen() as listener, lab.adopts(0, whole=1):
        with tcp.connect(lab.client, family.vip, daemon.RAW_HTTP) as client:
            for at in range(0, len(HEAD), 16):
                client.sendall(HEAD[at:at + 16])
                tcp.wait_for(lambda: at + 16 >= len(HEAD) or not tcp.unsent(client), "an acknowledgement")
            with tcp.accept(listener) as server:
                assert tcp.read(server, len(HEAD)) == HEAD
                tcp.transfer(client, server, MIB)
                tcp.transfer(server, client, MIB)


def test_a_large_head_and_more_behind_it(lab, family):
    head = HEAD[:-2] + b"X-Long: " + b"x" * 40000 + b"\r\n\r\n"
    with lab.listen() as listener, lab.adopts(0, whole=1):
        with tcp.connect(lab.client, family.vip, daemon.RAW_HTTP) as client:
            client.sendall(head)
            with tcp.accept(listener) as server:
                assert tcp.read(server, len(head)) == head
                tcp.transfer(client, server, MIB)
                tcp.transfer(server, client, MIB)


def test_a_lost_introduction_costs_one_repetition(lab, pair, family, kind):
    """The store is asked, and the first segment comes again: from the client, or from the proxy where the server speaks first."""
    with lab.introductions_lost():
        before, start = lab.agent.drops()["adopt_asked"], time.monotonic()
        with lab.adopts():
            client, server = pair(family, kind)
        assert time.monotonic() - start < tcp.bound(1) and lab.agent.drops()["adopt_asked"] > before
        tcp.transfer(server, client, MIB)
        assert lab.down_at_proxies(client) == 0


def test_a_first_segment_that_is_overtaken(lab, family):
    """What came before its time is dropped, not answered with an RST."""
    before = lab.agent.drops()["adopt_early"]
    with lab.cluster.core.nft(LOSES_THE_FIRST), lab.listen() as listener:
        with tcp.connect(lab.client, family.vip, daemon.RAW_HTTP) as client, lab.adopts():
            introduced = lab.agent.counters()["agent_introduced"]
            client.sendall(HEAD)    # what follows must be sent before it is repeated
            tcp.wait_for(lambda: lab.agent.counters()["agent_introduced"] > introduced, "a splice")
            client.sendall(b"y" * 1000)
            with tcp.accept(listener) as server:
                assert tcp.read(server, len(HEAD) + 1000) == HEAD + b"y" * 1000
                tcp.transfer(server, client, MIB)
    assert lab.agent.drops()["adopt_early"] > before


def test_nobody_listens(lab, family):
    """Until proxies have heard of it, the backend's own RST says so; then a SYN asks, and the backend is marked down."""
    with contextlib.ExitStack() as stack:
        with lab.listen():
            client = stack.enter_context(tcp.connect(lab.client, family.vip, daemon.RAW_HTTP))
            before = lab.agent.drops()["adopt_no_listener"]
        client.sendall(HEAD)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert lab.agent.drops()["adopt_no_listener"] > before
        tcp.wait_for(lambda: all(proxy.misses_listener(daemon.RAW_HTTP) for proxy in lab.proxies), "proxies to hear of it")
        refused = lab.total("backend_refused")
        client = stack.enter_context(tcp.connect(lab.client, family.vip, daemon.RAW_HTTP))
        client.sendall(HEAD)
        assert b" 503 " in client.recv(100)
        assert lab.total("backend_refused") > refused


MPTCP_SERVER = """
import socket, sys
listener = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_MPTCP)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((sys.argv[1], int(sys.argv[2])))
listener.listen()
print("listens", flush=True)
server = listener.accept()[0]
server.recv(65536)
server.sendall(b"by MPTCP")
"""


def test_a_server_that_listens_by_mptcp_goes_split(lab, family):
    """The kernel takes over no handshake for it."""
    server = lab.backend1.popen("/usr/bin/python3", "-c", MPTCP_SERVER, "10.5.0.2" if family.version == 4 else "fd00:5::2", str(daemon.RAW_HTTP), stdout=subprocess.PIPE)
    try:
        assert server.stdout.readline().strip() in (b"listens", "listens")
        time.sleep(tcp.bound(0.3))      # time enough to be taken for a listener
        fell_back, split = lab.total("fell_back_no_listener"), lab.total("spliced_split")
        with tcp.connect(lab.client, family.vip, daemon.RAW_HTTP) as client:
            client.sendall(HEAD)
            assert tcp.read(client, 8) == b"by MPTCP"
        assert lab.total("fell_back_no_listener") > fell_back and lab.total("spliced_split") > split
    finally:
        server.kill()
        server.wait()


@pytest.mark.limit(150)
def test_the_agent_is_killed_and_comes_back(lab, pair, family):
    client, server = pair(family, "http")
    gap = tcp.transfer(server, client, BYTES, tcp.at_bytes({BYTES // 4: lab.agent.kill9, BYTES // 2: lab.agent.start}))
    lab.agent.wait_well()
    assert lab.down_at_proxies(client) == 0
    tcp.transfer(client, server, MIB)
    with lab.adopts():
        pair(family, "http")
    assert gap < tcp.bound(1), gap


def test_without_a_store_what_is_there_goes_on(lab, pair, family):
    client, server = pair(family, "http")
    for store in lab.cluster.stores:
        store.freeze()
    try:
        tcp.transfer(server, client, BYTES)
        assert lab.down_at_proxies(client) == 0
        other, its_server = pair(family, "http")
        tcp.transfer(its_server, other, MIB)
    finally:
        lab.cluster.heal()
    tcp.transfer(client, server, MIB)
    tcp.wait_for(lambda: all_adopt(lab, pair, family), "all proxies to have the store again")


def all_adopt(lab, pair, family):
    """Each proxy, at least one of some connections, and none goes another way."""
    before = [proxy.counters()["spliced_adopt"] for proxy in lab.proxies]
    for _ in range(12):
        pair(family, "http")
    made = [proxy.counters()["spliced_adopt"] - n for proxy, n in zip(lab.proxies, before)]
    return sum(made) == 12 and min(made) > 0


def test_from_one_port_again_and_again(lab, family):
    """The server closes first each time."""
    with lab.listen() as listener, lab.adopts(20):
        for n in range(20):
            with tcp.connect(lab.client, family.vip, daemon.RAW_HTTP, sport=33333) as client:
                client.sendall(HEAD)
                with tcp.accept(listener) as server:
                    assert tcp.read(server, len(HEAD)) == HEAD
                    tcp.transfer(server, client, 64 << 10)
                assert client.recv(1) == b"", n


@pytest.fixture(scope="module")
def few_ports(start_cluster):
    with started(start_cluster, proxies=1, stores=1, limits={"closed": "1s"}) as lab:
        lab.have_ports("20000-20003")
        lab.agent.wait_well()
        yield lab


@pytest.mark.parametrize("introduced", [True, False], ids=["introduced", "asked"])
@pytest.mark.limit(120)
def test_a_source_port_that_comes_again_meets_time_wait(few_ports, family, introduced):
    """The server has closed first, and its host remembers the tuple for a minute."""
    lab, slow = few_ports, []
    before = lab.agent.counters()["older_reset"]
    with contextlib.ExitStack() as stack:
        if not introduced:
            stack.enter_context(lab.introductions_lost())
        listener = stack.enter_context(lab.listen())
        stack.enter_context(lab.adopts(16))
        for n in range(16):
            tcp.wait_for(lambda: lab.cluster.proxies[0].status()["splices"] <= 3, "a port to come back", 20)
            with tcp.connect(lab.client, family.vip, daemon.RAW_HTTP) as client:
                start = time.monotonic()
                client.sendall(HEAD)
                with tcp.accept(listener) as server:
                    slow.append(time.monotonic() - start)
                    assert tcp.read(server, len(HEAD)) == HEAD
                    tcp.transfer(server, client, 64 << 10)
                assert client.recv(1) == b""
    assert lab.agent.counters()["older_reset"] - before >= 8
    assert max(slow) < tcp.bound(0.15 if introduced else 0.9), slow


def test_nothing_reaches_a_backend_before_the_commit(start_cluster, tmp_path_factory, family):
    with started(start_cluster, proxies=1, stores=1, store={"timeout": "5s"}) as lab:
        with lab.listen() as listener, tcp.connect(lab.client, family.vip, daemon.RAW_HTTP) as client:
            lab.cluster.stores[0].freeze()
            client.sendall(HEAD)
            listener.settimeout(1)
            with pytest.raises(TimeoutError):
                listener.accept()
            assert lab.agent.counters()["taken_over"] == 0
            with lab.adopts():
                lab.cluster.stores[0].thaw()
                listener.settimeout(tcp.TIMEOUT)
                with tcp.accept(listener) as server:
                    assert tcp.read(server, len(HEAD)) == HEAD


@pytest.mark.parametrize("env, sysctls", [({"SPLICED_ADOPT": "no"}, {}), ({}, {"tcp_rfc1337": 1}), ({}, {"tcp_syncookies": 0})],
                         ids=["an_older_kernel", "rfc1337", "no_syncookies"])
def test_what_can_not_be_adopted_is_split(start_cluster, family, env, sysctls):
    with start_cluster(services=daemon.in_modes("adopt"), proxies=1, stores=1, agents=["backend1"]) as cluster:
        for key, value in sysctls.items():
            cluster.backend1.sysctl("ipv4." + key, value)
        cluster.start_agents(env=env)
        proxy, = cluster.proxies
        with AdoptLab(cluster).listen() as listener, tcp.connect(cluster.client, family.vip, daemon.RAW_HTTP) as client:
            client.sendall(HEAD)
            with tcp.accept(listener) as server:
                assert tcp.read(server, len(HEAD)) == HEAD
                tcp.transfer(server, client, MIB)
        counters = proxy.counters()
        assert [counters[name] for name in ("spliced_adopt", "spliced_split", "fell_back_agent_lacks_adopt")] == [0, 1, 1]
        agent, why = cluster.agents[0], "mode adopt is not offered"
        assert why in agent.log.read_text()
        assert why in cluster.backend1.run(agent.bin, "--check", str(agent.file), env={**os.environ, **env})
        tcp.wait_for(lambda: ["agent_lacks_adopt" in line for line in proxy.status()["warnings"]] == [True] * 3, "a warning for each service", 5)
        status = proxy.status()
        assert {(b["modes"]["adopt"]["mode"], b["modes"]["adopt"]["reason"]) for pool in status["pools"] for b in pool["backends"]} == {
            ("split", "agent_lacks_adopt")}
        assert "WARNING: service raw-http-snat: mode adopt" in proxy.ctl("status")
