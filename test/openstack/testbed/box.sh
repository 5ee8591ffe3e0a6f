#!/bin/bash
# box.sh FOLDER make|run: runs the tree FOLDER/rootfs as a machine of its own, in fresh mount, process and network namespaces.
#
# It is started as the first process of them (testbed.ts, make-tree.sh). `run` writes to memory and leaves the tree as it is, so
# several may run at once and none leaves anything; `make` writes into the tree. First line on standard output: "pid N".
set -euo pipefail
cd "$1"
mode=$2
# Still the host's /proc: who enters the namespaces needs the host's number of this process.
read -r pid _ </proc/self/stat
echo "pid $pid"
# Whoever wants to remove this tree sees that it is in use.
exec {in_use}<.
flock --shared "$in_use"

if [ "$mode" = run ]; then
  mount -t tmpfs -o mode=0755 testbed work
  mkdir work/upper work/overlay work/root
  # The kernel takes these paths from the working directory, whatever characters the way to it has.
  mount -c -t overlay -o lowerdir=rootfs,upperdir=work/upper,workdir=work/overlay testbed work/root
  root=work/root
else
  mount -c --bind rootfs rootfs
  root=rootfs
fi
cd "$root"
mount -t proc proc proc
mount -t sysfs sys sys
mount -t cgroup2 cgroup sys/fs/cgroup 2>/dev/null || true
mount -c --rbind /dev dev
mount -t tmpfs -o mode=0755 run run
# Nothing of the caller's environment is meant for it: a PYTHON variable or a proxy would change what is tested.
exec env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  chroot . /opt/testbed/bin/init "$mode"
