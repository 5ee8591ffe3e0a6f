# Stage 4 of 4, init: the first process that the command sees inside. It runs the command and reaps orphans. When the command
# exits, this process exits with the same code, and the kernel kills all other processes inside.
# Job control is on, because a shell without it starts background commands with SIGINT ignored, and their children inherit that.
exec 2>&3 3>&-
set -m
# When memory runs out, the kernel ends the command or its children first, because of this score, and never a stage.
{ echo 500 >/proc/self/oom_score_adj; exec "$@"; } &
child=$!
trap 'kill -TERM -- "-$child"' TERM
while :; do
  # bash would print the signal that ended the command, and so hide the command's own last line.
  wait "$child" 2>/dev/null
  code=$?
  kill -0 "$child" 2>/dev/null || exit "$code"
done
