# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Active checks: a backend that fails them gets no connection, and splicectl says why.

    client --- proxy --- backend1, backend2: small servers of the test, beside the usual ones
"""
import contextlib
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import daemon
from daemon import backends, service
from tcp import wait_for

pytestmark = [pytest.mark.spliced, pytest.mark.whole("checks know no mode")]
PORT, TLS_PORT, INTERVAL_S = 8300, 8343, 0.1


class Server:
    """An HTTP server whose answer the test changes; `tls` is an ssl.SSLContext."""
    OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def __init__(self, host, port, answer=OK, tls=None, version=4):
        self.answer, self.tls, self.seen = answer, tls, []
        self.resumed, self.resets = 0, 0    # sessions of TLS, connections that ended by RST
        with host.inside():
            self.listener = socket.create_server((host.addr(version), port), backlog=64,
                                                 family=socket.AF_INET if version == 4 else socket.AF_INET6)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.talk, args=(self.listener.accept()[0],), daemon=True).start()

    def talk(self, sock):
        with contextlib.suppress(OSError), sock:
            sock.settimeout(20)
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
                self.resumed += sock.session_reused
            while head := self.head(sock):
                self.seen.append(head)
                answer = self.answer(sock) if callable(self.answer) else self.answer
                if answer is None:
                    return
                sock.sendall(answer)

    def head(self, sock):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            try:
                more = sock.recv(4096)
            except ConnectionResetError:
                self.resets += 1
                raise
            if not more:
                return None
            head += more
        return head

    def close(self):
        """The port refuses connections."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture(scope="module")
def rig(net, start_rig):
    def configure(net, work):
        return config(net, work, {"type": "tcp"})
    with start_rig(net, configure) as rig:
        yield rig


def config(net, work, check, port=PORT, **more):
    """A pool of two backends, IPv4 alone."""
    pool = {"name": "checked", "source": "snat", **({"check": {"interval": f"{INTERVAL_S * 1000:.0f}ms", "timeout": "2s", **check}} if check else {}),
            "backends": [b for b in backends(net, port) if b["name"].endswith("-v4")], **more}
    return daemon.config(net, work, [({**service("checked", "snat", "http", PORT, default="checked"),
                                       "listen": [daemon.endpoint(daemon.VIP["snat"][4], PORT)]}, pool)])


@contextlib.contextmanager
def checking(rig, check, port=PORT, **more):
    """The daemon with this check. Whatever the test before left is forgotten by a reload without."""
    rig.spliced.reload(config(rig.net, rig.work, None, port))
    rig.spliced.reload(config(rig.net, rig.work, check, port, **more))
    yield rig


@contextlib.contextmanager
def two(rig, port=PORT, **options):
    servers = [Server(host, port, **options) for host in (rig.backend1, rig.backend2)]
    try:
        yield servers
    finally:
        for server in servers:
            server.close()


def check_of(rig, idx=0):
    return rig.spliced.status()["pools"][0]["backends"][idx]["check"]


def becomes(rig, state, reason="", idx=0, seconds=5):
    def has():
        check = check_of(rig, idx)
        return check["state"] == state and reason in check["reason"] and check
    return wait_for(has, f"{state}: {reason}", seconds)


def ask(rig, seconds=3):
    """A request by a connection of its own. Return its bytes."""
    with rig.client.inside(), socket.create_connection((daemon.VIP["snat"][4], PORT), seconds) as sock:
        sock.settimeout(seconds)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        return sock.recv(4096)


def served_by(rig, servers, count=6):
    """How many of these requests each server had."""
    def real(server):
        return sum(b"spliced-check" not in head for head in server.seen)
    before = [real(server) for server in servers]
    for _ in range(count):
        assert ask(rig).startswith(b"HTTP/1.1 200"), "a client got no answer"
    return [real(server) - was for server, was in zip(servers, before)]


