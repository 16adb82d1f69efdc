# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Another one's program in an interface's chain, by bpf(2) itself: bpftool of Debian 12 knows no tcx."""
import contextlib
import ctypes
import os
import platform
import socket
import struct

BPF_PROG_LOAD, BPF_LINK_CREATE, BPF_OBJ_GET, BPF_LINK_DETACH = 5, 28, 7, 34
SCHED_CLS, TCX_INGRESS, BEFORE = 3, 46, 1 << 3
NUMBER = {"x86_64": 321, "aarch64": 280}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attr):
    buf = ctypes.create_string_buffer(attr, 160)
    got = libc.syscall(NUMBER, command, buf, len(attr))
    if got < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command})")
    return got


def take_all():
    """A program that lets each packet go to the stack, and ends the chain by that."""
    code = ctypes.create_string_buffer(struct.pack("<BBhi", 0xb7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0))
    licence = ctypes.create_string_buffer(b"GPL")
    return bpf(BPF_PROG_LOAD, struct.pack("<IIQQIIQII16s", SCHED_CLS, 2, ctypes.addressof(code), ctypes.addressof(licence),
                                          0, 0, 0, 0, 0, b"stranger"))


@contextlib.contextmanager
def attached(ns, interface, flags=BEFORE):
    """In front of all others, unless @flags say otherwise."""
    prog = take_all()
    try:
        with ns.inside():
            link = bpf(BPF_LINK_CREATE, struct.pack("<IIII", prog, socket.if_nametoindex(interface), TCX_INGRESS, flags) + bytes(24))
    finally:
        os.close(prog)
    try:
        yield
    finally:
        os.close(link)


def detach(path):
    """Whoever is root may take away another one's."""
    name = ctypes.create_string_buffer(str(path).encode())
    link = bpf(BPF_OBJ_GET, struct.pack("<QII", ctypes.addressof(name), 0, 0))
    try:
        bpf(BPF_LINK_DETACH, struct.pack("<I", link))
    finally:
        os.close(link)
