# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A backend takes less than its clients were promised: the first one gets on with it, later ones are promised less.

    client --- router ---+--- proxy1..3 --- core ---(1500 | 1400)--- backend1, with an agent
                         `------------------------------'      (front, see cluster.py)
"""
import contextlib

import pytest

import tcp
from agent_lab import MIB, agent_lab
from kernel import ADOPT
from tcp import info, transfer, wait_for

pytestmark = pytest.mark.spliced
NARROW = 1400       # nobody tells of it but the backend's MSS, or its agent
OPTIONS = {"timestamps": "ts", "sack": "sack", "window_scaling": "wscale"}      # by their sysctl; as ss has them


@pytest.fixture(scope="module", params=["whole", "split", ADOPT])
def lab(request, start_cluster):
    with agent_lab(start_cluster, request.param) as lab:
        lab.mode = request.param
        with lab.cluster.no_superpackets():
            yield lab


@contextlib.contextmanager
def narrow_backend(lab):
    lab.backend1.ip(f"link set core mtu {NARROW}\n")
    tcp.wait_for(lambda: agent_mtus(lab) == {NARROW}, "proxies to have heard of it")
    yield
    lab.backend1.ip("link set core mtu 1500\n")
    tcp.wait_for(lambda: agent_mtus(lab) == {1500}, "proxies to have heard of it")


def agent_mtus(lab):
    return {member["mtu"] for proxy in lab.cluster.proxies for member in proxy.members() if member["state"] == "agent"}


def reload_all(lab):
    for proxy in lab.cluster.proxies:
        proxy.reload(proxy.conf)


@pytest.fixture
def pair(lab, pairs_on):
    """Proxies know nothing of the backend at first."""
    pairs = pairs_on(lab)
    reload_all(lab)
    for version in ("-4", "-6"):
        lab.client.run("ip", version, "route", "flush", "cache")
    return pairs


def promised(lab, sock):
    """Options and MSS of a client's connection."""
    said = info(lab.client, sock)
    return {word.split(":")[0] for word in said["detail"].split()}, int(said["advmss"])


def test_narrow_backend(lab, pair, family, kind):
    """On one link, so that no router says anything: the client hears of it by an error of ours."""
    with narrow_backend(lab):
        client, server = pair(family, kind)
        transfer(client, server, 2 * MIB)
        transfer(server, client, MIB)
        assert int(info(lab.client, client)["pmtu"]) == NARROW


def test_narrow_backend_that_grows(lab, pair, family):
    """The promise grows again with the first SYN-ACK that says more; nobody reloads anything."""
    if lab.mode == "adopt":
        pytest.skip("there is no SYN-ACK")
    def promise():
        client, _ = pair(family, "http")
        return int(info(lab.client, client)["mss"])
    with narrow_backend(lab):
        wait_for(lambda: promise() < 1400, "less to be promised")
    for _ in range(12):     # by all proxies
        promise()
    assert promise() > 1400


@pytest.mark.parametrize("option", OPTIONS)
def test_backend_lacks_an_option(lab, pair, family, option):
    """Who is told so by the first one's SYN-ACK promises it no more, and warns, until a reload."""
    if lab.mode == "adopt":
        pytest.skip("there is no SYN-ACK")
    with lab.backend1.sysctls(**{f"tcp_{option}": 0}):
        for n in range(12):     # by all proxies
            client, server = pair(family, "http")
            assert OPTIONS[option] in promised(lab, client)[0] or n
            transfer(client, server, MIB // 16)
            transfer(server, client, MIB // 16)
        warned = [proxy for proxy in lab.cluster.proxies if any("backend1" in text for text in proxy.status()["warnings"])]
        assert warned
        for _ in range(24):
            client, server = pair(family, "http")
            if OPTIONS[option] not in promised(lab, client)[0]:
                break
        else:
            pytest.fail("it is still promised")
        transfer(client, server, MIB // 16)
        transfer(server, client, MIB // 16)
    reload_all(lab)
    assert not any(proxy.status()["warnings"] for proxy in lab.cluster.proxies)


def test_backend_with_a_small_window_is_named(lab, pair, family):
    """In units of the scale that clients were told, hardly anything is left of it."""
    if lab.mode == "adopt":
        pytest.skip("there is no SYN-ACK")

    def warned():
        return [one for proxy in lab.cluster.proxies for one in proxy.status()["warning_details"] if one["kind"] == "small_window"]
    pair(family, "http")
    assert not warned()
    with lab.backend1.sysctls(tcp_rmem="4096 4096 4096"):
        pair(family, "tcp")     # by a listener of its own
    one, = warned()
    assert "backend1" in one["text"] or lab.backend1.addr(family.version) in one["text"]
    assert "window_scale: 0" in one["remedy"]
    reload_all(lab)
    assert not warned()
