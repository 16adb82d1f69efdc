# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The table of bench/failover.py: what was measured, and against which bars."""

import table
from observers import COUNTERS, REASONS, STORE_COUNTERS

SECTIONS = (    # title, unit, digits, names of what is printed in one line
    ("a store server is lost, {rate:.0f} new connections/s: their requests", "us", 0, tuple(
        (f"{what}, {when}", tuple(f"store_{what}_{when}_{x}" for x in ("p50_us", "p99_us", "max_us", "errors", "stuck")))
        for what in ("killed", "frozen") for when in ("before", "during", "after"))),
    ("the proxy of {live_connections:.0f} connections is lost: what each of them waits for an answer", "ms", 1, (
        ("before", ("live_before_stall_p50_ms", "live_before_stall_p99_ms", "live_before_stall_max_ms")),
        ("stall", ("live_stall_p50_ms", "live_stall_p99_ms", "live_stall_max_ms", "live_broken", "live_waiting")),
        ("first at a cold proxy", ("live_first_p50_ms", "live_first_p99_ms", "live_first_max_ms")),
        ("answered again", ("live_back_p50_ms", "live_back_p99_ms", "live_back_max_ms")))),
    ("... comes back, is lost again, and all ask at once", "ms", 1, (
        ("stall", ("storm_stall_p50_ms", "storm_stall_p99_ms", "storm_stall_max_ms", "storm_broken", "storm_waiting")),)),
)
HEADS = ("p50", "p99", "max", "errors", "stuck")
BARS = (    # what, value, sign, bar; None: told, not judged
    ("record over IPv4, bytes with its key", "record_v4_front_bytes", "<=", 160),
    ("... and with the key that leads to it", "record_v4_bytes", "<=", 160),
    ("... MEMORY USAGE of both", "record_v4_memory", "<=", None),
    ("... growth of the server's used_memory", "record_v4_growth", "<=", None),
    ("record over IPv6, bytes with its key", "record_v6_front_bytes", "<=", 160),
    ("... and with the key that leads to it", "record_v6_bytes", "<=", 160),
    ("... MEMORY USAGE of both", "record_v6_memory", "<=", None),
    ("requests that failed while a store server was lost", "store_failed", "<=", 0),
    ("connections broken by the loss of a proxy", "live_broken", "<=", 0),
    ("median stall, ms", "live_stall_p50_ms", "<=", 400),
    ("worst stall, ms", "live_stall_max_ms", "<=", 1400),
    ("all splices at the survivor after, s", "live_carried_s", "<=", None),
    ("fetches per second, at most", "live_fetches_per_s", ">=", None),
    ("connections broken by a storm at a cold proxy", "storm_broken", "<=", 0),
    ("worst stall in the storm, ms", "storm_stall_max_ms", "<=", 1400),
    ("all splices at the survivor after, storm, s", "storm_carried_s", "<=", None),
)


def medians(rows):
    samples = table.Samples(rows)
    return {measure: samples.median(measure, contender) for measure, contender in samples.values}


def print_failover(rows):
    values = medians(rows)
    failed = [value for name, value in values.items() if name.startswith("store_") and name.endswith(("_errors", "_stuck"))]
    values.update({"store_failed": sum(failed)} if failed else {})
    table.print_noise(rows)
    for title, unit, digits, lines in SECTIONS:
        if not any(column in values for _, columns in lines for column in columns):
            continue
        print("\n" + title.format_map(values) + f", {unit}\n  {'':24}" + "".join(f"{head:>10}" for head in HEADS))
        for name, columns in lines:
            print(f"  {name:24}" + "".join(f"{values.get(c, float('nan')):10.{digits if c.endswith('s') and '_us' in c or '_ms' in c else 0}f}"
                                           for c in columns))
    for prefix in (prefix for prefix in ("live_", "storm_") if prefix + COUNTERS[0] in values):
        print(f"  the survivor's counters, {prefix[:-1]}: " + ", ".join(
            f"{name} {values.get(prefix + name, 0):.0f}" for name in (*COUNTERS, *REASONS, *(f"store_{n}" for n in STORE_COUNTERS),
                                                                     "store_reconnects")))
    return print_bars(values)


def print_bars(values):
    short = 0
    print(f"\n{'bar':54}{'bar':>9}{'measured':>10}")
    for what, name, sign, bar in BARS:
        line = f"  {what:52}{'none' if bar is None else f'{sign} {bar:g}':>9}"
        if name not in values:
            print(f"{line}{'-':>10}  not measured")
            continue
        value = values[name]
        verdict = table.verdict_of(value, sign, bar)
        short += verdict == "SHORT"
        print(f"{line}{value:10.{3 if name.endswith('_s') and value < 100 else 0}f}{verdict:>7}")
    return short
