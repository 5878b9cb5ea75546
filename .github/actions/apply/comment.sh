#!/usr/bin/env bash
# Posts the receipt, or that nothing was sent, on the pull request that was merged.
set -euo pipefail
if [[ -z ${RECONCILER_PULL_REQUEST:-} ]]; then
  exit 0
elif [[ -s ${RECONCILER_REPORT:?} ]]; then
  reconciler comment github --name "${RECONCILER_NAME:?}" --number "$RECONCILER_PULL_REQUEST" --report "$RECONCILER_REPORT"
else
  reconciler comment github --name "${RECONCILER_NAME:?}" --number "$RECONCILER_PULL_REQUEST" \
    --no-report "${RECONCILER_EXIT_CODE:?}"
fi
