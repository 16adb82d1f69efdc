# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What may happen to a cluster. Each coroutine strikes, does what belongs to its fault, and ends when nothing more comes.

What is left broken at the end is healed when all clients are done.
"""
import asyncio

from ways import Bird

FOR_A_WHILE_S = 5
BACK_AFTER_S = 1
PUT_BACK_S = 3
BFD_S = 0.15            # until routers miss a lost host, where none has BIRD
SUPERVISOR_S = 0.5      # RestartSec of contrib/systemd


async def daemon_killed(shot):
    await shot.strike(shot.victim.kill9)
    await asyncio.sleep(SUPERVISOR_S)
    await shot.act(shot.victim.start)


async def daemon_frozen(shot):
    await shot.strike(shot.victim.freeze)
    await asyncio.sleep(FOR_A_WHILE_S)
    await shot.act(shot.victim.thaw)


async def withdraw(shot, *lost):
    """Where no BIRD notices a lost host."""
    if not isinstance(shot.cluster.way, Bird):
        await asyncio.sleep(BFD_S)
        await shot.act(lambda: shot.cluster.way.announce([name for name in shot.cluster.names if name not in {host.name for host in lost}]))


async def host_lost(shot):
    await shot.strike(shot.victim.unplug)
    await shot.act(shot.victim.crash)
    await withdraw(shot, shot.victim)


async def host_back(shot):
    """Its memory is what it was."""
    await shot.strike(shot.victim.unplug)
    await withdraw(shot, shot.victim)
    await asyncio.sleep(BACK_AFTER_S)
    await shot.act(shot.victim.plug)
    await withdraw(shot)


async def two_hosts(shot):
    await shot.strike(shot.victim.unplug)
    await shot.act(shot.victim.crash)
    await withdraw(shot, shot.victim)
    await asyncio.sleep(BACK_AFTER_S)
    await shot.act(shot.other.crash)
    await withdraw(shot, shot.victim, shot.other)


async def store_killed(shot):
    await shot.strike(shot.store.kill)
    await asyncio.sleep(BACK_AFTER_S)


async def store_frozen(shot):
    await shot.strike(shot.store.freeze)
    await asyncio.sleep(FOR_A_WHILE_S)
    await shot.act(shot.store.thaw)


async def store_emptied(shot):
    await shot.strike(shot.store.restart_empty)
    await asyncio.sleep(BACK_AFTER_S)


def restart_all_empty(cluster):
    for store in cluster.stores:
        store.kill()
    for store in cluster.stores:
        store.start()


async def stores_emptied(shot):
    await shot.strike(lambda: restart_all_empty(shot.cluster))
    await asyncio.sleep(BACK_AFTER_S)


async def emptied_then_lost(shot):
    """What the servers have lost was put back by those who use it."""
    await shot.act(lambda: restart_all_empty(shot.cluster))
    await asyncio.sleep(PUT_BACK_S)
    await host_lost(shot)


async def stores_gone(shot):
    for store in shot.cluster.stores:
        await shot.strike(store.unplug)
    await asyncio.sleep(FOR_A_WHILE_S)
    for store in shot.cluster.stores:
        await shot.act(store.plug)


async def store_cut(shot):
    await shot.strike(shot.victim.cut_store)
    await asyncio.sleep(FOR_A_WHILE_S)
    await shot.act(shot.victim.plug)


def at_agents(shot, what):
    for agent in shot.cluster.agents:
        getattr(agent, what)()


async def agents_killed(shot):
    await shot.strike(lambda: at_agents(shot, "kill9"))
    await asyncio.sleep(SUPERVISOR_S)
    await shot.act(lambda: at_agents(shot, "start"))


async def agents_frozen(shot):
    await shot.strike(lambda: at_agents(shot, "freeze"))
    await asyncio.sleep(FOR_A_WHILE_S)
    await shot.act(lambda: at_agents(shot, "thaw"))


async def agents_gone(shot):
    """Their programs stay where they are."""
    await shot.strike(lambda: at_agents(shot, "kill9"))
    await asyncio.sleep(FOR_A_WHILE_S)


async def agents_unloaded(shot):
    """As for a new layout of what is pinned: nothing is left of what they carried. Proxies must have noticed before."""
    await shot.strike(lambda: at_agents(shot, "kill9"))
    await asyncio.sleep(SUPERVISOR_S)
    await shot.act(lambda: at_agents(shot, "unload"))
    await shot.act(lambda: at_agents(shot, "start"))


FAULTS = {f.__name__: f for f in (daemon_killed, daemon_frozen, host_lost, host_back, two_hosts, store_killed, store_frozen,
                                  store_emptied, stores_emptied, emptied_then_lost, stores_gone, store_cut)}
AGENT_FAULTS = {f.__name__: f for f in (agents_killed, agents_frozen, agents_gone, agents_unloaded)}     # in modes with agents
HOST_FAULTS = ("host_lost", "host_back", "two_hosts")      # whose stalls are bounded
DAEMON_FAULTS = ("daemon_killed", "agents_killed", "agents_frozen", "agents_gone")      # that cost no packet of what is spliced
