# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What splicectl says of a daemon with splices, and that it is true."""
import concurrent.futures
import json
import os
import re
import socket
import subprocess

import pytest

import daemon
import rawtcp
from daemon import RAW_TCP
from one_daemon import raw, runs_again     # noqa: F401
from tcp import transfer, wait_for

pytestmark = pytest.mark.spliced


def test_status(raw, pair, family):
    client, server = pair(family)
    status = raw.spliced.status()
    assert status["pid"] == raw.spliced.process.pid
    assert status["splices"] >= 1
    assert {s["name"] for s in status["services"]} == {s["name"] for s in raw.usual["services"]}
    text = raw.spliced.ctl("status")
    assert "raw-tcp-snat" in text and str(raw.spliced.process.pid) in text


@pytest.mark.each_mode
def test_connections(raw, pair, way, kind):
    client, server = pair(way, kind)
    base = len(pair.HEADS[kind])
    transfer(client, server, 300000)
    transfer(server, client, 700000)
    row = wait_for(lambda: raw.spliced.of(client), "the connection to be listed")
    ours, vip = client.getsockname(), client.getpeername()
    peer, here = server.getpeername(), server.getsockname()

    def text(name):
        return daemon.endpoint(name[0].removeprefix("::ffff:"), name[1])
    assert row["front"] == {"from": text(ours), "to": text(vip)}
    assert row["back"] == {"from": text(peer), "to": daemon.endpoint(raw.backend1.addr(way.version), here[1])}
    repeated = 65536    # a busy machine makes a sender repeat itself
    down = row["bytes_down"] + sum(there["bytes_down"] for agent in raw.agents if (there := agent.of(client)))
    assert base + 300000 <= row["bytes_up"] < base + 300000 + repeated and 700000 <= down < 700000 + repeated
    assert not raw.agents or not row["bytes_down"]
    assert row["pool"] == f"raw-{kind}-{way.source}" and row["state"] == "open"
    assert 0 <= row["idle_ms"] <= row["age_ms"] < 20000
    assert text(ours) in raw.spliced.ctl("connections", text(ours))
    pools = [row["pool"] for row in raw.spliced.connections("pool=raw-tcp-client")]
    assert (row["pool"] in pools) == (row["pool"] == "raw-tcp-client") and len(set(pools)) <= 1
    client.shutdown(1)
    assert server.recv(1) == b""
    wait_for(lambda: raw.spliced.of(client)["state"] == "closing", "one FIN to show")
    server.shutdown(1)
    assert client.recv(1) == b""
    wait_for(lambda: (raw.spliced.of(client) or {"state": "closed"})["state"] == "closed", "both FINs to show")


def test_connections_limit(raw, pair, family):
    ends = [pair(family) for _ in range(20)]
    client = ends[0][0].getsockname()[0]
    assert len(json.loads(raw.spliced.ctl("connections", "--json", "--limit", "5", client))) == 5


def test_drops(raw, pair, family):
    """A segment to a service that belongs to nothing is counted by its name."""
    before = raw.spliced.drops()
    with rawtcp.Raw(raw.net, family.vip, RAW_TCP, 9999) as forger:
        for _ in range(3):
            forger.send(rawtcp.ACK, seq=1)
    wait_for(lambda: raw.spliced.drops()["miss"] == before["miss"] + 3, "three stray segments to be counted")
    assert re.search(r"miss.*\b%d\b" % raw.spliced.drops()["miss"], raw.spliced.ctl("drops"))


def spliced_says(raw, file):
    return subprocess.run([raw.spliced.bin, "--check", str(file)], capture_output=True, text=True).stdout


def test_reload_waits(raw):
    """When it has answered, the new configuration is in effect."""
    conf = raw.usual
    raw.spliced.write({**conf, "pools": [{**pool, "failures": 7} for pool in conf["pools"]]})
    assert re.fullmatch(r"reloaded in \d+ ms\n", raw.spliced.ctl("reload"))
    assert raw.spliced.ctl("config").count("failures: 7") == len(conf["pools"])


