# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the stores say comes late: on each of their hosts packets to chosen proxies wait in a TUN device (netem isn't everywhere)."""
import collections
import fcntl
import os
import select
import struct
import threading
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
TABLE = "50"


def open_tun(ns):
    with ns.inside():
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"late", IFF_TUN | IFF_NO_PI))
    ns.ip(f"link set late up\nroute add default dev late table {TABLE}\n")
    for key, value in (("ip_forward", 1), ("conf.late.rp_filter", 0), ("conf.late.accept_local", 1)):
        ns.sysctl("ipv4." + key, value)
    return fd


class Late:
    def __init__(self, cluster, delay_s):
        self.cluster, self.delay_s = cluster, delay_s
        self.hosts = [store.host_ns for store in cluster.stores]
        self.fds = [open_tun(ns) for ns in self.hosts]
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.hold)
        self.thread.start()

    def hold(self):
        waiting = collections.deque()
        while not self.stop.is_set():
            left = waiting[0][0] - time.monotonic() if waiting else 0.05
            if left <= 0:
                _, fd, packet = waiting.popleft()
                os.write(fd, packet)
                continue
            for fd in select.select(self.fds, [], [], left)[0]:
                waiting.append((time.monotonic() + self.delay_s, fd, os.read(fd, 65536)))

    def rule(self, what, proxy):
        addr = proxy.host_ns.addr(4, "stores")
        for ns in self.hosts:
            ns.run("ip", "rule", what, "iif", "lo", "to", addr, "lookup", TABLE)

    def begin(self, proxy):
        self.rule("add", proxy)

    def end(self, proxy):
        """What waits still comes late."""
        self.rule("del", proxy)

    def close(self):
        self.stop.set()
        self.thread.join()
        for fd in self.fds:
            os.close(fd)
