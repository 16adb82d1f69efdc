# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""splicectl events, explain, top and trace, and its completion: each beside what the daemon does.

    client --- proxy --- backend1, backend2: small servers of the test
"""
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import time

import pytest

import daemon
from conftest import ways
from tcp import wait_for
from test_checks import Server
from topo import VIP
from web import exchange, request, status_of

pytestmark = [pytest.mark.spliced, pytest.mark.whole("knows no mode")]
PORT, OTHER, TLS = 8320, 8321, 8322
WAY = next(way for way in ways if way.version == 4 and way.source == "snat")
COMPLETION = pathlib.Path(__file__).resolve().parents[2] / "contrib/completion"


def config(net, work):
    def pool(name, port, **more):
        return {"name": name, "source": "snat", "check": {"type": "tcp", "interval": "100ms", "fall": 1},
                "backends": [b for b in daemon.backends(net, port) if b["name"].endswith("-v4")], **more}
    www = {**daemon.service("www", "snat", "http", PORT, default="first"), "listen": [f"{VIP['snat'][4]}:{PORT}"], "routes": [
        {"host": "two.example", "path": "/v2", "pool": "second"}, {"method": ["DELETE"], "pool": "second"},
        {"header": {"name": "X-Beta", "value": "1"}, "pool": "second"}, {"path": "/hash", "pool": "hashed"}]}
    strict = {**daemon.service("strict", "snat", "http", OTHER), "listen": [f"{VIP['snat'][4]}:{OTHER}"],
              "routes": [{"host": "only.example", "pool": "first"}]}
    tls = {**daemon.service("sec", "snat", "tls", TLS), "listen": [f"{VIP['snat'][4]}:{TLS}"],
           "routes": [{"host": "*.wild.example", "alpn": "h2", "pool": "second"}]}
    return daemon.config(net, work, [(www, pool("first", PORT), pool("second", OTHER), pool("hashed", PORT, balance={"hash": "path"})),
                                     (strict,), (tls,)])


@pytest.fixture(scope="module")
def rig(net, start_rig):
    def answer_of(port):
        def answer(sock):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n%d\n" % port)
        return answer
    servers = [Server(net.ns[name], port, answer_of(port)) for name in ("backend1", "backend2") for port in (PORT, OTHER)]
    with start_rig(net, config) as rig:
        wait_for(lambda: {b["check"]["state"] for p in rig.spliced.status()["pools"] for b in p["backends"]} == {"up"}, "checks to pass")
        yield rig
    for server in servers:
        server.close()


def explain(rig, service="www-snat", *options):
    return json.loads(rig.spliced.ctl("--json", "explain", "--service", service, *options))


@pytest.mark.parametrize("options, asked, pool", [
    ((), {}, "first"), (("--host", "two.example", "--path", "/v2/x"), {"host": "two.example", "path": "/v2/x"}, "second"),
    (("--host", "TWO.example:80", "--path", "/v2"), {"host": "TWO.example:80", "path": "/v2"}, "second"),
    (("--host", "two.example", "--path", "/v20"), {"host": "two.example", "path": "/v20"}, "first"),
    (("--host", "a.example", "--method", "DELETE"), {"host": "a.example", "method": "DELETE"}, "second"),
    (("--host", "a.example", "--header", "X-Beta: 1"), {"host": "a.example", "headers": ["X-Beta: 1"]}, "second")])
def test_explain_says_where_a_request_goes(rig, options, asked, pool):
    """The same request, sent."""
    said = explain(rig, "www-snat", *options)
    assert said["pool"] == pool and said["status"] is None and [b["gets"] for b in said["backends"]] == [True, True]
    answer = exchange(rig.client, WAY, request(**asked), PORT)
    assert status_of(answer) == 200 and answer.endswith(b"%d\n" % (PORT if pool == "first" else OTHER))


def test_explain_says_why_not(rig):
    for options, port, asked, status in (((), OTHER, {"host": "other.example"}, 404),
                                         (("--path", "/a/..%2fb"), PORT, {"path": "/a/..%2fb"}, 400)):
        said = explain(rig, "strict-snat" if port == OTHER else "www-snat", "--host", "other.example", *options)
        assert said["status"] == status == status_of(exchange(rig.client, WAY, request(**asked), port)), said
        assert said["pool"] is None and said["backends"] == []
    assert explain(rig, "www-snat", "--host", "two words")["status"] == 400
    assert "no service 'nope'" in rig.spliced.ctl_run("explain", "--service", "nope").stderr
    assert rig.spliced.ctl_run("explain", "--host", "x").returncode == 2
    assert "IPv4 or IPv6" in rig.spliced.ctl_run("explain", "--service", "sec-snat", "--from", "here").stderr


def test_explain_of_tls(rig):
    assert explain(rig, "sec-snat", "--sni", "a.WILD.example", "--alpn", "http/1.1", "--alpn", "h2")["pool"] == "second"
    assert explain(rig, "sec-snat", "--sni", "a.wild.example", "--alpn", "http/1.1")["pool"] is None
    assert explain(rig, "sec-snat", "--sni", "wild.example", "--alpn", "h2")["pool"] is None


def test_explain_of_backends(rig):
    """By an order of the operator, and by a key."""
    rig.spliced.ctl("backend", "first/backend1-v4", "drain")
    try:
        rows = {b["name"]: b for b in explain(rig)["backends"]}
        assert not rows["backend1-v4"]["gets"] and "order" in rows["backend1-v4"]["why"] and rows["backend2-v4"]["gets"]
        assert re.search(r"backend1-v4 +no +an order", rig.spliced.ctl("explain", "--service", "www-snat"))
    finally:
        rig.spliced.ctl("backend", "--reset")
    holders = [[b["name"] for b in explain(rig, "www-snat", "--path", f"/hash/{n}")["backends"] if b["gets"]] for n in range(12)]
    assert {len(names) for names in holders} == {1} and len({names[0] for names in holders}) == 2


def test_events(rig):
    before = rig.spliced.ask("events")[0]["last"]
    with subprocess.Popen([rig.spliced.ctl_bin, "--socket", rig.spliced.socket, "events", "--follow", "--limit", "1"],
                          stdout=subprocess.PIPE, text=True) as follower:
        follower.stdout.readline()
        rig.spliced.ctl("backend", "second/backend1-v4", "down")
        line = follower.stdout.readline()
        follower.kill()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ  info     splicectl backend second/backend1-v4: down\n", line)
    rig.spliced.ctl("backend", "--reset")
    texts = [event["text"] for event in json.loads(rig.spliced.ctl("--json", "events", "--since", str(before)))["events"]]
    assert texts == ["splicectl backend second/backend1-v4: down", "splicectl backend --reset: 1 backends are auto again"]
    assert len(rig.spliced.ctl("events", "--limit", "2").splitlines()) == 2


def test_top_in_a_script(rig):
    exchange(rig.client, WAY, request(), PORT)
    text = rig.spliced.ctl("top", "-n", "1", "--batch")
    assert "\033" not in text and re.search(r"^first/backend1-v4 +up +\d+ +[\d.]+  ", text, re.M) and "LAST EVENTS" in text
    assert re.search(r"^connections \d+ live, 0 would survive this machine; ", text, re.M)


def test_top_on_a_terminal(rig):
    """Of 80 by 24: no line is longer, no screen higher; the terminal is as before afterwards."""
    pid, screen = pty.fork()
    if not pid:
        os.execv(rig.spliced.ctl_bin, ["splicectl", "--socket", rig.spliced.socket, "top"])
    seen, until = b"", time.monotonic() + 10
    while seen.count(b"\033[H") < 2 and time.monotonic() < until:
        seen += os.read(screen, 65536)
    os.kill(pid, signal.SIGINT)
    while b"\033[?1049l" not in seen and time.monotonic() < until:
        seen += os.read(screen, 65536)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(screen)
    first = seen.decode().split("\033[H")[1].split("\033[J")[0]
    lines = first.replace("\033[K", "").replace("\r", "").split("\n")
    assert len(lines) <= 24 and max(map(len, lines)) <= 80 and lines[0].startswith("spliced ") and "LAST EVENTS" in lines


def complete(rig, *words):
    """What bash offers behind @words; the last one is being written."""
    script = f"""source {COMPLETION}/splicectl; splicectl() {{ {rig.spliced.ctl_bin} "$@"; }}
