# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Attached by tcx or, as on kernels before 6.6, by clsact: routes, outlives its daemon, changes from one to the other, goes."""
import json
import signal

import pytest

import daemon
from agent_lab import AgentLab
from kernel import can_adopt, has_tcx, needs_tcx
from tcp import MIB, at_bytes, nothing_lost, transfer, wait_for
from web import WHERE, get, tls_get, web_services

pytestmark = pytest.mark.spliced
WAYS = {"tcx": "", "clsact": "clsact"}      # -> SPLICED_ATTACH


@pytest.fixture(autouse=True)
def by_tcx_again(monkeypatch):
    monkeypatch.delenv("SPLICED_ATTACH", raising=False)


@pytest.fixture
def rig(net, servers, start_rig, monkeypatch):
    def configure(net, work):
        services = [entry for source in ("snat", "client")
                    for make in (web_services, daemon.raw_services) for entry in make(net, source)]
        return daemon.config(net, work, services)
    monkeypatch.setenv("SPLICED_ATTACH", "clsact")
    with start_rig(net, configure) as rig:
        yield rig


def filters(net):
    """{interface: the program's id of its clsact filter of ours}"""
    found = {}
    for interface in net.interfaces:
        shown = json.loads(net.proxy.run("tc", "-j", "filter", "show", "dev", interface, "ingress") or "[]")
        for one in shown:
            if one.get("options", {}).get("bpf_name", "").startswith("sp_ingress"):
                assert interface not in found, shown
                found[interface] = one["options"]["prog"]["id"]
    return found


def pinned(rig, kind):
    return sorted(path.name for path in rig.spliced.state_dir.rglob(kind + "_*"))


def test_clsact_is_used(rig):
    assert sorted(filters(rig.net)) == sorted(rig.net.interfaces)
    assert len(pinned(rig, "tc")) == len(rig.net.interfaces) and not pinned(rig, "link")


def test_requests_are_routed(rig, way):
    assert get(rig.client, way).startswith(WHERE["one"])
    assert get(rig.client, way, host="two.example.org").startswith(WHERE["two"])
    assert get(rig.client, way, path="/three/x").startswith(WHERE["three"])
    assert tls_get(rig.client, way, sni="two.example.org").startswith(WHERE["s-two"])


def start_as_another_build(rig):
    """It finds no program of its own."""
    for pin in rig.spliced.state_dir.rglob("prog_*"):
        pin.unlink()
    rig.spliced.start()


@pytest.mark.parametrize("up", [True, False], ids=["upload", "download"])
def test_transfer_outlives_the_daemon(rig, pairs_on, way, up):
    """A new program takes the old one's place under load, and is the only one then."""
    client, server = pairs_on(rig)(way, "http")
    sender, receiver = (client, server) if up else (server, client)
    old = filters(rig.net)
    with nothing_lost(client, server):
        transfer(sender, receiver, 400 * MIB, at_bytes({
            100 * MIB: rig.spliced.kill9, 200 * MIB: lambda: start_as_another_build(rig), 300 * MIB: restart(rig)}))
    new = filters(rig.net)
    assert sorted(new) == sorted(old) and set(new.values()).isdisjoint(old.values())
    assert get(rig.client, way, host="two.example.org").startswith(WHERE["two"])


def restart(rig):
    def how():
        rig.spliced.end(signal.SIGTERM)
        rig.spliced.start()
    return how


@needs_tcx
def test_from_one_to_the_other(rig, pairs_on, monkeypatch, way):
    """As after a new kernel, but with connections that notice nothing."""
    client, server = pairs_on(rig)(way, "http")

    def change(to):
        monkeypatch.setenv("SPLICED_ATTACH", WAYS[to])
        restart(rig)()
        assert len(filters(rig.net)) == (len(rig.net.interfaces) if to == "clsact" else 0)
        assert bool(pinned(rig, "link")) == (to == "tcx") and bool(pinned(rig, "tc")) == (to == "clsact")
    with nothing_lost(client, server):
        transfer(client, server, 400 * MIB, at_bytes({100 * MIB: lambda: change("tcx"), 200 * MIB: lambda: change("clsact")}))
    assert get(rig.client, way).startswith(WHERE["one"])


def test_unload_detaches(rig):
    """Ours alone: another one's filter stays."""
    theirs = rig.net.interfaces[0]
    rig.net.proxy.run("tc", "filter", "add", "dev", theirs, "ingress", "prio", "1", "handle", "7", "bpf", "bytecode", "1,6 0 0 0")
    try:
        rig.spliced.end(signal.SIGTERM)
        assert filters(rig.net)
        assert rig.spliced.unload() == ""
        assert not filters(rig.net) and not rig.spliced.state_dir.exists()
        assert "handle 0x7" in rig.net.proxy.run("tc", "filter", "show", "dev", theirs, "ingress")
        assert rig.spliced.unload() == ""
    finally:
        rig.net.proxy.run("tc", "filter", "del", "dev", theirs, "ingress", check=False)


