# Kernel, initramfs and boot loader of an image: functions for the scripts that make it.
#
# A script sources this file for boot_texts, which reads the files of this folder. Then it puts this file before the text that it
# runs as root of a user namespace, because the ids of the namespace may have no access to this folder. The functions there use
#   $tree   the root file system of the image
#   $data   a folder for temporary files, and for the boot loader

# boot_texts FOLDER exports the texts of the boot files. GRUB's configuration uses "linux16" and not "linux", which copies the 58 MB
# of the unpacked kernel byte by byte: 4 s under emulation.
boot_texts() {
  CB_MODULES=$(grep -v '^#' "$1/modules.txt" | paste -sd' ')
  CB_GRUB=$(<"$1/grub.cfg")
  CB_INITRAMFS=$(<"$1/initramfs")
  export CB_MODULES CB_GRUB CB_INITRAMFS
}

# Runs a program of the tree without chroot, so that its output does not depend on the programs of the host.
inside() {
  local libraries=usr/lib/x86_64-linux-gnu
  "$tree/usr/lib64/ld-linux-x86-64.so.2" --library-path "$tree/$libraries:$data/parts/$libraries" "$@"
}
busybox() { "$tree/usr/bin/busybox" "$@"; }

# Writes $data/fetch, a hook of mmdebstrap that unpacks kernel and boot loader into $data/parts. The kernel is unpacked and not
# installed, because its package depends on initramfs-tools, and that initramfs takes 14 s to start under emulation. Kernel and
# boot loader are from the same archives, verified with the same keys.
write_fetch_hook() {
  export CB_PARTS=$data/parts
  mkdir "$CB_PARTS"
  cat >"$data/fetch" <<'FETCH'
set -euo pipefail
export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
cd "$CB_PARTS"
kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')
apt-get --quiet --option APT::Sandbox::User=root download "$kernel" grub-common grub-pc-bin libdevmapper1.02.1
for deb in *.deb; do
  dpkg-deb --extract "$deb" .
  dpkg-deb --show --showformat '${Package} ${Version}\n' "$deb" >>versions
done
rm -- *.deb
FETCH
}

# Moves kernel and modules from $data/parts into the tree, and sets $release, the kernel's version.
move_kernel() {
  local kernel
  cd "$data/parts"
  kernel=$(basename boot/vmlinuz-*)
  release=${kernel#vmlinuz-}
  mkdir -p "$tree/boot" "$tree/usr/lib/modules"
  mv "boot/$kernel" "$tree/boot/vmlinuz"
  mv "$(dirname "$(find . -path '*/modules/*/kernel' -prune)")" "$tree/usr/lib/modules/$release"
  chroot "$tree" depmod "$release"
}

# make_initramfs LABEL INIT: the initramfs mounts the file system with the label and starts the init there. It has busybox, the
# modules that may be needed to find the disk, and a script. The modules in it are decompressed: files that are compressed twice are
# larger, and the kernel decompresses the whole archive faster than single modules.
make_initramfs() {
  local initramfs=$data/parts/initramfs module
  mkdir -p "$initramfs"/{bin,dev,proc,sys,root} "$initramfs/lib/modules/$release"
  cp "$tree/usr/bin/busybox" "$initramfs/bin/busybox"
  sed "s|@LABEL@|$1|g; s|@INIT@|$2|g" <<<"$CB_INITRAMFS" >"$initramfs/init"
  chmod 0755 "$initramfs/init"
  for module in $CB_MODULES; do
    chroot "$tree" modprobe --set-version "$release" --show-depends "$module"
  done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r file; do
    name=$(basename "$file" .xz)
    if [[ $file == *.xz ]]; then busybox xzcat "$tree$file"; else cat "$tree$file"; fi >"$initramfs/lib/modules/$release/$name"
  done
  cp "$tree/usr/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$initramfs/lib/modules/$release/"
  inside --argv0 depmod "$tree/usr/bin/kmod" --basedir "$initramfs" "$release"
  find "$initramfs" -exec touch --no-dereference --date=@0 {} +
  (cd "$initramfs" && find . | sort | busybox cpio -o -H newc -R 0:0) | count_inodes | gzip -9n >"$tree/boot/initrd.img"
}

# busybox writes the inode and device numbers of this file system, which differ each time. This replaces them by consecutive numbers
# and zeroes. The header is 6 characters and 13 fields of 8 hexadecimal digits (newc in cpio(5)); name and content are padded to a
# multiple of 4 bytes.
count_inodes() {
  perl -0777 -ne '
    my ($at, $inode) = (0, 0);
    while (substr($_, $at, 6) eq "070701") {
      substr($_, $at + 6, 8) = sprintf("%08X", ++$inode);
      substr($_, $at + 62, 16) = "0" x 16;
      my ($size, $name) = (hex substr($_, $at + 54, 8), hex substr($_, $at + 94, 8));
      $at = ($at + 110 + $name + 3 & ~3) + $size + 3 & ~3;
    }
    print'
}

# Makes $data/boot.img and $data/core.img, the boot loader for the space before the first partition. write_disk gives the time of
# these files, the day of this build, to all files of the image that a build wrote.
make_boot_loader() {
  cd "$data/parts"
  printf '%s\n' "$CB_GRUB" >grub.cfg
  inside usr/bin/grub-mkimage \
    --directory usr/lib/grub/i386-pc --format i386-pc --prefix '(,msdos1)/boot' --config grub.cfg --output "$data/core.img" \
    biosdisk part_msdos ext2 linux16 serial terminal
  cp usr/lib/grub/i386-pc/boot.img "$data/boot.img"
  touch --date="@${SOURCE_DATE_EPOCH:-$(date -u -d 00:00 +%s)}" "$data/boot.img" "$data/core.img"
}

# Lists every package with its version in the tree, kernel and boot loader too.
list_versions() {
  mkdir -p "$tree/usr/share/container-builder"
  { chroot "$tree" dpkg-query -W -f '${Package} ${Version}\n'; cat "$data/parts/versions"; } | sort -u >"$data/parts/versions.all"
  cp "$data/parts/versions.all" "$tree/usr/share/container-builder/versions"
}
