#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Measures what keepalive of idle connections costs the daemon: CPU from schedstat, with and without, in turns; see METHOD.md.

Probes a second follow from connections and period alone: 9000 each 6 s are as many as 90,000 each minute.
"""
import argparse
import json
import pathlib
import resource
import socket
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "net"))

import daemon               # noqa: E402
import tcp                  # noqa: E402
from daemon import RAW_TCP  # noqa: E402
from topo import VIP, Net   # noqa: E402


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", default=str(ROOT / "build"))
    p.add_argument("--connections", type=int, default=9000)
    p.add_argument("--period", type=int, default=6, metavar="SECONDS")
    p.add_argument("--rounds", type=int, default=3)
    return p.parse_args()


def configured(conf, keepalive):
    conf = json.loads(json.dumps(conf))
    for service in conf["services"]:
        if service["protocol"] == "tcp" and keepalive:
            service["keepalive"] = keepalive
    return conf


def cpu_s(pid):
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def accept_all(listener, accepted):
    while True:
        try:
            accepted.append(listener.accept()[0])
        except OSError:
            return


def connect_all(net, count):
    vips = [VIP[source][version] for source in ("snat", "client") for version in (4, 6)]
    clients = [tcp.connect(net.client, vips[i % len(vips)], RAW_TCP) for i in range(count)]
    for client in clients:
        client.send(b"x")
    return clients


def measure(spliced, options):
    """Percent of a core, probes a second."""
    time.sleep(2 * options.period)
    before, probes, start = cpu_s(spliced.process.pid), spliced.counters()["keepalive_probes"], time.monotonic()
    time.sleep(2 * options.period)
    took = time.monotonic() - start
    return 100 * (cpu_s(spliced.process.pid) - before) / took, (spliced.counters()["keepalive_probes"] - probes) / took


def main():
    options = parse_arguments()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    period, accepted = f"{options.period}s", []
    daemon.mount_bpffs()
    net = Net()
    try:
        with tempfile.TemporaryDirectory(prefix="sp-keepalive-") as work, tcp.listen(net.backend1, RAW_TCP) as listener:
            listener.settimeout(None)
            threading.Thread(target=accept_all, args=(listener, accepted), daemon=True).start()
            spliced = daemon.Spliced(net, options.build, work, daemon.raw_config(net, work, limits={"splices": 200000}))
            spliced.options = ()
            try:
                spliced.start()
                conf = spliced.conf
                clients = connect_all(net, options.connections)
                print("keepalive,connections,period_s,daemon_cpu_pct,probes_per_s,expired")
                for keepalive in (None, {"client": period, "backend": period}) * options.rounds:
                    spliced.reload(configured(conf, keepalive))
                    cpu, probes = measure(spliced, options)
                    print(f"{'both ends' if keepalive else 'none'},{len(clients)},{options.period},{cpu:.2f},{probes:.0f},"
                          f"{spliced.counters()['expired']}", flush=True)
            finally:
                spliced.close()
    finally:
        net.close()


if __name__ == "__main__":
    main()
