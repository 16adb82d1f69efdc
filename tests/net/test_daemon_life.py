# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Spliced connections outlive the daemon; new ones work again as soon as there is one."""
import contextlib
import json
import pathlib
import re
import signal
import socket
import subprocess
import time
import time

import pytest

import daemon
import rawtcp
from daemon import RAW_HTTP, RAW_TCP, service
from rawtcp import ACK, PSH
from tcp import (MIB, accept, connect, in_thread, listen, nothing_lost, open_socket, read, transfer,
                 unsent, wait_for)
from test_heads import http_head
from test_edges import is_reset

pytestmark = pytest.mark.spliced
PARKED = 7099


def configure(net, work, **more):
    return daemon.raw_config(net, work, **more)


@pytest.fixture(scope="module")
def raw(net, start_rig):
    with start_rig(net, configure) as rig:
        rig.usual = rig.spliced.conf
        yield rig


@pytest.fixture(autouse=True)
def runs_again(raw):
    """Whatever a test does to the daemon."""
    yield
    if not raw.spliced.is_running():
        raw.spliced.write(raw.usual)
        raw.spliced.start()
    elif raw.spliced.conf != raw.usual:
        raw.spliced.reload(raw.usual)


def at_bytes(events):
    """For read_pattern(): do things when so much has been read."""
    left = sorted(events.items())

    def on_bytes(got):
        while left and got >= left[0][0]:
            left.pop(0)[1]()
    return on_bytes


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
    assert gap < 2
    transfer(receiver, sender, MIB)
    assert raw.spliced.of(client)["state"] == "open"
    again, other = pair(way, "http")
    transfer(again, other, MIB)


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
        server.close()
        assert client.recv(1) == b""
        client.close()
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


def acknowledged(sock):
    return unsent(sock) == 0


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


def with_service(conf, name, port, pool):
    return {**conf, "services": conf["services"] + [service(name, "snat", "tcp", port, default=pool)]}


def test_reload_in_the_middle_of_a_download(raw, pair, way):
    """The route of this very connection changes; it does not notice, and new ones follow the new route."""
    other = f"other-{way.source}"
    conf = json.loads(json.dumps(raw.usual))
    conf["pools"].append({"name": other, "source": way.source, "backends": daemon.backends(raw.net, RAW_HTTP, ("backend2",))})
    for entry in conf["services"]:
        if entry["name"] == f"raw-http-{way.source}":
            entry["default"] = other
    client, server = pair(way, "http")
    transfer(server, client, 400 * MIB, at_bytes({100 * MIB: lambda: raw.spliced.reload(conf)}))
    with listen(raw.backend2, RAW_HTTP) as listener, connect(raw.client, way.vip, RAW_HTTP) as second:
        second.sendall(pair.HEADS["http"])
        with accept(listener) as at_other:
            read(at_other, len(pair.HEADS["http"]))
            transfer(at_other, second, MIB)
    transfer(client, server, MIB)


def test_reload_without_the_service_of_a_connection(raw, pair, way):
    """A service that is gone takes no new connections; the old ones go on."""
    client, server = pair(way)
    conf = {**raw.usual, "services": [s for s in raw.usual["services"] if s["name"] != f"raw-tcp-{way.source}"]}
    raw.spliced.reload(conf)
    transfer(client, server, MIB)
    transfer(server, client, MIB)
    with open_socket(raw.client, way.vip, timeout=0.5) as late, pytest.raises(OSError):
        late.connect((way.vip, RAW_TCP))


@contextlib.contextmanager
def spare_interface(rig, name="spare.7"):
    rig.net.proxy.ip(f"link add {name} type veth peer name other\nlink set {name} up\n")
    try:
        yield name
    finally:
        rig.net.proxy.ip(f"link del {name}\n")


def test_reload_follows_the_interfaces(raw, pair, family):
    """One that is new is attached, one that is not in the file any more is let go; connections notice nothing."""
    before, (client, server) = attached(raw), pair(family)
    transfer(server, client, 1000)      # until the client has acknowledged something, a proxy repeats the handshake that is adopted
    with spare_interface(raw) as name, nothing_lost(client, server):
        raw.spliced.reload({**raw.usual, "interfaces": raw.usual["interfaces"] + [name]})
        more = attached(raw)
        assert len(more) == len(before) + 1 and before.items() <= more.items()
        transfer(client, server, MIB)
        raw.spliced.reload(raw.usual)
        assert attached(raw) == before
        transfer(server, client, MIB)


def other_source(conf):
    return {**conf, "source": {**conf["source"], "ports": "10000-11000"}}


