#!/bin/bash
# Stage 1 of 4, launch: launch.sh COMMAND ARG... runs COMMAND in a sandbox and stays on the host as its supervisor.
#
# The stages, each of which starts the next one:
#   1 launch  on the host, with the rights of the user who runs the queue: opens the files and devices of the sandbox, creates
#             the outer namespaces, starts slirp4netns for their network, and waits for the end of the sandbox
#   2 outer   root of the outer user namespace: mounts the parts of the sandbox on /mnt, loads the egress filter, sets the limits
#   3 inner   root of the inner user namespace: assembles the file system that the command sees, and detaches from the host's
#   4 init    first process inside: runs the command and reaps orphans
#
#   stdin   a line with the size of the user data in bytes, then the user data: secret, so never in argv or environment
#   fd 3    status: "started" once, "exit N" at the end
# The working directory is the sandbox's own folder: supervisor, console.*, data/ (mode 0777 inside a 0700 folder).
# This process must lead a session: lib/provider/sandbox/processes.ts finds and ends the sandbox by the session.
# Environment:
#   CB_ROOTFS                root file system
#   CB_BINDS                 lines "from<TAB>to"
#   CB_HOSTNAME, CB_HOSTS, CB_RESOLV   host name and texts of /etc/hosts and /etc/resolv.conf
#   CB_RULES                 egress filter for nft; empty: no network
#   CB_SLIRP                 options of slirp4netns
#   CB_CONSOLE_BYTES         limit of the kept output; 0: the output goes to stdout
#   CB_PROCESSES, CB_FILES   limits
#   CB_GROUPS                lines with the folders of the control groups that the sandbox enters
#   CB_DISK_MIB              size of the sandbox's own file system; 0: data/ itself
#   CB_MEMORY_MIB            the memory limit; 0: none
#   CB_DEVICES               lines "name<TAB>path" of the devices that the command inherits as open descriptors
#   CB_WEAK                  weaknesses that the configuration allows, by name
set -euo pipefail
umask 077
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Write the supervisor file: process id, start time (the 22nd field, the 20th after the name) and boot id, on one line.
stat=$(<"/proc/$$/stat")
read -ra fields <<<"${stat##*) }"
echo "$$ ${fields[19]} $(</proc/sys/kernel/random/boot_id)" >supervisor.new
mv supervisor.new supervisor

# Keep the newest output of the sandbox. The function alternates between two files of half the limit each, so that at least the
# newest half is always there.
write_console() {
  local half=$((CB_CONSOLE_BYTES / 2))
  [ ! -s console.1 ] || mv console.1 console.0
  # head dies with this function's process. Left alone it would go on reading beside the next one, and the output would lose its order.
  while stdbuf -o0 setpriv --pdeathsig KILL head -c "$half" >console.1; do
    [ "$(stat -c %s console.1)" -eq "$half" ] || return 0
    mv console.1 console.0
  done
}
# This stage holds the pipe of the output open, so that the sandbox survives the end of the process that reads it, and starts that
# process again. After ten restarts, as on a full disk, the output is dropped.
console_restarts=0
start_console_writer() {
  {
    exec <"/proc/self/fd/$console_pipe"
    # An open end of this pipe would hide the end of the output; an open end of slirp4netns's pipe would keep that alive.
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
    if [ "$console_restarts" -le 10 ]; then write_console; else cat; fi
  } >/dev/null 2>&1 &
  console_writer=$!
}
close_inherited=""
if [ "$CB_CONSOLE_BYTES" -gt 0 ]; then
  exec {console_pipe}<> <(:)
  close_inherited=" $console_pipe<&-"
  start_console_writer
  exec >"/proc/self/fd/$console_pipe" 2>&1
fi

# Lock the root file system and the bound files while this stage lives, so that infra/image/cache/collect.sh does not remove them.
# The descriptors would give access to the host, so the other stages close them.
lock_shared() {
  # A later stage reports an unreadable file, and this stage waits for it.
  [ -r "$1" ] || return 0
  exec {fd}<"$1"
  flock --shared --nonblock "$fd" || :
  close_inherited+=" $fd<&-"
}
lock_shared "$CB_ROOTFS"
while IFS=$'\t' read -r from _; do
  [ -z "$from" ] || lock_shared "$from"
done <<<"$CB_BINDS"

# The later stages are passed as text, because their ids may have no access to the folder of these scripts.
CB_OUTER=$(<"$here/outer.sh") CB_INNER=$(<"$here/inner.sh") CB_INIT=$(<"$here/init.sh") CB_NO_KEYS=$(<"$here/no-keys.pl")
export CB_OUTER CB_INNER CB_INIT CB_NO_KEYS CB_FOLDER=$PWD

