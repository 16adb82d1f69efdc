# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs as people use them, in modes split and adopt: redis, ssh, scp, nginx, a websocket, TLS from end to end.

    client --- router ---+--- proxy1..3 --- core ---+--- backend1, with an agent
                         '--------------------------+--- backend2, with another     (front, see cluster.py)
"""
import asyncio
import contextlib
import hashlib
import pathlib
import re
import subprocess
import sys

import pytest
import websockets

import daemon
import servers
import tcp
from conftest import Lab, wait_until_heard
from test_apps import sha256, ssh_service
from kernel import ADOPT
from web import WHERE, pool_at, tls_get, web_services

pytestmark = pytest.mark.spliced
MIB = 1 << 20
REDIS = 6379
TALKERS = pathlib.Path(__file__).resolve().parents[1] / "torture/talkers.py"


def services(view, source):
    yield from web_services(view, source)
    yield ssh_service(view, source)
    yield daemon.service("redis", source, "tcp", REDIS, default=f"redis-{source}"), pool_at(view, "redis", source, "backend1", REDIS)


class AppLab(Lab):
    def __init__(self, cluster, servers):
        super().__init__(cluster)
        self.servers = servers

    def counters(self):
        """Sums of the proxies' that speak of modes."""
        rows = [proxy.counters() for proxy in self.cluster.proxies]
        return {name: sum(row[name] for row in rows) for name in rows[0] if name.startswith(("spliced_w", "spliced_s", "spliced_a", "fell_"))}

    @contextlib.contextmanager
    def connections(self, at_least, at_most=None):
        """So many new ones meanwhile, all in the mode that was asked for, and none of whose answers has passed a proxy."""
        before = self.counters()
        yield
        new = {name: count - before[name] for name, count in self.counters().items() if count != before[name]}
        mode = f"spliced_{self.cluster.mode}"
        assert set(new) == {mode} and at_least <= new[mode] <= (at_most or at_least), new
        assert sum(row["bytes_down"] for proxy in self.cluster.proxies for row in proxy.connections()) == 0

    def file(self, name, size):
        return self.servers.file(name, size)

    def curl(self, *args):
        return self.client.run("curl", "-sSfk", "-m", "60", "--noproxy", "*", *map(str, args))


class Apps(servers.Servers):
    """Besides what they are: redis, and who talks by websockets behind nginx."""

    def start(self):
        super().start()
        backend = self.net.backend1
        self.spawn(backend, "redis-server", "--port", REDIS, "--bind", "*", "-::*", "--protected-mode", "no", "--save", "", "--dir", self.work)
        self.spawn(backend, sys.executable, "-B", TALKERS, servers.CHAT, servers.CHAT + 1)
        for port in (REDIS, servers.CHAT):
            tcp.wait_for(lambda: self.answers("backend1", port), f"{port} to listen")
        return self


@pytest.fixture(scope="module", params=["split", ADOPT])
def lab(request, start_cluster, tmp_path_factory):
    with start_cluster(services=services, mode=request.param) as cluster:
        apps = Apps(cluster, tmp_path_factory.mktemp("servers"), tmp_path_factory.mktemp("files"))
        try:
            apps.start()
            lab = AppLab(cluster, apps)
            for port in (daemon.HTTP, daemon.TLS, daemon.SSH, REDIS):
                wait_until_heard(lab, port)
            yield lab
        finally:
            apps.close()


def redis(lab, way, *args, **kw):
    return lab.client.run("redis-cli", "-h", way.vip, "-p", str(REDIS), *map(str, args), **kw).strip()


