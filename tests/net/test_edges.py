# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How connections end, and what may come after: half-close, RST, port reuse, forged segments."""
import time

import pytest

import rawtcp
from daemon import RAW_TCP
from rawtcp import ACK, PSH
from tcp import (MIB, accept, close_both, connect, info, in_thread, open_socket, read, read_to_end, reset, transfer, vanish,
                 wait_for)


def is_reset(sock):
    """Wait for it: a read that fails, with nothing before."""
    try:
        return sock.recv(1) and False
    except ConnectionResetError:
        return True


@pytest.mark.each_mode
@pytest.mark.parametrize("first", ["client", "server"])
def test_half_close(pair, way, kind, first):
    """One end says it is done, the other one goes on sending, then is done too."""
    client, server = pair(way, kind)
    done, goes_on = (client, server) if first == "client" else (server, client)
    transfer(done, goes_on, MIB)
    done.shutdown(1)
    assert goes_on.recv(1) == b""
    transfer(goes_on, done, 20 * MIB)
    goes_on.shutdown(1)
    assert done.recv(1) == b""


@pytest.mark.parametrize("first", ["client", "server"])
def test_nothing_is_left_after_close(raw, pair, way, kind, first):
    """No end hangs in FIN-WAIT, CLOSE-WAIT or LAST-ACK."""
    client, server = pair(way, kind)
    names = client.getsockname()[1], server.getpeername()[1]
    for sock in (client, server) if first == "client" else (server, client):
        sock.shutdown(1)
    for sock in (client, server):
        assert sock.recv(1) == b""
        sock.close()
    wait_for(lambda: not lingering(raw.client, "sport", names[0]), "the client's end to be gone")
    wait_for(lambda: not lingering(raw.backend1, "dport", names[1]), "the backend's end to be gone")


@pytest.mark.each_mode
def test_last_fin_finds_a_server_that_is_done(raw, pair, way, kind):
    """All that is left of its socket are numbers, but the client's FIN is acknowledged at once."""
    client, server = pair(way, kind)
    ours, theirs = client.getsockname()[1], server.getpeername()[1]
    transfer(client, server, 3000)
    server.close()
    assert client.recv(1) == b""
    wait_for(lambda: any(line.startswith("FIN-WAIT-2") for line in lingering(raw.backend1, "dport", theirs)), "an acknowledgement")
    before = raw.client.counter("TcpRetransSegs")
    client.close()
    wait_for(lambda: not lingering(raw.client, "sport", ours), "the client's end to be gone")
    assert raw.client.counter("TcpRetransSegs") == before


def lingering(ns, which, port):
    lines = ns.run("ss", "-Htan", f"{which} = :{port}").splitlines()
    return [line for line in lines if line.split()[0] not in ("TIME-WAIT", "LISTEN")]


@pytest.mark.each_mode
@pytest.mark.parametrize("end", ["client", "server"])
@pytest.mark.parametrize("before", [0, MIB], ids=["at-once", "after-data"])
def test_rst_is_seen_at_the_other_end(pair, way, kind, end, before):
    client, server = pair(way, kind)
    resets, sees = (client, server) if end == "client" else (server, client)
    transfer(resets, sees, before)
    reset(resets)
    assert is_reset(sees)


@pytest.mark.parametrize("end", ["client", "server"])
def test_rst_in_the_middle_of_data(pair, way, end):
    """The other end is writing when it happens."""
    client, server = pair(way)
    resets, writes = (client, server) if end == "client" else (server, client)
    resets.settimeout(5)
    writes.sendall(b"x" * 65536)
    read(resets, 1000)
    reset(resets)       # with unread data
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        for _ in range(1000):
            writes.sendall(b"x" * 65536)


def test_same_port_after_close(pair, way, kind):
    """The server closes first, so the client may use its port again at once."""
    client, server = pair(way, kind)
    port = client.getsockname()[1]
    for i in range(50):
        transfer(client, server, 3000)
        close_both(server, client)
        client, server = pair(way, kind, sport=port)


def test_same_port_after_the_client_closed(raw, pair, way):
    """The client closes first, and forgets its TIME-WAIT."""
    client, server = pair(way)
    port = client.getsockname()[1]
    for i in range(20):
        transfer(server, client, 3000)
        client.shutdown(1)
        assert server.recv(1) == b""
        server.close()
        assert client.recv(1) == b""
        vanish(client)
        client, server = pair(way, sport=port)


@pytest.mark.parametrize("end", ["client", "server"])
def test_same_port_after_rst(pair, way, kind, end):
    client, server = pair(way, kind)
    port = client.getsockname()[1]
    for _ in range(50):
        transfer(server, client, 3000)
        reset(client if end == "client" else server)
        assert is_reset(server if end == "client" else client)
        client.close()
        client, server = pair(way, kind, sport=port)


@pytest.mark.each_mode
def test_client_that_forgot_its_connection(pair, way):
    """A SYN on a live connection is answered by a challenge ACK, whose RST frees the port (RFC 5961)."""
    client, server = pair(way)
    port = client.getsockname()[1]
    vanish(client)
    again, other = pair(way, sport=port)
    assert is_reset(server)
    transfer(again, other, MIB)


