# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every byte arrives, whatever the two ends and the way between them are like."""
import contextlib

import pytest

from reorder import reordering
from tcp import MIB, PATTERN, in_thread, info, read, read_pattern, send_pattern, transfer, wait_for, windows


def both_ways(client, server, count):
    transfer(client, server, count)
    transfer(server, client, count)


def skip_adopted(mode, way):
    if mode == "adopt" and way.source == "snat":
        pytest.skip("adopted: the handshake is the proxy's, whatever the backend is set to")


def test_big_upload_and_download(pair, way, kind):
    client, server = pair(way, kind)
    both_ways(client, server, 300 * MIB)


def test_both_directions_at_once(pair, way):
    client, server = pair(way)
    with in_thread(transfer, client, server, 100 * MIB):
        transfer(server, client, 100 * MIB)


@pytest.mark.minutes(2)
def test_past_4_gib(pair, family):
    """The sequence numbers of both directions wrap."""
    client, server = pair(family)
    transfer(server, client, 4200 * MIB)
    transfer(client, server, 4200 * MIB)


@pytest.mark.parametrize("isn", [0xffffffff, 0xfffffff0, 0xffffff00, 0xffff0000, 0x7fffff00])
def test_isn_near_the_wrap(pair, way, kind, isn):
    client, server = pair(way, kind, isn=isn)
    both_ways(client, server, 1 * MIB)


@pytest.mark.parametrize("without", ["tcp_timestamps", "tcp_sack", "tcp_window_scaling", "all"])
@pytest.mark.parametrize("end", ["client", "backend1"])
def test_peer_without_option(raw, pair, mode, way, end, without):
    """With a little loss, so that SACK blocks are sent where there is SACK."""
    if end == "backend1":
        skip_adopted(mode, way)
    off = ["tcp_timestamps", "tcp_sack", "tcp_window_scaling"] if without == "all" else [without]
    with raw.net.ns[end].sysctls(**{key: 0 for key in off}), losing_some(raw.net), raw.net.no_superpackets(), promised_again(raw):
        client, server = pair(way, "http")
        both_ways(client, server, 4 * MIB)
        detail = info(raw.net.ns[end], client if end == "client" else server)["detail"]
    for key, word in (("tcp_timestamps", " ts "), ("tcp_sack", " sack "), ("tcp_window_scaling", " wscale:")):
        assert (word in detail) == (key not in off), detail


@contextlib.contextmanager
def promised_again(raw):
    """What a backend was seen to lack, later clients are not promised, until a reload."""
    try:
        yield
    finally:
        if raw.spliced:
            raw.spliced.hangup()


@contextlib.contextmanager
def losing_some(net):
    """Three packets each way, far from the end of a transfer: no tail is lost, so nobody waits for a timer."""
    with net.router.nft("""chain lose {
            type filter hook forward priority 0
            iifname "client" meta length > 1000 numgen inc mod 1000 == 300 counter drop
            iifname != "client" meta length > 1000 numgen inc mod 1000 == 300 counter drop
        }"""):
        yield


@contextlib.contextmanager
def losing(net):
    """Of what the router forwards, either way, 1 %: of long packets each hundredth, so that no transfer is spared by chance."""
    with net.router.nft("""chain lose {
            type filter hook forward priority 0
            meta l4proto != tcp accept
            iifname "client" meta length > 1000 numgen inc mod 100 == 50 counter drop
            iifname != "client" meta length > 1000 numgen inc mod 100 == 50 counter drop
            meta length <= 1000 numgen random mod 100 < 1 counter drop
        }"""):
        yield


@pytest.mark.parametrize("tso", [True, False], ids=["tso", "no-tso"])
def test_loss(raw, pair, way, kind, tso):
    """1 % of segments, or of superpackets, gets lost; retransmission mends it, and is seen to."""
    with losing(raw.net), contextlib.nullcontext() if tso else raw.net.no_superpackets():
        client, server = pair(way, kind)
        both_ways(client, server, 32 * MIB)
        for ns, sock in ((raw.client, client), (raw.backend1, server)):
            assert "retrans" in info(ns, sock)


