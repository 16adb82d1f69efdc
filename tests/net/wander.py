# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Clients that mix all forms of requests at random, from a seed, and check each byte of each response.

A step is one or more exchanges; a connection takes many. Whether it may end is said by the responses. A server that closes
when idle (`idle=`) may meet a request on its way: then the connection may end without a byte of its response, and is counted.
"""
import collections
import contextlib
import os
import random
import socket
import threading
import time

from exchanges import Request, upload
from h1 import Ended

UPGRADE = ("Connection: Upgrade", "Upgrade: echo")
DOUBT_S = 0.4       # behind the end of an idle server
SIZES = (0, 1, 100, 1448, 3000, 20000, 150000)
PLACES = ("line", "head", "size", "crlf", "body", "last")
ERRORS = {404: b"GET /x HTTP/1.1\r\nHost: nowhere.example\r\n\r\n", 400: b"GET /x HTTP/1.1\r\nHost: shop.example\r\nno colon\r\n\r\n",
          503: b"GET /none/x HTTP/1.1\r\nHost: shop.example\r\n\r\n"}


class Over(Exception):
    """The connection is, and that is well."""


class Wanderer:
    """One client, a connection at a time. @dial: makes one. @seed: of all that it does."""

    pools = "ABC"

    def __init__(self, shop, dial, seed, stats):
        self.shop, self.dial, self.stats = shop, dial, stats
        self.chance, self.seed = random.Random(seed), seed
        self.steps = {self.one: 30, self.batch: 15, self.in_pieces: 10, self.idle: 12, self.pause: 5, self.last: 3, self.error: 2,
                      self.abort: 2, self.half_close: 3, self.tunnel: 2, self.truncated: 2, self.expecting: 3}
        self.log, self.doubts, self.doubtful = [], {}, set()
        self.ends = os.environ.get("ENDS", "fin,408").split(",")
        self.is_haproxy = shop.balancer == "haproxy"
        if self.is_haproxy:         # 2.6.12 loses bytes behind 1xx, and sometimes waits in vain behind 408
            self.steps[self.expecting], self.ends = 0, ("fin", "rst")

    def walk(self, until):
        while time.monotonic() < until:
            self.log, self.doubts, self.doubtful = [], {}, set()
            self.visit = self.dial()
            self.stats["connections"] += 1
            try:
                with self.visit:
                    self.connection(until)
            except Over:
                pass
            except Exception as error:
                raise AssertionError(f"seed {self.seed}: {error!r}\n" + "\n".join(self.log[-30:])) from error

    def connection(self, until):
        for _ in range(self.chance.randint(1, 30)):
            step, = self.chance.choices(list(self.steps), list(self.steps.values()))
            self.log.append(f"{step.__name__}:")
            step()
            if time.monotonic() > until:
                break

    # ---- requests ----

    def request(self, **fixed):
        chance = self.chance
        fields = {"pool": chance.choice(self.pools), "path": chance.choice(("/x", "/deep/er", "/" + "l" * 300)), **fixed}
        params = {"size": chance.choice(SIZES), **fields.pop("params", {})}
        if chance.random() < 0.3:
            params["chunk"] = chance.choice((1 + params["size"] // 50, 1448, 200000))
            params.update({"ext": 1} if chance.random() < 0.3 else {}, **({"trailer": 1} if chance.random() < 0.3 else {}))
        if chance.random() < 0.15:
            params.update(at=chance.choice(PLACES), ms=chance.choice((1, 5, 30)))
        if "do" not in fields and "body" not in fields:
            fields.update(chance.choices((({}), {"do": "204"}, {"do": "304"}, {"do": "103"}, {"method": "HEAD"}, self.upload()),
                                         (10, 1, 1, 1, 1, 4))[0])
        if fields.get("do") == "103" and self.is_haproxy:
            fields["do"] = "plain"
        if fields["pool"] == "C" and chance.random() < 0.3:
            fields["by_header"] = True
        return Request(params=params, **fields)

    def upload(self):
        size = self.chance.choice((0, 1, 300, 3000, 60000))
        return upload(size, self.chance.choice((0, 0, 1 + size // 20, 1448)), ext=self.chance.random() < 0.3)

    def post(self, *requests):
        self.log += map(repr, requests)
        self.shop.sent += requests
        self.mark(*requests)
        self.send(b"".join(request.wire() for request in requests))

    def send(self, data):
        try:
            self.visit.send(data)
        except ConnectionError:
            if not self.in_doubt():
                raise
            self.lose()

    def answer(self, request):
        try:
            response = self.visit.answer(request)
        except (Ended, ConnectionError) as ended:
            if request.nonce in self.doubtful and getattr(ended, "clean", True):
                self.lose()
            raise
        except AssertionError:
            if self.visit.is_late and request.nonce in self.doubtful:
                self.lose()
            raise
        self.stats["exchanges"] += 1
        self.log.append(f"    answered {request.nonce}")
        if response.closes:
            assert self.visit.rest() == b"", "bytes behind the last response"
            raise Over
        return response

    def mark(self, *requests):
        """Those whose server may close meanwhile. The first sight counts: it may take a while until they arrive."""
        pools = self.in_doubt()
        self.doubtful |= {request.nonce for request in requests if request.pool in pools}

    def in_doubt(self):
        now = time.monotonic()
        return {pool for pool, until in self.doubts.items() if now < until}

    def lose(self):
        self.stats["lost to an idle server's end"] += 1
        raise Over

    # ---- steps ----

    def one(self):
        request = self.request()
        self.post(request)
        self.answer(request)

    def batch(self):
        requests = [self.request() for _ in range(self.chance.randint(2, 8))]
        with self.posting(*requests):
            for request in requests:
                self.answer(request)

    @contextlib.contextmanager
    def posting(self, *requests):
        """Meanwhile they are sent, as they and the responses may be larger than buffers. An error hangs up."""
        sender = threading.Thread(target=self.post_quietly, args=requests)
        sender.start()
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):
                self.visit.sock.shutdown(socket.SHUT_RDWR)
            raise
        finally:
            sender.join()

    def post_quietly(self, *requests):
        try:
            self.post(*requests)
        except (Over, OSError):
            pass        # the reader of the responses sees it

    def in_pieces(self):
        request = self.request()
        self.log.append(repr(request))
        self.shop.sent.append(request)
        self.mark(request)
        wire, at = request.wire(), 0
        while at < len(wire):
            step = self.chance.choice((1, 7, 40, 200, 1448, 10000))
            self.send(wire[at:at + step])
            at += step
            if at < 2000 and self.chance.random() < 0.3:
                time.sleep(self.chance.choice((0, 0.001, 0.01)))
        self.answer(request)

    def idle(self):
        """The server closes after some ms; the next step comes before it, after it or with it."""
        ms, end = self.chance.choice((1, 3, 10, 30)), self.chance.choice(self.ends)
        request = self.request(params={"idle": ms, "end": end})
        self.post(request)
        self.answer(request)
        self.doubts[request.pool] = time.monotonic() + ms / 1000 + DOUBT_S
        time.sleep(max(0, (ms + self.chance.choice((-1, -0.5, 0, 0, 0.3, 1, 3, 20))) / 1000))

    def pause(self):
        time.sleep(self.chance.choice((0.001, 0.01, 0.1)))

    def last(self):
        """Behind the response to this one nothing is answered."""
        before = [self.request() for _ in range(self.chance.randint(0, 2))]
        last = self.request(do=self.chance.choice(("close", "until-close", "http10")))
        behind = [self.request() for _ in range(self.chance.randint(0, 2))]
        with self.posting(*before, last, *behind):
            for request in [*before, last, *behind]:
                self.answer(request)

    def error(self):
        before = [self.request() for _ in range(self.chance.randint(0, 2))]
        status = self.chance.choice(tuple(ERRORS))
        self.post(*before)
        self.log.append(f"a request for {status}")
        self.send(ERRORS[status])
        for request in before:
            self.answer(request)
        response = self.visit.response()
        assert response.status == status, response
        if response.closes:
            assert self.visit.rest() == b"", "bytes behind our own response"
            raise Over

    def abort(self):
        requests = [self.request() for _ in range(self.chance.randint(1, 5))]
        with self.posting(*requests):
            for request in requests[:self.chance.randint(0, len(requests) - 1)]:
                self.answer(request)
            raise Over

    def half_close(self):
        requests = [self.request(do="plain") for _ in range(self.is_haproxy or self.chance.randint(1, 4))]
        self.post_quietly(*requests)
        self.visit.sock.shutdown(socket.SHUT_WR)
        for request in requests:
            self.answer(request)
        assert self.visit.rest() == b"", "bytes behind the last response"
        raise Over

    def tunnel(self):
        request = self.request(do="upgrade", params={"size": 0}, more=UPGRADE)
        self.post(request)
        self.answer(request)
        assert self.visit.line_of_tunnel() == f"tunnel {request.pool}/{self.visit.origin.split('/')[1]}/{request.nonce}"
        for _ in range(self.chance.randint(1, 5)):
            data = self.chance.randbytes(self.chance.choice((1, 100, 30000))) + self.request().wire()
            self.send(data)
            assert self.visit.exactly(len(data)) == data, "other bytes than were sent, in a tunnel"
        self.visit.sock.shutdown(socket.SHUT_WR)
        assert self.visit.rest() == b""
        raise Over

    def truncated(self):
        """Nothing completes the response."""
        request = self.request(do=self.chance.choice(("truncated", "reset")), params={"size": 3000})
        behind = [self.request() for _ in range(self.chance.randint(0, 2))]
        with self.posting(request, *behind):
            try:
                response = self.visit.response(request.method)
                assert not request.has_body or (response.status == 408 and request.nonce in self.doubtful), f"complete: {response}"
            except (Ended, ConnectionError) as ended:
                seen = getattr(ended, "got", b"") + bytes(self.visit.buffer)
                assert not any(f"nonce={other.nonce} ".encode() in seen for other in behind), f"two servers in {seen!r}"
            raise Over

    def expecting(self):
        request = self.request(more=("Expect: 100-continue",), **self.upload())
        self.log.append(repr(request))
        self.shop.sent.append(request)
        self.mark(request)
        self.send(request.head())
        if self.chance.random() < 0.5:
            time.sleep(0.005)
        self.send(request.body_on_wire())
        self.answer(request)


def wander(shop, dial, seed, seconds, clients=6, without=(), pools="ABC"):
    """@without: names of steps. Return counts. A failure names its seed: SEED=that repeats what its client has sent."""
    stats, failed, threads = collections.Counter(), [], []
    until = time.monotonic() + seconds

    def body(number):
        try:
            wanderer = Wanderer(shop, dial, f"{seed}-{number}", stats)
            wanderer.pools = pools
            wanderer.steps.update((getattr(wanderer, name), 0) for name in without)
            wanderer.walk(until)
        except BaseException as error:      # noqa: handed on below
            failed.append(error)
    for number in range(clients):
        threads.append(threading.Thread(target=body, args=(number,), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(seconds + 60)
        assert not thread.is_alive(), "a client hangs"
    if failed:
        raise failed[0]
    return stats
