# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The daemon under test in the proxy's namespace: its configuration, life and control socket."""
import copy
import json
import os
import pathlib
import signal
import socket
import subprocess

from topo import SNAT, VIP
from tcp import wait_for

# Ports are the same on both sides, so that direct mode needs no translation.
HTTP, HTTP_B, TLS, TLS_B, SSH = 80, 81, 443, 444, 22
RAW_TCP, RAW_HTTP, RAW_TLS = 7000, 7080, 7443


def endpoint(addr, port):
    return f"[{addr}]:{port}" if ":" in addr else f"{addr}:{port}"


def port_of(backend):
    return int(backend["address"].rpartition(":")[2])


def backends(net, port, names=("backend1", "backend2"), **more):
    """Entries for both families of each."""
    return [{"address": endpoint(net.ns[name].addr(version), port), "name": f"{name}-v{version}", **more}
            for name in names for version in (4, 6)]


def pool(net, name, source, port, names=("backend1", "backend2"), **more):
    return {"name": f"{name}-{source}", "source": source, "backends": backends(net, port, names, **more)}


def service(name, source, protocol, port, **more):
    return {"name": f"{name}-{source}", "protocol": protocol,
            "listen": [endpoint(VIP[source][version], port) for version in (4, 6)], **more}


def raw_services(net, source):
    """One backend each, played by the test."""
    for name, protocol, port in (("raw-tcp", "tcp", RAW_TCP), ("raw-http", "http", RAW_HTTP), ("raw-tls", "tls", RAW_TLS)):
        yield service(name, source, protocol, port, default=f"{name}-{source}"), pool(net, name, source, port, ("backend1",))


def in_modes(modes):
    """Those, each in the mode of its protocol; or all in one."""
    def services(net, source):
        for one, of in raw_services(net, source):
            yield {**one, "mode": modes if isinstance(modes, str) else modes[one["protocol"]]}, of
    return services


def config(net, work, services_and_pools, **more):
    """A whole file as a dictionary. services_and_pools: [(service, pool, pool...)...]"""
    services, pools = [], {}
    for one, *of in services_and_pools:
        services.append(one)
        pools.update({p["name"]: p for p in of})
    return {"interfaces": net.interfaces, "key_file": f"{work}/cookie.key",
            "state_dir": f"/sys/fs/bpf/sp-{net.id}", "control": f"{work}/ctl.sock",
            "source": {"addresses": [SNAT[4], SNAT[6]], "ports": "20000-59999"},
            "pools": list(pools.values()), "services": services, **more}


def set_mode(conf, mode):
    """
    Of all services, which then don't read each request: those go whole. Who sees a client's own address adopts nothing; a
    file may not ask for it.
    """
    sees_clients = {pool["name"] for pool in conf["pools"] if pool["source"] == "client"}
    for service in conf["services"]:
        named = {service.get("default"), *(route["pool"] for route in service.get("routes", ()))}
        service["mode"] = "auto" if mode == "adopt" and named & sees_clients else mode
        if service["protocol"] == "http" and mode != "whole":
            service.setdefault("route", "connection")


def raw_config(net, work, **more):
    return config(net, work, [pair for source in ("snat", "client") for pair in raw_services(net, source)], **more)


