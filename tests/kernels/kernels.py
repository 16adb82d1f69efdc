# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Boots kernels out of Debian's packages under qemu, which emulates the processor, and runs inside.py in each.

    ./run kernels [VERSION...]      as root; a VERSION is a prefix (6.1, 6.12.117), or `newest`

A machine's root is the host's own, shared read only, below a tmpfs: nothing is left of a run but build/kernels/, where
packages, kernels and what their consoles said are kept. Programs and tests are copied there first.
"""
import argparse
import gzip
import json
import lzma
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import speed

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "build/kernels"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SUITES = {"debian": ("bookworm", "trixie", "trixie-backports"),
          "debian-security": ("bullseye-security", "bookworm-security", "trixie-security")}
USUAL = ("5.10", "6.1", "6.12", "newest")
FIRST_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")    # to reach the root
COPIED = ("build/src/proxy/spliced", "build/src/agent/spliced-agent", "build/src/ctl/splicectl", "build/tests/bpf/test_*",
          "build/package/*.deb", "tests/net/*.py", "tests/kernels/*.py", "contrib/bird/*", "contrib/systemd/*")
LIMIT_S = 3600      # for one kernel


def apt(tool, *args, cwd=CACHE):
    """Of lists of our own, so that the machine's stay as they are."""
    here = CACHE / "apt"
    options = {"Dir::Etc::sourcelist": here / "sources.list", "Dir::Etc::sourceparts": "-", "Dir::State::lists": here / "lists",
               "Dir::Cache": here / "cache", "APT::Sandbox::User": "root"}
    command = [tool, "-q", *(f"-o{key}={value}" for key, value in options.items()), *args]
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


def update():
    """Once a day."""
    done = CACHE / "apt/updated"
    if done.exists() and time.time() - done.stat().st_mtime < 86400:
        return
    for name in ("lists/partial", "cache/archives/partial"):
        (CACHE / "apt" / name).mkdir(parents=True, exist_ok=True)
    (CACHE / "apt/sources.list").write_text("".join(
        f"deb [signed-by={KEYRING}] http://deb.debian.org/{archive} {suite} main\n" for archive, suites in SUITES.items() for suite in suites))
    apt("apt-get", "update")
    done.touch()


def numbers(text):
    return [int(n) for n in re.findall(r"\d+", text)]


def images():
    """{package: its version}, of usual kernels; not of those that are an older Debian's backports."""
    found = apt("apt-cache", "search", "--names-only", r"^linux-image-[0-9][^ ]*-amd64$").split("\n")
    names = [line.split()[0] for line in found if line and not re.search(r"-(rt|cloud)-|-0\.deb|^linux-image-[0-9.]+-amd64", line)]
    shown = apt("apt-cache", "show", "--no-all-versions", *names)
    return dict(re.findall(r"^Package: (\S+)$.*?^Version: (\S+)$", shown, re.M | re.S))


def find(version, known):
    """The newest package of a version, or of all."""
    fit = {name: of for name, of in known.items() if version == "newest" or numbers(of)[:len(numbers(version))] == numbers(version)}
    if not fit:
        sys.exit(f"kernels: no package of Linux {version}; there are {', '.join(sorted(known.values(), key=numbers))}")
    return max(fit, key=lambda name: numbers(fit[name]))


