# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which backend of a pool gets a connection or a request, by the servers' own records."""
import concurrent.futures
import time

import pytest

import counting
import daemon
import tcp
from daemon import endpoint
from topo import VIP

pytestmark = [pytest.mark.spliced, pytest.mark.syn("a refused connection is one that began with a SYN")]
PORTS = (8301, 8302)
NAMES = [f"{host}:{port}" for host in ("backend1", "backend2") for port in PORTS]
SERVICES = {"turns": 8310, "least": 8311, "two": 8312, "source": 8313, "cookie": 8314, "path": 8315, "header": 8316,
            "few": 8317, "own": 8318}
BALANCE = {"turns": "round_robin", "least": "least_connections", "two": "random_two", "source": {"hash": "source"},
           "cookie": {"hash": "cookie sid"}, "path": {"hash": "path"}, "header": {"hash": "header X-User"},
           "few": "round_robin", "own": {"hash": "source"}}
WEIGHTS = {"turns": (1, 3, 1, 3), "least": (1, 3, 1, 3), "two": (1, 3, 1, 3)}
LIMITED, QUEUE_S = ("few", "own"), 1.2
connections_made = []       # of a test, which need not close them
SOURCES = [f"10.1.0.{n}" for n in range(100, 124)]


def host_pool(net, name):
    """Both families of four servers; a server's name is the same for both."""
    weights = WEIGHTS.get(name, (1, 1, 1, 1))
    limits = {"max_connections": 2} if name in LIMITED else {}
    return {"name": name, "queue_time": f"{QUEUE_S * 1000:.0f}ms", "source": "snat", "balance": BALANCE[name], "failures": 1, "retry": "10m", "backends": [
        {"address": endpoint(net.ns[host].addr(version), int(port)), "name": f"{host}:{port}:v{version}", "weight": weight, **limits}
        for version in (4, 6) for (host, _, port), weight in zip((at.partition(":") for at in NAMES), weights)]}


def services(net, source="snat"):
    for name, port in SERVICES.items():
        yield daemon.service(name, source, "http", port, default=name), host_pool(net, name)


@pytest.fixture(scope="module")
def rig(net, start_rig):
    def configure(net, work):
        return daemon.config(net, work, services(net))
    net.client.ip("".join(f"addr add {source}/24 dev router\n" for source in SOURCES))
    with start_rig(net, configure) as rig, counting.servers(net, PORTS) as (rig.servers, rig.record):
        rig.usual = rig.spliced.conf
        yield rig
    net.client.ip("".join(f"addr del {source}/24 dev router\n" for source in SOURCES))


@pytest.fixture(autouse=True)
def clean(rig):
    rig.record.clear()
    yield
    while connections_made:
        connections_made.pop().sock.close()
    rig.spliced.reload(rig.usual)


def client(rig, name, source=None, version=4):
    connections_made.append(counting.Client(rig.client, VIP["snat"][version], SERVICES[name], source))
    return connections_made[-1]


def ask_once(rig, name, source=None, *headers, path="/"):
    with client(rig, name, source) as connection:
        return connection.get(path, *headers)


def connections(rig):
    return [rig.record[name][0] for name in NAMES]


@pytest.mark.parametrize("version", (4, 6))
def test_turns_follow_weights_of_1_and_3(rig, version):
    for _ in range(160):
        with client(rig, "turns", version=version) as connection:
            connection.get()
    assert connections(rig) == [20, 60, 20, 60]


def test_connections_that_stay_follow_weights(rig):
    """By number of connections exactly, by chance nearly; both fill a backend that has none."""
    for name, tolerance in (("least", 0), ("two", 12)):
        rig.record.clear()
        held = [client(rig, name) for _ in range(80)]
        for connection in held:
            connection.get()
        assert all(abs(got - want) <= tolerance for got, want in zip(connections(rig), (10, 30, 10, 30))), connections(rig)
        for connection in held:
            connection.sock.close()


def opened(rig, name):
    """What the daemon counts."""
    pool = next(pool for pool in rig.spliced.status()["pools"] if pool["name"] == name)
    return [backend["open"] for backend in pool["backends"] if backend["name"].endswith("v4")]


