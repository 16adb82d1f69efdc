# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""With --verbose the daemon's log replays each connection: a line for each change of its state."""
import re
import signal

import pytest

import daemon
import tcp
from one_daemon import raw, runs_again     # noqa: F401

pytestmark = [pytest.mark.spliced, pytest.mark.whole("is about what comes before a splice")]
CHANGE = re.compile(r"debug: (\S+) > (\S+): (\w+) > (\w+): (.+)$", re.M)


def changes(rig, client, port):
    """(from, to, why) of the connection with this source port."""
    lines = CHANGE.findall(rig.spliced.log.read_text())
    return [change for source, to, *change in lines if source.endswith(f":{client}") and to.endswith(f":{port}")]


def replayed(rig, client, port):
    """All of them, once it is over: a chain."""
    found = tcp.wait_for(lambda: (all := changes(rig, client, port)) and all[-1][1] == "END" and all, "the last change")
    assert found[0][0] == "FREE"
    for before, after in zip(found, found[1:]):
        assert before[1] == after[0], found
    assert all(why for _, _, why in found)
    return [to for _, to, _ in found]


def test_a_spliced_connection(raw, pair, family):
    client, server = pair(family, "http")
    states = replayed(raw, client.getsockname()[1], daemon.RAW_HTTP)
    assert states[0] == "HEAD" and states.index("CONNECTING") < states.index("COMMITTING") < states.index("END")


def test_an_answer_of_our_own(raw, family):
    """A head that is none."""
    with tcp.connect(raw.client, family.vip, daemon.RAW_HTTP) as client:
        client.sendall(b"nonsense\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400")
        port = client.getsockname()[1]
    assert "REPLIED" in replayed(raw, port, daemon.RAW_HTTP)


def test_without_it_nothing_is_said(raw, family, pair):
    raw.spliced.end(signal.SIGTERM)
    size = raw.spliced.log.stat().st_size
    raw.spliced.options = ()
    try:
        raw.spliced.start()
        pair(family, "http")
        raw.spliced.end(signal.SIGTERM)
    finally:
        del raw.spliced.options
    assert "debug" not in raw.spliced.log.read_text()[size:]
