# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The measures: each takes one sample of one contender and returns {name of the value: number}."""
import contextlib
import math
import os
import pathlib
import re
import time

import contenders
import lab

OPEN_RATE = 2000
KEPT_CONNECTIONS = 64   # in the open loop: each asks 31 times a second
SHOP = {"PAGE": ("shop.example", "/page/1k"), "STATIC": ("shop.example", "/static/1k"), "ORDER": ("api.example", "/order/1k")}
BULK_PARTS = 4
BULK_WARM_MS = 200
PROBE_S = 0.2
QUIET_PCT = 5
QUIET_TRIES = 25
SAMPLE_TRIES = 3
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CPUS = os.sysconf("SC_NPROCESSORS_ONLN")
KTHREADD = 2


class MeasureError(Exception):
    pass


def read_cpu():
    """(now, idle seconds of all processors). Ticks of single processes cannot be trusted for this."""
    with open("/proc/stat", encoding="ascii") as f:
        fields = f.readline().split()
    return time.monotonic(), (int(fields[4]) + int(fields[5])) / TICKS_PER_S


def busy_between(begin, end):
    return CPUS * (end[0] - begin[0]) - (end[1] - begin[1])


def probe_noise(seconds):
    """How busy others keep the machine while we rest."""
    begin = read_cpu()
    time.sleep(seconds)
    end = read_cpu()
    return 100 * busy_between(begin, end) / (CPUS * (end[0] - begin[0]))


def wait_quiet():
    """Lets the last sample's remains and the neighbours come to rest, for a few seconds at most."""
    for _ in range(QUIET_TRIES):
        if probe_noise(PROBE_S) <= QUIET_PCT:
            break


def process_times():
    """pid -> (parent, CPU ticks of its own and of the children that it has buried)"""
    times = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            stat = pathlib.Path("/proc", pid, "stat").read_text(errors="replace")
            fields = stat.rpartition(")")[2].split()
            times[int(pid)] = int(fields[1]), sum(map(int, fields[11:15]))
    return times


def stolen_ticks():
    """What the hypervisor has kept from us."""
    with open("/proc/stat", encoding="ascii") as f:
        return int(f.readline().split()[8])


def others_ticks():
    """What the processes that are not ours have used so far; kernel threads work for all."""
    times, ours = process_times(), {}

    def is_ours(pid):
        if pid not in ours:
            ours[pid] = pid in (os.getpid(), KTHREADD) or (pid in times and is_ours(times[pid][0]))
        return ours[pid]

    return sum(ticks for pid, (_, ticks) in times.items() if not is_ours(pid))


class Disturbance:
    """How much of the machine was not ours while the block ran: other processes, and the hypervisor's other guests."""

    def __enter__(self):
        self.begin = time.monotonic(), others_ticks(), stolen_ticks()
        return self

    def __exit__(self, *exc):
        per_pct = (time.monotonic() - self.begin[0]) * CPUS * TICKS_PER_S / 100
        self.others_pct = max(0, others_ticks() - self.begin[1]) / per_pct
        self.steal_pct = (stolen_ticks() - self.begin[2]) / per_pct
        self.pct = self.others_pct + self.steal_pct


def numbers(text):
    """The generators print one `name value` a line."""
    return {name: float(value) for name, value in (line.split() for line in text.splitlines())}


def cost(out, per, scale):
    """CPU time per unit of work, and how busy the machine was."""
    return out["busy_s"] * scale / per, 100 * out["busy_s"] / (CPUS * out["seconds"])


def seconds_of(processes):
    """Time that their threads have run. The scheduler's own clock: unlike ticks it is true for short turns."""
    return sum(int(path.read_text().split()[0]) for p in processes
               for path in pathlib.Path("/proc", str(p.pid), "task").glob("*/schedstat")) / 1e9


def daemon_time(rig, name, begin_s, count):
    """Processor time of the daemon itself for each unit of work; nothing where there is no daemon of ours."""
    return {f"{name}_daemon_us": (seconds_of(rig.daemons) - begin_s) * 1e6 / count} if rig.daemons else {}


