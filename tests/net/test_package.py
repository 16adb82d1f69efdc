# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Debian packages: built, without a word of lintian; under systemd installed, run, upgraded while bytes flow, purged."""
import contextlib
import fcntl
import json
import pathlib
import queue
import re
import subprocess
import sys
import threading

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
EXPOSURE = {"spliced": 2.7, "spliced-agent": 2.5, "spliced-web": 1.1}      # as OPERATIONS says
PROGRAMS = {"spliced": ["sbin/spliced", "sbin/spliced-check", "bin/splicectl"], "spliced-agent": ["sbin/spliced-agent"],
            "spliced-web": ["sbin/spliced-web"], "spliced-plan": ["bin/spliced-plan"]}


def is_built():
    """Later than each file that they are made of."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    changes, files = list(OUT.glob("*.changes")), [ROOT / name for name in listed.rstrip("\0").split("\0")]
    return changes and all(file.stat().st_mtime < changes[0].stat().st_mtime for file in files if file.is_file())


def build_packages():
    """{name: file}. Built once, by the first who asks. tests/kernels brings them along, without the tree."""
    if (ROOT / "debian").exists():
        OUT.parent.mkdir(exist_ok=True)
        with open(OUT.parent / "package.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = None if is_built() else subprocess.run([sys.executable, ROOT / "debian/package.py"], capture_output=True, text=True)
        assert not done or done.returncode == 0, done.stdout + done.stderr
    return {path.name.partition("_")[0]: path for path in OUT.glob("*.deb")}


@pytest.fixture(scope="module")
def packages():
    return build_packages()


@pytest.fixture(scope="module")
def machine(net, packages, tmp_path_factory):
    with contextlib.closing(Machine(net.proxy, tmp_path_factory.mktemp("scratch"))) as machine:
        yield machine


def contents(package):
    lines = subprocess.run(["dpkg-deb", "-c", package], check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split()[5].removeprefix("."): line.split()[0] for line in lines}


def test_build_dependencies_are_those_of_run():
    packages = re.search(r"^BUILD_PACKAGES=\((.*?)\)", (ROOT / "run").read_text(), re.S | re.M).group(1).split()
    listed = set(re.findall(r"[\w.+-]+", (ROOT / "debian/control").read_text().partition("\n\n")[0]))
    # with the compiler that each Debian builds with; for tests alone; ninja comes with meson
    assert not set(packages) - listed - {"gcc", "libcmocka-dev", "ninja-build"}


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


def next_version(package, work, name="next.deb"):
    """The same package as a later version."""
    tree, out = work / "tree", work / name
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


def main_pid(machine):
    return int(machine.run("systemctl", "show", "-P", "MainPID", "spliced"))


def wait_ready(machine):
    wait_for(lambda: "status 0" in machine.sh("splicectl ready; echo status $?"), "the daemon to be ready", 20)


def test_nothing_starts_before_it_is_configured(machine, packages):
    machine.dpkg("-i", machine.copy(packages["spliced"]))
    assert machine.run("systemctl", "is-enabled", "spliced", check=False) == "disabled\n"
    assert machine.run("systemctl", "is-active", "spliced", check=False) == "inactive\n"
    with pytest.raises(RuntimeError):
        machine.run("systemctl", "start", "spliced")
    assert "nothing is configured yet: `spliced --init" in machine.run("systemctl", "status", "spliced", check=False)
    assert machine.run("systemctl", "show", "-P", "NRestarts", "spliced") == "0\n"


class Backend:
    """A server whose clients begin with a byte. The checks of --init's file come to it as well, and say nothing."""
    def __init__(self, net):
        self.net, self.clients, self.listener = net, queue.Queue(), tcp.listen(net.backend1, PORT)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            sock.settimeout(tcp.bound(5))
            with contextlib.suppress(OSError):
                if sock.recv(1) == b"x":
                    self.clients.put(sock)
                    continue
            sock.close()

    def connect(self):
        """(client, server)"""
        client = tcp.connect(self.net.client, VIP["snat"][4], PORT)
        client.sendall(b"x")
        return client, self.clients.get(timeout=tcp.bound(15))


@pytest.fixture(scope="module")
def backend(net):
    backend = Backend(net)
    yield backend
    backend.listener.close()


@pytest.fixture(scope="module")
def started(machine, packages, net, backend):
    """As OPERATIONS has it."""
    listen, backend = f"{VIP['snat'][4]}:{PORT}", f"{net.backend1.addr(4)}:{PORT}"
    machine.run("apt-get", "install", "-q", "-y", machine.copy(packages["spliced"]))
    machine.run("spliced", "--init", "--protocol", "tcp", "--listen", listen, "--backend", backend)
    machine.sh("systemctl enable --now spliced || { journalctl --no-pager -u spliced; exit 1; }")
    wait_ready(machine)
    return machine


@pytest.fixture
def ends(started, backend):
    client, server = backend.connect()
    with client, server:
        yield client, server


def test_files_of_init(started):
    assert started.sh("stat -c %a /etc/spliced/spliced.yaml /etc/spliced/cookie.key").split() == ["600", "600"]
    assert "warning" not in started.run("spliced", "--check", "/etc/spliced/spliced.yaml")


def test_reload_of_a_good_and_of_a_bad_file(started, ends):
    client, server = ends
    file = "/etc/spliced/spliced.yaml"
    started.sh(f"cp {file} /tmp/good; echo '# a comment' >>{file}; systemctl reload spliced")
    started.sh(f"echo nonsense: 1 >>{file}; systemctl reload spliced")
    wait_for(lambda: "nonsense" in started.run("systemctl", "status", "spliced"), "a line about the bad file")
    tcp.transfer(server, client, MIB)
    started.sh(f"cp /tmp/good {file}; systemctl reload spliced")
    assert started.run("systemctl", "is-active", "spliced") == "active\n"


