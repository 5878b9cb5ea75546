"""GitLab's two jobs, as their scripts run them: a note with the plan, an apply of what was merged, a receipt."""

import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.server import serve
from reconciler.simulator.world.workspace_file import load
from tests.gitops.act import ROOT
from tests.gitops.hosted_repository import ADD, IDENTITY, MANIFEST, SETUP
from tests.review.forge_server import TOKEN, Forge, serve_forge


class Project:
    """A project on GitLab with merge request 7."""

    def __init__(self, folder: Path, simulator: LiveSimulator, forge: Forge, tools: Path) -> None:
        self.folder = folder
        self.simulator = simulator
        self.forge = forge
        self.tools = tools

    def shell(self, script: str, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a script in the project."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CI", "GIT"))},
            **IDENTITY,
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_API_V4_URL": self.forge.url,
            "CI_PROJECT_ID": "42",
            "CI_PROJECT_DIR": str(self.folder),
            "GITLAB_TOKEN": TOKEN,
            "EXTRUCT_API_URL": self.simulator.url,
            "EXTRUCT_API_TOKEN": self.simulator.token,
            "RECONCILER_LEDGER": str(self.folder.parent / "ledger.db"),
            "RECONCILER_WAIT_SECONDS": "60",
            **variables,
        }
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder or self.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def change(self, old: str, new: str) -> str:
        """Commit an edit on a branch off main; return main's commit."""
        base = self.shell("git rev-parse main && git checkout --quiet -b change").stdout.strip()
        path = self.folder / MANIFEST
        path.write_text(path.read_text().replace(old, new))
        self.shell("git commit --quiet --all --message change")
        return base

    def plan(self, base: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the job of a merge request."""
        variables = {"CI_MERGE_REQUEST_IID": "7", "CI_MERGE_REQUEST_DIFF_BASE_SHA": base, **variables}
        return self.shell("bash .gitlab/plan.sh", None, **variables)

    def merge_and_apply(self) -> subprocess.CompletedProcess[str]:
        """Merge the branch, keep the plan as the job's artifact, and run the job of the default branch."""
        merge = "git checkout --quiet main && git merge --quiet --no-ff --no-edit change >&2 && git rev-parse HEAD"
        commit = self.shell(merge).stdout.strip()
        merged = {"iid": 7, "state": "merged", "merge_commit_sha": commit, "squash_commit_sha": None, "sha": "x"}
        self.forge.files[f"/projects/42/repository/commits/{commit}/merge_requests"] = json.dumps([merged]).encode()
        plan = self.folder / "plan.json"
        if plan.exists():
            path = "/projects/42/jobs/artifacts/refs%2Fmerge-requests%2F7%2Fhead/raw/plan.json"
            self.forge.files[path] = plan.read_bytes()
            plan.unlink()
        return self.shell("bash .gitlab/apply.sh", CI_COMMIT_SHA=commit)


@pytest.fixture
def project(tmp_path: Path, tools: Path) -> Iterator[Project]:
    """Return a project made with the guide's own commands and GitLab's files."""
    with serve(load(ROOT / "examples/workspace.yaml"), speed=600) as simulator, serve_forge() as forge:
        forge.knows_user = True
        project = Project(tmp_path / "tables", simulator, forge, tools)
        made = project.shell(SETUP, tmp_path)
        assert made.returncode == 0, made.stderr
        shutil.copy(ROOT / "examples/three-modes/manifest.yaml", project.folder / MANIFEST)
        assert project.shell("git add --all && git commit --quiet --message manifest").returncode == 0
        shutil.copytree(ROOT / ".gitlab", project.folder / ".gitlab")
        assert project.shell("reconciler ledger init").returncode == 0  # as a team does once: no job makes one
        yield project


def test_from_a_merge_request_to_a_receipt(project: Project) -> None:
    """Each planned cell is charged once, and both notes say so."""
    ran = project.plan(project.change(*ADD))
    assert ran.returncode == 0, ran.stderr
    cells = json.loads((project.folder / "plan.json").read_text())["totals"]["cells"]
    assert json.loads((project.folder / "codequality.json").read_text()) == []
    assert "**This change causes " in project.forge.comments[0]["body"]
    assert project.simulator.charges() == {}
    applied = project.merge_and_apply()
    assert applied.returncode == 0, applied.stderr
    assert set(project.simulator.charges().values()) == {1}
    assert len(project.simulator.charges()) == cells
    assert f"| `target-accounts` | {cells} | {cells} | 0 |" in project.forge.comments[1]["body"]
    assert TOKEN not in ran.stdout + ran.stderr + applied.stdout + applied.stderr


def test_broken_manifests(project: Project) -> None:
    """Stand in both reports, and the note says that there is no plan."""
    ran = project.plan(project.change("mode: failed", "mode: fialed"))
    assert ran.returncode == 1
    (found,) = json.loads((project.folder / "codequality.json").read_text())
    assert found["location"] == {"path": MANIFEST, "lines": {"begin": 15}}
    (suite,) = ElementTree.parse(project.folder / "junit.xml").getroot()
    assert suite.get("failures") == "1"
    assert "none. Nothing was sent" in project.forge.comments[0]["body"]


def test_without_a_token_the_manifests_are_validated(project: Project) -> None:
    """As for a fork, whose jobs see no protected variable."""
    ran = project.plan(project.change(*ADD), EXTRUCT_API_TOKEN="", GITLAB_TOKEN="", RECONCILER_LEDGER="")
    assert (ran.returncode, project.simulator.requests(), project.forge.comments) == (0, [], [])


def test_a_merge_request_without_a_plan(project: Project) -> None:
    """Nothing is sent, and the merge request says so."""
    project.change(*ADD)
    ran = project.merge_and_apply()
    assert (ran.returncode, project.simulator.charges()) == (4, {})
    assert "Exit code 4" in project.forge.comments[0]["body"]


def test_a_push_without_a_merge_request(project: Project) -> None:
    """Nothing is sent."""
    project.forge.files["/projects/42/repository/commits/abc/merge_requests"] = b"[]"
    ran = project.shell("bash .gitlab/apply.sh", CI_COMMIT_SHA="abc")
    assert (ran.returncode, project.simulator.charges()) == (4, {})
