# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""spliced --init: the file that it writes serves as it is, and what is left to do is said."""
import contextlib
import os
import signal
import stat
import subprocess

import pytest

import daemon
from tcp import wait_for
from topo import SNAT, VIP

pytestmark = [pytest.mark.spliced, pytest.mark.whole("the file has no agents")]
PORT = 8080
# The paths are the default ones: each test has its own.
START = "mount -t bpf bpf /sys/fs/bpf && mount -t tmpfs run /run && exec \"$0\" \"$@\""
FORWARD = {4: "ipv4.ip_forward", 6: "ipv6.conf.all.forwarding"}


@pytest.fixture(scope="module")
def program(request):
    return daemon.program(request.config.getoption("--build"), "spliced")


@pytest.fixture
def init(net, program, tmp_path):
    """Run it with these options. Return its text; @status: as expected."""
    def run(*options, status=0):
        with net.proxy.inside():
            done = subprocess.run([program, "--init", "--output", tmp_path / "spliced.yaml", *options], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == status, done.stdout
        return done.stdout
    return run


def usual(net, versions=(4, 6)):
    return [word for version in versions for word in
            ("--listen", daemon.endpoint(VIP["snat"][version], PORT),
             *(word for name in ("backend1", "backend2") for word in ("--backend", daemon.endpoint(net.ns[name].addr(version), PORT))))]


@contextlib.contextmanager
def web_server(ns):
    process = ns.popen("/usr/bin/python3", "-m", "http.server", str(PORT), "--bind", "::", cwd="/usr/share/common-licenses",
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_file_serves(net, init, program, tmp_path, family):
    file = tmp_path / "spliced.yaml"
    said = init(*usual(net))
    assert "Forwarding" not in said and "blackhole" not in said, "the machine is right"
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in (file, tmp_path / "cookie.key")] == [0o600, 0o600]
    checked = net.proxy.run(program, "--check", str(file))
    assert "warning" not in checked and all(name in checked for name in net.interfaces)
    with contextlib.ExitStack() as stack, open(tmp_path / "log", "w+") as log:
        for ns in (net.backend1, net.backend2):
            stack.enter_context(web_server(ns))
        spliced = net.proxy.popen("unshare", "-m", "sh", "-c", START, program, "--config", file, stdout=log, stderr=log)
        try:
            url = family.url("/BSD", PORT)
            wait_for(lambda: "Regents" in net.client.run("curl", "-s", "-m", "2", url, check=False), "an answer", 20)
        finally:
            spliced.send_signal(signal.SIGTERM)
            spliced.wait(10)
        assert "warning" not in (tmp_path / "log").read_text()
        net.proxy.run("unshare", "-m", "sh", "-c", START, program, "--config", str(file), "--unload")


def test_key_and_file_stay(net, init, tmp_path):
    """Comments alone may be overwritten: the file of a new installation."""
    file, key = tmp_path / "spliced.yaml", tmp_path / "cookie.key"
    file.write_text("# nothing\n")
    init(*usual(net))
    before = key.read_text()
    assert "has a configuration already" in init(*usual(net), status=1)
    file.unlink()
    assert "was there, and stays" in init(*usual(net))
    assert key.read_text() == before


@pytest.mark.parametrize("version", [4, 6], ids=["v4", "v6"])
def test_it_says_what_is_left(net, init, version):
    vip = VIP["snat"][version]
    net.proxy.sysctl(FORWARD[version], 0)
    net.proxy.ip(f"addr add {vip} dev lo\n")
    try:
        said = init(*usual(net))
    finally:
        net.proxy.sysctl(FORWARD[version], 1)
        net.proxy.ip(f"addr del {vip} dev lo\n")
    assert f"net.{FORWARD[version]}=1" in said
    assert f"ip addr del {vip} dev" in said and f"route add blackhole {vip}\n" in said
    assert "systemctl enable --now spliced" in said


def test_source_address(net, init, tmp_path):
    """The machine's own towards the backends, or the one that is given."""
    init(*usual(net))
    text = (tmp_path / "spliced.yaml").read_text()
    assert all(f'"{net.proxy.addr(version, "core")}"' in text for version in (4, 6))
    (tmp_path / "spliced.yaml").unlink()
    said = init(*usual(net, [4]), "--snat", SNAT[4])
    assert f'addresses: ["{SNAT[4]}"]' in (tmp_path / "spliced.yaml").read_text()
    assert f"Backends must send packets for {SNAT[4]} here" in said


@pytest.mark.parametrize("options, said, status", [
    (["--listen", "192.0.2.10:80"], "usage:", 2),
    (["--listen", "192.0.2.10", "--backend", "10.4.0.2:80"], "--listen: found `192.0.2.10`", 2),
    (["--listen", "192.0.2.10:80", "--backend", "10.4.0.2:80", "--protocol", "ftp"], "--protocol: found `ftp`", 2),
    (["--listen", "[2001:db8:10::10]:80", "--backend", "10.4.0.2:80"], "needs a --backend of IPv6", 1),
    (["--listen", "192.0.2.10:80", "--backend", "203.0.113.1:80"], "no route to backend 203.0.113.1", 1),
    (["--listen", "192.0.2.10:80", "--backend", "127.0.0.1:80"], "backend 127.0.0.1 is on this machine", 1),
], ids=lambda value: "")
def test_refusals(init, options, said, status, tmp_path):
    assert said in init(*options, status=status)
    assert not (tmp_path / "spliced.yaml").exists() and not (tmp_path / "cookie.key").exists()
