#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Measures what the loss of a proxy and of a store server costs those who are connected; see METHOD.md."""
import argparse
import contextlib
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
HERE = ROOT / "bench"
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(ROOT / "tests/net")]

import bench        # noqa: E402
import lab          # noqa: E402
import measures     # noqa: E402
from addresses import addr      # noqa: E402
from cluster import Cluster     # noqa: E402
from daemon import pool, service        # noqa: E402
from failover_table import print_failover       # noqa: E402
from observers import Difference, Live, Routes, Watch   # noqa: E402
from tcp import connect, wait_for       # noqa: E402
from topo import VIP        # noqa: E402

PORT = 80
SPORTS = (10000, 60000)
V6_CONNECTIONS = 64
WARM_S, AFTER_S, STORM_S, REST_S = 3, 5, 4, 2
LOSS_S, LOSS_AT_S = 3, 1

# Keys of one kind on one server: how many, bytes of key and value, and what the server needs for them.
RECORDS = """
local sums, cursor = {}, '0'
repeat
  local page = redis.call('SCAN', cursor, 'COUNT', 1000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    local kind = key:sub(1, 1)
    if kind == 'f' or kind == 'd' then
      kind = kind .. ((kind == 'f' and #key or redis.call('STRLEN', key)) > 20 and 6 or 4)
      local sum = sums[kind] or {0, 0, 0}
      sums[kind] = {sum[1] + 1, sum[2] + #key + redis.call('STRLEN', key), sum[3] + redis.call('MEMORY', 'USAGE', key)}
    end
  end
until cursor == '0'
local out = {}
for kind, sum in pairs(sums) do out[#out + 1] = kind .. ' ' .. table.concat(sum, ' ') end
return table.concat(out, ',')
"""


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", type=pathlib.Path, default=ROOT / "build", metavar="DIR", help="where spliced was built")
    p.add_argument("--connections", type=int, default=10000, metavar="N", help="that are alive (%(default)s)")
    p.add_argument("--only", choices=("store", "proxy"), help="whose loss is measured (both)")
    p.add_argument("--rounds", type=int, default=1, metavar="N", help="each with a cluster of its own (%(default)s)")
    p.add_argument("--rate", type=int, default=1000, metavar="N", help="new connections/s while a store server is lost (%(default)s)")
    p.add_argument("--rest", default="500-1500", metavar="MS-MS", help="between an answer and the next request (%(default)s)")
    p.add_argument("--out", type=pathlib.Path, default=HERE / "out", metavar="DIR", help="where the CSV goes")
    p.add_argument("--strict", action="store_true", help="exit 1 when a bar falls short")
    p.add_argument("--table", type=pathlib.Path, metavar="CSV", help="only print the table of an earlier run")
    return p.parse_args()


