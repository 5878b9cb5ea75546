#!/usr/bin/env bash
# Fetches the newest snapshot of the live tables that the main branch of this very repository left, if there is one.
#
# Reads RECONCILER_NAME, RECONCILER_SNAPSHOT (the file to write), RECONCILER_MAIN (the branch), GITHUB_REPOSITORY, GH_TOKEN.
set -euo pipefail
artifact=reconciler-snapshot-${RECONCILER_NAME:?}
export RECONCILER_MAIN=${RECONCILER_MAIN:-main}

# A fork may name a branch as it likes: an artifact counts only if it was made from this repository.
# shellcheck disable=SC2016
run=$(gh api --method GET "repos/${GITHUB_REPOSITORY:?}/actions/artifacts" \
  --field "name=$artifact" --field per_page=100 --jq '
    [.artifacts[] | select(.expired | not) | select(.workflow_run.head_branch == env.RECONCILER_MAIN)
     | select(.workflow_run.head_repository_id == .workflow_run.repository_id)]
    | sort_by(.created_at) | last | .workflow_run.id // empty') || run=
if [[ -z $run ]]; then
  echo "There is no snapshot."
  exit 0
fi
folder=$(mktemp -d)
gh run download "$run" --repo "$GITHUB_REPOSITORY" --name "$artifact" --dir "$folder"
mv -- "$folder/snapshot.json" "${RECONCILER_SNAPSHOT:?}"
