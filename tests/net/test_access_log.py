# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The access log: a line for each exchange or connection, to files that may be renamed, full or stuck.

    client --- proxy --- backend1, backend2: servers of web.py
"""
import contextlib
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

import daemon
import tcp
from conftest import ways
from daemon import HTTP, HTTP_B, RAW_HTTP, RAW_TCP, RAW_TLS, SSH, TLS, service
from heads import Recorder
from tcp import connect, read_to_end, wait_for
from web import exchange, pool_at, request, tls_get

pytestmark = [pytest.mark.spliced, pytest.mark.whole("reads each request")]
SYSTEM = {"syslog": RAW_HTTP, "journal": RAW_TCP, "stderr": RAW_TLS}
RELAY, BUSY, COUNTED, QUIET, DYING = 7310, 7311, 7312, 7313, 9310
WAY = next(way for way in ways if way.version == 4 and way.source == "snat")


def services(net, work):
    one, two = pool_at(net, "one", "snat", "backend1", HTTP), pool_at(net, "two", "snat", "backend2", HTTP)

    def log(name, form="json"):
        return {"format": form, "to": f"{work}/{name}.log"}
    yield service("www", "snat", "http", HTTP, default="one-snat", routes=[{"path": "/two", "pool": "two-snat"}],
                  access_log=log("www"), accept_proxy=["0.0.0.0/0"]), one, two
    yield (service("hits", "snat", "http", HTTP_B, routes=[{"host": "www.example.org", "pool": "one-snat"}],
                   access_log=log("hits", "combined")),)
    yield service("sec", "snat", "tls", TLS, default="s-one-snat", access_log=log("sec")), pool_at(net, "s-one", "snat", "backend1", TLS)
    dying = {"name": "dying", "source": "snat", "on_death": "continue", "failures": 0, "backends": [
        {"name": name, "address": daemon.endpoint(net.ns[name].addr(4), DYING), **more} for name, more in (("backend1", {}), ("backend2", {"backup": True}))]}
    yield {**service("dying", "snat", "http", RELAY, default="dying", access_log=log("dying")), "listen": [f"{WAY.vip}:{RELAY}"]}, dying
    yield (service("busy", "snat", "http", BUSY, default="one-snat", access_log=log("busy")),)
    yield (service("quiet", "snat", "tcp", QUIET, default="one-snat"),)
    yield (service("counted", "snat", "http", COUNTED, default="one-snat", access_log={"to": "none"}),)
    yield (service("raw", "snat", "tcp", SSH, default="one-snat", access_log=log("raw")),)
    for name, port in SYSTEM.items():
        yield (service(name, "snat", "tcp", port, default="one-snat", access_log={"format": "json", "to": name}),)


@pytest.fixture(scope="module")
def rig(net, servers, start_rig):
    with start_rig(net, lambda net, work: daemon.config(net, work, services(net, work))) as rig:
        yield rig


def lines(rig, name, least=1):
    """Of the log, as soon as there are so many; the file is empty afterwards."""
    file = rig.spliced.work / f"{name}.log"

    def there():
        found = file.read_text().splitlines() if file.exists() else []
        return found if len(found) >= least else None
    found = wait_for(there, f"{least} lines in {file.name}")
    os.truncate(file, 0)
    return found


def objects(rig, name, least=1):
    return [json.loads(line) for line in lines(rig, name, least)]


def head_of(sock):
    """A response with Content-Length. Return its bytes."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    head, body = data.split(b"\r\n\r\n", 1)
    length = int(next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")))
    while len(body) < length:
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def keep(path, host="www.example.org"):
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: a \"b\"\r\n\r\n".encode()


def test_exchanges_of_a_connection(rig, net):
    """Each has its line, whether the daemon has read it or the datapath carried it alone."""
    sent, answers = ["/", "/", "/two", "/two", "/two", "/", "/", "/none"], []
    before = rig.spliced.counters()["requests_carried"]
    with connect(net.client, WAY.vip, HTTP) as sock:
        name = sock.getsockname()
        sock.sendall(b"PROXY TCP4 203.0.113.7 203.0.113.8 4242 80\r\n")
        for path in sent:
            sock.sendall(keep(path))
            answers.append(head_of(sock))
        row, = [row for row in rig.spliced.connections() if row["front"]["from"].endswith(f":{name[1]}")]
        assert row["exchanges"] == len(sent)
    assert rig.spliced.counters()["requests_carried"] > before
    found = objects(rig, "www", len(sent))
    assert [line["path"] for line in found] == sent
    assert [line["exchange"] for line in found] == list(range(1, len(sent) + 1))
    assert [line["bytes_out"] for line in found] == [len(answer) for answer in answers]
    assert [line["status"] for line in found] == [int(answer[9:12]) for answer in answers]
    for line in found:
        assert line["client"] == "203.0.113.7:4242" and line["service"] == "www-snat" and line["host"] == "www.example.org"
        assert line["pool"] == ("two-snat" if line["path"] == "/two" else "one-snat") and line["end"] == "complete"
        assert 0 <= line["first_byte_us"] <= line["last_byte_us"] < 5000000 and line["mode"] == "whole"
    assert [line["bytes_in"] for line in found[1:]] == [len(keep(path)) for path in sent[1:]]


def test_the_last_response_and_our_own(rig, net):
    """A response that ends with its connection; 404 and 400 of our own; paths are the network's."""
    exchange(net.client, WAY, b"PROXY TCP4 203.0.113.7 203.0.113.8 4242 80\r\n" + request("/"))
    line, = objects(rig, "www")[-1:]
    assert line["status"] == 200 and line["end"] == "backend_fin" and line["bytes_out"] > 50
    exchange(net.client, WAY, request("/", host="none.example"), HTTP_B)
    exchange(net.client, WAY, b"GET /\"\\\xff HTTP/1.1\r\nHost: none.example\r\n\r\n", HTTP_B)
    first, second = lines(rig, "hits", 2)
    assert '"GET / HTTP/1.1" 404 0 "-" "-"' in first and " 40" in second and "\xff" not in second


def test_goaccess_reads_it(rig, net):
    with connect(net.client, WAY.vip, HTTP_B) as sock:
        for i in range(20):
            sock.sendall(keep(f"/x{i % 3}?q=1"))
            head_of(sock)
    file = rig.spliced.work / "copy.log"
    file.write_text("\n".join(lines(rig, "hits", 20)) + "\n")
    done = subprocess.run(["goaccess", str(file), "--log-format=COMBINED", "--no-global-config", "-o", f"{file}.json"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    assert done.returncode == 0, done.stdout
    report = json.loads((file.parent / "copy.log.json").read_text())["general"]
    assert (report["valid_requests"], report["failed_requests"]) == (20, 0)


def test_connections(rig, net):
    """One of TLS has SNI and ALPN."""
    tls_get(net.client, WAY, sni="two.example.org", alpn=("http/1.1", "x-y"))
    line, = objects(rig, "sec")
    assert (line["event"], line["sni"], line["alpn"], line["pool"]) == ("connection", "two.example.org", "http/1.1,x-y", "s-one-snat")
    assert line["bytes_in"] > 200 and line["bytes_out"] > 500 and line["connect_us"] <= line["last_byte_us"]
    with connect(net.client, WAY.vip, SSH) as sock:
        sock.sendall(request("/"))
        answer = read_to_end(sock)
    line, = objects(rig, "raw")
    assert line["bytes_out"] == len(answer) and line["bytes_in"] == len(request("/")) and line["end"] == "backend_fin"


@pytest.fixture
def system_socket(request):
    """In the place of the system's, where that does not run."""
    at = pathlib.Path(os.path.realpath(request.param))
    if at.exists():
        pytest.skip(f"{at} is of this machine")
    made = [folder for folder in reversed(at.parents) if not folder.exists()]
    at.parent.mkdir(parents=True, exist_ok=True)
    link = pathlib.Path(request.param)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(at))
        sock.settimeout(5)
        yield sock
    at.unlink()
    for folder in reversed(made):
        folder.rmdir()
    assert not link.exists()


@pytest.mark.parametrize("system_socket, name", [("/dev/log", "syslog"), ("/run/systemd/journal/socket", "journal")],
                         indirect=["system_socket"])
def test_lines_for_the_system(rig, net, system_socket, name):
    """A message is a line, with its length to the byte."""
    with connect(net.client, WAY.vip, SYSTEM[name]) as sock:
        sock.sendall(request("/"))
        read_to_end(sock)
    message = system_socket.recv(65536).decode()
    if name == "syslog":
        head, line = message.split(" ", 1)
        assert head == "<134>spliced-access:"
    else:
        fields = dict(field.split("=", 1) for field in message.splitlines())
        assert (fields["SYSLOG_IDENTIFIER"], fields["PRIORITY"]) == ("spliced-access", "6")
        line = fields["MESSAGE"]
    assert json.loads(line)["service"] == f"{name}-snat"


def test_lines_on_stderr(rig, net):
    with connect(net.client, WAY.vip, SYSTEM["stderr"]) as sock:
        sock.sendall(request("/"))
        read_to_end(sock)
    wait_for(lambda: '"service":"stderr-snat"' in rig.spliced.log.read_text(), "a line on stderr")


def test_renamed_and_stuck(rig, net):
    """SIGUSR1 opens the file anew. A FIFO without reader and a full disk lose lines, and hold up nothing."""
    work = rig.spliced.work
    (work / "raw.log").rename(work / "raw.log.1")
    rig.spliced.signal(signal.SIGUSR1)
    wait_for(lambda: exchange(net.client, WAY, request("/"), SSH) and (work / "raw.log").exists(), "a new file")
    dropped = rig.spliced.counters()["access_log_dropped"]
    for name, make in (("raw.log", os.mkfifo), ("hits.log", lambda file: os.symlink("/dev/full", file))):
        (work / name).unlink(missing_ok=True)
        make(work / name)
    rig.spliced.signal(signal.SIGUSR1)

    def lost():
        """The signal may come behind a first line."""
        assert exchange(net.client, WAY, request("/"), SSH).startswith(b"HTTP/1.1 200")
        exchange(net.client, WAY, request("/", host="none.example"), HTTP_B)
        return rig.spliced.counters()["access_log_dropped"] >= dropped + 4
    wait_for(lost, "lines to be dropped")
    heard = []
    reader = threading.Thread(target=lambda: heard.append(open(work / "raw.log").readline()))
    reader.start()
    wait_for(lambda: exchange(net.client, WAY, request("/"), SSH) and heard, "a line through the FIFO")
    reader.join()
    assert json.loads(heard[0])["service"] == "raw-snat"


def test_a_continued_request_has_one_line(rig, net):
    """Its backend dies, another one answers; the time counts from the client's request."""
    with tcp.listen(net.backend1, DYING) as dying, contextlib.closing(Recorder(net.backend2, DYING)), connect(net.client, WAY.vip, RELAY) as sock:
        sock.sendall(keep("/x"))
        first, _ = dying.accept()
        assert first.recv(4096)
        sent = time.monotonic()
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.close()
        assert b"/x" in head_of(sock)
        sock.sendall(keep("/y"))
        assert b"/y" in head_of(sock)
        took_us = (time.monotonic() - sent) * 1e6
    found = objects(rig, "dying", 2)
    assert [(line["path"], line["status"], line["end"], line["exchange"]) for line in found] == [("/x", 200, "complete", 1), ("/y", 200, "complete", 2)]
    assert found[0]["backend"] == daemon.endpoint(net.backend2.addr(4), DYING) and found[0]["first_byte_us"] < took_us + 2e6
    assert rig.spliced.counters()["requests_continued"] >= 1


def test_a_continued_response_has_one_line(rig, net):
    """Its head came from a backend that died, its end from another one."""
    told = b'HTTP/1.1 200 OK\r\nETag: "one"\r\nContent-Length: 3000\r\n%s\r\n'
    with tcp.listen(net.backend1, DYING) as dying, tcp.listen(net.backend2, DYING) as other, connect(net.client, WAY.vip, RELAY) as sock:
        sock.sendall(keep("/part"))
        first, _ = dying.accept()
        assert first.recv(4096)
        head = told % b""
        first.sendall(head + 1000 * b"x")
        assert len(tcp.read(sock, len(head) + 1000)) == len(head) + 1000
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.close()
        second, _ = other.accept()
        assert second.recv(4096)
        second.sendall(told % b"X-Other: yes\r\n" + 3000 * b"x")
        assert tcp.read(sock, 2000) == 2000 * b"x"
        second.close()
    found = objects(rig, "dying")
    assert [(line["path"], line["status"], line["bytes_out"], line["end"]) for line in found] == [("/part", 200, len(head) + 3000, "complete")]
    assert found[0]["backend"] == daemon.endpoint(net.backend2.addr(4), DYING)


def writer_of(rig):
    """Process id of spliced-log."""
    children = pathlib.Path(f"/proc/{rig.spliced.process.pid}/task/{rig.spliced.process.pid}/children").read_text().split()
    return next(int(pid) for pid in children if pathlib.Path(f"/proc/{pid}/comm").read_text() == "spliced-log\n")


def test_a_writer_that_hangs(rig, net):
    """As by a dead disk: requests are served as before, lines find no room, and each line is in the file or counted."""
    before, asked, body = rig.spliced.counters(), 0, "x" * 900
    with connect(net.client, WAY.vip, BUSY) as sock:
        writer = writer_of(rig)
        os.kill(writer, signal.SIGSTOP)
        try:
            def is_full():
                nonlocal asked
                batch = b"".join(keep(f"/{asked + i}?{body}") for i in range(100))
                sock.sendall(batch)
                answers = 0
                data = b""
                while answers < 100:
                    data += sock.recv(1 << 20)
                    answers = data.count(b"HTTP/1.1 200")
                asked += 100
                return rig.spliced.counters()["access_log_dropped"] > before["access_log_dropped"]
            wait_for(is_full, "lines to be dropped", 60, every=0)
        finally:
            os.kill(writer, signal.SIGCONT)
        sock.sendall(keep("/last"))
        head_of(sock)

    def all_accounted():
        now = rig.spliced.counters()
        dropped = now["access_log_dropped"] - before["access_log_dropped"]
        written = len((rig.spliced.work / "busy.log").read_text().splitlines())
        return now["access_log_lines"] - before["access_log_lines"] == asked + 1 == written + dropped
    wait_for(all_accounted, "each line to be written or counted")


def traffic_of(rig, name):
    return next(s["traffic"] for s in rig.spliced.status()["services"] if s["name"] == name)


def test_numbers_of_services(rig, net):
    """Of records, also without lines; a service without a log has none; a reload changes nothing."""
    lines_before = rig.spliced.counters()["access_log_lines"]
    with connect(net.client, WAY.vip, COUNTED) as sock:
        for _ in range(5):
            sock.sendall(keep("/"))
            length = len(head_of(sock))
    exchange(net.client, WAY, b"nonsense\r\n\r\n", COUNTED)
    wait_for(lambda: traffic_of(rig, "counted-snat")["requests"]["4xx"] == 1, "the bad request to be counted")
    found = traffic_of(rig, "counted-snat")
    assert found["requests"]["2xx"] == 5 and found["bytes_out"] == 5 * length and found["bytes_in"] == 5 * len(keep("/")) + 12
    for name in ("first_byte", "duration"):
        assert sum(bucket["count"] for bucket in found[name]["buckets"]) == 5 and found[name]["sum_us"] > 0
    assert rig.spliced.counters()["access_log_lines"] == lines_before
    rig.spliced.reload()
    assert traffic_of(rig, "counted-snat") == found
    assert traffic_of(rig, "quiet-snat") is None
    assert traffic_of(rig, "raw-snat")["connections"] >= 1 and "requests" not in traffic_of(rig, "raw-snat")


def test_top_shows_them(rig, net):
    screen = rig.spliced.ctl("top", "--batch", "--limit", "1")
    assert "SERVED/S" in screen and "counted-snat" in screen and "quiet-snat" not in screen


def test_a_daemon_that_comes_back(rig, net):
    """What ends under the next daemon is logged, with all that the halves know."""
    (rig.spliced.work / "raw.log").unlink(missing_ok=True)
    with connect(net.client, WAY.vip, SSH) as sock:
        sock.sendall(keep("/"))
        answer = head_of(sock)
        rig.spliced.kill9()
        rig.spliced.start()
    line, = objects(rig, "raw")
    assert line["bytes_out"] == len(answer) and line["pool"] == "one-snat" and line["end"] == "client_fin"
