# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Namespaces, processes and sysctls that go away again, also on failure.

Every contender gets three namespaces of its own, all alike:

    client 10.0.1.2 .. 10.0.1.9 ---- front 10.0.1.1 [proxy] 10.0.2.1 back ---- 10.0.2.2 .. 10.0.2.5 backend (nginx)

The services are 192.0.2.1, ports 80 to 82, for all of them. Each resource registers how it is undone when it is made.
"""
import contextlib
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
import time

SERVICE_ADDR = "192.0.2.1"
SERVICE = SERVICE_ADDR + ":80"
SHOP_PORT, READ_PORT, CHANGED_PORT = 81, 82, 83
SHOP, READ, CHANGED = (f"{SERVICE_ADDR}:{port}" for port in (SHOP_PORT, READ_PORT, CHANGED_PORT))
BACKEND_ADDR = "10.0.2.2"
BACKEND = BACKEND_ADDR + ":80"
POOLS = {"PAGE": "10.0.2.3", "STATIC": "10.0.2.4", "ORDER": "10.0.2.5"}     # of the services that choose among several
FIRST_SOURCE = "10.0.1.2"
SOURCES = 8
SOURCES_EACH = 4
BIG_BYTES = 256 * 1024 * 1024
LINKS = (  # namespace, interface, MAC, addresses
    ("client", "out", "02:00:00:00:01:02", [f"10.0.1.{i}/24" for i in range(2, 2 + SOURCES)]),
    ("proxy", "front", "02:00:00:00:01:01", ["10.0.1.1/24"]),
    ("proxy", "back", "02:00:00:00:02:01", ["10.0.2.1/24"]),
    ("backend", "in", "02:00:00:00:02:02", [f"{addr}/24" for addr in (BACKEND_ADDR, *POOLS.values())]),
)
SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.ip_local_port_range": "10000 65000",
    "net.ipv4.tcp_tw_reuse": "1",
    "net.ipv4.tcp_no_metrics_save": "1",  # one sample must not teach the next
}


class LabError(Exception):
    pass


def sources(n=1):
    """Addresses that belong to the n-th proxy: out of them spliced talks to backends."""
    return [f"10.0.9.{SOURCES_EACH * (n - 1) + i}" for i in range(1, SOURCES_EACH + 1)]


def letter_of(pool):
    """All that its bodies are made of."""
    return pool[0].lower()


def run(*argv, timeout=30, check=True):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as e:
        raise LabError(f"{' '.join(argv)}: no end after {timeout} s") from e
    if check and done.returncode:
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done


def in_space(space):
    """Unlike `ip netns exec` this leaves /sys as it is, and the bpf filesystem in sight."""
    return ["nsenter", f"--net=/run/netns/{space}"]


def wait_until(what, condition, timeout=10):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise LabError(f"{what}: not within {timeout} s")
        time.sleep(0.05)


class Lab(contextlib.ExitStack):
    """The run as a whole: a directory in memory and what all contenders share."""

    def __init__(self, congestion):
        super().__init__()
        self.congestion = congestion
        self.prefix = f"spb{os.getpid()}"
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=self.prefix + "-", dir="/dev/shm"))
        self.callback(shutil.rmtree, self.dir, ignore_errors=True)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536),) * 2)

    def __exit__(self, *exc):
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, signal.SIG_IGN)
        return super().__exit__(*exc)

    def prepare(self, sources):
        files = self.dir / "files"
        files.mkdir()
        block = os.urandom(1024 * 1024)
        with open(files / "big", "wb") as f:
            for _ in range(BIG_BYTES // len(block)):
                f.write(block)
        for name in ("gen_bulk", "gen_conn"):
            run("cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread",
                "-o", str(self.dir / name), str(sources / f"{name}.c"), str(sources / "gen.c"))
        self.allow_congestion()

    def allow_congestion(self):
        """A namespace may only be given an algorithm that the whole machine allows."""
        path = pathlib.Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
        before = path.read_text().strip()
        if self.congestion not in before.split():
            path.write_text(f"{before} {self.congestion}")
            self.callback(path.write_text, before)

    def bpffs(self, name):
        """A bpf filesystem of the contender's own: unmounting it removes every pin."""
        path = self.dir / f"bpf-{name}"
        path.mkdir()
        run("mount", "-t", "bpf", "bpf", str(path))
        self.callback(run, "umount", str(path), check=False)
        return path

    def template(self, source, target_dir, **more):
        """Fills in @NAME@; returns the path of the result."""
        words = {"DIR": target_dir, "FILES": self.dir / "files", "SERVICE": SERVICE,
                 "SERVICE_ADDR": SERVICE_ADDR, "SHOP": SHOP, "READ": READ, "CHANGED": CHANGED,
                 "BACKEND": BACKEND, "BACKEND_ADDR": BACKEND_ADDR, "KILOBYTE": "x" * 1024,
                 **{name: addr + ":80" for name, addr in POOLS.items()},
                 **{f"{name}_KILOBYTE": letter_of(name) * 1024 for name in POOLS}, **more}
        text = source.read_text()
        for word, value in words.items():
            text = text.replace(f"@{word}@", str(value))
        path = target_dir / source.name
        path.write_text(text)
        return path

    def daemon(self, space, argv, log):
        """Starts a process in a namespace; it is ended with the run."""
        with open(log, "ab") as out:
            process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *in_space(space), *map(str, argv)],
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       start_new_session=True)
        self.callback(end_process, process)
        return process


