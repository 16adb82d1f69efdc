# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sends SYNs, or ACKs with data, from random addresses: flood.py DEVICE OUR-MAC THEIR-MAC VIP PORT COUNT syn|ack

A program of its own, so that it does not compete with the test for Python's lock. Ends after COUNT packets or 5 s.
"""
import os
import random
import socket
import struct
import sys
import time

from rawtcp import ACK, PSH, SYN, Raw, build, pack_addr

LIMIT_S = 5


def source(is_v6):
    if is_v6:
        return b"\x20\x01\0\2\0\0" + os.urandom(10)
    return bytes((198, random.choice((18, 19)))) + os.urandom(2)


def packets(dst, port, kind):
    """Endless. Only addresses, port and numbers are random; the checksum is brought up to date."""
    is_v6 = len(dst) == 16
    what = (SYN, b"", Raw.OPTIONS) if kind == "syn" else (ACK | PSH, b"GET / HTTP/1.1\r\n\r\n", b"")
    while True:
        sport, seq, ack = struct.unpack("!HII", os.urandom(10))
        yield build(source(is_v6), dst, sport or 1, port, seq, ack, *what)


def main(device, ours, theirs, vip, port, count, kind):
    ethertype = 0x86dd if ":" in vip else 0x0800
    header = bytes.fromhex((theirs + ours).replace(":", "")) + struct.pack("!H", ethertype)
    some = packets(pack_addr(vip), int(port), kind)
    frames = [header + next(some) for _ in range(int(count))]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((device, ethertype))
        print("ready", flush=True)
        sys.stdin.readline()
        start = time.monotonic()
        sent = 0
        for frame in frames:
            try:
                sock.send(frame)
                sent += 1
            except OSError:     # no buffers: as lost as any
                pass
            if not sent % 1000 and time.monotonic() - start > LIMIT_S:
                break
        print(sent, time.monotonic() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
