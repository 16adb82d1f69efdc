# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How packets find a proxy of a cluster (cluster.py): router and core choose, each for its side.

Flow    kernel ECMP by addresses and ports; who is announced is said by announce()
Spray   each packet to the next proxy in turn, both ways; announce() as well
Bird    BGP with BFD between the routers and the proxies (contrib/bird), which announce themselves while they are ready
BirdHold  the same without BFD: a lost host is noticed when BGP's hold time is over
"""
import os
import pathlib
import signal
import subprocess

from addresses import CLIENT_NETS, SNAT_NETS, addr, snat
from tcp import wait_for
from topo import VIP_NETS

ROOT = pathlib.Path(__file__).resolve().parents[2]
BELOW_BIRD = 3000       # and above the blackholes of Cluster
SIDES = (("router", "front", 2), ("core", "back", 3))


class Flow:
    def __init__(self, cluster):
        self.cluster = cluster

    def start(self):
        self.announce(self.cluster.names)

    def heal(self):
        self.announce(self.cluster.names)

    def announce(self, names):
        """From now on packets go to these, and to no other."""
        for side, _, k in SIDES:
            lines = [self.multipath(net, names, k) for net in self.nets(side)]
            if side == "core":
                lines += [self.own(name, version, name in names) for name in self.cluster.names for version in (4, 6)]
            self.cluster.ns[side].run("ip", "-force", "-batch", "-", input="".join(lines), check=False)

    def nets(self, side):
        return VIP_NETS if side == "router" else SNAT_NETS + CLIENT_NETS

    def hops(self, names, k, version):
        return [addr(k, 10 + self.number(name), version) for name in names]

    def number(self, name):
        return self.cluster.names.index(name) + 1

    def multipath(self, net, names, k):
        hops = self.hops(names, k, 6 if ":" in net else 4)
        if not hops:
            return f"route del {net} metric 20\n"
        return f"route replace {net} metric 20 " + " ".join(f"nexthop via {hop}" for hop in hops) + "\n"

    def own(self, name, version, is_here):
        """A proxy's own SNAT addresses lead to it alone while it is here, else to any."""
        net = f"{snat(self.number(name), version)}/{32 if version == 4 else 128}"
        if not is_here:
            return f"route del {net} metric 20\n"
        return f"route replace {net} metric 20 via {self.hops([name], 3, version)[0]}\n"

    def wait_for(self, names, timeout):
        pass

    def report(self):
        return [(f"routes of {side}", self.cluster.ns[side].run("ip", "route", check=False)) for side, _, _ in SIDES]

    def close(self):
        pass


class Spray(Flow):
    """A mark in turn for each packet, and a table for each mark."""

    def __init__(self, cluster):
        super().__init__(cluster)
        for side, _, k in SIDES:
            ns = cluster.ns[side]
            for name in cluster.names:
                table = 100 + self.number(name)
                for version in (4, 6):
                    ns.run("ip", f"-{version}", "rule", "add", "fwmark", str(table), "lookup", str(table))
                    ns.ip(f"route add default via {self.hops([name], k, version)[0]} table {table}\n")

    def announce(self, names):
        super().announce(names)
        for side, _, _ in SIDES:
            self.cluster.ns[side].run("nft", "-f", "-", input=self.table(side, names))

    def table(self, side, names):
        turn = ", ".join(f"{at} : {100 + self.number(name)}" for at, name in enumerate(names))
        rules = [f"{'ip6' if ':' in net else 'ip'} daddr {net} meta mark set numgen inc mod {len(names)} map {{ {turn} }}"
                 for net in self.nets(side) if names]
        coming = 'iifname "client"' if side == "router" else 'iifname "backend*"'
        chain = "\n".join(f"{coming} {rule}" for rule in rules)
        return ("table inet spray\ndelete table inet spray\n"
                f"table inet spray {{\nchain in {{\ntype filter hook prerouting priority mangle;\n{chain}\n}}\n}}\n")


