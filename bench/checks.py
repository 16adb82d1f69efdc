#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Measures what checks of many backends cost: CPU of spliced-check and of the daemon, from schedstat; see METHOD.md.

    proxy --- backend1: nginx, which has all the backends' addresses
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "net"))

import daemon               # noqa: E402
from tcp import wait_for    # noqa: E402
from topo import VIP, Net   # noqa: E402

NGINX = """daemon off; pid {work}/nginx.pid; error_log {work}/nginx.log; worker_processes 1;
events {{ worker_connections 4096; }}
http {{ access_log off;
 server {{ listen 80 backlog=4096; return 200 "ok"; }}
 ssl_protocols TLSv1.2 TLSv1.3;
 server {{ listen 443 ssl backlog=4096; ssl_certificate {work}/a.pem; ssl_certificate_key {work}/a.key; return 200 "ok"; }} }}
"""
CHECKS = {"tcp": {"type": "tcp"}, "http": {"type": "http"}, "https": {"type": "https", "sni": "a.example", "port": 443}}
SLACK_S = 3     # until each backend has been checked


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", default=str(ROOT / "build"))
    p.add_argument("--backends", type=int, default=1000)
    p.add_argument("--interval", type=float, default=2, metavar="SECONDS")
    p.add_argument("--seconds", type=float, default=20, help="of each measurement (%(default)s)")
    return p.parse_args()


def address(i):
    return f"10.77.{i >> 8}.{i & 255}"


def serve(net, work):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout",
                    f"{work}/a.key", "-out", f"{work}/a.pem", "-subj", "/CN=a.example", "-addext", "subjectAltName=DNS:a.example"],
                   check=True, capture_output=True)
    pathlib.Path(work, "nginx.conf").write_text(NGINX.format(work=work))
    net.backend1.run("ip", "route", "add", "local", "10.77.0.0/16", "dev", "lo")
    net.proxy.run("ip", "route", "add", "10.77.0.0/16", "via", net.core.addr(4, "proxy"))
    net.core.run("ip", "route", "add", "10.77.0.0/16", "via", net.backend1.addr(4))
    return net.backend1.popen("nginx", "-c", f"{work}/nginx.conf")


def config(net, work, options, check):
    pool = {"name": "many", "check": {**check, "interval": f"{options.interval * 1000:.0f}ms"},
            "backends": [{"address": f"{address(i)}:80"} for i in range(1, options.backends + 1)]}
    service = {"name": "many", "protocol": "tcp", "listen": [f"{VIP['snat'][4]}:80"], "default": "many"}
    return daemon.config(net, work, [(service, pool)])


def cpu_s(pid):
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def rss_mib(pid):
    return int(pathlib.Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def measure(spliced, options):
    """Percent of a core: of spliced-check, of the daemon; results each second; MiB of spliced-check."""
    checker = spliced.status()["checker"]
    pids = checker["pid"], spliced.process.pid
    before, start = [cpu_s(pid) for pid in pids], time.monotonic()
    time.sleep(options.seconds)
    took = time.monotonic() - start
    used = [100 * (cpu_s(pid) - was) / took for pid, was in zip(pids, before)]
    after = spliced.status()
    down = sum(bool(b["check"]) and b["check"]["failed"] > 0 for b in after["pools"][0]["backends"])
    return *used, (after["checker"]["results"] - checker["results"]) / took, rss_mib(pids[0]), down


def main():
    options = parse_arguments()
    daemon.mount_bpffs()
    net = Net()
    try:
        with tempfile.TemporaryDirectory(prefix="sp-checks-") as work:
            pathlib.Path(work).chmod(0o755)
            nginx = serve(net, work)
            CHECKS["https"]["ca_file"] = f"{work}/a.pem"
            spliced = daemon.Spliced(net, options.build, work, config(net, work, options, {"type": "tcp"}))
            try:
                spliced.options = ()
                spliced.start()
                print("check,backends,interval_s,spliced_check_cpu_pct,daemon_cpu_pct,results_per_s,spliced_check_rss_mib,backends_with_a_failure")
                for name, check in CHECKS.items():
                    spliced.reload(config(net, work, options, check))
                    wait_for(lambda: all(b["check"]["checked_ms"] is not None for b in spliced.status()["pools"][0]["backends"]),
                             "a check of each backend", options.interval * 2 + SLACK_S)
                    time.sleep(options.interval)
                    row = measure(spliced, options)
                    print(f"{name},{options.backends},{options.interval:g},{row[0]:.2f},{row[1]:.2f},{row[2]:.0f},{row[3]:.1f},{row[4]}", flush=True)
                conf = config(net, work, options, {"type": "tcp"})
                del conf["pools"][0]["check"]
                spliced.reload(conf)
                row = measure(spliced, options)
                print(f"none,{options.backends},{options.interval:g},{row[0]:.2f},{row[1]:.2f},{row[2]:.0f},{row[3]:.1f},-")
            finally:
                spliced.close()
                nginx.terminate()
                nginx.wait()
    finally:
        net.close()


if __name__ == "__main__":
    main()
