# Sourced by what keeps made things in a cache folder: removing them. Whoever calls these holds the folder's lock and works in it.

# What root of a user namespace made belongs to subordinate ids, and is emptied by their root.
remove() {
  rm -rf --one-file-system -- "$1" 2>/dev/null && return
  (cd "$1" && unshare --user --map-auto --setuid 0 --setgid 0 find . -xdev -mindepth 1 -delete)
  rm -rf --one-file-system -- "$1"
}

# collect MINUTES NAME...: removes the folders of these names that were not touched for so long, and that nobody holds. What is
# in use is held by a shared lock (flock) on the folder or on something right in it.
collect() {
  local minutes=$1 name
  shift
  for name; do
    if [ -d "$name" ] && [ -z "$(find "$name" -maxdepth 0 -mmin "-$minutes")" ] && ! is_held "$name"; then
      remove "$name" || echo "cannot remove $PWD/$name, which nobody uses" >&2
    fi
  done
}

# What cannot be opened counts as held.
is_held() {
  local part
  for part in "$1" "$1"/*; do
    if [ -e "$part" ] && ! flock --exclusive --nonblock "$part" true 2>/dev/null; then return 0; fi
  done
  return 1
}
