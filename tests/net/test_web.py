# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""spliced-web: what it serves is what the daemon says; Prometheus takes it, and a real browser shows it.

    client --- router --- proxy1, proxy2 --- core --- backend1, backend2: small servers of the test
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time

import pytest

import daemon
from browser import Browser
from tcp import wait_for
from test_checks import Server
from topo import VIP

pytestmark = [pytest.mark.spliced, pytest.mark.whole("knows no mode")]
PORT, SHOWN_S = 8310, 2
CONTRIB = pathlib.Path(__file__).resolve().parents[2] / "contrib"


def services(view, source):
    pool = {"name": "web", "source": source, "check": {"type": "http", "interval": "100ms", "timeout": "1s", "fall": 1},
            "backends": [b for b in daemon.backends(view, PORT) if b["name"].endswith("-v4")]}
    yield {**daemon.service("www", source, "http", PORT, default="web"), "listen": [daemon.endpoint(VIP[source][4], PORT)],
           "max_connections": 100, "access_log": {"to": "none"}}, pool
    yield ({**daemon.service("raw", source, "tcp", PORT + 1, default="web"), "listen": [daemon.endpoint(VIP[source][4], PORT + 1)],
            "access_log": {"to": "none"}},)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


class Web:
    def __init__(self, build, control):
        self.port = free_port()
        self.process = subprocess.Popen([daemon.program(build, "spliced-web"), "--listen", f"127.0.0.1:{self.port}", "--socket", control])
        wait_for(self.answers, "spliced-web to listen")

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True

    def ask(self, path, method="GET", headers={}):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read().decode()

    def status(self):
        return json.loads(self.ask("/api/status")[2])

    def metrics(self):
        """Value of each sample by its name and labels, as written."""
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
                for line in self.ask("/metrics")[2].splitlines() if line[0] != "#"}


@contextlib.contextmanager
def open_folder():
    """Not below pytest's own, which each pytest that starts shuts to all but root: spliced-web is not root."""
    with tempfile.TemporaryDirectory(prefix="sp-web-") as folder:
        os.chmod(folder, 0o711)
        yield pathlib.Path(folder)


@pytest.fixture(scope="module")
def lab(start_cluster, request):
    with open_folder() as folder, start_cluster(services=services, proxies=2, stores=1, folder=folder) as cluster:
        cluster.servers = {name: Server(cluster.ns[name], PORT) for name in ("backend1", "backend2")}
        pathlib.Path(cluster.proxies[0].socket).parent.chmod(0o711)
        cluster.web = Web(request.config.getoption("--build"), cluster.proxies[0].socket)
        try:
            wait_for(lambda: states(cluster) == {"up"}, "checks to pass")
            yield cluster
        finally:
            cluster.web.process.kill()
            cluster.web.process.wait()
            for server in cluster.servers.values():
                server.close()


def states(lab):
    return {b["check"]["state"] for pool in lab.proxies[0].status()["pools"] for b in pool["backends"]}


def requests(lab, count):
    """One connection."""
    with lab.client.inside():
        connection = http.client.HTTPConnection(VIP["snat"][4], PORT, timeout=10)
        for _ in range(count):
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"ok"
    return connection


def test_what_is_served(lab):
    for path, kind in {"/": "text/html", "/metrics": "text/plain", "/api/status": "application/json"}.items():
        status, headers, body = lab.web.ask(path)
        assert status == 200 and headers["Content-Type"].startswith(kind) and body, body[:300]
        assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["X-Content-Type-Options"] == "nosniff"
        status, headers, nothing = lab.web.ask(path, "HEAD")
        assert status == 200 and not nothing and int(headers["Content-Length"]) > 0
    assert lab.web.ask("/api/status/")[0] == lab.web.ask("/..%2fetc/passwd")[0] == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "NONSENSE"):
        status, headers, _ = lab.web.ask("/", method)
        assert status == 405 and headers["Allow"] == "GET, HEAD"
    assert lab.web.ask("/", headers={"X-Long": "x" * 20000})[0] in (413, 431)
    assert lab.web.ask("/" + "x" * 20000)[0] in (404, 414)


def test_clients_are_bounded(lab):
    """More than it serves find no room, and are not waited for; then all is as before."""
    with contextlib.ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(socket.create_connection(("127.0.0.1", lab.web.port)))
        assert lab.web.process.poll() is None
    wait_for(lambda: lab.web.ask("/metrics")[0] == 200, "it to serve again")


def test_the_daemon_is_asked_once_a_second(lab):
    taken = set()
    until = time.monotonic() + 2.2
    while time.monotonic() < until:
        taken.add(lab.web.status()["taken_ms"])
    assert 2 <= len(taken) <= 4