REFUSED = {
    "interface": lambda conf: {**conf, "interfaces": conf["interfaces"] + ["spare", "nowhere"]},
    "source": other_source,
    "control": lambda conf: {**conf, "control": conf["control"] + "2"},
    "state_dir": lambda conf: {**conf, "state_dir": conf["state_dir"] + "2"},
    "pending": lambda conf: {**conf, "limits": {**conf.get("limits", {}), "pending": 77}},
    "key_file": lambda conf: {**conf, "key_file": "/nowhere/cookie.key"},
}


@pytest.mark.parametrize("what", REFUSED)
def test_reload_is_as_a_whole_or_not_at_all(raw, pair, family, what):
    """Also the good part of a file that can't be followed is left: here a service."""
    with spare_interface(raw, "spare"):
        before = attached(raw), raw.spliced.status()["services"]
        said = raw.spliced.reload(REFUSED[what](with_service(raw.usual, "more", PARKED, "raw-tcp-snat")))
        assert "nothing is changed" in said and what in said, said
        assert (attached(raw), raw.spliced.status()["services"]) == before
        with open_socket(raw.client, family.vip, timeout=0.5) as late, pytest.raises(TimeoutError):
            late.connect((family.vip, PARKED))
        transfer(*pair(family), MIB)
        raw.spliced.reload(raw.usual)


def test_reload_frees_what_was_before(raw):
    def after(count):
        for _ in range(count):
            raw.spliced.hangup()
        return raw.spliced.rss_kib()
    before = after(40)
    assert after(100) - before < 200


def test_restart_with_another_source(raw, pair, family):
    """It is what a reload refuses; connections from a port of the range before go on."""
    client, server = pair(family)
    raw.spliced.end(signal.SIGTERM)
    raw.spliced.write(other_source(raw.usual))
    raw.spliced.start()
    new_client, new_server = pair(family)
    assert 10000 <= new_server.getpeername()[1] <= 11000 < server.getpeername()[1]
    for ends in ((client, server), (server, client), (new_client, new_server)):
        transfer(*ends, MIB)
    raw.spliced.end(signal.SIGTERM)     # for the next test, see runs_again()
    transfer(new_client, new_server, MIB)


BAD = {
    "not-yaml": "interfaces: [\n",
    "unknown-key": None,
    "unknown-pool": None,
    "no-such-file": "",
}


@pytest.mark.parametrize("what", BAD)
def test_bad_reload_changes_nothing(raw, pair, family, what):
    client, server = pair(family)
    before = raw.spliced.status()
    if what == "unknown-key":
        said = raw.spliced.reload({**raw.usual, "colour": "blue"})
    elif what == "unknown-pool":
        said = raw.spliced.reload(with_service(raw.usual, "more", PARKED, "nowhere"))
    else:
        raw.spliced.write(raw.usual)
        raw.spliced.conf = None         # so that it is put back
        raw.spliced.file.write_text(BAD[what]) if BAD[what] else raw.spliced.file.unlink()
        said = raw.spliced.hangup()
    assert "spliced.yaml" in said, said
    after = raw.spliced.status()
    assert (after["services"], after["pid"]) == (before["services"], before["pid"])
    transfer(client, server, MIB)
    client, server = pair(family)
    transfer(client, server, MIB)


def test_check(raw):
    """The normal form is a fixed point; an error names file, line and column."""
    first = raw.net.proxy.run(raw.spliced.bin, "--check", str(raw.spliced.file))
    normal = raw.work / "normal.yaml"
    normal.write_text(first)
    assert raw.net.proxy.run(raw.spliced.bin, "--check", str(normal)) == first
    normal.write_text(first + "colour: blue\n")
    line = first.count("\n") + 1
    said = raw.net.proxy.run(raw.spliced.bin, "--check", str(normal), check=False)
    assert re.search(rf"normal\.yaml:{line}:1: .*colour", said), said


def is_silent(rig, way):
    with open_socket(rig.client, way.vip, timeout=0.2) as late:
        try:
            late.connect((way.vip, RAW_TCP))
        except TimeoutError:
            return True
    return False


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


def test_status(raw, pair, family):
    client, server = pair(family)
    status = raw.spliced.status()
    assert status["pid"] == raw.spliced.process.pid
    assert status["splices"] >= 1
    assert {s["name"] for s in status["services"]} == {s["name"] for s in raw.usual["services"]}
    text = raw.spliced.ctl("status")
    assert "raw-tcp-snat" in text and str(raw.spliced.process.pid) in text


