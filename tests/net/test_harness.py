# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""These tests leave nothing behind on the machine."""
import pathlib
import signal
import subprocess
import sys

import pytest

from tcp import wait_for

HERE = pathlib.Path(__file__).parent


def left_by(pid):
    """Namespaces and pins of a run of the tests, and processes in its namespaces."""
    names = [path for place in ("/run/netns", "/sys/fs/bpf") for path in pathlib.Path(place).glob(f"*sp{pid}x*")]
    inodes = {path.stat().st_ino for path in names if path.parent.name == "netns"}
    return names + [path for path in pathlib.Path("/proc").glob("[0-9]*/ns/net") if inode(path) in inodes]


def inode(path):
    try:
        return path.stat().st_ino
    except OSError:
        return None


@pytest.mark.spliced
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "sigint"])
def test_signal_takes_everything_down(request, number, tmp_path):
    run = subprocess.Popen([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", HERE / "test_daemon_life.py",
                            "--build", request.config.getoption("--build"), "-k", "test_frozen_daemon"],
                           stdout=open(tmp_path / "out", "w"), stderr=subprocess.STDOUT,
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a script's `run test &` ignores it
    wait_for(lambda: any(path.match("/proc/*/ns/net") for path in left_by(run.pid)), "its daemon to run")
    run.send_signal(number)
    assert run.wait(20) == 2, (tmp_path / "out").read_text()
    assert not left_by(run.pid)
