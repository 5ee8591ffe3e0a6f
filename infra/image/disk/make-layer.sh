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
. "$here/../boot/boot.sh"
boot_texts "$here/../boot"
CB_PACKAGES=$(grep -v '^#' "$here/packages.txt" | paste -sd,)
export CB_PACKAGES CB_MIRROR CB_SECURITY_MIRROR CB_APT_CONF=${CB_APT_CONF-}
# The guest files are passed as text, because the ids of the namespace may have no access to their folder.
CB_GUEST=$(cd "$here/guest" && tar -c --sort=name --owner=0 --group=0 --mtime=@0 -- * | base64 -w0)
export CB_GUEST

CB_MAKE=$(cat "$here/../boot/boot.sh" - <<'STAGE'
set -euo pipefail
# The caller's temporary folder may be closed to these ids.
unset TMPDIR
mount -t tmpfs -o mode=0755 none /mnt
mkdir /mnt/lower /mnt/data /mnt/tree
mount -c --bind "/proc/self/fd/$CB_LOWER_FD" /mnt/lower
mount -c --bind "/proc/self/fd/$CB_FD" /mnt/data
data=/mnt/data tree=/mnt/tree
mkdir "$data/layer" "$data/work"
mount -t overlay -o lowerdir=/mnt/lower,upperdir=$data/layer,workdir=$data/work,userxattr,volatile overlay "$tree"
printf '%s\n' "$CB_APT_CONF" >"$data/apt.conf"
cd /
write_fetch_hook
HOME=/ mmdebstrap --mode=root --skip=check/empty,chroot/mount/sys --variant=custom --format=directory \
  --aptopt="$data/apt.conf" --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include="$CB_PACKAGES" --customize-hook="bash $data/fetch" \
  trixie "$tree" "deb $CB_MIRROR trixie main" "deb $CB_SECURITY_MIRROR trixie-security main"
rm -f "$tree"/etc/apt/apt.conf.d/99mmdebstrap "$tree"/etc/apt/sources.list.d/*mmdebstrap* "$tree/etc/resolv.conf" \
  "$tree/etc/hostname" "$data/apt.conf" "$data/fetch"

move_kernel
base64 -d <<<"$CB_GUEST" | tar -x -C "$tree" --no-same-permissions
touch "$tree/usr/lib/container-builder"
make_initramfs builder /usr/lib/container-builder/init
make_boot_loader
list_versions
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