def end_process(process):
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_space(space):
    """Ends what is left inside (workers whose master died), then the namespace."""
    for _ in range(20):
        pids = run("ip", "netns", "pids", space, check=False).stdout.split()
        if not pids:
            break
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.05)
    run("ip", "netns", "del", space, check=False)


class Rig:
    """Client, proxy and backend namespace of one contender."""
    MIDDLE = "proxy"    # what stands between client and backend

    def __init__(self, lab, name, more_spaces=()):
        self.lab, self.name = lab, name
        self.dir = lab.dir / name
        self.dir.mkdir()
        self.space = {s: f"{lab.prefix}-{name}-{s}" for s in ("client", self.MIDDLE, *more_spaces, "backend")}
        self.processes = []
        self.stores = []
        self.daemons = []   # spliced itself, where it stands in the middle

    def build(self):
        for space in self.space.values():
            run("ip", "netns", "add", space)
            self.lab.callback(end_space, space)
            self.ip(space, "link", "set", "lo", "up")
            sysctls = {**SYSCTLS, "net.ipv4.tcp_congestion_control": self.lab.congestion}
            run(*in_space(space), "sysctl", "-q", "-w", *(f"{k}={v}" for k, v in sysctls.items()))
        self.link(LINKS[0], (self.MIDDLE, *LINKS[1][1:]))
        self.link(LINKS[3], (self.MIDDLE, *LINKS[2][1:]))
        self.ip(self.space["client"], "route", "add", "default", "via", "10.0.1.1")
        self.ip(self.space["backend"], "route", "add", "default", "via", "10.0.2.1")

    def ip(self, space, *words):
        run("ip", "-n", space, *words)

    def link(self, one, two):
        a, b = self.space[one[0]], self.space[two[0]]
        self.ip(a, "link", "add", one[1], "address", one[2], "type", "veth",
                "peer", "name", two[1], "address", two[2], "netns", b)
        for (_, dev, _, addrs), (_, _, peer_mac, peer_addrs), space in ((one, two, a), (two, one, b)):
            for addr in addrs:
                self.ip(space, "addr", "add", addr, "dev", dev)
            self.ip(space, "link", "set", dev, "up")
            for addr in peer_addrs:  # resolved once and for all, for every contender
                self.ip(space, "neigh", "add", addr.split("/")[0], "lladdr", peer_mac, "dev", dev)

    def listeners(self, role):
        lines = run(*in_space(self.space[role]), "ss", "-Htln").stdout.splitlines()
        return [line.split()[3] for line in lines]

    def start(self, role, argv, listen=()):
        """Starts a server; refuses to share its port with a stale one."""
        if self.listeners(role):
            raise LabError(f"{self.name}: {role}: something listens already: {self.listeners(role)}")
        log = self.dir / f"{role}.log"
        process = self.lab.daemon(self.space[role], argv, log)
        self.processes.append((process, log))
        if listen:
            wait_until(f"{self.name}: {role} does not listen on all of {listen}; log {self.log_tail(log)}",
                       lambda: set(listen) <= set(self.listeners(role)) or not self.check_alive())
            if set(self.listeners(role)) != set(listen):
                raise LabError(f"{self.name}: {role} listens on {self.listeners(role)}, want only {listen}")
        return process

    def log_tail(self, log):
        return log.read_text(errors="replace")[-2000:].strip() if log.exists() else ""

    def logs(self):
        return "".join(f"\n--- {log.name}\n{self.log_tail(log)}" for _, log in self.processes
                       if self.log_tail(log))

    def check_alive(self):
        for process, log in self.processes:
            if process.poll() is not None:
                raise LabError(f"{self.name}: {process.args[-1]} ended ({process.returncode}): "
                               f"{self.log_tail(log)}")
        return True

    def client(self, *argv, timeout):
        return run(*in_space(self.space["client"]), *map(str, argv), timeout=timeout).stdout
