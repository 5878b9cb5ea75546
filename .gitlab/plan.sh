#!/usr/bin/env bash
# The plan job: validates, plans, and posts the plan as the merge request's one note for this project.
set -euo pipefail
name=${RECONCILER_NAME:-default}
base=${CI_MERGE_REQUEST_DIFF_BASE_SHA:-}

comment() {
  if [[ -n ${GITLAB_TOKEN:-} ]]; then reconciler comment gitlab --name "$name" "$@"; fi
}

rm -f plan.json
code=0
reconciler validate --format junit > junit.xml || code=$?
reconciler validate --format gitlab > codequality.json || true
if [[ $code != 0 ]]; then
  reconciler validate || true
  comment --no-plan "$code"
  exit "$code"
fi

arguments=(--detailed-exitcode --out plan.json)
if [[ -n $base ]]; then arguments+=(--against "$base" --limits-from "$base"); fi
if [[ -z ${EXTRUCT_API_TOKEN:-} ]]; then
  if [[ ! -f ${RECONCILER_SNAPSHOT:-} ]]; then
    echo "There is neither a token nor a snapshot here, so the manifests were only validated."
    exit 0
  fi
  arguments+=(--live-snapshot "$RECONCILER_SNAPSHOT")
fi
reconciler plan "${arguments[@]}" || code=$?
if [[ -s plan.json ]]; then comment --plan plan.json; else comment --no-plan "$code"; fi
case $code in 0 | 2) exit 0 ;; *) exit "$code" ;; esac
