# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""on_death: continue. A backend dies before it has answered: the client gets one whole response, of another backend, on its connection."""
import contextlib
import hashlib
import os
import signal
import socket
import struct
import threading
import time

import pytest

import daemon
import h1
from heads import Recorder, nginx, running
from tcp import bound, connect, listen, read, unsent, wait_for
from topo import VIP

pytestmark = [pytest.mark.spliced, pytest.mark.whole("requests are read")]

PORT, CHANGED = 7301, 7302                  # of services
DYING, PLAIN, PROXIED, APP, HOLE, CHECKED = 9151, 9152, 9153, 9154, 9155, 9156     # of backends
CLIENTS = 20
LARGE = int(os.environ.get("SP_LARGE_MIB", 64)) << 20   # of a response

APP_CONF = """
daemon off; master_process off; pid {work}/app.pid; error_log {work}/app.log; events {{}}
http {{
    access_log off; proxy_temp_path {work}/ap; client_body_temp_path {work}/ab; fastcgi_temp_path {work}/af;
    uwsgi_temp_path {work}/au; scgi_temp_path {work}/as;
    server {{ listen {app}; location / {{ return 200 "app"; }} location /app/held {{ proxy_pass http://127.0.0.1:{hole}; }} }}
}}
"""


def services(net):
    def at(name, port):
        return {"name": name, "address": daemon.endpoint(net.ns[name].addr(4), port)}
    death = {"source": "snat", "on_death": "continue"}
    dying = {"name": "dying", **death, "continue": {"keep": "48KiB"}, "failures": 0,
             "backends": [at("backend1", DYING), {**at("backend2", DYING), "backup": True}]}
    app = {"name": "app", **death, "backends": [at("backend1", APP), {**at("backend2", PLAIN), "backup": True}]}
    silent = {**dying, "name": "silent", "check": {"type": "tcp", "port": CHECKED, "interval": "100ms", "fall": 2, "rise": 1}}
    routes = [{"path": "/app", "pool": "app"}, {"path": "/silent", "pool": "silent"}]
    for name, port, more in (("www", PORT, {}), ("changed", CHANGED, {"forwarded": "x-forwarded-for"})):
        listens = [daemon.endpoint(VIP["snat"][4], port)]
        yield {"name": name, "protocol": "http", "listen": listens, "default": "dying", "routes": routes, **more}, dying, app, silent


@pytest.fixture(scope="module")
def rig(net, start_rig):
    with start_rig(net, lambda net, work: daemon.config(net, work, services(net))) as rig:
        with nginx(rig.backend2, rig.work, "spare", PLAIN, PROXIED):
            yield rig


class Dying:
    """The server of backend1, played by the test. Its connections end with it."""

    def __init__(self, ns):
        self.listener, self.all = listen(ns, DYING), []

    def accept(self):
        sock, _ = self.listener.accept()
        sock.settimeout(bound(5))
        self.all.append(sock)
        return sock

    def close(self):
        for sock in [self.listener, *self.all]:
            sock.close()


def die(sock, end):
    if end == "rst":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def read_request(sock, body=0):
    got = b""
    while got.find(b"\r\n\r\n") < 0 or len(got) - got.find(b"\r\n\r\n") - 4 < body:
        data = sock.recv(1 << 16)
        assert data, got
        got += data
    return got


@pytest.fixture
def dying(rig):
    with contextlib.closing(Dying(rig.backend1)) as dying:
        yield dying


@pytest.fixture
def spare(rig):
    with contextlib.closing(Recorder(rig.backend2, DYING)) as recorder:
        yield recorder


class Counts:
    def __init__(self, rig):
        self.rig, self.before = rig, rig.spliced.counters()

    def now(self):
        """{counter of this matter: what it has grown by}"""
        now = self.rig.spliced.counters()
        grown = {name: now[name] - self.before[name] for name in now if "continued" in name}
        return {name: count for name, count in grown.items() if count}


@pytest.fixture
def counts(rig):
    return Counts(rig)


@pytest.fixture
def client(rig):
    with h1.Client(connect(rig.client, VIP["snat"][4], PORT, timeout=bound(5))) as client:
        yield client


def head(path="/x", method="GET", *more):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x.example", *more, "", ""]).encode()


def answer(sock, text=b"well"):
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))


def is_of_spare(response, path):
    return response.status == 200 and path.encode() in response.body


