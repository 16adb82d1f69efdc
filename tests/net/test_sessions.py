# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Chats, event streams and ssh sessions go on while a proxy's host dies and returns every 20 s (a minute of it): whole, split, adopted."""
import asyncio
import functools
import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "torture"))
import sessions     # noqa: E402

MODES = ("whole", "split", "adopt")


@pytest.mark.spliced
@pytest.mark.minutes(2)
@pytest.mark.limit(150)
def test_people_talk_on_while_hosts_die(start_cluster, tmp_path):
    with start_cluster(services=functools.partial(sessions.services, modes=MODES), way="bird", agents=["backend1"]) as cluster:
        cluster.start_agents((sessions.CHAT, sessions.SSE, sessions.SSH))
        hosts = sessions.Hosts(cluster, tmp_path, MODES)
        try:
            assert asyncio.run(sessions.run(cluster, hosts, seconds=60, calm_s=5)) == []
        finally:
            hosts.close()