def keepalive(rig, seconds):
    begin_s, begin = seconds_of(rig.daemons), read_cpu()
    text = rig.client("wrk", "-t2", "-c32", f"-d{seconds}s", "-H", "Host: bench.example",
                      f"http://{lab.SERVICE_ADDR}/1k", timeout=seconds + 15)
    end = read_cpu()
    if "Socket errors" in text or "Non-2xx" in text:
        raise MeasureError(f"{rig.name}: {text}")
    requests = int(re.search(r"(\d+) requests in", text)[1])
    out = {"busy_s": busy_between(begin, end), "seconds": end[0] - begin[0]}
    cpu_us, busy_pct = cost(out, requests, 1e6)
    return {"keepalive_rps": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
            "keepalive_cpu_us": cpu_us, "keepalive_busy_pct": busy_pct, **daemon_time(rig, "keepalive", begin_s, requests)}


def download(rig, seconds, path, flows, parts):
    """Connects anew a few times: which worker of nginx accepts which flow is luck, and moves the result."""
    found = [numbers(rig.client(rig.lab.dir / "gen_bulk", lab.SERVICE_ADDR, 80, path, flows, BULK_WARM_MS,
                                int(seconds * 1000 / parts), timeout=seconds + 15))
             for _ in range(parts)]
    return {name: sum(part[name] for part in found) for name in found[0]}


def bulk(rig, seconds):
    out = download(rig, seconds, "/big", 4, BULK_PARTS)
    cpu_s, busy_pct = cost(out, out["bytes"] / 1e9, 1)
    return {"bulk_gbps": out["bytes"] * 8e-9 / out["seconds"], "bulk_cpu_s_per_gb": cpu_s,
            "bulk_busy_pct": busy_pct}


def gen_conn(rig, name, seconds, *more, port=80, requests=()):
    begin_s = seconds_of(rig.daemons)
    out = numbers(rig.client(rig.lab.dir / "gen_conn", "-s", lab.FIRST_SOURCE, "-n", lab.SOURCES, "-w", 300,
                             "-d", seconds * 1000, *more, lab.SERVICE_ADDR, port, *requests, timeout=seconds + 15))
    if not out["requests"]:
        raise MeasureError(f"{rig.name}: no answer at all: {out}")
    return {**out, "daemon": daemon_time(rig, name, begin_s, out["answers"])}


def connections(rig, seconds):
    begin_s, begin = seconds_of(rig.stores), time.monotonic()
    out = gen_conn(rig, "conn", seconds, "-t", 2, "-c", 32)
    stores = (seconds_of(rig.stores) - begin_s) / (CPUS * (time.monotonic() - begin))
    cpu_us, busy_pct = cost(out, out["requests"], 1e6)
    cps = out["requests"] / out["seconds"]
    return {"conn_cps": cps, "conn_cpu_us": cpu_us, "conn_busy_pct": busy_pct,
            "conn_errors": out["errors"], "conn_stuck": out["stuck"],
            "conn_store_pct": 100 * stores, "conn_elsewhere_cps": cps / (1 - stores), **out["daemon"]}


def latencies(name, out):
    cpu_us, busy_pct = cost(out, out["requests"], 1e6)
    return {f"{name}_p50_us": out["latency_p50_us"], f"{name}_p99_us": out["latency_p99_us"],
            f"{name}_max_us": out["latency_max_us"], f"{name}_late_p99_us": out["late_p99_us"],
            f"{name}_cpu_us": cpu_us, f"{name}_busy_pct": busy_pct,
            f"{name}_errors": out["errors"], f"{name}_stuck": out["stuck"], **out["daemon"]}


def open_loop(rig, seconds):
    return latencies("open", gen_conn(rig, "open", seconds, "-r", OPEN_RATE, "-c", 4096))


