# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The head of a request decides where it goes: by Host, path, method, header, SNI, ALPN; weights and turns within a pool."""
import collections

import pytest

import daemon
from daemon import HTTP, HTTP_B, TLS, backends, service
from tcp import read_to_end, connect
from web import WHERE, exchange, get, request, status_of, tls_get, web_services

WEIGHTED, TURNS, ZERO, PASSING = 8001, 8002, 8003, 8004


def balancing(net, source):
    def weighted(name, w1, w2):
        return {"name": f"{name}-{source}", "source": source, "backends":
                backends(net, HTTP, ("backend1",), weight=w1) + backends(net, HTTP, ("backend2",), weight=w2)}
    for name, port, weights in (("weighted", WEIGHTED, (3, 1)), ("turns", TURNS, (1, 1)), ("zero", ZERO, (0, 1))):
        yield service(name, source, "http", port, default=f"{name}-{source}"), weighted(name, *weights)
    yield ({**service("passing", source, "http", PASSING, default=f"one-{source}",
                      routes=[{"path": "/two/deep", "pool": f"two-{source}"}]), "ambiguous_paths": "pass"},)


@pytest.fixture(scope="module")
def rig(net, servers, start_rig):
    def configure(net, work):
        return daemon.config(net, work, [entry for source in ("snat", "client")
                                         for make in (web_services, balancing) for entry in make(net, source)])
    with start_rig(net, configure) as rig:
        yield rig


HTTP_CASES = [
    ("one", {}),
    ("one", {"host": "other.example.org"}),
    ("two", {"host": "two.example.org"}),
    ("two", {"host": "TWO.Example.ORG"}),
    ("two", {"host": "two.example.org:80"}),
    ("one", {"host": "xtwo.example.org"}),
    ("three", {"path": "/three"}),
    ("three", {"path": "/three/x?y=/two"}),
    ("three", {"path": "/three?x"}),
    ("one", {"path": "/threex"}),
    ("one", {"path": "/three", "host": "other.example.org"}),
    ("four", {"host": "a.wild.example.org"}),
    ("four", {"host": "a.b.wild.example.org"}),
    ("one", {"host": "wild.example.org"}),
    ("one", {"host": "xwild.example.org"}),
    ("two", {"host": "a.wild.example.org", "method": "POST"}),
    ("three", {"headers": ["X-Beta: 1"]}),
    ("three", {"headers": ["x-beta:1"]}),
    ("one", {"headers": ["X-Beta: 2"]}),
    ("one", {"headers": ["X-Beta: 11"]}),
    ("four", {"headers": ["X-Any: whatever"]}),
    ("three", {"headers": ["X-Any: whatever", "X-Beta: 1"]}),
    ("two", {"path": "/two/deep/er", "host": "other.example.org"}),
    ("four", {"method": "DELETE", "host": "other.example.org"}),
    ("one", {"version": "1.0"}),
    ("one", {"version": "1.0", "host": None}),
    ("two", {"version": "1.0", "host": "two.example.org"}),
    ("two", {"path": "http://two.example.org/x", "host": "two.example.org"}),
]


# Paths that nginx, behind, reads as the route's.
SAME_PATH = ["/two/deep", "//two//deep", "/./two/deep/.", "/x/../two/deep", "/x/%2e%2E/two/deep", "/%74wo/deep?a=/..", "/two/deep;a=b",
             "http://other.example.org//two/deep"]
OTHER_PATH = ["/two/deep/..", "/two/deep/%2e%2e/x", "/two/deeper", "/Two/deep", "/two%20/deep", "/?/../two/deep", "/two/%64eep%41"]
AMBIGUOUS = ["/two%2fdeep", "/x%2f..%2ftwo/deep", "/two/deep%00", "/two\\deep", "/x/..%5cdeep", "/../two/deep", "/two//../two/deep",
             "/%zz", "/x/..;/two/deep"]


@pytest.mark.spliced
@pytest.mark.parametrize("pool, path", [("two", path) for path in SAME_PATH] + [("one", path) for path in OTHER_PATH])
def test_route_by_the_normal_form_of_a_path(rig, family, pool, path):
    """And what is forwarded is the path as it was sent."""
    body = get(rig.client, family, path, host="other.example.org")
    assert body.startswith(WHERE[pool]) and f" {path.removeprefix('http://other.example.org')} " in body, body


@pytest.mark.spliced
@pytest.mark.parametrize("path", AMBIGUOUS)
def test_ambiguous_path_is_400(rig, family, path):
    before = rig.spliced.counters()["path_ambiguous"]
    assert status_of(exchange(rig.client, family, request(path, host="other.example.org"))) == 400
    assert rig.spliced.counters()["path_ambiguous"] == before + 1


@pytest.mark.spliced
def test_path_that_no_route_asks_for_may_be_ambiguous(rig, family):
    """The first service decides by the host, the second one passes it to its pool, as sent."""
    assert get(rig.client, family, "/a%2fb", host="two.example.org").startswith(WHERE["two"])
    assert " /a%2fb " in get(rig.client, family, "/a%2fb", port=PASSING)


