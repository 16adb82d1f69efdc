# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Several proxies, and the servers that they share their splices by, each a host of its own.

                          .--- proxy1 ---.
    client --- router ----+--- proxy2 ---+---- core --- backend1
                   front  '--- proxy3 ---' back  `----- backend2
                            |    |    |
                            '----+----'
                               stores  `--- store1, store2, store3

front, back and stores are LANs: bridges in the namespace `switch`. To pull a plug takes down the
switch's end of a cable: the host has no carrier, and all others see nothing but silence.

    front    10.2.0.0/24, fd00:2::/64     router .1, proxies from .11 on
    back     10.3.0.0/24, fd00:3::/64     core .1, proxies from .11 on
    stores   10.4.0.0/24, fd00:4::/64     proxies from .11 on, servers from .101 on
    10.1.0.0/24 client - router, 10.5.0.0/24 core - backend1, 10.6.0.0/24 core - backend2 (and fd00:k::)

With agents=["backend1"] that host is also in front (.21) and stores, has an agent (hosts.Agent), and answers
out of a service's address straight by way of the router. With a mode that takes agents, and none named, both have one, and start() starts them.

Services are at topo.VIP. Proxy n has the SNAT addresses 10.99.0.n and fd99::n, which come to it alone
while it is there, else to any. How a packet finds its proxy is said in ways.py.
"""
import contextlib
import json
import os
import pathlib
import types

from addresses import CLIENT_NETS, LANS, SNAT_NETS, addr, mac, snat
from tcp import open_socket, reset, wait_for
from topo import Topology, VIP, VIP_NETS, undisturbed
import daemon
import hosts
import ways

# Policy 1 would do on a router of its own. Here a packet brings along the random hash of the socket that sent it.
PORTS_AND_ADDRESSES = 0x37
SEEN = """table netdev seen {
set at { type ether_addr . inet_service; }
chain out {
type filter hook egress device front priority 0
ip6 daddr %s tcp dport %d tcp flags & (syn | ack) == syn add @at { ether daddr . tcp sport }
}
}"""
BACKENDS = ("backend1", "backend2")
WITH_AGENTS = ("split", "adopt", "auto")
MODES = ("whole", *WITH_AGENTS)
WAYS = {"flow": ways.Flow, "spray": ways.Spray, "bird": ways.Bird, "bird-hold": ways.BirdHold}

# One in a hundred segments, at a router: for Namespace.nft().
LOSS = """chain lose {
    type filter hook forward priority 0
    meta l4proto tcp numgen random mod 100 < 1 counter drop
}"""


class Cluster(Topology):
    """Namespaces and ways at once; servers and daemons by start()."""

    def __init__(self, build, work, proxies=3, stores=3, way="flow", mtu=1500, mode=None, agents=()):
        super().__init__()
        self.build, self.work, self.mtu = build, pathlib.Path(work), mtu
        self.lans, self.proxies, self.stores, self.agents, self.way = {}, [], [], [], None
        self.mode, self.starts_agents = mode, mode in WITH_AGENTS and not agents
        self.agent_names = BACKENDS if self.starts_agents else agents
        self.past = bool(self.agent_names)      # as of topo.Net
        self.key = os.urandom(16).hex()
        daemon.mount_bpffs()
        try:
            self.build_net(proxies, stores)
            self.way = WAYS[way](self)
            self.stores = [hosts.Store(self, n) for n in range(1, stores + 1)]
        except BaseException:
            self.close()
            raise

    def build_net(self, proxies, stores):
        self.names = [f"proxy{n}" for n in range(1, proxies + 1)]
        for name in ("client", *BACKENDS, "switch", *(f"store{n}" for n in range(1, stores + 1))):
            self.add(name)
        for name in ("router", "core", *self.names):
            self.add(name, is_router=True)
        self.switch.ip("".join(f"link add {lan} type bridge stp_state 0 mcast_snooping 0\nlink set {lan} up\n" for lan in LANS))
        self.cable(1, "client", "router")
        for k, name in ((5, "backend1"), (6, "backend2")):
            self.cable(k, "core", name)
        self.plug("router", "front", 1)
        self.plug("core", "back", 1)
        for n, name in enumerate(self.names, 1):
            for lan in LANS:
                self.plug(name, lan, 10 + n)
        for n in range(1, stores + 1):
            self.plug(f"store{n}", "stores", 100 + n)
        for name in self.agent_names:
            for lan in ("front", "stores"):
                self.plug(name, lan, 20 + int(name[-1]))
        self.introduce()
        self.route()
        for name in self.agent_names:
            self.route_straight(name)
        for name in ("client", "backend1", "backend2"):
            self.ns[name].sysctl("ipv4.tcp_no_metrics_save", 1)     # docs/OPERATIONS.md; a client's last outage is no part of this one

    def route_straight(self, name):
        """What has a service's address leaves this backend's host for the router, and not for the proxies."""
        for version in (4, 6):
            self.ns[name].run("ip", f"-{version}", "rule", "add", "from", VIP_NETS[version == 6], "lookup", "200")
            self.ns[name].ip(f"route add {CLIENT_NETS[version == 6]} via {addr(2, 1, version)} table 200\n")

    def cable(self, k, a, b):
        """Between two of them; its ends are named after the neighbour."""
        self.ns[a].ip(f"link add {b} type veth peer name {a} netns {self.ns[b].full}\n")
        for digit, name, peer in ((1, a, b), (2, b, a)):
            self.configure(name, peer, k, digit)

    def plug(self, name, lan, digit):
        """Into a LAN; the end here is named after the LAN."""
        self.switch.ip(f"link add {lan}-{name} mtu {self.mtu} type veth peer name {lan} netns {self.ns[name].full}\n"
                       f"link set {lan}-{name} master {lan} up\n")
        self.configure(name, lan, LANS[lan], digit)
        self.lans.setdefault(lan, []).append((name, digit))

    def configure(self, name, dev, k, digit):
        ns = self.ns[name]
        ns.links[dev] = (k, digit)
        ns.ip(f"link set {dev} address {mac(k, digit)} mtu {self.mtu} up\n"
              f"addr add {addr(k, digit)}/24 dev {dev}\n"
              f"addr add {addr(k, digit, 6)}/64 dev {dev} nodad\n")

    def introduce(self):
        """Neighbours know each other for good: what is tested isn't ARP."""
        for lan, members in self.lans.items():
            k = LANS[lan]
            for name, me in members:
                self.ns[name].ip("".join(f"neigh replace {addr(k, digit, version)} lladdr {mac(k, digit)} dev {lan} nud permanent\n"
                                         for _, digit in members if digit != me for version in (4, 6)))

    def route(self):
        for version in (4, 6):
            default = "default" if version == 4 else "::/0"
            self.client.ip(f"route add {default} via {addr(1, 2, version)}\n")
            for k, name in ((5, "backend1"), (6, "backend2")):
                self.ns[name].ip(f"route add {default} via {addr(k, 1, version)}\n")
            for name in self.names:
                self.ns[name].ip(f"route add {CLIENT_NETS[version == 6]} via {addr(2, 1, version)}\n" + "".join(
                    f"route add {'10.%d.0.0/24' % k if version == 4 else 'fd00:%d::/64' % k} via {addr(3, 1, version)}\n"
                    for k in (5, 6)))
        for net in VIP_NETS + SNAT_NETS:
            for name in ("router", "core", *self.names):
                self.ns[name].ip(f"route add blackhole {net} metric 4000\n")
        for name in ("router", "core"):
            for family in ("ipv4", "ipv6"):
                self.ns[name].sysctl(f"{family}.fib_multipath_hash_policy", 3)
                self.ns[name].sysctl(f"{family}.fib_multipath_hash_fields", PORTS_AND_ADDRESSES)

    def config(self, number, services_and_pools, store=None, cluster=None, **more):
        """A proxy's file as a dictionary, see daemon.config(); store and cluster add to what is usual."""
        work = self.work / f"proxy{number}"
        work.mkdir(exist_ok=True)
        conf = daemon.config(self.view(number), work, services_and_pools,
                             cluster={"name": f"proxy{number}", "relay": f"{addr(3, 10 + number)}:7946",
                                      "sources": [snat(n, version) for n in range(1, len(self.names) + 1) for version in (4, 6)],
                                      **(cluster or {})}, **more)
        if self.mode:
            daemon.set_mode(conf, self.mode)
        conf["source"]["addresses"] = [snat(number, version) for version in (4, 6)]
        if self.stores:
            conf["store"] = {"engine": "redis", "servers": [s.endpoint for s in self.stores],
                             "copies": min(3, len(self.stores)), **(store or {})}
        elif self.agent_names:
            conf["cluster"]["members"] = [{"name": name, "at": self.agent_relay(name)} for name in self.agent_names]
        return conf

    def agent_relay(self, name):
        return f"{self.ns[name].addr(4, 'core')}:7946"

    def shared(self):
        """What an agent knows the proxies by: a store, or, without one, their names."""
        if self.stores:
            return {"store": {"engine": "redis", "servers": [s.endpoint for s in self.stores], "copies": min(3, len(self.stores))}}, {}
        return {}, {"members": [{"name": name, "at": f"{addr(3, 10 + n)}:7946"} for n, name in enumerate(self.names, 1)]}

    def agent_config(self, name, ports, **more):
        """An agent's file; it serves these ports of its host, at all its addresses towards the proxies."""
        store, members = self.shared()
        return {"interfaces": ["core", "front"], "key_file": f"{self.work}/{name}/cookie.key",
                "state_dir": f"/sys/fs/bpf/sp-{self.id}-{name}", "control": f"{self.work}/{name}/ctl.sock",
                **store, "cluster": {"name": name, "relay": self.agent_relay(name), **members},
                "serves": [daemon.endpoint(self.ns[name].addr(version, "core"), port) for port in ports for version in (4, 6)],
                **more}

    def start_agents(self, ports=None, env=None, **more):
        """@ports: where their servers listen; all ports of backends, if none are named."""
        for name in self.agent_names:
            self.agents.append(hosts.Agent(self, name, self.agent_config(name, ports or self.ports, **more)))
            self.agents[-1].env = env or {}
            self.agents[-1].start()
        for agent in self.agents:
            agent.wait_well()

    def view(self, number):
        """A proxy as if it were the only one: what daemon.Spliced knows."""
        return types.SimpleNamespace(proxy=self.ns[f"proxy{number}"], ns=self.ns, id=f"{self.id}-proxy{number}",
                                     interfaces=["front", "back"])

    def start(self, services_and_pools, **more):
        """Servers, then daemons, then the way to them. Returns when all are well."""
        self.ports = sorted({daemon.port_of(b) for _, *pools in services_and_pools for pool in pools for b in pool["backends"]})
        for store in self.stores:
            store.start()
        for n in range(1, len(self.names) + 1):
            self.proxies.append(hosts.Proxy(self, n, self.config(n, services_and_pools, **more)))
        for proxy in self.proxies:
            proxy.start()
        self.way.start()
        self.wait_well()
        if self.starts_agents:
            self.start_agents(limits=hosts.agent_limits(more))
        return self

    def wait_well(self, timeout=20):
        """Until all that is here works again."""
        for store in self.stores:
            store.wait_well(timeout)
        for host in self.proxies + self.agents:
            host.wait_well(timeout)
        self.way.wait_for(self.names, timeout)

    def heal(self):
        """Undo all faults, and wait until nothing is left of them."""
        for host in (*self.stores, *self.proxies, *self.agents):
            host.heal()
        self.way.heal()
        self.wait_well()

    def carriers(self, sports, port=80, version=4, source="snat", vip=None):
        """Which proxy gets the client's packets, for each source port. Not with `spray`."""
        hops = (self.told_hops if version == 4 else self.seen_hops)(sports, port, vip or VIP[source][version])
        names = {hop: name for n, name in enumerate(self.names, 1) for hop in (addr(2, 10 + n), mac(2, 10 + n))}
        return [names[hop] for hop in hops]

    def told_hops(self, sports, port, vip):
        lines = "".join(f"route get {vip} from {addr(1, 1)} iif client ipproto tcp sport {sport} dport {port}\n" for sport in sports)
        out = self.router.run("ip", "-batch", "-", input=lines)
        hops = [line.split(" via ")[1].split()[0] for line in out.splitlines() if " via " in line]
        assert len(hops) == len(sports), out
        return hops

    def seen_hops(self, sports, port, vip):
        """Of IPv6 the kernel tells another way than it takes. So connections are opened, and looked at."""
        self.router.run("nft", "-f", "-", input=SEEN % (vip, port))
        try:
            with contextlib.ExitStack() as stack:
                for sport in sports:
                    sock = open_socket(self.client, vip, sport)
                    stack.callback(reset, sock)
                    sock.setblocking(False)
                    sock.connect_ex((vip, port))
                hops = wait_for(lambda: self.all_seen(sports), "SYNs to pass the router")
        finally:
            self.router.run("nft", "delete table netdev seen")
        return hops

    def all_seen(self, sports):
        said = json.loads(self.router.run("nft", "-j", "list", "set", "netdev", "seen", "at"))["nftables"]
        seen = {e["concat"][1]: e["concat"][0] for entry in said for e in entry.get("set", {}).get("elem", ())}
        return [seen[sport] for sport in sports] if set(sports) <= set(seen) else None

    def report(self):
        """For a failed test."""
        return [(f"{proxy.name}: {title}", text) for proxy in self.proxies + self.agents for title, text in proxy.report()] + self.way.report()

    def close(self):
        with undisturbed():
            for thing in (self.way, *self.agents, *self.proxies, *self.stores):
                if thing:
                    thing.close()
            super().close()
        self.proxies, self.stores, self.agents, self.way = [], [], [], None
