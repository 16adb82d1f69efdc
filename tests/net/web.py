# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Small clients of HTTP and TLS, and what the routing tests configure."""
import socket
import ssl

from daemon import HTTP, HTTP_B, TLS, TLS_B, backends, service
from tcp import connect, read_to_end


def request(path="/", host="www.example.org", method="GET", headers=(), version="1.1"):
    lines = [f"{method} {path} HTTP/{version}", *([f"Host: {host}"] if host is not None else []), "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def exchange(ns, way, data, port=HTTP, **options):
    """All that comes back for these bytes until a clean end."""
    with connect(ns, way.vip, port, **options) as sock:
        sock.sendall(data)
        return read_to_end(sock)


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else answer


def get(ns, way, path="/", port=HTTP, **how):
    """Body of a 200."""
    answer = exchange(ns, way, request(path, **how), port)
    assert status_of(answer) == 200, answer
    return answer.split(b"\r\n\r\n", 1)[1].decode()


def tls_get(ns, way, sni="www.example.org", alpn=(), port=TLS, **how):
    """Body of a 200 through TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    with connect(ns, way.vip, port) as sock, context.wrap_socket(sock, server_hostname=sni) as tls:
        tls.sendall(request(**how))
        return read_to_end(tls).split(b"\r\n\r\n", 1)[1].decode()


def pool_at(net, name, source, backend, port, **more):
    """One server, both families."""
    return {"name": f"{name}-{source}", "source": source, "backends": backends(net, port, (backend,), **more)}


def web_services(net, source):
    """http on 80 and tls on 443 with routes to four pools, each with its own body: see WHERE."""
    pools = [pool_at(net, "one", source, "backend1", HTTP), pool_at(net, "two", source, "backend2", HTTP),
             pool_at(net, "three", source, "backend1", HTTP_B), pool_at(net, "four", source, "backend2", HTTP_B)]
    secure = [pool_at(net, "s-one", source, "backend1", TLS), pool_at(net, "s-two", source, "backend2", TLS),
              pool_at(net, "s-three", source, "backend1", TLS_B)]

    def to(pool, **conditions):
        return {**conditions, "pool": f"{pool}-{source}"}
    yield service("www", source, "http", HTTP, default=f"one-{source}", routes=[
        to("two", host="two.example.org"),
        to("three", host="www.example.org", path="/three"),
        to("four", host="*.wild.example.org", method=["GET", "HEAD"]),
        to("two", host="*.wild.example.org"),
        to("three", header={"name": "X-Beta", "value": "1"}),
        to("four", header={"name": "X-Any"}),
        to("two", path="/two/deep"),
        to("four", method=["DELETE"])]), *pools
    yield service("strict", source, "http", HTTP_B, routes=[to("one", host="www.example.org")]), pools[0]
    yield service("sec", source, "tls", TLS, default=f"s-one-{source}", routes=[
        to("s-three", host="alpn.example.org", alpn="http/1.1"),
        to("s-two", host="two.example.org"),
        to("s-two", host="*.wild.example.org"),
        to("s-three", alpn="x-special")]), *secure


WHERE = {"one": "backend1:80 ", "two": "backend2:80 ", "three": "backend1:81 ", "four": "backend2:81 ",
         "s-one": "backend1:443 ", "s-two": "backend2:443 ", "s-three": "backend1:444 "}


def has_bytes(sock):
    try:
        return bool(sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False
