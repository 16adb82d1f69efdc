# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Medians, spread, ratios, bars. Samples are (measure, contender, round, value)."""
import collections
import math
import operator
import statistics

import contenders
import measures

SECTIONS = (  # title, unit, measure, digits, measures printed beside
    ("keep-alive, 1 KB, 32 connections", "req/s", "keepalive_rps", 0,
     (("keepalive_cpu_us", "CPU us/req", 1), ("keepalive_busy_pct", "busy %", 0))),
    ("bulk, 4 flows", "Gbit/s", "bulk_gbps", 2, (("bulk_busy_pct", "busy %", 0),)),
    ("CPU cost of the bulk", "CPU-s/GB", "bulk_cpu_s_per_gb", 3, ()),
    ("connections, one request each", "conn/s", "conn_cps", 0,
     (("conn_cpu_us", "CPU us/conn", 1), ("conn_busy_pct", "busy %", 0), ("conn_errors", "errors", 0),
      ("conn_stuck", "stuck", 0), ("conn_store_pct", "stores' %", 0))),
    ("new connection's request at 2000/s, p50", "us", "open_p50_us", 0,
     (("open_cpu_us", "CPU us/conn", 1), ("open_busy_pct", "busy %", 0))),
    ("new connection's request at 2000/s, p99", "us", "open_p99_us", 0,
     (("open_late_p99_us", "late p99", 0), ("open_max_us", "max", 0), ("open_errors", "errors", 0),
      ("open_stuck", "stuck", 0))),
    ("one packet, identity half, timestamps only", "ns", "bpf_timestamps_ns", 0, ()),
    ("one packet, identity half, 3 SACK blocks", "ns", "bpf_sack3_ns", 0, ()),
)
ROUTED_SECTIONS = (     # as those above
    ("kept connections, routes by Host and path, each stays in one of 3 pools", "req/s", "stay_rps", 0,
     (("stay_cpu_us", "CPU us/req", 1), ("stay_busy_pct", "busy %", 0))),
    ("the same, and X-Forwarded-For is added to each request", "req/s", "changed_rps", 0,
     (("changed_cpu_us", "CPU us/req", 1), ("changed_busy_pct", "busy %", 0))),
    ("routes by Host and path, each request to another pool than the one before", "req/s", "move_rps", 0,
     (("move_cpu_us", "CPU us/req", 1), ("move_busy_pct", "busy %", 0))),
    ("kept connections, routes by a header, each stays in one of 3 pools", "req/s", "read_rps", 0,
     (("read_cpu_us", "CPU us/req", 1), ("read_busy_pct", "busy %", 0))),
    ("the same at 2000/s, p50", "us", "read_open_p50_us", 0,
     (("read_open_p99_us", "p99", 0), ("read_open_late_p99_us", "late p99", 0), ("read_open_cpu_us", "CPU us/req", 1))),
    ("each request to another pool at 2000/s, p50", "us", "move_open_p50_us", 0,
     (("move_open_p99_us", "p99", 0), ("move_open_late_p99_us", "late p99", 0), ("move_open_cpu_us", "CPU us/req", 1))),
)
DAEMON_LOADS = (
    ("keepalive", "requests, one pool"), ("stay", "requests that stay, by Host and path"), ("read", "requests that stay, by a header"),
    ("changed", "requests that stay, with X-Forwarded-For"),
    ("move", "requests that move"), ("read_open", "by a header, at 2000/s"), ("move_open", "that move, at 2000/s"),
    ("conn", "connections, one request each"), ("open", "the same at 2000/s"),
)
BEST, BEST_HTTP = "best proxy", "best HTTP proxy"
CHOICES = {BEST: contenders.PROXIES, BEST_HTTP: contenders.HTTP_PROXIES}
SIGNS = {">=": operator.ge, "<=": operator.le, "<": operator.lt}
OURS, SHARED, FIRST_ONLY, LOGGED = contenders.OURS, contenders.SHARED, contenders.FIRST_ONLY, contenders.LOGGED
# what, measure, against (None: the value itself), sign, bar (None: told, not judged), whose when not spliced's
BARS = (
    ("keep-alive req/s", "keepalive_rps", "routing", ">=", 0.95),
    ("keep-alive req/s", "keepalive_rps", BEST, ">=", 2.2),
    ("bulk Gbit/s", "bulk_gbps", "routing", ">=", 0.95),
    ("bulk Gbit/s", "bulk_gbps", "haproxy-tcp", ">=", 1.5),
    ("bulk Gbit/s", "bulk_gbps", contenders.TUNED, ">=", None),
    ("CPU-s per GB", "bulk_cpu_s_per_gb", "routing", "<=", 1.10),
    ("connections/s", "conn_cps", "routing", ">=", 1.0),
    ("connections/s", "conn_cps", "haproxy-tcp", ">=", 1.8),
    ("p50 at 2000/s", "open_p50_us", "haproxy-http", "<=", 1.0),
    ("p99 at 2000/s", "open_p99_us", "haproxy-http", "<=", 1.0),
    ("ns per packet, timestamps", "bpf_timestamps_ns", None, "<=", 160),
    ("ns per packet, 3 SACK blocks", "bpf_sack3_ns", None, "<=", 230),
    ("keep-alive req/s", "keepalive_rps", FIRST_ONLY, ">=", 0.90),
    ("keep-alive req/s", "keepalive_rps", BEST_HTTP, ">=", 1.8),
    ("stays, Host and path: req/s", "stay_rps", FIRST_ONLY, ">=", 0.90),
    ("stays, Host and path: req/s", "stay_rps", BEST_HTTP, ">=", 1.8),
    ("X-Forwarded-For: req/s", "changed_rps", BEST_HTTP, ">=", None),
    ("moves: req/s", "move_rps", BEST_HTTP, ">=", 0.8),
    ("stays, header: req/s", "read_rps", BEST_HTTP, ">=", None),
    ("stays, header: p50 at 2000/s", "read_open_p50_us", "haproxy-http", "<=", 1.0),
    ("moves: p50 at 2000/s", "move_open_p50_us", "haproxy-http", "<=", None),
    ("bulk Gbit/s", "bulk_gbps", FIRST_ONLY, ">=", 0.97),
    ("CPU-s per GB", "bulk_cpu_s_per_gb", FIRST_ONLY, "<=", 1.03),
    ("connections/s", "conn_cps", FIRST_ONLY, ">=", 0.97),
    ("access log: keep-alive req/s", "keepalive_rps", OURS, ">=", 0.95, LOGGED),
    ("access log: stays req/s", "stay_rps", OURS, ">=", 0.95, LOGGED),
    ("access log: connections/s", "conn_cps", OURS, ">=", 0.95, LOGGED),
    ("shared store: moves req/s", "move_rps", OURS, ">=", None, SHARED),
    ("shared store: keep-alive req/s", "keepalive_rps", OURS, ">=", 0.97, SHARED),
    ("shared store: bulk Gbit/s", "bulk_gbps", OURS, ">=", 0.97, SHARED),
    ("shared store: connections/s", "conn_cps", OURS, ">=", 0.85, SHARED),
    ("shared store elsewhere: connections/s", "conn_elsewhere_cps", OURS, ">=", None, SHARED),
    ("shared store: p50 at 2000/s, more us", "open_p50_us", OURS, "<=", 150, SHARED),
)


