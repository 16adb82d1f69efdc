#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A server of pools A, B and C whose responses are as odd as the requests want them: exchanges.py has the parameters.

usage: origin.py NAME RECORD PORT=POOL...

RECORD gets a line of JSON for each event: open, head, body (an upload is complete), bad (what is no request), close.
What it reads is read strictly: all that a balancer should have refused is `bad`.
"""
import asyncio
import contextlib
import itertools
import json
import os
import re
import socket
import struct
import sys
import time

from exchanges import chunked, digest, first_line, padding, parameters
import pages

HEAD_MAX = 1 << 18
LINGER_S = 2
REQUEST_LINE = re.compile(rb"([A-Z]+) ([!-~]+) HTTP/1\.([01])\Z")
FIELD = re.compile(rb"([!#-'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*\Z")
connections = itertools.count(1)


class Bad(Exception):
    """These bytes are no request."""


class Connection:
    def __init__(self, server, pool, reader, writer):
        self.server, self.pool, self.reader, self.writer = server, pool, reader, writer
        self.id, self.seq = next(connections), 0
        self.idle, self.end, self.was_idle = None, "fin", False
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def record(self, event, **more):
        self.server.record(event=event, pool=self.pool, conn=self.id, seq=self.seq, **more)

    async def serve(self):
        self.record("open")
        try:
            while await self.exchange():
                pass
            if not self.was_idle:
                await self.linger()
        except Bad as bad:
            self.record("bad", why=str(bad))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            self.record("broken", why=repr(error)[:200])
        finally:
            self.record("close")
            self.writer.close()

    async def linger(self):
        """RFC 9112, 9.6: a close while requests are unread would be a RST, and destroy the response."""
        if not self.writer.transport.is_closing():
            self.writer.write_eof()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.read_to_end(), LINGER_S)

    async def read_to_end(self):
        while await self.reader.read(1 << 16):
            pass

    def reset(self):
        if self.writer.transport.is_closing():
            return
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def exchange(self):
        """False when the connection ends."""
        try:
            head = await asyncio.wait_for(self.read_head(), self.idle)
        except asyncio.TimeoutError:
            return await self.end_idle()
        if head is None:
            return False
        self.seq += 1
        method, target, version, headers = parse(head)
        do = parameters(target, headers.get("x-do"))
        self.record("head", method=method, target=target[:200], nonce=do.get("n"), host=headers.get("host"), t=time.time())
        exchange = Exchange(self, method, target, version, headers, do)
        self.idle = int(do["idle"]) / 1000 if "idle" in do else None
        self.end = do.get("end", "fin")
        return await exchange.run()

    async def read_head(self):
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"\r\n"):        # RFC 9112, 2.2
                head = head[2:] if len(head) > 4 else await self.reader.readuntil(b"\r\n\r\n")
            return head
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise Bad(f"ends in a head: {error.partial[:200]}")
            return None

    async def end_idle(self):
        self.was_idle = True
        if self.end == "rst":
            self.reset()
        elif self.end == "408":
            self.writer.write(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 8\r\n\r\ntoo late")
        return False


def parse(head):
    line, *fields = head[:-4].split(b"\r\n")
    found = REQUEST_LINE.match(line)
    if not found:
        raise Bad(f"request line {line[:200]}")
    headers = {}
    for field in fields:
        pair = FIELD.match(field)
        if not pair:
            raise Bad(f"field {field[:200]}")
        name = pair[1].lower().decode()
        if name in headers and name in ("content-length", "transfer-encoding", "host"):
            raise Bad(f"{name} twice")
        headers[name] = pair[2].decode("latin-1")
    if "content-length" in headers and "transfer-encoding" in headers:
        raise Bad("two lengths")
    return found[1].decode(), found[2].decode(), int(found[3]), headers


class Exchange:
    def __init__(self, connection, method, target, version, headers, do):
        self.connection, self.reader, self.writer = connection, connection.reader, connection.writer
        self.method, self.target, self.version, self.headers, self.do = method, target, version, headers, do
        self.kind, self.nonce = do.get("do", "plain"), do.get("n", "-")
        tokens = headers.get("connection", "").lower().replace(" ", "").split(",")
        self.keeps = "close" not in tokens and (version == 1 or "keep-alive" in tokens)

    @property
    def origin(self):
        return f"{self.connection.pool}/{self.connection.server.name}/{self.nonce}"

    async def run(self):
        """True if the connection goes on."""
        early = self.kind in ("early", "refuse")
        if not early:
            await self.read_body()
        pieces, keeps = self.response()
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            if piece is not pieces[-1]:
                await asyncio.sleep(int(self.do.get("ms", 0)) / 1000)
        if self.kind == "reset":
            await asyncio.sleep(0.02)
            self.connection.reset()
            return False
        if self.kind in ("upgrade", "connect"):
            return await self.echo()
        if early and keeps:
            await self.read_body()
        return keeps

    async def echo(self):
        self.writer.write(f"tunnel {self.origin}\n".encode())
        while data := await self.reader.read(1 << 16):
            self.writer.write(data)
            await self.writer.drain()
        return False

    async def read_body(self):
        expects = self.headers.get("expect", "").lower() == "100-continue"
        if expects and self.kind not in ("refuse", "early"):
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "transfer-encoding" in self.headers:
            if self.headers["transfer-encoding"].lower() != "chunked":
                raise Bad("transfer-encoding " + self.headers["transfer-encoding"])
            self.body = await self.read_chunks()
        else:
            self.body = await self.reader.readexactly(int(self.headers.get("content-length", 0)))
        self.upload = digest(self.body)
        self.connection.record("body", nonce=self.nonce, upload=self.upload)

    async def read_chunks(self):
        body = bytearray()
        while True:
            line = await self.reader.readuntil(b"\r\n")
            size = re.match(rb"([0-9a-fA-F]{1,16})(?:[ \t]*;[\t -~]*)?\r\n\Z", line)
            if not size:
                raise Bad(f"size of a chunk: {line[:100]}")
            if int(size[1], 16) == 0:
                break
            body += await self.reader.readexactly(int(size[1], 16))
            if await self.reader.readexactly(2) != b"\r\n":
                raise Bad("end of a chunk")
        while (line := await self.reader.readuntil(b"\r\n")) != b"\r\n":
            if not FIELD.match(line[:-2]):
                raise Bad(f"trailer {line[:100]}")
        return bytes(body)

    # ---- responses ----

    def body_wanted(self):
        if self.kind in pages.TYPES:
            return pages.body(self.kind, self.connection.pool, self.nonce, int(self.do.get("count", 0)))
        upload = getattr(self, "upload", "-")
        pool, name = self.connection.pool, self.connection.server.name
        path = self.target.partition("?")[0]
        return (first_line(pool, name, self.method, path, self.nonce, upload)
                + padding(pool, self.nonce, int(self.do.get("size", 0))))

    def response(self):
        """(pieces with a pause between each, whether the connection goes on)"""
        kind, body = self.kind, self.body_wanted()
        if kind == "upgrade":
            return [self.head("101 Switching Protocols", "Connection: Upgrade", "Upgrade: echo")], True
        if kind == "connect":
            return [self.head("200 OK")], True
        if kind == "204":
            return [self.head("204 No Content")], self.keeps
        if kind == "304":
            return [self.head("304 Not Modified", 'ETag: "x"', f"Content-Length: {len(body)}")], self.keeps
        if kind in ("until-close", "http10") and not ("keep" in self.do):
            return self.paused(self.head("200 OK", minor=int(kind == "until-close")), body), False
        return self.framed(kind, body)

    def framed(self, kind, body):
        keeps, lines, minor = self.keeps and kind != "close", [], 1
        if kind == "http10":
            minor, lines = 0, ["Connection: keep-alive"]
        if not keeps:
            lines.append("Connection: close")
        elif self.version == 0:
            lines.append("Connection: keep-alive")
        if "chunk" in self.do and self.version == 1:
            lines.append("Transfer-Encoding: chunked")
            trailer = self.nonce if "trailer" in self.do else None
            wire = chunked(body, int(self.do["chunk"]), "ext" in self.do, trailer)
        else:
            lines.append(f"Content-Length: {len(body)}")
            wire = body
        head = self.head("417 Expectation Failed" if kind == "refuse" else "200 OK", *lines, minor=minor)
        if kind == "103":
            early = "HTTP/1.1 103 Early Hints\r\nLink: </x.css>\r\n\r\n".encode()
            head = early * int(self.do.get("times", 1)) + head
        if self.method == "HEAD":
            wire = b""
        return self.ended(kind, self.paused(head, wire), keeps)

    def ended(self, kind, pieces, keeps):
        if kind == "garbage":
            return [b"".join(pieces) + b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ngarbage"], keeps
        if kind in ("truncated", "reset"):
            whole = b"".join(pieces)
            return [whole[:-(len(whole) // 4)]], False
        return pieces, keeps

    def head(self, status, *lines, minor=1):
        lines = [f"HTTP/1.{minor} {status}", f"X-Origin: {self.origin}",
                 f"Content-Type: {pages.TYPES.get(self.kind, 'text/plain')}", "Cache-Control: no-store", *lines]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def paused(self, head, wire):
        whole = head + wire
        at = {"line": 9, "head": len(head) - 3, "size": len(head) + 1, "crlf": wire.find(b"\n") + len(head),
              "body": len(head) + len(wire) // 2, "last": len(whole) - 1}.get(self.do.get("at"))
        return [whole[:at], whole[at:]] if at and at < len(whole) else [whole]


class Server:
    def __init__(self, name, path):
        self.name, self.file = name, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def record(self, **event):
        os.write(self.file, json.dumps({"backend": self.name, **event}).encode() + b"\n")

    async def listen(self, port, pool):
        async def serve(reader, writer):
            await Connection(self, pool, reader, writer).serve()
        sock = socket.socket(socket.AF_INET6)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", port))
        return await asyncio.start_server(serve, sock=sock, limit=HEAD_MAX, backlog=1024)


async def main(name, path, *pools):
    server = Server(name, path)
    for pair in pools:
        port, pool = pair.split("=")
        await server.listen(int(port), pool)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