def shop_requests(header):
    return [f"{lab.letter_of(pool)}=GET {path} HTTP/1.1\r\nHost: {host}\r\n" +
            (f"X-Pool: {pool.lower()}\r\n" if header else "") + "\r\n" for pool, (host, path) in SHOP.items()]


def kept(name, rig, seconds, *more, port):
    """Connections that stay. An answer of the wrong pool is an error, and with one there is no figure."""
    out = gen_conn(rig, name, seconds, "-k", *more, port=port, requests=shop_requests(port == lab.READ_PORT))
    if out["errors"] or out["stuck"]:
        raise MeasureError(f"{rig.name}: {out['errors']:.0f} wrong or broken answers, {out['stuck']:.0f} stuck")
    return out


def kept_closed(name, rig, seconds, *more, port):
    out = kept(name, rig, seconds, "-t", 2, "-c", 16, *more, port=port)
    cpu_us, busy_pct = cost(out, out["requests"], 1e6)
    return {f"{name}_rps": out["requests"] / out["seconds"], f"{name}_cpu_us": cpu_us, f"{name}_busy_pct": busy_pct,
            **out["daemon"]}


def kept_open(name, rig, seconds, *more, port):
    return latencies(name, kept(name, rig, seconds, "-r", OPEN_RATE, "-c", KEPT_CONNECTIONS, *more, port=port))


def stay(rig, seconds):
    return kept_closed("stay", rig, seconds, port=lab.SHOP_PORT)


def changed(rig, seconds):
    return kept_closed("changed", rig, seconds, port=lab.CHANGED_PORT)


def move(rig, seconds):
    return kept_closed("move", rig, seconds, "-m", port=lab.SHOP_PORT)


def read(rig, seconds):
    return kept_closed("read", rig, seconds, port=lab.READ_PORT)


def read_open(rig, seconds):
    return kept_open("read_open", rig, seconds, port=lab.READ_PORT)


def move_open(rig, seconds):
    return kept_open("move_open", rig, seconds, "-m", port=lab.SHOP_PORT)


def check(rig):
    """One short run: the contender answers, whole and right, before anything is measured."""
    out = gen_conn(rig, "check", 1, "-r", 50, "-c", 16)
    if out["errors"] or out["stuck"]:
        raise MeasureError(f"{rig.name}: {out['errors']:.0f} errors, {out['stuck']:.0f} stuck before the start")


UNROUTED = {"keepalive": keepalive, "bulk": bulk, "connections": connections, "open": open_loop}
ROUTED = {"stay": stay, "changed": changed, "move": move, "read": read, "read_open": read_open, "move_open": move_open}
MEASURES = {**UNROUTED, **ROUTED}
PARTS = {   # of the contenders that take part in more, or less, than what needs no routes
    contenders.TUNED: ("bulk",),
    **dict.fromkeys((*contenders.HTTP_PROXIES, contenders.OURS), MEASURES),
    contenders.FIRST_ONLY: ("keepalive", "bulk", "connections", "stay"),
    contenders.SHARED: (*UNROUTED, "move"),
    contenders.LOGGED: ("keepalive", "connections", "stay"),
}


def sample(rig, measure, seconds, known=None):
    """One that was disturbed is taken again, a few times; the least disturbed counts."""
    best, least_pct = {}, math.inf
    for _ in range(SAMPLE_TRIES):
        wait_quiet()
        with Disturbance() as d:
            values = (known or MEASURES)[measure](rig, seconds)
        if d.pct < least_pct:
            least_pct = d.pct
            best = {**values, f"{measure}_noise_pct": d.others_pct, f"{measure}_steal_pct": d.steal_pct}
        if d.pct <= QUIET_PCT:
            break
    return best


def takes_part(name, measure):
    return measure in PARTS.get(name, UNROUTED)


def bpf_cost(program):
    """ns a packet by BPF_PROG_TEST_RUN: the program prints `timestamps NS` and `sack3 NS`."""
    out = numbers(lab.run(str(program), timeout=60).stdout)
    return {f"bpf_{name}_ns": out[name] for name in ("timestamps", "sack3")}
