# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Fixtures of the end-to-end tests. Run as root: /usr/bin/python3 -m pytest tests/net --build DIR

--mode direct puts plain routing in the place of the daemon, to test the tests. The other modes are those of
splices: with all but `whole`, backends have agents. SPLICED_MODE says the same.
"""
import collections
import contextlib
import ctypes
import itertools
import math
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import daemon       # noqa: E402
import tcp          # noqa: E402
from agents import Agents       # noqa: E402
from cluster import MODES, WITH_AGENTS, Cluster      # noqa: E402
from hello import client_hello  # noqa: E402
from servers import Servers     # noqa: E402
from topo import Net, VIP       # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEST_LIMIT_S = 90
USUAL_PATIENCE = 3  # beside other tests
SPLICES = {"splices": 100000}       # for a tenth of what a daemon's start costs the kernel by default
live = []           # what is up: objects with report(), and nets
made = collections.Counter()    # connections of one proxy, by mode


def pytest_addoption(parser):
    parser.addoption("--mode", choices=("direct", *MODES), default=os.environ.get("SPLICED_MODE", "whole"),
                     help="what stands between client and backends")
    parser.addoption("--patient", nargs="?", type=int, const=USUAL_PATIENCE, default=1, metavar="TIMES",
                     help="the machine has other work, or is slow: all may take three, or so many, times as long")
    parser.addoption("--balancer", choices=("spliced", "haproxy", "flow", "spray"),
                     default=os.environ.get("SP_BALANCER", "spliced"), help="what the tests of single requests (shop.py) run"
                     " with; flow and spray: three proxies")
    parser.addoption("--build", default=os.environ.get("SP_BUILD", str(ROOT / "build")), help="Meson build directory")


def pytest_configure(config):
    config.addinivalue_line("markers", "spliced: needs the daemon, skipped in direct mode")
    config.addinivalue_line("markers", "whole(reason): why it is about splices that no agent carries a half of")
    config.addinivalue_line("markers", "syn(reason): why backends must see a SYN of each connection, so that nothing can be adopted")
    config.addinivalue_line("markers", "each_mode: promises something that agents have a part in, so ./run test does it in split and adopt, too")
    config.addinivalue_line("markers", "limit(seconds): other than the usual limit of a test")
    config.addinivalue_line("markers", "slow: takes more than 5 s")
    config.addinivalue_line("markers", "minutes(n): that many pass until its file is done beside others; ./run test begins with the longest")
    tcp.patience = config.getoption("--patient")
    if os.geteuid():
        pytest.exit("the tests in tests/net need root", 77)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def interrupt(number, _):
    """As Ctrl-C, so that fixtures take down namespaces, pins and processes; once, so that nothing breaks into that."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)


def pytest_collection_modifyitems(config, items):
    mode = config.getoption("--mode")
    for item in items:
        whole, syn = item.get_closest_marker("whole"), item.get_closest_marker("syn")
        if mode == "direct" and item.get_closest_marker("spliced"):
            item.add_marker(pytest.mark.skip(reason="needs the daemon"))
        elif whole and mode != "whole":
            item.add_marker(pytest.mark.skip(reason=f"whole only: {whole.args[0]}"))
        elif syn and mode in ("adopt", "auto"):
            item.add_marker(pytest.mark.skip(reason=f"not adopted: {syn.args[0]}"))


def pytest_collection_finish(session):
    """For tests/gate.py, which decides by it what begins first."""
    if session.config.option.collectonly:
        marks = [(item.path.name, item.get_closest_marker("minutes")) for item in session.items]
        for name, minutes in sorted({(name, mark.args[0]) for name, mark in marks if mark}):
            print(f"minutes {minutes} tests/net/{name}")


def pytest_terminal_summary(terminalreporter):
    if made:
        terminalreporter.write_line("connections of one proxy: " + ", ".join(f"{n} {mode}" for mode, n in made.items()))


def pytest_sessionfinish(session):
    """Without this an agent that does nothing would fail no test: all goes whole."""
    mode = session.config.getoption("--mode")
    if mode in ("split", "adopt") and sum(made.values()) > 100 and not made[mode]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    mark = item.get_closest_marker("limit")

    def too_long(*_):
        raise TimeoutError("the test takes too long")
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(math.ceil((mark.args[0] if mark else TEST_LIMIT_S) * max(1, tcp.patience / USUAL_PATIENCE)))
    try:
        yield
    finally:
        signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    item.has_failed = report.failed
    if report.when == "call" and report.failed:
        for thing in live:
            with contextlib.suppress(Exception):
                report.sections += thing.report()


