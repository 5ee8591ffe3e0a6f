#!/bin/bash
# make-tree.sh CACHE KEY DRIVER: creates the testbed's tree with its databases as CACHE/KEY/rootfs, complete or not at all.
#
# Needs root. Run it under a lock (flock CACHE/lock ...). It works in a temporary folder and renames that when the tree is complete.
# First it removes the temporary folders of interrupted runs, and the trees with another KEY that are not in use.
# Environment: CB_MIRROR, a Debian archive; CB_APT_CONF, text of apt options such as a proxy.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../../infra/image/cache/collect.sh"
driver=$3
key=$2
: "${CB_MIRROR:?must be the address of a Debian archive}"
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C CB_HERE=$here
umask 022
# The packages' scripts are Python: a caller's PYTHONDONTWRITEBYTECODE, for example, would change the tree.
unset "${!PYTHON@}"
cd "$1"
if [ -d "$key" ]; then exit 0; fi

# Each run mounts in its own namespace, so an interrupted run leaves only files.
collect 0 .making-* *-"$driver"

making=.making-$key
mkdir "$making" "$making/work"
trap 'rm -rf --one-file-system -- "$PWD/$making"' EXIT
# The child processes receive the same signal; wait until they no longer write.
trap 'wait; exit 143' TERM INT HUP

packages() { grep -hv '^#' "$@" | paste -sd,; }
lists=("$here/packages.txt")
if [ "$driver" = libvirt ]; then lists+=("$here/packages-libvirt.txt"); fi
printf '#!/bin/sh\nexit 101\n' >"$making/policy-rc.d"
chmod 0755 "$making/policy-rc.d"
printf '%s\n' "${CB_APT_CONF-}" >"$making/apt.conf"
# The api-paste.ini files are only in packages that also configure daemons, so those are unpacked and not installed.
# py3compile would start one Python for each of some 400 packages and compile their tests too; one compileall is much faster.
# oslo.messaging polls for each reply every 0.5 s (Launchpad bug 2035113), so each call takes that long; the sed below reduces it.
mmdebstrap --mode=root --variant=apt --format=directory \
  --aptopt="$making/apt.conf" --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include="$(packages "${lists[@]}")" \
  --essential-hook="copy-in $making/policy-rc.d /usr/sbin/" \
  --essential-hook='chroot "$1" dpkg-divert --quiet --local --rename --divert /usr/bin/py3compile.kept /usr/bin/py3compile' \
  --essential-hook='ln -s true "$1/usr/bin/py3compile"' \
  --customize-hook='chroot "$1" bash -euc "mkdir /unpacked; cd /unpacked
    apt-get -qq -o APT::Sandbox::User=root download nova-common neutron-common glance-common
    for deb in *.deb; do dpkg-deb -x \$deb .; done"' \
  --customize-hook='cp -rT "$CB_HERE/tree" "$1"' \
  --customize-hook='chroot "$1" python3 -m compileall -q -j 2 -x /tests/ /usr/lib/python3/dist-packages >/dev/null || true' \
  trixie "$making/rootfs" "$CB_MIRROR" &
wait "$!"
cd "$making/rootfs"
cp -rT "$here/tree-$driver" .
cp unpacked/usr/share/nova-common/api-paste.ini etc/nova/api-paste.ini
cp unpacked/usr/share/neutron-common/api-paste.ini etc/neutron/api-paste.ini
cp unpacked/usr/share/glance-common/glance-api-paste.ini etc/glance/glance-api-paste.ini
rm -rf unpacked
sed -i 's/time\.sleep(0\.5)/time.sleep(0.01)/' usr/lib/python3/dist-packages/oslo_messaging/_drivers/amqpdriver.py
mkdir -p opt/testbed/var/{images,nova/instances,neutron,glance,lock}
# The id of the compute node: uuid5 of the host name, as in the driver (nova/virt/testbed.py).
echo ebb698e7-7549-5d8b-8aa4-0762edcb459b >opt/testbed/var/nova/compute_id
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
cd ../..

unshare --mount --pid --net --fork --kill-child=KILL --propagation private bash "$here/box.sh" "$making" make &
wait "$!"
rm "$making/policy-rc.d" "$making/apt.conf"
mv -T "$making" "$key"
trap - EXIT
