# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Backends found by names and in a file: they come and go with the records of a real resolver, without a reload.

    client --- proxy --- backend1 (dnsmasq, too), backend2
"""
import contextlib
import json
import os
import socket
import time

import pytest

import daemon
from daemon import service
from resolver import BROKEN, Failing, Resolver
from tcp import wait_for
from test_checks import Server

pytestmark = [pytest.mark.spliced, pytest.mark.whole("names know no mode")]
PORT = 8400
OTHER = ["10.98.9.9:1", "[fd99::9]:1"]
APP, SRV = "app.example.internal", "_http._tcp.app.example.internal"


@pytest.fixture(scope="module")
def rig(net, start_rig):
    """Two servers, and a resolver that knows the first."""
    def configure(net, work):
        return config(net, work)
    with contextlib.ExitStack() as stack:
        servers = [Server(host, PORT, version=version) for host in (net.backend1, net.backend2) for version in (4, 6)]
        stack.callback(lambda: [server.close() for server in servers])
        work = stack.enter_context(start_rig(net, configure))
        work.servers = servers
        work.resolver = Resolver(net.backend1, work.work)
        stack.callback(work.resolver.close)
        yield work


def config(net, work, *backends, file=None, **more):
    """A pool of these names, and of nothing else if there is a file."""
    pool = {"name": "app", "source": "snat", **more,
            **({"backends_file": str(file)} if file else {}),
            **({"backends": [*backends]} if backends or not file else {})}
    if not backends and not file:
        pool["backends"] = [{"address": f"{APP}:{PORT}"}]
    return {**daemon.config(net, work, [(service("app", "snat", "http", PORT, default="app"), pool)]),
            "resolvers": {"addresses": [net.backend1.addr(4)], "timeout": "200ms", "attempts": 1}}


def host(name, *addresses):
    return [f"host-record={name},{address}" for address in addresses]


def pool_of(rig):
    return rig.spliced.status()["pools"][0]


def addresses(rig):
    return {backend["address"] for backend in pool_of(rig)["backends"]}


def at(host, version=4, port=PORT):
    return daemon.endpoint(host.addr(version), port)


def becomes(rig, *wanted, seconds=4):
    """These are the backends. Return the seconds that it took."""
    start = time.monotonic()
    wait_for(lambda: addresses(rig) == set(wanted), f"backends {wanted}, are {addresses(rig)}", seconds)
    return time.monotonic() - start


def name_of(rig, idx=0):
    return pool_of(rig)["names"][idx]


def fails(rig, text, idx=0):
    return wait_for(lambda: text in name_of(rig, idx)["error"] and name_of(rig, idx), f"the error {text}", 5)


def ask(rig, version=4):
    """A request by a connection of its own. Return its bytes."""
    with rig.client.inside(), socket.create_connection((daemon.VIP["snat"][version], PORT), 3) as sock:
        sock.settimeout(3)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        return sock.recv(4096)


@contextlib.contextmanager
def named(rig, *backends, records=(), **more):
    """The daemon with this pool, begun with another backend, and a resolver with these records."""
    rig.resolver.set(*records)
    rig.spliced.reload(config(rig.net, rig.work, *({"address": address} for address in OTHER)))
    rig.spliced.reload(config(rig.net, rig.work, *backends, **more))
    try:
        yield
    finally:
        rig.spliced.ctl("backend", "--reset")


def test_no_address_yet_is_503_and_the_start_does_not_fail(rig):
    """The daemon of this module was started without a resolver. Also: the first answer is in use at once."""
    assert not addresses(rig) and ask(rig).startswith(b"HTTP/1.1 503")
    wait_for(lambda: rig.spliced.ask("ready")[0]["ready"], "the wait for resolvers to end", 7)
    assert name_of(rig)["state"] == "failing"
    assert [w["kind"] for w in rig.spliced.status()["warning_details"]] == ["name"]
    rig.resolver.start(*host(APP, rig.backend1.addr(4)))
    becomes(rig, at(rig.backend1), seconds=10)
    assert ask(rig).startswith(b"HTTP/1.1 200")
    backend = pool_of(rig)["backends"][0]
    assert (backend["name"], backend["from"]) == (at(rig.backend1), f"{APP}:{PORT}")
    assert not rig.spliced.status()["warning_details"]
    assert f"{APP}:{PORT}" in rig.spliced.ctl("names")


def test_records_come_and_go_within_their_ttl(rig):
    """Also: an order and a counter belong to the address, and stay."""
    first, second = at(rig.backend1), at(rig.backend2)
    with named(rig, {"address": f"{APP}:{PORT}", "name": "app"}, records=host(APP, rig.backend1.addr(4))):
        becomes(rig, first)
        assert ask(rig).startswith(b"HTTP/1.1 200")
        rig.spliced.ctl("backend", f"app/app-{first}", "drain")
        rig.resolver.set(*host(APP, rig.backend1.addr(4), rig.backend2.addr(4)))
        assert becomes(rig, first, second) < 2.5
        states = {b["address"]: (b["state"], b["connections"] > 0) for b in pool_of(rig)["backends"]}
        assert states == {first: ("draining", True), second: ("up", False)}
        rig.resolver.set(*host(APP, rig.backend2.addr(4)))
        assert becomes(rig, second) < 2.5
        assert name_of(rig)["changes"] >= 3


def test_a_download_outlives_its_record(rig):
    """Connections of a backend that went go on as after a reload; new ones go elsewhere."""
    body = os.urandom(1 << 20)

    def slow(sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        for begin in range(0, len(body), 1 << 14):
            sock.sendall(body[begin:begin + (1 << 14)])
            time.sleep(0.04)
        return b""
    with named(rig, {"address": f"{APP}:{PORT}"}, records=host(APP, rig.backend1.addr(4))):
        becomes(rig, at(rig.backend1))
        rig.servers[0].answer = slow
        with rig.client.inside(), socket.create_connection((daemon.VIP["snat"][4], PORT), 3) as sock:
            sock.settimeout(5)
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            got = sock.recv(4096)
            rig.servers[0].answer = Server.OK
            rig.resolver.set(*host(APP, rig.backend2.addr(4)))
            becomes(rig, at(rig.backend2))
            seen = len(rig.servers[2].seen)
            assert ask(rig).startswith(b"HTTP/1.1 200") and len(rig.servers[2].seen) == seen + 1
            assert len(got) < len(body), "the download was over before"
            while len(got) < len(body):
                more = sock.recv(1 << 16)
                assert more, "the download broke off"
                got += more
        assert got.endswith(body)


def test_a_failed_look_up_changes_nothing(rig):
    """NXDOMAIN, SERVFAIL, REFUSED and silence: each is named, and its backends stay."""
    failing = Failing(rig.backend1, 5399)
    with contextlib.closing(failing), named(rig, {"address": f"{APP}:{PORT}"}, {"address": f"a.{BROKEN}:{PORT}"},
                                            {"address": f"app.elsewhere.test:{PORT}"},
                                            records=host(APP, rig.backend1.addr(4))):
        wait_for(lambda: at(rig.backend1) in addresses(rig), "the one name that is good", 4)
        fails(rig, "SERVFAIL", 1)
        fails(rig, "REFUSED", 2)
        assert pool_of(rig)["keeps_old"]
        rig.spliced.reload()
        becomes(rig, at(rig.backend1))      # no name is new now
        rig.resolver.set()
        failed = fails(rig, "NXDOMAIN")
        assert addresses(rig) == {at(rig.backend1)} and failed["failed"] >= 1 and failed["good_ms"] > 500
        rig.resolver.freeze()
        try:
            fails(rig, "in time")
            assert addresses(rig) == {at(rig.backend1)} and ask(rig).startswith(b"HTTP/1.1 200")
            kinds = [w["object"] for w in rig.spliced.status()["warning_details"] if w["kind"] == "name"]
            assert APP in kinds, kinds
        finally:
            rig.resolver.thaw()


def test_both_families(rig):
    """AAAA records serve IPv6 clients. Also: a family's records go, if the other family has some."""
    records = host(APP, f"{rig.backend1.addr(4)},{rig.backend2.addr(6)}")
    with named(rig, {"address": f"{APP}:{PORT}"}, records=records):
        becomes(rig, at(rig.backend1), at(rig.backend2, 6))
        assert ask(rig, 6).startswith(b"HTTP/1.1 200") and ask(rig, 4).startswith(b"HTTP/1.1 200")
        rig.resolver.set(*host(APP, rig.backend1.addr(4)))
        becomes(rig, at(rig.backend1))


