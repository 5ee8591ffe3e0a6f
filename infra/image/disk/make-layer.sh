#!/bin/bash
# Makes the layer that a machine needs in addition to a sandbox's root file system: make-layer.sh DIRECTORY ROOTFS
#   DIRECTORY   an empty directory in which root of the user namespace may write
#   ROOTFS      the tree that make-rootfs.sh made
#
# DIRECTORY/layer is an overlay layer for ROOTFS: packages, kernel, modules, initramfs, init. DIRECTORY/boot.img and core.img are
# the boot loader, for the space before the first partition. The script mounts nothing outside its namespace. It uses mmdebstrap
# from the host, and the programs of Debian's essential packages.
# Environment: CB_MIRROR, CB_SECURITY_MIRROR (Debian archives); CB_APT_CONF, text of apt options such as a proxy.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export LC_ALL=C CB_TARGET=$1 CB_ROOTFS=$2 PATH=$PATH:/usr/sbin:/sbin
umask 022
: "${CB_MIRROR:?names no Debian archive}" "${CB_SECURITY_MIRROR:?names no Debian archive}"
CB_PACKAGES=$(grep -v '^#' "$here/packages.txt" | paste -sd,)
CB_MODULES=$(grep -v '^#' "$here/modules.txt" | paste -sd' ')
export CB_PACKAGES CB_MODULES CB_MIRROR CB_SECURITY_MIRROR CB_APT_CONF=${CB_APT_CONF-}
# The guest files are passed as text, because the ids of the namespace may have no access to their folder.
CB_GUEST=$(cd "$here/guest" && tar -c --sort=name --owner=0 --group=0 --mtime=@0 -- * | base64 -w0)
# grub.cfg uses "linux16" and not "linux", which copies the 58 MB of the unpacked kernel byte by byte: 4 s under emulation.
CB_GRUB=$(<"$here/grub.cfg")
export CB_GUEST CB_GRUB

