# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A daemon that starts on an empty machine: the store knows which of its ports are in use."""
import contextlib
import signal
import subprocess
import time

import pytest

import daemon
from daemon import RAW_HTTP
from tcp import bound, transfer, wait_for
from web import exchange, status_of

pytestmark = [pytest.mark.spliced, pytest.mark.whole("its store is on the proxy's host, where no agent gets to")]
PORTS, LIVE = 12, 5
GIVE_UP_S = 5           # as sync.c has it


class Stores:
    """Servers on Unix sockets, empty at each start."""
    def __init__(self, work):
        self.paths = [f"{work}/store{i}.sock" for i in range(3)]
        self.running = {}

    def start(self, *which):
        for i in which:
            self.running[i] = subprocess.Popen(
                ["redis-server", "--port", "0", "--unixsocket", self.paths[i], "--save", "", "--appendonly", "no"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_for(lambda i=i: self.cli(i, "ping") == "PONG", "a server of the store")

    def cli(self, i, *args):
        return subprocess.run(["redis-cli", "-s", self.paths[i], *args], capture_output=True, text=True).stdout.strip()

    def each_splice(self, i, what):
        """Do something with both keys of each. Return how many keys there are."""
        return int(self.cli(i, "eval", "local all = redis.call('KEYS', '[fd]*')\n"
                            "for _, key in ipairs(all) do redis.call(ARGV[1], key) end return #all", "0", what))

    def stop(self, *which):
        for i in which or list(self.running):
            process = self.running.pop(i)
            process.kill()
            process.wait()


@pytest.fixture
def stores(tmp_path):
    stores = Stores(tmp_path)
    yield stores
    stores.stop()


@contextlib.contextmanager
def started(net, start_rig, stores, limits={}, **store):
    def configure(net, work):
        conf = daemon.raw_config(net, work, limits=limits, cluster={"name": "p1", "relay": "10.2.0.2:7946"},
                                 store={"engine": "redis", "servers": [f"unix:{path}" for path in stores.paths], **store})
        conf["source"]["ports"] = f"20000-{20000 + PORTS - 1}"
        return conf
    with start_rig(net, configure) as rig:
        yield rig


def is_in_sync(rig):
    return rig.spliced.status()["in_sync"]


def count(rig, name):
    return rig.spliced.status()["counters"][name]


def back_ports(rig):
    return {row["back"]["from"] for row in rig.spliced.connections() if row["front"]["to"].endswith(f":{RAW_HTTP}")}


def start_empty(rig, how=signal.SIGTERM):
    """As after a reboot."""
    rig.spliced.end(how)
    rig.spliced.unload()
    rig.spliced.start()


def test_ports_of_splices_that_the_store_has_are_not_reused(net, start_rig, stores, pairs_on, family):
    stores.start(0, 1, 2)
    with started(net, start_rig, stores) as rig:
        wait_for(lambda: is_in_sync(rig), "the daemon to be in sync")
        pair = pairs_on(rig)
        live = [pair(family, "http") for _ in range(LIVE)]
        before = back_ports(rig)
        assert len(before) == LIVE
        start_empty(rig)
        wait_for(lambda: is_in_sync(rig), "the daemon to be in sync again")
        assert count(rig, "ports_found") >= LIVE
        assert not rig.spliced.connections()
        more = [pair(family, "http") for _ in range(PORTS - LIVE)]
        assert not before & back_ports(rig)
        assert status_of(exchange(rig.client, family, pair.HEADS["http"], RAW_HTTP)) == 503
        for client, server in live + more:
            transfer(client, server, 10000)
            transfer(server, client, 10000)


def test_before_it_is_in_sync_it_ends_no_splice(make_net, start_rig, stores, pairs_on, family):
    """It can't know which ports are in use, so it tries them all. No other test has left a connection on them."""
    stores.start(0, 1, 2)
    with make_net() as net, started(net, start_rig, stores) as rig:
        wait_for(lambda: is_in_sync(rig), "the daemon to be in sync")
        pair = pairs_on(rig)
        live = [pair(family, "http") for _ in range(LIVE)]
        before = back_ports(rig)
        for process in stores.running.values():
            process.send_signal(signal.SIGSTOP)
        start_empty(rig)
        more = [pair(family, "http") for _ in range(PORTS - LIVE)]
        assert status_of(exchange(rig.client, family, pair.HEADS["http"], RAW_HTTP)) == 503
        assert not is_in_sync(rig) and not before & back_ports(rig)
        assert count(rig, "ports_avoided") == LIVE
        for process in stores.running.values():
            process.send_signal(signal.SIGCONT)
        wait_for(lambda: is_in_sync(rig), "the daemon to be in sync again")
        for client, server in live + more:
            transfer(client, server, 10000)
            transfer(server, client, 10000)


def test_in_sync_with_one_server_missing(net, start_rig, stores, pairs_on, family):
    stores.start(0, 1, 2)
    with started(net, start_rig, stores) as rig:
        wait_for(lambda: is_in_sync(rig), "the daemon to be in sync")
        pair = pairs_on(rig)
        live = [pair(family, "http") for _ in range(LIVE)]
        stores.stop(1)
        start_empty(rig)
        wait_for(lambda: is_in_sync(rig), "the daemon to be in sync again", 2)
        more = [pair(family, "http") for _ in range(PORTS - LIVE)]
        assert status_of(exchange(rig.client, family, pair.HEADS["http"], RAW_HTTP)) == 503
        for client, server in live + more:
            transfer(client, server, 10000)


def test_ports_come_back_when_the_store_forgets(net, start_rig, stores, pairs_on, family):
    """The splices were made before this daemon, and ended elsewhere: here, with their records."""
    stores.start(0, 1, 2)
    with started(net, start_rig, stores, limits={"idle": f"{round(bound(2))}s"}) as rig:
        wait_for(lambda: is_in_sync(rig), "the daemon to be in sync")
        pair = pairs_on(rig)
        live = [pair(family, "http") for _ in range(PORTS)]
        start_empty(rig)
        wait_for(lambda: is_in_sync(rig), "the daemon to be in sync again")
        assert status_of(exchange(rig.client, family, pair.HEADS["http"], RAW_HTTP)) == 503
        wait_for(lambda: count(rig, "ports_returned") == PORTS, "the ports to come back")
        for client, server in live:
            client.close()
            server.close()
        for client, server in [pair(family, "http") for _ in range(PORTS)]:
            transfer(client, server, 10000)


def test_server_that_missed_an_end_hears_of_it(net, start_rig, stores, pairs_on, family):
    """It was away when the splices ended, and has them still; their ports are not lost for that."""
    stores.start(0, 1, 2)
    with started(net, start_rig, stores, limits={"idle": "4s", "closed": "100ms"}) as rig:
        wait_for(lambda: is_in_sync(rig), "the daemon to be in sync")
        pair = pairs_on(rig)
        live = [pair(family, "http") for _ in range(PORTS)]
        assert stores.each_splice(1, "persist") == 2 * PORTS
        stores.running[1].send_signal(signal.SIGSTOP)
        time.sleep(1)           # it is known to be away
        for client, server in live:
            client.close()
            server.close()
        wait_for(lambda: not rig.spliced.status()["splices"], "the splices to go")
        stores.running[1].send_signal(signal.SIGCONT)
        wait_for(lambda: not stores.each_splice(1, "exists"), "the server to forget them")
        assert count(rig, "ports_stale") >= PORTS
        for client, server in [pair(family, "http") for _ in range(PORTS)]:
            transfer(client, server, 10000)


def test_without_the_store_it_goes_on_after_a_while(net, start_rig, stores, family):
    start = time.monotonic()
    with started(net, start_rig, stores, limits={"idle": "2s"}) as rig:
        assert not is_in_sync(rig) and "NOT IN SYNC" in rig.spliced.ctl("status")
        wait_for(lambda: is_in_sync(rig), "the daemon to go on")
        assert GIVE_UP_S <= time.monotonic() - start < GIVE_UP_S + bound(3)
        assert "the store can't be read: ports may be chosen that other proxies use" in rig.spliced.log.read_text()


def test_refusing_loss_waits_for_the_store(net, start_rig, stores, family):
    with started(net, start_rig, stores, store_loss="refuse") as rig:
        stores.start(2)         # a minority
        time.sleep(GIVE_UP_S + 1)
        assert not is_in_sync(rig)
        stores.start(0)
        wait_for(lambda: is_in_sync(rig), "the daemon to be in sync")


def test_restart_with_splices_is_in_sync_too(net, start_rig, stores, pairs_on, family):
    stores.start(0, 1, 2)
    with started(net, start_rig, stores) as rig:
        wait_for(lambda: is_in_sync(rig), "the daemon to be in sync")
        pair = pairs_on(rig)
        live = [pair(family, "http") for _ in range(LIVE)]
        rig.spliced.kill9()
        rig.spliced.start()
        wait_for(lambda: is_in_sync(rig), "the daemon to be in sync")
        for client, server in live:
            transfer(client, server, 10000)
        for client, server in live:
            client.close()
            server.close()