def test_srv(rig):
    """Port and weight are the record's; records of a higher priority are backups."""
    def target(name, port, priority, weight):
        return f"srv-host={SRV},{name}.example.internal,{port},{priority},{weight}"
    records = [*host("one.example.internal", rig.backend1.addr(4)), *host("two.example.internal", rig.backend2.addr(4)),
               target("one", PORT, 10, 512), target("one", PORT + 1, 10, 64), target("two", PORT, 20, 0)]
    with named(rig, {"srv": SRV, "name": "app"}, records=records):
        becomes(rig, at(rig.backend1), at(rig.backend1, 4, PORT + 1), at(rig.backend2))
        weights = {b["address"]: b["weight"] for b in pool_of(rig)["backends"]}
        assert weights == {at(rig.backend1): 256, at(rig.backend1, 4, PORT + 1): 32, at(rig.backend2): 1}
        before = len(rig.servers[2].seen)
        assert all(ask(rig).startswith(b"HTTP/1.1 200") for _ in range(4)) and len(rig.servers[2].seen) == before
        rig.resolver.set(*records[:2], target("two", PORT, 20, 0))
        becomes(rig, at(rig.backend2))
        assert ask(rig).startswith(b"HTTP/1.1 200") and len(rig.servers[2].seen) == before + 1
        rig.resolver.set(target("three", PORT, 20, 0))
        fails(rig, "no target")
        assert addresses(rig) == {at(rig.backend2)}