def test_refused_and_back(rig):
    """Also: the last backend that is down gets nothing, as in HAProxy."""
    with two(rig) as servers, checking(rig, {"type": "tcp", "rise": 2, "fall": 3}):
        becomes(rig, "up", "connected")
        becomes(rig, "up", "connected", 1)
        assert served_by(rig, servers) == [3, 3]
        servers[0].close()
        start = rig.spliced.log.stat().st_size
        down = becomes(rig, "down", "connection refused")
        assert down["failed"] >= 3 and down["changes"] == 1
        assert served_by(rig, servers) == [0, 6]
        servers[1].close()
        becomes(rig, "down", "connection refused", 1)
        assert ask(rig).startswith(b"HTTP/1.1 503")
        servers[0] = Server(rig.backend1, PORT)
        becomes(rig, "up")
        assert served_by(rig, servers) == [6, 0]
        servers[0].close()
        log = rig.spliced.log.read_bytes()[start:].decode()
        assert log.count("pool checked: backend backend1-v4 down by its checks: connection refused") == 1
        assert log.count("pool checked: backend backend1-v4 up by its checks: connected") == 1
        assert "connection refused" in rig.spliced.ctl("checks")


BAD = {
    "HTTP 500, expected 200-399": b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n",
    "closed without a response": None,
    "timeout after 300ms: connected, but no complete response": lambda sock: time.sleep(3),
    "closed in the middle of the response": lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "the response is not HTTP/1": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
}


@pytest.mark.parametrize("reason", BAD)
def test_bad_answers(rig, reason):
    with two(rig) as servers, checking(rig, {"type": "http", "path": "/health?full=1", "timeout": "300ms"}):
        becomes(rig, "up", "HTTP 200")
        assert servers[0].seen[-1].startswith(b"GET /health?full=1 HTTP/1.1\r\n")
        servers[0].answer = BAD[reason]
        becomes(rig, "down", reason)
        assert served_by(rig, servers) == [0, 6]
        servers[0].answer = Server.OK
        becomes(rig, "up", "HTTP 200")


def test_request_and_body(rig):
    """Of a long body with the text far in; a HEAD; statuses in a list."""
    check = {"type": "http", "method": "POST", "path": "/x", "host": "app.example:81", "expect": [204, "500-501"], "body": "all is well"}
    with two(rig) as servers, checking(rig, check):
        becomes(rig, "down", "HTTP 200, expected 204,500-501")
        assert servers[0].seen[-1].startswith(b"POST /x HTTP/1.1\r\n") and b"Host: app.example:81\r\n" in servers[0].seen[-1]
        servers[0].answer = b"HTTP/1.1 501 x\r\nConnection: close\r\n\r\n" + b"." * 300000 + b"all is well"
        becomes(rig, "up", "HTTP 501")
        servers[0].answer = b"HTTP/1.1 501 x\r\nContent-Length: 10\r\n\r\nall is wel"
        becomes(rig, "down", 'HTTP 501, but the body lacks "all is well"')
        rig.spliced.reload(config(rig.net, rig.work, {"type": "http", "method": "HEAD", "expect": 501}))
        becomes(rig, "up", "HTTP 501")
        assert servers[0].seen[-1].startswith(b"HEAD / HTTP/1.1\r\n")
        resets = servers[0].resets
        wait_for(lambda: servers[0].resets > resets, "a check to end by RST")


def test_a_backend_that_hangs(rig):
    """No answer to a SYN; and the time that it took is that of the timeout."""
    with two(rig), checking(rig, {"type": "tcp", "timeout": "200ms"}):
        becomes(rig, "up", "connected")
        with rig.backend1.nft(f"chain failing {{\n type filter hook input priority 0\n tcp dport {PORT} drop\n }}"):
            check = becomes(rig, "down", "timeout after 200ms: no answer to the connection")
            assert 190 <= check["took_ms"] < 1000
        becomes(rig, "up", "connected")


def certificate(work, name, *more):
    """Files with a key and a certificate that signs itself."""
    key, cert = f"{work}/{name}.key", f"{work}/{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                    "-out", cert, "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", *more], check=True, capture_output=True)
    os.chmod(cert, 0o644)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert


