# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""10,000 backends and 1000 routes: what a reload costs, and that it drops nothing. Prints the figures (pytest -s)."""
import concurrent.futures
import pathlib
import signal
import time

import pytest

import counting
import daemon
from daemon import endpoint, service
from topo import VIP
from web import pool_at

pytestmark = pytest.mark.spliced
POOLS, EACH, ROUTES, PORT, PORT_ONE, RELOADS = 10, 1000, 1000, 8400, 8401, 5
CPU_MS = 120            # of a reload, in the loop: four times what was measured at rest


def many(net, source):
    pools = [{"name": f"pool{p}", "source": source, "balance": {"hash": "path"} if p % 2 else "least_connections", "backends": [
        {"address": f"10.200.{n // 250}.{n % 250 + 1}:{8000 + p}", "name": f"host{n}", "weight": n % 8 + 1} for n in range(EACH)]}
        for p in range(POOLS)]
    routes = [{"host": f"h{r}.example.org", "path": f"/app{r % 7}", "pool": f"pool{r % POOLS}"} for r in range(ROUTES)]
    yield {**service("many", source, "http", PORT), "listen": [endpoint(VIP[source][4], PORT)], "routes": routes}, *pools
    yield service("one", source, "http", PORT_ONE, default=f"one-{source}"), pool_at(net, "one", source, "backend1", PORT_ONE)


@pytest.fixture
def rig(net, start_rig):
    with start_rig(net, lambda net, work: daemon.config(net, work, many(net, "snat"))) as rig, counting.servers(net, (PORT_ONE,), ("backend1",)) as (_, rig.record):
        yield rig


def changed(conf, n):
    """A backend less, another weight, and other routes."""
    pools = [{**pool, "backends": pool["backends"][n % 2:]} if pool["name"] == "pool3" else pool for pool in conf["pools"]]
    return {**conf, "pools": pools, "services": [{**one, "routes": one["routes"][n:]} if "routes" in one else one for one in conf["services"]]}


def cpu_ms(spliced):
    return int(pathlib.Path(f"/proc/{spliced.process.pid}/schedstat").read_text().split()[0]) / 1e6


def test_reload_of_ten_thousand_backends_drops_nothing(rig):
    spliced, conf, took, paused, is_over = rig.spliced, rig.spliced.conf, [], [], []
    rss = [spliced.rss_kib()]

    def ask_on():
        asked, slowest = 0, 0
        while not is_over:
            start = time.monotonic()
            with counting.Client(rig.client, VIP["snat"][4], PORT_ONE) as connection:
                connection.get()
                connection.get()
            asked, slowest = asked + 1, max(slowest, time.monotonic() - start)
        return asked, slowest

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        clients = [pool.submit(ask_on) for _ in range(2)]
        try:
            for n in range(1, RELOADS + 1):
                spliced.write(changed(conf, n))
                start = cpu_ms(spliced)
                answer = spliced.ask("reload")[0]
                took.append((answer["took_ms"], cpu_ms(spliced) - start))
                paused.append(answer["paused_ms"])
                rss.append(spliced.rss_kib())
        finally:
            is_over.append(1)
        asked, slowest = zip(*(client.result() for client in clients))
    print(f"\n{POOLS * EACH} backends, {ROUTES} routes: reload {[ms for ms, _ in took]} ms, "
          f"paused for {paused} ms, {[round(ms) for _, ms in took]} ms of CPU of the loop; RSS {rss} KiB; {sum(asked)} connections meanwhile, "
          f"the slowest took {max(slowest) * 1000:.0f} ms")
    assert sum(asked) == rig.record[f"backend1:{PORT_ONE}"][0] and rig.record[f"backend1:{PORT_ONE}"][1] == 2 * sum(asked)
    assert min(paused) < CPU_MS and min(paused) < min(ms for ms, _ in took)
    assert rss[-1] < rss[1] * 1.2, "memory grows with each reload"
    all_are_reported(spliced)
    three_at_once(spliced)
    a_stop_in_between(spliced)


def all_are_reported(spliced):
    """In many parts each; a file is read and printed beside the loop."""
    backends = [(pool["name"], len(pool["backends"])) for pool in spliced.conf["pools"]]
    for status in spliced.status(), spliced.ask("overview")[0]["status"]:
        assert [(pool["name"], len(pool["backends"])) for pool in status["pools"]] == backends
    changed_file = spliced.file.with_name("changed.yaml")
    changed_file.write_text(spliced.file.read_text().replace("host7", "other7", 1))
    done = spliced.ctl_run("config", "--diff", str(changed_file))
    assert done.returncode == 1 and "other7" in done.stdout, done


def three_at_once(spliced):
    """Each client gets an answer, and the file as it was last is in effect."""
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(spliced.ctl_run, "reload") for _ in range(3)]
    assert [done.result().returncode for done in answers] == [0, 0, 0]
    spliced.file.write_text("interfaces: 7\n")
    refused = spliced.ctl_run("reload")
    assert refused.returncode == 1 and f"{spliced.file}:1:13: " in refused.stderr, refused
    spliced.write(spliced.conf)


def a_stop_in_between(spliced):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(spliced.ctl_run, "reload")
        time.sleep(0.02)
        assert spliced.end(signal.SIGTERM) == 0
        assert asked.result().returncode in (0, 1, 3)