class Round:
    def __init__(self, options, recorder, turn, work, stack):
        self.options, self.recorder, self.turn, self.work, self.stack = options, recorder, turn, work, stack

    def add(self, values, prefix=""):
        self.recorder.add({prefix + name: value for name, value in values.items()}, "spliced", self.turn)

    def build(self):
        self.cluster = Cluster(self.options.build, self.work, proxies=2, way="bird")
        self.stack.callback(self.cluster.close)
        self.start_backend()
        self.cluster.client.sysctl("ipv4.ip_local_port_range", f"{SPORTS[0]} 65000")
        view = self.cluster.view(1)
        self.cluster.start([(service("www", "snat", "http", PORT, default="www-snat"),
                             pool(view, "www", "snat", PORT, ("backend1",)))])
        self.victim, self.survivor = self.cluster.proxies

    def start_backend(self):
        folder = self.work / "nginx"
        folder.mkdir()
        text = (HERE / "backend.nginx.cfg").read_text()
        for word, value in {"DIR": folder, "FILES": folder, "KILOBYTE": "x" * 1024}.items():
            text = text.replace(f"@{word}@", str(value))
        text = text.replace("include @POOLS@;", "").replace("listen 80 ", f"listen [::]:{PORT} ipv6only=off ")
        (folder / "conf").write_text(text)
        self.nginx = self.cluster.backend1.popen("nginx", "-c", str(folder / "conf"), "-e", str(folder / "error.log"),
                                                 stdin=subprocess.DEVNULL)
        self.stack.callback(self.end_nginx)
        wait_for(lambda: f":{PORT} " in self.cluster.backend1.run("ss", "-Htln"), "nginx to listen")

    def end_nginx(self):
        self.nginx.send_signal(signal.SIGTERM)
        self.nginx.wait(10)

    @contextlib.contextmanager
    def noise(self, name):
        with measures.Disturbance() as d:
            yield
        self.add({f"{name}_noise_pct": d.others_pct, f"{name}_steal_pct": d.steal_pct})

    # ---- a store server ----

    def lose_stores(self):
        store = self.cluster.stores[0]
        with self.noise("store"):
            for what, strike in (("killed", store.kill), ("frozen", store.freeze)):
                self.lose_store(what, strike)
                store.heal()
                self.cluster.wait_well()

    def lose_store(self, what, strike):
        for when, at in (("before", None), ("during", strike), ("after", None)):
            timer = threading.Timer(LOSS_AT_S, at) if at else None
            if timer:
                timer.start()
            out = self.gen_conn()
            if timer:
                timer.join()
            bench.say(f"  store server {what}, {when}: " + describe(out))
            self.add({name: out[f"latency_{name}"] for name in ("p50_us", "p99_us", "max_us")} |
                     {name: out[name] for name in ("errors", "stuck")}, f"store_{what}_{when}_")

    def gen_conn(self):
        text = self.cluster.client.run(str(self.work.parent / "gen_conn"), "-s", addr(1, 1), "-n", "1", "-w", "300", "-d", str(LOSS_S * 1000),
                                       "-r", str(self.options.rate), "-c", "8192", VIP["snat"][4], str(PORT))
        return measures.numbers(text)

    # ---- a proxy ----

    def victims_ports(self):
        """Whose packets pass the victim: then the other one knows none of these connections."""
        sports = range(*SPORTS)
        found = [sport for sport, name in zip(sports, self.cluster.carriers(sports, PORT)) if name == self.victim.name]
        if len(found) < self.options.connections:
            raise measures.MeasureError(f"only {len(found)} ports lead to {self.victim.name}")
        return found[:self.options.connections]

    def lose_proxy(self):
        there, memory = self.records(), self.used_memory()
        live = Live(self.cluster, self.work.parent / "gen_live", PORT, self.victims_ports(), self.options.rest)
        self.stack.callback(live.close)
        opened = live.read()
        bench.say(f"  {opened['open']:.0f} connections are open")
        if opened["open"] < self.options.connections:
            raise measures.MeasureError("the others were refused: the machine is too busy")
        self.measure_growth(there, memory)
        self.measure_records()
        self.routes = Routes(self.cluster)
        self.stack.callback(self.routes.close)
        live.mark()
        time.sleep(WARM_S)
        with self.noise("live"):
            before, watch, grown = self.begin_loss(live)
            self.add({f"before_{name}": value for name, value in before.items()}, "live_")
            time.sleep(AFTER_S)
            self.end_loss(live, watch, grown, "live_")
        self.storm(live)

    def begin_loss(self, live):
        grown = Difference(self.survivor)
        values = live.mark()
        bench.say("  before: " + describe(values) + f" route_changes={self.routes.count()}")
        self.victim.unplug()
        return values, Watch(self.survivor, self.options.connections), grown

    def end_loss(self, live, watch, grown, prefix):
        values = {**live.mark(), **watch.finish(), **grown(), "route_changes": self.routes.count()}
        bench.say(f"  {prefix[:-1]}: " + describe(values))
        self.add(values, prefix)

    def storm(self, live):
        """The other proxy is cold again: its machine was started anew. Nobody asks until it is the only one left."""
        live.tell("h")
        time.sleep(REST_S)
        self.swap()
        live.mark()
        with self.noise("storm"):
            grown = Difference(self.survivor)
            watch = Watch(self.survivor, self.options.connections)
            live.mark("s")
            time.sleep(STORM_S)
            self.end_loss(live, watch, grown, "storm_")
        bench.say("  afterwards: " + describe(live.finish()))

    def swap(self):
        """The one that was lost is started anew, with nothing in its table; then the one that carried is lost."""
        self.victim.kill9()
        self.victim.unload()
        self.victim.plug("stores")
        self.victim.start()
        self.survivor.unplug()
        self.victim.plug()
        self.victim, self.survivor = self.survivor, self.victim
        self.cluster.way.wait_for([self.survivor.name], 30)

    # ---- records ----

    def records(self):
        """Of each kind of key on one server: how many, bytes with keys, MEMORY USAGE."""
        said = self.cluster.stores[0].cli("eval", RECORDS, "0")
        return {kind: [int(n) for n in numbers] for kind, *numbers in (part.split() for part in said.split(",") if part)}

    def used_memory(self):
        info = self.cluster.stores[0].cli("info", "memory")
        return int(next(line.split(":")[1] for line in info.splitlines() if line.startswith("used_memory:")))

    def measure_growth(self, there, memory):
        """With all that the server needs beside keys and values."""
        more = self.records()["f4"][0] - there.get("f4", [0])[0]
        self.add({"record_v4_growth": (self.used_memory() - memory) / more})

    def measure_records(self):
        socks = [connect(self.cluster.client, VIP["snat"][6], PORT) for _ in range(V6_CONNECTIONS)]
        for sock in socks:
            sock.sendall(b"GET /1k HTTP/1.1\r\nHost: bench.example\r\n\r\n")
            if not sock.recv(4096).startswith(b"HTTP/1.1 200"):
                raise measures.MeasureError("no answer over IPv6")
        kinds = self.records()
        for sock in socks:
            sock.close()
        for version in (4, 6):
            front, down = ([n / kinds[f"{kind}{version}"][0] for n in kinds[f"{kind}{version}"][1:]] for kind in ("f", "d"))
            values = {"front_bytes": front[0], "down_bytes": down[0], "bytes": front[0] + down[0], "memory": front[1] + down[1]}
            bench.say(f"  records over IPv{version}: " + describe(values))
            self.add(values, f"record_v{version}_")