class Kernel:
    """Its packages, unpacked."""
    def __init__(self, package, version):
        self.release, self.version = package.removeprefix("linux-image-"), re.match(r"[0-9.]+", version).group()
        self.dir = CACHE / self.release
        if not (self.dir / "ready").exists():
            self.unpack(package)
        self.lib = next(path for path in (self.dir / "lib/modules", self.dir / "usr/lib/modules") if path.exists())
        self.modules = self.lib / self.release
        self.image = next(path for path in (self.modules / "vmlinuz", self.dir / f"boot/vmlinuz-{self.release}") if path.exists())

    def unpack(self, package):
        """Of later kernels, image and modules are packages of their own."""
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir()
        parts = re.findall(rf"Depends: (linux-(?:base|binary|modules)-{re.escape(self.release)})$", apt("apt-cache", "depends", package), re.M)
        apt("apt-get", "download", package, *parts, cwd=self.dir)
        for deb in self.dir.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", deb, self.dir], check=True)
            deb.unlink()
        base = self.dir if (self.dir / "lib").exists() else self.dir / "usr"
        subprocess.run(["depmod", "-b", base, self.release], check=True)
        (self.dir / "ready").touch()

    def first_modules(self):
        """Files in the order of loading; what is not listed is built in."""
        needs = dict(line.split(":", 1) for line in (self.modules / "modules.dep").read_text().splitlines())
        by_name = {re.sub(r"\.ko.*", "", path.rpartition("/")[2]).replace("-", "_"): path for path in needs}
        order = []
        for name in filter(by_name.get, FIRST_MODULES):
            order += [*reversed(needs[by_name[name]].split()), by_name[name]]
        return [self.modules / path for path in dict.fromkeys(order)]

    def initramfs(self):
        top = self.dir / "initramfs"
        shutil.rmtree(top, ignore_errors=True)
        for name in ("bin", "modules", "proc", "sys", "dev"):
            (top / name).mkdir(parents=True)
        shutil.copy("/bin/busybox", top / "bin/busybox")
        (top / "bin/sh").symlink_to("busybox")
        shutil.copy(ROOT / "tests/kernels/init.sh", top / "init")
        (top / "init").chmod(0o755)
        (top / "bin/modprobe-there").write_text('#!/bin/sh\nexec /bin/busybox chroot /root /sbin/modprobe "$@"\n')    # as the kernel calls it
        (top / "bin/modprobe-there").chmod(0o755)
        for n, path in enumerate(self.first_modules()):
            data = path.read_bytes()
            (top / f"modules/{n:02}-{path.name}").write_bytes(lzma.decompress(data) if path.suffix == ".xz" else data)
        names = subprocess.run(["find", "."], cwd=top, check=True, stdout=subprocess.PIPE).stdout
        archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=top, input=names, check=True, stdout=subprocess.PIPE).stdout
        (self.dir / "initramfs.gz").write_bytes(gzip.compress(archive, 1))
        return self.dir / "initramfs.gz"

    def copy(self, run, arguments):
        """What is tested, since it may be built anew meanwhile."""
        for path in (path for pattern in COPIED for path in ROOT.glob(pattern) if path.is_file()):
            to = run / path.relative_to(ROOT)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)
        (run / "arguments").write_text(arguments)
        (run / "speed").write_text(str(speed.loop_s()))

    def command(self, run):
        return ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "3G",
                "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot",
                "-chardev", f"file,id=console,path={self.dir}/console.log", "-serial", "chardev:console", "-serial", "stdio",
                "-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap",
                "-device", "virtio-9p-pci,fsdev=root,mount_tag=root", "-device", "virtio-rng-pci",
                "-kernel", str(self.image), "-initrd", str(self.initramfs()),
                "-append", f"console=ttyS0 loglevel=4 panic=-1 no_timer_check random.trust_cpu=on RUN={run} LIB={self.lib}"]

    def test(self, arguments):
        """[{"case", "result", "said"}], as they come. Other lines are passed on."""
        run = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=self.dir))
        self.copy(run, arguments)
        machine = subprocess.Popen(self.command(run), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace")
        limit = threading.Timer(LIMIT_S, machine.kill)
        limit.start()
        try:
            for line in machine.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
                else:
                    print(line, end="", flush=True)
        finally:
            limit.cancel()
            machine.kill()
            machine.wait()
            shutil.rmtree(run)


def test(kernel, arguments):
    """{case: result}"""
    begun, found = time.monotonic(), {}
    print(f"== Linux {kernel.version} ({kernel.release})", flush=True)
    for row in kernel.test(arguments):
        found[row["case"]] = row["result"]
        print(f"{time.monotonic() - begun:6.0f} s  {row['case']}: {row['result']}{row['said'] and ': '}{row['said']}", flush=True)
    if not found.pop("end", None):
        found["to the end"] = "failed"
        print(f"the machine ended early; its console: {kernel.dir}/console.log")
    return found


def table(results):
    cases = list(dict.fromkeys(case for found in results.values() for case in found))
    print("| | " + " | ".join(results) + " |\n|" + "---|" * (len(results) + 1))
    for case in cases:
        print(f"| {case} | " + " | ".join(found.get(case, "") for found in results.values()) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("versions", nargs="*", default=USUAL, metavar="VERSION", help=f"default: {' '.join(USUAL)}")
    parser.add_argument("--pytest", default="", metavar="ARGUMENTS", help="run these tests of tests/net instead, as in 'tests/net/test_attach.py -x'")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # so that the machine goes, too
    CACHE.mkdir(parents=True, exist_ok=True)
    update()
    known, results = images(), {}
    for package in dict.fromkeys(find(version, known) for version in options.versions):
        kernel = Kernel(package, known[package])
        results[kernel.version] = test(kernel, options.pytest)
    table(results)
    counts = [result for found in results.values() for result in found.values()]
    print(f"{counts.count('ok')} passed, {counts.count('failed')} failed")
    return "failed" in counts


if __name__ == "__main__":
    sys.exit(main())