def test_filter_in_front_is_named(rig, family):
    """One that comes later, at our priority; of a lower one nothing is said."""
    theirs, proxy = rig.net.interfaces[0], rig.net.proxy

    def named():
        return [w["text"] for w in rig.spliced.status()["warning_details"] if w["kind"] == "foreign_program"]

    def add(priority):
        proxy.run("tc", "filter", "add", "dev", theirs, "ingress", "prio", priority, "handle", "7", "bpf", "bytecode", "1,6 0 0 0")
    add("2")
    try:
        add("1")
        said = wait_for(named, "a warning", 15)
        assert len(said) == 1 and theirs in said[0] and "0x7" in said[0]
        proxy.run("tc", "filter", "del", "dev", theirs, "ingress", "prio", "1", "handle", "7", "bpf")
        wait_for(lambda: not named(), "the warning to go", 15)
        assert get(rig.client, family).startswith(WHERE["one"])
    finally:
        proxy.run("tc", "filter", "del", "dev", theirs, "ingress", "prio", "2", check=False)


def test_unload_after_the_qdisc_was_removed(rig):
    rig.spliced.end(signal.SIGTERM)
    for interface in rig.net.interfaces:
        rig.net.proxy.run("tc", "qdisc", "del", "dev", interface, "clsact")
    assert rig.spliced.unload() == ""
    assert not rig.spliced.state_dir.exists()


@pytest.mark.parametrize("by", [pytest.param("tcx", marks=needs_tcx), "clsact"])
def test_interface_comes_and_goes(rig, monkeypatch, by):
    """A name with a dot, as a VLAN has, which is not allowed in a bpffs; then it is configured no more."""
    monkeypatch.setenv("SPLICED_ATTACH", WAYS[by])
    usual, proxy = rig.spliced.conf, rig.net.proxy
    proxy.ip("link add a.100 type veth peer name b.100\nlink set a.100 up\n")
    try:
        rig.spliced.write({**usual, "interfaces": [*usual["interfaces"], "a.100"]})
        restart(rig)()
        kind = "link" if by == "tcx" else "tc"
        assert f"{kind}_a:100" in pinned(rig, kind)
        rig.spliced.write(usual)
        restart(rig)()
        # by tcx it is let go when no splice is left that is as old
        wait_for(lambda: len(pinned(rig, kind)) == len(usual["interfaces"]), "it to be let go", 30)
        assert "sp_ingress" not in proxy.run("tc", "filter", "show", "dev", "a.100", "ingress")
    finally:
        proxy.ip("link del a.100\n")


def test_reload_leaves_the_interfaces(rig, family):
    """A daemon without privileges can't change filters; it says so once, and all is as before."""
    usual, before = rig.spliced.conf, filters(rig.net)
    rig.net.proxy.ip("link add spare type veth peer name other\nlink set spare up\n")
    try:
        for interfaces in ([*usual["interfaces"], "spare"], usual["interfaces"][:1]):
            said = rig.spliced.reload({**usual, "interfaces": interfaces})
            assert said.count("\n") == 1 and "nothing is changed" in said and "interfaces (by clsact)" in said, said
            assert filters(rig.net) == before and len(pinned(rig, "tc")) == len(before)
        assert "done" in rig.spliced.reload(usual)
        assert get(rig.client, family).startswith(WHERE["one"])
    finally:
        rig.net.proxy.ip("link del spare\n")


@pytest.fixture
def agents_host(start_cluster, monkeypatch):
    monkeypatch.setenv("SPLICED_ATTACH", "clsact")
    with start_cluster(agents=["backend1"]) as cluster:
        cluster.start_agents((daemon.RAW_HTTP,))
        yield AgentLab(cluster)


def agents_filters(lab):
    """{(interface, direction): bpf's name} of all clsact filters at the agent's host"""
    return {(interface, way): one["options"]["bpf_name"].split(":")[0] for interface in lab.agent.conf["interfaces"] for way in ("ingress", "egress")
            for one in json.loads(lab.backend1.run("tc", "-j", "filter", "show", "dev", interface, way, check=False) or "[]")
            if "bpf_name" in one.get("options", {})}


def test_an_agent_by_clsact(agents_host, pairs_on, monkeypatch, family):
    """Introduced at ingress, carried at egress; a new daemon goes over to tcx, and back, under a transfer; then it all goes."""
    lab = agents_host
    agent, pair = lab.agent, pairs_on(lab)
    client, server = pair(family, "http")
    ingress = "sp_agent_adopt" if can_adopt() else "sp_agent_in"
    at = {(interface, way): name for interface in agent.conf["interfaces"] for way, name in (("ingress", ingress), ("egress", "sp_egress"))}
    assert agents_filters(lab) == at

    def change(to):
        monkeypatch.setenv("SPLICED_ATTACH", WAYS[to])
        agent.end(signal.SIGTERM)
        agent.start()
        assert agents_filters(lab) == (at if to == "clsact" or not has_tcx() else {})
    with nothing_lost(client, server):
        transfer(server, client, 200 * MIB, at_bytes({50 * MIB: lambda: change("tcx"), 100 * MIB: lambda: change("clsact")}))
    assert lab.down_at_proxies(client) == 0
    before, sent = agent.counters()["agent_introduced"], lab.total("introductions_sent")
    pair(family, "http")
    assert agent.counters()["agent_introduced"] == before + 1
    assert lab.total("introductions_sent") == sent + 1
    agent.end(signal.SIGTERM)
    assert agent.unload() == "" and agents_filters(lab) == {} and not agent.state_dir.exists()
