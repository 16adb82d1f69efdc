# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""ClientHellos as clients send them today, made by hand so that they come in any size and in any records."""
import os
import struct


def vector(width, data):
    return len(data).to_bytes(width, "big") + data


def extension(number, data):
    return struct.pack("!H", number) + vector(2, data)


def client_hello(sni=None, alpn=(), key_share_bytes=1216 + 32, record_bytes=16384, padding=0):
    """GREASE first and last; the default key share is as long as X25519MLKEM768 and X25519 together."""
    extensions = extension(0x0a0a, b"")
    if sni:
        extensions += extension(0, vector(2, b"\0" + vector(2, sni.encode())))
    extensions += extension(43, vector(1, b"\x1a\x1a\x03\x04\x03\x03"))
    extensions += extension(51, vector(2, b"\x2a\x2a\0\1\0" + struct.pack("!H", 0x11ec) + vector(2, os.urandom(key_share_bytes))))
    if alpn:
        extensions += extension(16, vector(2, b"".join(vector(1, name.encode()) for name in alpn)))
    if padding:
        extensions += extension(21, bytes(padding))
    extensions += extension(0x3a3a, b"\0")
    body = (b"\3\3" + os.urandom(32) + vector(1, os.urandom(32)) + vector(2, b"\x4a\x4a\x13\x01\x13\x02\x13\x03\xc0\x2b")
            + b"\1\0" + vector(2, extensions))
    handshake = b"\1" + vector(3, body)
    return b"".join(b"\x16\3\1" + vector(2, handshake[at:at + record_bytes]) for at in range(0, len(handshake), record_bytes))
