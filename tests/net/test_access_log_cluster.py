# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The access log of several proxies: connections and requests that move from proxy to proxy have one line each.

All proxies write to one file here, each its own lines: see cluster.py for the hosts.
"""
import contextlib
import json
import signal

import pytest

import daemon
from conftest import Lab
from daemon import service
from heads import Recorder
from tcp import MIB, accept, connect, listen, transfer, wait_for
from test_changed_heads import ask, head
from topo import VIP

pytestmark = [pytest.mark.spliced, pytest.mark.each_mode]
RAW, WWW, CLIENTS = 7301, 7302, 12
BACK = {RAW: 9301, WWW: 9302}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("log") / "all.log"


@pytest.fixture(scope="module")
def cluster(start_cluster, file):
    def services(view, source):
        for name, protocol, port in (("raw", "tcp", RAW), ("www", "http", WWW)):
            pool = daemon.pool(view, f"log-{name}", source, BACK[port], ("backend1",))
            yield service(name, source, protocol, port, default=pool["name"], access_log={"format": "json", "to": str(file)}), pool
    with start_cluster(services=services, way="flow", limits={"closed": "1s"}) as cluster:
        yield Lab(cluster).cluster


@pytest.fixture(autouse=True)
def healed(cluster, file):
    file.unlink(missing_ok=True)
    for proxy in cluster.proxies:
        proxy.signal(signal.SIGUSR1)
    yield
    cluster.heal()


def count_lines(file):
    return len(file.read_text().splitlines()) if file.exists() else 0


def lines(cluster, file, least):
    """Once no proxy has a splice left, no further line can come."""
    running = [proxy for proxy in cluster.proxies if proxy.is_running()]
    wait_for(lambda: not any(proxy.status()["splices"] for proxy in running), "all splices to be removed", 20)
    wait_for(lambda: count_lines(file) >= least, f"{least} lines")
    return [json.loads(line) for line in file.read_text().splitlines()]


def withdraw_first(cluster):
    """It lives, and gets no packet of clients any more."""
    cluster.way.announce(cluster.names[1:])


def test_connections_that_move(cluster, file, mode):
    """Bytes are those that passed the proxy with the line, so they are no more than there were."""
    with listen(cluster.backend1, BACK[RAW]) as listener, contextlib.ExitStack() as stack:
        pairs = []
        for _ in range(CLIENTS):
            client = stack.enter_context(connect(cluster.client, VIP["snat"][4], RAW))
            client.sendall(b"x")
            pairs.append((client, stack.enter_context(accept(listener))))
            assert pairs[-1][1].recv(1) == b"x"
        names = sorted("{}:{}".format(*client.getsockname()) for client, _ in pairs)
        withdraw_first(cluster)
        for client, server in pairs:
            transfer(client, server, MIB // 8)
            transfer(server, client, MIB // 8)
    found = lines(cluster, file, CLIENTS)
    assert sorted(line["client"] for line in found) == names
    for line in found:
        assert line["event"] == "connection" and line["service"] == "raw-snat" and line["mode"] in (mode, "split" if mode == "adopt" else mode)
        assert line["end"] in ("client_fin", "backend_fin", "client_rst", "backend_rst", "closed"), line
        assert line.get("bytes_out", 0) <= MIB // 8 and ("bytes_out" in line) == (mode == "whole")


@pytest.fixture
def socks(cluster, mode):
    if mode != "whole":
        pytest.skip("requests are read in mode whole")
    recorder = Recorder(cluster.backend1, BACK[WWW])
    with contextlib.closing(recorder), contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect(cluster.client, VIP["snat"][4], WWW)) for _ in range(CLIENTS)]


def ask_all(socks, word):
    for i, sock in enumerate(socks):
        assert f"/{word}/{i} " in ask(sock, head(f"/{word}/{i}"))


def paths(*words):
    return sorted(f"/{word}/{i}" for word in words for i in range(CLIENTS))


def test_requests_that_move(cluster, file, socks):
    """The reader logs. Where the response passes another proxy, the line has no status."""
    ask_all(socks, "before")
    withdraw_first(cluster)
    ask_all(socks, "moved")
    ask_all(socks, "later")
    for sock in socks:
        sock.close()
    found = lines(cluster, file, 3 * CLIENTS)
    assert sorted(line["path"] for line in found) == paths("before", "moved", "later")
    assert {line["status"] for line in found if line["end"] == "complete"} == {200}


def test_requests_behind_a_death(cluster, file, socks):
    """The next reader of a connection logs what it reads."""
    ask_all(socks, "before")
    wait_for(lambda: count_lines(file) == CLIENTS, "a line for each request")
    cluster.proxies[0].crash()
    cluster.way.announce(cluster.names[1:])
    ask_all(socks, "orphaned")
    for sock in socks:
        sock.close()
    found = lines(cluster, file, 2 * CLIENTS)
    assert sorted(line["path"] for line in found) == paths("before", "orphaned")
    assert sum(line["status"] == 200 for line in found if "status" in line) >= CLIENTS