def test_it_has_no_privileges(lab):
    status = pathlib.Path(f"/proc/{lab.web.process.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split() and "0" not in fields["Gid"].split()
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0 and fields["NoNewPrivs"] == "1"


def test_metrics_are_what_the_daemon_says(lab):
    for _ in range(12):     # by way of both proxies
        requests(lab, 2).close()
    wait_for(lambda: lab.web.metrics()["spliced_connections"] == lab.proxies[0].status()["splices"], "connections to be counted")
    found, status = lab.web.metrics(), lab.proxies[0].status()
    assert found["spliced_up"] == found["spliced_ready"] == 1 and found["spliced_backend_up{pool=\"web\",backend=\"backend1-v4\"}"] == 1
    for reason in lab.proxies[0].ask("drops")[0]["reasons"]:
        if reason["what"] != "-":
            assert f'spliced_drops_total{{reason="{reason["name"]}",fate="{reason["what"]}"}}' in found
    names = "\n".join(found)
    for counter in {**status["counters"], **status["store"]["counters"]}:
        word = re.sub(r"^(answered|fell_back|requests|relay_refused|member_refused|spliced)_(?=.)", "", counter.removesuffix("_pkts"))
        assert word in names or counter == "spliced", counter
    assert found["spliced_connect_duration_seconds_count"]
    for name in ("connect", "commit"):
        top = found[f'spliced_{name}_duration_seconds_bucket{{le="+Inf"}}']
        assert top == found[f"spliced_{name}_duration_seconds_count"] == sum(b["count"] for b in status["durations"][name]["buckets"])
    assert found['spliced_connect_duration_seconds_bucket{le="5"}'] == found["spliced_connect_duration_seconds_count"]
    assert found['spliced_member_up{member="proxy2",state="ready"}'] == 1
    traffic = next(service["traffic"] for service in status["services"] if service["name"] == "www-snat")
    assert found['spliced_service_requests_total{service="www-snat",code="2xx"}'] == traffic["requests"]["2xx"] > 0
    for name, key in (("first_byte", "first_byte"), ("request_duration", "duration")):
        assert found[f'spliced_service_{name}_seconds_count{{service="www-snat"}}'] == sum(b["count"] for b in traffic[key]["buckets"]) > 0
    assert found['spliced_service_sent_bytes_total{service="www-snat"}'] == traffic["bytes_out"] > 100
    assert "spliced_stall_duration_seconds_count" in found


def test_promtool_has_nothing_to_say(lab):
    done = subprocess.run(["promtool", "check", "metrics"], input=lab.web.ask("/metrics")[2], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def names_in(text):
    """Families of metrics."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bspliced_\w+", text)}


def test_alerts_and_dashboard_ask_for_what_there_is(lab):
    rules = CONTRIB / "prometheus/spliced.rules.yml"
    done = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True)
    assert done.returncode == 0 and re.search(r"SUCCESS: \d\d rules found", done.stdout), done
    dashboard = json.loads((CONTRIB / "grafana/spliced.json").read_text())
    asked = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    there = names_in(lab.web.ask("/metrics")[2])
    assert len(names_in(asked)) > 10 and names_in(asked) <= there and names_in(rules.read_text()) <= there


def test_prometheus_scrapes_it(lab, tmp_path):
    """Debian's, with our alerts: it takes all samples, and the alert of a dead backend is pending."""
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(json.dumps({
        "global": {"scrape_interval": "300ms", "evaluation_interval": "300ms"},
        "rule_files": [str(CONTRIB / "prometheus/spliced.rules.yml")],
        "scrape_configs": [{"job_name": "spliced", "static_configs": [{"targets": [f"127.0.0.1:{lab.web.port}"]}]}]}))

    def query(path):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", f"/api/v1/{path}")
            return json.load(connection.getresponse())["data"]

    def seen(expression):
        with contextlib.suppress(OSError, KeyError, ValueError):
            return query(f"query?query={expression}")["result"]
    with subprocess.Popen(["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
                           f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]) as prometheus:
        try:
            wait_for(lambda: seen("up"), "Prometheus to have scraped", 20)
            wait_for(lambda: len(seen("spliced_backend_up") or []) == 2, "backends to be there", 5)
            assert seen("up")[0]["value"][1] == "1" and seen("spliced_up")[0]["value"][1] == "1"
            assert int(seen("scrape_samples_scraped")[0]["value"][1]) > 250
            assert {group["name"] for group in query("rules")["groups"]} == {"spliced"}
            lab.servers["backend2"].close()
            wait_for(lambda: any(alert["labels"]["alertname"] == "SplicedBackendDown" and alert["labels"]["backend"] == "backend2-v4"
                                 for alert in query("alerts")["alerts"]), "an alert", 10)
        finally:
            lab.servers["backend2"].close()
            lab.servers["backend2"] = Server(lab.ns["backend2"], PORT)
            prometheus.kill()
    wait_for(lambda: states(lab) == {"up"}, "checks to pass")


@pytest.fixture(scope="module")
def browser(lab, tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    try:
        browser.emulate(1280, 900)
        browser.open(f"http://127.0.0.1:{lab.web.port}/")
        wait_for(lambda: row(browser, "backend1-v4"), "the page to show backends", 20)
        yield browser
    finally:
        browser.close()


def row(browser, name):
    """Text of the row of a backend or a member."""
    return browser.value("[...document.querySelectorAll('tbody tr')].filter(r => r.firstChild.textContent.startsWith(%s)).map(r => r.innerText).join()"
                         % json.dumps(name))


def test_page_shows_a_dead_backend(lab, browser):
    wait_for(lambda: all("up" in row(browser, f"backend{n}-v4").split() for n in (1, 2)), "the page to show that both are up", 10)
    lab.servers["backend1"].close()
    begin = time.monotonic()
    wait_for(lambda: "down" in row(browser, "backend1-v4").split(), "the page to show that a backend is down", 10)
    took = time.monotonic() - begin
    assert took < SHOWN_S, took
    assert "backend backend1-v4 down by its checks" in browser.value("document.getElementById('events').innerText")
    assert browser.value("document.getElementById('said').textContent") == "Backend web/backend1-v4 is down"
    lab.servers["backend1"] = Server(lab.ns["backend1"], PORT)
    wait_for(lambda: "up" in row(browser, "backend1-v4").split(), "the page to show that it is up", 10)


def test_page_shows_a_dead_host(lab, browser):
    wait_for(lambda: "ready" in row(browser, "proxy2").split(), "the page to show the second proxy", 10)
    held = requests(lab, 1)
    wait_for(lambda: any("all would go on" in row(browser, f"proxy{n}") for n in (1, 2)), "the connection to count as survivable", 10)
    lab.proxies[1].unplug()
    try:
        wait_for(lambda: "dead" in row(browser, "proxy2").split(), "the page to show that a host is dead", 5)
        assert "it has died" in row(browser, "proxy2") and "go on with its connections" in row(browser, "proxy2")
    finally:
        lab.heal()
        held.close()
    wait_for(lambda: "ready" in row(browser, "proxy2").split(), "the page to show that it is back", 10)


def graphs(browser):
    return browser.value("[...document.querySelectorAll('figure')].map(f => f.getAttribute('aria-label') + ': ' + f.querySelector('.now').innerText)")


def test_page_has_graphs_of_a_service(lab, browser):
    """Rates and the time to the first byte; of all services again by the same choice."""
    assert any(text.startswith("Connect time: ") for text in graphs(browser))
    browser.value("document.getElementById('service').value = 'www-snat'; document.getElementById('service').dispatchEvent(new Event('change'))")

    def shows_requests():
        requests(lab, 3).close()
        now = {text.split(": ")[0]: text.partition("www-snat: ")[2] for text in graphs(browser)}
        return now["Requests"] != "0 /s" and "s" in now["Time to first byte"] and "–" not in now["Time to first byte"] and "it/s" in now["Payload"]
    wait_for(shows_requests, "the graphs to be of the service", 15)
    assert "p99" in row(browser, "www-snat")
    browser.value("document.getElementById('service').value = ''; document.getElementById('service').dispatchEvent(new Event('change'))")
    assert any(text.startswith("Connect time: ") for text in graphs(browser))


def test_page_says_that_the_daemon_is_away(lab, browser):
    lab.proxies[0].kill9()
    wait_for(lambda: "No answer" in browser.value("document.getElementById('away').innerText"), "the page to say so", 5)
    assert lab.web.ask("/api/status")[0] == 503 and lab.web.metrics() == {"spliced_up": 0}
    lab.proxies[0].start()
    wait_for(lambda: browser.value("document.getElementById('away').hidden"), "the page to be alive again", 10)
    lab.wait_well()
    browser.complaints.clear()      # of 503, which a browser logs


def luminance(color):
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    return sum(weight * (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4) for weight, p in zip((0.2126, 0.7152, 0.0722), parts))


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (1280, "dark"), (360, "light")])
def test_page_is_readable(lab, browser, width, scheme):
    """No part is wider than the screen; text stands out (WCAG 2, 1.4.3); tables have names; no script or style is refused."""
    browser.emulate(width, 800, scheme)
    assert browser.value("document.documentElement.scrollWidth") <= width
    colors = browser.value("""[...document.querySelectorAll('.quiet, .state, th, td, a, button, figcaption')].filter(e => e.innerText).map(e => {
        let ground = e;
        while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
        return [getComputedStyle(e).color, getComputedStyle(ground).backgroundColor, e.innerText]; })""")
    assert len(colors) > 30
    for text, ground, what in colors:
        light, dark = sorted((luminance(text), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground, what)
    assert browser.value("[...document.querySelectorAll('table')].every(t => t.caption && [...t.tHead.rows[0].cells].every(c => c.scope === 'col'))")
    assert not browser.complaints


def test_page_by_keyboard(browser):
    """The theme is a button, three tabs behind the link that skips the head of the page."""
    browser.emulate(1280, 900, "light")
    browser.value("document.activeElement.blur()")
    seen = []
    for _ in range(4):
        browser.press("Tab")
        seen.append(browser.value("document.activeElement.innerText"))
    assert seen == ["Skip to services", "Metrics", "JSON", "Theme: system"]
    grounds = [browser.value("getComputedStyle(document.body).backgroundColor")]
    for _ in range(2):
        browser.press("Enter")
        grounds.append(browser.value("getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] == grounds[1] != grounds[2] and browser.value("document.activeElement.innerText") == "Theme: dark"
    assert browser.value("getComputedStyle(document.activeElement).outlineStyle") != "none"
    browser.press("Enter")
