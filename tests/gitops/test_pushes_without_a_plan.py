"""A push for which no plan was approved: an error if it changes anything of the project, wherever its files are."""

import json
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from tests.gitops.github_api import GitHub, serve_github
from tests.gitops.test_approved_plan import MERGED, ask
from tests.limits.repository import Repository

PROJECT = "apiVersion: reconciler/v1\nkind: Project\nspec: {manifests: [tables/], limits: {max_credits: 5}}\n"
MANIFEST = """\
apiVersion: reconciler/v1
kind: TableRun
metadata: {name: a}
spec: {table: 0a1a669a-9a40-497c-bb00-d49dd8ee5b74, runs: [{mode: new, columns: [news]}]}
"""
FILES = {"reconciler.yaml": PROJECT, "tables/a.yaml": MANIFEST, "notes.md": "x"}


@pytest.fixture
def github() -> Iterator[GitHub]:
    """An empty repository."""
    with serve_github() as forge:
        yield forge


def pushed(github: GitHub, folder: Path, file: str, text: str) -> list[tuple[int, dict[str, str], str]]:
    """Push one file's change, by itself and by a pull request; return code, outputs and log of each search.

    Without a text the file is removed.
    """
    here = Repository.at(folder)
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    before = github.commit(here.commit(), branch="main")
    if text:
        (folder / file).write_text(text)
    else:
        (folder / file).unlink()
    after = github.commit(here.commit(), before, branch="main")
    found = []
    for merges in (False, True):
        if merges:
            github.pull(7, after, after, MERGED)
        outputs = folder / f"outputs-{merges}"
        with chdir(folder):
            arguments = ("--out-dir", "plans", "--outputs", str(outputs))
            said = ask(github, folder, *arguments, before=before, after=after)
        told = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
        found.append((said.exit_code, told, said.output))
    return found


@pytest.mark.parametrize(
    ("file", "text"), [("notes.md", "other"), ("tables/a.yaml", MANIFEST + "# a comment\n"), ("tables/a.yaml", "")]
)
def test_one_that_changes_nothing_of_the_project_needs_none(
    github: GitHub, tmp_path: Path, file: str, text: str
) -> None:
    """Neither red nor commented on; nor does one that removes a manifest, be it the sample of `init`."""
    for code, outputs, said in pushed(github, tmp_path, file, text):
        assert (code, outputs) == (0, {"numbers": "[]", "missing": "[]", "exit-code": "0"}), said
        assert "The push changes nothing of the project" in said


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tables/a.yaml", MANIFEST.replace("news", "other")),
        ("tables/a.yaml", "broken: ["),
        ("reconciler.yaml", PROJECT.replace("5", "50")),
        ("reconciler.yaml", ""),
        ("reconciler.yaml", PROJECT.replace("tables", "elsewhere")),
        ("reconciler.yaml", "broken: ["),
    ],
)
def test_one_that_changes_the_project_is_told_that_it_has_none(
    github: GitHub, tmp_path: Path, file: str, text: str
) -> None:
    """In whatever folder its manifests are, and also if what was merged cannot be read."""
    of_push, of_pull_request = pushed(github, tmp_path, file, text)
    for missing, (code, outputs, said) in (([], of_push), ([7], of_pull_request)):
        assert (code, json.loads(outputs["missing"]), outputs["exit-code"]) == (4, missing, "4"), said


def test_the_push_that_makes_a_branch_needs_none(github: GitHub, tmp_path: Path) -> None:
    """There is nothing that it could have been reviewed against."""
    github.commit("a" * 40, branch="main")
    said = ask(github, tmp_path, before="0" * 40, after="a" * 40)
    assert (said.exit_code, "The branch is new" in said.output) == (0, True), said.output
