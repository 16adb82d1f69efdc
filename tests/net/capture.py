# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Packets at all interfaces of a host, by a filter that tcpdump compiles."""
import ctypes
import socket
import struct
import subprocess

SOL_PACKET, PACKET_STATISTICS = 263, 6
ETH_P_ALL = 3
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
BUFFER_BYTES, SNAPLEN = 4 << 20, 0xffff
SOME_BYTES = 32


def tcp_payload(port):
    """From there."""
    return (f"(ip and tcp src port {port} and ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) > 0)"
            f" or (ip6 and tcp src port {port} and ip6[4:2] - ((ip6[52] & 0xf0) >> 2) > 0)")


def compiled(expression):
    said = subprocess.run(["tcpdump", "-i", "lo", "-s", str(SNAPLEN), "-ddd", expression], check=True, capture_output=True, text=True)
    return b"".join(struct.pack("HBBI", *map(int, line.split())) for line in said.stdout.splitlines()[1:])


class Capture:
    """What comes in and what goes out; it counts on when its buffer is full."""

    def __init__(self, ns, expression):
        program = compiled(expression)
        code = ctypes.create_string_buffer(program)
        with ns.inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        self.sock.settimeout(0)
        for _ in self.packets():        # from before there was a filter
            pass
        self.count()

    def count(self):
        """Since the last time it was asked."""
        return struct.unpack("II", self.sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[0]

    def packets(self):
        """Those that the buffer has held."""
        while True:
            try:
                yield self.sock.recv(SNAPLEN)
            except BlockingIOError:
                return

    def close(self):
        self.sock.close()


def has_bytes_of(packet, data):
    """However it is wrapped up."""
    return any(packet[at:at + SOME_BYTES] in data for at in range(0, len(packet) - SOME_BYTES + 1, SOME_BYTES))
