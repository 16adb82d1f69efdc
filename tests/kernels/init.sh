#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# init.sh - /init of the machines that kernels.py boots. The root is that of the host, read only, below a tmpfs.
# RUN and LIB are of the kernel's command line: the copy of what is tested, and the directory with this kernel's modules.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /modules/*; do
	insmod "$module"
done
mkdir -p /host /upper /root
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=524288,cache=loose root /host
mount -t tmpfs -o size=1g upper /upper
mkdir /upper/data /upper/work
mount -t overlay -o lowerdir=/host,upperdir=/upper/data,workdir=/upper/work root /root
for dir in proc sys dev; do
	mount --bind /$dir /root/$dir
done
mkdir -p /root/dev/shm /root/dev/pts
mount -t tmpfs shm /root/dev/shm
mount -t devpts pts /root/dev/pts
mount -t tmpfs run /root/run
mount -t cgroup2 cgroup /root/sys/fs/cgroup
mount -t bpf bpf /root/sys/fs/bpf
mkdir -p /root/lib/modules
mount --bind "/host$LIB" /root/lib/modules
echo /bin/modprobe-there >/proc/sys/kernel/modprobe
ip link set lo up
HOME=/root TMPDIR=/tmp chroot /root /usr/bin/python3 "$RUN/tests/kernels/inside.py" "$RUN" >/dev/ttyS1
poweroff -f
