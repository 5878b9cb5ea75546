#!/usr/bin/env bash
# Finds the plan that was approved: the plan file of the last run for the pull request that this commit merged.
#
# Reads   RECONCILER_NAME, RECONCILER_PLAN (the file to write), GITHUB_REPOSITORY, GITHUB_SHA, GH_TOKEN.
# Writes  the output `number` of the pull request; no file where there is no such plan.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
artifact=reconciler-plan-${RECONCILER_NAME:?}

rm -f "${RECONCILER_PLAN:?}"
merged=$(gh api "repos/${GITHUB_REPOSITORY:?}/commits/${GITHUB_SHA:?}/pulls" |
  python3 "$here/../choose.py" pull-request "$GITHUB_SHA")
if [[ -z $merged ]]; then
  echo "::error title=No plan was approved::This commit did not come from a merged pull request, so nothing is sent."
  exit 0
fi
echo "number=${merged%% *}" >> "${GITHUB_OUTPUT:?}"

run=$(gh api --method GET --paginate "repos/$GITHUB_REPOSITORY/actions/artifacts" \
  --field "name=$artifact" --field per_page=100 | python3 "$here/../choose.py" run-of-commit "${merged#* }")
if [[ -z $run ]]; then
  echo "::error title=No plan was approved::The merged pull request has no plan file of its last commit; nothing is sent."
  exit 0
fi
folder=$(mktemp -d)
gh run download "$run" --repo "$GITHUB_REPOSITORY" --name "$artifact" --dir "$folder"
mv -- "$folder/plan.json" "$RECONCILER_PLAN"
