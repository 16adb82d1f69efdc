# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Time-outs of a service: both ends of its splices hear a reset, those of other services go on; alone and in a cluster."""
import time

import pytest

from conftest import Lab, Way
from daemon import RAW_HTTP, raw_config, raw_services
from tcp import accept, connect, read, transfer
from test_expiry import count, hears

pytestmark = [pytest.mark.spliced]
SHORT = {"raw-http-snat": {"idle": "2s", "tunnel": "1h"}, "raw-tls-snat": {"idle": "1h", "tunnel": "2s"},
         "raw-tcp-snat": {"half_closed": "2s"}}
SWITCH = b"GET / HTTP/1.1\r\nHost: www.example.org\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n"


def shortened(net, work):
    """The usual services, with time-outs. The HTTP service reads each request, as it changes heads."""
    conf = raw_config(net, work)
    for service in conf["services"]:
        if service["name"] in SHORT:
            service["timeouts"] = SHORT[service["name"]]
        if service["name"] == "raw-http-snat":
            service["request_headers"] = {"remove": ["X-Debug"]}
    return conf


@pytest.fixture(scope="module")
def rig(make_net, start_rig):
    with make_net() as net, start_rig(net, shortened) as rig:
        yield rig


def test_each_service_has_its_own(rig, pairs_on, family):
    """An idle HTTP connection, a quiet tunnel of TLS, a half-closed connection of TCP end; an idle one of TCP stays."""
    pair = pairs_on(rig)
    before, stays, half = count(rig, "expired"), pair(family, "tcp"), pair(family, "tcp")
    ends = [pair(family, kind) for kind in ("http", "tls")]
    other = pair(Way(family.version, "client"), "http")     # another service, without time-outs
    for client, server in (stays, half, *ends):
        transfer(client, server, 1000)
    half[0].shutdown(1)
    assert half[1].recv(1) == b""
    start = time.monotonic()
    for client, server in ends:
        assert hears(client) and hears(server)
    assert hears(half[0])
    assert time.monotonic() - start > 1
    transfer(*stays, 1000)
    transfer(*other, 1000)
    assert count(rig, "expired") == before + 3


@pytest.mark.whole("each request is read there")
def test_an_upgraded_connection_is_a_tunnel(rig, pairs_on):
    """It outlives the time-out of requests."""
    family = Way(4, "snat")
    listener = pairs_on(rig).listener("http")
    with connect(rig.client, family.vip, RAW_HTTP) as client:
        client.sendall(SWITCH)
        with accept(listener) as server:
            assert read(server, len(SWITCH)) == SWITCH
            server.sendall(SWITCHED)
            assert read(client, len(SWITCHED)) == SWITCHED
            transfer(server, client, 1000)
            time.sleep(3.5)
            transfer(client, server, 1000)


class TestCluster:
    """Records live for the service's time, so that proxies agree on the end."""
    IDLE_S = 2

    @pytest.fixture(scope="class")
    def lab(self, start_cluster):
        def services(net, source):
            for service, *pools in raw_services(net, source):
                yield {**service, **({"timeouts": {"idle": f"{self.IDLE_S}s"}} if service["protocol"] == "http" else {})}, *pools
        with start_cluster(way="flow", services=services, limits={"closed": "1s"}) as cluster:
            yield Lab(cluster)

    def test_both_ends_hear(self, lab, pairs_on):
        """Of those that nobody carries; those of another service stay."""
        pair = pairs_on(lab)
        ends = [pair(Way(version, "snat"), "http") for version in (4, 6) for _ in range(3)]
        others = [pair(Way(version, "snat"), "tcp") for version in (4, 6)]
        for client, server in ends + others:
            transfer(client, server, 50000)
            transfer(server, client, 50000)
        for client, server in ends:
            assert hears(client) and hears(server)
        for client, server in others:
            transfer(client, server, 1000)

    def test_alive_elsewhere(self, lab, pairs_on):
        """The proxy that has made it sees no packet any more, and resets nothing."""
        pair = pairs_on(lab)
        before = count(lab, "expired")
        lab.cluster.way.announce(["proxy1"])
        client, server = pair(Way(4, "snat"), "http")
        transfer(client, server, 1000)
        lab.cluster.way.announce(["proxy2"])
        end = time.monotonic() + 2.5 * self.IDLE_S
        while time.monotonic() < end:
            transfer(client, server, 100)
            transfer(server, client, 100)
            time.sleep(0.3)
        assert count(lab, "expired") == before
        lab.cluster.way.announce(lab.cluster.names)
        transfer(client, server, 100)