def test_addresses_that_are_refused(rig):
    with named(rig, {"address": f"{APP}:{PORT}"}, records=host(
            APP, "127.0.0.1", "224.0.0.1", "169.254.1.1", daemon.VIP["snat"][4], daemon.SNAT[4], rig.backend1.addr(4))):
        becomes(rig, at(rig.backend1))
        assert name_of(rig)["refused"] == 5
        warning, = (w for w in rig.spliced.status()["warning_details"] if w["kind"] == "name_answer")
        assert "is no backend" in warning["text"], warning


def test_many_records_are_bounded(rig):
    """By TCP, as the answer is longer than a datagram. The lowest addresses are those of every proxy."""
    with named(rig, {"address": f"{APP}:{PORT}"}, records=host(APP, *(f"10.98.0.{i}" for i in range(1, 151)))):
        becomes(rig, *(f"10.98.0.{i}:{PORT}" for i in range(1, 129)))
        assert name_of(rig)["left_off"] == 22


def test_a_reload_keeps_backends_until_the_name_is_known(rig):
    """A pool that goes over from addresses to a name has no moment without backends."""
    written = [{"address": at(rig.backend1, version)} for version in (4, 6)]
    with named(rig, *written):
        rig.spliced.reload(config(rig.net, rig.work, {"address": f"{APP}:{PORT}"}))
        assert addresses(rig) == {backend["address"] for backend in written} and pool_of(rig)["keeps_old"]
        assert ask(rig).startswith(b"HTTP/1.1 200")
        rig.resolver.set(*host(APP, rig.backend2.addr(4)))
        becomes(rig, at(rig.backend2), seconds=6)
        assert not pool_of(rig)["keeps_old"]


def test_checks_follow(rig):
    with named(rig, {"address": f"{APP}:{PORT}"}, records=host(APP, rig.backend1.addr(4), "10.98.0.1"),
               check={"type": "tcp", "interval": "100ms", "timeout": "100ms", "fall": 1}):
        becomes(rig, at(rig.backend1), f"10.98.0.1:{PORT}")

        def states():
            return {b["address"]: b["check"]["state"] for b in pool_of(rig)["backends"]}
        wait_for(lambda: states() == {at(rig.backend1): "up", f"10.98.0.1:{PORT}": "down"}, "results of checks", 5)


def write_over(file, text):
    """As tools do that know how: beside, and renamed."""
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.rename(file)


