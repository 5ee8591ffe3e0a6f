#!/bin/bash
# Makes a root file system once: ensure-rootfs.sh CACHE KEY PACKAGES gives CACHE/KEY/rootfs, whole or not at all, with the
# packages that the file PACKAGES lists.
#
# Run it under a lock (flock CACHE/lock ...). It works in a folder of another name and renames it when everything is
# there; what an interrupted run left is swept first. CACHE has mode 0700, so that the open folder in it is closed to others.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
packages=$3
cd "$1"
if [ -d "$2" ]; then exit 0; fi

# The trees belong to subordinate ids, so their root removes them.
remove() {
  (cd "$1" && unshare --user --map-auto --setuid 0 --setgid 0 rm -rf -- rootfs apt.conf)
  rm -rf -- "$1"
}
for stale in .making-*; do
  if [ -d "$stale" ]; then remove "$stale"; fi
done

making=.making-$2
mkdir "$making"
chmod 0777 "$making"
trap 'remove "$PWD/$making"' EXIT
trap 'exit 143' TERM INT HUP
bash "$here/make-rootfs.sh" "$PWD/$making" "$packages" &
wait "$!"
trap - EXIT
chmod 0755 "$making"
mv -T "$making" "$2"
