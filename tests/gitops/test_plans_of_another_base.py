"""A run whose program may be that of another base than the change was merged into: no plan of it counts.

Both forges take a pipeline's file from the merge of a change with its base. So a branch of one's own as the base can
forge a plan, and the change that is reviewed edits no pipeline.
"""

from pathlib import Path

import pytest

from tests.gitops import test_approved_plan as of_github
from tests.gitops import test_approved_plan_gitlab as of_gitlab
from tests.gitops.github_api import GitHub
from tests.gitops.gitlab_api import GitLab
from tests.gitops.test_approved_plan import HEAD, LATER, MORNING, NOON, PLANNED, planned
from tests.gitops.test_approved_plan_gitlab import BEFORE, RESULT

github, gitlab = of_github.github, of_gitlab.gitlab
EVIL = "9" * 40


@pytest.mark.parametrize("closed", [NOON, LATER, None])
def test_another_pull_request_of_the_branch_was_open(github: GitHub, tmp_path: Path, closed: str | None) -> None:
    """Into any branch: it may have been retargeted since, or was closed."""
    planned(github)
    github.pull(8, HEAD, None, LATER, "evil", branch="feature-7", created_at=MORNING, closed_at=closed)
    said = of_github.ask(github, tmp_path)
    assert (said.exit_code, "pull request 8 of the same branch was open then" in said.output) == (4, True), said.output


@pytest.mark.parametrize(("begun", "closed"), [(MORNING, MORNING), (NOON, LATER)])
def test_another_one_at_another_time_takes_nothing_away(
    github: GitHub, tmp_path: Path, begun: str, closed: str
) -> None:
    """A branch may serve several, one after the other."""
    planned(github)
    github.pull(8, HEAD, None, closed, branch="feature-7", created_at=begun)
    assert of_github.ask(github, tmp_path).exit_code == 0


def test_a_run_for_another_branch_of_the_same_commit(github: GitHub, tmp_path: Path) -> None:
    """That branch may have a pull request of its own."""
    planned(github, head_branch="copy")
    said = of_github.ask(github, tmp_path)
    assert (said.exit_code, "it ran for another branch" in said.output) == (4, True), said.output


def test_a_run_from_before_the_pull_request_was_retargeted(github: GitHub, tmp_path: Path) -> None:
    """Also if it was run again afterwards; one that began afterwards counts."""
    planned(github)
    github.retarget(7, NOON)
    planned(github, at="2026-03-01T13:00:00Z")
    said = of_github.ask(github, tmp_path)
    assert (said.exit_code, "was for another branch then" in said.output) == (4, True), said.output
    planned(github, run=100, at="2026-03-01T13:30:00Z")
    assert of_github.ask(github, tmp_path).exit_code == 0


@pytest.mark.parametrize(
    ("parents", "why"),
    [
        ((EVIL, HEAD), "it ran for another target branch"),
        ((BEFORE, EVIL), "it ran for another commit"),
        ((BEFORE,), "it ran for another commit"),
        (None, "its commit is no longer there"),
    ],
)
def test_a_merged_results_pipeline_of_another_target(
    gitlab: GitLab, tmp_path: Path, parents: tuple[str, ...] | None, why: str
) -> None:
    """Whatever its plan file says: the merge that it ran for is asked for."""
    gitlab.commit(EVIL, BEFORE)
    del gitlab.commits[RESULT]
    if parents is not None:
        gitlab.commit(RESULT, *parents)
    of_gitlab.planned(gitlab, PLANNED.replace("Z", ".000Z"), ref="refs/merge-requests/7/merge", sha=RESULT)
    said = of_gitlab.ask(gitlab, tmp_path)
    assert (said.exit_code, why in said.output) == (4, True), said.output
