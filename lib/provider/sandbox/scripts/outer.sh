# Stage 2 of 4, outer: root of the outer user namespace, which owns the network namespace and has no rights on the host.
#
# It mounts the parts of the sandbox on /mnt, loads the egress filter, and starts the inner user namespace. Root of the inner
# namespace has no rights over these: the kernel locks the mounts that were made here, and refuses changes of routes and filter.
set -euo pipefail
umask 022
fail() { echo "sandbox: $*" >&2; exit 1; }
mount -t tmpfs -o mode=0755,nosuid,nodev container-builder /mnt
mkdir /mnt/lower /mnt/data /mnt/root /mnt/bind /mnt/sys
mount -c --bind "/proc/self/fd/$CB_LOWER" /mnt/lower
mount -c --bind "/proc/self/fd/$CB_DATA" /mnt/data
mkdir -p /mnt/data/upper /mnt/data/work /mnt/data/scratch
# Shows the devices of the network namespace. Hosts that mask their /sys refuse this mount, and no build needs it.
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs /mnt/sys 2>/dev/null || :

CB_TARGETS=
n=0
while IFS=$'\t' read -r fd to; do
  [ -n "$fd" ] || continue
  if [ -d "/proc/self/fd/$fd" ]; then mkdir "/mnt/bind/$n"; else : >"/mnt/bind/$n"; fi
  mount -c --bind "/proc/self/fd/$fd" "/mnt/bind/$n"
  # The kernel refuses a remount that drops a flag of the source's mount.
  mount -o "remount,bind,ro,nosuid,nodev" "/mnt/bind/$n" 2>/dev/null ||
    mount -o "remount,bind,ro,nosuid,nodev,$(findmnt -no VFS-OPTIONS "/mnt/bind/$n" | sed 's/\brw\b/ro/')" "/mnt/bind/$n"
  exec {fd}<&-
  CB_TARGETS+="$n"$'\t'"$to"$'\n'
  n=$((n + 1))
done <<<"$CB_BOUND"
export CB_TARGETS
exec {CB_LOWER}<&- {CB_DATA}<&-

# ip and nft come from the rootfs, so the host needs neither. Without the filter the sandbox does not start, unless the
# configuration allows it.
chroot /mnt/lower busybox ip link set lo up || fail "the loopback device could not be brought up"
if [ -n "$CB_RULES" ]; then
  if ! chroot /mnt/lower nft -f - <<<"$CB_RULES"; then
    [[ " $CB_WEAK " == *" egress-filter "* ]] ||
      fail "nft could not load the filter (does the kernel have nf_tables?), and allowWeak does not name egress-filter"
    echo "sandbox: no egress filter; every port of the host is open to this sandbox" >&2
  fi
fi

# The process limit counts the processes of all ids inside, because it is set before the inner namespace is created.
# With a core limit of exactly one byte the kernel neither writes a core file nor starts the host's crash handler; with 0 it starts
# the handler (core(5)), which would get the secrets of a build.
prlimit --pid $$ --core=1:1 2>/dev/null || ulimit -c 0
# A limit can only be lowered here, so a lower limit of the host stays in effect.
ulimit -n "$CB_FILES" 2>/dev/null || ulimit -Sn hard
ulimit -u "$CB_PROCESSES" 2>/dev/null || ulimit -Su hard

mkfifo /mnt/mapped
echo ready
exec 1>&4
unshare --user bash -c 'read -r _ </mnt/mapped
  exec unshare --mount --pid --ipc --uts --cgroup --fork bash -c "$CB_INNER" inner "$@" 4>&-' user "$@" <&0 &
inner=$!
exec 5>/mnt/mapped
# Opening the pipe blocks until the new namespace exists. Its id map is the identity, over the range of this namespace's own map.
count=0
while read -r start _ length; do [ "$start" -ne "$count" ] || count=$((count + length)); done </proc/self/uid_map
groups=0
while read -r start _ length; do [ "$start" -ne "$groups" ] || groups=$((groups + length)); done </proc/self/gid_map
echo "0 0 $count" >"/proc/$inner/uid_map"
echo "0 0 $groups" >"/proc/$inner/gid_map"
echo >&5
exec 5>&- 0<&- 3>&-
code=0
wait "$inner" || code=$?
exit "$code"