def test_a_file(rig):
    """Renamed over, written in place, removed and made anew; each within a second. A bad one changes nothing."""
    file = rig.work / "app.backends"
    first, second = at(rig.backend1), at(rig.backend2)
    with named(rig, file=file):
        assert pool_of(rig)["keeps_old"] and addresses(rig) == {*OTHER}
        write_over(file, json.dumps([{"address": first, "weight": 3, "name": "one"}]))
        assert becomes(rig, first) < 1
        assert [(b["name"], b["weight"], b["from"]) for b in pool_of(rig)["backends"]] == [("one", 3, str(file))]
        file.write_text(f"- {first}\n- {second}\n")
        assert becomes(rig, first, second) < 1
        file.write_text(f"- {first}\n- {second}x\n")
        bad = wait_for(lambda: pool_of(rig)["file"]["error"] and pool_of(rig)["file"], "the error", 1)
        assert f"{file.name}:2:3: " in bad["error"] and bad["failed"] >= 1 and addresses(rig) == {first, second}
        warning, = (w for w in rig.spliced.status()["warning_details"] if w["kind"] == "backends_file")
        assert "stay as they were" in warning["text"]
        file.unlink()
        wait_for(lambda: "No such file" in pool_of(rig)["file"]["error"], "the loss to be noticed", 2)
        assert addresses(rig) == {first, second}
        file.write_text(f"- {second}\n")
        assert becomes(rig, second) < 1
        assert not [w for w in rig.spliced.status()["warning_details"] if w["kind"] == "backends_file"] and ask(rig).startswith(b"HTTP/1.1 200")
        write_over(file, "[]")
        assert becomes(rig) < 1
        assert ask(rig).startswith(b"HTTP/1.1 503")


def test_a_file_behind_a_link_that_moves(rig):
    """As a Kubernetes volume does: the file leads through a link to a directory, which is exchanged."""
    base = rig.work / "volume"
    for name, host_ in (("v1", rig.backend1), ("v2", rig.backend2)):
        (base / name).mkdir(parents=True)
        (base / name / "list").write_text(f"- {at(host_)}\n")
    (base / "data").symlink_to("v1")
    (base / "list").symlink_to("data/list")
    with named(rig, file=base / "list"):
        becomes(rig, at(rig.backend1))
        (base / "data.new").symlink_to("v2")
        (base / "data.new").rename(base / "data")
        assert becomes(rig, at(rig.backend2)) < 1


def test_a_daemon_that_starts_again_has_its_names_at_once(rig):
    """No client gets 503 in between."""
    with named(rig, {"address": f"{APP}:{PORT}"}, records=host(APP, rig.backend1.addr(4))):
        becomes(rig, at(rig.backend1))
        rig.spliced.kill9()
        rig.spliced.start()
        assert addresses(rig) == {at(rig.backend1)} and ask(rig).startswith(b"HTTP/1.1 200")


def test_a_daemon_without_an_answer_is_not_ready_at_first(rig):
    """Other proxies may have backends of the name. The first answer ends that."""
    with named(rig, {"address": f"{APP}:{PORT}"}, records=host(APP, rig.backend1.addr(4))):
        becomes(rig, at(rig.backend1))
        rig.spliced.kill9()
        rig.resolver.freeze()
        try:
            rig.spliced.start()
            done = rig.spliced.ctl_run("ready")
            assert (done.returncode, "no name of it was found yet" in done.stdout) == (1, True), done
        finally:
            rig.resolver.thaw()
        becomes(rig, at(rig.backend1))
        assert rig.spliced.ctl_run("ready").returncode == 0


@contextlib.contextmanager
def resolv_conf(rig, text):
    """The daemon, begun anew with this /etc/resolv.conf."""
    file, script, program = rig.work / "resolv.conf", rig.work / "with-resolv-conf", rig.spliced.bin
    file.write_text(text)
    script.write_text(f"#!/bin/sh\nmount --bind {file} /etc/resolv.conf && exec {os.path.abspath(program)} \"$@\"\n")
    script.chmod(0o700)
    rig.spliced.kill9()
    start = script.with_suffix(".start")
    start.write_text(f"#!/bin/sh\nexec unshare --mount {script} \"$@\"\n")
    start.chmod(0o700)
    rig.spliced.bin = str(start)
    rig.spliced.start()
    try:
        yield
    finally:
        rig.spliced.kill9()
        rig.spliced.bin = program
        rig.spliced.start()


def test_resolvers_of_the_machine(rig):
    """/etc/resolv.conf is the default, also when the daemon has given up its privileges: at a reload."""
    records = [*host(APP, rig.backend1.addr(4)), *host("b.example.internal", rig.backend2.addr(4))]
    with named(rig, {"address": f"{APP}:{PORT}"}, records=records):
        conf = rig.spliced.conf
        rig.spliced.write({key: value for key, value in conf.items() if key != "resolvers"})
        with resolv_conf(rig, f"nameserver {rig.backend1.addr(4)}\n"):
            becomes(rig, at(rig.backend1))
            rig.spliced.conf["pools"][0]["backends"] = [{"address": f"b.example.internal:{PORT}"}]
            rig.spliced.reload(rig.spliced.conf)
            becomes(rig, at(rig.backend2))
            rig.spliced.write(conf)
