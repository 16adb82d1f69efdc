# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What bench/failover.py looks through while something is lost: each is told to begin, and asked in the end."""
import math
import subprocess
import threading
import time

import bench
import measures
from addresses import addr
from topo import VIP, VIP_NETS

REASONS = ("ring_full", "rate_limited", "daemon_stale", "table_full", "no_route")
COUNTERS = ("fetched", "relayed", "stray_kept", "reset_unknown")
STORE_COUNTERS = ("fetch_hits", "fetch_misses", "fetch_again", "table_full")


class Live:
    """gen_live, and what it says."""

    def __init__(self, cluster, binary, port, sports, rest):
        path = cluster.work / "ports"
        path.write_text("".join(f"{sport}\n" for sport in sports))
        low, high = rest.split("-")
        self.log = open(cluster.work / "live.log", "w+")
        self.process = cluster.client.popen(str(binary), "-s", addr(1, 1), "-a", low, "-b", high, str(path), VIP["snat"][4], str(port),
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def read(self):
        values = {}
        for line in self.process.stdout:
            name, value = line.split()
            if name == "end":
                return values
            values[name] = float(value)
        self.log.seek(0)
        raise measures.MeasureError(f"gen_live ended: {self.log.read()[-1000:]}")

    def tell(self, letter):
        self.process.stdin.write(letter)
        self.process.stdin.flush()

    def mark(self, letter="m"):
        self.tell(letter)
        return self.read()

    def finish(self):
        self.process.stdin.close()
        return self.read()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.seek(0)
        for line in self.log.readlines()[:20]:
            bench.say(f"  gen_live: {line.rstrip()}")
        self.log.close()


class Routes:
    """How often the router has changed its mind about where the services are: once is what a loss should cost."""

    def __init__(self, cluster):
        self.path = cluster.work / "routes"
        with open(self.path, "w") as out:
            self.process = cluster.router.popen("ip", "-4", "-ts", "monitor", "route", stdout=out, stdin=subprocess.DEVNULL)

    def count(self):
        return sum(VIP_NETS[0] in line for line in self.path.read_text().splitlines())

    def close(self):
        self.process.kill()
        self.process.wait()


class Watch(threading.Thread):
    """What a proxy has fetched, seen every 50 ms."""

    def __init__(self, proxy, count):
        super().__init__()
        self.proxy, self.seen, self.is_over = proxy, [], False
        self.wanted = proxy.counters()["fetched"] + count
        self.start_s = time.monotonic()
        self.start()

    def run(self):
        while not self.is_over:
            fetched = self.proxy.counters()["fetched"]
            self.seen.append((time.monotonic() - self.start_s, fetched))
            time.sleep(0.05)

    def finish(self):
        """When as many as wanted had come, and the most in a second."""
        self.is_over = True
        self.join()
        at = next((at for at, fetched in self.seen if fetched >= self.wanted), math.nan)
        rates = [(later - earlier) / (b - a) for (a, earlier), (b, later) in zip(self.seen, self.seen[4:]) if b > a]
        return {"carried_s": at, "fetches_per_s": max(rates, default=0)}


class Difference:
    """What the counters of a proxy have grown by."""

    def __init__(self, proxy):
        self.proxy, self.begin = proxy, self.read(proxy)

    @staticmethod
    def read(proxy):
        status, drops = proxy.status(), proxy.drops()
        return {**{name: drops[name] for name in REASONS}, **{name: status["counters"][name] for name in COUNTERS},
                **{f"store_{name}": status["store"]["counters"][name] for name in STORE_COUNTERS},
                "store_reconnects": sum(server["reconnects"] for server in status["store"]["servers"])}

    def __call__(self):
        return {name: value - self.begin[name] for name, value in self.read(self.proxy).items()}
