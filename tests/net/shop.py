# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A host name whose paths are in three pools: fixtures, services, the servers' own record of requests.

    shop.example   /static: pool B   /api, or X-Pool: C: pool C   /none: a pool whose server is not there   the rest: pool A
    other names    no route

Each pool has a server in backend1 and one in backend2 (origin.py). --balancer haproxy puts HAProxy in the place of the
daemon, in the proxy's namespace with the same routes: so the tests can be tested against a balancer of other people.
"""
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import types

import pytest

import daemon
import exchanges
import h1
from tcp import bound, connect, wait_for
from topo import VIP

PORTS = {"A": 8001, "B": 8002, "C": 8003}
NOTHING = 8009              # where no server listens
CLUSTERS = ("flow", "spray")
PATIENCE_S = 8
BACKENDS = ("backend1", "backend2")
ORIGIN = pathlib.Path(__file__).with_name("origin.py")


def services(net, source, ports=PORTS, swapped=False):
    """For daemon.config() and start_cluster(). @swapped: pools B and C have changed places."""
    def to(pool, **conditions):
        return {**conditions, "pool": f"{pool}-{source}"}
    pools = [daemon.pool(net, name, source, port) for name, port in ports.items()]
    nothing = {**daemon.pool(net, "none", source, NOTHING), "failures": 0}
    b, c = ("C", "B") if swapped else ("B", "C")
    yield daemon.service("shop", source, "http", 80, routes=[
        to("none", host=exchanges.HOST, path="/none"), to(b, host=exchanges.HOST, path="/static"),
        to(c, host=exchanges.HOST, path="/api"), to("C", host=exchanges.HOST, header={"name": "X-Pool", "value": "C"}),
        to("A", host=exchanges.HOST)]), *pools, nothing


HAPROXY = """
global
    maxconn 4000
    tune.bufsize 140000
    tune.http.maxhdr 1000
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    timeout http-request 20s
    timeout http-keep-alive 60s
    timeout tunnel 60s
    option http-keep-alive
    http-reuse never
frontend shop
    {binds}
    acl shop hdr(host),host_only -i shop.example
    http-request return status 404 if !shop
    use_backend none if {{ path -m dir /none }}
    use_backend B{family} if {{ path -m dir /static }}
    use_backend C{family} if {{ path -m dir /api }} || {{ hdr(X-Pool) C }}
    default_backend A{family}
backend none
    retries 0
    server none 127.0.0.1:9
"""


def haproxy_config(net, ports):
    """IPv6 clients are served by IPv4 servers: no test asks."""
    binds = "\n    ".join(f"bind {daemon.endpoint(addr, 80)}" for vips in VIP.values() for addr in vips.values())
    text = HAPROXY.format(binds=binds, family="")
    for pool, port in ports.items():
        servers = "".join(f"    server {name} {net.ns[name].addr(4)}:{port}\n" for name in BACKENDS)
        text += f"backend {pool}\n{servers}"
    return text


@contextlib.contextmanager
def haproxy(net, work, ports):
    """In the proxy's namespace, which has the addresses of the services meanwhile."""
    conf = pathlib.Path(work, "haproxy.cfg")
    conf.write_text(haproxy_config(net, ports))
    addresses = [(addr, 32 if version == 4 else 128) for vips in VIP.values() for version, addr in vips.items()]
    net.proxy.ip("".join(f"addr replace {addr}/{bits} dev lo nodad\n" for addr, bits in addresses))
    process = net.proxy.popen("haproxy", "-db", "-f", str(conf), stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: can_connect(net.client, VIP["snat"][4], 80), "HAProxy to listen")
        yield types.SimpleNamespace(net=net, client=net.client, spliced=None, proxies=[])
    finally:
        process.terminate()
        process.wait()
        net.proxy.ip("".join(f"addr del {addr}/{bits} dev lo\n" for addr, bits in addresses))


def can_connect(ns, addr, port):
    try:
        connect(ns, addr, port).close()
        return True
    except OSError:
        return False


def namespace(rig, name):
    return getattr(rig, "net", rig).ns[name]


class Origins:
    """The servers, and all that they have written down."""

    def __init__(self, rig, work):
        self.paths = {name: pathlib.Path(work, f"{name}.record") for name in BACKENDS}
        self.read_to = dict.fromkeys(BACKENDS, 0)
        self.events = []
        pairs = [f"{port}={pool}" for pool, port in PORTS.items()]
        self.processes = [namespace(rig, name).popen(sys.executable, str(ORIGIN), name, str(path), *pairs) for name, path in self.paths.items()]
        for name in BACKENDS:
            wait_for(lambda: can_connect(namespace(rig, name), "127.0.0.1", PORTS["C"]), f"the servers of {name}")

    def fetch(self):
        """All events since forget()."""
        for name, path in self.paths.items():
            with open(path, "rb") as file:
                file.seek(self.read_to[name])
                lines = file.read().rpartition(b"\n")[0]
            self.read_to[name] += len(lines) + bool(lines)
            self.events += [json.loads(line) for line in lines.splitlines()]
        return self.events

    def forget(self):
        self.fetch()
        self.events = []

    def of(self, event):
        return [each for each in self.fetch() if each["event"] == event]

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()


