# Functions that remove folders of a cache, for scripts that source this file. The caller must hold the lock of the cache folder,
# and must have changed to that folder.

# Removes a folder. Files that root of a user namespace made belong to subordinate ids, so root of such a namespace removes them.
remove() {
  rm -rf --one-file-system -- "$1" 2>/dev/null && return
  (cd "$1" && unshare --user --map-auto --setuid 0 --setgid 0 find . -xdev -mindepth 1 -delete)
  rm -rf --one-file-system -- "$1"
}

# collect MINUTES NAME...: removes those of the named folders that were not modified for MINUTES and are not in use. A process that
# uses a folder holds a shared lock (flock) on it or on a direct entry of it.
collect() {
  local minutes=$1 name
  shift
  for name; do
    if [ -d "$name" ] && [ -z "$(find "$name" -maxdepth 0 -mmin "-$minutes")" ] && ! in_use "$name"; then
      remove "$name" || echo "cannot remove the unused folder $PWD/$name" >&2
    fi
  done
}

# A file that cannot be opened counts as in use.
in_use() {
  local part
  for part in "$1" "$1"/*; do
    if [ -e "$part" ] && ! flock --exclusive --nonblock "$part" true 2>/dev/null; then return 0; fi
  done
  return 1
}
