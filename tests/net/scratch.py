# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A machine to install packages on: systemd in namespaces of its own, over the root of this machine, of which it changes nothing.

The root is an overlay that keeps nothing. /run, /tmp and the bpffs are its own, and so are processes, cgroups and the host's
name; the network is that of a namespace of topo.py. No unit starts but those that are asked for, and what they require.
"""
import contextlib
import os
import pathlib
import signal
import subprocess

from tcp import wait_for

SETUP = r"""
set -e
mount -t tmpfs -o mode=755 scratch "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" overlay "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t bpf bpf sys/fs/bpf
mount -t tmpfs -o mode=755 run run
mount -t tmpfs tmp tmp
rm -rf usr/sbin/policy-rc.d etc/machine-id etc/systemd/system/*.wants lib/systemd/system/*.wants var/lib/man-db/auto-update
tr -d - <proc/sys/kernel/random/uuid >etc/machine-id	# without one systemd enables all units
ln -s /dev/null etc/systemd/system/systemd-remount-fs.service
printf '[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\n' >etc/systemd/system/scratch.target
mkdir old
pivot_root . old	# below chroot(2) systemd makes no namespace of users
umount -l old
exec env -i container=spliced PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --unit=scratch.target --log-target=console \
	--show-status=no
"""
CGROUPS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")      # where version 2 is, beside version 1 or alone
NAMESPACES = "-m -p -u -i -C -r -w".split()


class Machine:
    def __init__(self, ns, work):
        self.ns, self.pid = ns, None
        self.cgroup = next(pathlib.Path(path, f"scratch-{ns.full}") for path in CGROUPS if os.path.exists(f"{path}/cgroup.procs"))
        self.cgroup.mkdir()
        self.log = open(pathlib.Path(work, "log"), "w+")
        os.mkdir(f"{work}/scratch")
        join = f"echo $$ >{self.cgroup}/cgroup.procs; exec \"$@\""
        self.process = ns.popen("sh", "-c", join, "sh", *"unshare -m -p -u -i -C --propagation private --fork --kill-child sh -c".split(),
                                SETUP, "sh", f"{work}/scratch", stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            wait_for(self.is_up, "systemd to be up", 30)
        except BaseException:
            self.close()
            raise

    def is_up(self):
        assert self.process.poll() is None, pathlib.Path(self.log.name).read_text()
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if not children or "systemd" not in pathlib.Path(f"/proc/{children[0]}/comm").read_text():
            return False
        self.pid = children[0]
        return self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded")

    def command(self, *words):
        return ["nsenter", "-t", self.pid, *NAMESPACES, *map(str, words)]

    def run(self, *words, check=True, **more):
        with self.ns.inside():
            done = subprocess.run(self.command(*words), text=True, timeout=300, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  **({} if "input" in more else {"stdin": subprocess.DEVNULL}),
                                  env={"DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C.UTF-8"}, **more)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(map(str, words))}: {done.stdout}")
        return done.stdout

    def sh(self, script, **more):
        return self.run("sh", "-c", script, **more)

    def copy(self, path):
        """Return its path there."""
        name = f"/tmp/{pathlib.Path(path).name}"
        with open(path, "rb") as file:
            subprocess.run(self.command("sh", "-c", f"cat >{name}"), stdin=file, check=True, timeout=60)
        return name

    def dpkg(self, *words):
        """The index of manual pages is not made anew."""
        return self.run("dpkg", "--no-triggers", *words)

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)    # which takes its systemd along, and that its processes
        self.process.wait()
        self.log.close()
        wait_for(self.is_gone, "the cgroup to be empty", 10)

    def is_gone(self):
        for path, _, _ in os.walk(self.cgroup, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(path)
        return not self.cgroup.exists()
