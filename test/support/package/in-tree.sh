#!/bin/bash
# in-tree.sh TREE PACKAGE WORK COMMAND...: runs the command in the Debian tree TREE, with the folder PACKAGE mounted read-only as
# /opt/container-builder/container-builder-0 and linked as /opt/container-builder/current, and the folder WORK, if it is not empty,
# as /work. The network is the caller's.
#
# Started by `unshare --fork --kill-child --mount --pid`: other changes are in memory, and the kernel ends what is left.
set -euo pipefail
tree=$1 package=$2 work=$3
shift 3
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tree /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$tree,upperdir=/mnt/upper,workdir=/mnt/work" tree /mnt/root
place=/mnt/root/opt/container-builder
mkdir -p "$place/container-builder-0"
mount --bind "$package" "$place/container-builder-0"
mount -o remount,bind,ro "$place/container-builder-0"
ln -s container-builder-0 "$place/current"
if [ -n "$work" ]; then
  mkdir /mnt/root/work
  mount --bind "$work" /mnt/root/work
fi
mount -t proc proc /mnt/root/proc
mount --bind /dev /mnt/root/dev
exec env -i HOME=/root PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin chroot /mnt/root "$@"
