#!/bin/bash
# Makes a disk image: make-disk.sh DIRECTORY LAYER ROOTFS AGENT ID writes the sparse file DIRECTORY/disk.raw. Its root file system
# is LAYER/layer over ROOTFS, with the file AGENT as its agent. A machine prints ID when it starts.
# The script uses no loop device and no mount outside its namespace.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export LC_ALL=C CB_TARGET=$1 CB_LAYER=$2 CB_ROOTFS=$3 CB_AGENT=$4 CB_IMAGE=$5 PATH=$PATH:/usr/sbin:/sbin
umask 022

CB_MAKE=$(cat "$here/../boot/disk.sh" - <<'STAGE'
set -euo pipefail
# The caller's temporary folder and current folder may be closed to these ids.
unset TMPDIR
cd /
mount -t tmpfs -o mode=0755 none /mnt
mkdir /mnt/lower /mnt/data /mnt/tree /mnt/layer
mount -c --bind "/proc/self/fd/$CB_LOWER_FD" /mnt/lower
mount -c --bind "/proc/self/fd/$CB_FD" /mnt/data
mount -c --bind "/proc/self/fd/$CB_LAYER_FD" /mnt/layer
data=/mnt/data tree=/mnt/tree disk=/mnt/data/disk.raw
mkdir "$data/top" "$data/work"
mount -t overlay -o "lowerdir=/mnt/layer/layer:/mnt/lower,upperdir=$data/top,workdir=$data/work,userxattr,volatile" \
  overlay "$tree"
mkdir -p "$tree/opt/container-builder"
cat <&"$CB_AGENT_FD" >"$tree/opt/container-builder/agent.mjs"
chmod 0755 "$tree/opt/container-builder" "$tree/opt/container-builder/agent.mjs"
printf '%s\n' "$CB_IMAGE" >"$tree/usr/share/container-builder/image"
settle_times "$tree" /mnt/layer
# There is no journal, because a builder starts only once from this image.
write_disk "$tree" /mnt/layer "$disk" builder cb0c0b01 -O ^has_journal -m 0
umount "$tree"
rm -rf "$data/top" "$data/work"
STAGE
)
export CB_MAKE
exec unshare --user --map-auto --keep-caps --mount --pid --fork --mount-proc bash -euo pipefail -c '
  exec {CB_FD}<"$CB_TARGET" {CB_LAYER_FD}<"$CB_LAYER" {CB_LOWER_FD}<"$CB_ROOTFS" {CB_AGENT_FD}<"$CB_AGENT"
  export CB_FD CB_LAYER_FD CB_LOWER_FD CB_AGENT_FD
  exec setpriv --pdeathsig KILL --reuid 0 --regid 0 --clear-groups --inh-caps=-all --ambient-caps=-all bash -c "$CB_MAKE"'