def test_certificates(rig):
    os.chmod(rig.work, 0o755)   # spliced-check is another user
    context, cert = certificate(rig.work, "app.example", "-days", "2")
    seen = []
    context.sni_callback = lambda sock, name, ctx: seen.append(name)
    good = {"type": "https", "sni": "app.example", "ca_file": cert, "port": TLS_PORT, "interval": "200ms"}
    with two(rig, TLS_PORT, tls=context) as servers, two(rig):
        with checking(rig, good):
            becomes(rig, "up", "HTTP 200")
            assert seen[-1] == "app.example" and b"Host: app.example:8343\r\n" in servers[0].seen[-1]
            wait_for(lambda: servers[0].resumed and servers[1].resumed, "sessions of TLS to be resumed")
        for change, reason in (({"sni": "other.example"}, "certificate: no alternative certificate subject name matches"),
                               ({"ca_file": f"{rig.work}/none.pem"}, "certificate: error setting certificate file"),
                               ({"ca_file": "/etc/ssl/certs/ca-certificates.crt"}, "certificate: self-signed certificate"),
                               ({"sni": "other.example", "verify": False}, "HTTP 200"),
                               ({"port": PORT, "timeout": "200ms"}, "timeout after 200ms: connected, but no complete response")):
            with checking(rig, {**good, **change}):
                becomes(rig, "up" if reason == "HTTP 200" else "down", reason)


def test_ipv6(rig):
    """With TLS and without; by an address of IPv6 for all backends, too."""
    os.chmod(rig.work, 0o755)
    context, cert = certificate(rig.work, "six.example", "-days", "2")
    conf = config(rig.net, rig.work, {"type": "tcp"})
    six = backends(rig.net, PORT, ("backend1",))[1]
    conf["pools"][0]["backends"].append(six)
    plain, tls = Server(rig.backend1, PORT, version=6), Server(rig.backend1, TLS_PORT, tls=context, version=6)
    for check in ({"type": "tcp"}, {"type": "http"}, {"type": "https", "sni": "six.example", "ca_file": cert, "port": TLS_PORT},
                  {"type": "http", "address": rig.backend1.addr(6)}):
        rig.spliced.reload(config(rig.net, rig.work, None))
        conf["pools"][0]["check"] = {"interval": "100ms", "timeout": "2s", **check}
        rig.spliced.reload(conf)
        becomes(rig, "up", idx=2)
        if "address" in check:
            becomes(rig, "up")      # its check comes at another moment
        else:
            assert check_of(rig)["state"] != "up"
    assert plain.seen[-1].endswith(b"\r\n\r\n") and b"Host: [" in plain.seen[-1]
    plain.close()
    tls.close()


def test_flapping(rig):
    """Every second check fails: with fall 3 it stays up; one that is down stays down with rise 2."""
    with two(rig) as servers, checking(rig, {"type": "http", "path": "/flap", "rise": 2, "fall": 3}):
        becomes(rig, "up")
        turn = iter(range(10 ** 6))
        servers[0].answer = lambda sock: Server.OK if next(turn) % 2 else BAD["HTTP 500, expected 200-399"]
        failed = check_of(rig)["failed"]
        wait_for(lambda: check_of(rig)["failed"] > failed + 5, "checks to fail")
        assert check_of(rig)["state"] == "up" and check_of(rig)["changes"] == 0
        servers[0].answer = BAD["HTTP 500, expected 200-399"]
        becomes(rig, "down")
        servers[0].answer = lambda sock: Server.OK if next(turn) % 2 else BAD["HTTP 500, expected 200-399"]
        passed = check_of(rig)["passed"]
        wait_for(lambda: check_of(rig)["passed"] > passed + 5, "checks to pass")
        assert check_of(rig)["state"] == "down" and check_of(rig)["changes"] == 1


def test_kill9_of_the_checker(rig):
    """Backends stay what they are, connections go on, and it comes back."""
    with two(rig) as servers, checking(rig, {"type": "http"}):
        becomes(rig, "up")
        servers[1].close()
        becomes(rig, "down", idx=1)
        before = rig.spliced.status()["checker"]
        assert before["state"] == "running" and before["checks"] == 2
        uids = open(f"/proc/{before['pid']}/status").read()
        assert "Uid:\t65534\t65534" in uids and "CapEff:\t0000000000000000" in uids and "Name:\tspliced-check" in uids
        with rig.client.inside(), socket.create_connection((daemon.VIP["snat"][4], PORT), 3) as sock:
            sock.settimeout(3)
            for turn in range(60):
                if turn == 20:
                    os.kill(before["pid"], signal.SIGKILL)
                    dead = wait_for(lambda: rig.spliced.status()["checker"]["state"] == "waiting" and rig.spliced.status(), "its death to show")
                    assert dead["checker"]["why"] == "killed by signal 9"
                    assert [b["state"] for b in dead["pools"][0]["backends"]] == ["up", "down"]
                    assert "SPLICED-CHECK DOES NOT RUN: killed by signal 9" in rig.spliced.ctl("status")
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert sock.recv(4096) == Server.OK
        after = wait_for(lambda: (now := rig.spliced.status()["checker"])["state"] == "running" and now, "it to run again")
        assert after["pid"] != before["pid"] and after["starts"] == before["starts"] + 1 and not after["refused"]
        servers[1] = Server(rig.backend2, PORT)
        becomes(rig, "up", "HTTP 200", idx=1)
        servers[1].close()


