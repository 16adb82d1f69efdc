# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What stands in the place of the proxy, and how it is started there."""
import os
import pathlib
import secrets
import socket
import subprocess

import lab

HERE = pathlib.Path(__file__).resolve().parent
HTTP_PROXIES = ("haproxy-http", "nginx-http")
PROXIES = ("haproxy-http", "haproxy-tcp", "nginx-http", "nginx-stream")
# The same as haproxy-tcp, but for pipes of 256 KiB instead of 64 KiB: so its owner would tune it for bulk.
TUNED = "haproxy-pipes"
TUNED_GLOBAL = "tune.pipesize 262144"
OURS = "spliced"
# The same with `route: connection`: the first request decides, the rest is not read.
FIRST_ONLY = "spliced-conn"
# The same with the engine redis: three servers in the proxy's namespace, K = 3.
SHARED = "spliced-redis"
# The same with an access log, to a file.
LOGGED = "spliced-log"
STORE_PORTS = (6379, 6380, 6381)


def start_backend(rig):
    folder = rig.dir / "backend"
    folder.mkdir()
    pools = rig.lab.template(HERE / "pools.nginx.cfg", folder)
    config = rig.lab.template(HERE / "backend.nginx.cfg", folder, POOLS=pools)
    rig.start("backend", ["nginx", "-c", config, "-e", folder / "error.log"], listen=["0.0.0.0:80"])


def add_service_address(rig, role):
    rig.ip(rig.space[role], "addr", "add", lab.SERVICE_ADDR + "/32", "dev", "lo")


def start_routing(rig, options):
    """The service's address is the backend's own; the proxy's namespace forwards."""
    add_service_address(rig, "backend")
    rig.ip(rig.space["proxy"], "route", "add", lab.SERVICE_ADDR, "via", lab.BACKEND_ADDR)


def start_nat(rig, options):
    rules = rig.lab.template(HERE / "nat.nft.cfg", rig.dir)
    lab.run(*lab.in_space(rig.space["proxy"]), "nft", "-f", str(rules))


def services_of(rig):
    return [lab.SERVICE, lab.SHOP, lab.READ, lab.CHANGED] if rig.name in HTTP_PROXIES else [lab.SERVICE]


def start_nginx(rig, options):
    add_service_address(rig, "proxy")
    config = rig.lab.template(HERE / f"{rig.name}.cfg", rig.dir)
    rig.start("proxy", ["nginx", "-c", config, "-e", rig.dir / "error.log"], listen=services_of(rig))


def start_haproxy(rig, options):
    add_service_address(rig, "proxy")
    source = "haproxy-tcp" if rig.name == TUNED else rig.name
    config = rig.lab.template(HERE / f"{source}.cfg", rig.dir, GLOBAL=TUNED_GLOBAL if rig.name == TUNED else "")
    rig.start("proxy", ["haproxy", "-db", "-f", config], listen=services_of(rig))


def find_binary(build, name):
    for path in (build / folder / name for folder in ("src/proxy", "src/agent", "src/ctl", "src", ".")):
        if path.is_file() and os.access(path, os.X_OK):
            return path
    return None


def why_no_spliced(options, names=("spliced", "splicectl")):
    if not options.build:
        return "no --build DIR given"
    for name in names:
        if not find_binary(options.build, name):
            return f"{options.build} has no {name}"
    return None


def start_stores(rig):
    for port in STORE_PORTS:
        argv = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", rig.dir]
        rig.stores.append(rig.lab.daemon(rig.space["proxy"], argv, rig.dir / "store.log"))
    wanted = {f"127.0.0.1:{port}" for port in STORE_PORTS}
    lab.wait_until("spliced-redis: three stores do not listen", lambda: set(rig.listeners("proxy")) == wanted)


def shared_config():
    servers = ", ".join(f'"127.0.0.1:{port}"' for port in STORE_PORTS)
    return f'store: {{engine: redis, servers: [{servers}]}}\ncluster: {{name: bench, relay: "127.0.0.1:7946"}}\n'


def start_shared(rig, options):
    start_spliced(rig, options, start_stores, MORE=shared_config())


def start_first_only(rig, options):
    start_spliced(rig, options, ROUTE="connection")


def start_logged(rig, options):
    start_spliced(rig, options, LOG=f"    access_log: {{format: combined, to: {rig.dir}/access.log}}")


def start_spliced(rig, options, then=lambda rig: None, **words):
    rig.daemons.append(start_daemon(rig, options, "spliced", "proxy", secrets.token_hex(16), **words))
    then(rig)
    wait_ready(rig, options, "proxy")


def start_daemon(rig, options, program, role, key, **words):
    """With the configuration PROGRAM.yaml.cfg, in a directory of its own. Returns the process."""
    binary, folder = find_binary(options.build, program), rig.dir / f"{role}-{program}"
    folder.mkdir()
    (folder / "cookie.key").touch(mode=0o600)
    (folder / "cookie.key").write_text(key + "\n")
    words = {"MORE": "", "SERVICE_MORE": "", "LOG": "", "ROUTE": "request", "SOURCES": ", ".join(lab.sources()), **words}
    config = rig.lab.template(HERE / f"{program}.yaml.cfg", folder, BPFFS=rig.lab.bpffs(f"{rig.name}-{role}"), **words)
    rig.lab.callback(unload, rig, role, binary, config)
    return rig.start(role, [binary, "--config", config])


def wait_ready(rig, options, role, program="spliced"):
    lab.wait_until(f"{rig.name}: splicectl status of {role} does not answer 0",
                   lambda: rig.check_alive() and ask(rig, options, role, "status", program=program).returncode == 0)


def ask(rig, options, role, *words, program="spliced"):
    """What splicectl says."""
    ctl, sock = find_binary(options.build, "splicectl"), rig.dir / f"{role}-{program}" / "control.sock"
    return subprocess.run([ctl, "--socket", sock, *words], timeout=5, capture_output=True, text=True)


def unload(rig, role, binary, config):
    lab.run(*lab.in_space(rig.space[role]), str(binary), "--unload", "--config", str(config), check=False)


START = {
    "routing": start_routing,
    "nat": start_nat,
    "haproxy-http": start_haproxy,
    "haproxy-tcp": start_haproxy,
    TUNED: start_haproxy,
    "nginx-http": start_nginx,
    "nginx-stream": start_nginx,
    OURS: start_spliced,
    FIRST_ONLY: start_first_only,
    SHARED: start_shared,
    LOGGED: start_logged,
}


def stand_up(rig, options):
    rig.build()
    start_backend(rig)
    START[rig.name](rig, options)


def pipes_of_haproxy(rig):
    """How many pipes HAProxy has made so far; 0 means that it copies."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        s.connect(str(rig.dir / "stats"))
        s.sendall(b"show info\n")
        text = b""
        while chunk := s.recv(65536):
            text += chunk
    info = dict(line.split(": ", 1) for line in text.decode().splitlines() if ": " in line)
    return int(info["PipesUsed"]) + int(info["PipesFree"])
