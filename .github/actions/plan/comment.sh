#!/usr/bin/env bash
# Posts the plan, or that there is none, as the pull request's one comment for this project.
set -euo pipefail
if [[ -s ${RECONCILER_PLAN:?} ]]; then
  reconciler comment github --name "${RECONCILER_NAME:?}" --plan "$RECONCILER_PLAN"
elif [[ ${RECONCILER_EXIT_CODE:?} != 0 ]]; then
  reconciler comment github --name "${RECONCILER_NAME:?}" --no-plan "$RECONCILER_EXIT_CODE"
fi