def describe(values):
    return " ".join(f"{name}={value:.6g}" for name, value in values.items() if value)


def compile_generators(folder):
    for name in ("gen_live", "gen_conn"):
        lab.run("cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread",
                "-o", str(folder / name), str(HERE / f"{name}.c"), str(HERE / "gen.c"))


def one_round(options, recorder, turn, folder):
    work = folder / f"round{turn}"
    work.mkdir()
    with contextlib.ExitStack() as stack:
        this = Round(options, recorder, turn, work, stack)
        try:
            this.build()
            if options.only != "proxy":
                this.lose_stores()
            if options.only != "store":
                this.lose_proxy()
        except (measures.MeasureError, AssertionError, RuntimeError, OSError) as e:
            recorder.failures += 1
            bench.say(f"round {turn}: FAILED: {type(e).__name__}: {e}")


def run(options):
    recorder = bench.Recorder(options.out)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="sp-failover-") as folder:
        compile_generators(pathlib.Path(folder))
        recorder.add({"connections": options.connections}, "spliced", 0)
        recorder.add({"rate": options.rate}, "spliced", 0)
        for turn in range(options.rounds):
            bench.say(f"round {turn + 1}/{options.rounds}")
            one_round(options, recorder, turn, pathlib.Path(folder))
    bench.say(f"samples are in {recorder.path}")
    return recorder


def main():
    options = parse_arguments()
    if options.table:
        rows, failures = bench.read_rows(options.table), 0
    else:
        if os.geteuid():
            sys.exit("failover.py: needs root, it makes network namespaces")
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, bench.stop)
        try:
            recorder = run(options)
        except KeyboardInterrupt:
            sys.exit("failover.py: interrupted; everything was taken down")
        rows, failures = recorder.rows, recorder.failures
    short = print_failover(rows)
    return 1 if failures or (short and options.strict) else 0


if __name__ == "__main__":
    sys.exit(main())
