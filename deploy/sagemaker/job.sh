#!/bin/bash
# The nightly job's container: 'engagement run' with the arguments given, its run folder where
# SageMaker uploads from, and its error where SageMaker shows it (ExitMessage).
set -uo pipefail
umask 077

ml="${ENGAGEMENT_ML:-/opt/ml}"
output="$ml/processing/output"
command="${ENGAGEMENT_COMMAND:-/opt/engagement/.venv/bin/engagement}"

if [[ ! -w "$output" || ! -w "$ml/output" ]]; then
    sudo -n /usr/bin/chown -R 1000:100 /opt/ml/processing/output /opt/ml/output
fi

errors="$(mktemp)"
trap 'rm -f "$errors"' EXIT

"$command" run --set "run.directory=$output/runs" "$@" 2> "$errors" &
run=$!
# SageMaker stops a job with SIGTERM, and gives it two minutes: the run ends as by Ctrl-C.
trap 'kill -TERM "$run" 2>/dev/null' TERM INT
wait "$run"
code=$?
while kill -0 "$run" 2>/dev/null; do # wait also returns when a signal was trapped
    wait "$run"
    code=$?
done

cat "$errors" >&2
if [[ "$code" -ne 0 ]]; then
    # The last thousand bytes, from the start of a line on.
    tail -c 1000 "$errors" > "$ml/output/message"
fi
exit "$code"
