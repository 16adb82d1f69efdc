# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Opens connections at a pace, and keeps those that are answered: connect_flood.py VIP PORT RATE

Each answered connection sends a request. Ends with its standard input.
"""
import collections
import select
import socket
import sys
import time

PATIENCE_S = 0.05
HEAD = b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n"


def settle(sock, kept):
    """A socket whose time is over: answered, or not."""
    try:
        sock.send(HEAD)
        kept.append(sock)
    except OSError:
        sock.close()


def main(vip, port, rate):
    family = socket.AF_INET6 if ":" in vip else socket.AF_INET
    waiting, kept, tried, start = collections.deque(), [], 0, time.monotonic()
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        now = time.monotonic()
        while waiting and waiting[0][0] < now - PATIENCE_S:
            settle(waiting.popleft()[1], kept)
        while tried < (now - start) * rate:
            sock = socket.socket(family)
            sock.setblocking(False)
            sock.connect_ex((vip, port))
            waiting.append((now, sock))
            tried += 1


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
