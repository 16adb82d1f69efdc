# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""wrk asks for random paths of three pools: 100,000 requests, or as many as REQUESTS says. Each body names its request.

A thread of wrk has one connection, so it knows to which request a response belongs. The servers are nginx; their own records
tell where each request came, and how often.
"""
import collections
import contextlib
import os
import pathlib
import re
import shutil
import signal
import tempfile

import pytest

from exchanges import HOST
from shop import BACKENDS, balancer, can_connect, namespace, open_balancer, way    # noqa: F401 - fixtures
from tcp import wait_for

pytestmark = pytest.mark.spliced
REQUESTS = int(os.environ.get("REQUESTS", 100000))
THREADS = 8
PORTS = {"A": 8101, "B": 8102, "C": 8103}
NGINX = """
daemon off; master_process off; pid {work}/{name}.pid; error_log {work}/{name}.log;
events {{ worker_connections 1024; }}
http {{
    log_format plain "$request_uri"; default_type text/plain; keepalive_requests 10000000; keepalive_timeout 1h;
    client_body_temp_path {work}/{name}-b; proxy_temp_path {work}/{name}-p; fastcgi_temp_path {work}/{name}-f;
    uwsgi_temp_path {work}/{name}-u; scgi_temp_path {work}/{name}-s;
    {servers}
}}
"""
SERVER = """server {{
    listen {port}; listen [::]:{port}; access_log {work}/{name}-{pool}.access plain buffer=64k flush=100ms;
    location / {{ return 200 "pool={pool} uri=$request_uri {filler}\\n"; }}
}}"""
FILLER = {"A": "a" * 40, "B": "b" * 700, "C": "c" * 3000}
SCRIPT = """
local threads, prefix, filler = {{}}, {{A = "/page/", B = "/static/", C = "/api/"}}, {{A = {A}, B = {B}, C = {C}}}
function setup(thread) thread:set("number", #threads); table.insert(threads, thread) end
function init(args)
    count, wrong, first, share = 0, 0, "", {share}
    math.randomseed(number + {seed})
end
function request()
    pool = ({{"A", "B", "C"}})[math.random(3)]
    path = prefix[pool] .. number .. "-" .. count
    return "GET " .. path .. " HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n"
end
function response(status, headers, body)
    local wanted = "pool=" .. pool .. " uri=" .. path .. " " .. string.rep(string.lower(pool), filler[pool]) .. "\\n"
    if status ~= 200 or body ~= wanted then
        wrong = wrong + 1
        if first == "" then first = status .. " " .. path .. ": " .. string.sub(body, 1, 200) end
    end
    count = count + 1
    if count >= share then io.stderr:write("stopped\\n") wrk.thread:stop() end
end
function done(summary, latency, requests)
    local count, wrong, first = 0, 0, ""
    for _, thread in ipairs(threads) do
        count, wrong = count + thread:get("count"), wrong + thread:get("wrong")
        if first == "" then first = thread:get("first") end
    end
    local e = summary.errors
    print(string.format("count=%d wrong=%d errors=%d,%d,%d,%d", count, wrong, e.connect, e.read, e.write, e.timeout))
    print("first=" .. first)
end
"""


class Web:
    """nginx as each pool, at both backends."""

    def __init__(self, rig):
        self.rig, self.processes = rig, []
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="sp-wrk-"))

    def start(self):
        for name in BACKENDS:
            servers = "\n".join(SERVER.format(port=port, work=self.work, name=name, pool=pool, filler=FILLER[pool])
                                for pool, port in PORTS.items())
            conf = self.work / f"{name}.conf"
            conf.write_text(NGINX.format(work=self.work, name=name, servers=servers))
            self.processes.append(namespace(self.rig, name).popen("nginx", "-e", f"{self.work}/{name}.log", "-c", str(conf)))
            wait_for(lambda: can_connect(namespace(self.rig, name), "127.0.0.1", PORTS["C"]), f"{name} to listen")
        return self

    def served(self):
        """{pool: Counter of targets}"""
        served = {pool: collections.Counter() for pool in PORTS}
        for name in BACKENDS:
            for pool in PORTS:
                served[pool].update((self.work / f"{name}-{pool}.access").read_text().splitlines())
        return served

    def close(self):
        for process in self.processes:
            process.terminate()
            process.wait()
        shutil.rmtree(self.work)


@pytest.fixture(scope="module")
def rig(open_balancer, tmp_path_factory):
    with open_balancer(tmp_path_factory.mktemp("wrk"), PORTS) as rig:
        yield rig


@pytest.fixture(scope="module")
def web(rig):
    with contextlib.closing(Web(rig)) as web:
        yield web.start()


@pytest.mark.slow
@pytest.mark.limit(60 + REQUESTS // 300)
def test_random_paths(rig, web, way):
    share = REQUESTS // THREADS
    script = web.work / "paths.lua"
    script.write_text(SCRIPT.format(host=HOST, seed=1, share=share, **{pool: len(filler) for pool, filler in FILLER.items()}))
    process = rig.client.popen("wrk", "-t", str(THREADS), "-c", str(THREADS), "-d", "3h", "--timeout", "10s", "-s", str(script),
                               f"http://{way.vip}/", stdout=open(web.work / "out", "w"), stderr=-2)
    try:
        wait_for(lambda: (web.work / "out").read_text().count("stopped") == THREADS, "wrk to have all responses", 60 + REQUESTS // 300)
    finally:
        process.send_signal(signal.SIGINT)      # it sleeps until the end of its time otherwise
        process.wait(20)
    out = (web.work / "out").read_text()
    found = re.search(r"count=(\d+) wrong=(\d+) errors=([\d,]+)\nfirst=(.*)", out)
    assert found, out
    assert (found[2], found[3]) == ("0", "0,0,0,0"), out
    assert int(found[1]) >= share * THREADS
    check_records(web, share)


def check_records(web, share):
    """Each request came to its pool, once. A thread that stops may have sent one more."""
    wanted = {f"{number}-{at}" for number in range(THREADS) for at in range(share)}
    wait_for(lambda: sum(map(len, web.served().values())) >= len(wanted), "the servers' records", 5)
    prefix, seen = {"A": "/page/", "B": "/static/", "C": "/api/"}, collections.Counter()
    for pool, targets in web.served().items():
        strange = [target for target in targets if not target.startswith(prefix[pool])]
        assert not strange, f"pool {pool} got {len(strange)} of other pools: {strange[:5]}"
        for target, times in targets.items():
            seen[target[len(prefix[pool]):]] += times
    twice = [name for name, times in seen.items() if times > 1]
    assert not twice, f"{len(twice)} came more than once: {twice[:5]}"
    assert not wanted - set(seen), f"{len(wanted - set(seen))} did not come: {sorted(wanted - set(seen))[:5]}"
