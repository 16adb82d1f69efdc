# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A request that says which response it wants, and that response: both ends of the tests of single requests agree on it here.

Parameters of a response stand in the query of the target, or in the header X-Do where a target has none (CONNECT):

    do=plain|chunked|close|http10|until-close|204|304|103|refuse|upgrade|connect|early|garbage|truncated|reset
    n=NONCE  size=BYTES of padding  chunk=BYTES of each chunk  ext=1  trailer=1
    at=line|head|body|size  ms=PAUSE there          size: inside the line with the size of the first chunk
    idle=MS  end=fin|408|rst                        without another request for that long
    do=page count=NUMBER                            HTML that needs so many others; do=js|css|svg: these
"""
import dataclasses
import functools
import hashlib
import itertools
import urllib.parse

HOST = "shop.example"
PREFIX = {"A": "/page", "B": "/static", "C": "/api"}
STATUS = {"204": 204, "304": 304, "refuse": 417, "upgrade": 101}
nonces = itertools.count(1)


@functools.lru_cache(64)
def padding(pool, nonce, size):
    """Each 32 bytes of it name the response, and their place in there."""
    lines = (f"{pool} {nonce:>16} {at:012d}\n" for at in range((size + 31) // 32))
    return "".join(lines).encode()[:size]


def digest(body):
    return f"{len(body)}:{hashlib.sha256(body).hexdigest()[:16]}"


def first_line(pool, backend, method, path, nonce, upload):
    return f"pool={pool} backend={backend} method={method} path={path} nonce={nonce} upload={upload}\n".encode()


def parameters(target, header=None):
    query = header if header is not None else urllib.parse.urlsplit(target).query
    return dict(urllib.parse.parse_qsl(query))


def chunked(body, chunk, ext=False, trailer=None):
    """The body in chunks; sizes are written in each way that is allowed."""
    out = []
    forms = itertools.cycle(("%x", "%X", "00%x"))
    extensions = itertools.cycle(("", ";a", ";name=value", ';quoted="a b;c"')) if ext else itertools.repeat("")
    for at in range(0, len(body), chunk):
        piece = body[at:at + chunk]
        out += [(next(forms) % len(piece) + next(extensions) + "\r\n").encode(), piece, b"\r\n"]
    out.append(b"0\r\n" if not ext else b"0;last\r\n")
    if trailer:
        out.append(f"X-Trailer: {trailer}\r\n".encode())
    return b"".join(out) + b"\r\n"


def upload(size, chunk=0, **more):
    """Fields of a request that has a body."""
    lines = (b"upload %012d\n" % at for at in range((size + 19) // 20))
    return {"method": "POST", "body": b"".join(lines)[:size], "chunk": chunk, **more}


@dataclasses.dataclass(repr=False)
class Request:
    """@pool: the one that has to answer. @by_header: the route is found by X-Pool, the path would lead to pool A.

    @place: the pool of the path, where it is another one (after a reload).
    @chunk: the body is sent in chunks of that size. @more: header lines. @path: behind the prefix of the pool.
    """
    pool: str = "A"
    do: str = "plain"
    method: str = "GET"
    path: str = "/x"
    body: bytes = None
    chunk: int = 0
    ext: bool = False
    by_header: bool = False
    place: str = ""
    version: str = "1.1"
    more: tuple = ()
    params: dict = dataclasses.field(default_factory=dict)
    nonce: str = ""

    def __post_init__(self):
        self.nonce = self.nonce or f"n{next(nonces)}"

    def __repr__(self):
        """Enough to make it again."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)
                  if getattr(self, field.name) != field.default}
        if self.body is not None:
            fields["body"] = f"{len(self.body)} bytes"
        return f"Request({', '.join(f'{name}={value!r}' for name, value in fields.items() if value not in ((), {}))})"

    @property
    def route_path(self):
        return PREFIX[self.place or ("A" if self.by_header else self.pool)] + self.path

    @property
    def query(self):
        return urllib.parse.urlencode({"do": self.do, "n": self.nonce, **self.params})

    @property
    def target(self):
        return f"{HOST}:80" if self.method == "CONNECT" else f"{self.route_path}?{self.query}"

    def head(self):
        lines = [f"{self.method} {self.target} HTTP/{self.version}", f"Host: {HOST}"]
        lines += ["X-Do: " + self.query] if self.method == "CONNECT" else []
        lines += ["X-Pool: C"] if self.by_header else []
        if self.body is not None:
            lines.append("Transfer-Encoding: chunked" if self.chunk else f"Content-Length: {len(self.body)}")
        return ("\r\n".join([*lines, *self.more]) + "\r\n\r\n").encode()

    def body_on_wire(self):
        if self.body is None:
            return b""
        return chunked(self.body, self.chunk, self.ext, self.nonce if self.ext else None) if self.chunk else self.body

    def wire(self):
        return self.head() + self.body_on_wire()

    @property
    def status(self):
        return STATUS.get(self.do, 200)

    @property
    def has_body(self):
        return self.method != "HEAD" and self.status not in (101, 204, 304) and self.method != "CONNECT"

    def check(self, response):
        """Each byte of it, as this request wants it."""
        assert response.status == self.status, f"{self}: {response}"
        said = response.headers.get("x-origin", "")
        assert said.startswith(f"{self.pool}/") and said.endswith(f"/{self.nonce}"), f"{self}: from {said}: {response}"
        if not self.has_body:
            assert not response.body, f"{self}: {response}"
            return
        self.check_body(response.body, said.split("/")[1])
        assert response.trailers in ({}, {"x-trailer": self.nonce}), f"{self}: {response.trailers}"

    def check_body(self, body, backend=None):
        upload = digest(self.body or b"") if self.do not in ("early", "refuse") else "-"
        backend = backend or body[:200].decode("latin-1").partition("backend=")[2].partition(" ")[0]
        expected = first_line(self.pool, backend, self.method, self.route_path, self.nonce, upload)
        expected += padding(self.pool, self.nonce, int(self.params.get("size", 0)))
        assert body == expected, f"{self}: {difference(expected, body)}"


def difference(expected, got):
    """Where two bodies part, with what is there."""
    at = next((i for i, (a, b) in enumerate(zip(expected, got)) if a != b), min(len(expected), len(got)))
    return (f"byte {at} of {len(expected)}, got {len(got)}: expected {expected[at:at + 80]!r},"
            f" got {bytes(got[max(0, at - 40):at + 200])!r}")
