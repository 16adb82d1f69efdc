# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A backend that fails is left alone for a while, and found again; splicectl says so."""
import time

import pytest

import daemon
from daemon import HTTP, backends, service
from tcp import wait_for
from web import WHERE, get

pytestmark = [pytest.mark.spliced, pytest.mark.syn("a firewall that refuses connections by their SYN plays the failing backend")]
PORT, CONNECT_S, RETRY_S = 8200, 0.3, 2
VERDICT = {"refused": "reject with tcp reset", "silent": "drop"}


def turns(net, source):
    name = f"turns-{source}"
    yield (service("turns", source, "http", PORT, default=name),
           {"name": name, "source": source, "failures": 3, "retry": f"{RETRY_S}s", "backends": backends(net, HTTP)})


@pytest.fixture(scope="module")
def rig(net, servers, start_rig):
    def configure(net, work):
        return daemon.config(net, work, [entry for source in ("snat", "client") for entry in turns(net, source)],
                             limits={"connect_time": f"{CONNECT_S * 1000:.0f}ms"})
    with start_rig(net, configure) as rig:
        yield rig


def failing(rig, how):
    """New connections to the first backend, for the time of a `with`."""
    return rig.backend1.nft("chain failing {\n type filter hook input priority 0\n"
                            f" tcp dport {HTTP} ct state new {VERDICT[how]}\n }}")


def first_of(rig, way):
    """What splicectl knows of the first backend."""
    pool = next(pool for pool in rig.spliced.status()["pools"] if pool["name"] == f"turns-{way.source}")
    return next(backend for backend in pool["backends"] if backend["name"] == f"backend1-v{way.version}")


def answers(rig, way):
    return get(rig.client, way, port=PORT)


def fail_until_down(rig, way, how):
    """Return how often it failed before and after."""
    before = first_of(rig, way)[how]
    for _ in range(8):
        assert answers(rig, way).startswith(WHERE["two"])
    return before, first_of(rig, way)


def come_back(rig, way):
    wait_for(lambda: answers(rig, way).startswith(WHERE["one"]), "the backend to be tried again", RETRY_S * 2)


@pytest.mark.parametrize("how", VERDICT)
def test_backend_goes_down_and_comes_back(rig, way, how):
    name = f"pool turns-{way.source}: backend backend1-v{way.version}"
    start = rig.spliced.log.stat().st_size
    with failing(rig, how):
        before, first = fail_until_down(rig, way, how)
        assert (first["state"], first["failures"], first[how] - before) == ("down", 3, 3)
        assert 0 < first["retry_ms"] <= RETRY_S * 1000
        moment = time.monotonic()
        answers(rig, way)
        assert time.monotonic() - moment < CONNECT_S, "a client waited for a backend that was down"
    come_back(rig, way)
    after = first_of(rig, way)
    assert (after["state"], after["failures"], after["retry_ms"]) == ("up", 0, 0)
    assert after["connections"] == first["connections"] + 1
    assert {answers(rig, way).split()[0] for _ in range(4)} == {WHERE["one"].split()[0], WHERE["two"].split()[0]}
    log = rig.spliced.log.read_bytes()[start:].decode()
    assert log.count(f"{name} down for {RETRY_S}s: 3 connections refused or unanswered") == 1
    assert log.count(f"{name} up: a connection was answered") == 1


@pytest.mark.parametrize("error", ["port-unreachable", "host-unreachable", "admin-prohibited"])
def test_icmp_error_is_a_refusal(rig, way, error):
    """The next backend is tried at once."""
    before = first_of(rig, way)["refused"]
    with rig.backend1.nft("chain failing {\n type filter hook input priority 0\n"
                          f" tcp dport {HTTP} ct state new reject with icmpx {error}\n }}"):
        moment = time.monotonic()
        assert {answers(rig, way) for _ in range(2)} == {answers(rig, way)}
        assert time.monotonic() - moment < CONNECT_S
        assert first_of(rig, way)["refused"] > before
    come_back(rig, way)


def test_reload_keeps_the_state(rig, family):
    with failing(rig, "refused"):
        _, down = fail_until_down(rig, family, "refused")
        conf = rig.spliced.conf
        rig.spliced.reload({**conf, "pools": conf["pools"][::-1]})
        same = first_of(rig, family)
        assert (same["state"], same["failures"], same["refused"]) == ("down", 3, down["refused"])
        assert f"backend1-v{family.version}" in rig.spliced.ctl("status")
    come_back(rig, family)
