# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Connections from many addresses exhaust no memory, and others are served meanwhile. Prints the figures (pytest -s).

SP_SOURCES=1000000 has them from a million addresses; SP_SOURCES_RATE is connections a second.
"""
import os
import pathlib
import subprocess
import sys
import time

import pytest

from daemon import RAW_HTTP, raw_config
from one_daemon import bpftool
from rawtcp import mac_of
from topo import VIP

pytestmark = [pytest.mark.spliced, pytest.mark.whole("limits are the same in each mode")]
SOURCES, RATE = (int(os.environ.get(name, usual)) for name, usual in (("SP_SOURCES", "3000"), ("SP_SOURCES_RATE", "2000")))
REMEMBERED = 65536 if SOURCES > 65536 else 1024


def limited(net, work):
    """A service that answers 404 to all, and whose clients don't close: slots run out, and no backend is in the way."""
    conf = raw_config(net, work, limits={"sources": REMEMBERED, "splices": 100000, **({} if SOURCES > 65536 else {"pending": 1024})})
    for service in conf["services"]:
        if service["name"] == "raw-http-snat":
            del service["default"]
            service.update(per_source={"max_connections": 10, "rate": 100},
                           routes=[{"host": "served.example", "pool": "raw-http-snat"}])
    return conf


@pytest.fixture
def rig(make_net, start_rig):
    with make_net() as net, start_rig(net, limited) as rig:
        for at, hop in ((net.router, net.client), (net.proxy, net.router)):
            at.ip(f"route add 11.0.0.0/8 via {hop.addr(4, at.name)}\n")
        net.router.run("ip", "neigh", "replace", net.client.addr(4, "router"), "lladdr", mac_of(net.client, "router"), "dev", "client", "nud", "permanent")
        yield rig


def entries(rig, name):
    (path,) = rig.spliced.state_dir.glob(f"v*/{name}")
    done = subprocess.run(["bpftool", "map", "dump", "pinned", str(path)], capture_output=True, text=True)
    return done.stdout.count("key")


def served(rig):
    """Seconds that another client's request takes."""
    start = time.monotonic()
    with rig.client.inside():
        code = rig.client.run("curl", "-s", "-o", "/dev/null", "-m", "5", "-w", "%{http_code}", f"http://{VIP['snat'][4]}:{RAW_HTTP}/")
    assert code == "404"
    return time.monotonic() - start


@pytest.mark.limit(1200)
def test_many_sources(rig, record_property):
    net, spliced = rig.net, rig.spliced
    served(rig)
    rss, answered_404 = spliced.rss_kib(), spliced.counters()["answered_404"]
    script = pathlib.Path(__file__).with_name("many_sources.py")
    process = net.client.popen(sys.executable, str(script), "router", mac_of(net.client, "router"), mac_of(net.router, "client"),
                               VIP["snat"][4], str(RAW_HTTP), str(SOURCES), str(RATE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    took = []
    try:
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        while process.poll() is None:
            took.append(served(rig))
            time.sleep(0.1)
        answered, seconds = process.stdout.read().split()
    finally:
        process.kill()
        process.wait()
    figures = {"sources": SOURCES, "answered with a SYN-ACK": int(answered), "seconds": round(float(seconds)),
               "404": spliced.counters()["answered_404"] - answered_404, "remembered": entries(rig, "sp_sources"),
               "RSS growth KiB": spliced.rss_kib() - rss, "others": len(took), "slowest ms": round(1000 * max(took))}
    record_property("figures", figures)
    print(figures)
    assert figures["404"] > 0.5 * SOURCES, figures     # the sender repeats nothing; beside other work some are lost
    assert figures["remembered"] <= REMEMBERED, figures
    assert figures["RSS growth KiB"] < 131072, figures     # tables of connections and strays, filled once
