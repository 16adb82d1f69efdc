# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A flood from random addresses costs no memory, disturbs no transfer, and leaves room for honest clients."""
import contextlib
import pathlib
import subprocess
import sys
import time

import pytest

from daemon import RAW_HTTP
from rawtcp import mac_of
from tcp import MIB, transfer

PACKETS = 100000


@contextlib.contextmanager
def flood(net, vip, port, kind):
    """Runs meanwhile; yields its process, and a dictionary that gets `sent` and `seconds` at the end."""
    cmd = [sys.executable, str(pathlib.Path(__file__).with_name("flood.py")), "router", mac_of(net.client, "router"),
           mac_of(net.router, "client"), vip, str(port), str(PACKETS), kind]
    process = net.client.popen(*cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    result = {}
    try:
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        yield process, result
        sent, seconds = process.stdout.readline().split()
        result.update(sent=int(sent), seconds=float(seconds))
    finally:
        process.kill()
        process.wait()


def rate(start, count):
    return count / MIB / (time.monotonic() - start)


@pytest.mark.parametrize("packets", ["syn", "ack"])
def test_transfer_during_a_flood(raw, pair, family, packets, record_property):
    client, server = pair(family, "http")
    start = time.monotonic()
    transfer(server, client, 300 * MIB)
    alone = rate(start, 300 * MIB)
    spliced = raw.spliced
    if spliced:
        rss, splices, drops = spliced.rss_kib(), spliced.status()["splices"], spliced.drops()
    with flood(raw.net, family.vip, RAW_HTTP, packets) as (process, sent):
        start, count = time.monotonic(), 0
        for _ in range(10):
            transfer(*pair(family, "http"), 10000)
        while process.poll() is None:
            transfer(server, client, 50 * MIB)
            count += 50 * MIB
        during = rate(start, count)
    transfer(client, server, MIB)
    figures = {"packets/s": round(sent["sent"] / sent["seconds"]), "MiB/s alone": round(alone), "MiB/s during": round(during)}
    if spliced:
        now = spliced.drops()
        figures.update(rss_growth_kib=spliced.rss_kib() - rss, drops={k: now[k] - drops[k] for k in now if now[k] - drops[k]})
        assert figures["rss_growth_kib"] < 6144, figures     # the rings of strays, once: see src/tcp/stray.c
        assert spliced.status()["splices"] <= splices + 2 * 10, figures
        if packets == "syn":
            assert figures["drops"]["syn_answered"] > 0.9 * sent["sent"], figures
    record_property("figures", figures)
    print(figures)
    assert during > alone / 20, figures
