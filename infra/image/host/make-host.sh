#!/bin/bash
# Makes a host's disk image: make-host.sh DIRECTORY BASE PACKAGE ID writes the sparse file DIRECTORY/disk.raw.
#   BASE      the directory that make-base.sh made
#   PACKAGE   the server package, a .deb file. BASE has its dependencies
#   ID        the id that the image reports
#
# The script uses no network, no loop device and no mount outside its namespace.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export LC_ALL=C CB_TARGET=$1 CB_BASE=$2 CB_PACKAGE=$3 CB_IMAGE=$4 PATH=$PATH:/usr/sbin:/sbin
umask 022
# The guest files are passed as text, because the ids of the namespace may have no access to their folder. A builder and a host
# interpret the network's metadata by one program.
network=usr/lib/container-builder/network.jq
CB_GUEST=$(tar -c --sort=name --owner=0 --group=0 --mtime=@0 -C "$here/guest" etc usr -C "$here/../disk/guest" "$network" | base64 -w0)
export CB_GUEST

CB_MAKE=$(cat "$here/../boot/disk.sh" - <<'STAGE'
set -euo pipefail
# The caller's temporary folder and current folder may be closed to these ids.
unset TMPDIR
cd /
mount -t tmpfs -o mode=0755 none /mnt
mkdir /mnt/base /mnt/data /mnt/tree
mount -c --bind "/proc/self/fd/$CB_BASE_FD" /mnt/base
mount -c --bind "/proc/self/fd/$CB_FD" /mnt/data
data=/mnt/data tree=/mnt/tree disk=/mnt/data/disk.raw
mkdir "$data/top" "$data/work"
mount -t overlay -o "lowerdir=/mnt/base/rootfs,upperdir=$data/top,workdir=$data/work,userxattr,volatile" overlay "$tree"
base64 -d <<<"$CB_GUEST" | tar -x -C "$tree" --no-same-permissions --touch

# The package's scripts find what they find in a container: devices, /proc, and no running systemd.
mount -t tmpfs -o mode=0755 none "$tree/dev"
for device in null zero full random urandom; do
  : >"$tree/dev/$device"
  mount --bind "/dev/$device" "$tree/dev/$device"
done
mount --rbind /proc "$tree/proc"
mount -t tmpfs -o mode=0755 none "$tree/run"
cat <&"$CB_PACKAGE_FD" >"$tree/run/package.deb"
DEBIAN_FRONTEND=noninteractive chroot "$tree" dpkg --force-unsafe-io --path-exclude='/usr/share/doc/*' \
  --path-exclude='/usr/share/man/*' --install /run/package.deb
chroot "$tree" systemctl --quiet enable systemd-networkd systemd-networkd-wait-online systemd-resolved chrony ssh \
  cb-grow-root cb-config cb-metadata cb-data cb-nats cb-queue cb-registry
# No login on a console: root has no password. docker-registry is started by cb-registry alone.
chroot "$tree" systemctl --quiet mask docker-registry getty.target serial-getty@.service apt-daily.timer
# It would complain at each boot of a machine without vsock.
mkdir -p "$tree/etc/systemd/system-generators"
ln -s /dev/null "$tree/etc/systemd/system-generators/systemd-ssh-generator"
umount --recursive "$tree/proc" "$tree/dev" "$tree/run"
# The folder of the configuration is a tmpfs.
rm -rf "$tree/etc/container-builder"
mkdir -p "$tree/etc/container-builder"
chroot "$tree" dpkg-query -W -f '${Package} ${Version}\n' | sort -u - "$tree/usr/share/container-builder/versions" >"$data/versions"
cp "$data/versions" "$tree/usr/share/container-builder/versions"
printf '%s\n' "$CB_IMAGE" >"$tree/usr/share/container-builder/image"
settle_times "$tree" /mnt/base
# The journal has 64 MiB, the default of larger disks. It does not grow with the file system.
write_disk "$tree" /mnt/base "$disk" cb-host cb0c0b02 -J size=64 -m 1
umount "$tree"
rm -rf "$data/top" "$data/work" "$data/versions"
STAGE
)
export CB_MAKE
exec unshare --user --map-auto --keep-caps --mount --pid --fork --mount-proc bash -euo pipefail -c '
  exec {CB_FD}<"$CB_TARGET" {CB_BASE_FD}<"$CB_BASE" {CB_PACKAGE_FD}<"$CB_PACKAGE"
  export CB_FD CB_BASE_FD CB_PACKAGE_FD
  exec setpriv --pdeathsig KILL --reuid 0 --regid 0 --clear-groups --inh-caps=-all --ambient-caps=-all bash -c "$CB_MAKE"'
