"""Which project: the nearest file from here upwards, and never a guess."""

import os
import pty
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from tests.journey.desk import ACCOUNTS, FILL, REFRESH, Desk, Said
from tests.limits.repository import Repository

HEAD = "apiVersion: reconciler/v1\nkind: Project\n"


def within(desk: Desk, folder: str) -> Desk:
    """Return the desk, from within a folder."""
    (desk.folder / folder).mkdir(parents=True, exist_ok=True)
    return replace(desk, folder=desk.folder / folder)


def test_another_working_directory_buys_nothing_again(desk: Desk) -> None:
    """Applied at the project's root and then in `manifests/`: each cell is charged once, and the limits hold."""
    desk.write(REFRESH)
    assert desk.run("init").code == 0
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert sorted(desk.charged().values()) == [1] * 6
    desk.simulator.finish()
    below = within(desk, "manifests")
    for folder in (desk, below, within(desk, "manifests/teams/gtm")):
        assert folder.run("apply", "--yes", "--no-wait", "--detailed-exitcode").code == 0
        assert folder.run("plan", "--format", "json").json["totals"]["cells"] == 0
    assert sorted(desk.charged().values()) == [1] * 6
    assert not (below.folder / ".reconciler").exists()
    desk.write(REFRESH.replace("r1", "r2"))
    (desk.folder / "reconciler.yaml").write_text(f"{HEAD}spec: {{limits: {{max_credits: 5}}}}\n")
    said = below.run("apply", "--yes", "--no-wait")
    assert (said.code, "../reconciler.yaml:3" in said.err) == (3, True)
    assert sorted(desk.charged().values()) == [1] * 6


@pytest.mark.parametrize("name", ["reconciler.yaml", "reconciler.yml"])
def test_the_nearest_project_file_holds_by_either_name(desk: Desk, name: str) -> None:
    """Its paths are relative to it, a PATH of the command line to the working directory."""
    desk.write(f"{HEAD}spec: {{manifests: [tables/], limits: {{max_cells: 1}}}}\n", "team/" + name)
    desk.write(f"{HEAD}spec: {{limits: {{max_cells: 100}}}}\n", "reconciler.yaml")
    desk.write(FILL, "team/tables/a.yaml")
    below = within(desk, "team/tables")
    assert below.run("plan").code == 3
    assert below.run("plan", "a.yaml").code == 3
    assert desk.run("plan").code == 0


def test_two_project_files_in_a_folder_are_an_error(desk: Desk) -> None:
    """Wherever they are met: from below, by name of the folder, and at a base."""
    desk.write(HEAD, "reconciler.yaml")
    desk.write(HEAD, "reconciler.yml")
    for said in (
        within(desk, "manifests").run("validate"),
        within(desk, "other").run("--project", "..", "validate"),
        desk.run("init"),
    ):
        assert said.code == 1
        assert "two project files" in said.err


@pytest.mark.parametrize(
    "name", ["Reconciler.yaml", "reconciler.YAML", "RECONCILER.yml", ".reconciler.yaml", "reconciler.json"]
)
def test_a_project_file_that_is_almost_called_so_is_an_error(desk: Desk, name: str) -> None:
    """Passed over, its limits and its ledger would be gone without a word: here, above, and beside the right name."""
    desk.write(f"{HEAD}spec: {{limits: {{max_cells: 1}}}}\n", name)
    for folder in (desk, within(desk, "manifests")):
        for command in (["apply", "--yes", "--no-wait"], ["validate"], ["--project", str(desk.folder), "plan"]):
            said = folder.run(*command)
            assert (said.code, f"{name} is ignored" in said.err, "reconciler.yaml" in said.err) == (1, True, True)
    desk.write(HEAD, "reconciler.yaml")
    assert desk.run("plan").code == 1
    (desk.folder / name).unlink()
    assert desk.run("plan").code == 0
    assert desk.posts() == []


def test_a_folder_is_not_a_project_file(desk: Desk) -> None:
    """Whatever it is called."""
    within(desk, "Reconciler.yaml")
    assert desk.run("plan").code == 0


def test_nothing_is_looked_for_above_the_top_of_the_work_tree(desk: Desk, repository: Repository) -> None:
    """Another person's project file around a repository has no say in it."""
    Repository.at(within(desk, "checkout").folder)
    desk.write(f"{HEAD}spec: {{limits: {{max_cells: 1}}}}\n", "reconciler.yaml")
    desk.write(FILL, "checkout/manifests/a.yaml")
    assert within(desk, "checkout").run("plan").code == 0
    assert within(desk, "checkout/deep").run("plan").code == 1  # there are no manifests there, and no project


def test_without_a_project_file_only_the_folder_for_manifests_is_read(desk: Desk) -> None:
    """Never the whole folder: what else lies there was not meant."""
    desk.write("kind: Something\n", "compose.yaml")
    desk.write(FILL.replace("target-accounts", "copy"), "copy.yaml")
    assert desk.run("validate").out == "Valid: 1 manifest, 2 runs.\n"
    (desk.folder / "manifests" / "accounts.yaml").unlink()
    (desk.folder / "manifests").rmdir()
    said = desk.run("validate")
    assert (said.code, "no file or folder `manifests`" in said.err, "-C DIR" in said.err) == (1, True, True)


