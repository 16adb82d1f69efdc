# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""keepalive of a service: quiet ends are probed and answer; an end that doesn't is lost, and its peer hears a reset."""
import contextlib
import time

import pytest

from conftest import Lab, Way
from daemon import RAW_HTTP, raw_config, raw_services
from tcp import accept, bound, connect, read, transfer
from test_expiry import count, hears

pytestmark = [pytest.mark.spliced]
PERIOD_S, COUNT = 1, 1
LATEST_S = (COUNT + 2) * PERIOD_S + 0.5     # as of age_keepalive.c, and a walk
BOTH = {"client": f"{PERIOD_S}s", "backend": f"{PERIOD_S}s", "count": COUNT}
GET = b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def probed(net, work):
    """The usual services, of which all but those of TLS are probed. An HTTP service reads each request, and changes it."""
    conf = raw_config(net, work)
    for service in conf["services"]:
        if service["protocol"] != "tls":
            service["keepalive"] = BOTH
        if service["name"] == "raw-http-snat":
            service["request_headers"] = {"set": {"X-Long": "a" * 100}}
    return conf


@pytest.fixture(scope="module")
def rig(make_net, start_rig):
    with make_net() as net, start_rig(net, probed) as rig:
        yield rig


def lost(ns, *socks):
    """What comes for these ends."""
    rules = "".join(f" tcp dport {sock.getsockname()[1]} tcp sport {sock.getpeername()[1]} drop\n" for sock in socks)
    return ns.nft("chain in {\n type filter hook input priority 0\n" + rules + "}")


def ask(client, server):
    client.sendall(GET)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += server.recv(4096)
    server.sendall(ANSWER)
    assert read(client, len(ANSWER)) == ANSWER


def both_ways(client, server):
    transfer(client, server, 30000)
    transfer(server, client, 30000)


@contextlib.contextmanager
def asked(rig, pair, way, times):
    """Connections between two requests: (client's end, server's end)."""
    with contextlib.ExitStack() as stack:
        found, listener = [], pair.listener("http")
        for _ in range(times):
            client = stack.enter_context(connect(rig.client, way.vip, RAW_HTTP))
            client.sendall(GET)
            server = stack.enter_context(accept(listener))
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += server.recv(4096)
            server.sendall(ANSWER)
            assert read(client, len(ANSWER)) == ANSWER
            found.append((client, server))
        yield found


def test_alone(rig, pairs_on, family, mode):
    """
    Living ends of each kind answer, and bytes go on as if nothing had been sent. The peer of a lost end hears. Backends
    whose answers agents carry are not probed.
    """
    pair = pairs_on(rig)
    rig.client.sysctl("ipv4.tcp_timestamps", 0)
    lives = [pair(family, "tcp")]
    rig.client.sysctl("ipv4.tcp_timestamps", 1)
    lives += [pair(way, "tcp") for way in (family, Way(family.version, "client")) for _ in range(2)]
    unprobed, no_client, no_server = pair(family, "tls"), pair(family, "tcp"), pair(family, "tcp")
    for ends in (*lives, unprobed, no_client, no_server):
        both_ways(*ends)
    names = ("keepalive_clients_lost", "keepalive_backends_lost", "expired")
    before, probes = [count(rig, name) for name in names], count(rig, "keepalive_probes")
    with (asked(rig, pair, family, 2) as ((client, server), no_asker), lost(rig.client, no_client[0], no_asker[0]),
          lost(rig.backend1, no_server[1])):
        start = time.monotonic()
        for peer in (no_client[1], no_asker[1], *([no_server[0]] if mode == "whole" else [])):
            assert hears(peer)
            assert COUNT * PERIOD_S < time.monotonic() - start < bound(LATEST_S)
        time.sleep(max(0, start + LATEST_S - time.monotonic()))
        ask(client, server)
        for ends in (*lives, unprobed):
            both_ways(*ends)
    assert [count(rig, name) - was for name, was in zip(names, before)] == ([2, 1, 3] if mode == "whole" else [2, 0, 2])
    assert count(rig, "keepalive_probes") - probes >= (2 if mode == "whole" else 1) * COUNT * len(lives)


def test_silence_of_a_daemon_is_not_an_ends(rig, pairs_on):
    """After a pause of the daemon, and after a reload that brings keepalive, ends get their probes first."""
    pair = pairs_on(rig)
    ends = [pair(Way(4, "snat"), kind) for kind in ("tcp", "tls")]
    rig.spliced.kill9()
    time.sleep((COUNT + 1) * PERIOD_S + 0.2)
    rig.spliced.start()
    conf = rig.spliced.conf
    rig.spliced.reload({**conf, "services": [{**one, "keepalive": BOTH} for one in conf["services"]]})
    time.sleep(LATEST_S)
    rig.spliced.reload(conf)
    assert count(rig, "keepalive_probes") > 0 == count(rig, "expired")
    for client, server in ends:
        both_ways(client, server)


def test_in_a_cluster(start_cluster, pairs_on):
    """Answers reach another proxy than the one that probes: ends live as long as any proxy hears them."""
    def services(net, source):
        for service, *pools in raw_services(net, source):
            yield {**service, **({"keepalive": BOTH} if service["protocol"] == "tcp" else {})}, *pools
    with start_cluster(way="flow", services=services, proxies=2, stores=1) as cluster:
        lab, way = Lab(cluster), Way(4, "snat")
        pair = pairs_on(lab)
        cluster.way.announce(["proxy1"])
        lives, no_client = [pair(way, "tcp") for _ in range(4)], pair(way, "tcp")
        for ends in (*lives, no_client):
            both_ways(*ends)
        cluster.way.announce(["proxy2"])
        with lost(lab.client, no_client[0]):
            assert hears(no_client[1])
        time.sleep(LATEST_S)
        assert (count(lab, "expired"), count(lab, "keepalive_clients_lost")) == (1, 1)
        for ends in lives:
            both_ways(*ends)
