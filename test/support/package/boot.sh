#!/bin/bash
# boot.sh TREE: boots the systemd of the Debian tree TREE as the first process of new namespaces, with changes in memory only.
#
# Started by `unshare --fork --kill-child --mount --pid --net --uts --ipc --cgroup`: when that ends, the kernel ends the machine.
set -euo pipefail
mount --make-rprivate /
mount -t tmpfs -o mode=0755 machine /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" machine /mnt/root
cd /mnt/root
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755 dev dev
for name in null zero full random urandom tty; do
  touch "dev/$name"
  mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm dev/net
# The mode that udev gives it.
mknod -m 0666 dev/net/tun c 10 200
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs dev/shm dev/shm
mount -t tmpfs -o mode=0755 run run
ip link set lo up
mkdir -p old
pivot_root . old
umount -l /old
# `container` tells systemd that it runs in one.
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/init --log-target=console --show-status=no </dev/null
