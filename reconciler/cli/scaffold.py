"""The files of `init`: a project that validates, plans and applies at once against the simulator, and its CI."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = "reconciler.yaml"
MANIFEST = "manifests/target-accounts.yaml"
IGNORED = ".gitignore"
SCHEMAS = "schemas"
"""Folder of the schemas that the modelines name, so that editors need no network and match the version in use."""
LEDGER_FOLDER = ".reconciler/"
SIMULATOR_URL = "http://127.0.0.1:8420"
SIMULATOR_TOKEN = "simulator-token"  # noqa: S105 - it opens nothing but a simulator
SAMPLE_TABLE = "0a1a669a-9a40-497c-bb00-d49dd8ee5b74"
"""Of `reconciler simulator` without `--workspace`."""

_PROJECT = """\
# yaml-language-server: $schema=schemas/project.v1.json
# Settings that the manifests of this project share. `reconciler schema project` describes every key.
apiVersion: reconciler/v1
kind: Project
spec:
  manifests: [manifests/]
  # The ledger records what was paid for. On one machine it is a file below .reconciler/; a CI needs one in PostgreSQL
  # that all its jobs share. Name it here, or in RECONCILER_LEDGER if it needs a password: a password from the
  # environment goes to no server that only this file names.
  # ledger: postgresql://host/database
  limits:
    max_credits: 200               # one apply never costs more
"""

_MANIFEST = f"""\
# yaml-language-server: $schema=../schemas/manifest.v1.json
# A sample over the simulator's table. With an account, `reconciler import` writes such files for your tables; then
# remove this one.
apiVersion: reconciler/v1
kind: TableRun
metadata:
  name: target-accounts
  labels: {{team: gtm}}
spec:
  table: {SAMPLE_TABLE}
  runs:
    - name: fill                   # every cell that has no value
      mode: new
    - name: retry                  # and those that failed, three times at most
      mode: failed
      max_attempts: 3
"""

_IGNORED = """\
# The reconciler's ledger on this machine.
.reconciler/
"""

_BRANCHES = "branches: [main, master"
_INPUTS = {"github": "    with:\n", "gitlab": ""}
"""Before further inputs at the end of a CI's file."""
CALLERS = {"github": ".github/workflows", "gitlab": "."}
"""CI → the folder that its files are written to; they stand below `callers/`, as a team has them in its repository."""

NEXT_STEPS = f"""\
Next, without an account, against the simulator:
  reconciler simulator                # in another terminal
  export EXTRUCT_API_URL={SIMULATOR_URL}
  export EXTRUCT_API_TOKEN={SIMULATOR_TOKEN}
  reconciler plan
  reconciler apply
With an account:
  unset EXTRUCT_API_URL
  export EXTRUCT_API_TOKEN=…
  reconciler import --search TEXT     # a manifest for each table found; then remove {MANIFEST}"""


CI_STEPS = {
    "github": """\
For the pipelines, of which .github/README.md of the reconciler is the guide:
  1. In .github/workflows, replace OWNER with the owner of the copy of the reconciler that you trust, and v0 with the
     commit of it that you have read.
  2. reconciler --ledger URL ledger init        # once, in PostgreSQL: the ledger that all jobs share
  3. Set the repository's secrets EXTRUCT_API_TOKEN and RECONCILER_LEDGER, which is that URL.
  4. Push. Then open a pull request with manifests of your tables.""",
    "gitlab": """\
For the pipelines, of which .gitlab/README.md of the reconciler is the guide:
  1. In .gitlab-ci.yml, replace OWNER with the owner of the copy of the reconciler that you trust, and COMMIT with the
     commit of it that you have read.
  2. reconciler --ledger URL ledger init        # once, in PostgreSQL: the ledger that all jobs share
  3. Set the project's variables EXTRUCT_API_TOKEN and RECONCILER_LEDGER, which is that URL, masked and protected; and
     GITLAB_TOKEN, masked: a project access token with the role Reporter and the scope api.
  4. Push, with manifests of your tables: that pipeline makes the snapshot from which merge requests are planned.""",
}
KEPT = "A CI's file was kept. Add to it what that guide shows."


@dataclass(frozen=True, slots=True)
class ExistingFiles:
    """The existing files in the folder, as far as they matter."""

    project: str | None
    """The name of its project file; None if it has none."""
    has_manifests: bool


def project_files(ground: ExistingFiles, schemas: Mapping[str, str]) -> dict[str, str]:
    """Return path → text of all files of a new project, in the order people read them.

    `schemas` are texts by name. A folder that already has a project or manifests gets no sample manifest, because its
    table is not theirs.
    """
    files = {ground.project or PROJECT: _PROJECT}
    if not (ground.project or ground.has_manifests):
        files[MANIFEST] = _MANIFEST
    files[IGNORED] = _IGNORED
    files |= {f"{SCHEMAS}/{name}.v1.json": schemas[name] for name in ("manifest", "project")}
    return files


def ci_files(ci: str, place: str = ".", branches: Iterable[str] = ()) -> dict[str, str]:
    """Return path → text of the files that call the pipelines of a CI, for the top of a repository.

    `place` is the project's folder in it, and each of `branches` may be the default one.
    """
    folder = Path(__file__).parent / "callers" / ci
    named = "".join(f', "{branch}"' for branch in sorted({*branches} - {"main", "master"}))
    given = "" if place == "." else f"{_INPUTS[ci]}      working-directory: {json.dumps(place, ensure_ascii=False)}\n"
    return {
        (Path(CALLERS[ci]) / file.name).as_posix(): file.read_text(encoding="utf-8").replace(
            _BRANCHES, _BRANCHES + named
        )
        + given
        for file in sorted(folder.iterdir())
    }


def hides_ledger(ignored: str) -> bool:
    """Return True if a `.gitignore` keeps the ledger's folder out of git."""
    return any(line.strip().strip("/") == LEDGER_FOLDER.strip("/") for line in ignored.splitlines())
