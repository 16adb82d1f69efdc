# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the proxy's own host does to it is met, or said as a warning with its remedy."""
import contextlib
import signal
import subprocess
import time

import pytest

import foreign
from daemon import RAW_HTTP, Spliced
from one_daemon import raw, runs_again     # noqa: F401
from topo import SNAT
from tcp import MIB, connect, open_socket, transfer, wait_for

pytestmark = pytest.mark.spliced


def warnings(spliced, kind):
    return [one for one in spliced.status()["warning_details"] if one["kind"] == kind]


def warned(spliced, kind, timeout=5):
    """The first warning of that kind."""
    return wait_for(lambda: warnings(spliced, kind), f"a warning {kind}", timeout)[0]


def answer(rig, way, host="nobody.example.org"):
    """What a request gets that no route is for."""
    with connect(rig.client, way.vip, RAW_HTTP, timeout=2) as client:
        client.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        try:
            return client.recv(100)
        except TimeoutError:
            return None


def test_firewall_that_refuses_is_named(raw, family):
    """The lines of its remedy help."""
    drop = "chain out { type filter hook output priority 0; ct state invalid drop; }"
    with raw.net.proxy.nft(drop):
        assert answer(raw, family) is None
        said = warned(raw.spliced, "send_refused")
        assert "firewall" in said["text"] and family.vip in said["remedy"]
        assert said["since"] and said["text"] in raw.spliced.status()["warnings"]
        assert f"WARNING: {said['text']}\n" in raw.spliced.ctl("status")
        assert raw.spliced.log.read_text().count("Remedy: nft") == 1
        raw.net.proxy.run("nft", said["remedy"].split("'")[1])
        try:
            assert answer(raw, family).startswith(b"HTTP/1.1 ")
        finally:
            raw.net.proxy.run("nft", "delete table inet spliced")


def is_silent(rig, way):
    try:
        return answer(rig, way) is None
    except TimeoutError:
        return True


@pytest.mark.parametrize("when", ["before", "later"])
def test_foreign_program_stands_behind(raw, pair, family, when):
    """One that takes all it gets: attached before us, or in front of us while we run."""
    if when == "before":
        raw.spliced.end(signal.SIGTERM)
        raw.spliced.unload()
    with contextlib.ExitStack() as stack:
        for interface in raw.net.interfaces:
            stack.enter_context(foreign.attached(raw.net.proxy, interface))
        if when == "before":
            raw.spliced.start()
            assert "stands behind ours" in raw.spliced.log.read_text() and not warnings(raw.spliced, "foreign_program")
        else:
            said = warned(raw.spliced, "chain_changed", 15)
            assert said["object"] in raw.net.interfaces
            wait_for(lambda: len(warnings(raw.spliced, "chain_changed")) == 2, "both", 15)
        transfer(*pair(family), MIB)
    assert raw.spliced.ctl_run("ready").returncode == 0


def test_detached_program_is_attached_again(raw, pair, family):
    client, server = pair(family)
    for path in raw.spliced.state_dir.rglob("link_*"):
        foreign.detach(path)
    wait_for(lambda: raw.spliced.log.read_text().count("it is again") >= 2, "to be attached again", 15)
    transfer(client, server, MIB)
    assert raw.spliced.ctl_run("ready").returncode == 0 and not warnings(raw.spliced, "detached")


def test_program_of_another_state_dir_is_named(raw, pair, family, tmp_path):
    """The newer one serves; the older one is to be unloaded."""
    raw.spliced.end(signal.SIGTERM)
    conf = {**raw.usual, "state_dir": raw.usual["state_dir"] + "-b", "control": str(tmp_path / "b.sock")}
    newer = Spliced(raw.net, raw.spliced.bin.rsplit("/src/", 1)[0], tmp_path, {**conf, "key_file": str(tmp_path / "cookie.key")})
    try:
        newer.start()
        said = warned(newer, "older_program")
        assert "sp_ingress" in said["text"] and "--unload" in said["remedy"]
        transfer(*pair(family), MIB)
    finally:
        newer.close()


def test_pins_of_another_layout_go(raw):
    """Else its program would stand before ours, and drop what ours is for."""
    old = raw.spliced.state_dir / "v1"
    raw.spliced.end(signal.SIGTERM)
    old.mkdir()
    raw.spliced.start()
    assert not old.exists() and "v1 is of another version" in raw.spliced.log.read_text()


def test_refused_datapath_takes_a_line(raw):
    """What libbpf says of it, which may be pages of the verifier's, is there for those who ask."""
    services, = raw.spliced.state_dir.glob("v*/sp_services")
    raw.spliced.end(signal.SIGTERM)
    services.unlink()
    subprocess.run(["bpftool", "map", "create", services, *"type hash key 4 value 4 entries 1 name other".split()], check=True)
    start = [raw.spliced.bin, "--config", raw.spliced.file]
    quiet, verbose = (raw.net.proxy.run(*start, *more, check=False) for more in ([], ["--verbose"]))
    services.unlink()
    raw.spliced.start()
    assert quiet.count("\n") == 1 and "the kernel refuses the datapath" in quiet, quiet
    assert quiet in verbose and "libbpf: " in verbose


