#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An HTTP server that writes down what it does: backend.py RECORD PORT...

Each request has an id. A line is appended to the record when it runs (before anything is answered), and one when its connection
ends. Lines on standard input: `open NAME` opens a gate; who is told to wait for a gate waits until it is open.

    POST /do/ID?gate=NAME      reads a body, runs, waits, and answers with 4 KiB of the id's bytes (DELETE: without a body)
    GET  /down/ID?gate=NAME    runs, and sends the id's bytes piece by piece until the gate opens, then 256 KiB at once
    PUT  /up/ID                reads a body of any length, compares it, and says how long it was

What comes before in a path says nothing here. A response has the id, and the port that it came to.
"""
import asyncio
import os
import socket
import struct
import sys
import urllib.parse

from pattern import Stream

PIECE, PACE_S, TAIL, SHORT = 1 << 16, 0.01, 1 << 18, 4096
TCP_INFO_RETRANS, TCP_INFO_DSACK = 100, 216     # offsets of tcpi_total_retrans and tcpi_dsack_dups


class Gates:
    def __init__(self):
        self.events = {}

    def at(self, name):
        return self.events.setdefault(name, asyncio.Event())


class Record:
    """Whole lines, so that several connections may append."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def __call__(self, *words):
        line = " ".join(map(str, words)) + "\n"
        assert os.write(self.fd, line.encode()) == len(line)


def lost_pkts(sock):
    """Segments that were sent again, and not in vain."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    retrans, = struct.unpack_from("I", info, TCP_INFO_RETRANS)
    dups, = struct.unpack_from("I", info, TCP_INFO_DSACK)
    return max(0, retrans - dups)


class Request:
    def __init__(self, head):
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, target, _ = first.split(" ")
        self.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines if line)}
        url = urllib.parse.urlsplit(target)
        self.ident, self.query = url.path.split("/")[-1], dict(urllib.parse.parse_qsl(url.query))

    async def body(self, reader):
        """(length, whether it was right)"""
        stream, is_right = Stream(self.ident), True
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                is_right = stream.check(await reader.readexactly(size)) and is_right
                await reader.readexactly(2)
            await reader.readexactly(2)
        else:
            is_right = stream.check(await reader.readexactly(int(self.headers.get("content-length", 0))))
        return stream.at, is_right


class Server:
    def __init__(self, record):
        self.record, self.gates = Record(record), Gates()

    async def serve(self, reader, writer):
        ident, end, sock = "-", "eof", writer.get_extra_info("socket")._sock.dup()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        is_last = False
        try:
            while not is_last:
                request = Request(await reader.readuntil(b"\r\n\r\n"))
                ident, is_last = request.ident, request.headers.get("connection") == "close"
                await self.answer(request, reader, writer, sock.getsockname()[1])
            writer.write_eof()
            await reader.read()
        except asyncio.IncompleteReadError as error:
            end = "eof" if not error.partial else "cut"
        except (OSError, ValueError) as error:
            end = type(error).__name__
        finally:
            self.record("end", ident, end, lost_pkts(sock))
            sock.close()
            writer.close()

    async def answer(self, request, reader, writer, port):
        length, is_right = await request.body(reader)
        self.record("ran", request.ident, request.method, length, "right" if is_right else "WRONG", port)
        about = f"X-Port: {port}\r\nX-Request: {request.ident}\r\n".encode()
        if request.method == "GET":
            await self.stream(request, writer, about)
            return
        if "gate" in request.query:
            await self.gates.at(request.query["gate"]).wait()
        body = b"%d %s" % (length, b"right" if is_right else b"WRONG") if request.method == "PUT" else \
            Stream("answer" + request.ident).take(SHORT)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n" % (len(body), about) + body)
        await writer.drain()

    async def stream(self, request, writer, about):
        gate, stream = self.gates.at(request.query["gate"]), Stream("answer" + request.ident)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%b\r\n" % about)
        while not gate.is_set():
            writer.write(b"%x\r\n%b\r\n" % (PIECE, stream.take(PIECE)))
            await writer.drain()
            await asyncio.sleep(PACE_S)
        writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (TAIL, stream.take(TAIL)))
        await writer.drain()

    def command(self):
        line = sys.stdin.readline()
        if not line:
            asyncio.get_running_loop().stop()
        elif line.startswith("open "):
            self.gates.at(line.split()[1]).set()


async def main(record, *ports):
    server = Server(record)
    for port in ports:
        await asyncio.start_server(server.serve, None, int(port), limit=1 << 20, backlog=4096)
    asyncio.get_running_loop().add_reader(sys.stdin, server.command)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except RuntimeError:        # stopped, since standard input has ended
        pass
