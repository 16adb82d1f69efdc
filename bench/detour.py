# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Proxies that hang between a router and a backend's host, so that answers may pass them, or not.

    client ---- front [router] back ------- straight ------- in [backend] nginx, spliced-agent
                         p1 ---- front [proxy1] back ---- p1
                         p2 ---- front [proxy2] back ---- p2   (and p3)

client - router - backend is what lab.py builds. Requests always pass a proxy; how answers go is the contender's.
"""
import collections
import contextlib
import json
import secrets

import contenders
import lab
import measures

OBJECTS_KB = (1, 4, 64, 256, 1024, 16384)
RELAY_PORT = 7946
AGENT = "agent"
FIELDS = 0x37   # addresses and ports: by policy 1 a packet brings along the hash of the socket that sent it
LIMIT = ("root", "tbf", "rate", "1gbit", "burst", "256kb", "latency", "10ms")
PROBE_FLOWS, PROBE_S, PROBES = 4, 0.2, 20
ALL, NOTHING = 0.9, 0.1     # of what the client gets, the proxies' share


def front_addr(n, digit):
    return f"10.0.{10 + n}.{digit}"


def back_addr(n, digit):
    return f"10.0.{20 + n}.{digit}"


def prepare_objects(the_lab):
    files = the_lab.dir / "files"
    content = (files / "big").read_bytes()[:max(OBJECTS_KB) * 1024]
    for size_kb in OBJECTS_KB:
        (files / f"{size_kb}k").write_bytes(content[:size_kb * 1024])


class Detour(lab.Rig):
    MIDDLE = "router"

    def __init__(self, the_lab, name, options, proxies=1):
        self.options = options
        self.proxies = [f"proxy{n}" for n in range(1, proxies + 1)]
        super().__init__(the_lab, name, self.proxies)

    def build(self):
        super().build()
        for n, proxy in enumerate(self.proxies, 1):
            self.cable("router", f"p{n}", front_addr(n, 1), proxy, "front", front_addr(n, 2), 10 + n)
            self.cable("backend", f"p{n}", back_addr(n, 2), proxy, "back", back_addr(n, 1), 20 + n)
            self.route(n, proxy)
        hops = [word for n in range(1, len(self.proxies) + 1) for word in ("nexthop", "via", front_addr(n, 2))]
        self.ip(self.space["router"], "route", "add", lab.SERVICE_ADDR, *hops)
        lab.run(*lab.in_space(self.space["router"]), "sysctl", "-qw", "net.ipv4.fib_multipath_hash_policy=3",
                f"net.ipv4.fib_multipath_hash_fields={FIELDS}")

    def cable(self, a, dev_a, addr_a, b, dev_b, addr_b, number):
        self.link((a, dev_a, f"02:00:00:00:{number}:01", [f"{addr_a}/24"]),
                  (b, dev_b, f"02:00:00:00:{number}:02", [f"{addr_b}/24"]))

    def route(self, n, proxy):
        """Proxies reach each other by the router; to a proxy's own addresses the backend goes by its cable."""
        self.ip(self.space[proxy], "route", "add", "default", "via", front_addr(n, 1))
        self.ip(self.space[proxy], "route", "add", lab.BACKEND_ADDR, "via", back_addr(n, 2))
        self.ip(self.space["router"], "route", "add", back_addr(n, 0) + "/24", "via", front_addr(n, 2))
        for address in lab.sources(n):
            self.ip(self.space["backend"], "route", "add", address, "via", back_addr(n, 1))

    def limit(self):
        """Both directions of both cables of each proxy."""
        for n, proxy in enumerate(self.proxies, 1):
            for role, dev in (("router", f"p{n}"), (proxy, "front"), (proxy, "back"), ("backend", f"p{n}")):
                lab.run("tc", "-n", self.space[role], "qdisc", "add", "dev", dev, *LIMIT)

    @contextlib.contextmanager
    def without_superpackets(self):
        """What client and backend send has the size of the MTU from the beginning."""
        self.offloads("off")
        try:
            yield
        finally:
            self.offloads("on")

    def offloads(self, state):
        for role, dev in (("client", "out"), ("backend", "in"), *(("backend", f"p{n}") for n in range(1, len(self.proxies) + 1))):
            lab.run(*lab.in_space(self.space[role]), "ethtool", "-K", dev, "tso", state, "gso", state)

    def received_bytes(self, role, *devices):
        links = json.loads(lab.run("ip", "-n", self.space[role], "-j", "-s", "link").stdout)
        return sum(link["stats64"]["rx"]["bytes"] for link in links if link["ifname"] in devices)

    def traffic(self):
        """(bytes that have come to the client, bytes that have come to proxies)"""
        return (self.received_bytes("client", "out"),
                sum(self.received_bytes(proxy, "front", "back") for proxy in self.proxies))

    def counters(self):
        """Those of all proxies together."""
        if self.name not in OURS:
            return collections.Counter()
        said = [contenders.ask(self, self.options, proxy, "status", "--json").stdout for proxy in self.proxies]
        return sum((collections.Counter(json.loads(text)["counters"]) for text in said), collections.Counter())

    def splices(self):
        """(splices that proxies have made, those of them in the mode that the contender is named after)"""
        counters = self.counters()
        return counters["spliced"], counters[f"spliced_{self.name}"]

    def why_strange(self):
        return {name: value for name, value in self.counters().items() if name.startswith("fell_back_")}


