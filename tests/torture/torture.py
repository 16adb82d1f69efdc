#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Strikes a cluster of three proxies with faults while clients are in every phase of their connections. Needs root.

One shot is one fault, and for each phase some clients, whose packets the victim carries: each client is a trial. The backends
write down what they run; what has run not just once is seen there. Exit status 1: something is not as promised.
"""
import argparse
import asyncio
import contextlib
import itertools
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tests/net"), str(ROOT / "tests/torture")]

import daemon       # noqa: E402
from cluster import MODES, WITH_AGENTS, Cluster # noqa: E402
from faults import AGENT_FAULTS, FAULTS # noqa: E402
from late import Late           # noqa: E402
from movers import KINDS, POOLS       # noqa: E402
from shot import LATE_S, PORT, Backends, Ports, Shot    # noqa: E402
import plan         # noqa: E402
import sessions     # noqa: E402
import streams      # noqa: E402
import table        # noqa: E402

CALM_S, VERBOSE_S = 10, 2


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=1000, help="at least so many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of victims and moments (default: by chance, and printed)")
    parser.add_argument("--only", default=",", metavar="FAULT,PHASE",
                        help=f"one fault or phase, or those that begin so, as `agents`; {', '.join((*FAULTS, *AGENT_FAULTS))}; "
                             f"{', '.join(table.PHASES)}")
    parser.add_argument("--kind", choices=KINDS, default="connections",
                        help="`requests`: of each connection they alternate between pools (default %(default)s)")
    parser.add_argument("--mode", choices=MODES, default="whole",
                        help="of splices; with all but `whole`, backends have agents, which are struck as well (default %(default)s)")
    parser.add_argument("--changed", action="store_true", help="with --kind requests: heads change on their way")
    parser.add_argument("--clients", type=int, default=3, help="for each phase in a shot (default %(default)s)")
    parser.add_argument("--source", choices=("snat", "client"), default="snat", help="of the pool (default %(default)s)")
    parser.add_argument("--way", choices=("bird", "flow", "spray"), default="bird", help="how packets find a proxy (default %(default)s); flow and spray: daemons that are away stay in the routes")
    parser.add_argument("--csv", default=str(ROOT / "build/torture.csv"), help="each trial (default %(default)s)")
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--sessions", type=int, nargs="?", const=600, metavar="SECONDS",
                        help="instead of trials: chats, event streams and ssh sessions while hosts die (default %(const)s)")
    parser.add_argument("--plan", type=float, nargs="?", const=20, metavar="MINUTES",
                        help="instead of trials: hosts fail and are repaired at random, as spliced-plan predicts (default %(const)s)")
    parser.add_argument("--no-bfd", action="store_true", help="with --plan: routers notice a lost host by BGP's hold time alone")
    parser.add_argument("--streams", type=int, nargs="?", const=120, metavar="SECONDS",
                        help="instead of trials: streams of requests, and short connections, whose ports come again soon (default %(const)s)")
    parser.add_argument("--patient", action="store_true", help="stalls and repeated packets are told, not judged")
    parser.add_argument("--verbose", action="store_true", help="what the daemons say, where a trial failed or took long")
    args = parser.parse_args()
    if args.no_bfd and not args.plan:
        parser.error("--no-bfd: only with --plan")
    args.seed = random.SystemRandom().randrange(1 << 32) if args.seed is None else args.seed
    fault, _, phase = args.only.partition(",")
    faults = [*FAULTS, *(AGENT_FAULTS if args.mode in WITH_AGENTS else ())]
    chosen = [f for f in faults if f == fault or f.startswith(fault + "_") or not fault]
    phases = KINDS[args.kind][1]
    if not chosen or phase not in ("", *phases):
        parser.error(f"--only {args.only}: no such fault or phase")
    args.faults, args.phases = chosen, [phase] if phase else list(phases)
    return args


CHANGES = {"forwarded": "x-forwarded-for", "request_headers": {"set": {"X-Tier": "front"}, "remove": ["X-Debug"]}}


def pools(cluster, source, is_changed):
    """One service, which routes each request by the first part of its path."""
    of = {name: daemon.pool(cluster.view(1), f"www-{name}", source, port) for name, port in POOLS.items()}
    yield (daemon.service("www", source, "http", PORT, route="request", default=of["a"]["name"],
                          routes=[{"path": f"/{name}", "pool": pool["name"]} for name, pool in of.items()], **(CHANGES if is_changed else {})), *of.values())


def services(cluster, source):
    yield (daemon.service("www", source, "http", PORT, default=f"www-{source}"),
           daemon.pool(cluster.view(1), "www", source, PORT))


def describe(trials):
    bad = [t for t in trials if t.outcome != "ok" or t.ran != 1]
    worst = max(trials, key=lambda t: t.stall_s)
    return "".join(f"\n    {t.ident} {t.phase}: {t.outcome}, ran {t.ran} times, stalled {t.stall_s:.2f} s; {t.note}" for t in bad) or \
        f"ok, worst stall {worst.stall_s:.3f} s ({worst.phase})"


async def shots(cluster, backends, late, args):
    rng, ports, trials = random.Random(args.seed), Ports(cluster, args.source), []
    for number in itertools.count():
        if len(trials) >= args.trials:
            return trials
        fault = args.faults[number % len(args.faults)]
        shot = Shot(cluster, backends, ports, late, number, fault, args.kind, args.phases * args.clients, rng)
        start = time.monotonic()
        new = await shot.run()
        trials += new
        print(f"{len(trials):5} {fault} at {shot.victim.name}, {shot.store.name}: {describe(new)}  [{time.monotonic() - start:.1f} s,"
              f" lag {shot.lag_s * 1000:.0f} ms]", flush=True)
        if args.verbose and any(t.outcome != "ok" or t.ran != 1 or t.stall_s > VERBOSE_S for t in new):
            for title, text in cluster.report():
                print(f"---- {title}\n{text}")


def no_agents(cluster, kind):
    """Daemons count since they have begun, datapaths since they were last loaded. Connections whose requests are read go whole."""
    counts = [proxy.counters() for proxy in cluster.proxies]
    made = {name: sum(c[f"spliced_{name}"] for c in counts) for name in ("whole", "split", "adopt")}
    if cluster.agents:
        print("splices that the proxies remember: " + ", ".join(f"{count} {name}" for name, count in made.items()))
        wanted = ("whole",) if kind == "requests" else ("adopt",) if cluster.mode == "adopt" else ("split", "adopt")
        if not sum(made[name] for name in wanted):
            yield f"no connection was {' or '.join(wanted)}"


def torture(cluster, stack, args):
    """Return what is not as promised."""
    print(f"seed {args.seed}", flush=True)
    backends = Backends(cluster)
    stack.callback(backends.close)
    late = Late(cluster, LATE_S)
    stack.callback(late.close)
    cluster.start(list(pools(cluster, args.source, args.changed) if args.kind == "requests" else services(cluster, args.source)))
    trials = asyncio.run(shots(cluster, backends, late, args))
    table.show(trials)
    table.save(args.csv, args.seed, trials)
    print(f"\nseed {args.seed}, {args.csv}")
    over = list(table.over(trials))
    if over and args.patient:
        print("too slow, which is not judged here: " + "; ".join(over))
    return list(table.verdicts(trials)) + ([] if args.patient else over) + list(no_agents(cluster, args.kind))


def talk(cluster, stack, args):
    hosts = sessions.Hosts(cluster, cluster.work)
    stack.callback(hosts.close)
    cluster.start(list(sessions.services(cluster.view(1))))
    return asyncio.run(sessions.run(cluster, hosts, args.sessions, CALM_S))


def predict(cluster, stack, args):
    print(f"seed {args.seed}", flush=True)
    backends = Backends(cluster)
    stack.callback(backends.close)
    cluster.start(list(services(cluster, args.source)))
    return plan.run(cluster, args.build, 60 * args.plan, args.seed, args.source, csv_path=args.csv)


def stream(cluster, stack, args):
    print(f"seed {args.seed}", flush=True)
    backends = Backends(cluster)
    stack.callback(backends.close)
    cluster.start(list(services(cluster, args.source)))
    return asyncio.run(streams.run(cluster, backends, args.source, args.streams, random.Random(args.seed)))


def main():
    args = arguments()
    if os.geteuid():
        sys.exit("torture: needs root")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="sp-torture-") as work, contextlib.ExitStack() as stack:
        cluster = Cluster(args.build, work, way="bird-hold" if args.no_bfd else args.way, mode=args.mode)
        stack.callback(cluster.close)
        failures = (predict if args.plan else talk if args.sessions else stream if args.streams else torture)(cluster, stack, args)
    print("; ".join(failures) or "all as promised")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