def post(path, size, method="POST"):
    body = os.urandom(size)
    return head(path, method, f"Content-Length: {size}") + body, body


@pytest.mark.parametrize("end", ["rst", "fin"])
def test_first_request(dying, spare, counts, client, end):
    """The backend has acknowledged it: the client does not send it again."""
    client.send(head("/first"))
    sock = dying.accept()
    read_request(sock)
    die(sock, end)
    assert is_of_spare(client.response(), "/first")
    client.send(head("/second"))
    assert is_of_spare(client.response(), "/second")
    assert [target.split()[1] for _, target, _ in requests_of(spare)] == ["/first", "/second"]
    assert counts.now() == {"requests_continued": 1}


def requests_of(spare):
    return [(before, head.split(b"\r\n")[0].decode(), digest) for before, head, digest in spare.requests]


@pytest.mark.parametrize("end", ["rst", "fin"])
def test_later_request(dying, spare, counts, client, end):
    """The same bytes were read before: the daemon has each nevertheless."""
    for i in range(4):
        client.send(head("/same"))
        sock = dying.all[0] if i else dying.accept()
        read_request(sock)
        if i < 3:
            answer(sock)
            assert client.response().body == b"well"
    die(sock, end)
    assert is_of_spare(client.response(), "/same")
    assert len(spare.requests) == 1
    assert counts.now() == {"requests_continued": 1}


DEAF = """chain deaf {
    type filter hook input priority 0
    tcp dport %d meta length > 80 counter drop
}""" % DYING


def test_packets_are_lost(rig, dying, spare, counts, client):
    """The daemon sends the request again: the client has forgotten it."""
    client.send(head("/x", "GET", "X-Long: " + 5000 * "y"))
    sock = dying.accept()
    sent = read_request(sock)
    with rig.backend2.nft(DEAF):
        die(sock, "rst")
        wait_for(lambda: counts.now(), "the death", 2)
        time.sleep(bound(0.1))
    assert is_of_spare(client.response(), "/x")
    assert [each[1] for each in spare.requests] == [sent]
    assert counts.now() == {"requests_continued": 1}


def test_daemon_dies_before_heads_are_compared(rig, dying, client):
    """The next one has no head to compare: the connection ends, and no byte of the other response goes to the client."""
    body = os.urandom(10000)
    told = response_head(len(body)) + body
    with contextlib.closing(Dying(rig.backend2)) as spare:
        client.send(head("/part"))
        sock = dying.accept()
        read_request(sock)
        sock.sendall(told[:1000])
        client.buffer += read(client.sock, 1000)
        die(sock, "rst")
        sock = spare.accept()
        read_request(sock)
        rig.spliced.kill9()
        sock.sendall(response_head(len(body), b"X-Other: yes\r\n" + ETAG) + body)
        rig.spliced.start()
        with pytest.raises(h1.Ended) as ended:
            client.response()
    assert ended.value.got == told[:1000]


