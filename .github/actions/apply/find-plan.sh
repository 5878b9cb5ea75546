#!/usr/bin/env bash
# Finds the plan that was approved: the plan file of the last run for the pull request that this commit merged.
#
# Reads   RECONCILER_NAME, RECONCILER_PLAN (the file to write), GITHUB_REPOSITORY, GITHUB_SHA, GH_TOKEN.
# Writes  the output `number` of the pull request; no file where there is no such plan.
set -euo pipefail
artifact=reconciler-plan-${RECONCILER_NAME:?}
export GITHUB_SHA

rm -f "${RECONCILER_PLAN:?}"
# shellcheck disable=SC2016
merged=$(gh api "repos/${GITHUB_REPOSITORY:?}/commits/${GITHUB_SHA:?}/pulls" --jq '
  [.[] | select(.merged_at != null and .merge_commit_sha == env.GITHUB_SHA)]
  | first // empty | "\(.number) \(.head.sha)"')
if [[ -z $merged ]]; then
  echo "::error title=No plan was approved::This commit did not come from a merged pull request, so nothing is sent."
  exit 0
fi
export RECONCILER_HEAD=${merged#* }
echo "number=${merged%% *}" >> "${GITHUB_OUTPUT:?}"

# A plan that a fork's run left counts for nothing: whoever owns the fork wrote the workflow that made it.
# shellcheck disable=SC2016
run=$(gh api --method GET --paginate "repos/$GITHUB_REPOSITORY/actions/artifacts" \
  --field "name=$artifact" --field per_page=100 --jq '
    .artifacts[] | select(.expired | not) | select(.workflow_run.head_sha == env.RECONCILER_HEAD)
    | select(.workflow_run.head_repository_id == .workflow_run.repository_id)
    | "\(.created_at) \(.workflow_run.id)"' | sort | tail -n 1)
if [[ -z $run ]]; then
  echo "::error title=No plan was approved::The merged pull request has no plan file of its last commit; nothing is sent."
  exit 0
fi
folder=$(mktemp -d)
gh run download "${run#* }" --repo "$GITHUB_REPOSITORY" --name "$artifact" --dir "$folder"
mv -- "$folder/plan.json" "$RECONCILER_PLAN"
