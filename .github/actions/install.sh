#!/usr/bin/env bash
# Installs the reconciler into an environment of its own, which later steps find on their PATH.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
target=${RUNNER_TEMP:?}/reconciler-environment

if [[ -f ${RECONCILER_REQUIREMENTS:-} ]]; then
  what=(--requirement "$RECONCILER_REQUIREMENTS")
elif [[ -f $repository/reconciler/planning/planner.py && -f $repository/pyproject.toml ]]; then
  # The action is used where it was written: the program beside it is the one it belongs to.
  what=("${repository}[postgres]")
else
  echo "::error title=There is no reconciler to install::Name it, with its version, in a requirements file."
  exit 1
fi
python3 -m venv "$target"
"$target/bin/pip" install --quiet --disable-pip-version-check "${what[@]}"
echo "$target/bin" >> "${GITHUB_PATH:?}"
