# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The access log: a line for each exchange or connection, to files that may be renamed, full or stuck.

    client --- proxy --- backend1, backend2: servers of web.py
"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading

import pytest

import daemon
from conftest import ways
from daemon import HTTP, HTTP_B, RAW_HTTP, RAW_TCP, RAW_TLS, SSH, TLS, service
from tcp import connect, read_to_end, wait_for
from web import exchange, pool_at, request, tls_get

pytestmark = [pytest.mark.spliced, pytest.mark.whole("reads each request")]
SYSTEM = {"syslog": RAW_HTTP, "journal": RAW_TCP, "stderr": RAW_TLS}
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