def test_a_folder_without_a_project_does_not_forget_the_ledger_above(desk: Desk) -> None:
    """Where no file says what belongs together, a second ledger further down is refused."""
    desk.write(REFRESH)
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    said = within(desk, "manifests").run("apply", ".", "--yes", "--no-wait")
    assert (said.code, "a ledger in '..'" in said.err) == (1, True)
    assert sorted(desk.charged().values()) == [1] * 6


@pytest.mark.parametrize("arguments", [["-C", "team", "plan"], ["plan", "-C", "team"]])
def test_c_works_as_if_started_there(desk: Desk, arguments: list[str]) -> None:
    """Before or after the command; project, ledger and PATH are those of that folder, and nothing else moves."""
    desk.write(f"{HEAD}spec: {{limits: {{max_cells: 1}}}}\n", "team/reconciler.yaml")
    desk.write(FILL, "team/manifests/a.yaml")
    before = Path.cwd()
    assert desk.run(*arguments).code == 3
    assert desk.run(*arguments, "manifests/a.yaml").code == 3
    assert Path.cwd() == before
    assert desk.run("plan").code == 0


def test_c_of_a_folder_that_is_not_there_is_a_wrong_command_line(desk: Desk) -> None:
    """And says why."""
    said = desk.run("-C", "nowhere", "plan")
    assert (said.code, "No such file" in said.err) == (64, True)


@pytest.mark.parametrize("command", [["plan"], ["ledger", "list"], ["status"]])
def test_global_options_stand_before_or_after_the_command(desk: Desk, command: list[str]) -> None:
    """A group's own commands too; of one that is given twice the last counts."""
    named = ["--ledger", "mysql://h/d"]
    for arguments in ([*named, *command], [*command, *named], [*command[:1], *named, *command[1:]]):
        said = desk.run(*arguments)
        assert (said.code, "--ledger is not understood" in said.err) == (1, True)
    assert desk.run(*named, *command, "--ledger", "other.db", "-q").code == 0


@pytest.mark.parametrize("flag", [True, False])
def test_a_project_that_is_named_by_nothing_is_an_error(desk: Desk, flag: bool) -> None:
    """A variable that a CI left empty does not mean the nearest one."""
    desk.write(HEAD, "reconciler.yaml")
    desk.extra = {} if flag else {"RECONCILER_PROJECT": ""}
    said = desk.run(*(["--project", ""] if flag else []), "validate")
    assert (said.code, "is empty" in said.err) == (1, True)


def test_a_second_project_below_is_told_apart_from_the_one_in_use(desk: Desk) -> None:
    """Its manifests belong to another ledger: bought from both folders they would be bought twice."""
    desk.write(HEAD, "reconciler.yaml")
    location = desk.write(HEAD, "manifests/team/reconciler.yaml")
    desk.write(FILL.replace(ACCOUNTS, ACCOUNTS[:-1] + "5").replace("target-", "other-"), "manifests/team/a.yaml")
    said = desk.run("apply", "--yes", "--no-wait")
    assert (said.code, f"{location.relative_to(desk.folder)}:2:7: " in said.err) == (1, True)
    assert desk.posts() == []


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes", "--no-wait"], ["status"]])
def test_the_first_line_on_a_terminal_names_project_and_ledger(desk: Desk, command: list[str]) -> None:
    """Also from a folder below; never the password."""
    desk.write(HEAD, "reconciler.yaml")
    lines = on_a_terminal(within(desk, "manifests"), *command)
    assert lines[0] == f"Project {desk.folder}/reconciler.yaml · ledger ../.reconciler/ledger.db (not there yet)"
    desk.extra["RECONCILER_LEDGER"] = "postgresql://me:s3cret@127.0.0.1:1/d?connect_timeout=2"
    lines = on_a_terminal(desk, *command)
    assert lines[0].endswith(" · ledger postgresql://127.0.0.1:1/d")


def test_where_no_person_watches_that_line_is_not_said(desk: Desk) -> None:
    """A log has it from whoever set it up."""
    said: Said = desk.run("plan")
    assert "· ledger" not in said.out + said.err


def on_a_terminal(desk: Desk, *arguments: str) -> list[str]:
    """Run a command on a terminal and return what it shows, by lines."""
    ours, theirs = pty.openpty()
    shown = bytearray()

    def look() -> None:
        with suppress(OSError):  # the other end is closed
            while piece := os.read(ours, 65536):
                shown.extend(piece)

    looking = Thread(target=look)
    looking.start()
    with os.fdopen(theirs, "w") as terminal, redirect_stdout(terminal), redirect_stderr(terminal):
        desk.run(*arguments)
    looking.join()
    os.close(ours)
    return shown.decode().replace("\r\n", "\n").split("\n")