def test_connections_that_end_count_no_more(rig):
    """Neither closed ones, which the table has for a while, nor those from before a kill."""
    tcp.wait_for(lambda: opened(rig, "least") == [0] * 4, "earlier ones to be found closed")
    held = [client(rig, "least") for _ in range(16)]
    of = [(connection, connection.get()) for connection in held]
    assert opened(rig, "least") == [2, 6, 2, 6]
    rig.spliced.kill9()
    rig.spliced.start()
    assert opened(rig, "least") == [2, 6, 2, 6]
    for connection, name in of:
        if name == NAMES[1]:
            connection.sock.close()
    tcp.wait_for(lambda: opened(rig, "least") == [2, 0, 2, 6], "the closed ones to be found")
    rig.record.clear()
    more = [client(rig, "least") for _ in range(6)]
    for connection in more:
        connection.get()
    assert connections(rig) == [0, 6, 0, 0]


def test_a_source_keeps_its_backend(rig):
    """Over a reload with another order and new weights elsewhere, and over a daemon that was killed."""
    first = {source: ask_once(rig, "source", source) for source in SOURCES}
    assert set(first.values()) == set(NAMES)
    conf = rig.usual
    rig.spliced.reload({**conf, "pools": [{**pool, "backends": pool["backends"][::-1]} for pool in conf["pools"][::-1]]})
    assert {source: ask_once(rig, "source", source) for source in SOURCES} == first
    rig.spliced.kill9()
    rig.spliced.start()
    assert {source: ask_once(rig, "source", source) for source in SOURCES} == first


def test_only_sources_of_a_backend_that_is_lost_move(rig):
    first = {source: ask_once(rig, "source", source) for source in SOURCES}
    conf = rig.usual
    gone = NAMES[1]
    rig.spliced.reload({**conf, "pools": [{**pool, "backends": [b for b in pool["backends"] if not b["name"].startswith(gone)]}
                                          for pool in conf["pools"]]})
    for source, name in first.items():
        assert (ask_once(rig, "source", source) == name) == (name != gone)


def test_a_backend_that_refuses_is_skipped(rig, net):
    """The next of the same key takes all of its connections, as if it were not in the file."""
    first = {source: ask_once(rig, "source", source) for source in SOURCES}
    with rig.backend1.nft(f"chain failing {{\n type filter hook input priority 0\n tcp dport {PORTS[0]} ct state new reject with tcp reset\n }}"):
        second = {source: ask_once(rig, "source", source) for source in SOURCES}
    for source in SOURCES:
        assert (second[source] == first[source]) == (first[source] != NAMES[0])
    assert {source: ask_once(rig, "source", source) for source in SOURCES} == second      # down for 10 m
    conf = rig.usual
    rig.spliced.reload({**conf, "pools": [{**pool, "failures": 0} for pool in conf["pools"]]})      # up
    assert {source: ask_once(rig, "source", source) for source in SOURCES} == first


@pytest.mark.parametrize("name, where", [("cookie", lambda key: ("/", f"Cookie: a=b; sid={key}")),
                                         ("header", lambda key: ("/", f"X-User: {key}")),
                                         ("path", lambda key: (f"/{key}?a",))])
def test_each_request_goes_by_its_own_key(rig, name, where):
    """Of one connection as of many. A request without a key stays where the last one was."""
    moved = rig.spliced.counters()["requests_moved"]
    with client(rig, name) as connection:
        first = {key: connection.get(*where(key)) for key in range(24)}
        assert {key: connection.get(*where(key)) for key in reversed(first)} == first
        if name != "path":
            assert [connection.get() for _ in range(3)] == [first[0]] * 3
    assert len(set(first.values())) == 4
    for key in list(first)[:6]:
        assert ask_once(rig, name, None, *where(key)[1:], path=where(key)[0]) == first[key]
    assert rig.spliced.counters()["requests_moved"] > moved + 20


def test_a_request_without_a_key_has_turns(rig):
    assert {ask_once(rig, "cookie") for _ in NAMES} == set(NAMES)


threads = concurrent.futures.ThreadPoolExecutor(100)
meanwhile = threads.submit


def status_of(rig, name, source=None):
    """Of a request on a connection of its own, which ends with it; and how long it took."""
    start = time.monotonic()
    with client(rig, name, source) as connection:
        connection.sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return connection.sock.recv(100).split()[1], time.monotonic() - start


def test_max_connections_and_503(rig):
    """Waits for queue_time, no longer; and not at all when there is room again."""
    before = rig.spliced.counters()
    held = [client(rig, "few") for _ in range(8)]
    for connection in held:
        connection.get()
    assert connections(rig) == [2] * 4
    status, took = status_of(rig, "few")
    assert status == b"503" and QUEUE_S <= took < QUEUE_S + 1
    assert connections(rig) == [2] * 4
    after = rig.spliced.counters()
    assert [after[name] - before[name] for name in ("queued", "queue_timed_out", "queue_full")] == [1, 1, 0]
    held.pop().sock.close()
    status, took = status_of(rig, "few")
    assert status == b"200" and took < QUEUE_S


