#!/bin/bash
# box.sh FOLDER make|run: runs the tree FOLDER/rootfs as a separate machine, in new mount, process and network namespaces.
#
# testbed.ts and make-tree.sh start it as the first process of the namespaces. `run` writes to memory and does not change the tree,
# so several can run at once and leave no files; `make` writes into the tree. First line on standard output: "pid N".
set -euo pipefail
cd "$1"
mode=$2
# /proc is still the host's here. To enter the namespaces, the test runner needs the pid that the host knows.
read -r pid _ </proc/self/stat
echo "pid $pid"
# The shared lock marks the tree as in use: collect (infra/image/cache) does not remove it then.
exec {in_use}<.
flock --shared "$in_use"

if [ "$mode" = run ]; then
  mount -t tmpfs -o mode=0755 testbed work
  mkdir work/upper work/overlay work/root
  # Relative paths, because overlay options cannot contain a colon or comma, and the absolute path may.
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
# Start with an empty environment: a PYTHON variable or a proxy of the caller would change the behaviour of the services.
exec env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  chroot . /opt/testbed/bin/init "$mode"