def test_connections(raw, pair, way, kind):
    client, server = pair(way, kind)
    base = len(pair.HEADS[kind])
    transfer(client, server, 300000)
    transfer(server, client, 700000)
    row = wait_for(lambda: raw.spliced.of(client), "the connection to be listed")
    ours, vip = client.getsockname(), client.getpeername()
    peer, here = server.getpeername(), server.getsockname()

    def text(name):
        return daemon.endpoint(name[0].removeprefix("::ffff:"), name[1])
    assert row["front"] == {"from": text(ours), "to": text(vip)}
    assert row["back"] == {"from": text(peer), "to": daemon.endpoint(raw.backend1.addr(way.version), here[1])}
    repeated = 65536    # a busy machine makes a sender repeat itself
    down = row["bytes_down"] + sum(there["bytes_down"] for agent in raw.agents if (there := agent.of(client)))
    assert base + 300000 <= row["bytes_up"] < base + 300000 + repeated and 700000 <= down < 700000 + repeated
    assert not raw.agents or not row["bytes_down"]
    assert row["pool"] == f"raw-{kind}-{way.source}" and row["state"] == "open"
    assert 0 <= row["idle_ms"] <= row["age_ms"] < 20000
    assert text(ours) in raw.spliced.ctl("connections", text(ours))
    pools = [row["pool"] for row in raw.spliced.connections("pool=raw-tcp-client")]
    assert (row["pool"] in pools) == (row["pool"] == "raw-tcp-client") and len(set(pools)) <= 1
    client.shutdown(1)
    assert server.recv(1) == b""
    wait_for(lambda: raw.spliced.of(client)["state"] == "closing", "one FIN to show")
    server.shutdown(1)
    assert client.recv(1) == b""
    wait_for(lambda: (raw.spliced.of(client) or {"state": "closed"})["state"] == "closed", "both FINs to show")


def test_connections_limit(raw, pair, family):
    ends = [pair(family) for _ in range(20)]
    client = ends[0][0].getsockname()[0]
    assert len(json.loads(raw.spliced.ctl("connections", "--json", "--limit", "5", client))) == 5


def test_drops(raw, pair, family):
    """A segment to a service that belongs to nothing is counted by its name."""
    before = raw.spliced.drops()
    with rawtcp.Raw(raw.net, family.vip, RAW_TCP, 9999) as forger:
        for _ in range(3):
            forger.send(rawtcp.RST, seq=1)
    wait_for(lambda: raw.spliced.drops()["rst_stray"] == before["rst_stray"] + 3, "three stray RSTs to be counted")
    assert re.search(r"rst_stray.*\b%d\b" % raw.spliced.drops()["rst_stray"], raw.spliced.ctl("drops"))


def reset_when_repeated(client, send):
    """It may be the second segment of a head that comes first: only one that is repeated a second later is refused."""
    start = time.monotonic()
    while time.monotonic() < start + 5:
        send()
        answer = client.receive(0.3, lambda seg: seg.flags & rawtcp.RST)
        if answer:
            assert time.monotonic() > start + 0.9, "refused at once"
            return answer
    raise AssertionError("not refused")


def test_segment_of_an_unknown_connection_is_reset(raw, family):
    """Nothing knows it, and the store is here: a client that believes in it must hear so. But not at once (law 4)."""
    with rawtcp.Raw(raw.net, family.vip, RAW_TCP, 9998) as forger:
        answer = reset_when_repeated(forger, lambda: forger.send(ACK | PSH, b"hello", seq=5000, ack=77777))
        assert answer.seq == 77777


