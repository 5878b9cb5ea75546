#!/usr/bin/env bash
# Fetches the newest snapshot of the live tables that the main branch of this very repository left, if there is one.
#
# Reads RECONCILER_NAME, RECONCILER_SNAPSHOT (the file to write), RECONCILER_MAIN (the branch), GITHUB_REPOSITORY, GH_TOKEN.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
artifact=reconciler-snapshot-${RECONCILER_NAME:?}

rm -f "${RECONCILER_SNAPSHOT:?}"
run=$(gh api --method GET "repos/${GITHUB_REPOSITORY:?}/actions/artifacts" --field "name=$artifact" --field per_page=100 |
  python3 "$here/../choose.py" run-of-branch "${RECONCILER_MAIN:-main}")
if [[ -z $run ]]; then
  echo "There is no snapshot."
  exit 0
fi
folder=$(mktemp -d)
gh run download "$run" --repo "$GITHUB_REPOSITORY" --name "$artifact" --dir "$folder"
mv -- "$folder/live.snapshot" "$RECONCILER_SNAPSHOT"
