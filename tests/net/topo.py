# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Network namespaces to test in.

Two arms (the default); every line is a veth pair, its ends are named after the neighbour:

    client ----- router ----- proxy ----- core ----- backend1
                                            `------- backend2

One arm:

    client ----- router ----- backend1, backend2
                   `--- proxy

`narrow="client"` puts a hop (cpe) with a narrow link behind the client: client -- cpe == router;
`narrow="backend"` one (edge) in front of backend1:                      core == edge -- backend1.

The k-th link is 10.k.0.0/24 and fd00:k::/64; its first end is .1, the second .2.
192.0.2.0/24 and 2001:db8:10::/64 (services) and 10.99.0.1, fd99::1 (SNAT) are routed to the
proxy, which itself has a blackhole there: what the datapath lets slip gets nowhere.
With `past` what has a service's address goes from the backends to the router without the proxy, as agents
on their hosts want it: by a cable of its own between core and router, or, with one arm, at once.
In direct mode nothing runs on the proxy and it routes the services on to backend1, which has
the addresses: so the tests can be tested with nothing but the kernel between the two ends.
"""
import contextlib
import ctypes
import fcntl
import itertools
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading

CLONE_NEWNET = 0x40000000
SIOCETHTOOL = 0x8946
ETHTOOL_SETS = (0x1f, 0x24, 0x2c)       # ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO
libc = ctypes.CDLL(None, use_errno=True)

VIP = {"snat": {4: "192.0.2.10", 6: "2001:db8:10::10"},
       "client": {4: "192.0.2.11", 6: "2001:db8:10::11"}}
VIP_NETS = ("192.0.2.0/24", "2001:db8:10::/64")
SNAT = {4: "10.99.0.1", 6: "fd99::1"}
NOBODY = ("198.18.0.0/15", "2001:2::/48")       # what is sent there ends at the router
run_ids = itertools.count()


def setns(fd):
    if libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def undisturbed():
    """Signals to end wait until this is done: half of it would be left behind."""
    came = []
    before = {number: signal.signal(number, lambda number, _: came.append(number))
              for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)} if in_main_thread() else {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def in_main_thread():
    """Others may not set handlers, and are not interrupted."""
    return threading.current_thread() is threading.main_thread()


class Namespace:
    def __init__(self, run_id, name):
        self.name = name
        self.full = f"{run_id}-{name}"
        self.path = f"/run/netns/{self.full}"
        self.links = {}         # name of the neighbour -> (subnet, our last digit)
        try:
            subprocess.run(["ip", "netns", "add", self.full], check=True)
        except BaseException:       # a signal, too: nobody else knows of it yet
            self.delete()
            raise

    def delete(self):
        subprocess.run(["ip", "netns", "del", self.full], check=False)

    def prepare(self, is_router):
        for key, value in {"ipv4.ip_forward": int(is_router), "ipv6.conf.all.forwarding": int(is_router),
                           "ipv6.conf.default.accept_dad": 0, "ipv6.conf.all.accept_dad": 0,
                           "ipv4.conf.all.rp_filter": 0, "ipv4.conf.default.rp_filter": 0,
                           "ipv4.conf.all.send_redirects": 0, "ipv4.conf.default.send_redirects": 0,
                           "ipv4.icmp_ratelimit": 0, "ipv6.icmp.ratelimit": 0,
                           "ipv4.tcp_congestion_control": "cubic"}.items():
            self.sysctl(key, value)
        self.ip("link set lo up\n")

    def run(self, *cmd, check=True, **kw):
        """Output of a command in here. Not `ip netns exec`, which hides /sys/fs/bpf."""
        with self.inside():
            done = subprocess.run(cmd, text=True, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(cmd)}: {done.stdout}")
        return done.stdout

    def popen(self, *cmd, **kw):
        with self.inside():
            return subprocess.Popen(cmd, **kw)

    def ip(self, lines):
        self.run("ip", "-batch", "-", input=lines)

    @contextlib.contextmanager
    def inside(self):
        """This thread is in here meanwhile. Sockets stay where they were opened."""
        with open("/proc/thread-self/ns/net") as outside, open(self.path) as there:
            setns(there.fileno())
            try:
                yield
            finally:
                setns(outside.fileno())

    def sysctl(self, key, value=None):
        path = pathlib.Path("/proc/sys/net", key.replace(".", "/"))
        with self.inside():
            if value is None:
                return path.read_text().strip()
            path.write_text(str(value))

    @contextlib.contextmanager
    def sysctls(self, **values):
        """ipv4 sysctls, put back afterwards."""
        before = {key: self.sysctl("ipv4." + key) for key in values}
        try:
            for key, value in values.items():
                self.sysctl("ipv4." + key, value)
            yield
        finally:
            for key, value in before.items():
                self.sysctl("ipv4." + key, value)

    @contextlib.contextmanager
    def nft(self, body):
        """A table of ours with these chains, gone afterwards."""
        self.run("nft", "-f", "-", input="table inet test {\n" + body + "\n}\n")
        try:
            yield
        finally:
            self.run("nft", "delete table inet test")

    def counter(self, name):
        """A TCP counter of nstat (TcpExt...) or Tcp/Ip SNMP counter."""
        with self.inside():
            text = "".join(pathlib.Path("/proc/thread-self/net", f).read_text() for f in ("netstat", "snmp"))
        for heads, values in zip(*[iter(text.splitlines())] * 2):
            prefix, *heads = heads.split()
            for head, value in zip(heads, values.split()[1:]):
                if prefix[:-1] + head == name:
                    return int(value)
        raise KeyError(name)

    def set_offloads(self, on):
        """As ethtool -K, without a process for each interface."""
        with self.inside():
            sock = socket.socket()
        with sock:
            for dev, command in itertools.product(self.links, ETHTOOL_SETS):
                value = ctypes.create_string_buffer(struct.pack("II", command, on))
                fcntl.ioctl(sock, SIOCETHTOOL, struct.pack("16sP", dev.encode(), ctypes.addressof(value)))

    def addr(self, version, towards=None):
        k, digit = self.links[towards] if towards else next(iter(self.links.values()))
        return f"10.{k}.0.{digit}" if version == 4 else f"fd00:{k}::{digit}"


def links_of(arms, narrow):
    """[(end, end, is_narrow)], the client's first."""
    front = [("client", "router", False)]
    back = [("core" if arms == 2 else "router", "backend1", False)]
    if narrow == "client":
        front = [("client", "cpe", False), ("cpe", "router", True)]
    if narrow == "backend":
        back = [(back[0][0], "edge", True), ("edge", "backend1", False)]
    middle = [("router", "proxy", narrow == "front")]
    if arms == 2:
        middle.append(("proxy", "core", narrow == "back"))
    return front + middle + back + [(back[0][0], "backend2", False)]