def test_a_checker_that_hangs_is_ended(rig):
    with two(rig), checking(rig, {"type": "tcp"}):
        becomes(rig, "up")
        pid = rig.spliced.status()["checker"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: (now := rig.spliced.status()["checker"])["state"] == "running" and now["pid"] != pid, "another one", 15)


def test_they_end_with_the_daemon(rig):
    with two(rig), checking(rig, {"type": "tcp"}):
        becomes(rig, "up")
        pid = rig.spliced.status()["checker"]["pid"]
        starter = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
        rig.spliced.kill9()
        wait_for(lambda: not any(os.path.exists(f"/proc/{one}") for one in (pid, starter)), "both to end")
        rig.spliced.start()
        becomes(rig, "up")


def test_reload_changes_checks(rig):
    """One that stays the same goes on; new ones begin; without checks none is down."""
    with two(rig) as servers, checking(rig, {"type": "http", "path": "/a"}):
        becomes(rig, "up")
        passed = check_of(rig)["passed"]
        for _ in range(15):     # more often than the interval
            rig.spliced.reload(config(rig.net, rig.work, {"type": "http", "path": "/a"}))
            time.sleep(INTERVAL_S / 2)
        assert check_of(rig)["passed"] > passed + 3
        servers[0].close()
        becomes(rig, "down")
        rig.spliced.reload(config(rig.net, rig.work, {"type": "http", "path": "/b"}))
        assert check_of(rig)["state"] == "down", "a reload forgot the state"
        wait_for(lambda: servers[1].seen[-1].startswith(b"GET /b "), "the new path to be asked for")
        rig.spliced.reload(config(rig.net, rig.work, None))
        assert check_of(rig) is None and rig.spliced.status()["pools"][0]["backends"][0]["state"] == "up"
        asked = len(servers[1].seen)
        time.sleep(3 * INTERVAL_S)
        assert len(servers[1].seen) == asked


def test_checks_leave_from_ports_of_no_splice(rig):
    """Ports of `source` are 20000-59999, on an address that the kernel takes as well."""
    seen = set()
    with two(rig) as servers, checking(rig, {"type": "http"}):
        servers[0].answer = lambda sock: seen.add(sock.getpeername()[1]) or Server.OK
        wait_for(lambda: len(seen) > 20, "some checks", 10)
    assert all(port < 20000 or port > 59999 for port in seen)


def test_cluster_where_backends_see_clients(start_cluster):
    """A backend's answer to a check is no answer to a client's own address, see sp_origins."""
    def services(net, source):
        for one, pool in daemon.raw_services(net, source):
            yield one, {**pool, "check": {"type": "tcp", "interval": "100ms"}}
    with start_cluster(("client",), services, proxies=1, stores=1) as cluster:
        with cluster.backend1.inside(), socket.create_server(("0.0.0.0", daemon.RAW_TCP)):
            pool = lambda: next(p for p in cluster.proxies[0].status()["pools"] if p["name"].startswith("raw-tcp"))
            wait_for(lambda: pool()["backends"][0]["check"]["passed"] > 3, "checks to pass", 5)


def states(rig):
    return [b["state"] for b in rig.spliced.status()["pools"][0]["backends"]]


def orders(rig):
    return [b["order"] for b in rig.spliced.status()["pools"][0]["backends"]]


@pytest.fixture
def ordered(rig):
    yield rig.spliced
    rig.spliced.ctl("backend", "--reset")


