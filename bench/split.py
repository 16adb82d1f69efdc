#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Measures the modes whole, split and adopt beside plain routing through the proxy's host, and past it; see METHOD.md."""
import argparse
import functools
import statistics
import sys

import bench
import contenders
import detour
import lab
import measures
import table

LIMITED_PROXIES, LIMITED_FLOWS, LIMITED_PARTS = 3, 24, 2
LIMITED = detour.OURS           # who takes part where the proxies' links are limited
PROGRAMS = ("spliced", "splicectl", "spliced-agent")


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__)
    bench.add_arguments(p)
    p.add_argument("--contenders", metavar="A,B", help="of " + ",".join(detour.START))
    p.add_argument("--store", choices=("local", "redis"), default="local", help="engine of the one proxy (%(default)s)")
    p.add_argument("--measures", metavar="A,B", help="of " + ",".join((*FREE, *LIMITS)))
    options = p.parse_args()
    options.contenders = bench.chosen(p, options.contenders, detour.START)
    options.measures = bench.chosen(p, options.measures, {**FREE, **LIMITS})
    return bench.with_lengths(options)


def on_its_way(name, take, rig, seconds):
    with detour.Way(rig) as way:
        values = take(rig, seconds)
    return {**values, f"{name}_via": way.share, f"{name}_strange": way.strange}


def object_kind(size_kb):
    return f"limited_{size_kb}k"


def objects(size_kb, rig, seconds):
    """Objects of one size, again and again, on connections that stay."""
    out = measures.download(rig, seconds, f"/objects/{size_kb}k", LIMITED_FLOWS, LIMITED_PARTS)
    _, busy_pct = measures.cost(out, out["bytes"] / 1e9, 1)
    return {f"{object_kind(size_kb)}_gbps": out["bytes"] * 8e-9 / out["seconds"], f"{object_kind(size_kb)}_busy_pct": busy_pct}


def watched(takes):
    return {name: functools.partial(on_its_way, name, take) for name, take in takes.items()}


def mtu_bulk(rig, seconds):
    with rig.without_superpackets():
        return {f"mtu_{name}": value for name, value in measures.bulk(rig, seconds).items()}


FREE = watched({"bulk": measures.bulk, "mtu_bulk": mtu_bulk, "connections": measures.connections, "open": measures.open_loop})
LIMITS = watched({object_kind(size_kb): functools.partial(objects, size_kb) for size_kb in detour.OBJECTS_KB})

SECTIONS = (    # as those of table.py
    ("CPU cost of the bulk, 4 flows", "CPU-s/GB", "bulk_cpu_s_per_gb", 3,
     (("bulk_via", "GB via proxy", 4), ("bulk_gbps", "Gbit/s", 1), ("bulk_busy_pct", "busy %", 0))),
    ("the same without superpackets", "CPU-s/GB", "mtu_bulk_cpu_s_per_gb", 3,
     (("mtu_bulk_via", "GB via proxy", 4), ("mtu_bulk_gbps", "Gbit/s", 1), ("mtu_bulk_busy_pct", "busy %", 0))),
    ("connections, one request each", "conn/s", "conn_cps", 0,
     (("connections_via", "GB via proxy", 2), ("conn_cpu_us", "CPU us/conn", 1), ("conn_busy_pct", "busy %", 0), ("conn_errors", "errors", 0), ("conn_stuck", "stuck", 0))),
    ("new connection's request at 2000/s, p50", "us", "open_p50_us", 0,
     (("open_via", "GB via proxy", 2), ("open_p99_us", "p99", 0), ("open_max_us", "max", 0), ("open_late_p99_us", "late p99", 0), ("open_cpu_us", "CPU us/conn", 1),
      ("open_errors", "errors", 0), ("open_stuck", "stuck", 0))),
)
BARS = (    # as those of table.py
    *((f"{mode}: CPU-s per GB", "bulk_cpu_s_per_gb", against, sign, bar, mode)
      for mode in ("split", "adopt") for against, sign, bar in (("past", "<=", 1.10), ("through", "<=", None), ("whole", "<", 1.0))),
    *((f"{mode}: CPU-s per GB, no superpackets", "mtu_bulk_cpu_s_per_gb", against, "<=", None, mode)
      for mode in ("split", "adopt") for against in ("past", "whole")),
    ("split: connections/s", "conn_cps", "whole", ">=", 0.95, "split"),
    ("adopt: connections/s", "conn_cps", "whole", ">=", None, "adopt"),
    ("adopt: p50 at 2000/s", "open_p50_us", "past", "<=", 1.25, "adopt"),
    ("adopt: p50 at 2000/s", "open_p50_us", "through", "<=", None, "adopt"),
    ("split: p50 at 2000/s", "open_p50_us", "past", "<=", None, "split"),
    *((f"{mode}: objects of {size_kb} KB, links limited", f"{object_kind(size_kb)}_gbps", "whole", ">=",
       1.0 if size_kb <= 4 else 3.0 if size_kb >= 256 else None, mode)
      for mode in ("split", "adopt") for size_kb in detour.OBJECTS_KB),
)


