# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""dnsmasq in a namespace: its records are what the test says. And a server behind it that fails."""
import signal
import socket
import struct
import subprocess
import threading

from tcp import wait_for

ZONE = "example.internal"
BROKEN = "broken.internal"      # a zone for which the server behind dnsmasq is asked
SERVFAIL = 2


class Failing:
    """A DNS server that answers SERVFAIL, for dnsmasq to pass on."""
    def __init__(self, host, port):
        with host.inside():
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sock.bind(("127.0.0.1", port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                question, client = self.sock.recvfrom(4096)
                flags, = struct.unpack("!H", question[2:4])
                self.sock.sendto(question[:2] + struct.pack("!H", flags | 0x8080 | SERVFAIL) + question[4:], client)
        except OSError:
            pass

    def close(self):
        self.sock.close()


class Resolver:
    """`records`: dnsmasq's options, as in host-record=NAME,ADDRESS. Without one a name does not exist."""
    def __init__(self, host, work, port=53, ttl=1):
        self.host, self.work, self.port, self.ttl = host, work, port, ttl
        self.process = None

    def start(self, *records):
        conf = self.work / f"dnsmasq-{self.port}.conf"
        conf.write_text("\n".join((f"port={self.port}", "no-resolv", "no-hosts", "no-daemon", "user=root", "group=root",
                                   f"pid-file={self.work}/dnsmasq-{self.port}.pid", f"local-ttl={self.ttl}",
                                   f"local=/{ZONE}/", f"server=/{BROKEN}/127.0.0.1#5399", "cache-size=0",
                                   "bind-interfaces", f"listen-address={self.host.addr(4)}", *records)) + "\n")
        self.process = self.host.popen("dnsmasq", "-C", str(conf), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.answers, "dnsmasq to answer")

    def answers(self):
        assert self.process.poll() is None, "dnsmasq has ended"
        question = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + b"\1a\4test\0" + struct.pack("!2H", 1, 1)
        with self.host.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            try:
                sock.sendto(question, (self.host.addr(4), self.port))
                return sock.recv(512)
            except OSError:
                return False

    def set(self, *records):
        self.close()
        self.start(*records)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None
