# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Heads that we change, and the PROXY protocol: real servers read what was configured, each request once, whatever is lost."""
import contextlib
import hashlib
import socket
import time

import pytest

import daemon
import tcp
from daemon import endpoint, service
from heads import Recorder, nginx, read_response, running
from hello import client_hello
from tcp import connect

pytestmark = [pytest.mark.spliced, pytest.mark.whole("requests are read")]

# of services
XFF, FORWARDED, ONE, V1, V2, TCP, BOTH, MOVES, ACCEPT, TLS_ACCEPT = 7201, 7202, 7203, 7204, 7205, 7206, 7207, 7208, 7209, 7210
FRONT = 9105    # in the client's namespace: HAProxy
# of backends
PLAIN, PROXIED, RAW, RAW_TCP_PORT = 9101, 9102, 9103, 9104


def pools(net, source):
    def at(name, port, names=("backend1",), **more):
        return {**daemon.pool(net, name, source, port, names), **more}
    return {"nginx1": at("nginx1", PLAIN), "nginx2": at("nginx2", PLAIN, ("backend2",)),
            "v1": at("v1", PROXIED, proxy_protocol="v1"), "v2": at("v2", PROXIED, proxy_protocol="v2"),
            "v2b": at("v2b", PROXIED, ("backend2",), proxy_protocol="v2"),
            "raw": at("raw", RAW), "raw-b": at("raw-b", RAW, ("backend2",)), "raw-v1": at("raw-v1", RAW, proxy_protocol="v1"),
            "raw-v2": at("raw-v2", RAW, ("backend2",), proxy_protocol="v2"), "tcp": at("tcp", RAW_TCP_PORT, proxy_protocol="v1"),
            "tls": at("tls", RAW_TCP_PORT, ("backend2",), proxy_protocol="v2")}


def services(net, source):
    pool = pools(net, source)

    def http(name, port, default, other=None, **more):
        names = [default, *([other] if other else [])]
        routes = [{"path": "/b", "pool": f"{other}-{source}"}] if other else []
        return service(name, source, "http", port, default=f"{default}-{source}", routes=routes, **more), *(pool[each] for each in names)
    changes = {"set": {"X-Set": "by us"}, "remove": ["X-Old"]}
    yield http("xff", XFF, "nginx1", "nginx2", forwarded="x-forwarded-for", request_headers=changes)
    yield http("fwd", FORWARDED, "nginx1", forwarded="forwarded", forwarded_trust=["10.0.0.0/8", "fd00::/16"])
    yield http("one", ONE, "raw", forwarded="x-forwarded-for", request_headers=changes)
    yield http("v1", V1, "v1")
    yield http("v2", V2, "v2", "v2b")
    yield service("tcp", source, "tcp", TCP, default=f"tcp-{source}"), pool["tcp"]
    yield http("both", BOTH, "raw-v1", "raw-v2", forwarded="x-forwarded-for", request_headers=changes)
    yield http("moves", MOVES, "raw", "raw-b", request_headers=changes)
    accept = {"accept_proxy": ["10.0.0.0/8", "fd00::/16"]}
    yield http("accept", ACCEPT, "nginx1", "v2b", forwarded="x-forwarded-for", **accept)
    yield service("tls", source, "tls", TLS_ACCEPT, default=f"tls-{source}", **accept), pool["tls"]


@pytest.fixture(scope="module")
def rig(net, start_rig):
    def configure(net, work):
        return daemon.config(net, work, [each for source in ("snat", "client") for each in services(net, source)])
    with contextlib.ExitStack() as stack:
        rig = stack.enter_context(start_rig(net, configure))
        for name, ns in (("backend1", rig.backend1), ("backend2", rig.backend2)):
            stack.enter_context(nginx(ns, rig.work, name, PLAIN, PROXIED))
        rig.usual = rig.spliced.conf
        yield rig


@pytest.fixture(autouse=True)
def runs(rig):
    yield
    if not rig.spliced.is_running():
        rig.spliced.start()


@pytest.fixture
def records(rig):
    """Recorders of both hosts."""
    recorders = [Recorder(rig.backend1, RAW), Recorder(rig.backend2, RAW)]
    yield recorders
    for each in recorders:
        each.close()


def head(path="/", *headers, method="GET"):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x.example", *headers, "", ""]).encode()


def ask(sock, data, left=b""):
    sock.sendall(data)
    return read_response(sock, left)[0]


def own(sock):
    return sock.getsockname()[0], sock.getsockname()[1]


