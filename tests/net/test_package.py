# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Debian packages: built, without a word of lintian, installed, run, upgraded while bytes flow, purged."""
import contextlib
import pathlib
import subprocess
import sys

import pytest

import tcp
from scratch import Machine
from tcp import MIB, wait_for
from topo import VIP

pytestmark = [pytest.mark.spliced, pytest.mark.whole("packages are the same in each mode"), pytest.mark.minutes(2)]
ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "package"
BUILD_LIMIT_S = 600         # without a cache of compiled files
PORT = 7000
UNITS = {"spliced": ["spliced.service", "spliced-announce.service"], "spliced-agent": ["spliced-agent.service"],
         "spliced-web": ["spliced-web.service"]}
PROGRAMS = {"spliced": ["sbin/spliced", "sbin/spliced-check", "bin/splicectl"], "spliced-agent": ["sbin/spliced-agent"],
            "spliced-web": ["sbin/spliced-web"], "spliced-plan": ["bin/spliced-plan"]}


@pytest.fixture(scope="module")
def packages():
    """{name: file}"""
    done = subprocess.run([sys.executable, ROOT / "debian/package.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.name.partition("_")[0]: path for path in OUT.glob("*.deb")}


@pytest.fixture(scope="module")
def machine(net, packages, tmp_path_factory):
    with contextlib.closing(Machine(net.proxy, tmp_path_factory.mktemp("scratch"))) as machine:
        yield machine


def contents(package):
    lines = subprocess.run(["dpkg-deb", "-c", package], check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split()[5].removeprefix("."): line.split()[0] for line in lines}


@pytest.mark.limit(BUILD_LIMIT_S)
def test_packages_have_their_files(packages):
    for name, programs in PROGRAMS.items():
        files = contents(packages[name])
        for program in programs:
            assert files[f"/usr/{program}"] == "-rwxr-xr-x"
            page = pathlib.Path(program).name
            assert any(path.startswith(f"/usr/share/man/man{'8' if 'sbin' in program else '1'}/{page}.") for path in files), page
        for unit in UNITS.get(name, []):
            assert f"/lib/systemd/system/{unit}" in files
        assert f"{name}-dbgsym" in packages


def next_version(package, work):
    """The same package as a later version."""
    tree, out = work / "tree", work / "next.deb"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text("".join(line.rstrip("\n") + "+next\n" if line.startswith("Version:") else line
                               for line in control.read_text().splitlines(True)))
    subprocess.run(["dpkg-deb", "-Znone", "-b", tree, out], check=True, stdout=subprocess.DEVNULL)
    return out


def traces(machine):
    """All that a package may have left."""
    return machine.sh("find /sys/fs/bpf /etc/spliced /usr/sbin/spliced* /usr/share/spliced /lib/systemd/system/spliced* "
                      "/etc/systemd/system/*/spliced* /run/spliced.sock 2>/dev/null | grep spliced", check=False)


def is_ready(machine):
    return "not ready" not in machine.sh("splicectl ready && echo yes || echo not ready", check=False)


@pytest.mark.limit(BUILD_LIMIT_S)
def test_from_install_to_purge(machine, packages, net, tmp_path):
    package = machine.copy(packages["spliced"])
    vip, backend = VIP["snat"][4], net.backend1.addr(4)
    machine.run("dpkg", "-i", package)
    assert "start" not in machine.sh("cat /tmp/systemctl.log"), "nothing is configured yet"
    refused = machine.sh("spliced; echo status $?")
    assert "nothing is configured yet: `spliced --init" in refused and refused.endswith("status 2\n")

    machine.run("spliced", "--init", "--protocol", "tcp", "--listen", f"{vip}:{PORT}", "--backend", f"{backend}:{PORT}")
    assert machine.sh("stat -c %a /etc/spliced/spliced.yaml /etc/spliced/cookie.key").split() == ["600", "600"]
    machine.sh("systemctl enable spliced.service; systemctl start spliced.service")
    wait_for(lambda: is_ready(machine), "the installed daemon to be ready", 20)
    with tcp.listen(net.backend1, PORT) as listener:
        client = tcp.connect(net.client, vip, PORT)
        server = tcp.accept(listener)
        with client, server:
            tcp.transfer(server, client, MIB)
            first = machine.sh("cat /run/spliced.pid")
            later = machine.copy(next_version(packages["spliced"], tmp_path))
            with tcp.nothing_lost(client, server):
                tcp.transfer(server, client, 300 * MIB, tcp.at_bytes({100 * MIB: lambda: machine.run("dpkg", "-i", later)}))
            assert machine.sh("cat /run/spliced.pid") != first, "the upgrade restarts it"
            assert machine.sh("dpkg-query -W -f='${Version}' spliced").endswith("+next")
            wait_for(lambda: is_ready(machine), "the next version to be ready", 20)
            tcp.transfer(client, server, MIB)
            assert "/sys/fs/bpf/spliced" in traces(machine)
    machine.run("dpkg", "--purge", "spliced")
    assert traces(machine) == ""
    assert net.proxy.run("tc", "filter", "show", "dev", net.interfaces[0], "ingress") == ""


def test_purge_without_a_configuration(machine, packages):
    """As it comes, and with a file that is wrong."""
    package = machine.copy(packages["spliced"])
    for text in (None, "services: nonsense\n"):
        machine.run("dpkg", "-i", package)
        if text:
            machine.sh("cat >/etc/spliced/spliced.yaml", input=text)
        machine.run("dpkg", "--purge", "spliced")
        assert traces(machine) == ""


def test_agent_and_web_beside_it(machine, packages):
    files = [machine.copy(packages[name]) for name in UNITS]
    machine.run("dpkg", "-i", *files)
    assert "nothing is configured yet" in machine.sh("spliced-agent; echo status $?")
    machine.run("dpkg", "--purge", *UNITS)
    assert traces(machine) == ""
