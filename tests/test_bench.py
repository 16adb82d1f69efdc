# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bench/: which answers on kept connections count, and what a bar compares."""
import collections
import contextlib
import pathlib
import socket
import subprocess
import sys
import threading

import pytest

TESTS = pathlib.Path(__file__).resolve().parent
BENCH = TESTS.parent / "bench"
sys.path[:0] = [str(BENCH), str(TESTS / "net")]
import failover_table   # noqa: E402
import measures     # noqa: E402
import table        # noqa: E402

LETTERS = "abc"
REQUESTS = [f"{letter}=GET /{letter} HTTP/1.1\r\n\r\n" for letter in LETTERS]
WHOLE, WRONG_BODY, EXTRA_BYTES, CLOSED = range(4)


@pytest.fixture(scope="session")
def gen_conn(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "gen_conn"
    subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-pthread", "-o", path, BENCH / "gen_conn.c", BENCH / "gen.c"],
                   check=True)
    return path


class Server:
    """Answers with four letters of the path; each sixth answer of a connection has the fault."""

    def __init__(self, fault):
        self.fault, self.seen = fault, collections.defaultdict(list)    # seen: letters asked for, by connection
        self.is_pipelined = False
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, peer = self.socket.accept()
            threading.Thread(target=self.serve, args=(connection, self.seen[peer]), daemon=True).start()

    def serve(self, connection, asked):
        with connection, contextlib.suppress(ConnectionError):
            while request := connection.recv(4096):
                self.is_pipelined |= request.count(b"GET") > 1
                asked.append(chr(request[5]))
                fault = self.fault if len(asked) % 6 == 0 else WHOLE
                body = b"z" * 4 if fault == WRONG_BODY else request[5:6] * 4
                more = b"z" if fault == EXTRA_BYTES else b""
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body + more)
                if fault == CLOSED:
                    return


def ask(program, server, *options):
    text = subprocess.run([program, "-s", "127.0.0.1", "-c", "6", "-w", "0", "-d", "300", "-k", *options, "127.0.0.1",
                           str(server.port), *REQUESTS], capture_output=True, text=True, check=True, timeout=20).stdout
    return measures.numbers(text)


@pytest.mark.parametrize("rate", [(), ("-r", "300")])
@pytest.mark.parametrize("moves", [False, True])
def test_each_connection_stays_or_cycles(gen_conn, rate, moves):
    server = Server(WHOLE)
    out = ask(gen_conn, server, *rate, *(["-m"] if moves else []))
    assert out["errors"] == out["stuck"] == 0 and out["answers"] > 30
    assert len(server.seen) == 6
    for asked in server.seen.values():
        assert all(LETTERS[(LETTERS.index(a) + moves) % 3] == b for a, b in zip(asked, asked[1:]))
    assert {asked[0] for asked in server.seen.values()} == set(LETTERS)


@pytest.mark.parametrize("fault", [WRONG_BODY, EXTRA_BYTES, CLOSED])
def test_a_fault_on_a_kept_connection_is_an_error(gen_conn, fault):
    server = Server(fault)
    out = ask(gen_conn, server)
    faulty = sum(len(asked) // 6 for asked in server.seen.values())
    assert faulty > 5 and faulty - 6 <= out["errors"] <= faulty
    assert not server.is_pipelined


ROWS = [("keepalive_rps", name, turn, value) for name, values in {
    "haproxy-http": (10, 20, 10), "nginx-http": (11, 22, 11), "nginx-stream": (20, 40, 20), "spliced": (44, 66, 33),
    "spliced-conn": (40, 60, 30)}.items() for turn, value in enumerate(values)]


@pytest.mark.parametrize("against, label, ratio", [
    (table.BEST, "best proxy (nginx-stream)", 1.65), (table.BEST_HTTP, "best HTTP proxy (nginx-http)", 3.0),
    ("spliced-conn", "spliced-conn", 1.1)])
def test_a_bar_is_the_median_of_ratios_within_rounds(against, label, ratio):
    found, ratios = table.judge(table.Samples(ROWS), "keep-alive req/s", "keepalive_rps", against, "spliced")
    assert found == label
    assert sorted(ratios)[1] == pytest.approx(ratio)


def test_a_bar_without_samples_is_told_and_not_short(capsys):
    assert table.print_bars(table.Samples(ROWS), [("moves: req/s", "move_rps", table.BEST_HTTP, ">=", 0.8)]) == 0
    assert "not measured" in capsys.readouterr().out


def test_a_bar_that_falls_short_counts(capsys):
    assert table.print_bars(table.Samples(ROWS), [("keep-alive", "keepalive_rps", "spliced-conn", ">=", 1.2)]) == 1
    assert "SHORT" in capsys.readouterr().out


def test_a_part_that_was_not_measured_is_no_failure(capsys):
    rows = [("rate", "spliced", 0, 1000), ("store_killed_during_errors", "spliced", 0, 2), ("store_killed_during_p50_us", "spliced", 0, 9)]
    assert failover_table.print_failover(rows) == 1
    assert "survivor's" not in capsys.readouterr().out
    assert failover_table.print_failover([("live_broken", "spliced", 0, 0), ("live_connections", "spliced", 0, 9)]) == 0


def test_each_bar_of_a_routed_measure_has_contenders_that_take_part():
    for _, measure, against, *_ in table.BARS:
        name = measure.rsplit("_", 2 if measure.endswith("_us") else 1)[0]
        for side in table.CHOICES.get(against, (against,)) if name in measures.ROUTED else ():
            assert measures.takes_part(side, name), (side, name)
