# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A connection that is silent for too long ends, and both ends hear of it; one that is alive does not."""
import contextlib
import time

import pytest

from conftest import Lab, Way
from daemon import RAW_TCP
from one_daemon import small
from tcp import close_both, read_to_end, transfer, wait_for
from test_edges import is_reset

pytestmark = [pytest.mark.spliced, pytest.mark.minutes(2)]
SOON_S = 15
SILENT_S = 2


def count(rig, name):
    return sum(proxy.counters()[name] for proxy in rig.proxies)


def splices(rig):
    return sum(host.status()["splices"] for host in [*rig.proxies, *rig.agents])


def sockets(rig, port=RAW_TCP):
    """Those of the backend that are not over."""
    return rig.backend1.run("ss", "-Htn", f"( sport = :{port} )").splitlines()


def hears(sock):
    sock.settimeout(SOON_S)
    return is_reset(sock)


@contextlib.contextmanager
def lost_to_client(rig, client):
    with rig.client.nft("chain in {\n type filter hook input priority 0\n"
                        f" tcp sport {client.getpeername()[1]} tcp dport {client.getsockname()[1]} drop\n }}"):
        yield


@pytest.mark.parametrize("last", ["client", "server"])
def test_both_ends_hear(make_net, start_rig, pairs_on, family, kind, last):
    """At once: the numbers are right, so that neither has to ask."""
    with small(make_net, start_rig, idle=f"{SILENT_S}s") as rig:
        pair = pairs_on(rig)
        ends = [pair(family, kind) for _ in range(5)]
        for client, server in ends:
            one, other = (client, server) if last == "client" else (server, client)
            transfer(other, one, 70000)
            transfer(one, other, 50000)
        busy = pair(family, kind)

        def all_but_busy():
            transfer(*busy, 1)
            return count(rig, "expired") == 5
        wait_for(all_but_busy, "all but the busy one to expire", SOON_S, every=0.2)
        for client, server in ends:
            assert hears(client) and hears(server)
        transfer(*busy, 1000)
        assert count(rig, "reset_unknown") == 0


def test_half_closed_goes_earlier(make_net, start_rig, pairs_on, family):
    with small(make_net, start_rig, idle="1h", transitory=f"{SILENT_S}s") as rig:
        pair = pairs_on(rig)
        half, other_half, quiet = pair(family), pair(family), pair(family)
        for client, server in (half, other_half, quiet):
            transfer(client, server, 1000)
            transfer(server, client, 1000)
        half[0].shutdown(1)
        other_half[1].shutdown(1)
        assert half[1].recv(1) == other_half[0].recv(1) == b""
        assert hears(half[0]) and hears(other_half[1])
        wait_for(lambda: len(sockets(rig)) == 1, "the server to hear as well", SOON_S)
        transfer(*quiet, 1000)
        assert count(rig, "expired") == 2


@pytest.mark.whole("where an agent carries the answers, the proxy does not know that they are not acknowledged")
def test_vanished_client_goes_earlier(make_net, start_rig, pairs_on, family):
    """While its server repeats, it stays; a client that only waits for its answer stays, too."""
    with small(make_net, start_rig, idle="1h", transitory=f"{SILENT_S}s") as rig:
        pair = pairs_on(rig)
        client, server = pair(family, "http")
        waits = pair(family, "http")
        with lost_to_client(rig, client):
            server.sendall(b"answer")
            time.sleep(1)
            assert splices(rig) == 2
            assert hears(server)
        client.sendall(b"is anybody there?")
        assert hears(client)
        transfer(*reversed(waits), 1000)
        assert count(rig, "expired") == 1


@pytest.mark.whole("where an agent carries the answers, the proxy does not know that they are not acknowledged")
def test_what_is_unacknowledged_is_kept(make_net, start_rig, pairs_on, family):
    """Both have said FIN, the client lacks the end: there is time for its next repetition, however long closed ones stay."""
    with small(make_net, start_rig, closed="200ms", transitory="20s") as rig:
        pair = pairs_on(rig)
        client, server = pair(family, "http")
        settled = pair(family, "http")
        close_both(*settled)
        client.shutdown(1)
        assert server.recv(1) == b""
        with lost_to_client(rig, client):
            server.sendall(b"the end")
            server.close()
            time.sleep(2.5)
        client.settimeout(SOON_S)
        assert read_to_end(client) == b"the end"
        wait_for(lambda: splices(rig) == 0, "it to go once all is acknowledged", SOON_S)
        assert count(rig, "reset_unknown") == count(rig, "expired") == 0


class TestCluster:
    IDLE_S = 4

    @pytest.fixture(scope="class")
    def lab(self, start_cluster):
        with start_cluster(way="flow", limits={"idle": f"{self.IDLE_S}s", "closed": "1s"}) as cluster:
            yield Lab(cluster)

    @pytest.fixture
    def keys(self, lab):
        return lambda: sum(store.cli("EVAL", "return #redis.call('KEYS', '[fd]*')", "0") for store in lab.cluster.stores)

    def test_both_ends_hear(self, lab, pairs_on, keys):
        pair = pairs_on(lab)
        ends = [pair(Way(version, "snat")) for version in (4, 6) for _ in range(5)]
        for client, server in ends:
            transfer(client, server, 50000)
            transfer(server, client, 50000)
        assert keys()
        for client, server in ends:
            assert hears(client) and hears(server)
        wait_for(lambda: not splices(lab) and not keys(), "all to forget them", SOON_S)

    def test_alive_elsewhere(self, lab, pairs_on):
        """The proxy that has made it sees no packet any more: it forgets it, and tells nobody."""
        pair = pairs_on(lab)
        lab.cluster.way.announce(["proxy1"])
        ends = [pair(Way(version, "snat")) for version in (4, 6) for _ in range(3)]
        for client, server in ends:
            transfer(client, server, 1000)
            transfer(server, client, 1000)
        lab.cluster.way.announce(["proxy2"])
        end = time.monotonic() + 2.5 * self.IDLE_S
        while time.monotonic() < end:
            for client, server in ends:
                transfer(client, server, 100)
                transfer(server, client, 100)
            time.sleep(0.3)
        assert lab.proxies[0].status()["splices"] == 0
        lab.cluster.way.announce(lab.cluster.names)
