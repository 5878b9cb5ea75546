#!/usr/bin/env bash
# Checks out a pull request as merged into the branch that it is for.
#
# Reads GITHUB_BASE_REF, and HEAD_COMMIT, the pull request's last commit. GitHub hands out such a merge, but once a pull
# request is retargeted it is still the one with the branch before, whose limits may be laxer. Nothing of the change is
# run: git takes filters and merge drivers from its own configuration alone.
set -euo pipefail
base=refs/remotes/origin/${GITHUB_BASE_REF:?}
git=(git -c safe.bareRepository=explicit -c core.fsmonitor=false -c core.hooksPath=/dev/null)

merged=$("${git[@]}" rev-parse --verify --quiet HEAD^2 || true)
if [ "$merged" = "${HEAD_COMMIT:?}" ] && "${git[@]}" merge-base --is-ancestor HEAD^1 "$base"; then exit; fi
echo "GitHub's merge is not of this commit and $GITHUB_BASE_REF, so the pull request is merged here."
"${git[@]}" checkout --quiet --detach "$base"
# Unheard: it would tell names of the change to a log that takes commands.
if ! "${git[@]}" -c user.name=reconciler -c user.email=reconciler@localhost \
  merge --quiet --no-ff --no-edit "$HEAD_COMMIT" > /dev/null 2>&1; then
  echo "::error::It cannot be merged with that branch. Resolve the conflicts, and it is planned again."
  exit 1
fi
