# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A client of HTTP/1 over one socket that forgives nothing: what it reads is a response, byte by byte, or an error."""
import dataclasses
import re

from tcp import connect

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)( [\t -~\x80-\xff]*)?\Z")
FIELD = re.compile(rb"([!#-'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*\Z")
SIZE = re.compile(rb"([0-9a-fA-F]{1,16})(?:[ \t]*;[\t -~]*)?\Z")
LINE_MAX = 1 << 17


class Ended(Exception):
    """The connection is over. @clean: between two responses. @got: what came of the next one."""

    def __init__(self, why, got):
        super().__init__(f"{why} after {len(got)} bytes of a response: {bytes(got[:200])!r}")
        self.clean, self.got, self.was_reset = not got, bytes(got), "reset" in why


class Mixed(AssertionError):
    """These bytes are no response."""


@dataclasses.dataclass
class Response:
    status: int
    minor: int
    headers: dict
    body: bytes = b""
    trailers: dict = dataclasses.field(default_factory=dict)
    interim: list = dataclasses.field(default_factory=list)
    by_end: bool = False        # the end of the connection ended the body

    @property
    def closes(self):
        tokens = self.headers.get("connection", "").lower().replace(" ", "").split(",")
        return self.by_end or "close" in tokens or (self.minor == 0 and "keep-alive" not in tokens)

    def __str__(self):
        return f"{self.status} {self.headers} {self.body[:200]!r}"


class Client:
    """A connection. @seen: bytes of the response that is being read."""

    def __init__(self, sock):
        self.sock, self.buffer, self.seen = sock, bytearray(), bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def fill(self):
        """False at the end."""
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionResetError:
            raise Ended("reset", self.seen + self.buffer) from None
        self.buffer += data
        return bool(data)

    def take(self, count):
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        if len(self.seen) < 4096:
            self.seen += data[:4096]
        return data

    def exactly(self, count):
        while len(self.buffer) < count:
            if not self.fill():
                raise Ended("end", self.seen + self.buffer)
        return self.take(count)

    def line(self):
        while (at := self.buffer.find(b"\n")) < 0:
            if len(self.buffer) > LINE_MAX:
                raise Mixed(f"a line without end: {bytes(self.buffer[:200])!r}")
            if not self.fill():
                raise Ended("end", self.seen + self.buffer)
        line = self.take(at + 1)
        if not line.endswith(b"\r\n"):
            raise Mixed(f"a line without CR: {line[:200]!r}")
        return line[:-2]

    def fields(self):
        fields = {}
        while line := self.line():
            pair = FIELD.match(line)
            if not pair:
                raise Mixed(f"no field: {line[:200]!r}")
            name = pair[1].decode().lower()
            if name in fields and name in ("content-length", "transfer-encoding", "x-origin"):
                raise Mixed(f"{name} twice: {bytes(self.seen)!r}")
            fields[name] = pair[2].decode("latin-1")
        return fields

    def head(self):
        self.seen.clear()
        line = self.line()
        found = STATUS_LINE.match(line)
        if not found:
            raise Mixed(f"no status line: {line[:200]!r}, behind it {bytes(self.buffer[:200])!r}")
        return Response(int(found[2]), int(found[1]), self.fields())

    def response(self, method="GET"):
        """The final one of a request with this method."""
        interim = []
        response = self.head()
        while 100 <= response.status < 200 and response.status != 101:
            interim.append(response)
            response = self.head()
        response.interim = interim
        if method != "HEAD" and response.status not in (101, 204, 304) and (method, response.status // 100) != ("CONNECT", 2):
            self.body(response)
        self.seen.clear()
        return response

    def body(self, response):
        if "transfer-encoding" in response.headers:
            if response.headers["transfer-encoding"] != "chunked" or "content-length" in response.headers:
                raise Mixed(f"framing: {response}")
            response.body = self.chunks(response)
        elif "content-length" in response.headers:
            response.body = self.exactly(int(response.headers["content-length"]))
        else:
            response.by_end = True
            while self.fill():
                pass
            response.body = self.take(len(self.buffer))

    def chunks(self, response):
        body = []
        while True:
            line = self.line()
            size = SIZE.match(line)
            if not size:
                raise Mixed(f"size of a chunk: {line[:200]!r} in {bytes(self.seen[:500])!r}")
            if int(size[1], 16) == 0:
                break
            body.append(self.exactly(int(size[1], 16)))
            if (end := self.exactly(2)) != b"\r\n":
                raise Mixed(f"end of a chunk: {end!r}{bytes(self.buffer[:200])!r}")
        response.trailers = self.fields()
        return b"".join(body)

    def ask(self, request):
        """Send it, read its response, check it."""
        self.send(request.wire())
        return self.answer(request)

    def answer(self, request):
        response = self.response(request.method)
        self.is_late = response.status == 408 and response.closes       # a server's last word to a connection that was idle
        self.origin = response.headers.get("x-origin", "")
        request.check(response)
        return response

    def line_of_tunnel(self):
        """The first that a server says in a tunnel."""
        while (at := self.buffer.find(b"\n")) < 0:
            if not self.fill():
                raise Ended("end", self.buffer)
        return self.take(at + 1)[:-1].decode()

    def rest(self):
        """All bytes until the end."""
        try:
            while self.fill():
                pass
        except Ended:
            pass
        return self.take(len(self.buffer))

    def has_no_more(self, seconds=0.1):
        """No byte comes; the end may."""
        self.is_quiet(seconds)
        return not self.buffer

    def is_quiet(self, seconds=0.1):
        """No byte and no end comes."""
        timeout = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            while not self.buffer and self.fill():
                pass
            return False
        except TimeoutError:
            return True
        except Ended:
            return False
        finally:
            self.sock.settimeout(timeout)


def dial(ns, way, port=80, **options):
    return Client(connect(ns, way.vip, port, **options))
