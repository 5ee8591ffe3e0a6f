#!/bin/bash
# Makes a folder once: ensure.sh CACHE KEY SCRIPT [ARGUMENT...] gives CACHE/KEY with what SCRIPT makes in it, whole or not at all.
#
# Run it under a lock (flock CACHE/lock ...). SCRIPT is called with a folder of another name, in which root of our user
# namespace may write, and the arguments; what an interrupted run left is swept first, and so are keys that nobody has used
# lately. CACHE has mode 0700, so that the open folder in it is closed to others.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/collect.sh"
cd "$1"
key=$2 script=$3
shift 3
if [ -d "$key" ]; then exit 0; fi

# A sandbox holds what it is made of; this is for those who know a path and have yet to start one. Each asking for a key is a use of it.
minutes_kept=$((24 * 60))
collect 0 .making-*
collect "$minutes_kept" *

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