COMP_WORDS=(splicectl --socket {rig.spliced.socket} "$@"); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _splicectl; printf '%s\\n' "${{COMPREPLY[@]}}" """
    return subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, check=True).stdout.split()


def complete_zsh(rig, *words):
    """The same of zsh. Its completion system adds matches by compadd; here compadd prints those that fit."""
    script = f"""compadd() {{ while [[ $1 != -- ]]; do shift; done; shift; print -rl -- ${{(M)@:#${{words[CURRENT]}}*}} }}
splicectl() {{ {rig.spliced.ctl_bin} "$@" }}; words=(splicectl --socket {rig.spliced.socket} "$@"); CURRENT=$#words
fpath=({COMPLETION} $fpath); autoload -U _splicectl; _splicectl"""
    done = subprocess.run(["zsh", "-f", "-c", script, "zsh", *words], capture_output=True, text=True, check=True)
    assert not done.stderr, done.stderr
    return done.stdout.split()


def test_completion_of_zsh(rig):
    """As bash's, in each place."""
    commands = [word for word in complete(rig, "") if word[0] != "-"]
    for words in [("",), ("ev",), *((command, "--") for command in commands), ("backend", "second/"), ("backend", "second/backend1-v4", "d"),
                  ("explain", "--service", "s"), ("explain", "--method", "P"), ("connections", "state="), ("trace", "serv"), ("top", "-n", "")]:
        assert sorted(complete_zsh(rig, *words)) == sorted(complete(rig, *words)), words
    screen = ZSH.format(ctl=rig.spliced.ctl_bin, socket=rig.spliced.socket, path=COMPLETION)
    assert "events" in subprocess.run(["zsh", "-f", "-c", screen], capture_output=True, text=True, timeout=20).stdout


# An interactive zsh, in which a tab is pressed.
ZSH = """zmodload zsh/zpty; zpty z zsh -f -i
zpty -w z 'PROMPT=; fpath=({path} $fpath); autoload -U compinit; compinit -u -D; print ready'
zpty -r z line '*ready*ready*'; zpty -w -n z $'splicectl eve\t--limit 1; exit\n'; zpty -r z line '*events --limit*'; print -r -- $line"""


def trace_of(rig, *options):
    command = [rig.spliced.ctl_bin, "--socket", rig.spliced.socket, "--json", "trace", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_trace_of_a_request(rig):
    """From its SYN to its forward, in the order of time, and nothing of other connections."""
    with trace_of(rig, "service=www-snat", f"{rig.client.addr(4)}/32", "--seconds", "2") as trace:
        time.sleep(0.5)
        exchange(rig.client, WAY, request(host="two.example", path="/v2"), PORT)
        exchange(rig.client, WAY, request(host="other.example"), OTHER)
        lines = [json.loads(line) for line in trace.stdout]
    end, lines = lines[-1], lines[:-1]
    assert end == {"end": True, "shown": len(lines), "lost": 0} and [line["at_us"] for line in lines] == sorted(line["at_us"] for line in lines)
    assert {line["to"] for line in lines} == {f"{VIP['snat'][4]}:{PORT}"} and len({line["from"] for line in lines}) == 1
    texts = [f"{line['what']} {line['text']}" for line in lines]
    found = [next((i for i, text in enumerate(texts) if re.match(pattern, text)), None) for pattern in (
        r"packet syn_answered \(answer\): .*: SYN ACK, seq \d+", r"packet head \(daemon\): .*: PSH ACK", r"state FREE > HEAD",
        r"state HEAD > CONNECTING: .*; to second/backend\d-v4 from \S+:\d+; version 0", r"packet from_backend \(daemon\): .*: SYN ACK",
        r"state CONNECTING > COMMITTING", r"state COMMITTING > ")]
    assert None not in found, texts
    assert any(text.startswith("packet ack_empty (drop)") for text in texts)
    steps = [i for i in found if texts[i].startswith("state")]
    assert steps == sorted(steps), texts


def test_trace_ends_by_itself(rig):
    with trace_of(rig, f"{VIP['snat'][4]}:{PORT}", "--limit", "1") as trace:
        time.sleep(0.5)
        exchange(rig.client, WAY, request(), PORT)
        lines = [json.loads(line) for line in trace.stdout]
    assert [line.get("end") for line in lines] == [None, True]
    assert "'filter' is missing" in rig.spliced.ctl_run("trace").stderr
    assert "state=" in rig.spliced.ctl_run("trace", "state=open").stderr
    assert "1 to 600" in rig.spliced.ctl_run("trace", "192.0.2.1", "--seconds", "601").stderr
    traces = [trace_of(rig, "192.0.2.99") for _ in range(5)]       # one more than may be
    refused = wait_for(lambda: [trace for trace in traces if trace.poll() is not None], "a trace to be refused")
    assert len(refused) == 1 and "as many as may be" in refused[0].stderr.read()
    for trace in traces:
        trace.kill()
        trace.communicate()
    wait_for(lambda: rig.spliced.ctl_run("trace", "--seconds", "1", "192.0.2.99").returncode == 0, "traces to end with their clients")


def test_completion(rig):
    """All commands and all options of --help; names from the daemon."""
    text = rig.spliced.ctl("--help")
    commands = re.findall(r"^  ([a-z][\w-]+) ", text.split("options:")[0].split("commands:")[1], re.M)
    offered = complete(rig, "")
    assert len(commands) > 10 and [word for word in offered if word[0] != "-"] == commands
    options = set(re.findall(r"--[\w-]+", text.split("options:")[1].split("filters")[0]))
    assert options <= {word for command in commands for word in complete(rig, command, "--")}
    for command in commands:        # usage is checked before a daemon is looked for
        for option in set(complete(rig, command, "--")) - {"--help", "--version", "--socket"}:
            assert "takes no --" not in rig.spliced.ctl_run("--socket", "/none", command, option, "1").stderr, (command, option)
    assert complete(rig, "ev") == ["events"]
    assert complete(rig, "backend", "second/") == ["second/backend1-v4", "second/backend2-v4"]
    assert complete(rig, "backend", "second/backend1-v4", "d") == ["drain", "down"]
    assert complete(rig, "explain", "--service", "s") == ["strict-snat", "sec-snat"]
