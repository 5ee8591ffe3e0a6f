#!/bin/bash
# Makes a folder of a cache once: ensure.sh CACHE KEY SCRIPT [ARGUMENT...]
#
# When CACHE/KEY does not exist, SCRIPT is called with a temporary folder, in which root of the user namespace may write, and with
# the arguments. When SCRIPT succeeds, the folder is renamed to CACHE/KEY; otherwise it is removed. The caller must hold a lock
# (flock CACHE/lock ...). Before that, the leftovers of interrupted runs are removed, and keys that were not used for a day.
# CACHE must have mode 0700, because it closes the world-writable temporary folder to other users.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/collect.sh"
cd "$1"
key=$2 script=$3
shift 3
if [ -d "$key" ]; then exit 0; fi

# Running sandboxes lock their folders. This time protects a caller that got the path and has not started its sandbox yet.
# isMade() in lib/provider/sandbox/make-once.ts updates the time of the last use.
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
