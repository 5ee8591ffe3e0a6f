#!/bin/bash
# Makes a disk image: make-disk.sh DIRECTORY LAYER ROOTFS AGENT ID writes the sparse file DIRECTORY/disk.raw. Its root file system
# is LAYER/layer over ROOTFS, with the file AGENT as its agent. A machine prints ID when it starts.
#
# The disk has an MBR with one partition, and the boot loader in the gap before it. The script uses no loop device and no mount
# outside its namespace. All names and numbers that would be random are fixed: the same trees give the same image, byte for byte.
set -euo pipefail
export LC_ALL=C CB_TARGET=$1 CB_LAYER=$2 CB_ROOTFS=$3 CB_AGENT=$4 CB_IMAGE=$5 PATH=$PATH:/usr/sbin:/sbin
umask 022

CB_MAKE=$(cat <<'STAGE'
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
inside() { "$tree/usr/lib64/ld-linux-x86-64.so.2" --library-path "$tree/usr/lib/x86_64-linux-gnu" "$@"; }
mkdir -p "$tree/opt/container-builder"
cat <&"$CB_AGENT_FD" >"$tree/opt/container-builder/agent.mjs"
chmod 0755 "$tree/opt/container-builder" "$tree/opt/container-builder/agent.mjs"
printf '%s\n' "$CB_IMAGE" >"$tree/usr/share/container-builder/image"
# Files that this build wrote get the layer's time, which has no time of day. Logs and caches of the build differ each time and
# have no use in the image, so they are removed.
SOURCE_DATE_EPOCH=$(stat -c %Y /mnt/layer/core.img)
export SOURCE_DATE_EPOCH
rm -rf "$tree"/var/log/* "$tree"/var/cache/* "$tree"/var/lib/dpkg/*-old "$tree"/tmp/*
find "$tree" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

# The file system has space for the tree and for writes before it grows to the disk's size. The partition starts at 1 MiB.
used=$(du --summarize --block-size=1M --one-file-system "$tree" | cut -f1)
size=$((used * 110 / 100 + 128))
truncate --size="$((size + 1))M" "$disk"
# The partition is bootable (0x80) and has type 83. The disk id and the UUIDs are constants of this script.
printf 'label: dos\nlabel-id: 0xcb0c0b01\nstart=2048, size=%d, type=83, bootable\n' $((size * 2048)) |
  inside "$tree/usr/sbin/sfdisk" --quiet --no-reread "$disk"
# There is no journal, because a builder starts only once from this image. Inode tables are not written now, because the sparse file
# already reads as zeroes. There is one inode of 256 bytes per 16 KiB, the default of larger disks: the ratio stays when the file
# system grows.
MKE2FS_CONFIG=$tree/etc/mke2fs.conf inside "$tree/usr/sbin/mke2fs" -q -F -t ext4 -O ^has_journal -L builder \
  -U cb0c0b01-0000-4000-8000-000000000001 \
  -E offset=1048576,hash_seed=cb0c0b01-0000-4000-8000-000000000002,lazy_itable_init=1,nodiscard,root_owner=0:0 \
  -m 0 -i 16384 -d "$tree" "$disk" "${size}M"
# 440 bytes: the disk's boot sector keeps its partition table, which starts after them.
dd if=/mnt/layer/boot.img of="$disk" bs=440 count=1 conv=notrunc status=none
dd if=/mnt/layer/core.img of="$disk" bs=512 seek=1 conv=notrunc status=none
umount "$tree"
rm -rf "$data/top" "$data/work"
STAGE
)
export CB_MAKE
exec unshare --user --map-auto --keep-caps --mount --pid --fork --mount-proc bash -euo pipefail -c '
  exec {CB_FD}<"$CB_TARGET" {CB_LAYER_FD}<"$CB_LAYER" {CB_LOWER_FD}<"$CB_ROOTFS" {CB_AGENT_FD}<"$CB_AGENT"
  export CB_FD CB_LAYER_FD CB_LOWER_FD CB_AGENT_FD
  exec setpriv --pdeathsig KILL --reuid 0 --regid 0 --clear-groups --inh-caps=-all --ambient-caps=-all bash -c "$CB_MAKE"'
