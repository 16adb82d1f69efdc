# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One proxy whose splices lie with three servers, too: what is there, how long, and that it comes back."""
import contextlib
import time

import pytest

import daemon
from daemon import HTTP
from stores import Stores
from tcp import MIB, read, reset, transfer, wait_for

pytestmark = [pytest.mark.spliced, pytest.mark.minutes(3), pytest.mark.whole("its store is on the proxy's host, where no agent gets to")]
IDLE_S, CLOSED_S = 6, 1
SOON_S = 6      # heartbeat of a server's connection, back-off, a walk of the ager


@pytest.fixture(scope="module")
def stores(net, tmp_path_factory):
    with contextlib.closing(Stores(net.proxy, tmp_path_factory.mktemp("stores"), password="sesame")) as stores:
        yield stores.start()


def configure(stores, **store):
    def make(net, work):
        services = [pair for source in ("snat", "client") for pair in daemon.raw_services(net, source)]
        services.append((daemon.service("www", "snat", "http", HTTP, default="web-snat"),
                         daemon.pool(net, "web", "snat", HTTP)))
        return daemon.config(net, work, services, store=stores.conf(**store),
                             cluster={"name": "proxy", "relay": "127.0.0.1:7946"},
                             limits={"idle": f"{IDLE_S}s", "closed": f"{CLOSED_S}s"})
    return make


@pytest.fixture(scope="module")
def rig(net, stores, start_rig):
    with start_rig(net, configure(stores)) as rig:
        yield rig


@pytest.fixture
def pair(rig, stores, pairs_on):
    """All servers are there, with no splice left of the test before."""
    stores.start_missing()
    if not rig.spliced.is_running():
        rig.spliced.start()
    wait_for(lambda: rig.spliced.status()["splices"] == 0 and stores.have(0), "the splices of before to go", 3 * IDLE_S)
    return pairs_on(rig)


def survivable(rig):
    return rig.spliced.status()["connections_survivable"]


def keep_moving(pairs, seconds, check=None):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for client, server in pairs:
            transfer(client, server, 1000)
            transfer(server, client, 1000)
        if check:
            check()
        time.sleep(0.2)


def test_splice_lies_on_three_servers(rig, stores, pair, way, kind):
    client, server = pair(way, kind)
    transfer(client, server, MIB)
    wait_for(lambda: stores.have(1), "three copies", 1)
    for idx in range(3):
        for key in ("f", "d"):
            assert IDLE_S * 500 < stores.keys(idx, key)[1] <= IDLE_S * 1000
    wait_for(lambda: survivable(rig) == 1, "the splice to count as survivable", SOON_S)
    assert rig.spliced.of(client)["state"] == "open"


def test_curl(rig, stores, pair, servers):
    for _ in range(20):
        assert rig.client.run("curl", "-sf", "--max-time", "5", f"http://{daemon.VIP['snat'][4]}/x").startswith("backend")
    wait_for(lambda: stores.have(0), "closed splices to vanish from the store", CLOSED_S + SOON_S)


def test_what_moves_is_refreshed(rig, stores, pair, family):
    """Longer than the time that the store gives it, and never near its end."""
    def check():
        for idx in range(3):
            for key in ("f", "d"):
                count, left_ms = stores.keys(idx, key)
                assert count == 1 and left_ms > IDLE_S * 250
    keep_moving([pair(family)], 2 * IDLE_S, check)
    assert survivable(rig) == 1


def test_what_is_quiet_goes(rig, stores, pair, family):
    """From the store and from here, though nobody has closed it; what moves one way only stays."""
    quiet, (client, server) = pair(family), pair(family)
    end = time.monotonic() + 2 * IDLE_S
    while time.monotonic() < end:
        client.sendall(b"x")
        read(server, 1)
        time.sleep(0.2)
    assert rig.spliced.of(client)["state"] == "open"
    assert rig.spliced.of(quiet[0]) is None
    assert stores.have(1)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_closed_splices_vanish(rig, stores, pair, way, how):
    pairs = [pair(way) for _ in range(10)]
    wait_for(lambda: stores.have(10), "all to be there", 1)
    for client, server in pairs:
        if how == "rst":
            reset(client)
        else:
            client.close()
        server.close()
    wait_for(lambda: stores.have(0), "the store to forget them", CLOSED_S + SOON_S)


def brought_back(rig, stores, pairs):
    """With packets moving or not: within seconds all of them are there again."""
    wait_for(lambda: stores.have(len(pairs)), "the store to have all again", SOON_S)
    wait_for(lambda: survivable(rig) == len(pairs), "all to count as survivable", SOON_S)
    for client, server in pairs:
        transfer(client, server, 1000)


@pytest.mark.parametrize("which", [[0], [1], [2], [0, 1, 2]], ids=["v4", "v6", "unix", "all"])
@pytest.mark.parametrize("how", ["flushed", "restarted"])
def test_emptied_servers_are_filled(rig, stores, pair, family, how, which):
    pairs = [pair(family) for _ in range(20)]
    if how == "flushed":
        stores.flush(*which)
    else:
        stores.kill(*which)
        stores.start(*which)
    brought_back(rig, stores, pairs)


def test_new_daemon_goes_on(rig, stores, pair, way):
    """It refreshes what it found, and what was lost while there was none."""
    pairs = [pair(way) for _ in range(5)]
    rig.spliced.kill9()
    stores.flush()
    rig.spliced.start()
    brought_back(rig, stores, pairs)
    keep_moving(pairs, IDLE_S)
    assert stores.have(5)


def test_ending_daemon_leaves_all(rig, stores, pair, family):
    client, server = pair(family)
    rig.spliced.end(15)
    assert rig.spliced.process.returncode == 0
    transfer(client, server, 1000)
    assert stores.have(1)
    rig.spliced.start()
    brought_back(rig, stores, [(client, server)])


def test_unprotected_are_put_there_later(rig, stores, pair, family, kind):
    """Without a store connections are made nevertheless (store_loss: continue)."""
    stores.kill()
    client, server = pair(family, kind)
    transfer(client, server, 1000)
    assert rig.spliced.status()["counters"]["unprotected"] >= 1
    assert survivable(rig) == 0
    stores.start()
    brought_back(rig, stores, [(client, server)])


def test_frozen_servers(rig, stores, pair, family):
    """One of three is not missed; with none, splices go on."""
    pairs = [pair(family)]
    stores.freeze(0)
    pairs.append(pair(family))
    keep_moving(pairs, 2)
    stores.freeze(1, 2)
    keep_moving(pairs, IDLE_S + 1)
    stores.thaw()
    brought_back(rig, stores, pairs)