class Topology:
    """Namespaces; each is an attribute, too."""
    ends = None     # whose offloads make superpackets (all)

    def __init__(self):
        self.id = f"sp{os.getpid()}x{next(run_ids)}"
        self.ns = {}
        allow_cubic()

    def __getattr__(self, name):
        try:
            return self.__dict__["ns"][name]
        except KeyError:
            raise AttributeError(name) from None

    def add(self, name, is_router=False):
        self.ns[name] = Namespace(self.id, name)
        self.ns[name].prepare(is_router)

    def offloads(self, on, names=None):
        """Superpackets, from and to these hosts (all)."""
        for ns in (self.ns[name] for name in names or self.ns):
            ns.set_offloads(on)

    @contextlib.contextmanager
    def no_superpackets(self):
        """The ends make none, and nothing on the way does."""
        self.offloads(False, self.ends)
        try:
            yield
        finally:
            self.offloads(True, self.ends)

    def close(self):
        with undisturbed():
            for ns in self.ns.values():
                ns.delete()
        self.ns = {}


class Net(Topology):
    ends = ("client", "backend1")

    def __init__(self, arms=2, mtu=1500, narrow=None, narrow_mtu=1300, direct=False, past=False):
        super().__init__()
        self.arms, self.direct, self.past = arms, direct, past
        try:
            self.links = links_of(arms, narrow)
            for k, (a, b, is_narrow) in enumerate(self.links, 1):
                self.connect(k, a, b, narrow_mtu if is_narrow else mtu)
            self.route()
            if past:
                self.route_past(mtu)
        except BaseException:
            self.close()
            raise

    def get(self, name):
        if name not in self.ns:
            self.add(name, is_router=name != "client" and not name.startswith("backend"))
        return self.ns[name]

    def connect(self, k, a, b, mtu):
        a, b = self.get(a), self.get(b)
        a.ip(f"link add {b.name} type veth peer name {a.name} netns {b.full}\n")
        for digit, ns, peer in ((1, a, b), (2, b, a)):
            ns.links[peer.name] = (k, digit)
            ns.ip(f"link set {peer.name} mtu {mtu} up\n"
                  f"addr add 10.{k}.0.{digit}/24 dev {peer.name}\n"
                  f"addr add fd00:{k}::{digit}/64 dev {peer.name} nodad\n")

    def next_hops(self, target):
        """The neighbour towards a namespace, for each of the others."""
        hops, todo = {target: None}, [target]
        for name in todo:
            for peer in self.ns[name].links:
                if peer not in hops:
                    hops[peer] = name
                    todo.append(peer)
        return hops

    def via(self, ns, hop):
        """Address of a neighbour, v4 and v6, as seen from ns."""
        return [self.ns[hop].addr(version, ns.name) for version in (4, 6)]

    def route(self):
        for k, (a, _, _) in enumerate(self.links, 1):
            self.route_towards(a, f"10.{k}.0.0/24", f"fd00:{k}::/64")
        self.route_towards("router", *NOBODY)
        self.router.ip("".join(f"route add blackhole {net}\n" for net in NOBODY))
        for net in (VIP_NETS, (SNAT[4], SNAT[6])):
            self.route_towards("proxy", *net)
            self.proxy.ip(f"route add blackhole {net[0]} metric 4000\nroute add blackhole {net[1]} metric 4000\n")
        if self.arms == 1:
            self.return_through_proxy()
        if self.direct:
            self.route_services("backend1")

    def route_towards(self, target, net4, net6):
        """Everybody sends these subnets the way to a namespace."""
        for name, hop in self.next_hops(target).items():
            if hop and not self.has_link(name, net4):
                via = self.via(self.ns[name], hop)
                self.ns[name].ip(f"route add {net4} via {via[0]}\nroute add {net6} via {via[1]}\n")

    def has_link(self, name, net4):
        return any(net4 == f"10.{k}.0.0/24" for k, _ in self.ns[name].links.values())

    def return_through_proxy(self):
        """One arm: what backends send to the client passes the proxy too, for `source: client`."""
        via = self.via(self.router, "proxy")
        for peer in self.router.links:
            if peer not in ("client", "cpe", "proxy"):
                self.rule(f"iif {peer} lookup 100")
        k = next(iter(self.client.links.values()))[0]
        self.router.ip(f"route add 10.{k}.0.0/24 via {via[0]} table 100\n"
                       f"route add fd00:{k}::/64 via {via[1]} table 100\n")
        self.errors_through_proxy()

    def route_past(self, mtu):
        """Afterwards, as nothing else may find this way."""
        if self.arms == 2:
            self.connect(len(self.links) + 1, "router", "core", mtu)
        for version in (4, 6):
            at, table = (self.core, "200") if self.arms == 2 else (self.router, "main")
            at.run("ip", f"-{version}", "rule", "add", "from", VIP_NETS[version == 6], "lookup", table)
            if self.arms == 2:
                default = "default" if version == 4 else "::/0"
                at.ip(f"route add {default} via {self.router.addr(version, 'core')} table 200\n")

    def errors_through_proxy(self):
        """The router's own ICMP errors about what the proxy sends with a client's address, too: they bear that packet's mark."""
        self.router.run("nft", "-f", "-", input="table inet marks { chain in { type filter hook prerouting priority 0;"
                                                " iifname proxy meta mark set 1; }; }")
        for family in ("ipv4", "ipv6"):
            self.router.sysctl(f"{family}.fwmark_reflect", 1)
        self.rule("iif lo fwmark 1 lookup 100")

    def rule(self, what):
        for family in ("-4", "-6"):
            self.router.run("ip", family, "rule", "add", *what.split())

    def route_services(self, name):
        """The proxy routes all service addresses to this backend, which has them."""
        hops = self.next_hops(name)
        self.ns[name].ip("".join(f"addr replace {vip}/{32 if version == 4 else 128} dev lo {'nodad' if version == 6 else ''}\n"
                                 for vips in VIP.values() for version, vip in vips.items()))
        at, table = "proxy", ""
        while at != name:
            ns, hop = self.ns[at], hops[at]
            if at == "router":      # one arm: the same address comes by twice, and so do the router's own ICMP errors
                ns.sysctl("ipv4.conf.proxy.accept_local", 1)
                self.rule("iif proxy lookup 101")
                table = "table 101"
            ns.ip("".join(f"route replace {net} via {via} {table}\n" for net, via in zip(VIP_NETS, self.via(ns, hop))))
            at, table = hop, ""

    @property
    def interfaces(self):
        """The proxy's."""
        return list(self.proxy.links)


def allow_cubic():
    """A namespace may only choose what the machine allows to all."""
    path = pathlib.Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
    allowed = path.read_text().split()
    if "cubic" not in allowed:
        path.write_text(" ".join(allowed + ["cubic"]))
