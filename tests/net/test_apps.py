# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs as people use them: curl, ssh, a websocket, TLS from end to end."""
import asyncio
import hashlib

import pytest
import websockets

import daemon
from daemon import HTTP, SSH, TLS, service
from tcp import MIB, connect
from web import pool_at, web_services


def ssh_service(net, source):
    return service("ssh", source, "tcp", SSH, default=f"ssh-{source}"), pool_at(net, "ssh", source, "backend1", SSH)


@pytest.fixture(scope="module")
def rig(net, servers, start_rig):
    def configure(net, work):
        return daemon.config(net, work, [entry for source in ("snat", "client") for entry in
                                         (*web_services(net, source), *daemon.raw_services(net, source), ssh_service(net, source))])
    with start_rig(net, configure) as rig:
        rig.servers = servers
        yield rig


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize("scheme, port", [("http", HTTP), ("https", TLS)])
def test_curl_downloads_and_uploads(rig, way, scheme, port):
    source = rig.servers.file("big", 300 * MIB)
    down, up = rig.servers.files / "down", rig.servers.files / "backend1-up"
    url = ["curl", "-sSfk", "-m", "60", "--noproxy", "*"]
    rig.client.run(*url, "-o", str(down), way.url("/files/big", port, scheme))
    rig.client.run(*url, "-T", str(source), way.url("/put/up", port, scheme))
    assert sha256(down) == sha256(source) == sha256(up)
    down.unlink()
    up.unlink()


def test_curl_uploads_chunked_after_100_continue(rig, way):
    source = rig.servers.file("some", 5 * MIB)
    up = rig.servers.files / "backend1-chunked"
    rig.client.run("curl", "-sSf", "-m", "30", "--noproxy", "*", "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue",
                   "-T", str(source), way.url("/put/chunked"))
    assert sha256(up) == sha256(source)
    up.unlink()


def test_ssh_session(rig, way):
    """The server speaks first; 20 MiB there and back, and the exit status."""
    data = rig.servers.file("some", 5 * MIB)
    ssh = rig.servers.ssh(way.vip)
    with open(data, "rb") as source:
        proc = rig.client.popen(*ssh, "cat; exit 7", stdin=source, stdout=-1)
        out, _ = proc.communicate(timeout=30)
    assert proc.returncode == 7
    assert hashlib.sha256(out).hexdigest() == sha256(data)


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def serve_and_use(listener, client, use):
    async with websockets.serve(echo, sock=listener.dup(), max_size=None, compression=None):
        async with websockets.connect("ws://www.example.org/echo", sock=client, max_size=None, compression=None,
                                      ping_interval=None) as socket:
            await use(socket)


async def say(socket, *messages):
    for message in messages:
        await socket.send(message)
        assert await asyncio.wait_for(socket.recv(), 10) == message


@pytest.fixture
def websocket(rig, pairs_on, way):
    """Runs a coroutine that talks to an echo through the proxy."""
    pair = pairs_on(rig)

    def run(use):
        listener = pair.listener("http")
        client = connect(rig.client, way.vip, daemon.RAW_HTTP)
        asyncio.run(serve_and_use(listener, client, use))
    return run


def test_websocket_echo(websocket):
    async def use(socket):
        await say(socket, "hello", b"\0" * 100000, *(f"message {i}" for i in range(500)), "x" * MIB)
    websocket(use)


@pytest.mark.spliced
def test_websocket_outlives_the_daemon(rig, websocket):
    async def use(socket):
        await say(socket, "before")
        rig.spliced.kill9()
        await say(socket, "without a daemon", b"x" * MIB)
        rig.spliced.start()
        await say(socket, "with another one", b"x" * MIB)
    websocket(use)
