"""The files of `init`: a project that validates, plans and applies at once against the simulator, and its CI."""

from collections.abc import Mapping
from dataclasses import dataclass

PROJECT = "reconciler.yaml"
MANIFEST = "manifests/target-accounts.yaml"
IGNORED = ".gitignore"
WORKFLOW = ".github/workflows/reconciler.yml"
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

_WORKFLOW = """\
# Plans in pull requests, applies merged changes, and checks for drift every Monday.
#
# It needs two secrets: EXTRUCT_API_TOKEN, and RECONCILER_LEDGER, the URL of a PostgreSQL database that all jobs share
# (`reconciler --ledger URL ledger init` once). A ledger in a job's own files disappears with the job, and the next one
# would buy everything again.
name: reconciler
on:
  pull_request:
    paths: ["manifests/**", "reconciler.yaml", ".github/workflows/reconciler.yml"]
  push:
    branches: [main]
    paths: ["manifests/**", "reconciler.yaml"]
  schedule:
    - cron: "17 6 * * 1"

permissions:
  contents: read

env:
  PACKAGE: extruct-reconciler[postgres]==@VERSION@

jobs:
  validate:
    if: github.event_name == 'pull_request'
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2
        with: {persist-credentials: false}
      - uses: actions/setup-python@0b93645e9fea7318ecaed2b359559ac225c90a2b # v5.3.0
        with: {python-version: "3.12"}
      - run: pip install "$PACKAGE"
      - run: reconciler validate --format github

  plan:
    # A pull request from a fork gets no secrets; it is validated above.
    if: github.event_name == 'pull_request' && github.event.pull_request.head.repo.full_name == github.repository
    runs-on: ubuntu-24.04
    env:
      EXTRUCT_API_TOKEN: ${{ secrets.EXTRUCT_API_TOKEN }}
      RECONCILER_LEDGER: ${{ secrets.RECONCILER_LEDGER }}
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2
        with: {persist-credentials: false}
      - uses: actions/setup-python@0b93645e9fea7318ecaed2b359559ac225c90a2b # v5.3.0
        with: {python-version: "3.12"}
      - run: pip install "$PACKAGE"
      - run: reconciler plan --format github

  apply:
    if: github.event_name == 'push'
    runs-on: ubuntu-24.04
    timeout-minutes: 150
    # One after the other; a run that has begun to spend is never cancelled.
    concurrency: {group: reconciler-apply, cancel-in-progress: false}
    env:
      EXTRUCT_API_TOKEN: ${{ secrets.EXTRUCT_API_TOKEN }}
      RECONCILER_LEDGER: ${{ secrets.RECONCILER_LEDGER }}
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2
        with: {persist-credentials: false}
      - uses: actions/setup-python@0b93645e9fea7318ecaed2b359559ac225c90a2b # v5.3.0
        with: {python-version: "3.12"}
      - run: pip install "$PACKAGE"
      - name: The ledger must outlive this job
        run: test -n "$RECONCILER_LEDGER" || { echo "::error::Set the secret RECONCILER_LEDGER."; exit 1; }
      - run: reconciler apply --yes --wait --lease-timeout 600

  drift:
    if: github.event_name == 'schedule'
    runs-on: ubuntu-24.04
    env:
      EXTRUCT_API_TOKEN: ${{ secrets.EXTRUCT_API_TOKEN }}
      RECONCILER_LEDGER: ${{ secrets.RECONCILER_LEDGER }}
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2
        with: {persist-credentials: false}
      - uses: actions/setup-python@0b93645e9fea7318ecaed2b359559ac225c90a2b # v5.3.0
        with: {python-version: "3.12"}
      - run: pip install "$PACKAGE"
      - run: reconciler drift # fails if cells are due
"""

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


@dataclass(frozen=True, slots=True)
class ExistingFiles:
    """The existing files in the folder, as far as they matter."""

    project: str | None
    """The name of its project file; None if it has none."""
    has_manifests: bool


def project_files(ground: ExistingFiles, version: str, schemas: Mapping[str, str]) -> dict[str, str]:
    """Return path → text of all files of a new project, in the order people read them.

    `schemas` are texts by name; `version` is the one that the CI installs. A folder that already has a project or
    manifests gets no sample manifest, because its table is not theirs.
    """
    files = {ground.project or PROJECT: _PROJECT}
    if not (ground.project or ground.has_manifests):
        files[MANIFEST] = _MANIFEST
    files[IGNORED] = _IGNORED
    files[WORKFLOW] = _WORKFLOW.replace("@VERSION@", version)
    files |= {f"{SCHEMAS}/{name}.v1.json": schemas[name] for name in ("manifest", "project")}
    return files


def hides_ledger(ignored: str) -> bool:
    """Return True if a `.gitignore` keeps the ledger's folder out of git."""
    return any(line.strip().strip("/") == LEDGER_FOLDER.strip("/") for line in ignored.splitlines())
