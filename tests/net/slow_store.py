#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""slow_store.py SECONDS [LISTEN SERVER]...: what servers say comes late. LISTEN and SERVER are paths of Unix sockets; SERVER may be HOST,PORT."""
import asyncio
import sys


async def pump(reader, writer, delay_s):
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(1 << 16):
            loop.call_later(delay_s, writer.write, data) if delay_s else writer.write(data)
        await asyncio.sleep(delay_s)
    finally:
        writer.close()


async def connect(server):
    host, _, port = server.rpartition(",")
    return await (asyncio.open_connection(host, int(port)) if host else asyncio.open_unix_connection(port))


async def main(delay_s, *pairs):
    async def serve(reader, writer, server):
        to_reader, to_writer = await connect(server)
        await asyncio.gather(pump(reader, to_writer, 0), pump(to_reader, writer, delay_s), return_exceptions=True)
    for path, server in zip(pairs[::2], pairs[1::2]):
        await asyncio.start_unix_server(lambda r, w, server=server: serve(r, w, server), path)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(float(sys.argv[1]), *sys.argv[2:]))
