# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the kernel under the tests can do, by its own symbols; or what the daemon is to believe, by SPLICED_ADOPT and SPLICED_ATTACH."""
import functools
import os
import pathlib

import pytest


@functools.cache
def symbols():
    """Of those that are asked for below."""
    wanted = ("tcx_link_attach", "bpf_sk_assign_tcp_reqsk")
    return {name for name in (line.split()[2] for line in pathlib.Path("/proc/kallsyms").read_text().splitlines()) if name in wanted}


def has_tcx():
    """Linux 6.6; before, programs are attached by clsact."""
    return "tcx_link_attach" in symbols() and os.environ.get("SPLICED_ATTACH") != "clsact"


def can_adopt():
    """Linux 6.9: it takes over a handshake that another host has answered."""
    return "bpf_sk_assign_tcp_reqsk" in symbols() and os.environ.get("SPLICED_ADOPT") != "no"


needs_tcx = pytest.mark.skipif(not has_tcx(), reason="this kernel has no tcx")
needs_adopt = pytest.mark.skipif(not can_adopt(), reason="this kernel takes no handshake over")
ADOPT = pytest.param("adopt", marks=needs_adopt)
