# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A TCP client that sends just the segments a test wants, from an address the kernel does not know."""
import contextlib
import socket
import struct
import time

import tcp

HOST_DIGIT = 0x42
RTO_S = 1           # a kernel's first one
TIMEOUT_S = 10
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def pack_addr(addr):
    return socket.inet_pton(socket.AF_INET6 if ":" in addr else socket.AF_INET, addr)


def build(src, dst, sport, dport, seq, ack, flags, payload=b"", options=b"", window=65535):
    """An IP packet; src and dst are packed."""
    options += b"\1" * (-len(options) % 4)
    tcp = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff,
                      (20 + len(options)) << 2, flags, window, 0, 0) + options + payload
    pseudo = src + dst + struct.pack("!HH" if len(src) == 4 else "!II", *((6, len(tcp)) if len(src) == 4 else (len(tcp), 6)))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    if len(src) == 16:
        return struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + src + dst + tcp
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, src, dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + tcp


class Segment:
    def __init__(self, packet):
        if packet[0] >> 4 == 4:
            end = int.from_bytes(packet[2:4], "big")
            self.src, self.dst, at = packet[12:16], packet[16:20], (packet[0] & 15) * 4
            self.proto = packet[9]
        else:
            end = 40 + int.from_bytes(packet[4:6], "big")
            self.src, self.dst, at = packet[8:24], packet[24:40], 40
            self.proto = packet[6]
        if self.proto != 6:
            return
        tcp = packet[at:end]
        self.sport, self.dport, self.seq, self.ack, offset, self.flags, self.window = struct.unpack("!HHIIBBH", tcp[:16])
        self.options, self.payload = tcp[20:(offset >> 4) * 4], tcp[(offset >> 4) * 4:]


def mac_of(ns, device):
    return ns.run("ip", "-o", "link", "show", device).split("link/ether ")[1].split()[0]


class Raw:
    """One connection. The neighbour is told our address once; nothing answers for it but us."""
    clients = repeating = 0     # all that there were; those that had to retransmit
    OPTIONS = bytes((2, 4, 1460 >> 8, 1460 & 255, 4, 2, 1, 3, 3, 7))     # MSS, SACK permitted, window scale 7

    def __init__(self, net, vip, port, sport, isn=1000, options=OPTIONS):
        self.net, self.vip, self.port, self.sport, self.isn, self.options = net, vip, port, sport, isn, options
        (peer, (k, _)), *_ = net.client.links.items()
        self.addr = f"fd00:{k}::{HOST_DIGIT:x}" if ":" in vip else f"10.{k}.0.{HOST_DIGIT}"
        self.src, self.dst = pack_addr(self.addr), pack_addr(vip)
        ours, theirs = mac_of(net.client, peer), mac_of(net.ns[peer], net.client.name)
        net.ns[peer].run("ip", "neigh", "replace", self.addr, "lladdr", ours, "dev", net.client.name, "nud", "permanent")
        kind = 0x86dd if ":" in vip else 0x0800
        self.macs = bytes.fromhex((theirs + ours).replace(":", ""))
        self.header = self.macs + struct.pack("!H", kind)
        with net.client.inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
        self.sock.bind((peer, kind))
        self.seq, self.ack = isn, 0
        self.longest = 0        # payload received
        self.sent = []          # (offset of its end, frame): repeated until it is acknowledged
        self.acked = self.repeated = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        Raw.clients += 1
        Raw.repeating += bool(self.repeated)
        self.sock.close()

    def packet(self, flags, payload=b"", at=None, options=b"", **fields):
        """at: offset of the payload in the client's stream."""
        seq = fields.get("seq", self.seq if at is None else self.isn + 1 + at)
        return build(self.src, self.dst, self.sport, self.port, seq, fields.get("ack", self.ack), flags, payload, options)

    def send(self, flags, payload=b"", at=None, options=b"", **fields):
        frame = self.header + self.packet(flags, payload, at, options, **fields)
        if payload:
            start = self.seq - self.isn - 1 if at is None else at
            self.sent.append((start + len(payload), frame))
        self.sock.send(frame)

    def repeat(self):
        """Retransmission: all that the peer has not acknowledged, in the order and by the segments of before."""
        missing = [frame for end, frame in self.sent if end > self.acked]
        self.repeated += bool(missing)
        for frame in missing:
            self.sock.send(frame)

    def close(self):
        """Sends a FIN, until it is acknowledged."""
        for _ in range(5):
            self.send(FIN | ACK)
            if self.receive(RTO_S, lambda seg: seg.flags & RST or seg.ack == (self.seq + 1) & 0xffffffff):
                return

    def receive(self, timeout=5, want=lambda seg: True):
        """The next segment to us that is wanted, or None."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                frame = self.sock.recv(65600)
            except TimeoutError:
                return None
            seg = Segment(frame[14:])
            if seg.dst == self.src and seg.proto == 6 and seg.dport == self.sport and want(seg):
                self.longest = max(self.longest, len(seg.payload))
                return seg
        return None

    def handshake(self):
        self.send(SYN, options=self.options, seq=self.isn)
        answer = self.receive(want=lambda seg: seg.flags & SYN)
        assert answer and answer.flags == SYN | ACK, "no SYN-ACK"
        assert answer.ack == (self.isn + 1) & 0xffffffff
        self.their_isn, self.their_options = answer.seq, answer.options
        self.seq, self.ack = self.isn + 1, answer.seq + 1
        return answer

    def acknowledge(self):
        self.send(ACK)

    def accepted(self, listener):
        """The server's end. Retransmits meanwhile."""
        usual = listener.gettimeout()
        listener.settimeout(RTO_S)
        try:
            for _ in range(tcp.bound(TIMEOUT_S)):
                with contextlib.suppress(TimeoutError):
                    return tcp.accept(listener)
                self.repeat()
        finally:
            listener.settimeout(usual)
        raise TimeoutError("no connection arrives at the server")

    def collect(self, until, timeout=TIMEOUT_S, acknowledge=True):
        """The server's stream until `until(bytes)` or FIN or RST. Return (bytes, flags of the last segment)."""
        pieces, end, got, flags = {}, time.monotonic() + tcp.bound(timeout), b"", 0
        while time.monotonic() < end and not until(got) and not flags & (FIN | RST):
            seg = self.receive(RTO_S, lambda seg: not seg.flags & SYN)
            if not seg:
                self.repeat()
                continue
            self.acked = max(self.acked, seg.ack - self.isn - 1 & 0xffffffff)
            at = (seg.seq - self.their_isn - 1) & 0xffffffff
            pieces[at] = max(seg.payload, pieces.get(at, b""), key=len)    # an acknowledgement may be late
            got = b""
            for at in sorted(pieces):
                if at <= len(got):
                    got = got[:at] + pieces[at] + got[at + len(pieces[at]):]
            if seg.flags & RST or seg.flags & FIN and len(got) == (seg.seq - self.their_isn - 1 + len(seg.payload)) & 0xffffffff:
                flags = seg.flags
            self.ack = self.their_isn + 1 + len(got) + (1 if flags & FIN else 0)
            if acknowledge and (seg.payload or seg.flags & FIN):
                self.acknowledge()
        return got, flags
