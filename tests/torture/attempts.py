# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Clients that try the service all the time, each once: what share of them is served."""
import asyncio
import contextlib
import itertools
import socket
import struct
import time

from backend import lost_pkts
from shot import PORT
from tcp import open_socket
from topo import VIP

EVERY_S = 0.05
HANDSHAKE_S = 0.9       # before a SYN is repeated
ANSWER_S = 5
ESTABLISHED = 1
REQUEST = "POST /do/attempt{} HTTP/1.1\r\nHost: www.example.org\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Attempts:
    def __init__(self, cluster, source):
        self.client, self.target = cluster.client, (VIP[source][4], PORT)
        self.done, self.unanswered = [], 0      # (when it began, whether it was served)

    async def run(self, stop):
        tasks = set()
        for number in itertools.count():
            if stop.is_set():
                break
            task = asyncio.create_task(self.attempt(number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(EVERY_S)
        if tasks:
            await asyncio.wait(tasks)

    async def attempt(self, number):
        start = time.monotonic()
        with open_socket(self.client, self.target[0]) as sock:
            sock.setblocking(False)
            is_served = await self.handshake(sock)
            if is_served and not await self.is_answered(sock, number):
                is_served = False
                self.unanswered += 1
        self.done.append((start, is_served))

    async def handshake(self, sock):
        """Whether its first packets had an answer. The kernel says: when we come to see it may be late."""
        with contextlib.suppress(asyncio.TimeoutError, OSError):
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, self.target), HANDSHAKE_S)
        state, = struct.unpack_from("B", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1))
        return state == ESTABLISHED and not lost_pkts(sock)

    @staticmethod
    async def is_answered(sock, number):
        loop = asyncio.get_running_loop()
        with contextlib.suppress(asyncio.TimeoutError, OSError):
            await asyncio.wait_for(loop.sock_sendall(sock, REQUEST.format(number).encode()), ANSWER_S)
            return bool(await asyncio.wait_for(loop.sock_recv(sock, 1 << 16), ANSWER_S))
        return False

    def not_served(self, begin, end):
        """(share, how many there were) of those that began then"""
        served = [is_served for start, is_served in self.done if begin <= start < end]
        return served.count(False) / max(1, len(served)), len(served)