@pytest.mark.spliced
@pytest.mark.parametrize("pool, path", [("one", "/two%2fdeep"), ("two", "/../two/deep"), ("one", "/two/deep%2f..")])
def test_ambiguous_path_may_pass(rig, family, pool, path):
    """nginx refuses some of them."""
    answer = exchange(rig.client, family, request(path), PASSING)
    assert b"nginx" in answer and (status_of(answer) == 400 or WHERE[pool].encode() in answer), answer


@pytest.mark.spliced
@pytest.mark.parametrize("pool, how", HTTP_CASES, ids=[f"{p}-{i}" for i, (p, _) in enumerate(HTTP_CASES)])
def test_http_route(rig, way, pool, how):
    how = dict(how)
    if how.get("method", "GET") != "GET":
        how["headers"] = ["Content-Length: 0"]
    assert get(rig.client, way, **how).startswith(WHERE[pool])


def test_source_address_at_the_backend(rig, way):
    body = get(rig.client, way)
    seen = body.split()[-1]
    here = rig.client.addr(way.version)
    assert (seen == here) == (way.source == "client"), body
    if way.source == "snat":
        assert seen in ("10.99.0.1", "fd99::1")


@pytest.mark.spliced
def test_no_route_is_404(rig, way):
    answer = exchange(rig.client, way, request(host="nobody.example.org"), HTTP_B)
    assert status_of(answer) == 404, answer
    assert get(rig.client, way, port=HTTP_B).startswith(WHERE["one"])


TLS_CASES = [
    ("s-one", {}),
    ("s-one", {"sni": None}),
    ("s-two", {"sni": "two.example.org"}),
    ("s-two", {"sni": "TWO.example.org"}),
    ("s-two", {"sni": "x.wild.example.org"}),
    ("s-one", {"sni": "wild.example.org"}),
    ("s-one", {"sni": "alpn.example.org"}),
    ("s-three", {"sni": "alpn.example.org", "alpn": ["h2", "http/1.1"]}),
    ("s-one", {"sni": "alpn.example.org", "alpn": ["http/1.0"]}),
    ("s-three", {"alpn": ["http/1.1", "x-special"]}),
]


@pytest.mark.spliced
@pytest.mark.parametrize("pool, how", TLS_CASES, ids=[f"{p}-{i}" for i, (p, _) in enumerate(TLS_CASES)])
def test_tls_route(rig, way, pool, how):
    assert tls_get(rig.client, way, **how).startswith(WHERE[pool])


def test_tls_reaches_a_backend(rig, way):
    """Also in direct mode."""
    assert tls_get(rig.client, way).startswith(WHERE["s-one"])


def curl(rig, way, *args):
    done = rig.client.run("curl", "-sS", "-m", "15", "--noproxy", "*", *args)
    return done


def test_curl(rig, way):
    assert curl(rig, way, way.url("/x")).startswith(WHERE["one"])
    assert curl(rig, way, "--http1.0", way.url("/x")).startswith(WHERE["one"])
    assert curl(rig, way, "-k", way.url("/x", TLS, "https")).startswith(WHERE["s-one"])


@pytest.mark.spliced
def test_curl_by_name(rig, way):
    at = ["--resolve", f"two.example.org:80:{way.url_vip}", "--resolve", f"two.example.org:443:{way.url_vip}"]
    assert curl(rig, way, *at, "http://two.example.org/").startswith(WHERE["two"])
    assert curl(rig, way, *at, "-k", "https://two.example.org/").startswith(WHERE["s-two"])


@pytest.mark.each_mode
def test_kept_alive_connection(rig, way):
    """Later requests follow the first one."""
    with connect(rig.client, way.vip, HTTP) as sock:
        for i in range(200):
            sock.sendall(f"GET /{i} HTTP/1.1\r\nHost: www.example.org\r\n\r\n".encode())
            data = b""
            while not data.endswith(b"\n") or b"\r\n\r\n" not in data:
                data += sock.recv(4096)
            assert f"backend1:80 GET www.example.org /{i} ".encode() in data
        sock.sendall(request("/last"))
        assert b"/last " in read_to_end(sock)


def counts(rig, way, port, n):
    return collections.Counter(get(rig.client, way, port=port).split(":")[0] for _ in range(n))


@pytest.mark.spliced
def test_turns(rig, way):
    assert counts(rig, way, TURNS, 20) == {"backend1": 10, "backend2": 10}


@pytest.mark.spliced
def test_weights(rig, way):
    assert counts(rig, way, WEIGHTED, 40) == {"backend1": 30, "backend2": 10}


@pytest.mark.spliced
def test_weight_zero_gets_nothing(rig, way):
    assert counts(rig, way, ZERO, 10) == {"backend2": 10}


@pytest.mark.each_mode
@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "close"])
def test_wrk(rig, family, keep_alive):
    """Half a second of load on one service, without a failed request."""
    more = [] if keep_alive else ["-H", "Connection: close"]
    out = rig.client.run("wrk", "-t1", "-c20", "-d1s", "--timeout", "5s", *more, family.url("/"))
    assert "Socket errors" not in out and "Non-2xx" not in out, out
    requests = int(out.split(" requests in ")[0].split()[-1])
    assert requests > 500, out
