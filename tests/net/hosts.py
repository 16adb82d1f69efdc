# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The hosts of a cluster (cluster.py), and what may happen to them."""
import shutil
import signal
import subprocess
import types

import daemon
import stores
from tcp import wait_for


class Host:
    """One that has cables."""

    def __init__(self, cluster, name):
        self.cluster, self.name, self.host_ns = cluster, name, cluster.ns[name]
        self.pulled = set()

    def lans(self):
        return [lan for lan, members in self.cluster.lans.items() if self.name in dict(members)]

    def unplug(self, *lans):
        """Pull these cables (all) out of the switch, without a word."""
        lans = lans or self.lans()
        self.cluster.switch.ip("".join(f"link set {lan}-{self.name} down\n" for lan in lans))
        self.pulled |= set(lans)

    def plug(self, *lans):
        lans = set(lans or self.pulled) & self.pulled
        self.cluster.switch.ip("".join(f"link set {lan}-{self.name} up\n" for lan in lans))
        self.pulled -= lans


class Member(daemon.Spliced, Host):
    """One whose daemon is of the cluster."""

    def __init__(self, cluster, name, view, conf):
        Host.__init__(self, cluster, name)
        daemon.Spliced.__init__(self, view, cluster.build, cluster.work / name, conf)
        self.key = [cluster.key]
        self.write_key()

    def freeze(self):
        self.signal(signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self):
        if self.is_running():
            self.signal(signal.SIGCONT)
        self.is_frozen = False

    def boot(self):
        self.start()

    def heal(self):
        if self.is_frozen:
            self.thaw()
        if not self.is_running():
            assert self.process.returncode == -signal.SIGKILL, f"{self.name}: its daemon has ended with {self.process.returncode}"
            self.boot()
        self.plug()

    def has_store(self):
        return all(server["state"] == "up" for server in self.status()["store"]["servers"])

    def wait_well(self, timeout=20):
        wait_for(self.is_ready, f"{self.name} to answer", timeout)
        wait_for(self.is_well, f"{self.name} to be well", timeout)


class Proxy(Member):
    """A proxy's host: its daemon, and its cables front, back, stores."""

    def __init__(self, cluster, number, conf):
        super().__init__(cluster, f"proxy{number}", cluster.view(number), conf)
        self.number = number

    def cut_store(self):
        self.unplug("stores")

    def crash(self):
        """As when the machine loses its power: silence, and nothing is left of its splices."""
        self.unplug()
        self.kill9()
        self.unload()

    def boot(self):
        """After crash(): the daemon first, then the cables to where it is announced."""
        self.plug("stores")
        self.start()
        self.plug()

    def is_well(self):
        """All servers of the store and all proxies, itself too, may be announced."""
        members = [m for m in self.members() if m["name"] not in self.cluster.agent_names]
        return self.has_store() and (not members or len(members) == len(self.cluster.names) and all(m["state"] == "ready" for m in members))


def agent_limits(conf):
    """From a proxy's file."""
    return {key: value for key, value in conf.get("limits", {}).items() if key in ("idle", "transitory", "closed")}


class Agent(Member):
    """On a backend's host."""
    PROGRAM = "spliced-agent"

    def __init__(self, cluster, name, conf):
        (cluster.work / name).mkdir(exist_ok=True)
        super().__init__(cluster, name, types.SimpleNamespace(proxy=cluster.ns[name]), conf)

    def is_well(self):
        """It and all proxies know each other."""
        ready = sum(m["state"] == "ready" for m in self.members())
        return self.has_store() and ready == len(self.cluster.names) and all(map(self.is_known_to, self.cluster.proxies))

    def is_known_to(self, proxy):
        return any((m["name"], m["state"]) == (self.name, "agent") for m in proxy.members())


class Store(Host):
    """A redis-server on a host of its own."""
    PORT = 6379

    def __init__(self, cluster, number):
        Host.__init__(self, cluster, f"store{number}")
        self.work = cluster.work / self.name
        self.work.mkdir()
        self.addr = self.host_ns.addr(4, "stores")
        self.endpoint = f"{self.addr}:{self.PORT}"
        self.process, self.is_frozen = None, False

    def start(self):
        """Empty: it keeps nothing on disk."""
        with open(self.work / "log", "a") as log:
            self.process = self.host_ns.popen("redis-server", "--bind", self.addr, "--port", str(self.PORT), "--protected-mode", "no",
                                              "--save", "", "--appendonly", "no", "--dir", str(self.work),
                                              "--maxmemory-policy", "noeviction", stdout=log, stderr=log,
                                              stdin=subprocess.DEVNULL)
        self.wait_well(10)

    def cli(self, *args):
        """Works from the host itself, plugged in or not."""
        return stores.command(self.host_ns, *args, host=self.addr, port=self.PORT)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def wait_well(self, timeout):
        wait_for(lambda: stores.answers(self.host_ns, host=self.addr, port=self.PORT), f"{self.name} to answer", timeout)

    def kill(self):
        if self.is_running():
            self.process.kill()
            self.process.wait()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)
        self.is_frozen = False

    def restart_empty(self):
        self.kill()
        self.start()

    def heal(self):
        if self.is_frozen:
            self.thaw()
        self.plug()
        if not self.is_running():
            self.start()

    def close(self):
        self.kill()
        shutil.rmtree(self.work, ignore_errors=True)
