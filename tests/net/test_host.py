# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a proxy's machine lacks is a line with its remedy: a warning while it lasts, or the reason why there is no start."""
import subprocess

import pytest

from one_daemon import raw, runs_again     # noqa: F401
from tcp import wait_for
from test_init import FORWARD, START
from test_machine import warned, warnings

pytestmark = [pytest.mark.spliced, pytest.mark.whole("it is about the proxy's machine")]


def is_over(raw, kind):
    wait_for(lambda: not warnings(raw.spliced, kind), f"the end of {kind}", 10)


def test_forwarding_that_is_off(raw, family):
    assert not warnings(raw.spliced, "forwarding")
    raw.net.proxy.sysctl(FORWARD[family.version], 0)
    try:
        said = warned(raw.spliced, "forwarding")
        assert f"forwarding of IPv{family.version} is off" in said["text"]
    finally:
        words = said["remedy"].split(",")[0].split()[2:]
        for word in words:
            key, value = word.removeprefix("net.").split("=")
            raw.net.proxy.sysctl(key, value)
    is_over(raw, "forwarding")


def test_service_address_of_the_machine(raw, family):
    raw.net.proxy.ip(f"addr add {family.vip} dev lo\n")
    try:
        raw.spliced.hangup()
        said = warned(raw.spliced, "service_local")
        assert family.vip in said["text"] and f"ip route add blackhole {family.vip}" in said["remedy"]
    finally:
        raw.net.proxy.ip(f"addr del {family.vip} dev lo\n")
    is_over(raw, "service_local")


def test_service_address_that_is_routed_on(raw, family):
    router = raw.net.router.addr(family.version, "proxy")
    raw.net.proxy.ip(f"route add {family.vip} via {router} metric 1\n")
    try:
        raw.spliced.hangup()
        assert family.vip in warned(raw.spliced, "service_route")["remedy"]
    finally:
        raw.net.proxy.ip(f"route del {family.vip} via {router} metric 1\n")
    is_over(raw, "service_route")


def test_backend_without_a_route(raw, family):
    backend = raw.net.backend1.addr(family.version)
    raw.net.proxy.ip(f"route add blackhole {backend}\n")
    try:
        raw.spliced.hangup()
        assert backend in warned(raw.spliced, "no_route")["text"]
    finally:
        raw.net.proxy.ip(f"route del blackhole {backend}\n")
    is_over(raw, "no_route")


@pytest.mark.parametrize("before, said", [
    ("exec setpriv --bounding-set -sys_admin,-bpf,-perfmon", "start it as root, or with CAP_BPF"),
    ("mount -t tmpfs none /sys/kernel/btf && exec", "CONFIG_DEBUG_INFO_BTF"),
    ("{ while umount /sys/fs/bpf 2>/dev/null; do :; done; } && exec setpriv --bounding-set -sys_admin", "`mount -t bpf bpf /sys/fs/bpf`"),
], ids=["no-capabilities", "no-btf", "no-bpffs"])
def test_start_is_refused_by_name(raw, tmp_path, before, said):
    """With a state_dir that is nobody else's."""
    file, key = tmp_path / "spliced.yaml", raw.spliced.work / "cookie.key"
    file.write_text(raw.spliced.file.read_text().replace(raw.usual["state_dir"], "/sys/fs/bpf/spliced"))
    tmp_path.chmod(0o755)
    done = raw.net.proxy.run("unshare", "-m", "sh", "-c", START.replace("exec", before), raw.spliced.bin, "--config", str(file), check=False)
    assert said in done and key.exists()


def test_no_configuration(raw, tmp_path):
    (tmp_path / "spliced.yaml").write_text("# comment\n\n")
    for name in ("spliced.yaml", "none.yaml"):
        done = subprocess.run([raw.spliced.bin, "--config", tmp_path / name], capture_output=True, text=True)
        assert done.returncode == 2 and "nothing is configured yet: `spliced --init" in done.stderr
