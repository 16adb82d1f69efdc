# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Does spliced-plan predict what a cluster does whose hosts fail at random? Availability at the client, and time in each state."""
import asyncio
import csv
import random

from attempts import Attempts
from outages import Laws, Outages
from predict import Rates, interval, predicted, shares

WARM_S = 20
NOTHING = 1e-9


def program(build):
    return f"{build}/src/plan/spliced-plan"


async def break_and_try(outages, attempts, seconds):
    stop = asyncio.Event()
    trying = asyncio.create_task(attempts.run(stop))
    try:
        await asyncio.to_thread(outages.run, WARM_S, seconds)
    finally:
        stop.set()
        await trying


def compare(measured, foretold, within, say):
    """What is not within the interval."""
    say(f"{'share of':14} {'measured':>10} {'predicted':>10}   95 % of such runs")
    for name, value in measured.items():
        low, high = within[name]
        say(f"{name:14} {value:10.5f} {foretold[name]:10.5f}   {low:.5f} to {high:.5f}", flush=True)
        if not low - NOTHING <= value <= high + NOTHING:
            yield f"{name}: measured {value:.5f}, 95 % of such runs have {low:.5f} to {high:.5f}"
        if not low - NOTHING <= foretold[name] <= high + NOTHING:
            yield f"{name}: spliced-plan says {foretold[name]:.5f}, 95 % of such runs have {low:.5f} to {high:.5f}"


def save(path, seed, log):
    """As torture's own table, for spliced-plan --measured."""
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("seed", "id", "fault", "phase", "family", "outcome", "ran", "stall_ms", "lost_pkts", "lag_ms", "note"))
        for number, (fault, out_s) in enumerate(log):
            out.writerow((seed, f"{number}-0", fault, "outage", 4, "ok", 1, round(out_s * 1000), 0, 0, ""))


def run(cluster, build, seconds, seed, source="snat", laws=Laws(), csv_path=None, say=print):
    """Return what is not as predicted."""
    rng = random.Random(seed)
    outages, attempts = Outages(cluster, laws, rng, say), Attempts(cluster, source)
    asyncio.run(break_and_try(outages, attempts, seconds))
    if csv_path:
        save(csv_path, seed, outages.log)
    rates = Rates(outages)
    lost, tried = attempts.not_served(outages.begin, outages.end)
    say(f"\n{seconds:.0f} s, {outages.counts['fail']} faults, {tried} attempts, "
        f"{attempts.unanswered} of them not answered after their handshake\nas it was: {rates}")
    measured = shares(outages.seconds, lost, rates.hosts)
    within = interval(rates, rng, WARM_S, seconds, max(1, tried))
    return list(compare(measured, predicted(program(build), rates), within, say))
