# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Backends that say which bytes of a request they got: nginx by its variables, and a server of our own byte by byte."""
import contextlib
import hashlib
import socket
import threading

from tcp import listen, wait_for

NGINX_CONF = """
daemon off; master_process off; pid {work}/{name}.pid; error_log {work}/{name}.log; events {{}}
http {{
    access_log off; default_type text/plain; large_client_header_buffers 4 128k; client_max_body_size 8m; keepalive_requests 100000;
    client_body_temp_path {work}/{name}b; proxy_temp_path {work}/{name}p; fastcgi_temp_path {work}/{name}f; uwsgi_temp_path {work}/{name}u;
    scgi_temp_path {work}/{name}s;
    server {{ listen {plain}; listen [::]:{plain}; location / {{ return 200 "{name}|$request_uri|$http_x_forwarded_for|$http_forwarded|$http_x_set|$http_x_old"; }} }}
    server {{ listen {proxied} proxy_protocol; listen [::]:{proxied} proxy_protocol;
        location / {{ return 200 "{name}|$request_uri|$proxy_protocol_addr|$proxy_protocol_port|$proxy_protocol_server_addr|$proxy_protocol_server_port|$http_x_forwarded_for"; }} }}
}}
"""


def answers(ns, port):
    with ns.inside(), socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(ns, port, *command):
    process = ns.popen(*command)
    try:
        wait_for(lambda: answers(ns, port), f"{command[0]} to listen")
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def nginx(ns, work, name, plain, proxied):
    conf = work / f"{name}.conf"
    conf.write_text(NGINX_CONF.format(work=work, name=name, plain=plain, proxied=proxied))
    with running(ns, plain, "nginx", "-e", "stderr", "-c", str(conf)) as process:
        yield process


def split_head(data):
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def length_of(head):
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


class Recorder:
    """Each request as it came: (bytes before the method, head, digest of the body). The response names target and digest."""
    def __init__(self, ns, port, delay=0):
        self.requests, self.delay, self.lock = [], delay, threading.Lock()
        self.listener = listen(ns, port)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                try:
                    sock, _ = self.listener.accept()
                except TimeoutError:
                    continue
                threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        data = b""
        with contextlib.suppress(OSError), sock:
            while True:
                while b"\r\n\r\n" not in data[16 if data.startswith(b"\r\n\r\n\0") else 0:]:
                    more = sock.recv(1 << 17)
                    if not more:
                        return
                    data += more
                before, data = self.split_header(data)
                head, data = split_head(data)
                length = length_of(head)
                while len(data) < length:
                    more = sock.recv(1 << 17)
                    if not more:
                        return
                    data += more
                body, data = data[:length], data[length:]
                digest = hashlib.sha256(body).hexdigest()
                with self.lock:
                    self.requests.append((before, head, digest))
                said = head.split(b" ", 2)[1] + b" " + digest.encode()
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))

    @staticmethod
    def split_header(data):
        if data.startswith(b"PROXY "):
            line, _, rest = data.partition(b"\r\n")
            return line + b"\r\n", rest
        if data.startswith(b"\r\n\r\n\0\r\nQUIT\n"):
            size = 16 + int.from_bytes(data[14:16], "big")
            return data[:size], data[size:]
        return b"", data

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def read_response(sock, left=b""):
    """Body, and bytes behind."""
    data = left
    while b"\r\n\r\n" not in data:
        more = sock.recv(1 << 16)
        assert more, f"closed behind {data!r}"
        data += more
    head, data = split_head(data)
    assert head.startswith(b"HTTP/1.1 200 "), head
    length = length_of(head)
    while len(data) < length:
        more = sock.recv(1 << 16)
        assert more, "closed in a body"
        data += more
    return data[:length].decode(), data[length:]
