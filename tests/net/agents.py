# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Agents on the hosts of one proxy's backends (topo.Net): it and they know each other by their files, without a store."""
import daemon
import hosts

PORT = 7946


class Agents:
    """For hosts.Agent what else a cluster is. First configure(), then start()."""
    names = ["proxy"]

    def __init__(self, net, build, work):
        self.net, self.ns, self.build, self.work = net, net.ns, build, work
        self.proxies, self.agents, self.conf, self.lans = [], [], {}, {}

    def relay(self, name):
        return daemon.endpoint(self.ns[name].addr(4), PORT)

    def serves(self, conf, name):
        """Endpoints of this host that are backends of the proxy."""
        here = [daemon.endpoint(self.ns[name].addr(version), "") for version in (4, 6)]
        return sorted({backend["address"] for pool in conf["pools"] for backend in pool["backends"]
                       if any(backend["address"].startswith(at) for at in here)})

    def configure(self, conf, mode):
        """The proxy's file, with them in it."""
        daemon.set_mode(conf, mode)
        self.conf = {name: self.config(conf, name) for name in ("backend1", "backend2") if self.serves(conf, name)}
        conf["cluster"] = {"name": "proxy", "relay": self.relay("proxy"), "sources": conf["source"]["addresses"],
                           "members": [{"name": name, "at": self.relay(name)} for name in self.conf]}
        return conf

    def config(self, conf, name):
        return {"interfaces": list(self.ns[name].links), "key_file": f"{self.work}/{name}/cookie.key",
                "state_dir": f"/sys/fs/bpf/sp-{self.net.id}-{name}", "control": f"{self.work}/{name}/ctl.sock",
                "cluster": {"name": name, "relay": self.relay(name), "members": [{"name": "proxy", "at": self.relay("proxy")}]},
                "serves": self.serves(conf, name), "limits": hosts.agent_limits(conf)}

    def start(self, proxy):
        self.proxies, self.key = [proxy], proxy.key[0]
        for name, conf in self.conf.items():
            self.agents.append(hosts.Agent(self, name, conf))
            self.agents[-1].start()
        for agent in self.agents:
            agent.wait_well()

    def close(self):
        for agent in self.agents:
            agent.close()