def node(addr):
    return f'"[{addr}]"' if ":" in addr else addr


def changed(data, addr, *, drop=b"X-Old"):
    """What `one`, `both` send."""
    lines = [line for line in data[:-4].split(b"\r\n") if not line.startswith((drop, b"X-Set", b"X-Forwarded-For"))]
    return b"\r\n".join([*lines, b"X-Forwarded-For: " + addr.encode(), b"X-Set: by us", b"", b""])


def test_each_request_names_its_client(rig, way):
    """The first and fifty more, of which each tenth moves; what a client claims to be goes."""
    with connect(rig.client, way.vip, XFF) as sock:
        addr, _ = own(sock)
        for i in range(51):
            path = f"/b/{i}" if i % 10 == 5 else f"/a/{i}"
            answer = ask(sock, head(path, "X-Forwarded-For: 192.0.2.66", "X-Old: 1", "X-Set: client"))
            assert answer == f"{'backend2' if i % 10 == 5 else 'backend1'}|{path}|{addr}||by us|"


def test_a_trusted_list_gets_longer(rig, way):
    with connect(rig.client, way.vip, FORWARDED) as sock:
        addr, _ = own(sock)
        for i in range(3):
            answer = ask(sock, head(f"/{i}", "Forwarded: for=192.0.2.1"))
            assert answer == f"backend1|/{i}||for=192.0.2.1, for={node(addr)};host=x.example;proto=http||"


@pytest.mark.parametrize("port", [V1, V2])
def test_nginx_hears_the_address(rig, way, port):
    with connect(rig.client, way.vip, port) as sock:
        addr, sport = own(sock)
        for i in range(20):
            assert ask(sock, head(f"/{i}")) == f"backend1|/{i}|{addr}|{sport}|{way.vip}|{port}|"


def test_each_leg_begins_with_the_address(rig, way):
    with connect(rig.client, way.vip, V2) as sock:
        addr, sport = own(sock)
        for i in range(20):
            path = f"/b/{i}" if i & 1 else f"/a/{i}"
            assert ask(sock, head(path)) == f"backend{1 + (i & 1)}|{path}|{addr}|{sport}|{way.vip}|{V2}|"


@pytest.mark.parametrize("count", [1, 50])
def test_bytes_are_exact(rig, way, records, count):
    with connect(rig.client, way.vip, ONE) as sock:
        addr, _ = own(sock)
        sent = [head(f"/{i}", "X-Old: " + i * "o", f"X-More: {i}") for i in range(count)]
        for data in sent:
            ask(sock, data)
    assert [each[:2] for each in records[0].requests] == [(b"", changed(data, addr)) for data in sent]


def test_the_same_request_again_and_again(rig, way, records):
    """No shortcut for a head that was read before."""
    with connect(rig.client, way.vip, MOVES) as sock:
        for _ in range(20):
            ask(sock, head("/same"))
    assert [each[1] for each in records[0].requests] == 20 * [head("/same", "X-Set: by us")]


def test_both_at_once(rig, way, records):
    """PROXY header and changed head, alternating legs: the header comes once for each connection of a backend."""
    with connect(rig.client, way.vip, BOTH) as sock:
        addr, sport = own(sock)
        family = "TCP6" if way.version == 6 else "TCP4"
        line = f"PROXY {family} {addr} {way.vip} {sport} {BOTH}\r\n".encode()
        sent = [head(f"/b/{i}" if i & 1 else f"/a/{i}", "X-Old: 1") for i in range(10)]
        for data in sent:
            ask(sock, data)
    is_new = [True] + 4 * [way.source == "client"]      # such legs are never parked
    lines = [line if each else b"" for each in is_new]
    assert [each[:2] for each in records[0].requests] == [(each, changed(data, addr)) for each, data in zip(lines, sent[::2])]
    assert [each[1] for each in records[1].requests] == [changed(data, addr) for data in sent[1::2]]
    assert [each[0].startswith(b"\r\n\r\n\0\r\nQUIT\n") for each in records[1].requests] == is_new


@pytest.mark.parametrize("port", [ONE, BOTH])
def test_large_heads(rig, way, records, port):
    sent = [head(f"/{i}", "X-Old: 1", "X-Big: " + (60000 + i) * "b") for i in range(3)]
    for data in sent:
        with connect(rig.client, way.vip, port) as sock:
            addr, _ = own(sock)
            ask(sock, data)
            ask(sock, head("/small"))
    assert [each[1] for each in records[0].requests] == [changed(data, addr) for big in sent for data in (big, head("/small"))]


