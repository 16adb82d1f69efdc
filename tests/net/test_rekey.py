# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The cluster's key is replaced while everything runs: three steps, each by SIGHUP, and nobody is refused on the way.

    old       ->   old, new   ->   new, old   ->   new
                   all know it     all use it      the old one is gone
"""
import contextlib
import os
import threading
import time

import pytest

import daemon
import tcp
from agent_lab import AgentLab, agent_lab
from conftest import Pairs, Way

pytestmark = pytest.mark.spliced
REFUSED = ("foreign", "forged", "record")
# Of the members' records in a store: with which key each is sealed
SEALS = """local ids = {}
for _, v in ipairs(redis.call('HVALS', 'sp:members')) do
  ids[#ids + 1] = string.format('%02x%02x', v:byte(18), v:byte(19))
end
return ids"""
LONG_HEAD = b"POST /x HTTP/1.1\r\nHost: www.example.org\r\nX-Long: " + b"a" * 9000 + b"\r\n\r\n"


class RekeyLab(AgentLab):
    @property
    def members(self):
        return self.cluster.proxies + self.cluster.agents

    def refused(self):
        """What somebody would not believe, of the store or of another one."""
        counters = {m.name: {**m.counters(), **m.status()["store"].get("counters", {})} for m in self.members}
        return {(name, key): n for name, all_of in counters.items() for key, n in all_of.items()
                if "refused" in key and key.endswith(REFUSED) and n}

    def rekey(self, *keys):
        """One after the other, as an operator would. What they have is sealed anew when they count it as survivable again."""
        begin = time.monotonic()
        for member in self.members:
            member.key = keys
            member.write_key()
            assert "done" in member.hangup()
            tcp.wait_for(lambda: member.status()["connections_survivable"] == 0, f"{member.name} to count anew", 5)
        for member in self.members:
            tcp.wait_for(lambda: self.is_sealed_anew(member, begin), f"all of {member.name} to be sealed anew", 20)

    def is_sealed_anew(self, member, begin):
        """All that was there at @begin."""
        age_ms = (time.monotonic() - begin) * 1000
        old = [row for row in member.connections() if row["state"] == "open" and row["age_ms"] > age_ms]
        return member.status()["connections_survivable"] >= len(old)

    def seals(self):
        """Keys with which the members' own records are sealed."""
        return {key for store in self.cluster.stores for key in store.cli("EVAL", SEALS, "0")}

    def rotate(self, new, settle=lambda: None):
        """@settle: waits until the handshakes that have begun before are over."""
        old = self.cluster.key
        self.rekey(old, new)
        before = self.seals()
        assert len(before) == 1
        self.rekey(new, old)
        tcp.wait_for(lambda: not self.seals() & before, "the members' own records to be sealed anew")
        settle()
        self.rekey(new)
        self.cluster.key = new


@pytest.fixture(scope="module")
def lab(start_cluster):
    with agent_lab(start_cluster, "auto", limits={"closed": "1s"}, lab=RekeyLab) as lab:
        yield lab


@pytest.fixture
def pair(lab):
    with Pairs(lab) as pairs:
        yield pairs
    lab.cluster.way.announce(lab.cluster.names)
    tcp.wait_for(lambda: all(p.status()["splices"] == 0 for p in lab.cluster.proxies), "the splices to go", 20)


@contextlib.contextmanager
def busy(lab, pairs, way):
    """Meanwhile bytes go both ways on all of them, and new connections come, each with a head in many segments. Yields a
    function that waits for two more of them: the handshake of the second has begun after the call."""
    over, made = threading.Event(), [0]

    def transfer(client, server):
        while not over.is_set():
            tcp.transfer(client, server, 200_000)
            tcp.transfer(server, client, 200_000)

    def connect(port, head):
        with tcp.listen(lab.backend1, port) as listener:
            while not over.is_set():
                with tcp.connect(lab.client, way.vip, port) as client:
                    client.sendall(head)
                    with tcp.accept(listener) as server:
                        assert tcp.read(server, len(head)) == head
                        server.sendall(b"answer")
                        assert tcp.read(client, 6) == b"answer"
                made[0] += 1

    def settle():
        wanted = made[0] + 2
        tcp.wait_for(lambda: made[0] >= wanted, "two more connections")
    with contextlib.ExitStack() as stack:
        stack.callback(over.set)
        for client, server in pairs:
            stack.enter_context(tcp.in_thread(transfer, client, server))
        stack.enter_context(tcp.in_thread(connect, daemon.RAW_HTTP, LONG_HEAD))
        stack.callback(over.set)
        yield settle
    assert made[0] > 5, "hardly any new connections were made meanwhile"


def on_stores(lab, script):
    for store in lab.cluster.stores:
        assert store.cli("EVAL", f"for _, k in ipairs(redis.call('KEYS', '[fd]*')) do {script} end return 1", "0") == 1


def only(lab, *names):
    lab.cluster.way.announce(list(names))


@pytest.mark.limit(120)
@pytest.mark.parametrize("version", [4, 6])
def test_rotation_is_not_noticed(lab, pair, version):
    """Then each connection goes on where no proxy has seen it before: its record is sealed with the new key."""
    way = Way(version, "snat")
    pairs = [pair(way, "tcp") for _ in range(3)] + [pair(way, "tls") for _ in range(3)]
    with busy(lab, pairs, way) as settle:
        lab.rotate(os.urandom(16).hex(), settle)
    assert lab.refused() == {}
    for name in lab.cluster.names:
        only(lab, name)
        for client, server in pairs:
            tcp.transfer(client, server, 10_000)
            tcp.transfer(server, client, 10_000)
    assert lab.refused() == {}


@pytest.mark.limit(60)
def test_what_the_old_key_sealed_is_refused_then(lab, pair):
    """A server that has kept such a record: nobody carries by it, and who has the splice is not disturbed."""
    only(lab, "proxy1")
    client, server = pair(Way(4, "snat"))
    tcp.transfer(client, server, 10_000)
    on_stores(lab, "redis.call('COPY', k, 'kept' .. k)")
    lab.rotate(os.urandom(16).hex())
    tcp.wait_for(lambda: all(m.status()["connections_survivable"] == sum(row["state"] == "open" for row in m.connections())
                             for m in lab.members), "nobody to write it again any more", 10)
    before = lab.refused()
    on_stores(lab, "redis.call('COPY', 'kept' .. k, k, 'REPLACE')")
    only(lab, "proxy2")
    client.sendall(b"x")
    tcp.wait_for(lambda: lab.refused().get(("proxy2", "refused_foreign"), 0) > before.get(("proxy2", "refused_foreign"), 0),
                 "the record to be refused", 10)
    assert lab.cluster.proxies[1].of(client) is None
    only(lab, "proxy1")
    assert tcp.read(server, 1) == b"x"
    tcp.transfer(client, server, 10_000)
    tcp.transfer(server, client, 10_000)
