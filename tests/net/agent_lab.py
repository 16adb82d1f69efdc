# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A cluster whose first backend has an agent, and what tests want to know of connections that pass by its proxies.

    client --- router ---+--- proxy1..3 --- core --- backend1, with an agent
                         `------------------------------'      (front, see cluster.py)
"""
import contextlib
import signal
import time

import daemon
import tcp
from cluster import LOSS
from conftest import Lab, wait_until_heard

MIB = 1 << 20
BYTES = 64 * MIB
# By their length, of one or of several together: whatever else proxies tell the agent is heard.
INTRODUCTION = "udp dport 7946 udp length { %s }" % ", ".join(str(8 + 152 * n) for n in range(1, 9))
NO_INTRODUCTIONS = """chain lose {
    type filter hook forward priority 0
    %s counter drop
}""" % INTRODUCTION


class AgentLab(Lab):
    @property
    def agent(self):
        return self.cluster.agents[0]

    def total(self, counter):
        return sum(proxy.counters()[counter] for proxy in self.cluster.proxies)

    @contextlib.contextmanager
    def made(self, **counts):
        """So many connections meanwhile in these modes, and in no other one."""
        modes = ("whole", "split", "adopt")
        before = [self.total(f"spliced_{mode}") for mode in modes]
        yield
        made = {mode: self.total(f"spliced_{mode}") - n for mode, n in zip(modes, before)}
        assert made == {mode: counts.get(mode, 0) for mode in modes}

    def down_at_proxies(self, client):
        """Bytes of answers that the proxies have carried of this connection."""
        return sum(row["bytes_down"] for row in filter(None, (proxy.of(client) for proxy in self.cluster.proxies)))

    def download(self, client, server, count=BYTES):
        """Return (payload that the agent has carried, payload down that the proxies have carried, longest gap in s)."""
        before, down = self.agent.counters()["spliced_bytes"], self.down_at_proxies(client)
        gap = tcp.transfer(server, client, count)
        return self.agent.counters()["spliced_bytes"] - before, self.down_at_proxies(client) - down, gap

    def is_past(self, pair, way):
        """A new connection's answers pass by the proxies."""
        return self.download(*pair(way, "http"), MIB)[1] == 0

    @contextlib.contextmanager
    def listen(self):
        """Proxies know of it."""
        with tcp.listen(self.backend1, daemon.RAW_HTTP) as listener:
            wait_until_heard(self, daemon.RAW_HTTP)
            yield listener

    def introductions_lost(self):
        return self.cluster.core.nft(NO_INTRODUCTIONS)

    def have_ports(self, ports):
        """The proxies, from now on these alone."""
        for proxy in self.cluster.proxies:
            proxy.end(signal.SIGTERM)
            proxy.unload()
            proxy.write({**proxy.conf, "source": {**proxy.conf["source"], "ports": ports}})
            proxy.start()
        self.cluster.wait_well()


@contextlib.contextmanager
def agent_lab(start_cluster, modes, sources=("snat",), agent={}, lab=AgentLab, **options):
    """@modes: as daemon.in_modes() wants them; @agent: what is special in its configuration."""
    with start_cluster(sources, services=daemon.in_modes(modes), agents=["backend1"], **options) as cluster:
        cluster.start_agents(**agent)
        yield lab(cluster)


@contextlib.contextmanager
def as_they_are(lab):
    yield


def without_superpackets(lab):
    return lab.cluster.no_superpackets()


def with_loss(lab):
    return lab.cluster.router.nft(LOSS)
