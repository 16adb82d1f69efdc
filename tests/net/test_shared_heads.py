# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Bytes of a head that were acknowledged are nobody's to repeat but ours: also when the machine that did it forgets everything.

The daemon is killed and its datapath removed, so that what comes after knows only what the servers of the store know.
"""
import contextlib
import pathlib
import subprocess
import sys
import time

import pytest

import daemon
from daemon import RAW_HTTP
from stores import Stores
from tcp import MIB, accept, acknowledged, connect, read, transfer, unsent, wait_for
from test_heads import http_head

pytestmark = [pytest.mark.spliced, pytest.mark.whole("its store is on the proxy's host, where no agent gets to")]
NAME = "proxy1"


@pytest.fixture(scope="module")
def stores(net, tmp_path_factory):
    with contextlib.closing(Stores(net.proxy, tmp_path_factory.mktemp("stores"))) as stores:
        yield stores.start()


def configure(stores, name=NAME, **store):
    def make(net, work):
        return daemon.raw_config(net, work, store=stores.conf(**store), cluster={"name": name, "relay": "127.0.0.1:7946"})
    return make


@pytest.fixture(scope="module")
def rig(net, stores, start_rig):
    with start_rig(net, configure(stores)) as rig:
        yield rig


@pytest.fixture
def pair(rig, stores, pairs_on):
    if not rig.spliced.is_running():
        rig.spliced.start()
    wait_up(stores)
    yield pairs_on(rig)
    gone = [idx for idx, process in enumerate(stores.processes) if not process]
    if gone:
        stores.start(*gone)
    for idx in range(3):
        stores.cli(idx, "EVAL", "for _, k in ipairs(redis.call('KEYS', '[ho]*')) do redis.call('DEL', k) end", "0")


def has_client(stores, idx):
    return int(stores.cli(idx, "INFO", "clients").split("connected_clients:")[1].split()[0]) > 1


def wait_up(stores):
    wait_for(lambda: all(has_client(stores, idx) for idx in range(3)), "the daemon to be at all servers", 5)


def counters(rig):
    return rig.spliced.status()["counters"]


def forget_all(rig):
    """As if the machine had died."""
    rig.spliced.kill9()
    rig.spliced.unload()
    assert not rig.spliced.state_dir.exists() or not list(rig.spliced.state_dir.glob("v*/sp_stash"))


def only_one(listener):
    """Nobody else has come: the request runs once."""
    listener.settimeout(0.3)
    with pytest.raises(TimeoutError):
        listener.accept()
    listener.settimeout(10)


def losing(backend):
    """What is longer than a handshake does not get through to it."""
    return backend.nft("chain lose {\n type filter hook input priority 0\n meta length > 300 tcp dport %d counter drop\n }" % RAW_HTTP)


@pytest.fixture(params=["same", "another"])
def successor(request, rig):
    """Who goes on: a proxy of this name, or one that learns of it by a packet only."""
    usual = rig.spliced.conf

    def start():
        if request.param == "another":
            rig.spliced.write({**usual, "cluster": {**usual["cluster"], "name": "proxy2"}})
        rig.spliced.start()
    yield start
    rig.spliced.kill9()
    rig.spliced.write(usual)


@pytest.mark.parametrize("sent", [3000, 30000, 59000])
def test_head_half_sent(rig, stores, pair, way, sent, successor):
    listener, data = pair.listener("http"), http_head(60 * 1024, b"body")
    with connect(rig.client, way.vip, RAW_HTTP) as client:
        for at in range(0, sent, 500):
            client.send(data[at:min(at + 500, sent)])
        wait_for(lambda: acknowledged(client), f"{sent} bytes of a head to be acknowledged")
        wait_for(lambda: all(stores.keys(idx, "h")[0] == 1 for idx in range(3)), "all servers to have the head")
        forget_all(rig)
        successor()
        client.sendall(data[sent:])
        with accept(listener) as server:
            assert read(server, len(data)) == data
            transfer(server, client, MIB)
            transfer(client, server, MIB)
            only_one(listener)
    # one that the new daemon had not reached yet may miss it: test_delivered_head_never_runs_again
    wait_for(lambda: sum(stores.keys(idx, "h")[0] for idx in range(3)) <= 1, "the store to forget the head")


def test_head_is_kept_by_two_servers_of_three(rig, stores, pair, family):
    listener, data = pair.listener("http"), http_head(60 * 1024, b"body")
    with connect(rig.client, family.vip, RAW_HTTP) as client:
        stores.kill(0)
        client.sendall(data[:30000])
        wait_for(lambda: acknowledged(client), "30000 bytes of a head to be acknowledged")
        forget_all(rig)
        rig.spliced.start()
        client.sendall(data[30000:])
        with accept(listener) as server:
            assert read(server, len(data)) == data
            transfer(server, client, MIB)


@pytest.mark.parametrize("is_forgotten", [True, False], ids=["nothing-left", "maps-left"])
def test_spliced_but_not_delivered(rig, stores, pair, way, is_forgotten):
    """Nobody sends a packet any more: the client waits for an answer, and the backend for a request."""
    listener, data = pair.listener("http"), http_head(60 * 1024)
    with connect(rig.client, way.vip, RAW_HTTP) as client:
        with losing(rig.backend1):
            client.sendall(data[:-10])
            wait_for(lambda: acknowledged(client), "a head to be acknowledged")
            client.sendall(data[-10:])
            server = accept(listener)
            wait_for(lambda: counters(rig)["owed_repeated"] > 1, "bytes that are owed to the backend")
            if is_forgotten:
                forget_all(rig)
            else:
                rig.spliced.kill9()
        with server:
            rig.spliced.start()
            assert read(server, len(data)) == data
            transfer(server, client, MIB)
            transfer(client, server, MIB)
            only_one(listener)
        assert counters(rig)["heads_owed"] >= 1


def test_whole_head_but_no_splice(rig, stores, pair, family):
    """The backend did not answer while the first daemon lived."""
    listener, data = pair.listener("http"), http_head(60 * 1024)
    silent = "chain lose {\n type filter hook input priority 0\n tcp dport %d counter drop\n }" % RAW_HTTP
    with connect(rig.client, family.vip, RAW_HTTP) as client:
        with rig.backend1.nft(silent):
            client.sendall(data[:-10])
            wait_for(lambda: acknowledged(client), "a head to be acknowledged")
            client.sendall(data[-10:])
            time.sleep(0.1)
            forget_all(rig)
        rig.spliced.start()
        with accept(listener) as server:
            assert read(server, len(data)) == data
            transfer(server, client, MIB)
            only_one(listener)


@pytest.mark.parametrize("end, status", [(b"bad line\r\n\r\n", b" 400 "), (b"X: y\r\n" * 1000, b" 431 ")], ids=["400", "431"])
def test_answer_of_our_own_is_said_again(rig, stores, pair, family, end, status, successor):
    data = http_head(64 * 1024 - 500)[:-2]
    lose = "chain lose {\n type filter hook input priority 0\n tcp sport %d tcp flags fin counter drop\n }" % RAW_HTTP
    with connect(rig.client, family.vip, RAW_HTTP) as client:
        with rig.client.nft(lose):
            client.sendall(data)
            wait_for(lambda: acknowledged(client), "a head to be acknowledged")
            before = counters(rig)
            client.sendall(end)
            wait_for(lambda: sum(counters(rig)[f"answered_{n}"] - before[f"answered_{n}"] for n in (400, 431)) == 1, "an answer")
            forget_all(rig)
        successor()
        answer = client.recv(4096)
        assert status in answer.split(b"\r\n")[0], answer


def test_two_lives_later(rig, stores, pair, family):
    listener, data = pair.listener("http"), http_head(60 * 1024, b"body")
    with connect(rig.client, family.vip, RAW_HTTP) as client:
        for at in range(0, 60000, 20000):
            client.sendall(data[at:at + 20000])
            wait_for(lambda: acknowledged(client), f"{at} bytes of a head to be acknowledged")
            forget_all(rig)
            rig.spliced.start()
        client.sendall(data[60000:])
        with accept(listener) as server:
            assert read(server, len(data)) == data
            transfer(server, client, MIB)


COPY = "for _, k in ipairs(redis.call('KEYS', '[ho]*')) do redis.call('COPY', k, 'x-' .. k) end"
BACK = "for _, k in ipairs(redis.call('KEYS', 'x-*')) do redis.call('RENAME', k, k:sub(3)) end"
NO_SPLICES = "for _, k in ipairs(redis.call('KEYS', '[fd]*')) do redis.call('DEL', k) end"


@pytest.mark.parametrize("late", [[2], [0, 1, 2]], ids=["one", "all"])
def test_delivered_head_never_runs_again(rig, stores, pair, family, late):
    """Servers have missed that it was delivered, and all have forgotten the splice; what all have, its age gives away."""
    listener, data = pair.listener("http"), http_head(60 * 1024)
    usual = rig.spliced.conf
    with connect(rig.client, family.vip, RAW_HTTP) as client:
        client.sendall(data[:-10])
        wait_for(lambda: acknowledged(client), "a head to be acknowledged")
        wait_for(lambda: all(stores.keys(idx, key)[0] == 1 for idx in late for key in "ho"), "the head at all servers, not two of three alone")
        for idx in late:
            stores.cli(idx, "EVAL", COPY, "0")
        client.sendall(data[-10:])
        with accept(listener) as server:
            assert read(server, len(data)) == data
            wait_for(lambda: not any(stores.keys(idx, "h")[0] for idx in range(3)), "the head to be forgotten")
            forget_all(rig)
            for idx in range(3):
                stores.cli(idx, "EVAL", NO_SPLICES, "0")
                stores.cli(idx, "EVAL", BACK, "0")
            assert stores.keys(2, "h")[0] == 1 and stores.keys(2, "o")[0] == 1
            if late != [2]:
                rig.spliced.write({**usual, "limits": {"closed": "1s"}})
                time.sleep(1.5)
            rig.spliced.start()
            wait_for(lambda: not any(stores.keys(idx, "o")[0] for idx in range(3)), "it to be nobody's", 3)
            only_one(listener)
            assert counters(rig)["heads_resumed"] == 0
            rig.spliced.kill9()
            rig.spliced.write(usual)


LATE_S = 0.15


@contextlib.contextmanager
def late(stores, work):
    """Section `store` of a configuration, by which all servers' answers come late."""
    paths = [str(work / f"late{idx}.sock") for idx in range(3)]
    servers = [where.get("path") or f"{where['host']},{where['port']}" for _, _, where in map(stores.where, range(3))]
    relay = stores.ns.popen(sys.executable, "-B", str(pathlib.Path(__file__).parent / "slow_store.py"), str(LATE_S),
                            *(arg for pair in zip(paths, servers) for arg in pair), stdout=subprocess.PIPE, text=True)
    try:
        assert relay.stdout.readline() == "ready\n"
        yield stores.conf(servers=[f"unix:{path}" for path in paths], timeout="1s")
    finally:
        relay.kill()
        relay.wait()
        relay.stdout.close()


