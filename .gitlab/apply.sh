#!/usr/bin/env bash
# The apply job: fetches the plan of the merge request that this commit merged, sends what is still due of it, and posts
# the receipt there.
set -euo pipefail
name=${RECONCILER_NAME:-default}
api=${CI_API_V4_URL:?}/projects/${CI_PROJECT_ID:?}

fetch() { # URL; the token is not put on the command line, where other processes would see it
  python3 -c '
import os, sys, urllib.request

class Nowhere(urllib.request.HTTPRedirectHandler):
    """The token must not go along to another place."""
    def redirect_request(self, *_):
        return None

request = urllib.request.Request(sys.argv[1], headers={"PRIVATE-TOKEN": os.environ["GITLAB_TOKEN"]})
with urllib.request.build_opener(Nowhere).open(request, timeout=60) as answer:
    sys.stdout.buffer.write(answer.read())
' "$1"
}

rm -f plan.json report.json
number=$(fetch "$api/repository/commits/${CI_COMMIT_SHA:?}/merge_requests" | python3 -c '
import json, os, sys

merged = [each for each in json.load(sys.stdin) if each["state"] == "merged" and os.environ["CI_COMMIT_SHA"] in
          (each["merge_commit_sha"], each["squash_commit_sha"], each["sha"])]
print(int(merged[0]["iid"]) if merged else "")')
if [[ -z $number ]]; then
  echo "This commit did not come from a merge request, so no plan was approved and nothing is sent."
  exit 4
fi
comment() { reconciler comment gitlab --name "$name" --number "$number" "$@"; }

if ! fetch "$api/jobs/artifacts/refs%2Fmerge-requests%2F$number%2Fhead/raw/plan.json?job=reconciler-plan" > plan.json; then
  echo "Merge request $number has no plan file, so nothing is sent."
  comment --no-report 4
  exit 4
fi

code=0
reconciler apply --plan plan.json --plan-max-age "${RECONCILER_PLAN_MAX_AGE:-24h}" --yes \
  --wait --timeout "${RECONCILER_WAIT_SECONDS:-3600}" --lease-timeout "${RECONCILER_WAIT_SECONDS:-3600}" \
  --detailed-exitcode --out report.json || code=$?
posted=0 # what was applied decides how the job ends, before what became of the note
if [[ -s report.json ]]; then comment --report report.json || posted=$?; else comment --no-report "$code" || posted=$?; fi
case $code in 0 | 2) exit "$posted" ;; *) exit "$code" ;; esac
