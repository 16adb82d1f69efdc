# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Who carries what, while it runs: a block that is drawn again in a terminal, else a line now and then."""
import sys
import threading
import time

BAR, FULL_PKTS_S = 24, 4000
DRAW_S, LINE_S = 0.25, 1.0


class View:
    def __init__(self, cluster, streams, out=sys.stdout):
        self.cluster, self.streams, self.out = cluster, streams, out
        self.is_terminal, self.drawn = out.isatty(), 0
        self.notes, self.seen, self.is_ending = {}, {}, False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.start_s = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_ending = True
        self.thread.join()

    def run(self):
        while not self.is_ending:
            rates, carriers = {p.name: self.rate(p) for p in self.cluster.proxies}, self.carriers()
            self.block(rates, carriers) if self.is_terminal else self.line(rates, carriers)
            time.sleep(DRAW_S if self.is_terminal else LINE_S)

    def rate(self, proxy):
        """Packets of splices in a second; None: nobody to ask."""
        if not proxy.is_running():
            self.seen.pop(proxy.name, None)
            return None
        try:
            now, pkts = time.monotonic(), proxy.counters()["spliced_pkts"]
        except (OSError, AssertionError, ValueError, KeyError):     # it ends, or begins, just now
            return None
        before = self.seen.get(proxy.name, (now - 1, pkts))
        self.seen[proxy.name] = now, pkts
        return max(0, (pkts - before[1]) / (now - before[0]))

    def carriers(self):
        """Where the router sends the client's packets."""
        return {s.name: self.cluster.carriers([s.sport], vip=s.vip)[0] for s in self.streams}

    def state(self, proxy, rate):
        if proxy.pulled:
            return "NO CABLES"
        return "no daemon" if rate is None else f"{rate:7.0f} pkt/s"

    def stream(self, s):
        stall = f"no byte for {s.silent_s():.1f} s" if s.silent_s() > 1 else f"longest stall {s.gap:.2f} s"
        return f"{s.name:8} {s.told():38} {s.error or stall}"

    def block(self, rates, carriers):
        lines = [f"{time.monotonic() - self.start_s:5.1f} s"]
        for p in self.cluster.proxies:
            bar = "#" * min(BAR, int((rates[p.name] or 0) / FULL_PKTS_S * BAR + 0.9))
            names = ", ".join(s.name for s in self.streams if carriers[s.name] == p.name and not s.error)
            lines.append(f"        {p.name}  {self.state(p, rates[p.name]):>14} {bar:{BAR}} {names}")
        lines += [f"        {self.stream(s)}" for s in self.streams]
        up = f"\033[{self.drawn}F" if self.drawn else ""
        self.out.write(up + "".join(f"{line[:118]}\033[K\n" for line in lines))
        self.out.flush()
        self.drawn = len(lines)

    def line(self, rates, carriers):
        told = [f"{p.name} {self.state(p, rates[p.name]).strip()}" for p in self.cluster.proxies]
        told += [f"{s.name}@{carriers[s.name]} {s.told().split(',')[0]}, stall {max(s.gap, s.silent_s()):.2f} s" for s in self.streams]
        print(f"     {time.monotonic() - self.start_s:4.1f} s  " + " | ".join(told), file=self.out, flush=True)

    def say(self, text):
        """Above the block."""
        self.drawn = 0
        print(text, file=self.out, flush=True)
