# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Path-MTU discovery across a link of 1300 bytes that neither end sees: the sender learns it, and the transfer goes on.

With agents only requests meet what is narrow at the proxy's front.

far-front: client -- cpe == router;  front: router == proxy;  back: proxy == core;  far-back: core == edge -- backend1
"""
import contextlib
import re

import pytest

import daemon
from tcp import MIB, info, transfer

NARROW = 1300
OFFER = {"mss": 1460}       # else the proxy would go by its own narrow link
WHERE = {"far-front": ("client", 2), "front": ("front", 2), "back": ("back", 2), "far-back": ("backend", 2),
         "one-arm-far-front": ("client", 1), "one-arm-front": ("front", 1), "one-arm-far-back": ("backend", 1)}


@pytest.fixture(scope="module", params=WHERE)
def rig(request, make_net, start_rig):
    narrow, arms = WHERE[request.param]

    def configure(net, work):
        conf = daemon.raw_config(net, work)
        for service in conf["services"]:
            service["offer"] = OFFER
        return conf
    with make_net(arms=arms, narrow=narrow, narrow_mtu=NARROW) as net, start_rig(net, configure) as rig:
        rig.narrow = narrow
        yield rig


def learnt(ns, sock, towards):
    """The path MTU a sender knows: of its socket, and of its route."""
    route = re.search(r" mtu (\d+)", ns.run("ip", "route", "get", towards))
    return int(info(ns, sock)["pmtu"]), int(route[1]) if route else None


@pytest.mark.parametrize("tso", [True, False], ids=["tso", "no-tso"])
def test_sender_learns_the_path_mtu(rig, pairs_on, way, kind, tso):
    pair = pairs_on(rig)
    for ns in (rig.client, rig.backend1):
        for family in ("-4", "-6"):
            ns.run("ip", family, "route", "flush", "cache")
    if not tso:
        rig.net.offloads(False, ("client", "backend1"))
    try:
        client, server = pair(way, kind)
        transfer(client, server, 4 * MIB)
        transfer(server, client, 4 * MIB)
    finally:
        if not tso:
            rig.net.offloads(True, ("client", "backend1"))
    up = learnt(rig.client, client, way.vip)
    down = learnt(rig.backend1, server, server.getpeername()[0].removeprefix("::ffff:"))
    upload_meets_it = rig.narrow in ("back", "backend") or (rig.narrow == "front" and rig.agents)
    assert (up if upload_meets_it else down) == (NARROW, NARROW), (up, down)


@pytest.mark.parametrize("tso", [True, False], ids=["tso", "no-tso"])
def test_sender_without_df(rig, pairs_on, kind, tso, way):
    """It obeys no error: routers, and so the proxy at its own narrow link, have to cut what it sends."""
    if way.version == 6 or rig.agents or rig.narrow not in ("front", "back") or rig.net.arms == 1:
        pytest.skip("only IPv4 has that, only at a proxy, and fragments are not served")
    pair = pairs_on(rig)
    with rig.client.sysctls(ip_no_pmtu_disc=2), rig.backend1.sysctls(ip_no_pmtu_disc=2), \
            contextlib.nullcontext() if tso else rig.net.no_superpackets():
        client, server = pair(way, kind)
        transfer(*((client, server) if rig.narrow == "back" else (server, client)), MIB)
    assert rig.spliced.drops()["pieces"]


@pytest.mark.spliced
@pytest.mark.parametrize("lock", [[], ["lock"]], ids=["", "lock"])
def test_route_with_an_mtu(make_net, start_rig, pairs_on, way, kind, lock):
    """As the kernel's own forwarding, we heed the MTU of a route, though all interfaces could take more."""
    with make_net() as net:
        version = f"-{way.version}"
        backend = net.backend1.addr(way.version)
        hops = net.proxy.run("ip", version, "route", "get", backend).split()
        gateway = ["via", hops[hops.index("via") + 1]] if "via" in hops else []
        net.proxy.run("ip", version, "route", "replace", backend, *gateway, "dev", hops[hops.index("dev") + 1], "mtu", *lock,
                      str(NARROW))

        def configure(net, work):
            conf = daemon.raw_config(net, work)
            for service in conf["services"]:
                service["offer"] = OFFER
            return conf
        with start_rig(net, configure) as rig, net.no_superpackets():
            client, server = pairs_on(rig)(way, kind)
            transfer(client, server, MIB)
            assert int(info(rig.client, client)["pmtu"]) == NARROW
