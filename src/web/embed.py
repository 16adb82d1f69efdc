#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Writes the page as bytes of a C array, and the hashes of its script and its style: embed.py PAGE BYTES HASHES

Content-Security-Policy lets a browser run what has these hashes, and no other script.
"""
import base64
import hashlib
import re
import sys


def digest(page, element):
    inner, = re.findall(rf"<{element}>(.*?)</{element}>".encode(), page, flags=re.S)
    return "sha256-" + base64.b64encode(hashlib.sha256(inner).digest()).decode()


def main(page_path, bytes_path, hashes_path):
    with open(page_path, "rb") as file:
        page = file.read()
    with open(bytes_path, "w", encoding="ascii") as out:
        for at in range(0, len(page), 24):
            print("".join(f"{byte if byte < 128 else byte - 256}," for byte in page[at:at + 24]), file=out)
    with open(hashes_path, "w", encoding="ascii") as out:
        for element in ("script", "style"):
            print(f'#define SP_PAGE_{element.upper()}_HASH "{digest(page, element)}"', file=out)


main(*sys.argv[1:])
