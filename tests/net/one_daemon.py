# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""For tests of one daemon and its splices: a rig whose daemon runs again as usual after each test, and what is pinned."""
import contextlib
import json
import subprocess

import pytest

import daemon
from daemon import RAW_TCP
from tcp import open_socket


@pytest.fixture(scope="module")
def raw(net, start_rig):
    with start_rig(net, daemon.raw_config) as rig:
        rig.usual = rig.spliced.conf
        yield rig


@pytest.fixture(autouse=True)
def runs_again(raw):
    """Whatever a test does to the daemon."""
    yield
    if not raw.spliced.is_running():
        raw.spliced.write(raw.usual)
        raw.spliced.start()
    elif raw.spliced.conf != raw.usual:
        raw.spliced.reload(raw.usual)


@contextlib.contextmanager
def small(make_net, start_rig, **limits):
    with make_net() as net, start_rig(net, lambda net, work: daemon.raw_config(net, work, limits=limits)) as rig:
        yield rig


def is_silent(rig, way):
    with open_socket(rig.client, way.vip, timeout=0.2) as late:
        try:
            late.connect((way.vip, RAW_TCP))
        except TimeoutError:
            return True
    return False


def bpftool(*args):
    """None when there is no such thing."""
    done = subprocess.run(["bpftool", "-j", *map(str, args)], capture_output=True, text=True)
    return json.loads(done.stdout) if not done.returncode else None


def attached(rig):
    """{id of a pinned link: id of its program}. `bpftool net` of Debian 12 knows no tcx."""
    found = [bpftool("link", "show", "pinned", path) for path in rig.spliced.state_dir.rglob("link_*")]
    return {link["id"]: link["prog_id"] for link in found}


def programs(rig):
    """Ids of what runs at its interfaces, by tcx or by clsact."""
    return set(attached(rig).values()) | {bpftool("prog", "show", "pinned", path)["id"] for path in rig.spliced.state_dir.rglob("tc_*")}


def pins(rig):
    return {str(path) for path in rig.spliced.state_dir.rglob("*")}
