# Stage 3 of 4, inner: root of the inner user namespace and first process of its own pid namespace. It assembles the file system
# that the command sees and detaches from the host's. No untrusted code has run yet.
set -euo pipefail
hostname "$CB_HOSTNAME"
# `volatile` turns syncs off, because no data outlives the sandbox. dpkg would sync thousands of times.
mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/data/upper,workdir=/mnt/data/work,userxattr,volatile \
  overlay /mnt/root
cd /mnt/root
mount -t proc -o nosuid,nodev,noexec proc proc
# Host settings are closed to these ids anyway. The read-only mount also closes the settings of the sandbox's own namespaces.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro,nosuid,nodev,noexec proc/sys
# Files in a tmpfs take memory that no end of a process frees. The kernel's default size is half of the host's memory.
tmpfs=
[ "$CB_MEMORY_MIB" -eq 0 ] || tmpfs=,size=$((CB_MEMORY_MIB / 4))m
mount -t tmpfs -o "mode=0755,nosuid$tmpfs" dev dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5,nosuid,noexec devpts dev/pts
mount -t tmpfs -o "mode=1777,nosuid,nodev$tmpfs" shm dev/shm
for name in null zero full random urandom tty; do
  : >"dev/$name"
  mount --bind "/dev/$name" "dev/$name"
done
for name in fuse; do
  if [ -r "/dev/$name" ] && [ -w "/dev/$name" ]; then : >"dev/$name" && mount --bind "/dev/$name" "dev/$name"; fi
done
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
if mountpoint -q /mnt/sys; then mount --rbind /mnt/sys sys; fi
mount -t tmpfs -o "mode=0755,nosuid,nodev$tmpfs" run run
mkdir -p run/lock
# A folder that is no overlay. The kernel refuses an upper folder of an overlay on another overlay, and buildah makes overlays.
mkdir -p var/scratch
mount --bind /mnt/data/scratch var/scratch
printf '%s\n' "$CB_HOSTNAME" >etc/hostname
printf '%s' "$CB_HOSTS" >etc/hosts
printf '%s' "$CB_RESOLV" >etc/resolv.conf
while IFS=$'\t' read -r n to; do
  [ -n "$n" ] || continue
  if [ -d "/mnt/bind/$n" ]; then mkdir -p "./$to"; else mkdir -p "./${to%/*}" && : >"./$to"; fi
  mount --rbind "/mnt/bind/$n" "./$to"
done <<<"$CB_TARGETS"

mkdir -m 0700 run/container-builder
umask 077
read -r size
cat >run/container-builder/user-data
[ "$(stat -c %s run/container-builder/user-data)" -eq "$size" ] || { echo "the user data is incomplete" >&2; exit 1; }
umask 022

printf '%s\n' "$CB_INIT" >run/container-builder/init

pivot_root . .
umount -l .
cd /root
echo started >&3
# Close all descriptors but 0 to 2 and those of the configured devices: others, inherited from the stages, would give access to
# the host.
for fd in /proc/self/fd/*; do
  fd=${fd##*/}
  [ "$fd" -le 2 ] || [[ " $CB_OPENED" == *"=$fd "* ]] || eval "exec $fd>&-"
done
# keyctl gives the command a new session keyring in place of the one of the user who runs the queue. Its message about that on
# stderr is dropped. Then a filter denies all key calls.
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root LANG=C.UTF-8 \
  ${CB_OPENED:+CB_OPENED="${CB_OPENED% }"} \
  keyctl session - perl -e "$CB_NO_KEYS" bash /run/container-builder/init "$@" </dev/null 3>&2 2>/dev/null