def test_stashed_while_its_splice_is_committed(net, stores, start_rig, rig, pair, pairs_on, way, tmp_path):
    """The bytes' own timestamp is earlier than that which the splice begins with: the backend must take them nevertheless."""
    rig.spliced.kill9()
    rig.spliced.unload()
    with late(stores, tmp_path) as store, start_rig(net, lambda net, work: daemon.raw_config(
            net, work, store=store, cluster={"name": NAME, "relay": "127.0.0.1:7946"})) as slow:
        pairs = pairs_on(slow)
        wait_for(lambda: all(server["state"] == "up" for server in slow.spliced.status()["store"]["servers"]), "all servers", 5)
        listener, data = pairs.listener("http"), http_head(5000, b"body")
        with connect(slow.client, way.vip, RAW_HTTP) as client:
            client.sendall(data[:1000])
            time.sleep(2 * LATE_S)      # asked for others' bytes and answered; given, and not answered yet
            client.sendall(data[1000:])
            with accept(listener) as server:
                assert read(server, len(data)) == data
                transfer(server, client, MIB)
                transfer(client, server, MIB)


def test_without_a_store_it_goes_on_unprotected(rig, stores, pair, family):
    listener, data = pair.listener("http"), http_head(60 * 1024, b"body")
    before = counters(rig)["stash_unprotected"]
    with connect(rig.client, family.vip, RAW_HTTP) as client:
        stores.kill(0, 1)
        client.sendall(data)
        with accept(listener) as server:
            assert read(server, len(data)) == data
            transfer(server, client, MIB)
    assert counters(rig)["stash_unprotected"] > before


def test_without_a_store_nothing_is_acknowledged_where_that_is_wanted(net, stores, start_rig, rig, pair, pairs_on, family):
    rig.spliced.kill9()
    rig.spliced.unload()
    with start_rig(net, configure(stores, store_loss="refuse")) as strict:
        pairs = pairs_on(strict)
        wait_up(stores)
        listener, data = pairs.listener("http"), http_head(60 * 1024, b"body")
        with connect(strict.client, family.vip, RAW_HTTP) as client:
            stores.kill(0, 1)
            client.sendall(data[:40000])
            wait_for(lambda: counters(strict)["stash_failed"] > 1, "the store to be asked in vain")
            assert unsent(client) == 40000
            stores.start(0, 1)
            client.sendall(data[40000:])
            with accept(listener) as server:
                assert read(server, len(data)) == data
