#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Source and binary packages in build/package/, out of the files that git knows, as they are in this tree. See ./run package."""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
OUT = ROOT / "build" / "package"
TREE = OUT / "spliced"


def copy_tree():
    """A file that was deleted here, and not in git's index, is left out, too."""
    shutil.rmtree(OUT, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.rstrip("\0").split("\0"):
        source, target = ROOT / name, TREE / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def main():
    copy_tree()
    with open(OUT / "build.log", "w") as log:
        status = subprocess.run(["dpkg-buildpackage", "-us", "-uc"], cwd=TREE, stdout=log, stderr=subprocess.STDOUT).returncode
    if status:
        print("\n".join((OUT / "build.log").read_text().splitlines()[-40:]), file=sys.stderr)
        return status
    changes, = OUT.glob("*.changes")
    # lintian warns that root runs it
    status = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", changes]).returncode
    for package in sorted(OUT.glob("*.deb")):
        print(package.relative_to(ROOT))
    return status


if __name__ == "__main__":
    sys.exit(main())