def test_byte_by_byte(rig, way, records):
    with connect(rig.client, way.vip, BOTH) as sock:
        addr, _ = own(sock)
        sent = [head("/first", "X-Old: 1"), head("/further")]
        for i in range(len(sent[0])):
            sock.sendall(sent[0][i:i + 1])
            time.sleep(0.001)
        read_response(sock)
        ask(sock, sent[1])
    assert [each[1] for each in records[0].requests] == [changed(data, addr) for data in sent]


def test_uploads(rig, way, records):
    """A body of 1 MiB behind each head."""
    with connect(rig.client, way.vip, BOTH) as sock:
        addr, _ = own(sock)
        bodies = [bytes([i]) * (1 << 20) for i in range(4)]
        sent = [head(f"/b/{i}" if i & 1 else f"/{i}", "X-Old: 1", f"Content-Length: {len(body)}", method="POST") for i, body in enumerate(bodies)]
        for data, body in zip(sent, bodies):
            assert ask(sock, data + body).endswith(hashlib.sha256(body).hexdigest())
    assert [each[1] for each in records[0].requests] == [changed(data, addr) for data in sent[::2]]
    assert [each[1] for each in records[1].requests] == [changed(data, addr) for data in sent[1::2]]


def test_pipelined(rig, way, records):
    with connect(rig.client, way.vip, MOVES) as sock:
        sent = [head(f"/b/{i}" if i % 7 == 3 else f"/{i}", "X-Old: 1") for i in range(30)]
        sock.sendall(b"".join(sent))
        left, said = b"", []
        for _ in sent:
            body, left = read_response(sock, left)
            said.append(body.split(" ")[0])
    assert said == [f"/b/{i}" if i % 7 == 3 else f"/{i}" for i in range(30)]
    assert sum(len(each.requests) for each in records) == 30


@contextlib.contextmanager
def loses_first(ns, port):
    rule = (f"chain in {{ type filter hook prerouting priority -400; tcp dport {port} meta length > 100 "
            "limit rate 1/day burst 1 packets counter drop; }")
    with ns.nft(rule):
        yield lambda: int(ns.run("nft", "list table inet test").split("packets ")[-1].split()[0])


@pytest.mark.parametrize("port", [ONE, BOTH])
@pytest.mark.parametrize("size", [10, 1200, 9000])
def test_a_lost_head_comes_again(rig, family, records, port, size):
    """The first packet with a head that reaches the backend is dropped there, of the first request, then of a further one."""
    big = "X-Big: " + size * "b"
    with connect(rig.client, family.vip, port) as sock:
        addr, _ = own(sock)
        sent = [head(f"/{i}", "X-Old: 1", big) for i in range(4)]
        for data in sent[:2]:
            with loses_first(rig.backend1, RAW) as lost:
                ask(sock, data)
                assert lost() >= 1
        for data in sent[2:]:
            ask(sock, data)
    assert [each[1] for each in records[0].requests] == [changed(data, addr) for data in sent]


@pytest.mark.parametrize("port", [ONE, BOTH])
@pytest.mark.parametrize("is_first", [True, False])
def test_the_daemon_dies_with_the_head_on_its_way(rig, family, records, port, is_first):
    """kill -9 before the backend has acknowledged it; the next daemon makes the same bytes."""
    with connect(rig.client, family.vip, port) as sock:
        addr, _ = own(sock)
        sent = [head(f"/{i}", "X-Old: 1") for i in range(3)]
        if not is_first:
            ask(sock, sent[0])
        with rig.backend1.nft(f"chain in {{ type filter hook prerouting priority -400; tcp dport {RAW} meta length > 100 drop; }}"):
            sock.sendall(sent[1])
            time.sleep(0.1)
            rig.spliced.kill9()
            time.sleep(0.3)
        rig.spliced.start()
        assert read_response(sock)[0].startswith("/1 ")
        ask(sock, sent[2])
    assert [each[1] for each in records[0].requests] == [changed(data, addr) for data in (sent[1:] if is_first else sent)]


def test_the_daemon_is_away_between_requests(rig, family, records):
    with connect(rig.client, family.vip, BOTH) as sock:
        addr, _ = own(sock)
        sent = [head(f"/{i}", "X-Old: 1") for i in range(6)]
        for data in sent:
            ask(sock, data)
            rig.spliced.kill9()
            rig.spliced.start()
    assert [each[1] for each in records[0].requests] == [changed(data, addr) for data in sent]