def test_daemon_dies_while_a_part_is_skipped(rig, dying, client):
    """The datapath goes on."""
    body = list(blocks(LARGE))
    told = response_head(LARGE)
    with contextlib.closing(Dying(rig.backend2)) as spare:
        client.send(head("/part"))
        sock = dying.accept()
        read_request(sock)
        threading.Thread(target=lambda: client.buffer.extend(read(client.sock, len(told) + (LARGE >> 1))), daemon=True).start()
        for part in (told, *body[:len(body) // 2]):
            sock.sendall(part)
        wait_for(lambda: len(client.buffer) == len(told) + (LARGE >> 1), "the first half")
        die(sock, "rst")
        sock = spare.accept()
        read_request(sock)
        sock.sendall(response_head(LARGE, b"X-Other: yes\r\n" + ETAG) + body[0])
        wait_for(lambda: unsent(sock) == 0, "the first part to be skipped", 2)
        rig.spliced.kill9()
        sender = threading.Thread(target=lambda: [sock.sendall(part) for part in body[1:]], daemon=True)
        sender.start()
        assert client.response().body == b"".join(body)
        rig.spliced.start()


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE", "TRACE"])
def test_methods(dying, spare, counts, client, method):
    client.send(head("/x", method))
    sock = dying.accept()
    read_request(sock)
    die(sock, "rst")
    wait_for(lambda: spare.requests, "the request at the other backend", 2)
    assert spare.requests[0][1].startswith(method.encode())
    assert counts.now() == {"requests_continued": 1}


def test_small_body(dying, spare, counts, client):
    data, body = post("/put", 900, "PUT")
    client.send(data)
    sock = dying.accept()
    read_request(sock, len(body))
    die(sock, "rst")
    assert is_of_spare(client.response(), "/put")
    assert spare.requests[0][2] == hashlib.sha256(body).hexdigest()
    assert counts.now() == {"requests_continued": 1}


@pytest.mark.parametrize("method, size, why", [("POST", 10, "method"), ("PATCH", 10, "method"), ("PUT", 60000, "body_not_kept")])
def test_not_continued(dying, spare, counts, client, method, size, why):
    data, body = post("/once", size, method)
    client.send(data)
    sock = dying.accept()
    read_request(sock, len(body))
    die(sock, "rst")
    with pytest.raises(h1.Ended):
        client.response()
    assert counts.now() == {f"not_continued_{why}": 1}
    assert not spare.requests


@pytest.mark.parametrize("port", [PORT, CHANGED])
@pytest.mark.parametrize("before", [0, 1])
def test_body_in_pieces(rig, dying, spare, counts, port, before):
    """The request goes to a backend when all of it is here, though the client waits for acknowledgements in between."""
    data, body = post("/put", 32 << 10, "PUT")
    with h1.Client(connect(rig.client, VIP["snat"][4], port, timeout=bound(5))) as client:
        for _ in range(before):
            client.send(head("/before"))
            sock = dying.accept()
            read_request(sock)
            answer(sock)
            assert client.response().body == b"well"
        for at in range(0, len(data), 8000):
            client.send(data[at:at + 8000])
            wait_for(lambda: no_unacked(client.sock) or at + 8000 > len(data), "an acknowledgement", 2)
        sock = sock if before else dying.accept()
        assert read_request(sock, len(body)).endswith(body)
        die(sock, "rst")
        assert is_of_spare(client.response(), "/put")
    assert [digest for _, _, digest in spare.requests] == [hashlib.sha256(body).hexdigest()]
    assert counts.now() == {"requests_continued": 1}


def test_body_is_asked_for(dying, spare, counts, client):
    """The client waits for a 100, so its head goes to the backend at once. Its body goes past the daemon."""
    client.send(head("/put", "PUT", "Content-Length: 1000", "Expect: 100-continue"))
    sock = dying.accept()
    read_request(sock)
    sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert [client.line(), client.line()] == [b"HTTP/1.1 100 Continue", b""]
    client.send(1000 * b"x")
    assert read(sock, 1000) == 1000 * b"x"
    die(sock, "rst")
    with pytest.raises(h1.Ended):
        client.response()
    assert not spare.requests
    assert counts.now() == {"not_continued_body_not_kept": 1}


def test_long_upload(dying, spare, counts, client):
    """Of a GiB the backend has a part."""
    client.send(head("/put", "PUT", f"Content-Length: {1 << 30}") + os.urandom(100000))
    sock = dying.accept()
    read_request(sock, 100000)
    die(sock, "rst")
    with pytest.raises(h1.Ended):
        client.response()
    assert not spare.requests
    assert counts.now() == {"not_continued_body_not_kept": 1}


@pytest.mark.parametrize("end", ["rst", "fin"])
@pytest.mark.parametrize("part", [b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nmine",
                                  b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nmi"], ids=["line", "head", "body", "chunk"])
def test_part_was_delivered(dying, spare, counts, client, part, end):
    """No byte of another response goes behind it."""
    client.send(head("/part"))
    sock = dying.accept()
    read_request(sock)
    sock.sendall(part)
    wait_for(lambda: client.fill(), "the part", 2)
    die(sock, end)
    with pytest.raises(h1.Ended) as ended:
        client.response()
    assert ended.value.got == part
    assert not spare.requests
    assert counts.now() == {"not_continued_delivered" if part.endswith(b"2") else "not_continued_no_validator": 1}


ETAG = b'ETag: "one"\r\n'


def response_head(length, more=ETAG, status=b"200 OK"):
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n" % (status, more, length)


class Mirror:
    """Answers each request with the same bytes. @heard: requests; @closed: connections that have ended."""

    def __init__(self, ns, answer, port=DYING):
        self.heard, self.answer, self.listener = [], answer, listen(ns, port)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                with contextlib.suppress(TimeoutError), contextlib.closing(self.listener.accept()[0]) as sock:
                    with contextlib.suppress(AssertionError, ConnectionError):
                        while True:
                            self.heard.append(read_request(sock))
                            for part in self.answer:
                                sock.sendall(part)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@contextlib.contextmanager
def mirror(rig, *answer):
    with contextlib.closing(Mirror(rig.backend2, answer)) as it:
        yield it


@pytest.mark.parametrize("end", ["rst", "fin"])
@pytest.mark.parametrize("size, part", [(2000, 1), (2000, 1999), (300000, 150000)])
def test_response_goes_on(rig, dying, counts, client, size, part, end):
    """The other backend's head is longer; of its body the client gets what it lacks."""
    body = os.urandom(size)
    with mirror(rig, response_head(size, b"X-Server: the other one\r\n" + ETAG), body) as other:
        client.send(head("/part"))
        sock = dying.accept()
        read_request(sock)
        sock.sendall(response_head(size) + body[:part])
        client.buffer += read(client.sock, len(response_head(size)) + part)
        die(sock, end)
        response = client.response()
        assert response.body == body and "x-server" not in response.headers
        client.send(head("/next"))
        response = client.response()
        assert response.body == body and "x-server" in response.headers
    assert [heard.split()[1] for heard in other.heard] == [b"/part", b"/next"]
    assert counts.now() == {"requests_continued": 1}


@pytest.mark.parametrize("upto", [10, 60, 100, 5000])
@pytest.mark.parametrize("end", ["rst", "fin"])
def test_next_backend_dies_too(rig, dying, counts, client, upto, end):
    """In its head, before or behind what the client has. A third one goes on."""
    body = os.urandom(10000)
    whole = response_head(len(body), b"X-Other: yes\r\n" + ETAG) + body
    client.send(head("/part") + head("/next"))
    with contextlib.closing(Dying(rig.backend2)) as spare:
        for one, data in ((dying, response_head(len(body)) + body[:1000]), (spare, whole[:upto]), (dying, whole)):
            sock = one.accept()
            read_request(sock)
            sock.sendall(data)
            if one is dying and not client.buffer:
                client.buffer += read(client.sock, len(data))
            if data is not whole:
                die(sock, end)
        response = client.response()
        assert response.body == body and "x-other" not in response.headers
        assert read_request(sock).startswith(b"GET /next")
        sock.sendall(whole)
        assert client.response().body == body
    assert counts.now() == {"requests_continued": 2}


def test_all_die(rig, dying, counts, client):
    """As many as limit `tries` says: the client does not wait for a rest."""
    body = os.urandom(10000)
    told = response_head(len(body)) + body
    client.send(head("/part"))
    with contextlib.closing(Dying(rig.backend2)) as spare:
        for one in (dying, spare, dying, spare):
            sock = one.accept()
            read_request(sock)
            sock.sendall(told[:1000])
            if not client.buffer:
                client.buffer += read(client.sock, 1000)
            die(sock, "rst")
        with pytest.raises(h1.Ended) as ended:
            client.response()
    assert ended.value.got == told[:1000]
    assert counts.now() == {"requests_continued": 3, "not_continued_tries": 1}


def test_silent_in_the_middle(rig, dying, counts, client):
    """An order says that it is down. It goes on when it has still something to say."""
    body = os.urandom(10000)
    told = response_head(len(body)) + body
    with mirror(rig, told):
        client.send(head("/part"))
        sock = dying.accept()
        read_request(sock)
        sock.sendall(told[:1000])
        client.buffer += read(client.sock, 1000)
        try:
            rig.spliced.ctl("backend", "dying/backend1", "down")
            assert client.response().body == body
        finally:
            rig.spliced.ctl("backend", "dying/backend1", "auto")
        with pytest.raises(ConnectionError):
            for _ in range(100):
                sock.sendall(b"late")
                time.sleep(0.01)
    assert counts.now() == {"requests_continued": 1}


def test_client_reads_slowly(rig, dying, counts, client):
    """Its window is closed when the backend dies."""
    body = list(blocks(8 << 20))
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    with mirror(rig, response_head(8 << 20, b"X-Other: yes\r\n" + ETAG), *body):
        client.send(head("/part"))
        sock = dying.accept()
        read_request(sock)
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            for part in (response_head(8 << 20), *body):
                while part:
                    part = part[sock.send(part):]
        wait_for(lambda: is_steady(sock), "the window to close", 3)
        die(sock, "rst")
        wait_for(counts.now, "the death", 2)
        assert client.response().body == b"".join(body)
    assert counts.now() == {"requests_continued": 1}


def blocks(size):
    """Other bytes at each place."""
    block = os.urandom(1 << 20)
    for i in range(size >> 20):
        yield i.to_bytes(8, "big") + block[8:]


def read_body(sock, size):
    """(digest, the longest wait for a byte)"""
    digest, got, last, stall = hashlib.sha256(), 0, time.monotonic(), 0
    while got < size:
        data = sock.recv(1 << 20)
        assert data, f"closed after {got}"
        digest.update(data)
        got += len(data)
        now = time.monotonic()
        last, stall = now, max(stall, now - last)
    assert got == size
    return digest.hexdigest(), stall


@pytest.mark.parametrize("end", ["rst", "fin"])
@pytest.mark.parametrize("percent", [10, 50, 90])
def test_large_response_goes_on(rig, dying, counts, client, percent, end):
    body, whole = list(blocks(LARGE)), hashlib.sha256()
    told = response_head(LARGE)
    with mirror(rig, response_head(LARGE, ETAG + b"X-Server: the other one\r\n"), *body):
        client.send(head("/large"))
        sock = dying.accept()
        read_request(sock)

        def serve():
            sock.sendall(told)
            for block in body[:LARGE * percent // 100 >> 20]:
                sock.sendall(block)
            die(sock, end)
        threading.Thread(target=serve, daemon=True).start()
        assert read(client.sock, len(told)) == told
        digest, stall = read_body(client.sock, LARGE)
    for block in body:
        whole.update(block)
    assert digest == whole.hexdigest()
    assert counts.now() == {"requests_continued": 1}
    print(f"{LARGE} bytes, {end} at {percent} %: stall of {stall * 1000:.0f} ms")
    assert stall < bound(2)


OTHERS = {
    "weak": response_head(1000, b'ETag: W/"one"\r\n'), "other": response_head(1000, b'ETag: "two"\r\n'), "none": response_head(1000, b""),
    "twice": response_head(1000, ETAG + ETAG), "longer": response_head(1001), "shorter": response_head(999),
    "chunked": b"HTTP/1.1 200 OK\r\n" + ETAG + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n", "coded": response_head(1000, ETAG + b"Content-Encoding: gzip\r\n"),
    "status": response_head(1000, status=b"404 Not Found"), "no head": b"nonsense\r\n\r\n",
    "same date": response_head(1000, b"Last-Modified: Mon, 30 Nov 2026 10:00:00 GMT\r\n"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_other_representation(rig, dying, counts, client, other):
    """Not a byte of it."""
    with mirror(rig, OTHERS[other], 1001 * b"o"):
        client.send(head("/part"))
        sock = dying.accept()
        read_request(sock)
        sock.sendall(response_head(1000) + 500 * b"m")
        client.buffer += read(client.sock, len(response_head(1000)) + 500)
        die(sock, "rst")
        with pytest.raises(h1.Ended) as ended:
            client.response()
    assert ended.value.got == response_head(1000) + 500 * b"m"
    assert counts.now() == {"requests_continued": 1, "not_continued_differs": 1}


def test_changed_head(rig, dying, spare, counts):
    with h1.Client(connect(rig.client, VIP["snat"][4], CHANGED, timeout=bound(5))) as client:
        own = client.sock.getsockname()[0].encode()
        for i in range(2):
            client.send(head(f"/{i}"))
            sock = dying.all[0] if i else dying.accept()
            assert own in read_request(sock)
            if not i:
                answer(sock)
                assert client.response().body == b"well"
        die(sock, "rst")
        assert is_of_spare(client.response(), "/1")
        client.send(head("/2"))
        assert is_of_spare(client.response(), "/2")
    assert [own in each[1] for each in spare.requests] == [True, True]
    assert counts.now() == {"requests_continued": 1}


def test_both_die(rig, dying, counts, client):
    """As many backends as limit `tries` says, then the connection ends."""
    with contextlib.closing(Dying(rig.backend2)) as spare:
        client.send(head("/x"))
        for one in (dying, spare, dying, spare):
            sock = one.accept()
            read_request(sock)
            die(sock, "rst")
        with pytest.raises(h1.Ended):
            client.response()
    assert counts.now() == {"requests_continued": 3, "not_continued_tries": 1}


def test_next_request_is_here(dying, spare, counts, client):
    """It was sent ahead, and follows."""
    client.send(head("/first") + head("/second"))
    sock = dying.accept()
    read_request(sock)
    die(sock, "rst")
    assert is_of_spare(client.response(), "/first")
    assert is_of_spare(client.response(), "/second")
    assert counts.now() == {"requests_continued": 1}


@pytest.mark.parametrize("port", [PORT, CHANGED])
def test_idle_backend_closes(rig, dying, spare, counts, port):
    """No request is outstanding: nothing is continued. A changed head is changed for the other backend, too."""
    with h1.Client(connect(rig.client, VIP["snat"][4], port, timeout=bound(5))) as client:
        client.send(head("/first"))
        sock = dying.accept()
        read_request(sock)
        answer(sock)
        assert client.response().body == b"well"
        die(sock, "fin")
        dying.listener.close()
        time.sleep(bound(0.05))
        client.send(head("/second"))
        assert is_of_spare(client.response(), "/second")
    assert [b"X-Forwarded-For" in each[1] for each in spare.requests] == [port == CHANGED]
    assert counts.now() == {}


def test_order_down(rig, dying, spare, counts, client):
    """A silent backend that an order takes out is dead; with drain it may end what it has begun. What it says later is not for the client."""
    client.send(head("/x"))
    sock = dying.accept()
    read_request(sock)
    try:
        rig.spliced.ctl("backend", "dying/backend1", "drain")
        time.sleep(bound(0.5))
        assert not spare.requests
        rig.spliced.ctl("backend", "dying/backend1", "down")
        assert is_of_spare(client.response(), "/x")
    finally:
        rig.spliced.ctl("backend", "dying/backend1", "auto")
    with pytest.raises(ConnectionError):
        for _ in range(100):
            answer(sock, b"late")
            time.sleep(0.01)
    client.send(head("/y"))
    assert is_of_spare(client.response(), "/y")
    assert counts.now() == {"requests_continued": 1}


def test_checks_say_down(rig, dying, spare, counts, client):
    def are_up():
        pool = next(pool for pool in rig.spliced.status()["pools"] if pool["name"] == "silent")
        return all(backend["check"]["state"] == "up" for backend in pool["backends"])
    with listen(rig.backend2, CHECKED):
        checked = listen(rig.backend1, CHECKED)
        wait_for(are_up, "all backends up", 3)
        client.send(head("/silent"))
        sock = dying.accept()
        read_request(sock)
        checked.close()
        assert is_of_spare(client.response(), "/silent")
    assert counts.now() == {"requests_continued": 1}


def test_nginx_is_killed(rig, counts):
    """It holds requests of many clients."""
    conf = rig.work / "app.conf"
    conf.write_text(APP_CONF.format(work=rig.work, app=APP, hole=HOLE))
    with listen(rig.backend1, HOLE), contextlib.ExitStack() as stack:
        process = stack.enter_context(running(rig.backend1, APP, "nginx", "-e", "stderr", "-c", str(conf)))
        clients = [stack.enter_context(h1.Client(connect(rig.client, VIP["snat"][4], PORT, timeout=bound(5)))) for _ in range(CLIENTS)]
        for i, each in enumerate(clients):
            each.send(head("/app/well"))
            assert each.response().body == b"app"
            each.send(head(f"/app/held/{i}"))
        wait_for(lambda: rig.spliced.counters()["requests"] - counts.before["requests"] >= CLIENTS, "all requests", 2)
        wait_for(lambda: all(no_unacked(each.sock) for each in clients), "all acknowledgements", 2)
        os.kill(process.pid, signal.SIGKILL)
        for i, each in enumerate(clients):
            assert each.response().body.startswith(f"spare|/app/held/{i}|".encode())
    assert counts.now() == {"requests_continued": CLIENTS}


def is_steady(sock):
    before = unsent(sock)
    time.sleep(0.1)
    return unsent(sock) == before


def no_unacked(sock):
    """tcpi_unacked of Linux's tcp_info."""
    return struct.unpack_from("=I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 24)[0] == 0