CB_MAKE=$(cat <<'STAGE'
set -euo pipefail
# The caller's temporary folder may be closed to these ids.
unset TMPDIR
mount -t tmpfs -o mode=0755 none /mnt
mkdir /mnt/lower /mnt/data /mnt/tree
mount -c --bind "/proc/self/fd/$CB_LOWER_FD" /mnt/lower
mount -c --bind "/proc/self/fd/$CB_FD" /mnt/data
data=/mnt/data tree=/mnt/tree
mkdir "$data/layer" "$data/work" "$data/parts"
mount -t overlay -o lowerdir=/mnt/lower,upperdir=$data/layer,workdir=$data/work,userxattr,volatile overlay "$tree"
printf '%s\n' "$CB_APT_CONF" >"$data/apt.conf"
cd /

# The kernel is unpacked and not installed, because its package depends on initramfs-tools, and that initramfs takes 14 s to start
# under emulation. Kernel and boot loader are from the same archives, verified with the same keys.
export CB_PARTS=$data/parts
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
HOME=/ mmdebstrap --mode=root --skip=check/empty,chroot/mount/sys --variant=custom --format=directory \
  --aptopt="$data/apt.conf" --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include="$CB_PACKAGES" --customize-hook="bash $data/fetch" \
  trixie "$tree" "deb $CB_MIRROR trixie main" "deb $CB_SECURITY_MIRROR trixie-security main"
rm -f "$tree"/etc/apt/apt.conf.d/99mmdebstrap "$tree"/etc/apt/sources.list.d/*mmdebstrap* "$tree/etc/resolv.conf" \
  "$tree/etc/hostname" "$data/apt.conf" "$data/fetch"

# Runs a program of the tree without chroot, so that its output does not depend on the programs of the host.
inside() {
  local libraries=usr/lib/x86_64-linux-gnu
  "$tree/usr/lib64/ld-linux-x86-64.so.2" --library-path "$tree/$libraries:$data/parts/$libraries" "$@"
}
busybox() { "$tree/usr/bin/busybox" "$@"; }

cd "$data/parts"
kernel=$(basename boot/vmlinuz-*)
release=${kernel#vmlinuz-}
mkdir -p "$tree/boot" "$tree/usr/lib/modules"
mv "boot/$kernel" "$tree/boot/vmlinuz"
mv "$(dirname "$(find . -path '*/modules/*/kernel' -prune)")" "$tree/usr/lib/modules/$release"
chroot "$tree" depmod "$release"
base64 -d <<<"$CB_GUEST" | tar -x -C "$tree" --no-same-permissions

# The initramfs: busybox, the modules that may be needed to find the disk, and a script. The modules in it are decompressed: files
# that are compressed twice are larger, and the kernel decompresses the whole archive faster than single modules.
initramfs=$data/parts/initramfs
mkdir -p "$initramfs"/{bin,dev,proc,sys,root} "$initramfs/lib/modules/$release"
cp "$tree/usr/bin/busybox" "$initramfs/bin/busybox"
mv "$tree/usr/lib/container-builder/initramfs" "$initramfs/init"
for module in $CB_MODULES; do
  chroot "$tree" modprobe --set-version "$release" --show-depends "$module"
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r file; do
  name=$(basename "$file" .xz)
  if [[ $file == *.xz ]]; then busybox xzcat "$tree$file"; else cat "$tree$file"; fi >"$initramfs/lib/modules/$release/$name"
done
cp "$tree/usr/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$initramfs/lib/modules/$release/"
inside --argv0 depmod "$tree/usr/bin/kmod" --basedir "$initramfs" "$release"
find "$initramfs" -exec touch --no-dereference --date=@0 {} +
# busybox writes the inode and device numbers of this file system, which differ each time. This replaces them by consecutive numbers
# and zeroes. The header is 6 characters and 13 fields of 8 hexadecimal digits (newc in cpio(5)); name and content are padded to a
# multiple of 4 bytes.
count_inodes='
  my ($at, $inode) = (0, 0);
  while (substr($_, $at, 6) eq "070701") {
    substr($_, $at + 6, 8) = sprintf("%08X", ++$inode);
    substr($_, $at + 62, 16) = "0" x 16;
    my ($size, $name) = (hex substr($_, $at + 54, 8), hex substr($_, $at + 94, 8));
    $at = ($at + 110 + $name + 3 & ~3) + $size + 3 & ~3;
  }
  print'
(cd "$initramfs" && find . | sort | busybox cpio -o -H newc -R 0:0) | perl -0777 -ne "$count_inodes" |
  gzip -9n >"$tree/boot/initrd.img"

printf '%s\n' "$CB_GRUB" >grub.cfg
inside usr/bin/grub-mkimage \
  --directory usr/lib/grub/i386-pc --format i386-pc --prefix '(,msdos1)/boot' --config grub.cfg --output "$data/core.img" \
  biosdisk part_msdos ext2 linux16 serial terminal
cp usr/lib/grub/i386-pc/boot.img "$data/boot.img"
# make-disk.sh gives the time of these files, the day of this build, to all later files of the image.
touch --date="@${SOURCE_DATE_EPOCH:-$(date -u -d 00:00 +%s)}" "$data/boot.img" "$data/core.img"
{ chroot "$tree" dpkg-query -W -f '${Package} ${Version}\n'; cat versions; } | sort -u >versions.all
cp versions.all "$tree/usr/share/container-builder/versions"
# A machine's root file system is ext4, on which buildah can mount overlays.
sed -i 's/^driver = .*/driver = "overlay"/' "$tree/etc/containers/storage.conf"
cd /
umount "$tree"
rm -rf "$data/work" "$data/parts"
STAGE
)
export CB_MAKE
# The script opens the folders with the caller's rights, then becomes root of the namespace.
exec unshare --user --map-auto --keep-caps --mount --pid --fork --mount-proc bash -euo pipefail -c '
  exec {CB_FD}<"$CB_TARGET" {CB_LOWER_FD}<"$CB_ROOTFS"
  export CB_FD CB_LOWER_FD
  exec setpriv --pdeathsig KILL --reuid 0 --regid 0 --clear-groups --inh-caps=-all --ambient-caps=-all bash -c "$CB_MAKE"'
