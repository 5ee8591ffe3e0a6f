#!/bin/bash
# Makes the base of a host's image: make-base.sh DIRECTORY
#   DIRECTORY   an empty directory in which root of the user namespace may write
#
# DIRECTORY/rootfs is Debian with kernel and initramfs, DIRECTORY/boot.img and core.img are the boot loader. The script mounts
# nothing outside its namespace.
# Environment: CB_MIRROR, CB_SECURITY_MIRROR (Debian archives); CB_APT_CONF, text of apt options such as a proxy.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export LC_ALL=C CB_TARGET=$1 PATH=$PATH:/usr/sbin:/sbin
umask 022
: "${CB_MIRROR:?names no Debian archive}" "${CB_SECURITY_MIRROR:?names no Debian archive}"
. "$here/../boot/boot.sh"
boot_texts "$here/../boot"
CB_PACKAGES=$(grep -v '^#' "$here/packages.txt" | paste -sd,)
export CB_PACKAGES CB_MIRROR CB_SECURITY_MIRROR CB_APT_CONF=${CB_APT_CONF-}

CB_MAKE=$(cat "$here/../boot/boot.sh" - <<'STAGE'
set -euo pipefail
# The caller's temporary folder may be closed to these ids.
unset TMPDIR
mount -c --bind "/proc/self/fd/$CB_FD" /mnt
data=/mnt tree=/mnt/rootfs
printf '%s\n' "$CB_APT_CONF" >"$data/apt.conf"
cd /
write_fetch_hook
# The variant has no apt: a host is replaced by a newer image, and installs nothing. The host's /sys cannot be mounted here.
HOME=/ mmdebstrap --mode=root --skip=chroot/mount/sys --variant=essential --format=directory \
  --aptopt="$data/apt.conf" --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include="$CB_PACKAGES" --customize-hook="bash $data/fetch" \
  trixie "$tree" "deb $CB_MIRROR trixie main" "deb $CB_SECURITY_MIRROR trixie-security main"
# Each host makes its own ssh key and machine id. An empty machine-id makes no "first boot", which would enable all units.
rm -f "$tree"/etc/apt/apt.conf.d/99mmdebstrap "$tree"/etc/resolv.conf "$tree"/etc/hostname "$tree"/etc/ssh/ssh_host_* \
  "$tree"/var/lib/dbus/machine-id "$data/apt.conf" "$data/fetch"
: >"$tree/etc/machine-id"
ln -s ../run/systemd/resolve/stub-resolv.conf "$tree/etc/resolv.conf"
move_kernel
make_initramfs cb-host /usr/lib/systemd/systemd
make_boot_loader
list_versions
rm -rf "$data/parts"
STAGE
)
export CB_MAKE
# The script opens the folder with the caller's rights, then becomes root of the namespace.
exec unshare --user --map-auto --keep-caps --mount --pid --fork --mount-proc bash -euo pipefail -c '
  exec {CB_FD}<"$CB_TARGET"
  export CB_FD
  exec setpriv --pdeathsig KILL --reuid 0 --regid 0 --clear-groups --inh-caps=-all --ambient-caps=-all bash -c "$CB_MAKE"'
