#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Servers that talk for long: talkers.py CHAT_PORT SSE_PORT

Chat: a websocket that sends back what it gets, and a numbered message of its own every PACE_S.
SSE: a numbered event every PACE_S, for ever.
"""
import asyncio
import contextlib
import itertools
import sys

import websockets

PACE_S = 0.05
SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n"


async def announce(socket):
    for number in itertools.count():
        await socket.send(f"news {number}")
        await asyncio.sleep(PACE_S)


async def chat(socket):
    news = asyncio.create_task(announce(socket))
    try:
        async for message in socket:
            await socket.send("echo " + message)
    finally:
        news.cancel()


async def events(reader, writer):
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SSE_HEAD)
        for number in itertools.count():
            writer.write(b"id: %d\ndata: %s\n\n" % (number, b"x" * (number % 1000)))
            await writer.drain()
            await asyncio.sleep(PACE_S)
    writer.close()


async def main(chat_port, sse_port):
    async with websockets.serve(chat, None, int(chat_port), ping_interval=None, compression=None):
        await asyncio.start_server(events, None, int(sse_port))
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
