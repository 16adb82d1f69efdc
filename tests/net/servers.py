# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Real servers on the backends: nginx (plain and TLS), sshd with keys made for the occasion."""
import os
import pathlib
import signal
import socket
import subprocess

from daemon import HTTP, HTTP_B, SSH, TLS, TLS_B
from tcp import wait_for

CHAT = 8090         # who answers websockets behind nginx, where a test has one
NGINX = """
daemon off; master_process off; pid {work}/{name}.pid; error_log {work}/{name}.log;
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000; client_max_body_size 0;
    client_body_temp_path {work}/{name}-body; default_type text/plain; large_client_header_buffers 4 128k;
    proxy_temp_path {work}/{name}-p; fastcgi_temp_path {work}/{name}-f; uwsgi_temp_path {work}/{name}-u;
    scgi_temp_path {work}/{name}-s;
    server {{
        {listen}
        listen {tls} ssl; listen [::]:{tls} ssl; listen {tls_b} ssl; listen [::]:{tls_b} ssl;
        ssl_certificate {work}/cert.pem; ssl_certificate_key {work}/key.pem;
        location / {{ return 200 "{name}:$server_port $request_method $host $request_uri $remote_addr\\n"; }}
        location /files/ {{ alias {files}/; }}
        location /put/ {{ alias {files}/{name}-; dav_methods PUT; }}
        location /chat {{
            proxy_pass http://127.0.0.1:{chat}; proxy_http_version 1.1; proxy_read_timeout 1h;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
        }}
    }}
}}
"""


class Servers:
    def __init__(self, net, work, files):
        self.net, self.work, self.files = net, pathlib.Path(work), pathlib.Path(files)
        self.processes = []

    def start(self):
        self.make_certificate()
        for name in ("backend1", "backend2"):
            self.nginx(name)
        self.sshd("backend1")
        for name, port in (("backend1", TLS), ("backend2", TLS), ("backend1", SSH)):
            wait_for(lambda: self.answers(name, port), f"{name}:{port} to listen")
        return self

    def answers(self, name, port):
        with self.net.ns[name].inside(), socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "2", "-subj", "/CN=example.org",
                        "-keyout", self.work / "key.pem", "-out", self.work / "cert.pem"],
                       check=True, stderr=subprocess.DEVNULL)

    def spawn(self, ns, *cmd):
        self.processes.append(ns.popen(*map(str, cmd), stdin=subprocess.DEVNULL))

    def nginx(self, name):
        listen = "\n".join(f"listen {port}; listen [::]:{port};" for port in (HTTP, HTTP_B))
        conf = self.work / f"{name}.conf"
        conf.write_text(NGINX.format(work=self.work, name=name, files=self.files, listen=listen, tls=TLS, tls_b=TLS_B, chat=CHAT))
        self.spawn(self.net.ns[name], "nginx", "-e", self.work / f"{name}.log", "-c", conf)

    def sshd(self, name):
        os.makedirs("/run/sshd", exist_ok=True)
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.work / key], check=True)
        conf = self.work / "sshd.conf"
        conf.write_text(f"Port {SSH}\nHostKey {self.work}/host_key\nAuthorizedKeysFile {self.work}/user_key.pub\n"
                        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
                        "PidFile none\nPrintMotd no\nSubsystem sftp internal-sftp\n")
        self.spawn(self.net.ns[name], "/usr/sbin/sshd", "-D", "-E", self.work / "sshd.log", "-f", conf)

    def ssh_options(self):
        return ["-F", "none", "-i", str(self.work / "user_key"), "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes",
                "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10"]

    def ssh(self, addr, port=SSH):
        """The command line of a client."""
        return ["ssh", *self.ssh_options(), "-p", str(port), f"root@{addr}"]

    def file(self, name, size):
        """Of random bytes, made once."""
        path = self.files / name
        if not path.exists():
            block = os.urandom(min(size, 16 << 20))
            with open(path, "wb") as out:
                for at in range(0, size, len(block)):
                    stamped = at.to_bytes(8, "big") + block[8:]
                    out.write(stamped[:size - at])
            path.chmod(0o644)
        return path

    def close(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