def test_orders(rig, ordered):
    """Each order, beside checks that say something else."""
    with two(rig) as servers, checking(rig, {"type": "http"}):
        becomes(rig, "up")
        becomes(rig, "up", idx=1)
        for order, state in (("drain", "draining"), ("down", "down")):
            assert ordered.ctl("backend", "checked/backend1-v4", order) == f"checked/backend1-v4: {order}\n"
            assert (states(rig), orders(rig)) == ([state, "up"], [order, "auto"])
            assert served_by(rig, servers) == [0, 6]
        ordered.ctl("backend", "checked/backend2-v4", "drain")
        assert ask(rig).startswith(b"HTTP/1.1 503")
        ordered.ctl("backend", "checked/backend1-v4", "auto")
        assert served_by(rig, servers) == [6, 0]
        servers[0].answer = lambda sock: Server.OK if b"spliced-check" not in servers[0].seen[-1] else BAD["HTTP 500, expected 200-399"]
        becomes(rig, "down")
        assert ask(rig).startswith(b"HTTP/1.1 503")
        ordered.ctl("backend", "checked/backend1-v4", "up")
        assert states(rig) == ["up", "draining"]
        assert ask(rig).startswith(b"HTTP/1.1 200")
        assert ordered.ctl("backend", "--reset").splitlines() == ["checked/backend1-v4: auto", "checked/backend2-v4: auto"]


def test_ordered_weight(rig, ordered):
    """A share of the pool's connections, beside the order of a state, over a kill and a reload; 0 drains."""
    weights = lambda: [(b["weight"], b["ordered_weight"]) for b in rig.spliced.status()["pools"][0]["backends"]]
    with two(rig) as servers, checking(rig, None):
        assert ordered.ctl("backend", "checked/backend1-v4", "weight", "2") == "checked/backend1-v4: auto, weight 2\n"
        assert served_by(rig, servers) == [4, 2] and weights() == [(2, 2), (1, None)]
        rig.spliced.kill9()
        rig.spliced.start()
        rig.spliced.reload(config(rig.net, rig.work, None))
        assert served_by(rig, servers) == [4, 2]
        ordered.ctl("backend", "checked/backend1-v4", "drain")
        assert served_by(rig, servers) == [0, 6]
        assert ordered.ctl("backend", "checked/backend1-v4", "auto") == "checked/backend1-v4: auto, weight 2\n"
        ordered.ctl("backend", "checked/backend2-v4", "weight", "0")
        assert served_by(rig, servers) == [6, 0] and states(rig) == ["up", "draining"]
        assert rig.spliced.ctl_run("wait-drained", "checked/backend2-v4", "--timeout", "3").returncode == 0
        ordered.ctl("backend", "checked/backend2-v4", "weight", "auto")
        assert ordered.ctl("backend", "--reset") == "checked/backend1-v4: auto\n"
        assert served_by(rig, servers) == [3, 3] and weights() == [(1, None)] * 2


@pytest.mark.parametrize("words, said", [
    (("checked/none", "up"), "no backend 'checked/none'"), (("backend1-v4", "up"), "no backend 'backend1-v4'"),
    (("checked/backend1-v4", "gone"), "allowed: up, drain, down or auto"),
    (("checked/backend1-v4", "weight", "257"), "weight 0 to 256"), (("checked/backend1-v4", "weight", "1x"), "weight 0 to 256")])
def test_wrong_orders(rig, words, said):
    done = rig.spliced.ctl_run("backend", *words)
    assert done.returncode == 1 and said in done.stderr
    assert rig.spliced.ctl_run("backend", "checked/backend1-v4").returncode == 2


def test_orders_are_kept(rig, ordered):
    """Over a kill and a restart, a reload, and the absence of the backend in between; not over --reset."""
    conf = config(rig.net, rig.work, None)
    with two(rig) as servers:
        rig.spliced.reload(conf)
        ordered.ctl("backend", "checked/backend1-v4", "drain")
        rig.spliced.kill9()
        rig.spliced.start()
        assert orders(rig) == ["drain", "auto"] and served_by(rig, servers) == [0, 6]
        rig.spliced.reload({**conf, "pools": [{**conf["pools"][0], "backends": conf["pools"][0]["backends"][1:]}]})
        rig.spliced.reload(conf)
        assert orders(rig) == ["drain", "auto"] and served_by(rig, servers) == [0, 6]
        ordered.ctl("backend", "--reset")
        rig.spliced.kill9()
        rig.spliced.start()
        assert orders(rig) == ["auto", "auto"]