@pytest.mark.parametrize("tso", [True, False], ids=["tso", "no-tso"])
def test_reordering(raw, pair, way, kind, tso):
    """Every 20th packet is overtaken by others, and the receivers notice."""
    with contextlib.nullcontext() if tso else raw.net.no_superpackets():
        client, server = pair(way, kind)
        with reordering(raw.net):
            before = [out_of_order(ns) for ns in (raw.client, raw.backend1)]
            both_ways(client, server, 16 * MIB)
            after = [out_of_order(ns) for ns in (raw.client, raw.backend1)]
    assert all(b - a > 3 for a, b in zip(before, after)), (before, after)


def out_of_order(ns):
    return ns.counter("TcpExtTCPOFOQueue")


def test_without_offloads(raw, pair, way):
    with raw.net.no_superpackets():
        client, server = pair(way)
        both_ways(client, server, 100 * MIB)


@pytest.mark.parametrize("way_up", [True, False], ids=["upload", "download"])
def test_zero_window(raw, pair, way, kind, way_up):
    """A reader that stops for a while stops the writer, and then gets everything."""
    client, server = pair(way, kind, rcvbuf=65536, server_options={"rcvbuf": 65536})
    writer, reader, ns = (client, server, raw.client) if way_up else (server, client, raw.backend1)
    with in_thread(send_pattern, writer, 32 * MIB):
        wait_for(lambda: is_persisting(ns, writer), "the writer to meet a closed window")
        read_pattern(reader, 32 * MIB)


SCALES = {"same": {}, "big-client": {"client": 64 * MIB, "backend1": MIB}, "big-backend": {"client": MIB, "backend1": 64 * MIB},
          "unscaled-client": {"client": None}, "unscaled-backend": {"backend1": None}}


@pytest.mark.parametrize("scales", SCALES)
def test_window_means_the_same_at_both_ends(raw, pair, mode, way, kind, scales):
    """Window scales differ, the window that is granted is the window that is seen."""
    if scales == "unscaled-backend":
        skip_adopted(mode, way)
    with contextlib.ExitStack() as stack:
        for end, most in SCALES[scales].items():
            change = {"tcp_rmem": f"4096 131072 {most}"} if most else {"tcp_window_scaling": 0}
            stack.enter_context(raw.net.ns[end].sysctls(**change))
        client, server = pair(way, kind)
        both_ways(client, server, 8 * MIB)
        for sender, receiver in ((client, server), (server, client)):
            receiver.sendall(b"now")
            assert read(sender, 3) == b"now"
            seen, granted = windows(sender)[0], windows(receiver)[1]
            if scales.startswith("unscaled"):
                granted = min(granted, 0xffff)
            assert abs(seen - granted) <= 1 << 14, (seen, granted)


def is_persisting(ns, sock):
    return "timer:(persist" in info(ns, sock)["timers"]


def test_many_small_writes(pair, way):
    """Segments of every length from 1 to 1500."""
    client, server = pair(way)
    want = b"".join(PATTERN[:length] for length in range(1, 1501))

    def write(sock):
        for length in range(1, 1501):
            sock.sendall(PATTERN[:length])
    for sender, receiver in ((client, server), (server, client)):
        with in_thread(write, sender):
            assert read(receiver, len(want)) == want


def test_many_connections(raw, pair, way):
    """500 at a time, each with a little in both directions."""
    ends = [pair(way) for _ in range(500)]
    for i, (client, server) in enumerate(ends):
        client.sendall(b"up %d" % i)
        server.sendall(b"down %d" % i)
    for i, (client, server) in enumerate(ends):
        assert read(server, len(b"up %d" % i)) == b"up %d" % i
        assert read(client, len(b"down %d" % i)) == b"down %d" % i
