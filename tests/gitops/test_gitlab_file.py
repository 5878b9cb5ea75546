"""GitLab's file, checked by the tools that know such files and by rules of our own."""

import re
from pathlib import Path

import pytest
import yaml

from tests.gitops.gitlab_project import FILE, jobs
from tests.review.test_ci_files import run


def test_it_fits_the_schema_of_gitlab(tmp_path: Path) -> None:
    """With its inputs in place; the header has a schema of its own."""
    (tmp_path / "jobs.yml").write_text(yaml.safe_dump(jobs()))
    run("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", str(tmp_path / "jobs.yml"))


@pytest.mark.parametrize("name", jobs())
def test_shellcheck_finds_nothing(tmp_path: Path, name: str) -> None:
    """In the script that each job is, and in the one that runs after it."""
    job = jobs()[name]
    for number, scripts in enumerate([[*job["before_script"], *job["script"]], job.get("after_script", [])]):
        path = tmp_path / f"{number}.sh"
        path.write_text("\n".join(["#!/bin/bash", "set -eo pipefail", *scripts]))
        run("shellcheck", "--exclude", "SC2154,SC2034,SC2317,SC2329", str(path))


def test_an_apply_is_alone_and_never_cancelled() -> None:
    """By itself only after a merge; by a person otherwise."""
    apply = jobs(apply="manual")["reconciler-apply-default"]
    assert (apply["resource_group"], apply["interruptible"]) == ("reconciler-default", False)
    assert [rule["when"] for rule in apply["rules"]] == ["manual", "manual"]
    assert jobs()["reconciler-apply-default"]["rules"][0]["when"] == "on_success"


def test_no_expression_of_a_change_stands_in_a_script() -> None:
    """Branch names and titles come through the environment, quoted: text in a script would be run."""
    assert re.findall(r"\$\[\[ (?!inputs\.)", FILE.read_text()) == []
    assert re.findall(r"CI_(?:COMMIT_(?:MESSAGE|TITLE|DESCRIPTION)|MERGE_REQUEST_TITLE)", FILE.read_text()) == []