@pytest.mark.parametrize("what", ["block", "esp"])
def test_ipsec_policy_is_heeded(raw, pair, family, what):
    """What it says must be encrypted, or not sent, does not leave in clear; with the policy gone it goes on."""
    proxy, version = raw.net.proxy, family.version
    ends = ["src", SNAT[version], "dst", raw.net.backend1.addr(version), "dir", "out"]
    needs = ["action", "block"] if what == "block" else ["tmpl", "proto", "esp", "mode", "transport"]
    client, server = pair(family)
    transfer(client, server, MIB)
    before = raw.spliced.drops()["ipsec"]
    proxy.run("ip", "xfrm", "policy", "add", *ends, *needs)
    try:
        wait_for(lambda: raw.spliced.drops()["ipsec"] > before or not client.send(b"."), "the policy to be heeded", 5)
        warned(raw.spliced, "ipsec")
        server.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while server.recv(65536):
                pass
        client.sendall(b"secret")
        time.sleep(0.5)
        with pytest.raises(BlockingIOError):
            server.recv(1)
        server.settimeout(20)
        assert answer(raw, family).startswith(b"HTTP/1.1 503")
        assert any("gets no connections" in one["text"] for one in warnings(raw.spliced, "ipsec"))
    finally:
        proxy.run("ip", "xfrm", "policy", "delete", *ends)
    got = b""
    while b"secret" not in got:
        got += server.recv(65536)


def is_unanswered(rig, way):
    """A SYN is."""
    with open_socket(rig.client, way.vip, timeout=0.3) as late:
        try:
            late.connect((way.vip, RAW_HTTP))
        except TimeoutError:
            return True
    return False


WANTED = {      # ip xfrm policy ..., with the addresses of both ends
    "to-the-client": lambda vip, client: ["add", "src", vip, "dst", client, "dir", "out", "tmpl", "proto", "esp", "mode", "transport"],
    "from-the-client": lambda vip, client: ["add", "src", client, "dst", vip, "dir", "fwd", "tmpl", "proto", "esp", "mode", "tunnel"],
    "in": lambda vip, client: ["add", "src", client, "dst", vip, "dir", "in", "action", "block"],
    "default": lambda vip, client: ["setdefault", "out", "block"],
}
LIFTED = {"default": lambda words: ["setdefault", "out", "accept"]}


@pytest.mark.parametrize("what", WANTED)
def test_ipsec_policy_on_the_clients_side(raw, pair, family, what):
    """No SYN is answered in clear, and no answer to what should have come encrypted leaves; with the policy gone it goes on."""
    proxy, vip, client = raw.net.proxy, family.vip, raw.client.addr(family.version)
    words = WANTED[what](vip, client)
    ends = pair(family)
    transfer(*ends, MIB)
    syns = raw.spliced.drops()["ipsec"]
    proxy.run("ip", "xfrm", "policy", *words)
    try:
        wait_for(lambda: is_unanswered(raw, family), "the policy to be heeded", 10)
        assert raw.spliced.drops()["ipsec"] > syns
        assert "IPsec" in warned(raw.spliced, "ipsec")["text"]
    finally:
        proxy.run("ip", "xfrm", "policy", *(LIFTED.get(what, lambda w: ["delete", *w[1:7]])(words)))
    transfer(*ends, MIB)
    transfer(*pair(family), MIB)


def test_more_ipsec_policies_than_are_heeded(raw, pair, family):
    """Then nothing leaves, and a warning says why."""
    proxy = raw.net.proxy
    first, ends = f"xfrm policy {{}} src 10.77.0.{{}} dst 10.77.1.1 dir out", pair(family)
    proxy.ip("".join(first.format("add", i) + " action block\n" for i in range(40)))
    try:
        wait_for(lambda: any("more than the datapath's table holds" in w["text"] for w in warnings(raw.spliced, "ipsec")), "a warning", 5)
        wait_for(lambda: is_unanswered(raw, family), "all to be refused", 10)
    finally:
        proxy.ip("".join(first.format("delete", i) + "\n" for i in range(40)))
    transfer(*ends, MIB)


def test_interface_that_comes_back_is_attached_again(raw):
    """Of the same name, and another index."""
    proxy = raw.net.proxy
    proxy.ip("link add w0 type veth peer name w1\nlink set w0 up\n")
    try:
        assert "done" in raw.spliced.reload({**raw.usual, "interfaces": [*raw.usual["interfaces"], "w0"]})
        proxy.ip("link del w0\n")
        assert warned(raw.spliced, "detached")["object"] == "w0"
        assert "interface" in raw.spliced.ctl_run("ready").stdout
        proxy.ip("link add w0 type veth peer name w1\nlink set w0 up\n")
        wait_for(lambda: not warnings(raw.spliced, "detached"), "the warning to go", 5)
        assert raw.spliced.ctl_run("ready").returncode == 0
        # gone and back between two looks
        seen = raw.spliced.log.read_text().count("interface w0: the datapath was not attached")
        proxy.ip("link del w0\nlink add w0 type veth peer name w1\nlink set w0 up\n")
        wait_for(lambda: raw.spliced.log.read_text().count("interface w0: the datapath was not attached") > seen, "to be attached again", 5)
    finally:
        raw.spliced.reload(raw.usual)
        proxy.ip("link del w0\n")


def test_interface_without_ethernet_header_is_refused_by_name(raw, pair, family):
    proxy = raw.net.proxy
    proxy.ip("tuntap add dev t0 mode tun\n")
    try:
        said = raw.spliced.reload({**raw.usual, "interfaces": [*raw.usual["interfaces"], "t0"]})
        assert "interface t0: its packets have no Ethernet header" in said and "nothing is changed" in said
        transfer(*pair(family), MIB)
    finally:
        proxy.ip("link del t0\n")
