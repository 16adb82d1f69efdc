# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Servers that record their connections and requests, as threads of the test in a backend's namespace."""
import collections
import contextlib
import socket
import threading

import tcp


class Server:
    """HTTP/1.1 with keep-alive at one port, both families. @record: name -> [connections, requests], of all servers."""

    def __init__(self, ns, name, port, record, hold=None):
        self.name, self.record, self.hold, self.open = name, record, hold, set()
        self.listener = tcp.listen(ns, port)
        threading.Thread(target=self.accept_all, daemon=True).start()

    def accept_all(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                self.record[self.name][0] += 1
                threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        self.open.add(sock)
        with contextlib.suppress(OSError), sock:
            head = b""
            while piece := sock.recv(65536):
                head += piece
                if not head.endswith(b"\r\n\r\n"):
                    continue
                self.record[self.name][1] += 1
                head = b""
                body = self.name.encode()
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        self.open.discard(sock)

    def close(self):
        for sock in (self.listener, *self.open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@contextlib.contextmanager
def servers(net, ports, names=("backend1", "backend2")):
    """One at each port of each host, called HOST:PORT. The record is cleared by clear()."""
    record = collections.defaultdict(lambda: [0, 0])
    all_of_them = {f"{name}:{port}": Server(net.ns[name], f"{name}:{port}", port, record) for name in names for port in ports}
    try:
        yield all_of_them, record
    finally:
        for server in all_of_them.values():
            server.close()


class Client:
    """One connection; each request says which server answered."""

    def __init__(self, ns, addr, port, source=None):
        self.sock = tcp.open_socket(ns, addr)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect((addr, port))

    def get(self, path="/", *headers):
        self.ask(path, *headers)
        return self.answer()

    def ask(self, path="/", *headers):
        lines = [f"GET {path} HTTP/1.1", "Host: www.example.org", *headers]
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def answer(self):
        answer = self.sock.recv(4096)
        while b"\r\n\r\n" not in answer or answer.endswith(b"\r\n\r\n"):
            piece = self.sock.recv(4096)
            assert piece, f"the connection ended behind {answer}"
            answer += piece
        head, body = answer.split(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), answer
        return body.decode()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()