def test_redis_pipeline(lab, family):
    count, value = 50000, "v" * 100
    commands = "".join(f"SET key:{n} {value}{n}\r\n" for n in range(count))
    with lab.connections(1):
        assert f"errors: 0, replies: {count}" in redis(lab, family, "--pipe", input=commands)
    with lab.connections(4):
        assert redis(lab, family, "dbsize") == str(count)
        assert redis(lab, family, "mget", *(f"key:{n}" for n in range(0, count, 1000))).splitlines() == [
            f"{value}{n}" for n in range(0, count, 1000)]
        redis(lab, family, "-x", "set", "large", input="0123456789abcdef" * (MIB // 4))
        large = redis(lab, family, "--raw", "get", "large")
    assert large == "0123456789abcdef" * (MIB // 4)
    with lab.connections(1):
        redis(lab, family, "flushall")


def test_redis_benchmark(lab, family):
    """Twenty clients, each with sixteen questions on the way."""
    with lab.connections(20, 22):
        said = lab.client.run("redis-benchmark", "-h", family.vip, "-p", str(REDIS), "-c", "20", "-P", "16", "-n", "20000",
                              "-t", "get", "--csv")
    assert re.search(r'"GET","[1-9]', said) and "rror" not in said, said


def test_ssh_session(lab, family):
    """Lines there and back, then 5 MiB, and the exit status."""
    ssh = lab.servers.ssh(family.vip)
    with lab.connections(1):
        with lab.client.popen(*ssh, "cat; exit 7", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as talk:
            for n in range(200):
                talk.stdin.write(b"line %d\n" % n)
                talk.stdin.flush()
                assert talk.stdout.readline() == b"line %d\n" % n
            talk.stdin.close()
            assert talk.stdout.read() == b"" and talk.wait(10) == 7
    data = lab.file("some", 5 * MIB).read_bytes()
    with lab.connections(1):
        proc = lab.client.popen(*ssh, "cat; exit 7", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        out, _ = proc.communicate(data, timeout=30)
    assert proc.returncode == 7 and hashlib.sha256(out).digest() == hashlib.sha256(data).digest()


def test_scp(lab, family, tmp_path):
    source, there, back = lab.file("more", 20 * MIB), tmp_path / "there", tmp_path / "back"
    scp = ["scp", "-q", *lab.servers.ssh_options()]
    with lab.connections(2):
        lab.client.run(*scp, str(source), f"root@{family.url_vip}:{there}")
        lab.client.run(*scp, f"root@{family.url_vip}:{there}", str(back))
    assert sha256(source) == sha256(there) == sha256(back)


def test_nginx_keeps_alive(lab, family):
    """A hundred answers and an upload on one connection."""
    source, up, told = lab.file("some", 5 * MIB), lab.servers.files / "backend1-up", "%{num_connects} %{size_download}\n"
    with lab.connections(1):
        said = lab.curl("-w", told, "-o", "/dev/null", family.url("/files/some?[1-100]"),
                        "--next", "-sSf", "--noproxy", "*", "-w", told, "-T", source, family.url("/put/up")).split()
    assert [int(n) for n in said[::2]] == [1] + [0] * 100 and [int(n) for n in said[1::2]] == [5 * MIB] * 100 + [0]
    assert sha256(source) == sha256(up)
    up.unlink()


def test_nginx_closes_each_time(lab, family):
    with lab.connections(30):
        for n in range(30):
            assert lab.curl("-H", "Connection: close", family.url(f"/{n}")).startswith(f"backend1:80 GET {family.url_vip} /{n} ")


async def talk(client, count):
    async with websockets.connect("ws://www.example.org/chat", sock=client, compression=None, ping_interval=None) as chat:
        expected = {"echo": 0, "news": 0}
        for n in range(count):
            await chat.send(str(n))
            while expected["echo"] <= n:
                what, number = (await asyncio.wait_for(chat.recv(), 10)).split()
                assert int(number) == expected[what], (what, number, expected)
                expected[what] += 1
        return expected["news"]


def test_websocket_behind_nginx(lab, family):
    with lab.connections(1), tcp.connect(lab.client, family.vip, daemon.HTTP) as client:
        assert asyncio.run(talk(client, 1000)) > 0


def test_tls_goes_through_by_its_name(lab, family):
    """To the server that the client has named; 20 MiB through it."""
    with lab.connections(3):
        for name, pool in (("www.example.org", "s-one"), ("two.example.org", "s-two"), ("a.wild.example.org", "s-two")):
            assert tls_get(lab.client, family, name).startswith(WHERE[pool])
    source, down = lab.file("more", 20 * MIB), lab.servers.files / "down"
    with lab.connections(1):
        lab.curl("--connect-to", f"::{family.url_vip}:{daemon.TLS}", "-o", down, "https://two.example.org/files/more")
    assert sha256(source) == sha256(down)
    down.unlink()
