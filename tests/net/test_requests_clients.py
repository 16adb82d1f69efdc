# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs that keep their connections, each with requests to three pools of one host name."""
import io
import json
import subprocess

import pytest

import pages
from exchanges import HOST, Request
from h1 import Client
from shop import balancer, market, on_spliced, open_balancer, shop, way    # noqa: F401 - fixtures

pytestmark = pytest.mark.spliced


class Recorded:
    """As a socket, for the parser of h1.py."""

    def __init__(self, data):
        self.stream = io.BytesIO(data)

    def recv(self, count):
        return self.stream.read(count)


@pytest.fixture
def run(shop):
    """A program at the client. Return (stdout, stderr, connections that it made)."""
    def run_program(*command, **options):
        before = shop.client.counter("TcpActiveOpens")
        with shop.client.inside():
            done = subprocess.run(command, capture_output=True, timeout=60, **options)
        assert done.returncode == 0, f"{command[0]}: {done.returncode}: {done.stderr[-2000:]}{done.stdout[-2000:]}"
        return done.stdout, done.stderr.decode(), shop.client.counter("TcpActiveOpens") - before
    return run_program


def ten(**more):
    return [Request(pool, **more) for pool in "ABCABBCCAC"]


def url(way, request):
    return f"http://{HOST}{request.target}"


def test_curl(shop, way, run):
    """Ten URLs on one connection."""
    shop.sent += (requests := ten(params={"size": 3000}))
    out, err, connections = run("curl", "-sS", "--raw", "-i", "--resolve", f"{HOST}:80:{way.vip}", "-w", "%{stderr}%{num_connects} ",
                                *(url(way, request) for request in requests))
    responses = Client(Recorded(out))
    for request in requests:
        responses.answer(request)
        shop.answered.append(request.nonce)
    assert not responses.rest()
    assert err.split() == ["1"] + ["0"] * 9 and connections == 1


def test_curl_uploads(shop, way, run, tmp_path):
    """POST with a body, larger than a kernel's buffers, then GET: each to its pool."""
    body = bytes(range(256)) * 20000
    (tmp_path / "body").write_bytes(body)
    shop.sent += (requests := [Request(pool, method="POST", body=body) if pool != "C" else Request(pool) for pool in "ABCBCA"])
    command = []
    for request in requests:
        post = ["-H", "Content-Type: text/plain", "--data-binary", f"@{tmp_path}/body"] if request.body else []
        command += ["-sS", "-i", "--raw", "--resolve", f"{HOST}:80:{way.vip}", *post, url(way, request), "--next"]
    out, _, connections = run("curl", *command[:-1])
    responses = Client(Recorded(out))
    for request in requests:
        responses.answer(request)
        shop.answered.append(request.nonce)
    assert connections == 1


def test_wget_of_a_page(shop, way, run, tmp_path):
    page = Request("A", do="page", params={"count": 30})
    parts = [part for part in pages.parts(page.nonce, 30) if part[0] in pages.TYPES]    # wget runs no scripts
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{way.vip} {HOST}\n")
    run("unshare", "--mount", "sh", "-c", f"mount --bind {hosts} /etc/hosts && exec wget -nv -e robots=off -p -P {tmp_path} '{url(way, page)}'")
    for kind, pool, target, nonce in parts:
        file = tmp_path / HOST / target[1:]
        assert file.read_bytes() == pages.body(kind, pool, nonce, 0), file
        shop.sent.append(Request(pool, nonce=nonce))
        shop.answered.append(nonce)
    shop.sent.append(page)
    shop.answered.append(page.nonce)


SESSION = """
import json, requests, sys
session = requests.Session()
vip, jobs = sys.argv[1], json.load(sys.stdin)
for method, target, body in jobs:
    answer = session.request(method, "http://" + vip + target, headers={"Host": "shop.example"}, data=body)
    print(json.dumps([answer.status_code, answer.text]))
"""
AGENT = """
const http = require('http'), agent = new http.Agent({keepAlive: true, maxSockets: Number(process.argv[2])});
const jobs = JSON.parse(require('fs').readFileSync(0)), answers = [];
let left = jobs.length;
jobs.forEach(([method, path, body], at) => {
    const headers = {Host: 'shop.example', ...(body ? {'Content-Length': body.length} : {})};
    const request = http.request({host: process.argv[1], method, path, agent, headers}, answer => {
        let text = '';
        answer.on('data', piece => text += piece);
        answer.on('end', () => {
            answers[at] = [answer.statusCode, text];
            if (!--left) { answers.forEach(each => console.log(JSON.stringify(each))); process.exit(0); }
        });
    });
    request.end(body || undefined);
});
"""


def jobs_and_requests(count):
    requests = [Request(pool, params={"size": 500, **({"chunk": 99} if at % 2 else {})}) if at % 5 else
                Request(pool, method="POST", body=b"order" * 500) for at, pool in enumerate("ABCBAC" * (count // 6))]
    return requests, json.dumps([(r.method, r.target, r.body and r.body.decode()) for r in requests]).encode()


def check_answers(shop, requests, out):
    answers = [json.loads(line) for line in out.splitlines()]
    assert [status for status, _ in answers] == [200] * len(requests)
    for request, (_, text) in zip(requests, answers):
        request.check_body(text.encode())
        shop.answered.append(request.nonce)


def test_session_of_python_requests(shop, way, run):
    requests, jobs = jobs_and_requests(60)
    shop.sent += requests
    out, _, connections = run("/usr/bin/python3", "-c", SESSION, way.vip, input=jobs)
    check_answers(shop, requests, out)
    assert connections == 1


@pytest.mark.parametrize("sockets", [1, 4])
def test_agent_of_node(shop, way, run, sockets):
    requests, jobs = jobs_and_requests(120)
    shop.sent += requests
    out, _, connections = run("node", "-e", AGENT, way.vip, str(sockets), input=jobs)
    check_answers(shop, requests, out)
    assert connections == sockets


@pytest.mark.parametrize("pool", "ABC")
def test_ab(shop, way, run, pool):
    """HTTP/1.0 with keep-alive."""
    request = Request(pool, version="1.0", params={"size": 500})
    shop.sent.append(request)
    shop.times[request.nonce] = 2000
    out, _, connections = run("ab", "-k", "-n", "2000", "-c", "4", "-H", f"Host: {HOST}", f"http://{way.vip}{request.target}")
    said = dict(line.split(":", 1) for line in out.decode().splitlines() if line.count(":") == 1)
    assert int(said["Complete requests"]) == int(said["Keep-Alive requests"]) == 2000
    assert int(said["Failed requests"]) == 0 and "Non-2xx responses" not in said
    assert connections == 4


@pytest.mark.slow
def test_chromium(shop, way, run, tmp_path):
    """A page of 60 parts: scripts, style sheets, images, calls."""
    page = Request("A", do="page", params={"count": 60})
    shop.sent += [page, *(Request(pool, nonce=nonce, body=b"order" if kind == "post" else None)
                          for kind, pool, _, nonce in pages.parts(page.nonce, 60))]
    out, _, connections = run("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                              "--disable-background-networking", "--no-first-run", f"--user-data-dir={tmp_path}",
                              f"--host-resolver-rules=MAP {HOST} {way.vip}, MAP * ~NOTFOUND", "--virtual-time-budget=20000",
                              "--dump-dom", url(way, page), env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    verdict = out.decode().partition('id="verdict">')[2].partition("<")[0]
    assert verdict == pages.DONE, verdict or out
    shop.answered += [request.nonce for request in shop.sent]
    assert connections < 20
