"""Whose manifests: those of another project are not applied without its ledger, which knows what was bought."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.journey.desk import ACCOUNTS, REFRESH, Desk
from tests.limits.repository import Repository
from tests.settings.test_which_project import HEAD

COMMANDS = [["plan"], ["apply", "--yes", "--no-wait"], ["status"], ["drift"], ["ledger", "adopt", "--as", "r1"]]


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """Return a desk with room beside it."""
    (desk.folder / "project").mkdir()
    return replace(desk, folder=desk.folder / "project")


@pytest.fixture
def bought(desk: Desk) -> Desk:
    """Return the desk of a project whose manifests were applied."""
    desk.write(f"{HEAD}spec: {{limits: {{max_cells: 100}}}}\n", "reconciler.yaml")
    desk.write(REFRESH)
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    return desk


def beside(desk: Desk, name: str = "elsewhere") -> Desk:
    """Return the desk, from a folder beside the project."""
    folder = desk.folder.parent / name
    folder.mkdir(exist_ok=True)
    return replace(desk, folder=folder, extra={})


def refused(desk: Desk, *arguments: str, says: str) -> None:
    """Check that every command that uses a ledger refuses a PATH before it asks the API anything."""
    asked = len(desk.simulator.requests())
    for command in COMMANDS:
        said = desk.run(*command, *arguments)
        assert (said.code, says in said.err, "-C " in said.err) == (1, True, True), said.err
    assert len(desk.simulator.requests()) == asked
    assert not (desk.folder / ".reconciler").exists()


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("how", ["folder", "file", "link to a folder", "link to a file", "named ledger"])
def test_manifests_of_another_project_are_refused_by_every_command_that_uses_a_ledger(
    bought: Desk, how: str, own: bool
) -> None:
    """Whatever leads there, and whether or not there is a project here: bought again, and without its limits."""
    other = beside(bought)
    if own:
        other.write(HEAD, "reconciler.yaml")
    path = "../" + bought.folder.name + "/manifests" + ("/accounts.yaml" if how.endswith("file") else "")
    if how.startswith("link"):
        (other.folder / "link.yaml").symlink_to(path)
        path = "link.yaml"
    arguments = ["--ledger", "own.db"] if how == "named ledger" else []
    refused(other, path, *arguments, says=f"belong to the project of ../{bought.folder.name}/reconciler.yaml, but ")
    assert other.run("validate", path).code == 0
    assert (
        other.run("--project", f"../{bought.folder.name}/reconciler.yaml", "apply", path, "--yes", "--no-wait").code
        == 0
    )
    assert other.run("-C", f"../{bought.folder.name}", "apply", "manifests", "--yes", "--no-wait").code == 0
    assert sorted(bought.charged().values()) == [1] * 6


def test_a_repository_within_a_project_is_another_place(bought: Desk) -> None:
    """From within it the project around is not found, so its manifests are refused; so are its own from outside."""
    inner = replace(bought, folder=bought.folder / "inner")
    inner.folder.mkdir()
    Repository.at(inner.folder)
    refused(inner, "../manifests", says="belong to the project of ../reconciler.yaml, but no project file")
    inner.write(REFRESH)
    assert inner.run("ledger", "init").code == 0
    said = bought.run("apply", "inner/manifests", "--yes", "--no-wait")
    assert (said.code, "a ledger in 'inner'" in said.err) == (1, True)
    refused(beside(bought), f"../{bought.folder.name}/inner/manifests", says="but a ledger in")
    assert sorted(bought.charged().values()) == [1] * 6


@pytest.mark.parametrize("linked", [True, False])
def test_without_any_project_manifests_outside_need_a_ledger_that_is_named(desk: Desk, linked: bool) -> None:
    """The one beside the working directory is another one in each of them."""
    desk.write(REFRESH, "../loose/accounts.yaml")
    path = "../loose"
    if linked:
        (desk.folder / "link").symlink_to(path)
        path = "link"
    refused(desk, path, says="outside the working directory")
    assert desk.run("validate", path).code == 0
    named = ["--ledger", str(desk.folder.parent / "shared.db")]
    assert desk.run("apply", path, "--yes", "--no-wait", *named).code == 0
    there = beside(desk, "loose")
    there.extra = {"RECONCILER_LEDGER": named[1]}
    assert there.run("apply", ".", "--yes", "--no-wait").code == 0
    assert sorted(desk.charged().values()) == [1] * 6


def test_a_ledger_below_the_working_directory_is_not_forgotten(desk: Desk) -> None:
    """Applied in a folder without a project file, and then from the folder above."""
    desk.write(REFRESH, "team/manifests/accounts.yaml")
    assert desk.run("-C", "team", "apply", "--yes", "--no-wait").code == 0
    refused(desk, "team/manifests", says="a ledger in 'team'")
    desk.write(f"{HEAD}spec: {{ledger: team/.reconciler/ledger.db}}\n", "reconciler.yaml")
    assert desk.run("apply", "team/manifests", "--yes", "--no-wait").code == 0
    assert sorted(desk.charged().values()) == [1] * 6


def test_a_second_project_file_in_the_same_folder_is_used_when_it_is_named(bought: Desk) -> None:
    """Staging beside production, say: whoever names it means it."""
    bought.write(f"{HEAD}spec: {{ledger: .reconciler/ledger.db}}\n", "staging.yaml")
    assert bought.run("--project", "staging.yaml", "apply", "manifests", "--yes", "--no-wait").code == 0
    assert sorted(bought.charged().values()) == [1] * 6


def test_what_was_done_by_hand_is_not_adopted_into_another_projects_ledger(bought: Desk) -> None:
    """The manifest would be that project's, and its ledger would not know what is done."""
    other = beside(bought)
    other.write(HEAD, "reconciler.yaml")
    out = f"../{bought.folder.name}/manifests"
    said = other.run("import", ACCOUNTS, "--adopt", "r1", "--out", out)
    assert (said.code, "belong to the project of" in said.err) == (1, True)
    assert [path.name for path in Path(bought.folder / "manifests").iterdir()] == ["accounts.yaml"]
