# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A stranger who knows addresses and ports, but no numbers: nothing of his gets into a connection or stalls it."""
import threading
import time

import pytest

import daemon
from daemon import RAW_HTTP, RAW_TCP
from rawtcp import ACK, PSH, SYN, Raw, pack_addr
from tcp import MIB, accept, bound, connect, listen, read, transfer

HEAD = b"GET /good HTTP/1.1\r\nHost: www.example.org\r\n\r\n"
pytestmark = pytest.mark.spliced


class Stranger(Raw):
    """Sends as the client's own kernel would."""
    def __init__(self, rig, way, port, client):
        super().__init__(rig.net, way.vip, port, client.getsockname()[1])
        self.addr = rig.client.addr(way.version)
        self.src = pack_addr(self.addr)


def test_forged_syns_stall_no_upload(raw, pair, way):
    """Each is answered with a challenge, which must not be taken for a closed window."""
    client, server = pair(way)
    transfer(client, server, MIB)
    done = threading.Event()

    def flood():
        with Stranger(raw, way, RAW_TCP, client) as stranger:
            while not done.wait(0.005):
                stranger.send(SYN, seq=777, options=Raw.OPTIONS)
    thread = threading.Thread(target=flood)
    before = raw.spliced.status()["counters"]["syn_challenged"]
    thread.start()
    try:
        start = time.monotonic()
        for _ in range(50):
            client.sendall(b"x" * 100000)
            read(server, 100000)
            time.sleep(0.01)
        took = time.monotonic() - start
    finally:
        done.set()
        thread.join()
    assert raw.spliced.status()["counters"]["syn_challenged"] - before > 20
    assert took < bound(2), took


def test_head_takes_no_foreign_bytes(raw, way):
    """A segment with the right place in the stream, but another acknowledgement."""
    with Raw(raw.net, way.vip, RAW_HTTP, 4301) as client, listen(raw.backend1, RAW_HTTP) as listener:
        client.handshake()
        client.send(ACK | PSH, HEAD[:5], at=0)
        client.send(ACK | PSH, HEAD.replace(b"good", b"evil")[5:], at=5, ack=client.ack + 70000)
        client.send(ACK | PSH, HEAD[5:], at=5)
        with accept(listener) as server:
            assert read(server, len(HEAD)) == HEAD


def test_head_takes_no_damaged_bytes(raw, way):
    """Bits turned on the way: the checksum is that of the right ones, which come afterwards."""
    with Raw(raw.net, way.vip, RAW_HTTP, 4302) as client, listen(raw.backend1, RAW_HTTP) as listener:
        client.handshake()
        client.sock.send(client.header + client.packet(ACK | PSH, HEAD, at=0).replace(b"good", b"food"))
        client.send(ACK | PSH, HEAD, at=0)
        with accept(listener) as server:
            assert read(server, len(HEAD)) == HEAD


def test_answered_clients_leave_room(make_net, start_rig, family):
    """More wrong requests than there are slots, and then a right one, at once."""
    def configure(net, work):
        conf = daemon.raw_config(net, work, limits={"pending": 16})
        for service in conf["services"]:
            if service["protocol"] == "http":
                service["routes"] = [{"path": "/good", "pool": service.pop("default")}]
        return conf
    with make_net() as net, start_rig(net, configure) as rig, listen(rig.backend1, RAW_HTTP) as listener:
        for _ in range(40):
            with connect(rig.client, family.vip, RAW_HTTP) as sock:
                sock.sendall(HEAD.replace(b"good", b"none"))
                assert b" 404 " in sock.recv(1000)
        start = time.monotonic()
        with connect(rig.client, family.vip, RAW_HTTP) as sock:
            sock.sendall(HEAD)
            with accept(listener) as server:
                assert read(server, len(HEAD)) == HEAD
        assert time.monotonic() - start < bound(1)