class Spliced:
    PROGRAM = "spliced"
    options = ("--verbose",)
    is_frozen = False

    def __init__(self, net, build, work, conf):
        self.net, self.work = net, pathlib.Path(work)
        self.bin, self.ctl_bin = program(build, self.PROGRAM), program(build, "splicectl")
        self.state_dir, self.socket = pathlib.Path(conf["state_dir"]), conf["control"]
        self.file, self.log = self.work / "spliced.yaml", self.work / "spliced.log"
        self.process, self.env = None, {}
        self.key = [os.urandom(16).hex()]
        self.write_key()
        self.write(conf)

    def write_key(self):
        pathlib.Path(self.work, "cookie.key").write_text("\n".join(self.key) + "\n")
        os.chmod(self.work / "cookie.key", 0o600)

    def write(self, conf):
        self.conf = copy.deepcopy(conf)
        self.file.write_text(json.dumps(conf))      # JSON is YAML, and has no anchors

    def start(self):
        with open(self.log, "a") as log:
            self.process = self.net.proxy.popen(self.bin, *self.options, "--config", str(self.file),
                                                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                                env={**os.environ, **self.env})
        wait_for(self.is_ready, "the daemon to be ready")
        return self

    def is_ready(self):
        assert self.process.poll() is None, f"the daemon ended with {self.process.returncode}:\n{self.log.read_text()[-2000:]}"
        try:
            return bool(self.status())
        except OSError:
            return False

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def is_awake(self):
        return self.is_running() and not self.is_frozen

    def signal(self, number):
        os.kill(self.process.pid, number)

    def end(self, number, timeout=10):
        """Return its exit status."""
        if self.is_running():
            self.signal(number)
            if number != signal.SIGKILL:
                self.signal(signal.SIGCONT)
            self.process.wait(timeout)
        return self.process.returncode if self.process else None

    def kill9(self):
        self.end(signal.SIGKILL)

    def reload(self, conf=None):
        """SIGHUP, and wait until it says what became of it. Return what it logged."""
        if conf is not None:
            self.write(conf)
        return self.hangup()

    def hangup(self):
        start = self.log.stat().st_size
        self.signal(signal.SIGHUP)

        def news():
            assert self.is_running(), "the daemon did not survive SIGHUP"
            text = self.log.read_bytes()[start:].decode()
            return text if "reload" in text and text.endswith("\n") else None
        return wait_for(news, "a line about the reload in the log")

    def ctl_run(self, *args):
        return subprocess.run([self.ctl_bin, "--socket", self.socket, *args], timeout=20,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ctl(self, *args):
        done = self.ctl_run(*args)
        assert done.returncode == 0, f"splicectl {' '.join(args)}: {done.stderr}"
        return done.stdout

    def ask(self, command, **more):
        """The objects of its answer. As splicectl does, without a process for each."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(self.socket)
            sock.sendall(json.dumps({"version": 1, "command": command, **more}).encode() + b"\n")
            with sock.makefile() as stream:
                lines = stream.readlines()
        if not lines or not lines[-1].endswith("\n"):
            raise ConnectionError(f"{command}: the daemon broke off")
        answer = [json.loads(line) for line in lines]
        assert "error" not in answer[-1], answer[-1]
        return answer

    def status(self):
        return self.ask("status")[0]

    def counters(self):
        return self.status()["counters"]

    def members(self):
        return self.ask("cluster")[0]["members"]

    def drops(self):
        return {r["name"]: r["pkts"] for r in self.ask("drops")[0]["reasons"]}

    def connections(self, *args):
        """All rows of a filter."""
        *rows, end = self.ask("connections", limit=0, filter=" ".join(args))
        assert end["end"], end
        return rows

    def of(self, sock):
        """The row of a client's socket. Its port may have been used before, towards another service."""
        me = endpoint(*sock.getsockname()[:2])
        rows = [row for row in self.connections(me) if row["front"]["from"] == me]
        return min(rows, key=lambda row: (row["state"] == "closed", row["age_ms"]), default=None)

    def misses_listener(self, port):
        """Its agent says that nobody listens there at backend1."""
        here = [b for pool in self.status()["pools"] for b in pool["backends"] if port_of(b) == port and b["name"].startswith("backend1")]
        return any(mode["reason"] == "no_listener" for b in here for mode in b["modes"].values())

    def rss_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def unload(self):
        return self.net.proxy.run(self.bin, "--unload", "--config", str(self.file))

    def close(self):
        self.end(signal.SIGKILL)
        self.net.proxy.run(self.bin, "--unload", "--config", str(self.file), check=False)

    def report(self):
        """For a failed test."""
        drops = self.ctl_run("drops").stdout if self.is_running() else "(the daemon does not run)"
        status = self.ctl_run("status").stdout if self.is_running() else ""
        return [("daemon log", "".join(self.log.read_text().splitlines(True)[-80:])),
                ("splicectl drops", drops), ("splicectl status", status)]


def program(build, name):
    """The one in a Meson build directory."""
    for path in sorted(pathlib.Path(build).glob(f"src/**/{name}")):
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    raise FileNotFoundError(f"no {name} in {build}; see --build")


def mount_bpffs():
    if not any(line.split()[1:3] == ["/sys/fs/bpf", "bpf"] for line in open("/proc/mounts")):
        subprocess.run(["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"], check=True)
