# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Spliced connections outlive the daemon; new ones work again as soon as there is one."""
import contextlib
import glob
import json
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest

from daemon import RAW_HTTP, RAW_TCP
from kernel import has_tcx
from one_daemon import raw, runs_again     # noqa: F401
from one_daemon import attached, bpftool, is_silent, pins, programs, small
from tcp import (MIB, accept, acknowledged, at_bytes, bound, close_both, connect, in_thread, nothing_lost, open_socket, read, transfer,
                 wait_for)
from test_edges import is_reset
from test_heads import http_head

pytestmark = pytest.mark.spliced


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill-9", "sigterm"])
@pytest.mark.parametrize("up", [True, False], ids=["upload", "download"])
def test_transfer_outlives_the_daemon(raw, pair, way, how, up):
    """No packet is lost by it. (Loss probes, and what is taken for lost as it was overtaken, are seen without us too.)"""
    client, server = pair(way, "http")
    sender, receiver = (client, server) if up else (server, client)
    with nothing_lost(client, server):
        gap = transfer(sender, receiver, 600 * MIB, at_bytes({
            100 * MIB: lambda: raw.spliced.end(how),
            400 * MIB: raw.spliced.start}))
    assert gap < bound(2)
    transfer(receiver, sender, MIB)
    assert raw.spliced.of(client)["state"] == "open"
    again, other = pair(way, "http")
    transfer(again, other, MIB)


@pytest.mark.each_mode
def test_idle_connection_outlives_three_daemons(raw, pair, way, kind):
    client, server = pair(way, kind)
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        raw.spliced.end(how)
        transfer(server, client, 1000)
        raw.spliced.start()
        transfer(client, server, 1000)


def test_close_without_a_daemon(raw, pair, way):
    """Connections end properly while nobody watches, and their ports can be used again afterwards."""
    ends = [pair(way) for _ in range(10)]
    raw.spliced.kill9()
    ports = []
    for client, server in ends:
        ports.append(client.getsockname()[1])
        close_both(server, client)
    raw.spliced.start()
    for port in ports:
        client, server = pair(way, sport=port)
        transfer(client, server, 1000)


def test_new_connections_wait_for_the_daemon(raw, pair, way):
    """A SYN that meets nobody is not refused: it is answered when the daemon is back."""
    raw.spliced.kill9()
    listener = pair.listener("tcp")
    with open_socket(raw.client, way.vip) as client:
        with in_thread(client.connect, (way.vip, RAW_TCP)):
            raw.spliced.start()
        with accept(listener) as server:
            transfer(client, server, 1000)


def test_ports_of_old_splices_are_not_given_away(raw, pair, family):
    """A new daemon knows which source ports are taken by what it found."""
    old = [pair(family) for _ in range(200)]
    raw.spliced.kill9()
    raw.spliced.start()
    new = [pair(family) for _ in range(200)]
    seen = {server.getpeername() for _, server in old + new}
    assert len(seen) == 400
    for client, server in old + new:
        server.sendall(b"x")
        assert client.recv(1) == b"x"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_acknowledged_head_outlives_the_daemon(raw, pair, way, how):
    """The client has forgotten these bytes, and the backend has not seen them: only the store has them."""
    listener, data = pair.listener("http"), http_head(50000, b"body")
    with connect(raw.client, way.vip, RAW_HTTP) as client:
        client.sendall(data[:30000])
        wait_for(lambda: acknowledged(client), "30000 bytes of a head to be acknowledged")
        raw.spliced.end(how)
        raw.spliced.start()
        client.sendall(data[30000:])
        with accept(listener) as server:
            assert read(server, len(data)) == data
            transfer(server, client, MIB)
            transfer(client, server, MIB)


