"""A pull request whose merge by GitHub is with another base is merged by the plan's own step."""

import os
import subprocess
from pathlib import Path

from tests.gitops.act import ROOT
from tests.limits.repository import Repository


def test_a_conflict_is_said_without_the_names_of_the_change(tmp_path: Path) -> None:
    """A name may hold a command for the log."""
    here, name = Repository.at(tmp_path), "a\n::notice::All is well"
    (tmp_path / name).write_text("one")
    base = here.commit()
    (tmp_path / name).write_text("two")
    here.git("update-ref", "refs/remotes/origin/main", here.commit())
    here.git("checkout", "--quiet", base)
    (tmp_path / name).write_text("three")
    ran = subprocess.run(
        ["bash", ROOT / ".github/actions/plan/merge.sh"],
        cwd=tmp_path, env={**os.environ, "GITHUB_BASE_REF": "main", "HEAD_COMMIT": here.commit()},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "::error::It cannot be merged with that branch" in ran.stdout
    assert "All is well" not in ran.stdout + ran.stderr
