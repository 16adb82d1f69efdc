# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Active checks: a backend that fails them gets no connection, and splicectl says why.

    client --- proxy --- backend1, backend2: small servers of the test, beside the usual ones
"""
import contextlib
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import daemon
from daemon import backends, service
from tcp import wait_for

pytestmark = [pytest.mark.spliced, pytest.mark.whole("checks know no mode")]
PORT, TLS_PORT, INTERVAL_S = 8300, 8343, 0.1


class Server:
    """An HTTP server whose answer the test changes; `tls` is an ssl.SSLContext."""
    OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def __init__(self, host, port, answer=OK, tls=None):
        self.answer, self.tls, self.seen, self.name = answer, tls, [], host.addr(4)
        with host.inside():
            self.listener = socket.create_server((host.addr(4), port), backlog=64)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.talk, args=(self.listener.accept()[0],), daemon=True).start()

    def talk(self, sock):
        with contextlib.suppress(OSError), sock:
            sock.settimeout(20)
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            while head := self.head(sock):
                self.seen.append(head)
                answer = self.answer(sock) if callable(self.answer) else self.answer
                if answer is None:
                    return
                sock.sendall(answer)

    @staticmethod
    def head(sock):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = sock.recv(4096)
            if not more:
                return None
            head += more
        return head

    def close(self):
        """The port refuses connections."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture(scope="module")
def rig(net, start_rig):
    def configure(net, work):
        return config(net, work, {"type": "tcp"})
    with start_rig(net, configure) as rig:
        yield rig


def config(net, work, check, port=PORT, **more):
    """A pool of two backends, IPv4 alone."""
    pool = {"name": "checked", "source": "snat", **({"check": {"interval": f"{INTERVAL_S * 1000:.0f}ms", **check}} if check else {}),
            "backends": [b for b in backends(net, port) if b["name"].endswith("-v4")], **more}
    return daemon.config(net, work, [({**service("checked", "snat", "http", PORT, default="checked"),
                                       "listen": [daemon.endpoint(daemon.VIP["snat"][4], PORT)]}, pool)])


@contextlib.contextmanager
def checking(rig, check, port=PORT, **more):
    """The daemon with this check. Whatever the test before left is forgotten by a reload without."""
    rig.spliced.reload(config(rig.net, rig.work, None, port))
    rig.spliced.reload(config(rig.net, rig.work, check, port, **more))
    yield rig


@contextlib.contextmanager
def two(rig, port=PORT, **options):
    servers = [Server(host, port, **options) for host in (rig.backend1, rig.backend2)]
    try:
        yield servers
    finally:
        for server in servers:
            server.close()


def check_of(rig, idx=0):
    return rig.spliced.status()["pools"][0]["backends"][idx]["check"]


def becomes(rig, state, reason="", idx=0, seconds=5):
    def has():
        check = check_of(rig, idx)
        return check["state"] == state and reason in check["reason"] and check
    return wait_for(has, f"{state}: {reason}", seconds)


def ask(rig, seconds=3):
    """A request by a connection of its own. Return its bytes."""
    with rig.client.inside(), socket.create_connection((daemon.VIP["snat"][4], PORT), seconds) as sock:
        sock.settimeout(seconds)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        return sock.recv(4096)


def served_by(rig, servers, count=6):
    """How many of these requests each server had."""
    def real(server):
        return sum(b"spliced-check" not in head for head in server.seen)
    before = [real(server) for server in servers]
    for _ in range(count):
        assert ask(rig).startswith(b"HTTP/1.1 200"), "a client got no answer"
    return [real(server) - was for server, was in zip(servers, before)]


def test_refused_and_back(rig):
    """Also: the last backend that is down gets nothing, as in HAProxy."""
    with checking(rig, {"type": "tcp", "rise": 2, "fall": 3}), two(rig) as servers:
        becomes(rig, "up", "connected")
        becomes(rig, "up", "connected", 1)
        assert served_by(rig, servers) == [3, 3]
        servers[0].close()
        start = rig.spliced.log.stat().st_size
        down = becomes(rig, "down", "connection refused")
        assert down["failed"] >= 3 and down["changes"] == 1
        assert served_by(rig, servers) == [0, 6]
        servers[1].close()
        becomes(rig, "down", "connection refused", 1)
        assert ask(rig).startswith(b"HTTP/1.1 503")
        servers[0] = Server(rig.backend1, PORT)
        becomes(rig, "up")
        assert served_by(rig, servers) == [6, 0]
        servers[0].close()
        log = rig.spliced.log.read_bytes()[start:].decode()
        assert log.count("pool checked: backend backend1-v4 down by its checks: connection refused") == 1
        assert log.count("pool checked: backend backend1-v4 up by its checks: connected") == 1
        assert "connection refused" in rig.spliced.ctl("checks")


BAD = {
    "HTTP 500, expected 200-399": b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n",
    "closed without a response": None,
    "timeout after 300ms: connected, but no complete response": lambda sock: time.sleep(3),
    "closed in the middle of the response": lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "the response is not HTTP/1": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
}


@pytest.mark.parametrize("reason", BAD)
def test_bad_answers(rig, reason):
    with two(rig) as servers, checking(rig, {"type": "http", "path": "/health?full=1", "timeout": "300ms"}):
        becomes(rig, "up", "HTTP 200")
        assert servers[0].seen[-1].startswith(b"GET /health?full=1 HTTP/1.1\r\n")
        servers[0].answer = BAD[reason]
        becomes(rig, "down", reason)
        assert served_by(rig, servers) == [0, 6]
        servers[0].answer = Server.OK
        becomes(rig, "up", "HTTP 200")


def test_request_and_body(rig):
    """Of a long body with the text far in; a HEAD; statuses in a list."""
    check = {"type": "http", "method": "POST", "path": "/x", "host": "app.example:81", "expect": [204, "500-501"], "body": "all is well"}
    with two(rig) as servers, checking(rig, check):
        becomes(rig, "down", "HTTP 200, expected 204,500-501")
        assert servers[0].seen[-1].startswith(b"POST /x HTTP/1.1\r\n") and b"Host: app.example:81\r\n" in servers[0].seen[-1]
        servers[0].answer = b"HTTP/1.1 501 x\r\nConnection: close\r\n\r\n" + b"." * 300000 + b"all is well"
        becomes(rig, "up", "HTTP 501")
        servers[0].answer = b"HTTP/1.1 501 x\r\nContent-Length: 10\r\n\r\nall is wel"
        becomes(rig, "down", 'HTTP 501, but the body lacks "all is well"')
        rig.spliced.reload(config(rig.net, rig.work, {"type": "http", "method": "HEAD", "expect": 501}))
        becomes(rig, "up", "HTTP 501")
        assert servers[0].seen[-1].startswith(b"HEAD / HTTP/1.1\r\n")
