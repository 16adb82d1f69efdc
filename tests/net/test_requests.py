# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Requests as the RFCs allow them go where Host and path say; what two servers read as two requests is refused.

Each case has its section, and what servers that are installed here (nginx, node, HAProxy) read in the same bytes is compared:
those that serve it must read what spliced has read, but for what is named in the case."""
import contextlib
import shutil
import socket

import pytest

import daemon
from daemon import HTTP, service
from tcp import read_to_end, wait_for
from web import WHERE, exchange, get, pool_at, status_of

pytestmark = pytest.mark.spliced
POOLS = {"default": "one", "a": "two", "a/admin": "three", "default/admin": "four"}
NGINX, NODE, HAPROXY = 9080, 9081, 9082     # in the namespace of backend1


def services(net, source):
    def to(where, **conditions):
        return {**conditions, "pool": f"{POOLS[where]}-{source}"}
    at = {name: WHERE[name].strip().split(":") for name in POOLS.values()}
    pools = [pool_at(net, name, source, backend, int(port)) for name, (backend, port) in at.items()]
    yield service("vhosts", source, "http", HTTP, default=f"one-{source}", routes=[
        to("a/admin", host="a.example", path="/admin"), to("a", host="a.example"), to("default/admin", path="/admin")]), *pools


@pytest.fixture(scope="module")
def rig(net, servers, start_rig):
    with start_rig(net, lambda net, work: daemon.config(net, work, services(net, "snat"))) as rig:
        yield rig


NGINX_CONF = """
daemon off; master_process off; pid {work}/vhosts.pid; error_log {work}/vhosts.log; events {{}}
http {{
    access_log off; default_type text/plain; large_client_header_buffers 4 128k; client_body_temp_path {work}/vb; proxy_temp_path {work}/vp;
    fastcgi_temp_path {work}/vf; uwsgi_temp_path {work}/vu; scgi_temp_path {work}/vs;
    server {{ listen 127.0.0.1:{port} default_server; location / {{ return 200 default; }} location /admin {{ return 200 default/admin; }} }}
    server {{ listen 127.0.0.1:{port}; server_name a.example; location / {{ return 200 a; }} location /admin {{ return 200 a/admin; }} }}
}}
"""
NODE_SCRIPT = """require('http').createServer((request, response) => {{
    const host = (request.headers.host || '').replace(/:\\d*$/, '').toLowerCase();
    const path = new URL(request.url, 'http://x').pathname;
    response.end((host == 'a.example' ? 'a' : 'default') + (/^\\/admin(\\/|$)/.test(path) ? '/admin' : ''));
}}).listen({port}, '127.0.0.1');"""
HAPROXY_CONF = """
defaults
    mode http
    timeout client 3s
    timeout server 3s
    timeout connect 3s
frontend vhosts
    bind 127.0.0.1:{port}
    acl a hdr(host),host_only -i a.example
    acl admin path -m dir /admin
    http-request return status 200 content-type text/plain string a/admin if a admin
    http-request return status 200 content-type text/plain string a if a
    http-request return status 200 content-type text/plain string default/admin if admin
    http-request return status 200 content-type text/plain string default
