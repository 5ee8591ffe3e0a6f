# The disk of an image: functions for the scripts that run as root of a user namespace. The caller puts this file before its text.
#
# All names and numbers that would be random are fixed: the same tree gives the same image, byte for byte.

# settle_times TREE FOLDER: files that this build wrote get the time of FOLDER/core.img, which has no time of day. Logs and caches of
# the build differ each time and have no use in the image, so they are removed.
settle_times() {
  SOURCE_DATE_EPOCH=$(stat -c %Y "$2/core.img")
  export SOURCE_DATE_EPOCH
  rm -rf "$1"/var/log/* "$1"/var/cache/* "$1"/var/lib/dpkg/*-old "$1"/tmp/*
  find "$1" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

# write_disk TREE FOLDER DISK LABEL ID MKE2FS_OPTION...: writes the sparse file DISK with one partition, which has the content of
# TREE, and with the boot loader of FOLDER (boot.img, core.img) in the gap before it. ID, 8 hexadecimal digits, is the disk's id and
# the begin of the UUIDs. mke2fs and sfdisk are those of the tree, so the host's versions do not matter.
write_disk() {
  local tree=$1 folder=$2 disk=$3 label=$4 id=$5 used size
  shift 5
  # The file system has space for the tree and for writes before it grows to the disk's size. The partition starts at 1 MiB.
  used=$(du --summarize --block-size=1M --one-file-system "$tree" | cut -f1)
  size=$((used * 110 / 100 + 128))
  truncate --size="$((size + 1))M" "$disk"
  # The partition is bootable (0x80) and has type 83.
  printf 'label: dos\nlabel-id: 0x%s\nstart=2048, size=%d, type=83, bootable\n' "$id" $((size * 2048)) |
    run_in "$tree" sfdisk --quiet --no-reread "$disk"
  # Inode tables are not written now, because the sparse file already reads as zeroes. There is one inode of 256 bytes per 16 KiB,
  # the default of larger disks: the ratio stays when the file system grows.
  MKE2FS_CONFIG=$tree/etc/mke2fs.conf run_in "$tree" mke2fs -q -F -t ext4 -L "$label" -U "$id-0000-4000-8000-000000000001" \
    -E "offset=1048576,hash_seed=$id-0000-4000-8000-000000000002,lazy_itable_init=1,nodiscard,root_owner=0:0" \
    -i 16384 -d "$tree" "$@" "$disk" "${size}M"
  # 440 bytes: the disk's boot sector keeps its partition table, which starts after them.
  dd if="$folder/boot.img" of="$disk" bs=440 count=1 conv=notrunc status=none
  dd if="$folder/core.img" of="$disk" bs=512 seek=1 conv=notrunc status=none
}

# run_in TREE PROGRAM ARGUMENT...: runs a program of the tree's /usr/sbin with the tree's libraries.
run_in() {
  local tree=$1 program=$2
  shift 2
  "$tree/usr/lib64/ld-linux-x86-64.so.2" --library-path "$tree/usr/lib/x86_64-linux-gnu" "$tree/usr/sbin/$program" "$@"
}