def test_acknowledged_head_is_delivered_by_the_next_daemon(raw, pair, family):
    """Spliced, but what was acknowledged did not get through to the backend before the daemon was killed."""
    listener, data = pair.listener("http"), http_head(30000, b"body")
    lose = "chain lose {\n type filter hook input priority 0\n meta length > 500 tcp dport %d counter drop\n }" % RAW_HTTP
    with connect(raw.client, family.vip, RAW_HTTP) as client:
        with raw.net.backend1.nft(lose):
            client.sendall(data)
            server = accept(listener)
            wait_for(lambda: raw.spliced.status()["counters"]["owed_repeated"] > 1, "bytes that are owed to the backend")
            raw.spliced.kill9()
        with server:
            raw.spliced.start()
            assert read(server, len(data)) == data
            transfer(server, client, MIB)
            transfer(client, server, MIB)


def test_sigterm_ends_it_cleanly(raw):
    assert raw.spliced.end(signal.SIGTERM) == 0
    assert raw.spliced.state_dir.exists()


def test_frozen_daemon_answers_no_syn(raw, pair, way):
    """Its heartbeat is stale after a moment: the datapath leaves SYNs to others, and carries what is spliced."""
    client, server = pair(way)
    raw.spliced.signal(signal.SIGSTOP)
    try:
        wait_for(lambda: is_silent(raw, way), "SYNs to stay without answer", timeout=4)
        transfer(client, server, 100 * MIB)
        transfer(server, client, 100 * MIB)
    finally:
        raw.spliced.signal(signal.SIGCONT)
    wait_for(lambda: raw.spliced.ctl_run("status").returncode == 0, "the daemon to answer again")
    with contextlib.ExitStack() as stack:
        listener = pair.listener("tcp")
        listener.settimeout(0.01)
        with contextlib.suppress(TimeoutError):
            while True:         # what got in before it was silent
                stack.enter_context(listener.accept()[0])
        listener.settimeout(10)
        client, server = pair(way)
        transfer(client, server, MIB)


def test_service_manager_is_told(raw, tmp_path):
    """Ready, reloading and ready again, stopping; and in between that the loop turns."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)

        def hear(until):
            heard = []
            while until not in heard:
                heard += manager.recv(1000).decode().split("\n")
            return heard
        raw.spliced.end(signal.SIGTERM)
        raw.spliced.env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
        try:
            raw.spliced.start()
            assert "WATCHDOG=1" in hear("READY=1") + hear("WATCHDOG=1") + hear("WATCHDOG=1")
            raw.spliced.hangup()
            heard = hear("RELOADING=1") + hear("READY=1")
            stamp = next(int(line.split("=")[1]) for line in heard if line.startswith("MONOTONIC_USEC="))
            assert 0 <= time.monotonic() - stamp / 1e6 < 10
            raw.spliced.signal(signal.SIGSTOP)
            with contextlib.suppress(TimeoutError):
                manager.settimeout(1)
                for _ in range(3):
                    manager.recv(1000)
                raise AssertionError("a frozen daemon feeds the watchdog")
            manager.settimeout(5)
            raw.spliced.end(signal.SIGTERM)
            hear("STOPPING=1")
        finally:
            raw.spliced.env = {}


def test_privileges_are_given_up(raw):
    """No capabilities, and a filter of system calls; tests/node/test_confine.c has what that means."""
    status = pathlib.Path(f"/proc/{raw.spliced.process.pid}/status").read_text()
    found = dict(re.findall(r"^(CapEff|CapPrm|CapInh|CapAmb|Seccomp|NoNewPrivs):\s*(\w+)$", status, re.M))
    assert all(int(found[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")), found
    assert found["Seccomp"] == "2" and found["NoNewPrivs"] == "1", found


def test_unload_removes_everything(make_net, start_rig, pairs_on, family):
    """Directory, links and programs; then packets to a service are the kernel's own."""
    with small(make_net, start_rig, idle="2h") as rig:
        pairs_on(rig)(family)
        rig.spliced.end(signal.SIGTERM)
        rig.net.proxy.ip(f"addr add {family.vip} dev lo\n")
        links, progs = attached(rig), programs(rig)
        assert len(links) == (len(rig.net.interfaces) if has_tcx() else 0) and progs
        wait_for(lambda: is_silent(rig, family), "SYNs to stay without answer", timeout=4)
        assert rig.spliced.unload() == ""
        assert not rig.spliced.state_dir.exists()
        for kind, ids in (("link", links), ("prog", progs)):
            for one in ids:
                wait_for(lambda: not bpftool(kind, "show", "id", one), f"{kind} {one} to go")
        with pytest.raises(ConnectionRefusedError):
            connect(rig.client, family.vip, RAW_TCP)
        assert rig.spliced.unload() == "", "a second time there is nothing to do"


