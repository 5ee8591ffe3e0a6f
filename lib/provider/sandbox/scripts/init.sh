# Stage 4 of 4: the first process that is seen inside. It reaps orphans, and when the agent ends, everything ends.
# Job control, because a shell without it starts background commands deaf to SIGINT, and children inherit that.
exec 2>&3 3>&-
set -m
"$@" &
child=$!
trap 'kill -TERM -- "-$child"' TERM
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || exit "$code"
done
