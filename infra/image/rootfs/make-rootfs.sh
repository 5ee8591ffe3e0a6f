#!/bin/bash
# Makes the root file system of sandboxes: make-rootfs.sh DIRECTORY PACKAGES ID
#   DIRECTORY   an empty directory in which root of the user namespace may write
#   PACKAGES    a file with one Debian package per line
#   ID          the id that the image reports
#
# The result is DIRECTORY/rootfs. It belongs to subordinate ids (0 is the first of them), so that root of a sandbox has no rights
# on the host; therefore it is made inside a mapped user namespace. Works as root and as a user; both need subordinate ids.
# Environment: CB_MIRROR, CB_SECURITY_MIRROR (Debian archives); CB_APT_CONF, text of apt options such as a proxy.
set -euo pipefail
# A user's PATH often lacks /usr/sbin, where chroot is. A strict umask would apply to the tree.
export LC_ALL=C CB_TARGET=$1 CB_IMAGE=$3 PATH=$PATH:/usr/sbin:/sbin
umask 022
CB_PACKAGES=$(grep -v '^#' "$2" | paste -sd,)
export CB_PACKAGES
: "${CB_MIRROR:?names no Debian archive}" "${CB_SECURITY_MIRROR:?names no Debian archive}"
export CB_MIRROR CB_SECURITY_MIRROR CB_APT_CONF=${CB_APT_CONF-}

# Runs as root of the namespace. It works on /mnt, because a home directory of mode 0700 is closed to this id.
# Left out: documents; node's package managers; test helpers of buildah (94 MB) and network plugins (55 MB) that a
# chroot-isolated build never calls; 420 MB of qemu for architectures that no image is built for; the compiler of Python modules,
# because only dnf is written in Python. The apt settings of the host are removed from the tree.
CB_MAKE=$(cat <<'STAGE'
set -euo pipefail
# The caller's temporary folder may be closed to these ids.
unset TMPDIR
mount -c --bind "/proc/self/fd/$CB_FD" /mnt
printf '%s\n' "$CB_APT_CONF" >/mnt/apt.conf
cd /
# The host's /sys cannot be mounted here, and no package needs it.
HOME=/ mmdebstrap --mode=root --skip=chroot/mount/sys --variant=essential --format=directory \
  --aptopt=/mnt/apt.conf --aptopt='Acquire::Languages "none"' \
  --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/nodejs/corepack/*' \
  --dpkgopt='path-exclude=/usr/bin/qemu-*' \
  --dpkgopt='path-include=/usr/bin/qemu-aarch64' --dpkgopt='path-include=/usr/bin/qemu-ppc64le' \
  --dpkgopt='path-include=/usr/bin/qemu-system-*' --dpkgopt='path-include=/usr/bin/qemu-img' \
  --dpkgopt='path-exclude=/usr/bin/py3compile' \
  --dpkgopt='path-exclude=/usr/libexec/buildah/*' --dpkgopt='path-exclude=/usr/lib/cni/*' \
  --setup-hook='mkdir -p "$1/etc/apt/preferences.d"' \
  --setup-hook='printf "Package: *\nPin: release n=sid\nPin-Priority: 100\n" >"$1/etc/apt/preferences.d/sid"' \
  --include="$CB_PACKAGES" \
  trixie /mnt/rootfs \
  "deb $CB_MIRROR trixie main" "deb $CB_SECURITY_MIRROR trixie-security main" \
  "deb [check-valid-until=no] $CB_MIRROR sid main"
cd /mnt/rootfs
rm -f etc/apt/apt.conf.d/99mmdebstrap etc/resolv.conf etc/hostname ../apt.conf
# apptainer mounts /etc/localtime into its containers and fails without it. This one is UTC, in the format of RFC 8536. That of tzdata
# is a link, and here it would lead out of the tree.
rm -f etc/localtime
printf 'TZif\0%034d\1\0\0\0\4\0\0\0\0\0\0UTC\0' 0 | tr 0 '\0' >etc/localtime
# buildah's default driver needs an overlay on an overlay, which the kernel refuses. Chroot isolation needs no OCI runtime.
mkdir -p etc/containers usr/share/container-builder
printf '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' \
  >etc/containers/storage.conf
# Without Debian's list a short name in a Dockerfile means Docker Hub, as with docker; the list maps "FROM centos" elsewhere.
rm -f etc/containers/registries.conf.d/shortnames.conf
# Debian's rpm keeps its database in HOME, and apptainer then refuses to install packages into another root file system.
mkdir -p etc/rpm
printf '%%_dbpath /var/lib/rpm\n' >etc/rpm/macros
chroot . dpkg-query -W -f '${Package} ${Version}\n' >usr/share/container-builder/versions
printf '%s\n' "$CB_IMAGE" >usr/share/container-builder/image
STAGE
)
export CB_MAKE
# The script opens the directory with the caller's rights, then becomes root of the namespace.
exec unshare --user --map-auto --keep-caps --mount --pid --fork --mount-proc bash -euo pipefail -c '
  exec {CB_FD}<"$CB_TARGET"
  export CB_FD
  exec setpriv --pdeathsig KILL --reuid 0 --regid 0 --clear-groups --inh-caps=-all --ambient-caps=-all bash -c "$CB_MAKE"'