class Visit(h1.Client):
    """A connection to the shop, which keeps account of its requests."""

    def __init__(self, shop, sock):
        super().__init__(sock)
        self.shop = shop

    def post(self, request):
        """Send it."""
        self.shop.sent.append(request)
        self.send(request.wire())
        return request

    def ask(self, request):
        self.shop.sent.append(request)
        return super().ask(request)

    def answer(self, request):
        response = super().answer(request)
        self.shop.answered.append(request.nonce)
        return response


class Shop:
    """For one test. At its end the servers' records are compared with its requests."""

    def __init__(self, rig, origins, balancer):
        self.rig, self.origins, self.balancer = rig, origins, balancer
        self.client, self.spliced = rig.client, rig.spliced
        self.sent, self.answered = [], []
        self.may_be_bad = False     # the servers have seen what is no request, and that is well
        self.times = {}             # nonce: how often a request was sent
        self.stack = contextlib.ExitStack()
        origins.forget()

    def visit(self, way, **options):
        return self.stack.enter_context(Visit(self, connect(self.client, way.vip, 80, timeout=bound(PATIENCE_S), **options)))

    def heads(self):
        """{nonce: [event of its head]}"""
        heads = {}
        for event in self.origins.of("head"):
            heads.setdefault(event.get("nonce"), []).append(event)
        return heads

    def check(self):
        """Each request came to a server of its pool: once if it was answered, else at most once. No other came."""
        wanted = {request.nonce: request for request in self.sent}
        wait_for(lambda: set(self.answered) <= set(self.heads()), "the servers' records of what they have answered", 2)
        heads = self.heads()
        strange = {nonce: events for nonce, events in heads.items() if nonce not in wanted}
        assert not strange, f"requests that no client has sent: {strange}"
        for nonce, events in heads.items():
            pool = wanted[nonce].pool
            assert all(event["pool"] == pool for event in events), f"{wanted[nonce]} came to {events}"
            assert len(events) == self.times.get(nonce, 1), f"{wanted[nonce]} came {len(events)} times: {events[:10]}"
        bad = self.origins.of("bad")
        assert self.may_be_bad or not bad, bad
        self.check_uploads(wanted)

    def check_uploads(self, wanted):
        got = {event["nonce"]: event["upload"] for event in self.origins.of("body")}
        for nonce in set(self.answered) & set(got):
            body = wanted[nonce].body or b""
            assert got[nonce] == exchanges.digest(body), f"{wanted[nonce].nonce}: another body came"


@pytest.fixture(scope="session")
def balancer(request):
    return request.config.getoption("--balancer")


@pytest.fixture(scope="module")
def open_balancer(request, balancer):
    """A context manager for these ports of the pools: the rig."""
    @contextlib.contextmanager
    def start(work, ports=PORTS):
        if balancer in CLUSTERS:
            with request.getfixturevalue("start_cluster")(services=lambda net, source: services(net, source, ports), way=balancer) as rig:
                rig.spliced = None
                yield rig
            return
        net = request.getfixturevalue("net")
        if balancer == "haproxy":
            with haproxy(net, work, ports) as rig:
                yield rig
        else:
            with request.getfixturevalue("start_rig")(
                    net, lambda net, work: daemon.config(net, work, services(net, "snat", ports))) as rig:
                yield rig
    return start


@pytest.fixture(scope="module")
def market(open_balancer):
    """Servers and a balancer."""
    with tempfile.TemporaryDirectory(prefix="sp-shop-") as work, open_balancer(work) as rig:
        with contextlib.closing(Origins(rig, work)) as origins:
            yield rig, origins


@pytest.fixture
def shop(request, market, balancer):
    shop = Shop(*market, "haproxy" if balancer == "haproxy" else "spliced")
    with shop.stack:
        yield shop
    if not request.node.has_failed:
        shop.check()


@pytest.fixture
def on_spliced(balancer):
    if balancer == "haproxy":
        pytest.skip("a promise of spliced alone")


@pytest.fixture
def on_one_proxy(balancer):
    if balancer != "spliced":
        pytest.skip("about one daemon")


class Way:
    """IPv4 and `source: snat`, for tests in which the way makes no difference."""
    version, source, vip = 4, "snat", VIP["snat"][4]


@pytest.fixture
def way():
    return Way()