HAPROXY_CONF = """
defaults
    mode tcp
    timeout client 10s
    timeout server 10s
    timeout connect 3s
{fronts}
"""


@contextlib.contextmanager
def haproxy_in_front(rig, *lines):
    """Listens at 127.0.0.1 in the client's namespace: [(port, address, how)...]"""
    fronts = "\n".join(f"listen f{port}\n    bind 127.0.0.1:{port}\n    server s {at} {how}" for port, at, how in lines)
    conf = rig.work / "front.cfg"
    conf.write_text(HAPROXY_CONF.format(fronts=fronts))
    with running(rig.client, lines[0][0], "haproxy", "-db", "-f", str(conf)):
        yield


@pytest.mark.parametrize("how", ["send-proxy", "send-proxy-v2"])
def test_haproxy_in_front_names_its_client(rig, family, how):
    """The address in its header goes into X-Forwarded-For of each request, and into the header for the backend."""
    at = endpoint(family.vip, ACCEPT)
    with haproxy_in_front(rig, (FRONT, at, how)), connect(rig.client, "127.0.0.1", FRONT) as sock:
        addr, sport = own(sock)
        for i in range(5):
            assert ask(sock, head(f"/{i}")) == f"backend1|/{i}|{addr}|||"
        for i in range(3):
            said = ask(sock, head(f"/b/{i}")).replace("|::ffff:", "|").split("|")
            assert said[:4] == ["backend2", f"/b/{i}", addr, str(sport)] and said[-1] == addr
        assert ask(sock, head("/last")) == f"backend1|/last|{addr}|||"


def test_the_named_client_outlives_the_daemon(rig, family):
    with haproxy_in_front(rig, (FRONT, endpoint(family.vip, ACCEPT), "send-proxy-v2")), connect(rig.client, "127.0.0.1", FRONT) as sock:
        addr, _ = own(sock)
        for i in range(3):
            assert ask(sock, head(f"/{i}")) == f"backend1|/{i}|{addr}|||"
            rig.spliced.kill9()
            rig.spliced.start()
        assert ask(sock, head("/b/1")).split("|")[2].removeprefix("::ffff:") == addr


def test_who_must_name_a_client_and_does_not_is_closed(rig, way):
    before = rig.spliced.counters()["origins_refused"]
    with connect(rig.client, way.vip, ACCEPT) as sock:
        sock.sendall(head("/"))
        assert sock.recv(100) == b""
    assert rig.spliced.counters()["origins_refused"] == before + 1


def test_a_header_in_pieces(rig, way):
    with connect(rig.client, way.vip, ACCEPT) as sock:
        data = b"PROXY TCP4 192.0.2.77 192.0.2.78 1000 2000\r\n" + head("/x")
        for i in range(len(data)):
            sock.sendall(data[i:i + 1])
            time.sleep(0.001)
        assert read_response(sock)[0] == "backend1|/x|192.0.2.77|||"


def test_tls_behind_a_header(rig, way):
    """Consumed before the ClientHello, and another one for the backend."""
    with tcp.listen(rig.backend2, RAW_TCP_PORT) as listener, connect(rig.client, way.vip, TLS_ACCEPT) as sock:
        hello = client_hello("www.example.org")
        sock.sendall(b"PROXY TCP4 192.0.2.77 192.0.2.78 1000 2000\r\n" + hello)
        there = tcp.accept(listener)
        with there:
            data = b""
            while len(data) < len(hello) + (28 if way.version == 4 else 52):
                more = there.recv(4096)
                assert more
                data += more
            before, rest = Recorder.split_header(data)
            assert rest == hello and socket.inet_aton("192.0.2.77") in before
            sock.sendall(b"more")
            assert tcp.read(there, 4) == b"more"
            there.sendall(b"answer")
            assert tcp.read(sock, 6) == b"answer"


def test_a_server_that_speaks_first_hears_the_address_first(rig, way):
    with tcp.listen(rig.backend1, RAW_TCP_PORT) as listener, connect(rig.client, way.vip, TCP) as sock:
        addr, sport = own(sock)
        with tcp.accept(listener) as there:
            line = f"PROXY {'TCP6' if way.version == 6 else 'TCP4'} {addr} {way.vip} {sport} {TCP}\r\n".encode()
            assert tcp.read(there, len(line)) == line
            there.sendall(b"220 welcome\r\n")
            assert tcp.read(sock, 13) == b"220 welcome\r\n"
            tcp.transfer(sock, there, 1 << 20)
            tcp.transfer(there, sock, 1 << 20)
