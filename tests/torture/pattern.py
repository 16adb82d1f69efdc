# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Bytes that both ends of a connection know beforehand, different for each request."""
import random
import zlib

# A period that is no power of two, so that a lost or doubled page shows.
PERIOD = 1021 * 1031
BYTES = random.Random(2006).randbytes(PERIOD)
TWICE = memoryview(BYTES + BYTES)


class Stream:
    """What comes next of a request's bytes: to be sent, or to be compared with what has come."""

    def __init__(self, ident):
        self.start, self.at = zlib.crc32(ident.encode()) % PERIOD, 0

    def take(self, count):
        """At most a period at once."""
        place = (self.start + self.at) % PERIOD
        self.at += count
        return TWICE[place:place + count]

    def check(self, data):
        """Whether these are the next bytes."""
        return self.take(len(data)) == data
