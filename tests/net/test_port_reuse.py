# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A client's next connection from its port takes the place of the last one, while proxies still remember that."""
import contextlib
import socket

import pytest

from daemon import RAW_HTTP
from tcp import accept, connect, read, read_to_end, wait_for
from test_cluster_thaw import REQUEST, lab, listener    # noqa: F401
from topo import VIP

pytestmark = pytest.mark.spliced
SPORT = 23456


def connect_again(client):
    with contextlib.suppress(OSError):      # its last acknowledgement may be on its way
        return connect(client, VIP["snat"][4], RAW_HTTP, sport=SPORT)
    return None


def keys(lab):      # noqa: F811
    return sum(store.cli("EVAL", "return #redis.call('KEYS', '[fd]*')", "0") for store in lab.cluster.stores)


def test_the_store_forgets_them_all(lab, listener):     # noqa: F811
    for _ in range(5):
        client = wait_for(lambda: connect_again(lab.client), "the port to be free")
        client.sendall(REQUEST)
        with client, accept(listener) as server:
            assert read(server, len(REQUEST)) == REQUEST
            server.shutdown(socket.SHUT_WR)
            assert read_to_end(client) == b""
            client.close()
            assert read_to_end(server) == b""
    assert keys(lab)
    wait_for(lambda: not keys(lab), "the store to forget all connections")
