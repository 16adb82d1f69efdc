# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One connection each from many addresses of a /8, at a pace: many_sources.py DEVICE OUR-MAC THEIR-MAC VIP PORT COUNT RATE

SYN, and for each SYN-ACK a request, so that the address is proved. No address is the kernel's, so nothing else answers.
Prints how many were answered, and the seconds that it took.
"""
import select
import socket
import struct
import sys
import time

from rawtcp import ACK, PSH, SYN, Raw, build, pack_addr

FIRST = 11 << 24
REQUEST = b"GET / HTTP/1.1\r\nHost: none.example\r\n\r\n"
ETHERTYPE = 0x0800
PATIENCE_S = 1      # for the last answers


class Packets:
    """Of one kind: only the source, its port and the numbers differ, and the checksums follow them."""
    def __init__(self, header, dst, port, flags, payload=b"", options=b""):
        packet = build(bytes(4), dst, 0, port, 0, 0, flags, payload, options)
        self.header, self.ip, self.tcp = header, packet[:10], packet[20:]
        self.dst, self.rest, self.port = dst, self.tcp[12:16] + bytes(2) + self.tcp[18:], self.tcp[2:4]
        self.ip_sum = sum(struct.unpack("!5H", self.ip)) + sum(struct.unpack("!2H", dst))
        odd = self.tcp + b"\0" * (len(self.tcp) % 2)
        self.tcp_sum = sum(struct.unpack(f"!{len(odd) // 2}H", odd)) - int.from_bytes(self.tcp[16:18], "big")
        self.tcp_sum += sum(struct.unpack("!2H", dst)) + 6 + len(self.tcp)

    @staticmethod
    def fold(total):
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        return ~total & 0xffff

    def frame(self, addr, sport, seq, ack):
        high, low = addr >> 16, addr & 0xffff
        tcp_sum = self.fold(self.tcp_sum + high + low + sport + (seq >> 16) + (seq & 0xffff) + (ack >> 16) + (ack & 0xffff))
        return b"".join((self.header, self.ip, struct.pack("!HI", self.fold(self.ip_sum + high + low), addr), self.dst,
                         struct.pack("!H2sII", sport, self.port, seq, ack), self.rest[:4], struct.pack("!H", tcp_sum), self.rest[6:]))


def answer(frame, requests, sock):
    """Whether it was a SYN-ACK."""
    if frame[23] != 6 or frame[47] & 0x12 != 0x12 or frame[30] != FIRST >> 24:
        return 0
    addr, sport = int.from_bytes(frame[30:34], "big"), int.from_bytes(frame[36:38], "big")
    seq, ack = struct.unpack("!II", frame[38:46])
    sock.send(requests.frame(addr, sport, ack, (seq + 1) & 0xffffffff))
    return 1


def main(device, ours, theirs, vip, port, count, rate):
    header = bytes.fromhex((theirs + ours).replace(":", "")) + struct.pack("!H", ETHERTYPE)
    syns = Packets(header, pack_addr(vip), int(port), SYN, options=Raw.OPTIONS + b"\1")
    requests = Packets(header, pack_addr(vip), int(port), ACK | PSH, REQUEST)
    count, rate, sent, answered = int(count), int(rate), 0, 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)     # SO_RCVBUFFORCE
        sock.bind((device, ETHERTYPE))
        sock.setblocking(False)
        print("ready", flush=True)
        sys.stdin.readline()
        start = last = time.monotonic()
        while sent < count or time.monotonic() - last < PATIENCE_S:
            while sent < min(count, (time.monotonic() - start) * rate):
                sock.send(syns.frame(FIRST + sent, 1024 + sent % 60000, 1000, 0))
                sent, last = sent + 1, time.monotonic()
            if not select.select([sock], [], [], 0.001)[0]:
                continue
            try:
                for _ in range(64):
                    answered += answer(sock.recv(128), requests, sock)
            except BlockingIOError:
                pass
        print(answered, time.monotonic() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
