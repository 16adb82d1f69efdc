# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What goes through the proxies meanwhile: downloads, and a chat."""
import asyncio
import contextlib
import hashlib
import threading
import time

import websockets

import tcp


class Stream(threading.Thread):
    """Something that moves, or doesn't: when it last did, and its longest gap."""

    def __init__(self, name, sport, vip):
        super().__init__(daemon=True)
        self.name, self.sport, self.vip = name, sport, vip
        self.gap, self.error, self.is_ending = 0.0, None, False
        self.start_s = self.last_s = time.monotonic()

    def moved(self):
        now = time.monotonic()
        self.gap, self.last_s = max(self.gap, now - self.last_s), now

    def silent_s(self):
        return time.monotonic() - self.last_s

    def end(self, patience=10):
        """Return whether it has ended."""
        self.is_ending = True
        self.join(patience)
        return not self.is_alive()


class Download(Stream):
    """GET of a file, again and again over the same connection; each time its SHA-256."""

    def __init__(self, client, name, sport, vip, path, size, host="files.example.org"):
        super().__init__(name, sport, vip)
        self.path, self.host, self.size = path, host, size
        self.bytes, self.shas = 0, []
        self.sock = tcp.connect(client, vip, 80, sport=sport, timeout=60)
        self.me = self.sock.getsockname()[:2]
        self.start()

    def run(self):
        try:
            while not (self.shas and self.is_ending):
                self.sock.sendall(f"GET {self.path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
                self.shas.append(self.body(self.head()))
        except OSError as e:
            self.error = e.strerror or str(e)
        self.sock.close()

    def head(self):
        """Return what came of the body with it."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.sock.recv(4096)
            if not more:
                raise OSError("connection closed")
            data += more
        self.moved()
        return data.split(b"\r\n\r\n", 1)[1]

    def body(self, data):
        sha, buf, left = hashlib.sha256(data), memoryview(bytearray(1 << 20)), self.size - len(data)
        self.bytes += len(data)
        while left:
            n = self.sock.recv_into(buf[:min(left, len(buf))])
            if not n:
                raise OSError("connection closed")
            self.moved()
            sha.update(buf[:n])
            self.bytes += n
            left -= n
        return sha.hexdigest()

    def told(self):
        return f"{self.bytes >> 20} MiB"


class Chat(Stream):
    """A websocket: numbers both ways, each side's own; what comes must be the next one."""
    EVERY_S = 0.02

    def __init__(self, client, server, sport, vip, port):
        super().__init__("chat", sport, vip)
        self.sent = self.heard = self.echoed = 0
        self.listener = tcp.listen(server, port)
        self.sock = tcp.connect(client, vip, 80, sport=sport)
        self.me = self.sock.getsockname()[:2]
        self.start()

    def run(self):
        try:
            asyncio.run(self.talk())
        except (AssertionError, OSError, websockets.WebSocketException) as e:
            self.error = str(e) or type(e).__name__

    async def talk(self):
        options = {"compression": None, "ping_interval": None}
        async with websockets.serve(self.other_end, sock=self.listener, **options):
            async with websockets.connect("ws://chat.example.org/chat", sock=self.sock, **options) as socket:
                speaker = asyncio.create_task(self.speak(socket))
                while not (speaker.done() and self.echoed == self.sent):
                    self.hear(await asyncio.wait_for(socket.recv(), 10))

    async def speak(self, socket):
        while not self.is_ending:
            await socket.send(f"echo {self.sent}")
            self.sent += 1
            await asyncio.sleep(self.EVERY_S)

    def hear(self, message):
        kind, number = message.split()
        wanted = self.echoed if kind == "echo" else self.heard
        assert int(number) == wanted, f"{message} instead of {wanted}"
        self.echoed += kind == "echo"
        self.heard += kind == "news"
        self.moved()

    async def other_end(self, socket):
        news = asyncio.create_task(self.tell(socket))
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in socket:
                await socket.send(message)
        news.cancel()

    async def tell(self, socket):
        number = 0
        while True:
            await socket.send(f"news {number}")
            number += 1
            await asyncio.sleep(self.EVERY_S)

    def told(self):
        return f"{self.sent} sent, {self.echoed} echoed, {self.heard} news"