def held(rig):
    """A connection with a request under way."""
    with rig.client.inside():
        sock = socket.create_connection((daemon.VIP["snat"][4], PORT), 3)
    sock.settimeout(3)
    sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert sock.recv(4096) == Server.OK
    return sock


def test_on_down_keep_and_reset(rig, ordered):
    """By the last check, and by an order; both ends hear it within a second."""
    with two(rig) as servers, checking(rig, {"type": "http", "fall": 1}):
        becomes(rig, "up")
        with held(rig) as one, held(rig) as two_:
            servers[0].answer = servers[1].answer = lambda sock: BAD["HTTP 500, expected 200-399"]
            becomes(rig, "down")
            becomes(rig, "down", idx=1)
            for sock in (one, two_):
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert sock.recv(4096).startswith(b"HTTP/1.1 500"), "keep: connections live on"
        servers[0].answer = servers[1].answer = Server.OK
    with two(rig) as servers, checking(rig, {"type": "http", "fall": 1}, on_down="reset"):
        becomes(rig, "up")
        becomes(rig, "up", idx=1)
        socks = [held(rig) for _ in range(20)]
        before = rig.spliced.counters()["reset_down"]
        servers[0].close()
        becomes(rig, "down")
        went = time.monotonic()
        wait_for(lambda: rig.spliced.counters()["reset_down"] == before + 10, "half of them to be reset", 1)
        assert time.monotonic() - went < 1
        for sock in socks:
            sock.settimeout(0.2)
        gone = [sock for sock in socks if not is_alive(sock)]
        assert len(gone) == 10
        rig.spliced.ctl("backend", "checked/backend2-v4", "drain")
        time.sleep(0.2)
        assert sum(map(is_alive, socks)) == 10, "drain resets nothing"
        rig.spliced.ctl("backend", "checked/backend2-v4", "down")
        wait_for(lambda: not any(map(is_alive, socks)), "the others to be reset", 2)
        for sock in socks:
            sock.close()


def is_alive(sock):
    """Whether a further request is answered."""
    try:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return sock.recv(4096) == Server.OK
    except OSError:
        return False


def test_wait_drained(rig, ordered):
    with two(rig), checking(rig, None):
        with held(rig), held(rig) as last:
            done = rig.spliced.ctl_run("wait-drained", "checked/backend1-v4")
            assert done.returncode == 1 and "gets new connections" in done.stderr
            ordered.ctl("backend", "checked/backend1-v4", "drain")
            ordered.ctl("backend", "checked/backend2-v4", "drain")
            done = rig.spliced.ctl_run("wait-drained", "checked/backend2-v4", "--timeout", "1")
            assert done.returncode == 1 and "has 1 connection left" in done.stderr
            waiting = subprocess.Popen([rig.spliced.ctl_bin, "--socket", rig.spliced.socket, "wait-drained", "checked/backend2-v4"], stdout=subprocess.PIPE)
            time.sleep(0.5)
            assert waiting.poll() is None
            last.close()
        out, _ = waiting.communicate(timeout=5)
        assert waiting.returncode == 0 and out == b"checked/backend2-v4 has no connection\n"
        assert rig.spliced.ctl_run("wait-drained", "checked/none").returncode == 1


def test_backups(rig, ordered):
    """Nothing while another can be chosen; by order, by check, and by failed connections."""
    conf = config(rig.net, rig.work, {"type": "tcp"}, failures=1)
    conf["pools"][0]["backends"][1]["backup"] = True
    with two(rig) as servers:
        rig.spliced.reload(conf)
        becomes(rig, "up")
        assert served_by(rig, servers) == [6, 0]
        ordered.ctl("backend", "checked/backend1-v4", "drain")
        assert served_by(rig, servers) == [0, 6]
        ordered.ctl("backend", "checked/backend1-v4", "auto")
        servers[0].close()
        becomes(rig, "down")
        assert served_by(rig, servers) == [0, 6]
        servers[0] = Server(rig.backend1, PORT)
        becomes(rig, "up")
        assert served_by(rig, servers) == [6, 0]
        servers[0].close()