# The child first keeps the caller's id, unmapped, and opens the files that only the caller may open. Then it becomes root of the
# namespace, in which the caller's id does not exist.
open_and_become_root='
  exec {CB_LOWER}<"$CB_ROOTFS" {CB_DATA}<"$CB_FOLDER/data"
  bound=""
  while IFS=$(printf "\t") read -r from to; do
    [ -n "$from" ] || continue
    exec {fd}<"$from"
    bound+="$fd"$(printf "\t")"$to"$(printf "\n.")
    bound=${bound%.}
  done <<<"$CB_BINDS"
  opened=""
  while IFS=$(printf "\t") read -r name path; do
    if [ ! -e "$path" ]; then fd=absent; elif ! { exec {fd}<>"$path"; } 2>/dev/null; then fd=closed; fi
    [ -z "$name" ] || opened+="$name=$fd "
  done <<<"$CB_DEVICES"
  export CB_LOWER CB_DATA CB_BOUND=$bound CB_OPENED=$opened
  cd /
  exec setpriv --reuid 0 --regid 0 --clear-groups --inh-caps=-all --ambient-caps=-all bash -c "$CB_OUTER" outer "$@"'

# The file system is mounted in a mount namespace of the sandbox, so that the kernel unmounts it, and detaches the loop device,
# when the last process has exited, however that came about. Nothing in it outlives the sandbox, hence no journal. Its file is
# sparse: discard gives the space of deleted files back, and noinit_itable keeps the kernel from writing empty inode tables.
with_disk() {
  [ "$CB_DISK_MIB" -gt 0 ] || exec "$@"
  if ! { truncate --size "${CB_DISK_MIB}M" disk &&
    mkfs.ext4 -q -F -m 0 -O ^has_journal -E lazy_itable_init=1,nodiscard disk; }; then
    echo "sandbox: its disk of $CB_DISK_MIB MiB could not be made" >&2
    exit 1
  fi
  exec unshare --mount --propagation private bash -c '
    mount -t ext4 -o loop,noatime,discard,noinit_itable disk data && chmod 0777 data ||
      { echo "sandbox: its disk could not be mounted" >&2; exit 1; }
    exec "$@"' disk "$@"
}
# The supervisor stays outside of the control groups, so that no limit can end it.
enter_groups() {
  while read -r group; do
    [ -z "$group" ] || echo "$BASHPID" >"$group/cgroup.procs"
  done <<<"$CB_GROUPS"
}

exec {console}>&1 {userdata}<&0
coproc OUTER {
  eval "exec$close_inherited"
  enter_groups
  with_disk unshare --user --map-auto --keep-caps --net --mount --pid --fork --mount-proc \
    bash -euo pipefail -c "$open_and_become_root" open "$@" 4>&"$console" {userdata}<&- {console}>&-
}
outer=$OUTER_PID
# Stage 2 prints "ready" when the filter is loaded. No packet can leave before, because the network is set up after it.
read -r ready <&"${OUTER[0]}" && [ "$ready" = ready ] || { echo "the outer namespaces could not be created" >&2; exit 1; }

if [ -n "$CB_RULES" ]; then
  # slirp4netns writes one byte when the interface is up. It exits with this stage, also when this stage is killed, because the
  # pipe that only this stage holds open for writing then hangs up.
  exec {alive}<> <(:)
  exec {up}< <(eval "exec$close_inherited"; exec slirp4netns --configure --ready-fd=5 --exit-fd=6 --mtu=65520 --enable-sandbox --enable-seccomp \
    $CB_SLIRP "$outer" tap0 5>&1 >/dev/null 2>&"$console" 3>&- </dev/null 6<"/proc/self/fd/$alive" {alive}>&-)
  slirp=$!
  trap 'kill "$slirp" 2>/dev/null || :' EXIT
  read -r -N 1 <&"$up" || { echo "slirp4netns could not set the network up" >&2; kill -KILL "$outer"; exit 1; }
fi

# The user data is also the signal to continue: stage 3 waits for it.
cat <&"$userdata" >&"${OUTER[1]}"
exec {OUTER[1]}>&-
ended=
until [ "$ended" = "$outer" ]; do
  code=0
  wait -n -p ended "$outer" ${console_writer-} || code=$?
  [ "$ended" = "$outer" ] && break
  # The writer has ended, unless bash has no record of either.
  [ -n "$ended" ] || { code=0; wait "$outer" || code=$?; break; }
  console_restarts=$((console_restarts + 1))
  start_console_writer
done
# Write the end of the output before the status, so that a reader of "exit N" finds the whole output.
if [ -n "${console_writer-}" ]; then
  [ -z "${slirp-}" ] || kill "$slirp" 2>/dev/null || :
  exec >&- 2>&- {console}>&- {console_pipe}>&-
  wait "$console_writer" || :
fi
echo "exit $code" >&3
exit "$code"