class Capture:
    """The first packets of a test at the proxy, cut off after their headers. Costs nothing once it is full."""
    SNAPLEN, BYTES = 192, 1 << 20
    SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_TIMESTAMP = 26, 33, 29

    def __init__(self, net):
        with net.proxy.inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, self.SNAPLEN))     # return SNAPLEN
        self.sock.setsockopt(socket.SOL_SOCKET, self.SO_ATTACH_FILTER, struct.pack("HxxxxxxP", 1, ctypes.addressof(code)))
        self.sock.setsockopt(socket.SOL_SOCKET, self.SO_RCVBUFFORCE, self.BYTES)
        self.sock.setsockopt(socket.SOL_SOCKET, self.SO_TIMESTAMP, 1)

    def report(self):
        self.sock.settimeout(0)
        with tempfile.NamedTemporaryFile(suffix=".pcap") as out:
            out.write(struct.pack("IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
            with contextlib.suppress(BlockingIOError):
                while True:
                    data, control, _, _ = self.sock.recvmsg(self.SNAPLEN, 64)
                    sec, usec = struct.unpack("qq", control[0][2])
                    length = max(len(data), self.wire_len(data))
                    out.write(struct.pack("IIII", sec, usec, len(data), length) + data)
            out.flush()
            text = subprocess.run(["tcpdump", "-nr", out.name, "-c", "60"], capture_output=True, text=True).stdout
        return [("first packets at the proxy", text)]

    @staticmethod
    def wire_len(data):
        if data[12:14] == b"\x08\x00":
            return 14 + int.from_bytes(data[16:18], "big")
        return 54 + int.from_bytes(data[18:20], "big") if data[12:14] == b"\x86\xdd" else 0


@contextlib.contextmanager
def is_live(thing):
    live.append(thing)
    try:
        yield thing
    finally:
        live.remove(thing)
        thing.close() if hasattr(thing, "close") else None


@pytest.fixture(autouse=True)
def captures(request):
    """Packets of this test, for its report if it fails."""
    found = [Capture(thing.net) for thing in list(live) if isinstance(thing, Rig)]
    live.extend(found)
    yield
    for capture in found:
        live.remove(capture)
        capture.sock.close()


class Way:
    """How a test reaches its backend: family and source address. str() names it in the test's id."""
    def __init__(self, version, source):
        self.version, self.source, self.vip = version, source, VIP[source][version]
        self.url_vip = f"[{self.vip}]" if version == 6 else self.vip

    def __str__(self):
        return f"v{self.version}-{self.source}"

    def url(self, path="/", port=80, scheme="http"):
        return f"{scheme}://{self.url_vip}:{port}{path}"


ways = [Way(version, source) for version, source in itertools.product((4, 6), ("snat", "client"))]


@pytest.fixture(params=ways, ids=str)
def way(request, direct):
    if direct and request.param.source == "snat":
        pytest.skip("plain routing has no SNAT")
    return request.param


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
def family(request, direct):
    """Where the source address makes no difference to the promise."""
    return Way(request.param, "client" if direct else "snat")


@pytest.fixture(scope="session")
def mode(request):
    return request.config.getoption("--mode")


@pytest.fixture(scope="session")
def direct(mode):
    return mode == "direct"


class Rig:
    """Namespaces, in the proxy's a daemon (None in direct mode), and in those of backends agents, where the mode takes them."""
    def __init__(self, net, work, spliced, agents):
        self.net, self.work, self.spliced, self.agents = net, work, spliced, agents
        self.proxies = [spliced] if spliced else []
        self.client, self.backend1, self.backend2 = net.client, net.backend1, net.backend2

    def report(self):
        hosts = [("proxy", self.spliced), *((agent.name, agent) for agent in self.agents)] if self.spliced else []
        return [(f"{name}: {title}", text) for name, host in hosts for title, text in host.report()]

    def rekey(self, *keys):
        """Everybody reads these."""
        for host in (self.spliced, *self.agents):
            host.key = list(keys)
            host.write_key()
            host.hangup()


@pytest.fixture(scope="session")
def start_rig(request, mode, direct):
    """A context manager: a daemon with the configuration that `configure(net, work)` makes, on the net."""
    @contextlib.contextmanager
    def start(net, configure):
        with contextlib.ExitStack() as stack:
            work = stack.enter_context(tempfile.TemporaryDirectory(prefix="sp-net-"))
            build = request.config.getoption("--build")
            agents = stack.enter_context(contextlib.closing(Agents(net, build, pathlib.Path(work))))
            spliced = None
            if not direct:
                daemon.mount_bpffs()
                conf = configure(net, work)
                conf["limits"] = {**SPLICES, **conf.get("limits", {})}
                spliced = daemon.Spliced(net, build, work, agents.configure(conf, mode) if mode in WITH_AGENTS else conf)
                stack.callback(spliced.close)
            rig = Rig(net, pathlib.Path(work), spliced, agents.agents)
            stack.enter_context(is_live(rig))
            if spliced:
                spliced.start()
                agents.start(spliced)
            yield rig
            if spliced and spliced.is_running():
                made.update({name: spliced.counters()[f"spliced_{name}"] for name in ("whole", "split", "adopt")})
    return start


@pytest.fixture(scope="session")
def make_net(mode, direct):
    @contextlib.contextmanager
    def make(**options):
        net = Net(direct=direct, past=mode in WITH_AGENTS, **options)
        try:
            yield net
        finally:
            net.close()
    return make


@pytest.fixture(scope="session")
def net(make_net):
    """The usual one: two arms, MTU 1500."""
    with make_net() as net:
        yield net


@pytest.fixture(scope="session")
def servers(net):
    work = tempfile.mkdtemp(prefix="sp-servers-")
    files = tempfile.mkdtemp(prefix="sp-files-", dir="/dev/shm")
    servers = Servers(net, work, files)
    try:
        yield servers.start()
    finally:
        servers.close()
        shutil.rmtree(work)
        shutil.rmtree(files)


class Lab:
    """Several proxies, as what one proxy's tests want of a rig."""
    def __init__(self, cluster):
        self.cluster, self.net, self.client, self.backend1 = cluster, cluster, cluster.client, cluster.backend1
        self.proxies, self.agents = cluster.proxies, cluster.agents


@pytest.fixture(scope="session")
def start_cluster(request, mode, tmp_path_factory):
    """A context manager: several proxies with raw services, or with those of `services(view, source)`."""
    @contextlib.contextmanager
    def start(sources=("snat",), services=daemon.raw_services, limits={}, store=None, folder=None, **options):
        if mode == "direct":
            pytest.skip("needs the daemon")
        cluster = Cluster(request.config.getoption("--build"), folder or tmp_path_factory.mktemp("cluster"), **(options if "agents" in options else {"mode": mode, **options}))
        with is_live(cluster):
            yield cluster.start([entry for source in sources for entry in services(cluster.view(1), source)],
                                limits={**SPLICES, **limits}, **({"store": store} if store else {}))
    return start


@pytest.fixture(scope="module")
def raw(net, start_rig):
    """A rig with services whose backend is a socket of the test, see pair()."""
    with start_rig(net, daemon.raw_config) as rig:
        yield rig


AGENT_SAYS_S = 0.15     # more than the time between two words of an agent


def wait_until_heard(rig, port):
    """All proxies know that backend1's server listens: before, nothing is adopted."""
    time.sleep(AGENT_SAYS_S)    # they may know of one before it
    for proxy in rig.proxies:
        if proxy.is_awake():
            tcp.wait_for(lambda: not proxy.misses_listener(port), "it to hear that a server listens")


class Pairs:
    """Connections of which the test holds both ends, until the block is over."""
    PORTS = {"tcp": daemon.RAW_TCP, "http": daemon.RAW_HTTP, "tls": daemon.RAW_TLS}
    HEADS = {"tcp": b"", "tls": client_hello("www.example.org"),
             "http": b"POST /upload HTTP/1.1\r\nHost: www.example.org\r\nContent-Length: 99999999999\r\n\r\n"}

    def __init__(self, rig):
        self.rig = rig
        self.stack = contextlib.ExitStack()
        self.listeners = {}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return self.stack.__exit__(*exc)

    def listener(self, kind, **options):
        if kind not in self.listeners:
            self.listeners[kind] = self.stack.enter_context(tcp.listen(self.rig.backend1, self.PORTS[kind], **options))
            if self.rig.agents:
                wait_until_heard(self.rig, self.PORTS[kind])
                self.drain(self.listeners[kind])
        return self.listeners[kind]

    @staticmethod
    def drain(listener):
        """Nobody is here yet but who belongs to a test before."""
        timeout = listener.gettimeout()
        listener.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                listener.accept()[0].close()
        listener.settimeout(timeout)

    def __call__(self, way, kind="tcp", server_options={}, **options):
        """(client's end, server's end); the head has been sent and read."""
        listener = self.listener(kind, **server_options)
        client = self.stack.enter_context(tcp.connect(self.rig.client, way.vip, self.PORTS[kind], **options))
        client.sendall(self.HEADS[kind])
        server = self.stack.enter_context(tcp.accept(listener))
        assert tcp.read(server, len(self.HEADS[kind])) == self.HEADS[kind]
        return client, server


@pytest.fixture
def pair(raw):
    with Pairs(raw) as pairs:
        yield pairs


@pytest.fixture
def pairs_on():
    """For other rigs than `raw`."""
    with contextlib.ExitStack() as stack:
        def on(rig):
            return stack.enter_context(Pairs(rig))
        yield on


@pytest.fixture(params=["tcp", "http"])
def kind(request):
    """The server may speak first, or a head is read first."""
    return request.param