def without_digests(paths):
    return {re.sub("_[0-9a-f]{16}$", "", path) for path in paths}


def test_programs_go_on_with_the_next_daemon_of_the_build(raw, pair, way):
    """Unless one of them is missing, or a map was made anew: then all are loaded. Nothing of others stays."""
    client, server = pair(way)
    before, there = programs(raw), pins(raw)
    stranger = next(raw.spliced.state_dir.rglob("prog_sp_ingress_*")).with_name("prog_sp_ingress_0123456789abcdef")
    raw.spliced.kill9()
    raw.spliced.start()
    assert programs(raw) == before
    for lost in ("prog_sp_patch_*", "sp_decisions"):
        raw.spliced.kill9()
        next(raw.spliced.state_dir.rglob(lost)).unlink()
        bpftool("prog", "pin", "id", *before, stranger)
        assert stranger.exists()
        raw.spliced.start()
        after = programs(raw)
        assert len(after) == 1 and not after & before, lost
        assert without_digests(pins(raw)) == without_digests(there)
        assert not stranger.exists()
        transfer(client, server, 1000)
        before = after


def test_a_restart_leaves_no_pins_behind(raw):
    before = pins(raw)
    raw.spliced.kill9()
    raw.spliced.start()
    assert pins(raw) == before


def test_two_daemons_side_by_side(raw, pair, make_net, start_rig, pairs_on, family):
    with small(make_net, start_rig, idle="2h") as rig:
        here, there = pair(family), pairs_on(rig)(family)
        for ends in (here, there):
            transfer(*ends, MIB)
        assert rig.spliced.of(there[0]) and raw.spliced.of(here[0])
        assert len(rig.spliced.connections()) == 1
    transfer(*here, MIB)


@pytest.mark.parametrize("option", [(), ("--unload",)], ids=["start", "unload"])
def test_second_daemon_with_the_same_state_is_refused(raw, pair, family, option, tmp_path):
    """It must not take over from one that lives, nor take its maps away. Its own control socket makes no difference."""
    path = tmp_path / "spliced.yaml"
    path.write_text(json.dumps({**raw.usual, "control": str(tmp_path / "ctl.sock")}))
    before = pins(raw)
    done = subprocess.run([raw.spliced.bin, "--config", path, *option], capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert re.search(rf"state_dir {raw.spliced.state_dir}: another spliced runs", done.stderr), done.stderr
    assert raw.spliced.is_running() and pins(raw) == before
    client, server = pair(family)
    transfer(client, server, MIB)


@pytest.fixture
def clock(raw):
    """Sets the daemon's clock ahead, as if so many seconds had passed."""
    library, = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")

    def ahead(seconds):
        raw.spliced.end(signal.SIGTERM)
        raw.spliced.env = {"LD_PRELOAD": library, "FAKETIME": f"+{seconds}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        raw.spliced.start()
    yield ahead
    raw.spliced.end(signal.SIGTERM)
    raw.spliced.env = {}
    raw.spliced.start()


@pytest.mark.parametrize("kind", ["http", "tls"])
def test_silent_client_is_served_for_five_minutes(raw, pair, clock, family, kind):
    """Its cookie tells that it has shaken hands; nothing else is kept."""
    listener, head = pair.listener(kind), pair.HEADS[kind]
    with connect(raw.client, family.vip, pair.PORTS[kind]) as client:
        clock(310)
        client.sendall(head)
        with accept(listener) as server:
            assert read(server, len(head)) == head
            transfer(server, client, MIB)
    assert raw.spliced.counters()["heads_late"] == 1


def test_silent_client_is_refused_after_that(raw, clock, family):
    with connect(raw.client, family.vip, RAW_HTTP) as client:
        clock(400)
        start = time.monotonic()
        client.sendall(b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n")
        assert is_reset(client)
        assert time.monotonic() - start < bound(2.5)
