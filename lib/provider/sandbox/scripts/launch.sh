#!/bin/bash
# Stage 1 of 4, on the host, with the rights of whoever runs the queue: launch.sh COMMAND ARG...
#
# Makes the outer namespaces, gives them a network, and stays as the sandbox's keeper until it ends.
#   stdin   a line with the size of the user data in bytes, then the user data: secret, so never in argv or environment
#   fd 3    status: "started" once, "exit N" at the end
# The working directory is the sandbox's own folder: keeper, console.*, data/ (mode 0777 inside a 0700 folder).
# It must lead a session: by that the sandbox is found again and ended.
# Environment: CB_ROOTFS, CB_BINDS (lines "from<TAB>to"), CB_HOSTNAME, CB_RULES (nft, empty: no
# network), CB_SLIRP (options), CB_HOSTS, CB_RESOLV, CB_CONSOLE_BYTES (0: print), CB_PROCESSES, CB_FILES, CB_DEVICES
# (lines "name<TAB>path" of what the command gets as open descriptors), CB_WEAK (weaknesses that were allowed by name).
set -euo pipefail
umask 077
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Who keeps this sandbox: process id, start time (the 22nd field, the 20th after the name) and boot, on one line.
stat=$(<"/proc/$$/stat")
read -ra fields <<<"${stat##*) }"
echo "$$ ${fields[19]} $(</proc/sys/kernel/random/boot_id)" >keeper.new
mv keeper.new keeper

# What the sandbox prints, bounded: two files that take turns, so that the newest half at least is always there.
keep_console() {
  local half=$((CB_CONSOLE_BYTES / 2))
  while stdbuf -o0 head -c "$half" >console.1; do
    [ "$(stat -c %s console.1)" -eq "$half" ] || break
    mv console.1 console.0
  done
}
if [ "$CB_CONSOLE_BYTES" -gt 0 ]; then
  exec > >(exec 3>&-; keep_console) 2>&1
  console_keeper=$!
fi

# As long as this stage lives, nobody who clears a cache away takes what the sandbox is made of (infra/image/cache). The descriptors
# would reach out of the sandbox, so the other stages close them.
let_go=""
hold() {
  # A later stage says so, and is waited for.
  [ -r "$1" ] || return 0
  exec {fd}<"$1"
  flock --shared --nonblock "$fd" || :
  let_go+=" $fd<&-"
}
hold "$CB_ROOTFS"
while IFS=$'\t' read -r from _; do
  [ -z "$from" ] || hold "$from"
done <<<"$CB_BINDS"

# The later stages travel as text: the folder they lie in may be closed to the ids they run under.
CB_OUTER=$(<"$here/outer.sh") CB_INNER=$(<"$here/inner.sh") CB_INIT=$(<"$here/init.sh")
export CB_OUTER CB_INNER CB_INIT CB_FOLDER=$PWD

# This stage keeps the caller's id, unmapped, for as long as it takes to open what the caller may open; then it becomes
# root of a namespace in which the caller's id does not exist.
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

exec {console}>&1 {userdata}<&0
coproc OUTER {
  eval "exec$let_go"
  exec unshare --user --map-auto --keep-caps --net --mount --pid --fork --mount-proc \
    bash -euo pipefail -c "$open_and_become_root" open "$@" 4>&"$console" {userdata}<&- {console}>&-
}
outer=$OUTER_PID
# It says "ready" when the filter stands: no packet can leave before.
read -r ready <&"${OUTER[0]}" && [ "$ready" = ready ] || { echo "the outer namespaces could not be made" >&2; exit 1; }

if [ -n "$CB_RULES" ]; then
  # It writes one byte when the interface is up, and lives as long as this stage, also when this stage is killed: the
  # pipe that only this stage holds open for writing then hangs up.
  exec {alive}<> <(:)
  exec {up}< <(eval "exec$let_go"; exec slirp4netns --configure --ready-fd=5 --exit-fd=6 --mtu=65520 --enable-sandbox --enable-seccomp \
    $CB_SLIRP "$outer" tap0 5>&1 >/dev/null 2>&"$console" 3>&- </dev/null 6<"/proc/self/fd/$alive" {alive}>&-)
  slirp=$!
  trap 'kill "$slirp" 2>/dev/null || :' EXIT
  read -r -N 1 <&"$up" || { echo "slirp4netns could not set the network up" >&2; kill -KILL "$outer"; exit 1; }
fi

# The user data is also the sign to go on: the last stage waits for it.
cat <&"$userdata" >&"${OUTER[1]}"
exec {OUTER[1]}>&-
code=0
wait "$outer" || code=$?
# Whoever reads that it has ended finds its last words.
if [ -n "${console_keeper-}" ]; then
  [ -z "${slirp-}" ] || kill "$slirp" 2>/dev/null || :
  exec >&- 2>&- {console}>&-
  wait "$console_keeper" || :
fi
echo "exit $code" >&3
exit "$code"
