# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Who has which address in a cluster (cluster.py)."""
CLIENT_NETS = ("10.1.0.0/24", "fd00:1::/64")
SNAT_NETS = ("10.99.0.0/24", "fd99::/112")
LANS = {"front": 2, "back": 3, "stores": 4}


def addr(k, digit, version=4):
    return f"10.{k}.0.{digit}" if version == 4 else f"fd00:{k}::{digit}"


def mac(k, digit):
    return f"02:00:00:00:{k:02x}:{digit:02x}"


def snat(number, version):
    return f"10.99.0.{number}" if version == 4 else f"fd99::{number}"
