"""GitLab's file as it is shipped, in a real runner: its includes, inputs, rules, order of jobs and artifacts.

The runner is gitlab-ci-local, on this machine without containers. It installs the program as a job does: from this
repository at its commit, with the hashes of the lock.
"""

import json
import os
import shutil
import subprocess

import pytest
import yaml

from tests.gitops.act import ROOT
from tests.gitops.gitlab_api import JOB_TOKEN, PROJECT, TOKEN
from tests.gitops.gitlab_project import FILE, PLANNED, Project
from tests.gitops.hosted_repository import ADD, IDENTITY


@pytest.fixture
def runner(request: pytest.FixtureRequest) -> str:
    """Return the program."""
    found = request.config.getoption("--gitlab-ci-local")
    if not found:
        pytest.skip("needs npm's gitlab-ci-local and the package index: --gitlab-ci-local PROGRAM, as .ci/long does")
    return str(found)


def run(runner: str, project: Project, *arguments: str, **variables: str) -> str:
    """Run a pipeline at the work tree's commit; return its log."""
    given = {
        "CI_API_V4_URL": project.forge.url,
        "CI_PROJECT_ID": str(PROJECT),
        "CI_DEFAULT_BRANCH": "main",
        "CI_JOB_TOKEN": JOB_TOKEN,
        "CI_PROJECT_DIR": str(project.folder),
        "TMPDIR": str(project.folder.parent),
        "GITLAB_CI": "true",
        "GITLAB_TOKEN": TOKEN,
        **variables,
    }
    options = [option for name, value in given.items() for option in ("--variable", f"{name}={value}")]
    done = subprocess.run(
        [runner, "--force-shell-executor", "--concurrency", "1", *options, *arguments],
        cwd=project.folder, env={**os.environ, **IDENTITY}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    log = done.stdout + done.stderr
    assert done.returncode == 0, log
    return log


def test_a_merge_request_is_planned_merged_and_applied(runner: str, project: Project) -> None:
    """Each planned cell is charged once, the receipt says so, and a snapshot is left for the next one."""
    project.git("git checkout --quiet main && mkdir -p .gitlab && git remote set-url origin ../origin")
    shutil.copy(FILE, project.folder / ".gitlab/reconciler.yml")
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    inputs = {
        "source": f"file://{ROOT}",
        "revision": revision.stdout.strip(),
        "api-url": project.simulator.url,
        "wait-seconds": 60,
    }
    include = {"include": [{"local": ".gitlab/reconciler.yml", "inputs": inputs}]}
    (project.folder / ".gitlab-ci.yml").write_text(yaml.safe_dump(include))
    before = project.commit("main")
    head = project.change(*ADD)
    project.forge.merge_request(7, head, "2126-03-01T12:00:00.000Z", state="opened")
    of_merge_request = {
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": before,
    }
    planned = run(runner, project, **of_merge_request, **project.secrets)
    plan = (project.folder / "plan.json").read_bytes()
    pipeline = project.forge.pipeline(7, head)
    project.forge.job(pipeline, "reconciler-plan-default", PLANNED, {"plan.json": plan})
    assert "**This change causes " in project.forge.notes[0]["body"]

    project.git("git clean -qfdx")
    project.merge()
    of_push = {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BEFORE_SHA": before}
    applied = run(runner, project, **of_push, **project.secrets)
    assert set(project.simulator.charges().values()) == {1}
    assert len(project.simulator.charges()) == json.loads(plan)["totals"]["cells"]
    assert "Applied `default`" in project.forge.notes[1]["body"]
    assert (project.folder / "reconciler-default-reports/7.json").exists()
    assert (project.folder / "live.snapshot").exists()
    for secret in (TOKEN, project.simulator.token):
        assert secret not in planned + applied