class Samples:
    def __init__(self, rows):
        self.values = collections.defaultdict(dict)  # (measure, contender) -> round -> value
        for measure, contender, turn, value in rows:
            self.values[measure, contender][turn] = value

    def contenders(self, measure):
        found = {c: None for m, c in self.values if m == measure}
        return [c for c in dict.fromkeys((*contenders.START, *found)) if c in found]

    def median(self, measure, contender):
        return statistics.median(self.values[measure, contender].values() or [math.nan])

    def spread(self, measure, contender):
        values = self.values[measure, contender].values()
        return min(values), max(values)

    def ratios(self, measure, contender, against):
        """Round by round: both were measured within a few seconds of each other."""
        ours, theirs = self.values[measure, contender], self.values[measure, against]
        return [ours[turn] / theirs[turn] for turn in ours if theirs.get(turn)]

    def differences(self, measure, contender, against):
        ours, theirs = self.values[measure, contender], self.values[measure, against]
        return [ours[turn] - theirs[turn] for turn in ours if turn in theirs]

    def best_of(self, measure, choice):
        found = [c for c in self.contenders(measure) if c in choice]
        return max(found, key=lambda c: self.median(measure, c), default=None)


def print_section(samples, title, unit, measure, digits, beside, baseline="routing"):
    found = samples.contenders(measure)
    if not found:
        return
    heads = "".join(f"{head:>13}" for _, head, _ in beside)
    print(f"\n{title}\n  {'':14}{unit:>10}  {'min .. max':^20}{'x ' + baseline:>10}{heads}")
    for name in found:
        low, high = samples.spread(measure, name)
        ratios = samples.ratios(measure, name, baseline)
        ratio = f"{statistics.median(ratios):.2f}" if ratios else ""
        more = "".join(f"{samples.median(m, name):13.{d}f}" for m, _, d in beside)
        print(f"  {name:14}{samples.median(measure, name):10.{digits}f}"
              f"  {f'{low:.{digits}f} .. {high:.{digits}f}':^20}{ratio:>10}{more}")


