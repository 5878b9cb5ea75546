#!/usr/bin/env bash
# Installs the program that this file belongs to into an environment of its own, which later steps find on their PATH.
#
# Reads PYTHON, RUNNER_TEMP. Neither an index nor a change can put in anything else: what is needed is pinned by hash,
# the program is built from the sources beside this file, and nothing is built that is not here.
set -euo pipefail
source_tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
environment=${RUNNER_TEMP:?}/reconciler-environment

"${PYTHON:-python3}" -I -m venv --clear "$environment"
install=("$environment/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-deps)
"${install[@]}" --require-hashes --only-binary :all: --requirement "$source_tree/.github/requirements.lock"
"${install[@]}" --no-index --no-build-isolation "$source_tree"
echo "$environment/bin" >> "${GITHUB_PATH:?}"
