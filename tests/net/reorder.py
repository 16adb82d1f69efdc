# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Packets that overtake each other: the router sends every n-th one through a TUN device where it waits a moment."""
import collections
import contextlib
import fcntl
import os
import select
import struct
import threading
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
MARK = """chain mark_some {{
    type filter hook prerouting priority mangle
    iifname != "slow" meta l4proto tcp numgen inc mod {nth} == 0 meta mark set 1
}}"""


def delay_packets(fd, stop, delay_s):
    waiting = collections.deque()
    while not stop.is_set():
        left = waiting[0][0] - time.monotonic() if waiting else 0.05
        if left <= 0:
            os.write(fd, waiting.popleft()[1])
        elif select.select([fd], [], [], left)[0]:
            waiting.append((time.monotonic() + delay_s, os.read(fd, 65536)))


@contextlib.contextmanager
def reordering(net, nth=20, delay_s=0.001):
    router = net.router
    with router.inside():
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"slow", IFF_TUN | IFF_NO_PI))
    router.ip("link set slow up\nroute add default dev slow table 50\nroute add ::/0 dev slow table 50\n")
    router.sysctl("ipv4.conf.slow.rp_filter", 0)
    stop = threading.Event()
    thread = threading.Thread(target=delay_packets, args=(fd, stop, delay_s))
    thread.start()
    for family in ("-4", "-6"):
        router.run("ip", family, "rule", "add", "fwmark", "1", "lookup", "50")
    try:
        with router.nft(MARK.format(nth=nth)):
            yield
    finally:
        stop.set()
        thread.join()
        os.close(fd)
        for family in ("-4", "-6"):
            router.run("ip", family, "rule", "del", "fwmark", "1", "lookup", "50")