class Way:
    """
    While the block runs: @share: for each byte that comes to the client, how many come to proxies; @strange: splices in
    another mode than the contender's.
    """

    def __init__(self, rig):
        self.rig = rig

    def look(self):
        return *self.rig.traffic(), *self.rig.splices()

    def __enter__(self):
        self.begin = self.look()
        return self

    def __exit__(self, *exc):
        client, proxies, made, named = (after - before for before, after in zip(self.begin, self.look()))
        self.share, self.strange = proxies / max(1, client), made - named


# ---- contenders: each returns after all of it has been started ----

def start_through(rig, options):
    """Plain routing by way of the proxy's host, both ways."""
    start_past(rig, options)
    rig.ip(rig.space["backend"], "route", "add", "10.0.1.0/24", "via", back_addr(1, 1))


def start_past(rig, options):
    """Plain routing: requests by way of the proxy's host, answers straight."""
    contenders.start_backend(rig)
    contenders.add_service_address(rig, "backend")
    rig.ip(rig.space["proxy1"], "route", "add", lab.SERVICE_ADDR, "via", back_addr(1, 2))


def start_spliced(rig, options):
    key, store = secrets.token_hex(16), start_store(rig) if is_shared(rig) else None
    members = {**{proxy: back_addr(n, 1) for n, proxy in enumerate(rig.proxies, 1)}, AGENT: lab.BACKEND_ADDR}
    for n, proxy in enumerate(rig.proxies, 1):
        contenders.start_daemon(rig, options, "spliced", proxy, key, SOURCES=", ".join(lab.sources(n)),
                                MORE=cluster(rig, store, members, proxy, [AGENT]), SERVICE_MORE=f"    mode: {rig.name}\n    default: web")
    if rig.name != "whole":
        contenders.start_daemon(rig, options, "spliced-agent", "backend", key,
                                INTERFACES=", ".join(["in", *(f"p{n}" for n in range(1, len(rig.proxies) + 1))]),
                                MORE=cluster(rig, store, members, AGENT, rig.proxies))
    contenders.start_backend(rig)
    for proxy in rig.proxies:
        contenders.wait_ready(rig, options, proxy)


def start_store(rig):
    """One server on a Unix socket, which is the same for all namespaces: the least that a store can cost."""
    path = rig.dir / "store.sock"
    rig.lab.daemon(rig.space["router"], ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", rig.dir],
                   rig.dir / "store.log")
    lab.wait_until(f"{rig.name}: the store does not listen", path.exists)
    return path


def cluster(rig, store, members, name, others):
    """By a shared store they find one another; else each is told of those that it needs."""
    every = ", ".join(address for n in range(1, len(rig.proxies) + 1) for address in lab.sources(n))
    told = ", ".join(f'{{name: {other}, at: "{members[other]}:{RELAY_PORT}"}}' for other in others)
    head = f'cluster: {{name: {name}, relay: "{members[name]}:{RELAY_PORT}", sources: [{every}]'
    if store:
        return f'store: {{engine: redis, servers: ["unix:{store}"], copies: 1}}\n{head}}}\n'
    return f"{head}, members: [{told}]}}\n"


def is_shared(rig):
    return len(rig.proxies) > 1 or rig.options.store == "redis"


START = {"through": start_through, "past": start_past, "whole": start_spliced, "split": start_spliced, "adopt": start_spliced}
OURS = ("whole", "split", "adopt")
VIA_PROXIES = ("through", "whole")


def stand_up(rig, options):
    rig.build()
    START[rig.name](rig, options)
    check_way(rig)


def check_way(rig):
    """All is as the contender's name says; the agent and the proxies need a moment to meet."""
    for _ in range(PROBES):
        with Way(rig) as way:
            measures.download(rig, PROBE_S, "/objects/64k", PROBE_FLOWS, 1)
        if (way.share >= ALL if rig.name in VIA_PROXIES else way.share <= NOTHING) and not way.strange:
            return
    raise lab.LabError(f"{rig.name}: for each byte of the client {way.share:.2f} came to proxies, and {way.strange} splices "
                       f"are in another mode: {rig.why_strange()}")
