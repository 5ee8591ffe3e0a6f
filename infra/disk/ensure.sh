#!/bin/bash
# Makes a folder once: ensure.sh CACHE KEY SCRIPT [ARGUMENT...] gives CACHE/KEY with what SCRIPT makes in it, whole or not at all.
#
# Run it under a lock (flock CACHE/lock ...). SCRIPT is called with a folder of another name, in which root of our user
# namespace may write, and the arguments; what an interrupted run left is swept first. CACHE has mode 0700, so that the open
# folder in it is closed to others.
set -euo pipefail
cd "$1"
key=$2 script=$3
shift 3
if [ -d "$key" ]; then exit 0; fi

# What is in it belongs to subordinate ids, so their root removes it.
remove() {
  (cd "$1" && unshare --user --map-auto --setuid 0 --setgid 0 find . -mindepth 1 -delete)
  rm -rf -- "$1"
}
for stale in .making-*; do
  if [ -d "$stale" ]; then remove "$stale"; fi
done

making=.making-$key
mkdir "$making"
chmod 0777 "$making"
trap 'remove "$PWD/$making"' EXIT
trap 'exit 143' TERM INT HUP
bash "$script" "$PWD/$making" "$@" &
wait "$!"
trap - EXIT
chmod 0755 "$making"
mv -T "$making" "$key"