def forge(raw, way, client, flags, **fields):
    """A segment that claims to be from this client."""
    with rawtcp.Raw(raw.net, way.vip, RAW_TCP, client.getsockname()[1]) as forger:
        forger.src = rawtcp.pack_addr(client.getsockname()[0])
        forger.send(flags, **fields)


def test_forged_syn_kills_nothing(raw, pair, way):
    client, server = pair(way)
    transfer(client, server, MIB)
    for seq in (0, 0x40000000, 0x80000000, 0xc0000000):
        forge(raw, way, client, rawtcp.SYN, seq=seq, options=rawtcp.Raw.OPTIONS)
    transfer(client, server, MIB)
    transfer(server, client, MIB)


def test_forged_rst_kills_nothing(raw, pair, way):
    """Out of the window, as far as four guesses can be."""
    client, server = pair(way, isn=1000)
    for seq in (0x10000000, 0x50000000, 0x90000000, 0xd0000000):
        forge(raw, way, client, rawtcp.RST, seq=seq)
        forge(raw, way, client, rawtcp.FIN | rawtcp.ACK, seq=seq)
    transfer(client, server, MIB)
    transfer(server, client, MIB)


@pytest.mark.each_mode
def test_forged_rst_near_by_opens_no_door(raw, pair, way):
    """A number that is nearly right: the backend does not believe it, so a SYN behind it must not find the splice closed."""
    client, server = pair(way, isn=1000)
    transfer(client, server, 1000)
    for seq in (2002, 2000 + 60000, 900):
        forge(raw, way, client, rawtcp.RST, seq=seq)
        forge(raw, way, client, rawtcp.SYN, seq=77777)
    transfer(server, client, 1000)
    transfer(client, server, MIB)
    transfer(server, client, MIB)


def test_urgent_data(pair, way):
    """The urgent pointer is relative to the segment and must come through."""
    import socket
    client, server = pair(way)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 0)
    client.sendall(b"abc")
    client.send(b"!", socket.MSG_OOB)
    client.sendall(b"def")
    assert read(server, 3) == b"abc"
    assert server.recv(1, socket.MSG_OOB) == b"!"
    assert read(server, 3) == b"def"


def test_simultaneous_close(pair, way):
    for _ in range(20):
        client, server = pair(way)
        with in_thread(client.shutdown, 1):
            server.shutdown(1)
        assert client.recv(1) == b"" and server.recv(1) == b""
        client.close()
        server.close()


def test_keepalive_probes_are_answered(raw, pair, way):
    """A probe carries a sequence number from before the window; the answer shows it got through."""
    import socket
    client, server = pair(way)
    for sock, ns in ((client, raw.client), (server, raw.backend1)):
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2)):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        before = int(info(ns, sock)["segs_out"]), int(info(ns, sock)["segs_in"])
        wait_for(lambda: int(info(ns, sock)["segs_out"]) >= before[0] + 2
                 and int(info(ns, sock)["segs_in"]) >= before[1] + 2, "two probes and their answers")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)
    transfer(client, server, 1000)


def test_server_speaks_first(raw, pair, way):
    """Not a byte of the client's is needed in a tcp service."""
    listener = pair.listener("tcp")
    with open_socket(raw.client, way.vip) as client:
        client.connect((way.vip, RAW_TCP))
        with accept(listener) as server:
            server.sendall(b"SSH-2.0-hello\r\n")
            assert read(client, 15) == b"SSH-2.0-hello\r\n"
            client.sendall(b"thanks")
            assert read(server, 6) == b"thanks"
            server.close()
            assert read_to_end(client) == b""


def test_server_speaks_first_although_the_ack_is_lost(raw, pair, way):
    """Neither end has anything to repeat: the SYN-ACK is, after a second."""
    listener = pair.listener("tcp")
    first_ack = 'iifname "client" tcp flags & (syn | ack | psh | fin) == ack quota 80 bytes counter drop'
    with raw.net.router.nft(f"chain lose {{\n type filter hook forward priority 0\n {first_ack}\n }}"):
        with connect(raw.client, way.vip, RAW_TCP) as client, accept(listener) as server:
            server.sendall(b"SSH-2.0-hello\r\n")
            assert read(client, 15) == b"SSH-2.0-hello\r\n"


def test_nobody_listens(raw, way):
    """A backend that refuses is heard of: no client hangs."""
    with open_socket(raw.client, way.vip) as client, pytest.raises((ConnectionRefusedError, ConnectionResetError)):
        client.connect((way.vip, RAW_TCP))
        client.recv(1)
        raise AssertionError("an end without RST")


def reset_when_repeated(client, send):
    """It may be the second segment of a head that comes first: only one that is repeated a second later is refused."""
    start = time.monotonic()
    while time.monotonic() < start + 5:
        send()
        answer = client.receive(0.3, lambda seg: seg.flags & rawtcp.RST)
        if answer:
            assert time.monotonic() > start + 0.9, "refused at once"
            return answer
    raise AssertionError("not refused")


@pytest.mark.spliced
def test_segment_of_an_unknown_connection_is_reset(raw, family):
    """Nothing knows it, and the store is here: a client that believes in it must hear so. But not at once (law 4)."""
    with rawtcp.Raw(raw.net, family.vip, RAW_TCP, 9998) as forger:
        answer = reset_when_repeated(forger, lambda: forger.send(ACK | PSH, b"hello", seq=5000, ack=77777))
        assert answer.seq == 77777
