#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Whether what docs/SIZING.md says of `$ spliced-plan ...` is what that prints; with --write, puts it there."""
import argparse
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```\n\$ (spliced-plan\b(?:.*\\\n)*.*)\n((?:(?!```).*\n)*)```$", re.M)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=pathlib.Path, default=ROOT / "docs/SIZING.md")
    parser.add_argument("--plan", default=str(ROOT / "build/src/plan/spliced-plan"))
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def printed(plan, command):
    """In a pipe: `| head -3` and the like may follow."""
    words = command.replace("spliced-plan", shlex.quote(plan), 1)
    run = subprocess.run(words, shell=True, cwd=ROOT, text=True, capture_output=True, check=False, timeout=60)
    return run.stdout + run.stderr


def main():
    args = arguments()
    text, bad = args.page.read_text(encoding="utf-8"), []
    blocks = list(BLOCK.finditer(text))

    def replace(block):
        output = printed(args.plan, block[1])
        if output != block[2]:
            bad.append((text.count("\n", 0, block.start()) + 2, block[1]))
        return f"```\n$ {block[1]}\n{output}```"

    new = BLOCK.sub(replace, text)
    if args.write:
        args.page.write_text(new, encoding="utf-8")
        return 0
    for line, command in bad:
        print(f"{args.page}:{line}: this is not what is printed by: {command}", file=sys.stderr)
    if not blocks:
        print(f"{args.page}: no command of spliced-plan in it", file=sys.stderr)
    return 1 if bad or not blocks else 0


sys.exit(main())