"""
READERS = {"nginx": (NGINX, NGINX_CONF, ["-e", "stderr", "-c"]), "node": (NODE, NODE_SCRIPT, []),
           "haproxy": (HAPROXY, HAPROXY_CONF, ["-db", "-f"])}


def listens(ns, port):
    with ns.inside(), socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def readers(rig):
    """Those that are installed, each with its port."""
    installed = {name: port for name, (port, _, _) in READERS.items() if shutil.which(name)}
    with contextlib.ExitStack() as stack:
        for name, port in installed.items():
            conf = rig.work / f"{name}.js"
            conf.write_text(READERS[name][1].format(work=rig.work, port=port))
            process = rig.backend1.popen(name, *READERS[name][2], str(conf))
            stack.callback(process.wait)
            stack.callback(process.kill)
            wait_for(lambda: listens(rig.backend1, port), f"{name} to listen")
        yield installed


def reading(ns, port, data):
    """What a server has read; its status, where it refuses."""
    with ns.inside(), socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.sendall(data)
        answer = read_to_end(sock)
    if not answer:
        return 0
    body = answer.split(b"\r\n\r\n", 1)[1].decode()
    return body.split("\r\n")[1] if b"chunked" in answer else body if status_of(answer) == 200 else status_of(answer)


def to_host(host, method="GET", target="/", version="1.1"):
    return f"{method} {target} HTTP/{version}\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def to_path(path):
    return to_host("a.example", target=path)


# section, request, what is read in it, and who is known to read something else
SERVED = [
    ("RFC 9110 4.2.3", to_host("A.Example"), "a", ()),
    ("RFC 3986 3.2.3", to_host("a.example:"), "a", ()),
    ("RFC 3986 3.2.3", to_host("a.example:80"), "a", ()),
    ("RFC 3986 3.2.3", to_host("a.example:0120"), "a", ()),
    ("RFC 1034 3.1", to_host("a.example."), "a", {"node", "haproxy"}),
    ("RFC 1034 3.1", to_host("a.example.:80"), "a", {"node", "haproxy"}),
    ("RFC 3986 3.2.2", to_host("a!$&'()*+,;=~_-.b"), "default", ()),
    ("RFC 3986 3.2.2", to_host("%C3%A4.example"), "default", ()),
    ("RFC 3986 3.2.2", to_host("[2001:db8::1]:80"), "default", ()),
    ("RFC 3986 3.2.2", to_host("192.0.2.1"), "default", ()),
    ("RFC 9112 3.2.2", to_host("a.example", target="http://a.example/admin"), "a/admin", {"haproxy", "node"}),
    ("RFC 9112 3.2.2", to_host("a.example", target="http://A.example:80/"), "a", ()),
    ("RFC 9110 4.2.3", to_host("a.example", target="http://a.example:/"), "a", ()),
    ("RFC 9110 4.2.3", to_host("a.example", target="http://a.example"), "a", ()),
    ("RFC 9112 3.2.1", to_host("a.example", target="http://a.example?/admin"), "a", ()),
    ("RFC 9112 3.2.2", b"GET http://a.example/ HTTP/1.0\r\n\r\n", "a", {"node", "haproxy"}),
    ("RFC 9112 3.2", b"GET /admin HTTP/1.0\r\n\r\n", "default/admin", ()),
    ("RFC 9112 3.2.3", to_host("a.example", "CONNECT", "a.example:80"), None, ()),
    ("RFC 9112 3.2.3", to_host("a.example:80", "CONNECT", "a.example:80"), None, ()),
    ("RFC 9112 3.2.4", to_host("a.example", "OPTIONS", "*"), None, ()),
    ("RFC 9112 3.2.4", to_host("a.example", "OPTIONS", "http://a.example"), "a", ()),
    ("RFC 9112 2.2", b"\r\n" + to_host("a.example"), "a", ()),
    ("RFC 9112 3", to_path("/" + 8000 * "a"), "a", ()),
    ("RFC 9112 3", to_path("/" + 60000 * "a"), "a", ()),
    ("RFC 3986 6.2.2.2", to_path("/%61dmin"), "a/admin", {"node", "haproxy"}),
    ("RFC 3986 6.2.2.3", to_path("/x/../admin"), "a/admin", {"haproxy"}),
    ("RFC 3986 6.2.2.3", to_path("/x/%2e%2E/./admin"), "a/admin", {"haproxy"}),
    ("RFC 3986 6.2.2.3", to_path("/admin/../x"), "a", {"haproxy"}),
    ("RFC 3986 6.2.2.3", to_path("//x/../admin"), "a/admin", {"node", "haproxy"}),
    ("nginx merge_slashes", to_path("//admin"), "a/admin", {"node", "haproxy"}),
    ("RFC 3986 3.3", to_path("/admin;a=b"), "a/admin", {"node", "haproxy"}),
    ("RFC 3986 3.4", to_path("/x?/../admin%2f\\%zz"), "a", ()),
]
# section, and the request: 400
REFUSED = [
    ("RFC 3986 2.4", to_host("%61.example")),
    ("RFC 3986 2.1", to_host("a%zz")),
    ("RFC 1034 3.1", to_host("a..example")),
    ("RFC 9110 4.2.1", to_host("")),
    ("RFC 9110 4.2.4", to_host("u@a.example")),
    ("RFC 3986 3.2.2", to_host("[v1.a:b]")),
    ("RFC 6874 4", to_host("[fe80::1%25eth0]")),
    ("RFC 3986 3.2.3", to_host("a.example:0")),
    ("RFC 3986 3.2.3", to_host("a.example:65536")),
    ("RFC 3986 3.2.3", to_host("a.example:80:80")),
    ("RFC 9112 3.2.2", to_host("b.example", target="http://a.example/")),
    ("RFC 9112 3.2.2", to_host("a.example.", target="http://a.example/")),
    ("RFC 9110 4.2.4", to_host("a.example", target="http://u@a.example/")),
    ("RFC 9110 7.4", to_host("a.example", target="ftp://a.example/")),
    ("RFC 9110 9.3.6", to_host("a.example", "CONNECT", "a.example:")),
    ("RFC 9112 3.2.3", to_host("a.example:81", "CONNECT", "a.example:80")),
    ("RFC 9112 3.2.4", to_host("a.example", target="*")),
    ("RFC 9112 3.2", to_path("/#admin")),
    ("RFC 9112 2.3", to_host("a.example", version="1.2")),
    ("RFC 3986 2.2", to_path("/admin%2fx")),
    ("RFC 3986 2.2", to_path("/x%2f..%2fadmin")),
    ("RFC 3986 7.3", to_path("/admin%00x")),
    ("RFC 3986 2.4", to_path("/x/..%5cadmin")),
    ("RFC 3986 2", to_path("/x\\..\\admin")),
    ("RFC 3986 5.2.4", to_path("/../admin")),
    ("RFC 3986 5.2.4", to_path("/x//../admin")),
    ("RFC 3986 2.1", to_path("/%zz")),
    ("RFC 3986 3.3", to_path("/x/..;/admin")),
]


def names(cases):
    return [f"{case[0]} {i}" for i, case in enumerate(cases)]


@pytest.mark.parametrize("section, data, where, others", SERVED, ids=names(SERVED))
def test_request_is_served(rig, family, section, data, where, others):
    """By a server of the pool, if nginx takes it at all."""
    answer = exchange(rig.client, family, data)
    assert b"Server: nginx" in answer, answer
    if where and status_of(answer) == 200:
        assert WHERE[POOLS[where]].encode() in answer, answer


@pytest.mark.parametrize("section, data, where, others", SERVED, ids=names(SERVED))
def test_servers_read_the_same(rig, readers, section, data, where, others):
    for name, port in readers.items():
        read = reading(rig.backend1, port, data)
        agrees = isinstance(read, int) or where is None or read == where
        assert agrees or name in others, f"{name} has read {read}"


@pytest.mark.parametrize("section, data", REFUSED, ids=names(REFUSED))
def test_request_is_refused(rig, family, section, data):
    answer = exchange(rig.client, family, data)
    assert status_of(answer) == 400 and b"nginx" not in answer, answer
    assert get(rig.client, family).startswith(WHERE["one"])
