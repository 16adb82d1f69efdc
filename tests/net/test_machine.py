# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the proxy's own host does to it is met, or said as a warning with its remedy."""
import pytest

from daemon import RAW_HTTP
from one_daemon import raw, runs_again     # noqa: F401
from tcp import connect, wait_for

pytestmark = pytest.mark.spliced


def warnings(spliced, kind):
    return [one for one in spliced.status()["warning_details"] if one["kind"] == kind]


def warned(spliced, kind, timeout=5):
    """The first warning of that kind."""
    return wait_for(lambda: warnings(spliced, kind), f"a warning {kind}", timeout)[0]


def answer(rig, way, host="nobody.example.org"):
    """What a request gets that no route is for."""
    with connect(rig.client, way.vip, RAW_HTTP, timeout=2) as client:
        client.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        try:
            return client.recv(100)
        except TimeoutError:
            return None


def test_firewall_that_refuses_is_named(raw, family):
    """The lines of its remedy help."""
    drop = "chain out { type filter hook output priority 0; ct state invalid drop; }"
    with raw.net.proxy.nft(drop):
        assert answer(raw, family) is None
        said = warned(raw.spliced, "send_refused")
        assert "firewall" in said["text"] and family.vip in said["remedy"]
        assert said["since"] and said["text"] in raw.spliced.status()["warnings"]
        assert f"WARNING: {said['text']}\n" in raw.spliced.ctl("status")
        assert raw.spliced.log.read_text().count("Remedy: nft") == 1
        raw.net.proxy.run("nft", said["remedy"].split("'")[1])
        try:
            assert answer(raw, family).startswith(b"HTTP/1.1 ")
        finally:
            raw.net.proxy.run("nft", "delete table inet spliced")