def judge(samples, what, measure, against, ours):
    """(text of what it was measured against, ratios or values); no values when one side is missing."""
    label = against or "itself"
    if against in CHOICES:
        against = samples.best_of(measure, CHOICES[label])
        label = f"{label} ({against})" if against else label
    if ours not in samples.contenders(measure):
        return label, []
    if label == "itself":
        return label, list(samples.values[measure, ours].values())
    if what.endswith("more us"):
        return label, samples.differences(measure, ours, against)
    return label, samples.ratios(measure, ours, against)


def verdict_of(value, sign, bar):
    if bar is None:
        return ""
    return "ok" if SIGNS[sign](value, bar) else "SHORT"


def print_bars(samples, bars=BARS, head="bar: spliced against"):
    """Returns how many bars fall short."""
    short = 0
    print(f"\n{head:60}{'bar':>9}{'measured':>10}  {'min .. max':^16}")
    for what, measure, against, sign, bar, *whose in bars:
        label, found = judge(samples, what, measure, against, *(whose or [OURS]))
        line = f"  {f'{what} / {label}':58}{'none' if bar is None else f'{sign} {bar:g}':>9}"
        if not found:
            print(f"{line}{'-':>10}  {'not measured':^16}")
            continue
        value = statistics.median(found)
        verdict = verdict_of(value, sign, bar)
        short += verdict == "SHORT"
        digits = 0 if label == "itself" or what.endswith("more us") else 2
        print(f"{line}{value:10.{digits}f}  {f'{min(found):.{digits}f} .. {max(found):.{digits}f}':^16}"
              f"{verdict:>6}")
    return short


def print_noise(rows):
    for ending, who in (("_noise_pct", "other processes"), ("_steal_pct", "other guests of the hypervisor")):
        found = [value for measure, _, _, value in rows if measure.endswith(ending)]
        loud = sum(value > measures.QUIET_PCT for value in found)
        if loud:
            print(f"\nNOISY: during {loud} of {len(found)} samples {who} took more than {measures.QUIET_PCT} %"
                  f" of the machine (median {statistics.median(found):.0f} %, at most {max(found):.0f} %)")


def print_daemon(samples):
    """All that one thread can carry, if the rest of the machine were free."""
    found = [(text, samples.median(f"{load}_daemon_us", OURS)) for load, text in DAEMON_LOADS
             if OURS in samples.contenders(f"{load}_daemon_us")]
    if found:
        print(f"\nspliced's one thread, by its own schedstat\n  {'':40}{'CPU us each':>12}{'one core carries':>20}")
    for text, us in found:
        print(f"  {text:40}{us:12.2f}{1e6 / us if us else math.inf:18.0f}/s")


def print_table(rows):
    samples = Samples(rows)
    print_noise(rows)
    for section in SECTIONS:
        print_section(samples, *section)
    for section in ROUTED_SECTIONS:
        print_section(samples, *section, baseline="haproxy-http")
    print_daemon(samples)
    return print_bars(samples)