def log_a_connection(started, backend, to):
    """Its line is on the way there."""
    file, log = "/etc/spliced/spliced.yaml", f"access_log: {{format: json, to: {to}}}"
    started.sh(f"sed -i '/access_log/d; s|^    default: main|    {log}\\n&|' {file}; systemctl reload spliced")
    wait_for(lambda: log in started.run("splicectl", "config"), "the reload")
    for sock in backend.connect():
        sock.close()


def test_log_to_the_journal(started, backend):
    log_a_connection(started, backend, "journal")
    wait_for(lambda: '"bytes_in":1,' in started.run("journalctl", "--no-pager", "-o", "cat", "-t", "spliced-access"), "a line in the journal", 10)


def test_log_is_rotated(started, backend):
    """By the package's own file for logrotate; the next lines are in a new file."""
    log = "/var/log/spliced/front.log"
    log_a_connection(started, backend, log)
    wait_for(lambda: '"bytes_in":1,' in started.sh(f"cat {log}", check=False), "a line in the file", 10)
    started.run("logrotate", "-f", "/etc/logrotate.d/spliced")
    assert '"bytes_in":1,' in started.sh(f"cat {log}.1")

    def is_anew():
        log_a_connection(started, backend, log)
        return '"bytes_in":1,' in started.sh(f"cat {log}", check=False)
    wait_for(is_anew, "a line in the new file", 10)
    started.sh("sed -i /access_log/d /etc/spliced/spliced.yaml; systemctl reload spliced")


def test_upgrade_during_a_download(started, packages, ends, tmp_path):
    client, server = ends
    first, later = main_pid(started), started.copy(next_version(packages["spliced"], tmp_path))
    with tcp.nothing_lost(client, server), tcp.in_thread(started.dpkg, "-i", later) as upgrade:
        while upgrade.is_alive():
            tcp.transfer(server, client, 32 * MIB)
    assert started.sh("dpkg-query -W -f='${Version}' spliced").endswith("+next")
    assert main_pid(started) not in (0, first), "the upgrade restarts it"
    tcp.transfer(client, server, MIB)
    wait_ready(started)


def test_kill_and_stop_end_no_connection(started, ends):
    client, server = ends
    first = main_pid(started)
    started.run("systemctl", "kill", "-s", "KILL", "spliced")
    wait_for(lambda: main_pid(started) not in (0, first), "systemd to start it again", 10)
    tcp.transfer(server, client, MIB)
    started.run("systemctl", "stop", "spliced")
    tcp.transfer(client, server, MIB)
    started.run("systemctl", "start", "spliced")


def test_removal_and_purge(started, net):
    """A removal leaves what is configured, its link of systemd too, a purge nothing."""
    assert "/sys/fs/bpf/spliced" in traces(started)
    started.dpkg("--remove", "spliced")
    assert {path for path in traces(started).split() if not path.endswith(".service")} == {
        "/etc/spliced", "/etc/spliced/cookie.key", "/etc/spliced/spliced.yaml"}
    started.dpkg("--purge", "spliced")
    assert traces(started) == ""
    assert all(net.proxy.run("tc", "filter", "show", "dev", name, "ingress") == "" for name in net.interfaces)
    assert "spliced" not in started.run("systemctl", "list-units", "--no-legend")


def test_purge_of_a_package_that_never_ran(machine, packages):
    """With a file that is wrong, too."""
    package = machine.copy(packages["spliced"])
    for text in (None, "services: nonsense\n"):
        machine.dpkg("-i", package)
        if text:
            machine.sh("cat >/etc/spliced/spliced.yaml", input=text)
        machine.dpkg("--purge", "spliced")
        assert traces(machine) == ""


def exposure(machine, unit):
    """By `systemd-analyze security`, of 10."""
    said = machine.run("systemd-analyze", "--no-pager", "security", unit)
    return float(re.search(r"Overall exposure level for .*?: ([\d.]+)", said)[1])


def test_exposure_of_the_units(machine, packages):
    machine.dpkg("-i", *(machine.copy(packages[name]) for name in UNITS))
    assert {name: exposure(machine, name) for name in UNITS} == EXPOSURE
    machine.dpkg("--purge", *UNITS)


def agent_config(net):
    return {"interfaces": net.interfaces, "key_file": "/etc/spliced/cookie.key", "serves": [f"{net.proxy.addr(4)}:80"],
            "cluster": {"name": "here", "relay": f"{net.proxy.addr(4)}:7946", "members": [{"name": "there", "at": f"{net.router.addr(4, 'proxy')}:7946"}]}}


def test_agent_and_web_beside_it(machine, packages, net):
    machine.dpkg("-i", *(machine.copy(packages[name]) for name in UNITS))
    assert "nothing is configured yet" in machine.sh("spliced-agent; echo")
    machine.sh("cat >/etc/spliced/spliced-agent.yaml; head -c 16 /dev/urandom | od -An -tx1 | tr -d ' ' >/etc/spliced/cookie.key",
               input=json.dumps(agent_config(net)))
    machine.run("systemctl", "start", "spliced-agent")
    assert "/sys/fs/bpf/spliced-agent" in traces(machine)
    machine.sh("systemctl start spliced-web || { systemctl status --no-pager spliced-web; journalctl --no-pager -n 40; exit 1; }")
    wait_for(lambda: "spliced" in machine.sh("curl -s http://127.0.0.1:9180/", check=False), "the page", 10)
    machine.dpkg("--purge", *UNITS)
    assert traces(machine) == ""