def test_who_waits_gets_the_next_place_in_order(rig):
    held = [client(rig, "few") for _ in range(8)]
    for connection in held:
        connection.get()
    waiting, order = [], []
    for n in range(4):
        waiting.append(client(rig, "few"))
        waiting[n].ask()
        time.sleep(0.03)
        meanwhile(lambda n=n, connection=waiting[n]: (connection.answer(), order.append(n)))
    for n, connection in enumerate(held[:4], 1):
        connection.sock.close()
        tcp.wait_for(lambda: len(order) == n, "the next one to have the place", QUEUE_S)
    assert order == [0, 1, 2, 3]


def test_a_newcomer_waits_behind(rig):
    """A place that is free since the last tick belongs to the one that waits."""
    held = [client(rig, "few") for _ in range(8)]
    for connection in held:
        connection.get()
    for _ in range(5):
        waiting, order = client(rig, "few"), []
        waiting.ask()
        first = meanwhile(lambda: (waiting.answer(), order.append("first")))
        time.sleep(0.1)
        held.pop(0).sock.close()
        time.sleep(0.003)
        newcomer = client(rig, "few")
        second = meanwhile(lambda: (newcomer.get(), order.append("second")))
        first.result()
        assert order == ["first"]
        held.pop(0).sock.close()
        second.result()
        held += [waiting, newcomer]


def test_a_key_waits_for_its_own_backend_then_takes_another(rig):
    source = SOURCES[0]
    held = [client(rig, "own", source) for _ in range(2)]
    own = {connection.get() for connection in held}
    assert len(own) == 1
    start = time.monotonic()
    with client(rig, "own", source) as other:
        assert other.get() not in own
        assert QUEUE_S <= time.monotonic() - start < QUEUE_S + 1
        with client(rig, "own", source) as third:
            done = meanwhile(third.get)
            time.sleep(0.1)
            held.pop().sock.close()
            assert done.result() == own.pop()
    held.pop().sock.close()


def test_a_request_that_moves_waits(rig):
    """One behind the first, to another pool that is full."""
    conf = rig.usual
    rig.spliced.reload({**conf, "services": [{**one, "routes": [{"path": "/few", "pool": "few"}]} if one["name"] == "turns-snat" else one
                                             for one in conf["services"]]})
    held = [client(rig, "few") for _ in range(8)]
    for connection in held:
        connection.get()
    with client(rig, "turns") as connection:
        connection.get()
        done = meanwhile(connection.get, "/few")
        time.sleep(0.2)
        first = held.pop()
        name = first.get()
        first.sock.close()
        assert done.result() == name
        with pytest.raises(AssertionError, match="503"):
            with client(rig, "turns") as another:
                another.get()
                another.get("/few")


def test_a_hundred_connections_through_four_places(rig):
    """None is refused, none is lost."""
    conf = rig.usual
    rig.spliced.reload({**conf, "pools": [{**pool, "queue_time": "30s", "backends": [{**pool["backends"][0], "max_connections": 4}]}
                                          if pool["name"] == "few" else pool for pool in conf["pools"]],
                        "services": [{**one, "listen": one["listen"][:1]} if one["default"] == "few" else one for one in conf["services"]]})
    answers = [meanwhile(ask_once, rig, "few") for _ in range(100)]
    assert {answer.result() for answer in answers} == {NAMES[0]}
    assert rig.record[NAMES[0]] == [100, 100]


def test_two_proxies_choose_the_same(start_cluster):
    with start_cluster(services=services, proxies=2, stores=1, way="flow") as cluster:
        cluster.client.ip("".join(f"addr add {source}/24 dev router\n" for source in SOURCES))
        with counting.servers(cluster, PORTS) as (_, record):
            chosen = []
            for proxy in ("proxy1", "proxy2"):
                cluster.way.announce([proxy])
                chosen.append({source: counting.Client(cluster.client, VIP["snat"][4], SERVICES["source"], source).get()
                               for source in SOURCES})
            assert chosen[0] == chosen[1] and len(set(chosen[0].values())) == 4
            spliced = [proxy.counters()["spliced_whole"] for proxy in cluster.proxies]
            assert spliced == [len(SOURCES)] * 2, "each proxy has chosen for all of them"
