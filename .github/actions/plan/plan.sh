#!/usr/bin/env bash
# The plan step: validates, plans, and says both beside the lines of the pull request.
#
# Reads   RECONCILER_PLAN (the file to write), RECONCILER_BASE (the commit to compare with; may be empty),
#         RECONCILER_SNAPSHOT (live tables as the main branch saw them; used where there is no EXTRUCT_API_TOKEN).
# Writes  the outputs of the action. It succeeds also where the plan does not; `verdict.sh` ends the job, after the comment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

finish() { # EXIT-CODE
  python3 "$here/outputs.py" "${RECONCILER_PLAN:?}" "$1" >> "${GITHUB_OUTPUT:?}"
  exit 0
}

rm -f "${RECONCILER_PLAN:?}"
code=0
reconciler validate --format github 2> "$log" || code=$?
bash "$here/../say.sh" "$log"
if [[ $code != 0 ]]; then finish "$code"; fi

arguments=(--format github --detailed-exitcode --out "$RECONCILER_PLAN")
if [[ -n ${RECONCILER_BASE:-} ]]; then
  # What the change causes, held to the limits of the branch it is for: a change cannot raise its own limit.
  arguments+=(--against "$RECONCILER_BASE" --limits-from "$RECONCILER_BASE")
fi
if [[ -z ${EXTRUCT_API_TOKEN:-} && -z ${EXTRUCT_API_TOKEN_FILE:-} ]]; then
  if [[ ! -f ${RECONCILER_SNAPSHOT:-} ]]; then
    echo "::notice title=No plan::There is neither a token nor a snapshot here, so the manifests were only validated."
    finish 0
  fi
  arguments+=(--live-snapshot "$RECONCILER_SNAPSHOT")
fi
reconciler plan "${arguments[@]}" 2> "$log" || code=$?
bash "$here/../say.sh" "$log"
finish "$code"
