# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The daemons with no more than what their systemd units leave them: capabilities, and no new privileges.

What else the units restrict (paths, system calls) takes systemd itself, and is not tested here.
"""
import pathlib
import stat

import pytest

import daemon
import tcp
from conftest import Lab, Pairs
from kernel import needs_adopt

pytestmark = pytest.mark.spliced
UNITS = pathlib.Path(__file__).resolve().parents[2] / "contrib" / "systemd"
BITS = {"net_admin": 12, "net_raw": 13, "setgid": 6, "setuid": 7, "sys_admin": 21, "perfmon": 38, "bpf": 39}     # capability.h
BYTES = 1 << 20


def capabilities(name):
    unit = (UNITS / f"{name}.service.in").read_text()
    line, = [line for line in unit.splitlines() if line.startswith("CapabilityBoundingSet=")]
    assert "NoNewPrivileges=yes" in unit
    return line.partition("=")[2].lower().replace("cap_", "").split()


@pytest.fixture(scope="module")
def lab(start_cluster, tmp_path_factory):
    work, found = tmp_path_factory.mktemp("units"), daemon.program

    def program(build, name):
        path = found(build, name)
        if not (UNITS / f"{name}.service.in").exists():
            return path
        wrapper = work / name
        names = ",".join(f"+{cap}" for cap in capabilities(name))
        wrapper.write_text(f'#!/bin/sh\nexec setpriv --no-new-privs --bounding-set=-all,{names} {path} "$@"\n')
        wrapper.chmod(stat.S_IRWXU)
        return str(wrapper)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(daemon, "program", program)
        with start_cluster(proxies=1, stores=0, agents=["backend1"]) as cluster:
            cluster.start_agents(Pairs.PORTS.values())
            yield Lab(cluster)


def hosts(lab):
    return lab.cluster.proxies + lab.cluster.agents


def caps(host, name):
    """Of the daemon's process: bits."""
    status = pathlib.Path(f"/proc/{host.process.pid}/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0], 16)


def test_they_have_no_more(lab):
    for host in hosts(lab):
        assert caps(host, "CapBnd") == sum(1 << BITS[cap] for cap in capabilities(host.PROGRAM))
        assert caps(host, "CapEff") == 0 and caps(host, "NoNewPrivs") == 1, "when it is started, it needs none"


@needs_adopt
def test_connections_are_adopted(lab, pairs_on, family):
    before = lab.cluster.proxies[0].counters()["spliced_adopt"]
    client, server = pairs_on(lab)(family, "http")
    tcp.transfer(server, client, BYTES)
    tcp.transfer(client, server, BYTES)
    assert lab.cluster.proxies[0].counters()["spliced_adopt"] == before + 1
    assert lab.cluster.proxies[0].of(client)["bytes_down"] == 0


def test_reload_and_restart(lab, pairs_on, family):
    client, server = pairs_on(lab)(family, "http")
    for host in hosts(lab):
        assert "done" in host.reload()
        host.kill9()
        host.start()
    for host in hosts(lab):
        host.wait_well()
    tcp.transfer(server, client, BYTES)
    tcp.transfer(client, server, BYTES)