def test_reload_says_where_a_bad_file_is_bad(raw):
    before = raw.spliced.ctl("config")
    raw.spliced.file.write_text("interfaces: [lo]\nkeyfile: /k\n")
    done = raw.spliced.ctl_run("reload")
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith(f"splicectl: {raw.spliced.file}:2:1: ") and '"keyfile"' in done.stderr
    assert raw.spliced.ctl("config") == before
    raw.spliced.write({**raw.usual, "state_dir": "/sys/fs/bpf/elsewhere"})
    done = raw.spliced.ctl_run("reload")
    assert done.returncode == 1 and "state_dir differs, which is read at the start alone" in done.stderr
    raw.spliced.write(raw.usual)


def test_config_is_what_runs(raw):
    """Not what is in the file by now."""
    assert raw.spliced.ctl("config") == spliced_says(raw, raw.spliced.file)
    raw.spliced.file.write_text("nonsense")
    running = raw.spliced.ctl("config")
    raw.spliced.write(raw.usual)
    assert running == spliced_says(raw, raw.spliced.file)
    assert json.loads(raw.spliced.ctl("--json", "config"))["config"] == running


def test_config_diff(raw):
    other, conf = raw.work / "other file.yaml", raw.usual
    other.write_text(json.dumps(conf))
    same = raw.spliced.ctl_run("config", "--diff", str(other))
    assert (same.returncode, same.stdout, same.stderr) == (0, "", "")
    other.write_text(json.dumps({**conf, "pools": [{**pool, "retry": "9s"} if n == 1 else pool for n, pool in enumerate(conf["pools"])]}))
    done = raw.spliced.ctl_run("config", "--diff", str(other))
    assert done.returncode == 1 and not done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["--- running", f"+++ {other}"]
    assert [line for line in lines[2:] if line[0] in "+-"] == ["-    retry: 5s", "+    retry: 9s"]
    assert raw.spliced.ctl("config").count("retry: 9s") == 0
    other.write_text(json.dumps({**conf, "state_dir": "/sys/fs/bpf/elsewhere"}))
    done = raw.spliced.ctl_run("config", "--diff", str(other))
    assert done.returncode == 1 and "state_dir is read at the start alone: a reload would be refused" in done.stderr
    other.write_text("interfaces: 7\n")
    done = raw.spliced.ctl_run("config", "--diff", str(other))
    assert done.returncode == 1 and f"{other}:1:" in done.stderr
    done = raw.spliced.ctl_run("config", "--diff", "/none")
    assert done.returncode == 1 and "/none" in done.stderr
    assert raw.spliced.ctl_run("status", "--diff", "/none").returncode == 2


@pytest.fixture
def impostor(raw):
    """Who answers every request with these bytes, on a socket of its own."""
    with socket.socket(socket.AF_UNIX) as listener, concurrent.futures.ThreadPoolExecutor(1) as pool:
        listener.bind(f"{raw.work}/impostor.sock")
        listener.listen()

        def answer(text):
            with listener.accept()[0] as sock:
                sock.recv(4096)
                sock.sendall(text.encode())

        def ask(command, text):
            pool.submit(answer, text)
            return subprocess.run([raw.spliced.ctl_bin, "--socket", f"{raw.work}/impostor.sock", command], capture_output=True, timeout=10)
        yield ask
    os.unlink(f"{raw.work}/impostor.sock")


def test_control_characters_are_escaped(impostor):
    """Nobody's terminal follows what an answer quotes."""
    said = json.dumps({"error": "\x1b[31mred\x07\u009b1m", "ready": False, "reason": "no\x1b"})
    assert impostor("status", said + "\n").stderr == rb"splicectl: \x1b[31mred\x07\xc2\x9b1m" + b"\n"
    said = json.dumps({"ready": False, "reason": "no\x1b[0m"})
    assert impostor("ready", said + "\n").stdout == rb"not ready: no\x1b[0m" + b"\n"


def test_long_request_hears_the_error(raw):
    """Also one that is longer than a socket holds."""
    with raw.net.proxy.inside(), socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(f"{raw.work}/ctl.sock")
        sock.sendall(b"x" * (1 << 20))
        assert b"longer than 4096 bytes" in b"".join(iter(lambda: sock.recv(4096), b""))
