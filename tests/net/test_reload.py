# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""SIGHUP: from one configuration to the next as a whole, or not at all; connections notice nothing."""
import contextlib
import json
import re
import signal
import subprocess

import pytest

import daemon
import rawtcp
from conftest import Way
from daemon import RAW_HTTP, RAW_TCP, service
from kernel import needs_tcx
from one_daemon import raw, runs_again     # noqa: F401
from one_daemon import attached
from rawtcp import ACK, PSH
from tcp import MIB, accept, at_bytes, connect, listen, nothing_lost, open_socket, read, transfer, wait_for
from test_admission import nginx
from test_edges import reset_when_repeated

pytestmark = pytest.mark.spliced
PARKED = 7099


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


@needs_tcx
def test_reload_follows_the_interfaces(raw, pair, family):
    """One that is new is attached, one that is not in the file any more stays as long as it may be needed (test_changes.py)."""
    before, (client, server) = attached(raw), pair(family)
    transfer(server, client, 1000)      # until the client has acknowledged something, a proxy repeats the handshake that is adopted
    with spare_interface(raw) as name, nothing_lost(client, server):
        raw.spliced.reload({**raw.usual, "interfaces": raw.usual["interfaces"] + [name]})
        more = attached(raw)
        assert len(more) == len(before) + 1 and before.items() <= more.items()
        transfer(client, server, MIB)
        raw.spliced.reload(raw.usual)
        assert before.items() <= attached(raw).items()
        transfer(server, client, MIB)
    wait_for(lambda: attached(raw) == before, "the one that is gone to be let go", 5)


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


@pytest.mark.parametrize("keys, says", [(3, r":3: found a third key"), (0, r":1: found no key")])
def test_check_looks_at_the_keys(raw, keys, says):
    """Of a file that can be read; where there is none, this may be another machine."""
    key_file, conf = raw.work / "checked.key", raw.work / "checked.yaml"
    conf.write_text(json.dumps({**raw.spliced.conf, "key_file": str(key_file)}))
    key_file.unlink(missing_ok=True)
    assert "can't read it" in raw.net.proxy.run(raw.spliced.bin, "--check", str(conf))
    key_file.write_text("".join(f"{i:032x}\n" for i in range(keys)))
    with pytest.raises(RuntimeError):
        raw.net.proxy.run(raw.spliced.bin, "--check", str(conf))
    said = raw.net.proxy.run(raw.spliced.bin, "--check", str(conf), check=False)
    assert re.search(rf"key_file {key_file}{says}", said), said


@pytest.mark.each_mode
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


@pytest.mark.parametrize("where", ["own", "loopback"])
def test_backend_on_the_proxy_is_named(raw, family, where):
    """Its connections would be answered with 503 and no hint. At --check, at a reload, and until the next one."""
    at = {"own": raw.net.proxy.addr(family.version), "loopback": {4: "127.0.0.7", 6: "::1"}[family.version]}[where]
    conf = json.loads(json.dumps(raw.usual))
    conf["pools"][0]["backends"].append({"address": daemon.endpoint(at, 9999), "name": "here"})
    file = raw.work / "local.yaml"
    file.write_text(json.dumps(conf))
    assert "backend here of pool" in raw.net.proxy.run(raw.spliced.bin, "--check", str(file))
    raw.spliced.reload(conf)

    def said():
        return [w["object"] for w in raw.spliced.status()["warning_details"] if w["kind"] == "backend_local"]
    wait_for(lambda: said() == [daemon.endpoint(at, 9999)], "the warning")        # addresses are looked up after the reload
    raw.spliced.reload(raw.usual)
    wait_for(lambda: not said(), "the warning to go")


@pytest.mark.parametrize("more", [(), ("-H", "Connection: close")], ids=["kept", "short"])
def test_reload_under_load_drops_nothing(raw, more, record_property):
    """Of wrk's 32 connections, while services, pools and weights come and go as fast as they can."""
    way, took = Way(4, "snat"), []
    with nginx(raw):
        wait_for(lambda: raw.client.run("curl", "-s", "-m", "1", way.url("/", RAW_HTTP), check=False) == "hello", "nginx to serve")
        wrk = raw.client.popen("wrk", "-t1", "-c32", "-d1s", "--timeout", "2s", *more, way.url("/", RAW_HTTP), stdout=subprocess.PIPE, text=True)
        while wrk.poll() is None:
            conf = json.loads(json.dumps(raw.usual))
            for pool in conf["pools"]:
                for backend in pool["backends"]:
                    backend["weight"] = len(took) % 3 + 1
            if len(took) % 2:
                conf = with_service(conf, "one-more", 7003, "raw-tcp-snat")
            raw.spliced.write(conf)
            took.append(int(raw.spliced.ctl("reload").split()[-2]))
        out = wrk.communicate()[0]
    figures = {"requests": int(re.search(r"([0-9]+) requests in", out)[1]), "reloads": len(took), "slowest reload ms": max(took)}
    record_property("figures", figures)
    print(figures)
    assert figures["requests"] > 100 and len(took) > 3, out
    assert "Socket errors" not in out and "Non-2xx" not in out, out
