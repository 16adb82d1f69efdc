# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What kernels.py runs in each machine: programs, tests/bpf, requests through a daemon, end to end, and some of tests/net.

    inside.py DIR       DIR has the tree's build/ and tests/. Prints a line of JSON for each case, the last one is "end".
"""
import contextlib
import hashlib
import json
import math
import pathlib
import platform
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from types import SimpleNamespace

RUN = pathlib.Path(sys.argv[1])
BUILD = RUN / "build"
sys.path.insert(0, str(RUN / "tests/net"))

import daemon       # noqa: E402
import speed        # noqa: E402
import tcp          # noqa: E402
import web          # noqa: E402
from agents import Agents       # noqa: E402
from servers import Servers     # noqa: E402
from topo import VIP, Net       # noqa: E402

FLOOR = (6, 1)              # below it the daemon must refuse
TCX, ADOPT = (6, 6), (6, 9)
CASE_LIMIT_S = 300
SIZE, RATE = 50 << 20, "10M"    # of a download that outlives something: 5 s
WAYS = [SimpleNamespace(vip=VIP["snat"][version], at=VIP["snat"][4] if version == 4 else f"[{VIP['snat'][6]}]") for version in (4, 6)]
NET_TESTS = {
    "VLAN interfaces, of the proxy and of an agent": "tests/net/test_vlan.py -k 'interfaces or agent_of'",
    "three proxies and Redis, by flow, by packet, by BIRD": "tests/net/test_cluster.py -k 'through_three and v4 and http'",
    "introductions to an agent": "tests/net/test_introduce.py -k 'nothing_is_asked and snat'",
}
ROUTE = {"host": "new.example.org", "pool": "two-snat"}

release = tuple(int(n) for n in platform.release().split(".")[:2])


def tell(case, result, said=""):
    print(json.dumps({"case": case, "result": result, "said": said}), flush=True)


def too_long(*_):
    raise TimeoutError(f"not done after {CASE_LIMIT_S} s")


class Skipped(Exception):
    """There is nothing to try: it says why."""


@contextlib.contextmanager
def case(name):
    """Its block appends what is worth telling. What goes wrong fails this case and none of the next."""
    said = []
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(CASE_LIMIT_S)
    try:
        yield said
        tell(name, "ok", "; ".join(said))
    except Skipped as reason:
        tell(name, "skipped", str(reason))
    except Exception as error:
        traceback.print_exc()
        tell(name, "failed", f"{type(error).__name__}: {error}"[-1500:])
    finally:
        signal.alarm(0)


def run_bpf_tests():
    for test in sorted(BUILD.glob("tests/bpf/test_*"), key=lambda path: path.name != "test_stack"):
        with case(f"bpf: {test.name.removeprefix('test_')}") as said:
            done = subprocess.run([test], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=CASE_LIMIT_S)
            assert done.returncode in (0, 77), done.stdout[-1400:]
            assert not done.returncode or release < ADOPT, done.stdout
            if done.returncode:
                raise Skipped("it needs Linux 6.9")
            said += [line for line in done.stdout.splitlines() if "bytes; frames" in line]


class Lab:
    """A daemon between a client and two servers; with agents beside these, if `mode` asks for them."""
    def __init__(self, stack, mode=None):
        self.net = Net(past=mode is not None)
        stack.callback(self.net.close)
        self.work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm")))
        self.servers = Servers(self.net, self.work, self.work)
        stack.callback(self.servers.close)
        self.servers.make_certificate()
        for name in ("backend1", "backend2"):
            self.servers.nginx(name)
            tcp.wait_for(lambda: self.servers.answers(name, daemon.HTTP), f"the server of {name}")
        self.file = self.servers.file("big", SIZE)
        self.sum = hashlib.sha256(self.file.read_bytes()).hexdigest()
        agents = Agents(self.net, BUILD, self.work)
        stack.callback(agents.close)
        conf = daemon.config(self.net, self.work, list(web.web_services(self.net, "snat")), limits={"splices": 10000})
        self.spliced = daemon.Spliced(self.net, BUILD, self.work, agents.configure(conf, mode) if mode else conf)
        stack.callback(self.spliced.close)
        self.spliced.start()
        if mode:
            agents.start(self.spliced)
        self.agents = agents.agents

    def curl(self, way, path="/", *options, port=daemon.HTTP):
        return self.net.client.popen("curl", "-sS", "--max-time", "120", *options, f"http://{way.at}:{port}{path}", stdout=subprocess.PIPE)

    def download(self, way, *options, meanwhile=lambda: None):
        """All of the file, byte by byte; `meanwhile` once some of it is here."""
        curl, digest, count = self.curl(way, "/files/big", *options), hashlib.sha256(), 0
        while data := curl.stdout.read(65536):
            digest.update(data)
            if count < SIZE // 5 <= count + len(data):
                meanwhile()
            count += len(data)
        assert curl.wait() == 0 and (count, digest.hexdigest()) == (SIZE, self.sum), f"curl: {curl.returncode}, {count} bytes"

    def short_ones(self, count, host="www.example.org"):
        for i in range(count):
            assert web.get(self.net.client, WAYS[i % 2], host=host).startswith(web.WHERE["one"])


def requests(lab):
    for way in WAYS:
        assert lab.curl(way).stdout.read().startswith(b"backend1:80 GET"), way.at
        answer = lab.curl(way, "/", "-o", "/dev/null", "-w", "%{http_code}", port=daemon.HTTP_B).stdout.read()
        assert answer == b"404", answer
        assert web.tls_get(lab.net.client, way, sni="two.example.org").startswith(web.WHERE["s-two"])


def kill_and_restart(lab):
    def meanwhile():
        lab.spliced.kill9()
        threading.Timer(1, lab.spliced.start).start()
    for way in WAYS:
        lab.download(way, "--limit-rate", RATE, meanwhile=meanwhile)
        tcp.wait_for(lab.spliced.is_running, "the daemon to run again")


def reload_with_a_route(lab):
    conf = json.loads(json.dumps(lab.spliced.conf))
    conf["services"][0]["routes"].insert(0, ROUTE)
    assert "done" in lab.spliced.reload(conf)
    for way in WAYS:
        assert web.get(lab.net.client, way, host=ROUTE["host"]).startswith(web.WHERE["two"])


def reload_with_a_bad_file(lab):
    good = lab.spliced.conf
    assert "nothing is changed" in lab.spliced.reload({**good, "interfaces": "none"})
    lab.short_ones(2)
    lab.spliced.write(good)


def reload_with_an_interface(lab, said):
    """By clsact it takes a restart."""
    usual = lab.spliced.conf
    lab.net.proxy.ip("link add more type veth peer name other\nlink set more up\n")
    news = lab.spliced.reload({**usual, "interfaces": [*usual["interfaces"], "more"]})
    if release < TCX:
        assert "nothing is changed" in news and "restart" in news and "restored" not in news, news
        said.append("refused by name")
        lab.short_ones(2)
        lab.spliced.end(signal.SIGTERM)
        lab.spliced.start()
    else:
        assert "done" in news, news
    assert list(lab.spliced.state_dir.rglob("link_more" if release >= TCX else "tc_more"))
    lab.short_ones(2)


def programs():
    """Names of ours that the kernel has."""
    shown = json.loads(subprocess.run(["bpftool", "-j", "prog", "show"], stdout=subprocess.PIPE, check=True).stdout)
    return [program["name"] for program in shown if program.get("name", "").startswith("sp_")]


def unload(lab):
    assert programs()
    for one in (lab.spliced, *lab.agents):
        one.end(signal.SIGTERM)
        assert one.unload() == "" and not one.state_dir.exists()
    tcp.wait_for(lambda: not programs(), "the kernel to let go of all programs")


def whole():
    with contextlib.ExitStack() as stack, case("start") as said:
        lab = Lab(stack)
        said.append("by tcx" if list(lab.spliced.state_dir.rglob("link_*")) else "by clsact")
        stack = stack.pop_all()
    with stack:
        with case("curl, IPv4 and IPv6; 404; TLS"):
            requests(lab)
        with case("50 MiB, checksum"):
            for way in WAYS:
                lab.download(way)
        with case("the same over kill -9 and restart"):
            kill_and_restart(lab)
        with case("200 short connections"):
            lab.short_ones(200)
        with case("reload: new route"):
            reload_with_a_route(lab)
        with case("reload: bad file"):
            reload_with_a_bad_file(lab)
        with case("reload: new interface") as said:
            reload_with_an_interface(lab, said)
        with case("--unload leaves nothing"):
            unload(lab)


def both_killed(lab, said, mode):
    """Daemon and agents are dead until the download is over."""
    wanted = {"adopt": "split"}.get(mode, mode) if release < ADOPT else mode

    def counted():
        return lab.spliced.counters()[f"spliced_{wanted}"]

    def meanwhile():
        """Not where the download fell back: while the machine stalls, an agent seems to be dead."""
        if counted() > before:
            for one in (lab.spliced, *lab.agents):
                one.kill9()
    for _ in range(6):
        before = counted()
        lab.download(WAYS[0], "--limit-rate", RATE, meanwhile=meanwhile)
        if not lab.spliced.is_running():
            break
    assert not lab.spliced.is_running(), lab.spliced.counters()
    for one in (lab.spliced, *lab.agents):
        one.start()
    if wanted != mode:
        log = lab.agents[0].log.read_text()
        said += [line.split(": ", 1)[1] for line in log.splitlines() if "adopt is not offered" in line][:1]
        assert said, log


def past_the_proxy(mode):
    with contextlib.ExitStack() as stack, case(f"{mode}: both daemons killed") as said:
        lab = Lab(stack, mode)
        both_killed(lab, said, mode)
        lab.short_ones(10)
        unload(lab)


def refusal(*words):
    """The only line that the daemon says when it is started."""
    with contextlib.ExitStack() as stack:
        try:
            Lab(stack)
        except AssertionError as error:
            said = str(error).strip().split("\n")[1:]
            assert len(said) == 1 and all(word in said[0] for word in words), error
            return said[0]
    raise AssertionError("it starts")


def without_jit():
    switch = pathlib.Path("/proc/sys/net/core/bpf_jit_enable")
    with case("refused without JIT") as said:
        try:
            switch.write_text("0")
        except OSError as error:
            raise Skipped(f"there is always one: {error.strerror}") from error
        try:
            said.append(refusal("bpf_jit_enable"))
        finally:
            switch.write_text("1")


def slowness():
    """How many times longer than on the host something takes here, and at least as long as beside other work there."""
    return max(3, math.ceil(speed.loop_s() / float((RUN / "speed").read_text())))


def run_net_tests(name, arguments, patience):
    with case(name) as said:
        signal.alarm(0)     # each test has a limit of its own
        said.append(f"with {patience} times the patience")
        done = subprocess.run([sys.executable, "-m", "pytest", *shlex.split(arguments), "--build", BUILD, f"--patient={patience}",
                               "-v", "--color=no"], cwd=RUN)
        assert not done.returncode, f"pytest: {done.returncode}"


def main():
    daemon.mount_bpffs()
    tcp.patience, tcp.TIMEOUT = 4, 60       # the processor is emulated
    tell("boot", "ok", f"{platform.release()}, up for {time.monotonic():.0f} s")
    arguments = (RUN / "arguments").read_text()
    if arguments:
        run_net_tests("tests", arguments, slowness())
    elif release < FLOOR:
        with case("refused at start") as said:
            said.append(refusal("needs Linux", platform.release()))
    else:
        without_jit()
        run_bpf_tests()
        whole()
        past_the_proxy("split")
        past_the_proxy("adopt")
        patience = slowness()
        for name, tests in NET_TESTS.items():
            run_net_tests(name, tests, patience)
    tell("end", "ok")


main()
