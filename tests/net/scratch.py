# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A machine to install packages on: the root of this one below an overlay that keeps nothing, in the namespace of a proxy.

It has a bpffs, a /run and a /tmp of its own. In the place of systemd, SYSTEMCTL does for spliced.service what maintainer
scripts ask of it, and no more. (tests/kernels has real ones.)
"""
import os
import pathlib
import signal
import subprocess

SETUP = r"""
set -e
mount -t tmpfs -o mode=755 scratch "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" overlay "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs sysfs sys
mount -t bpf bpf sys/fs/bpf
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p run/systemd/system
rm -f usr/sbin/policy-rc.d
echo ready
exec sleep infinity
"""

SYSTEMCTL = r"""#!/bin/bash
# systemctl of a scratch machine: spliced.service, as far as maintainer scripts and tests go
words=()
for word; do case $word in -*) ;; *) words+=("$word") ;; esac; done
file=/run/spliced.pid
# every process gets the log of its own start
start() {
	setsid /usr/sbin/spliced </dev/null >>/tmp/spliced.log 2>&1 &
	echo $! >$file
}
stop() {
	[ -e $file ] || return 0
	kill "$(cat $file)" && tail --pid="$(cat $file)" -f /dev/null
	rm -f $file
}
has_spliced() { [[ " ${words[*]} " == *" spliced.service "* ]]; }
echo "${words[*]}" >>/tmp/systemctl.log
has_spliced || exit $([ "${words[0]}" = is-active ] && echo 3 || echo 0)
case ${words[0]} in
is-enabled) [ -e /etc/systemd/system/multi-user.target.wants/spliced.service ] && echo enabled || { echo disabled; exit 1; } ;;
is-active) [ -e $file ] && kill -0 "$(cat $file)" ;;
enable) deb-systemd-helper enable spliced.service ;;
start) start ;;
stop) stop ;;
restart) stop; start ;;
reload) kill -HUP "$(cat $file)" ;;
esac
"""


class Machine:
    def __init__(self, ns, work):
        self.ns, self.work = ns, pathlib.Path(work)
        self.root = self.work / "root"
        self.process = ns.popen("unshare", "-m", "--propagation", "private", "sh", "-c", SETUP, "sh", str(work),
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        line = self.process.stdout.readline()
        if line != "ready\n":
            raise RuntimeError(f"scratch machine: {line}{self.process.stdout.read()}")
        self.write("/usr/bin/systemctl", SYSTEMCTL)
        self.sh("chmod 755 /usr/bin/systemctl")

    def command(self, *words):
        return ["nsenter", "-m", "-t", str(self.process.pid), "chroot", str(self.root), *map(str, words)]

    def run(self, *words, check=True, **more):
        with self.ns.inside():
            done = subprocess.run(self.command(*words), text=True, timeout=120, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  stdin=None if "input" in more else subprocess.DEVNULL,
                                  env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin"}, **more)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(map(str, words))}: {done.stdout}")
        return done.stdout

    def sh(self, script, **more):
        return self.run("sh", "-c", script, **more)

    def write(self, path, text):
        """A new file: one of the lower root must not be written through a link of it."""
        self.sh(f"rm -f {path} && cat >{path}", input=text)

    def copy(self, path):
        """Return its path there."""
        with open(path, "rb") as file, self.ns.inside():
            name = f"/tmp/{pathlib.Path(path).name}"
            subprocess.run(self.command("sh", "-c", f"cat >{name}"), stdin=file, check=True, timeout=60)
        return name

    def close(self):
        self.sh("[ ! -e /run/spliced.pid ] || systemctl stop spliced.service", check=False)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
