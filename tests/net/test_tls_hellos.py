# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""TLS through a service that reads no more than the first ClientHello: what comes behind it is between client and server."""
import concurrent.futures
import os
import ssl
import subprocess
import time

import pytest

import daemon
from daemon import RAW_TLS
from hello import client_hello
from tcp import accept, connect, listen, read

pytestmark = pytest.mark.spliced


@pytest.fixture(scope="module")
def rig(net, start_rig):
    with start_rig(net, daemon.raw_config) as rig:
        yield rig


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    work = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=example.org", "-keyout", work / "key.pem", "-out", work / "cert.pem"], check=True, stderr=subprocess.DEVNULL)
    return work / "cert.pem", work / "key.pem"


def server_context(certificate, **attributes):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    for name, value in attributes.items():
        setattr(context, name, value)
    return context


def client_context():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def echo_once(listener, context):
    """One connection: what it says comes back."""
    with accept(listener) as sock, context.wrap_socket(sock, server_side=True) as tls:
        tls.sendall(tls.recv(1000))


def talk(rig, way, listener, context, client, session=None):
    """Return: the client's end, still with its session."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        served = pool.submit(echo_once, listener, context)
        with connect(rig.client, way.vip, RAW_TLS) as sock, \
                client.wrap_socket(sock, server_hostname="www.example.org", session=session) as tls:
            tls.sendall(b"hello")
            assert tls.recv(1000) == b"hello"
            told = tls.session, tls.session_reused, tls.version()
        served.result(10)
    return told


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_session_is_resumed(rig, way, certificate, version):
    """By a ticket, which in 1.3 is an extension behind all others of the hello (RFC 8446, 4.2.11; RFC 5077)."""
    client, context = client_context(), server_context(certificate)
    client.maximum_version = client.minimum_version = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}[version]
    with listen(rig.backend1, RAW_TLS) as listener:
        session, reused, _ = talk(rig, way, listener, context, client)
        assert not reused
        assert talk(rig, way, listener, context, client, session)[1:] == (True, version)


def test_second_hello_is_the_servers(rig, way, certificate):
    """The server has none of the groups that the client has sent shares of: HelloRetryRequest (RFC 8446, 4.1.4)."""
    context = server_context(certificate)
    context.set_ecdh_curve("secp521r1")
    with listen(rig.backend1, RAW_TLS) as listener:
        assert talk(rig, way, listener, context, client_context())[2] == "TLSv1.3"


HELLOS = {
    "one-byte-at-a-time": (client_hello("www.example.org", key_share_bytes=32), 1, 0),
    "post-quantum-in-pieces": (client_hello("www.example.org"), 500, 0.002),
    "post-quantum-in-small-records": (client_hello("www.example.org", record_bytes=100), 1448, 0),
    "padded-to-8KiB": (client_hello("www.example.org", padding=8000), 1448, 0),
    "several-large-shares": (client_hello("www.example.org", key_share_bytes=30000), 9000, 0),
    "early-data-behind-it": (client_hello("www.example.org") + b"\x14\3\3\0\1\1" + b"\x17\3\3\0\x20" + os.urandom(32), 5000, 0),
    "version-of-the-record-is-ignored": (b"\x16\3\0" + client_hello("www.example.org")[3:], 5000, 0),
    "no-name": (client_hello(), 5000, 0),
    "long-list-of-protocols": (client_hello("www.example.org", alpn=[f"protocol-{i}" for i in range(80)]), 5000, 0),
}


@pytest.mark.parametrize("data, piece, pause_s", HELLOS.values(), ids=HELLOS)
def test_hello_reaches_the_server_as_sent(rig, family, data, piece, pause_s):
    with listen(rig.backend1, RAW_TLS) as listener, connect(rig.client, family.vip, RAW_TLS) as client:
        for at in range(0, len(data), piece):
            client.sendall(data[at:at + piece])
            time.sleep(pause_s)
        with accept(listener) as server:
            assert read(server, len(data)) == data
