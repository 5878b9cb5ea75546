#!/usr/bin/env bash
# The apply step: sends what is still due of the plan that was approved, and writes the receipt.
#
# Reads   RECONCILER_PLAN, RECONCILER_REPORT (the file to write), RECONCILER_PLAN_MAX_AGE, RECONCILER_WAIT_SECONDS.
# Writes  the output `exit-code`. It succeeds also where the apply does not; `verdict.sh` ends the job, after the comment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
log=$(mktemp) receipt=$(mktemp)
trap 'rm -f "$log" "$receipt"' EXIT

rm -f "${RECONCILER_REPORT:?}"
code=4 # there is no plan, which is as good as a stale one
if [[ -s ${RECONCILER_PLAN:?} ]]; then
  reconciler apply --plan "$RECONCILER_PLAN" --plan-max-age "${RECONCILER_PLAN_MAX_AGE:-24h}" --yes \
    --wait --timeout "${RECONCILER_WAIT_SECONDS:-3600}" --lease-timeout "${RECONCILER_WAIT_SECONDS:-3600}" \
    --detailed-exitcode --out "$RECONCILER_REPORT" --format markdown > "$receipt" 2> "$log" &
  child=$!
  # A cancelled job tells only its own shell: passed on, the apply ends the call in flight and writes it down.
  trap 'kill -TERM "$child" 2> /dev/null || true' INT TERM
  while true; do
    code=0
    wait "$child" || code=$?
    kill -0 "$child" 2> /dev/null || break # a signal ends the waiting, not the apply
  done
  bash "$here/../say.sh" "$log" "$receipt" || true # the exit code below must come out, whatever becomes of the words
fi
echo "exit-code=$code" >> "${GITHUB_OUTPUT:?}"
