#!/bin/bash
# Makes the testbed's tree once: make-tree.sh CACHE KEY DRIVER gives CACHE/KEY/rootfs with databases, whole or not at all.
#
# Needs root. Run it under a lock (flock CACHE/lock ...). It works in a folder of another name and renames it when everything is
# there; what an interrupted run left is swept first, and so are trees of other recipes that nobody runs.
# Environment: CB_MIRROR, a Debian archive; CB_APT_CONF, text of apt options such as a proxy.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../../infra/image/cache/collect.sh"
driver=$3
key=$2
: "${CB_MIRROR:?names no Debian archive}"
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C CB_HERE=$here
umask 022
# Some tell Python to write no bytecode, and the packages' scripts are Python.
unset "${!PYTHON@}"
cd "$1"
if [ -d "$key" ]; then exit 0; fi

# A namespace of its own holds all mounts of a run, so what is left of one is files.
collect 0 .making-* *-"$driver"

making=.making-$key
mkdir "$making" "$making/work"
trap 'rm -rf --one-file-system -- "$PWD/$making"' EXIT
# Those that are told to end with this script still write.
trap 'wait; exit 143' TERM INT HUP

packages() { grep -hv '^#' "$@" | paste -sd,; }
lists=("$here/packages.txt")
if [ "$driver" = libvirt ]; then lists+=("$here/packages-libvirt.txt"); fi
printf '#!/bin/sh\nexit 101\n' >"$making/policy-rc.d"
chmod 0755 "$making/policy-rc.d"
printf '%s\n' "${CB_APT_CONF-}" >"$making/apt.conf"
# How the web servers are put together stands only in packages that want to configure a daemon: these are only unpacked.
# Each of some 400 Python packages would be compiled by a Python of its own, tests and all: once for all is much shorter.
# oslo.messaging looks for each answer every half second (Launchpad bug 2035113), which makes each call that long.
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
# The node's identity, uuid5 of the host's name as the driver has it too.
echo ebb698e7-7549-5d8b-8aa4-0762edcb459b >opt/testbed/var/nova/compute_id
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
cd ../..

unshare --mount --pid --net --fork --kill-child=KILL --propagation private bash "$here/box.sh" "$making" make &
wait "$!"
rm "$making/policy-rc.d" "$making/apt.conf"
mv -T "$making" "$key"
trap - EXIT