def run_part(options, recorder, known, names, limited):
    """In a laboratory of its own, so that nothing of the other part's is at work."""
    chosen = {measure: take for measure, take in known.items() if measure in options.measures}
    names = [name for name in names if name in options.contenders]
    if not chosen or not names:
        return
    with lab.Lab(options.congestion) as the_lab:
        the_lab.prepare(bench.HERE)
        detour.prepare_objects(the_lab)
        rigs = [detour.Detour(the_lab, name, options, LIMITED_PROXIES if limited else 1) for name in names]
        rigs = bench.stand_up_each(rigs, options, recorder, detour.stand_up)
        for rig in rigs.values() if limited else ():
            rig.limit()
        for turn in range(options.rounds):
            for measure in chosen:
                bench.say(f"round {turn + 1}/{options.rounds}: {measure}")
                bench.run_measure(rigs, measure, turn, options, recorder, chosen)


def run(options):
    recorder = bench.Recorder(options.out)
    reason = contenders.why_no_spliced(options, PROGRAMS)
    if reason:
        bench.say(f"{', '.join(detour.OURS)}: SKIPPED, {reason}")
        options.contenders = [name for name in options.contenders if name not in detour.OURS]
    recorder.add(bench.probe_noise(), "machine", 0)
    run_part(options, recorder, FREE, detour.START, limited=False)
    run_part(options, recorder, LIMITS, LIMITED, limited=True)
    bench.say(f"samples are in {recorder.path}")
    return recorder


def print_limited(samples):
    names = samples.contenders(f"{object_kind(detour.OBJECTS_KB[0])}_gbps")
    if not names:
        return
    print(f"\nobjects of one size, {LIMITED_FLOWS} connections, {LIMITED_PROXIES} proxies with 1 Gbit/s each; Gbit/s, min .. max\n  {'':14}" +
          "".join(f"{name:>8}{'':18}" for name in names))
    for size_kb in detour.OBJECTS_KB:
        measure = f"{object_kind(size_kb)}_gbps"
        print(f"  {f'{size_kb} KB':14}" + "".join(cell(samples, measure, name) for name in names))


def cell(samples, measure, name):
    values = samples.values[measure, name].values()
    if not values:
        return f"{'-':>8}{'':18}"
    return f"{statistics.median(values):8.2f}{f'{min(values):.2f} .. {max(values):.2f}':^18}"


def print_strange(rows):
    for name in detour.OURS:
        strange = sum(value for measure, contender, _, value in rows if contender == name and measure.endswith("_strange"))
        if strange:
            print(f"\n{name}: {strange:.0f} connections were in another mode, see the proxies' counters fell_back_*")


def show(rows):
    samples = table.Samples(rows)
    table.print_noise(rows)
    for section in SECTIONS:
        table.print_section(samples, *section, baseline="past")
    print_limited(samples)
    print_strange(rows)
    return table.print_bars(samples, BARS, "bar: mode against")


if __name__ == "__main__":
    sys.exit(bench.main(parse_arguments(), run, show))