class Bird(Flow):
    """One BIRD in the router, one in the core, one on each proxy."""

    def __init__(self, cluster):
        super().__init__(cluster)
        self.work = cluster.work / "bird"
        self.work.mkdir()
        self.processes, self.announcers = {}, {}

    def start(self):
        for side, _, k in SIDES:
            self.route_below(side, k)
            self.run_bird(side, self.router_conf(k))
        for name in self.cluster.names:
            self.run_bird(name, self.proxy_conf(name))
            self.run_announce(name)

    def route_below(self, side, k):
        """For the time when nobody is announced, see contrib/bird/router.conf."""
        for net in self.nets(side):
            self.cluster.ns[side].ip(f"route add {net} metric {BELOW_BIRD} " + " ".join(
                f"nexthop via {hop}" for hop in self.hops(self.cluster.names, k, 6 if ":" in net else 4)) + "\n")

    def run_announce(self, name):
        """Has its proxy announced while that is ready."""
        proxy = self.cluster.proxies[self.number(name) - 1]
        with open(self.work / f"{name}.announce.log", "a") as log:
            self.announcers[name] = subprocess.Popen(
                [ROOT / "contrib/bird/spliced-announce"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "SPLICECTL": f"{proxy.ctl_bin} --socket {proxy.socket}",
                     "BIRDC": f"birdc -s {self.work / name}.ctl"})

    def run_bird(self, name, conf):
        path = self.work / f"{name}.conf"
        path.write_text(conf)
        with open(self.work / f"{name}.log", "a") as log:
            self.processes[name] = self.cluster.ns[name].popen(
                "bird", "-f", "-c", str(path), "-s", str(self.work / f"{name}.ctl"), "-P", str(self.work / f"{name}.pid"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        os.sched_setscheduler(self.processes[name].pid, os.SCHED_RR, os.sched_param(1))    # docs/OPERATIONS.md

    def router_conf(self, k):
        nets = [", ".join(f"{net}+" for net in VIP_NETS + SNAT_NETS + CLIENT_NETS if (":" in net) == v6) for v6 in (False, True)]
        peers = "".join(f"protocol bgp {name} from proxies {{ neighbor {addr(k, 10 + self.number(name))} as PROXY_AS; }}\n"
                        for name in self.cluster.names)
        return (f'define ROUTER_ID = {addr(k, 1)};\ndefine ROUTER_AS = 64512;\ndefine PROXY_AS = 64513;\n'
                f'define ANNOUNCED4 = [ {nets[0]} ];\ndefine ANNOUNCED6 = [ {nets[1]} ];\n'
                f'include "{ROOT}/contrib/bird/router.conf";\n{peers}')

    def proxy_conf(self, name):
        n = self.number(name)
        return (f'define ROUTER_ID = {addr(2, 10 + n)};\ndefine ROUTER_AS = 64512;\ndefine PROXY_AS = 64513;\n'
                + "".join(f"define {key} = {value};\n" for key, value in (
                    ("VIPS4", VIP_NETS[0]), ("VIPS6", VIP_NETS[1]), ("SNATS4", SNAT_NETS[0]), ("SNATS6", SNAT_NETS[1]),
                    ("CLIENTS4", CLIENT_NETS[0]), ("CLIENTS6", CLIENT_NETS[1]),
                    ("OWN_SNAT4", snat(n, 4) + "/32"), ("OWN_SNAT6", snat(n, 6) + "/128")))
                + f'include "{ROOT}/contrib/bird/proxy.conf";\ninclude "{ROOT}/contrib/bird/clients.conf";\n'
                f'protocol bgp front from spliced_to_front {{ neighbor {addr(2, 1)} as ROUTER_AS; }}\n'
                f'protocol bgp back from spliced_to_back {{ neighbor {addr(3, 1)} as ROUTER_AS; }}\n')

    def birdc(self, name, *command):
        return subprocess.run(["birdc", "-s", str(self.work / f"{name}.ctl"), *command], text=True, timeout=10,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout

    def heal(self):
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                self.run_bird(name, (self.work / f"{name}.conf").read_text())

    def announced(self, side, k):
        """Whom the kernel's routes lead to."""
        found = None
        for version in (4, 6):
            net = self.nets(side)[version == 6]
            text = self.cluster.ns[side].run("ip", f"-{version}", "route", "show", net, "proto", "bird", check=False)
            here = {name for name in self.cluster.names if f"via {self.hops([name], k, version)[0]} " in text}
            found = here if found is None else found & here
        return found

    def is_watched(self, side, names, k):
        """By BFD: else their loss would go unnoticed for seconds."""
        lines = [line.split() for line in self.birdc(side, "show", "bfd", "sessions").splitlines()]
        up = {line[0] for line in lines if len(line) > 2 and line[2] == "Up"}
        return set(self.hops(names, k, 4)) <= up

    def wait_for(self, names, timeout):
        """Until just these are announced on both sides, in both families."""
        for side, _, k in SIDES:
            wait_for(lambda: self.announced(side, k) == set(names), f"{side} to lead to {names}", timeout)
            wait_for(lambda: self.is_watched(side, names, k), f"{side} to have BFD with {names}", timeout)

    def report(self):
        logs = [(path.name, path.read_text()[-2000:]) for path in sorted(self.work.glob("*.log"))]
        return super().report() + logs

    def close(self):
        processes = [*self.announcers.values(), *self.processes.values()]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class BirdHold(Bird):
    def run_bird(self, name, conf):
        super().run_bird(name, conf.replace(f"{ROOT}/contrib/bird/", f"{self.without_bfd()}/"))

    def without_bfd(self):
        """Of contrib/bird, a copy."""
        copy = self.work / "without-bfd"
        if not copy.exists():
            copy.mkdir()
            for path in (ROOT / "contrib/bird").glob("*.conf"):
                (copy / path.name).write_text(path.read_text().replace("bfd on;", ""))
        return copy

    def is_watched(self, side, names, k):
        return True