def test_key_rotation_in_the_middle_of_a_handshake(raw, pair, family):
    """A cookie of the old key is good as long as the old key is there, as second one."""
    listener, head = pair.listener("http"), pair.HEADS["http"]
    with rawtcp.Raw(raw.net, family.vip, RAW_HTTP, 9997) as client:
        client.handshake()
        raw.rekey("0123456789abcdef0123456789abcdef", raw.spliced.key[0])
        client.send(ACK | PSH, head)
        with accept(listener) as server:
            assert read(server, len(head)) == head
    with rawtcp.Raw(raw.net, family.vip, RAW_HTTP, 9996) as client:
        client.handshake()
        raw.rekey("f" * 32)
        reset_when_repeated(client, lambda: client.send(ACK | PSH, head))
    client, server = pair(family)
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
    """No capabilities, and a filter of system calls; tests/unit/test_confine.c has what that means."""
    status = pathlib.Path(f"/proc/{raw.spliced.process.pid}/status").read_text()
    found = dict(re.findall(r"^(CapEff|CapPrm|CapInh|CapAmb|Seccomp|NoNewPrivs):\s*(\w+)$", status, re.M))
    assert all(int(found[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")), found
    assert found["Seccomp"] == "2" and found["NoNewPrivs"] == "1", found


# Small limits: each has a daemon of its own, in namespaces of its own, next to the others.

@contextlib.contextmanager
def small(make_net, start_rig, **limits):
    with make_net() as net, start_rig(net, lambda net, work: configure(net, work, limits=limits)) as rig:
        yield rig


def test_idle_splices_age_out(make_net, start_rig, pairs_on, family):
    """And one that is not idle stays."""
    with small(make_net, start_rig, idle="2s", closed="1s") as rig:
        pair = pairs_on(rig)
        idle, busy, closed = pair(family), pair(family), pair(family)
        transfer(*idle, 1000)       # without a byte it could be taken for a new one: its cookie is still good
        for sock in closed:
            sock.close()

        def only_busy():
            transfer(*busy, 1000)
            rows = rig.spliced.connections()
            return len(rows) == 1 and rows[0]["front"]["from"].endswith(f":{busy[0].getsockname()[1]}")
        wait_for(only_busy, "only the busy connection to be left", every=0.2)
        idle[0].sendall(b"x")
        assert is_reset(idle[0])


def test_full_table_refuses_new_and_keeps_old(make_net, start_rig, pairs_on, family):
    with small(make_net, start_rig, splices=16, closed="1s") as rig:
        pair = pairs_on(rig)
        ends = []
        with contextlib.suppress(OSError):
            while len(ends) < 40:
                ends.append(pair(family, timeout=1, server_options={"timeout": 1}))
        assert len(ends) == rig.spliced.status()["splices"] == 16
        assert rig.spliced.drops()["table_full"]
        for client, server in ends:
            transfer(client, server, 100000)
            transfer(server, client, 100000)
        for client, server in ends[:8]:
            client.close()
            server.close()
        wait_for(lambda: rig.spliced.status()["splices"] == len(rig.spliced.connections()) == 8, "closed splices to go")
        pair.listener("tcp").settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            while True:
                pair.listener("tcp").accept()[0].close()
        pair.listener("tcp").settimeout(10)
        client, server = pair(family)
        transfer(client, server, 100000)


def test_burst_at_a_full_table_is_answered(make_net, start_rig, pairs_on, family):
    """More handshakes were answered than there is room for: who comes too late hears 503, and not all have to wait."""
    with small(make_net, start_rig, splices=4) as rig:
        pair = pairs_on(rig)
        pair.listener("http")
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connect(rig.client, family.vip, RAW_HTTP, timeout=5)) for _ in range(12)]
            for client in clients[:4]:
                client.sendall(pair.HEADS["http"])
            wait_for(lambda: rig.spliced.status()["splices"] == 4, "the table to be full")
            for client in clients[4:]:
                client.sendall(pair.HEADS["http"])
            answers = [client.recv(100) for client in clients[4:]]
            assert all(answer.startswith(b"HTTP/1.1 503 ") for answer in answers), answers
            assert rig.spliced.status()["splices"] == 4


def test_unload_removes_everything(make_net, start_rig, pairs_on, family):
    """Directory, links and programs; then packets to a service are the kernel's own."""
    with small(make_net, start_rig, idle="2h") as rig:
        pairs_on(rig)(family)
        rig.spliced.end(signal.SIGTERM)
        rig.net.proxy.ip(f"addr add {family.vip} dev lo\n")
        links = attached(rig)
        assert len(links) == len(rig.net.interfaces) and all(links.values())
        wait_for(lambda: is_silent(rig, family), "SYNs to stay without answer", timeout=4)
        assert rig.spliced.unload() == ""
        assert not rig.spliced.state_dir.exists()
        for kind, ids in (("link", links), ("prog", set(links.values()))):
            for one in ids:
                wait_for(lambda: not bpftool(kind, "show", "id", one), f"{kind} {one} to go")
        with pytest.raises(ConnectionRefusedError):
            connect(rig.client, family.vip, RAW_TCP)
        assert rig.spliced.unload() == "", "a second time there is nothing to do"


def bpftool(*args):
    """None when there is no such thing."""
    done = subprocess.run(["bpftool", "-j", *map(str, args)], capture_output=True, text=True)
    return json.loads(done.stdout) if not done.returncode else None


def attached(rig):
    """{id of a pinned link: id of its program}. `bpftool net` of Debian 12 knows no tcx."""
    found = [bpftool("link", "show", "pinned", path) for path in rig.spliced.state_dir.rglob("link_*")]
    return {link["id"]: link["prog_id"] for link in found}


def pins(rig):
    return {str(path) for path in rig.spliced.state_dir.rglob("*")}


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
