# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""docs/OPERATIONS.md, followed literally: each block is run, read by its program, or marked as a drawing.

    client 10.2.0.1 --- 10.2.0.11 proxy 10.0.2.254 --- backends 10.0.2.1, 10.0.2.2, and a store 10.4.0.101

The word behind a fence says what a block is: `sh` is run on the proxy, `text` is a drawing, and all else has the name of the file
that it is for. The proxy is a machine of scratch.py, with systemd, and the packages of this tree are copied to it.
"""
import contextlib
import pathlib
import re
import subprocess

import pytest
import yaml

import topo
from scratch import Machine
from tcp import wait_for
from test_package import EXPOSURE, build_packages, next_version

pytestmark = [pytest.mark.spliced, pytest.mark.whole("packages are the same in each mode")]
ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/OPERATIONS.md"
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
VIP, PAGE = "192.0.2.1", "a backend's page"
EXAMPLE = "/usr/share/doc/spliced/examples/spliced-cluster.yaml"


def blocks():
    """(line, word, name, text) of each."""
    text = DOCUMENT.read_text()
    for found in FENCE.finditer(text):
        word, _, name = found[1].partition(" ")
        yield text.count("\n", 0, found.start()) + 1, word, name, found[2]


BLOCKS = list(blocks())


class Hosts(topo.Topology):
    def __init__(self):
        super().__init__()
        try:
            for name in ("client", "proxy", "backends"):
                self.add(name, is_router=name == "proxy")
            self.connect("client", "10.2.0.1/24", "10.2.0.11/24")
            self.connect("backends", "10.0.2.1/24", "10.0.2.254/24")
            self.backends.ip("addr add 10.0.2.2/24 dev proxy\naddr add 10.4.0.101/32 dev lo\nroute add default via 10.0.2.254\n")
            self.proxy.ip("route add 10.4.0.0/24 via 10.0.2.1\n")
        except BaseException:
            self.close()
            raise

    def connect(self, name, there, here):
        self.proxy.ip(f"link add {name} type veth peer name proxy netns {self.ns[name].full}\nlink set {name} up\naddr add {here} dev {name}\n")
        self.ns[name].ip(f"link set proxy up\naddr add {there} dev proxy\n")


@pytest.fixture(scope="module")
def hosts():
    with contextlib.closing(Hosts()) as hosts:
        yield hosts


@pytest.fixture(scope="module")
def backends(hosts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("www")
    (folder / "index.html").write_text(PAGE)
    server = hosts.backends.popen("/usr/bin/python3", "-m", "http.server", "80", cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield
    server.kill()
    server.wait()


@pytest.fixture(scope="module")
def machine(hosts, backends, tmp_path_factory):
    with contextlib.closing(Machine(hosts.proxy, tmp_path_factory.mktemp("scratch"))) as machine:
        for name, path in build_packages().items():
            if not name.endswith("-dbgsym"):
                machine.copy(path)
        yield machine


def get(hosts):
    return hosts.client.run("curl", "-s", "-m", "2", f"http://{VIP}/", check=False)


def follow_steps(hosts, machine, said):
    """The commands that --init has printed, each for its host."""
    for step in re.findall(r"^  (ip|sysctl) (.*)", said, re.M):
        line = " ".join(step)
        if "ADDRESS-OF-THIS-MACHINE" in line:
            hosts.client.run(*line.replace("ADDRESS-OF-THIS-MACHINE", "10.2.0.11").split())
        else:
            machine.sh(line)
    assert f"route add blackhole {VIP}" in said


def run_lines(machine, text):
    """As a shell does that ends at the first failure. Return what was said."""
    return machine.run("bash", "-e", "-c", "cd /tmp\n" + text)


def test_each_block_is_marked():
    assert len(BLOCKS) * 2 == DOCUMENT.read_text().count("```"), "a fence that is no pair"
    for line, word, name, _ in BLOCKS:
        assert word in ("sh", "text") and not name or name in FILES, f"line {line}: `{word} {name}` is not known here"
    assert {name for _, _, name, _ in BLOCKS if name} == set(FILES)


def test_exposure_is_as_measured():
    """By test_package.py."""
    said = " ".join(DOCUMENT.read_text().split())
    assert ", ".join(f"{name} {exposure}" for name, exposure in EXPOSURE.items()) + " of 10" in said


@pytest.mark.limit(600)
def test_commands(hosts, machine, tmp_path):
    """In the order of the document; clients are served from the first start on."""
    is_served = False
    for line, text in [(line, text) for line, word, _, text in BLOCKS if word == "sh"]:
        if "drain-self" in text:    # the next version is there
            machine.sh("rm /tmp/spliced_*.deb")
            machine.copy(next_version(build_packages()["spliced"], tmp_path, "spliced_next.deb"))
        said = run_lines(machine, text)
        assert "REMOVED" not in said, "an upgrade takes no other package along"
        if "--init" in text:
            follow_steps(hosts, machine, said)
        if "enable --now" in text:
            assert "warning" not in said
            is_served = True
        assert not is_served or PAGE in get(hosts), f"line {line}"
    assert is_served and machine.sh("dpkg-query -W -f='${Version}' spliced").endswith("+next")
    assert machine.run("systemctl", "is-active", "spliced", "spliced-web") == "active\nactive\n"
    assert "10.0.2.1:80" in machine.run("splicectl", "orders"), "the weight is the operator's until it is reset"


# ---- files ----

def write(machine, path, text):
    machine.sh(f"mkdir -p $(dirname {path}); cat >{path}", input=text)
    return path


def read_redis(hosts, machine, text, tmp_path):
    """A store server, at the address that it is bound to, with the password of the document."""
    (tmp_path / "redis.conf").write_text(text)
    password = re.search(r"^requirepass (.*)", text, re.M)[1]
    server = hosts.backends.popen("redis-server", str(tmp_path / "redis.conf"), cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: "PONG" in hosts.proxy.run("redis-cli", "-h", "10.4.0.101", "-a", password, "--no-auth-warning", "ping", check=False),
                 "the store server to answer")
    finally:
        server.kill()
        server.wait()


def read_spliced(hosts, machine, text, tmp_path):
    """The example has these lines, and is a file that spliced takes."""
    example, part = yaml.safe_load(machine.sh(f"cat {EXAMPLE}")), yaml.safe_load(text)
    for section, keys in part.items():
        for key, value in keys.items():
            there = example[section][key]
            assert [one for one in there if ":" not in one or "." in one] == value if isinstance(value, list) else there == value, (section, key)
    machine.sh("cd /etc/spliced && (umask 077; echo secret >store.password)")
    machine.run("spliced", "--check", EXAMPLE)


def read_bird(hosts, machine, text, tmp_path):
    machine.run("bird", "-p", "-c", write(machine, "/tmp/bird.conf", text))


def read_unit(hosts, machine, text, tmp_path):
    write(machine, "/etc/systemd/system/bird.service.d/cpu.conf", text)
    machine.run("systemctl", "daemon-reload")
    assert machine.run("systemctl", "show", "-P", "CPUSchedulingPolicy", "-P", "CPUSchedulingPriority", "bird") in ("rr\n1\n", "2\n1\n")


def read_prometheus(hosts, machine, text, tmp_path):
    assert "SUCCESS" in machine.run("promtool", "check", "config", write(machine, "/tmp/prometheus.yml", text))


def read_nft(hosts, machine, text, tmp_path):
    machine.run("nft", "-c", "-f", write(machine, "/tmp/rules.nft", text))


FILES = {"redis.conf": read_redis, "spliced.yaml": read_spliced, "bird.conf": read_bird, "bird.service.d": read_unit,
         "prometheus.yml": read_prometheus, "rules.nft": read_nft}


@pytest.mark.parametrize("name, text", [(name, text) for _, _, name, text in BLOCKS if name],
                         ids=[name for _, _, name, _ in BLOCKS if name])
def test_file(hosts, machine, name, text, tmp_path):
    """Behind test_commands, which installs the packages."""
    FILES[name](hosts, machine, text, tmp_path)
