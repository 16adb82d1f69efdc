# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Real servers of a store, redis-server in a namespace: over IPv4, over IPv6, on a Unix socket, in turn."""
import pathlib
import signal
import subprocess

import redis

from daemon import endpoint
from tcp import wait_for

PORT = 6379
# Of the keys of one kind: how many, and the least time that one has left.
COUNT = """local n, least = 0, -1
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
  local left = redis.call('PTTL', key)
  n = n + 1
  if least < 0 or left < least then least = left end
end
return {n, least}"""


def command(ns, *args, **where):
    """What a server in a namespace answers."""
    connection = (redis.UnixDomainSocketConnection if "path" in where else redis.Connection)(
        **where, decode_responses=True, socket_timeout=20)
    try:
        with ns.inside():
            connection.connect()
        connection.send_command(*args)
        return connection.read_response()
    finally:
        connection.disconnect()


def answers(ns, **where):
    try:
        return command(ns, "PING", **where) == "PONG"
    except (redis.ConnectionError, redis.TimeoutError):
        return False


class Stores:
    """Nothing is written to disk: a server that is started again is empty."""
    def __init__(self, ns, work, count=3, password=None):
        self.ns, self.work, self.password = ns, pathlib.Path(work), password
        self.processes = [None] * count

    def where(self, idx):
        """(entry for `servers`, options of redis-server, where command() finds it)"""
        port = str(PORT + idx)
        if idx % 3 == 2:
            path = f"{self.work}/store{idx}.sock"
            return f"unix:{path}", ["--port", "0", "--unixsocket", path, "--unixsocketperm", "700"], {"path": path}
        addr = ("127.0.0.1", "::1")[idx % 3]
        return endpoint(addr, port), ["--port", port, "--bind", addr], {"host": addr, "port": port}

    def conf(self, **more):
        """Section `store` of a configuration."""
        if self.password:
            path = self.work / "store.password"
            path.write_text(self.password + "\n")
            more["password_file"] = str(path)
        return {"engine": "redis", "servers": [self.where(idx)[0] for idx in range(len(self.processes))], **more}

    def start(self, *which):
        which = which or range(len(self.processes))
        for idx in which:
            password = ["--requirepass", self.password] if self.password else []
            self.processes[idx] = self.ns.popen("redis-server", *self.where(idx)[1], *password, "--save", "", "--appendonly", "no",
                                                "--dir", str(self.work), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for idx in which:
            wait_for(lambda: self.answers(idx), f"redis-server {idx} to answer")
        return self

    def start_missing(self):
        missing = [idx for idx, process in enumerate(self.processes) if not process]
        if missing:
            self.start(*missing)

    def kill(self, *which):
        for idx in which or range(len(self.processes)):
            if self.processes[idx]:
                self.processes[idx].kill()
                self.processes[idx].wait()
                self.processes[idx] = None

    def freeze(self, *which):
        for idx in which or range(len(self.processes)):
            self.processes[idx].send_signal(signal.SIGSTOP)

    def thaw(self, *which):
        for idx in which or range(len(self.processes)):
            self.processes[idx].send_signal(signal.SIGCONT)

    def cli(self, idx, *args):
        return command(self.ns, *args, **self.where(idx)[2], password=self.password)

    def answers(self, idx):
        return answers(self.ns, **self.where(idx)[2], password=self.password)

    def keys(self, idx, kind="f"):
        """(how many, the least ms that one has left)"""
        return tuple(self.cli(idx, "EVAL", COUNT, "0", kind))

    def have(self, count):
        """All servers that run have so many splices."""
        return all(self.keys(idx, kind)[0] == count for idx, process in enumerate(self.processes) if process
                   for kind in ("f", "d"))

    def flush(self, *which):
        for idx in which or range(len(self.processes)):
            self.cli(idx, "FLUSHALL")

    def close(self):
        self.kill()
