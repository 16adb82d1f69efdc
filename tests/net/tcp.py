# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""TCP sockets in namespaces, and transfers whose every byte is compared."""
import contextlib
import fcntl
import os
import re
import socket
import struct
import termios
import threading
import time

TIMEOUT = 15
patience = 1        # more, where the machine has other work meanwhile
MIB = 1 << 20
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
REPAIR_ON, REPAIR_OFF, SEND_QUEUE = 1, 0, 2
# A period that is no power of two, so that a lost or doubled page shows.
PATTERN = os.urandom(1021 * 1031)
PATTERN2 = memoryview(PATTERN + PATTERN)


def bound(seconds):
    """Of what takes this long at most on a machine at rest."""
    return seconds * patience


def wait_for(condition, what, timeout=TIMEOUT, every=0.02):
    """Its first true value."""
    end = time.monotonic() + bound(timeout)
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"in vain waited {timeout} s for: {what}"
        time.sleep(every)


def listen(ns, port, **options):
    """On all addresses of both families."""
    with ns.inside():
        sock = socket.socket(socket.AF_INET6)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    set_options(sock, options)
    sock.bind(("::", port))
    sock.listen(4096)
    sock.settimeout(TIMEOUT)
    return sock


def set_options(sock, options):
    if "rcvbuf" in options:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["rcvbuf"])


def open_socket(ns, addr, sport=0, isn=None, **options):
    with ns.inside():
        sock = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET)
    sock.settimeout(options.get("timeout", TIMEOUT))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    set_options(sock, options)
    if sport:
        sock.bind(("", sport))
    if isn is not None:     # connect() picks one only where there is none yet
        for option, value in ((TCP_REPAIR, REPAIR_ON), (TCP_REPAIR_QUEUE, SEND_QUEUE),
                              (TCP_QUEUE_SEQ, isn), (TCP_REPAIR, REPAIR_OFF)):
            sock.setsockopt(socket.IPPROTO_TCP, option, struct.pack("I", value))
    return sock


def connect(ns, addr, port, **options):
    sock = open_socket(ns, addr, **options)
    sock.connect((addr, port))
    return sock


def accept(listener):
    sock, _ = listener.accept()
    sock.settimeout(TIMEOUT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def read(sock, count):
    data = bytearray()
    while len(data) < count:
        piece = sock.recv(count - len(data))
        assert piece, f"end after {len(data)} of {count} bytes: {bytes(data[-200:])}"
        data += piece
    return bytes(data)


def read_to_end(sock):
    data = bytearray()
    while piece := sock.recv(65536):
        data += piece
    return bytes(data)


def vanish(sock):
    """Close without a word to the other end, as a crash does."""
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, struct.pack("I", REPAIR_ON))
    sock.close()


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def close_both(first, last):
    """One behind the other. A client's port is free when its server was the first."""
    first.close()
    assert last.recv(1) == b""
    last.close()


def send_pattern(sock, count):
    sent = 0
    while sent < count:
        at = sent % len(PATTERN)
        sent += sock.send(PATTERN2[at:at + min(1 << 20, count - sent)])


def read_pattern(sock, count, on_bytes=None):
    """Compare with what send_pattern() sends. Return the longest gap between two reads, in s."""
    buf = bytearray(1 << 20)
    view, got, gap, last = memoryview(buf), 0, 0, time.monotonic()
    while got < count:
        n = sock.recv_into(view[:min(len(buf), count - got)])
        now = time.monotonic()
        gap, last = max(gap, now - last), now
        assert n, f"end after {got} of {count} bytes"
        at = got % len(PATTERN)
        if buf[:n] != PATTERN2[at:at + n]:
            bad = next(i for i in range(n) if buf[i] != PATTERN2[at + i])
            raise AssertionError(f"byte {got + bad} differs, {n - bad} before the end of this read")
        got += n
        if on_bytes:
            on_bytes(got)
    return gap


@contextlib.contextmanager
def in_thread(function, *args):
    """Runs meanwhile; what it raises is raised at the end."""
    failed = []

    def body():
        try:
            function(*args)
        except BaseException as error:      # noqa: handed on below
            failed.append(error)
    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    try:
        yield thread
    except KeyboardInterrupt:
        raise       # without waiting for it
    except BaseException:
        thread.join(TIMEOUT * 4)
        raise
    thread.join(TIMEOUT * 4)
    assert not thread.is_alive(), f"{function.__name__} still runs"
    if failed:
        raise failed[0]


def transfer(sender, receiver, count, on_bytes=None):
    """count bytes, then nothing more. Return the longest gap in s."""
    with in_thread(send_pattern, sender, count):
        return read_pattern(receiver, count, on_bytes)


def at_bytes(events):
    """For read_pattern(): do things when so much has been read."""
    left = sorted(events.items())

    def on_bytes(got):
        while left and got >= left[0][0]:
            left.pop(0)[1]()
    return on_bytes


def info(ns, sock):
    """What ss tells of a socket: {"state": .., "timers": .., "mss": .., "pmtu": .., "retrans": ..}"""
    said = ns.run("ss", "-Htineo", f"sport = :{sock.getsockname()[1]}").splitlines()
    inode = f" ino:{os.fstat(sock.fileno()).st_ino} "   # an older one may have had the same ports, and other addresses
    for head, detail in zip(said[::2], said[1::2]):
        if inode in f"{head} ":
            return {"state": head.split()[0], "timers": head, "detail": detail, **dict(re.findall(r"(\w+):([^ ]+)", detail))}
    return None


def unsent(sock):
    """Bytes that the other end has not acknowledged (SIOCOUTQ)."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]


def acknowledged(sock):
    return unsent(sock) == 0


def windows(sock):
    """(what the peer lets us send, what we let the peer send): tcpi_snd_wnd and tcpi_rcv_wnd, in bytes."""
    return struct.unpack_from("II", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), 228)


def segments(sock):
    """(sent, received) by this end: tcpi_segs_out and tcpi_segs_in. A superpacket counts as the segments in it."""
    return struct.unpack_from("II", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), 136)


def on_the_way(one, other):
    """Segments sent and not received, in each direction; those of the handshakes, which end at the proxy, are in it."""
    (sent, got), (sent_back, got_back) = segments(one), segments(other)
    return sent - got_back, sent_back - got


@contextlib.contextmanager
def nothing_lost(one, other):
    """Each segment that one end sends meanwhile arrives at the other. Whether TCP sent it once or more is no matter."""
    def settled():
        before = on_the_way(one, other)
        time.sleep(0.1)
        return before if on_the_way(one, other) == before else None
    before = wait_for(settled, "both ends to be silent")
    yield
    assert wait_for(settled, "both ends to be silent") == before, "segments were lost, or came twice"
