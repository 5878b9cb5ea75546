"""The project at a git ref or in a folder, read without touching the user's tree."""

from contextlib import chdir
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError, SettingsError
from reconciler.settings.git_commit import find_commit
from reconciler.settings.revision import Revision, read_revision
from reconciler.settings.settings import Flags, load_settings
from tests.journey.desk import ACCOUNTS, FILL
from tests.limits.repository import Repository

PROJECT = "apiVersion: reconciler/v1\nkind: Project\nspec:\n  manifests: [teams]\n  limits: {max_credits: 5}\n"


@pytest.fixture
def work(tmp_path: Path) -> Repository:
    """Return a repository whose project lies in a folder of it, with one commit, and then changed altogether."""
    repository = Repository.at(tmp_path)
    write(tmp_path, "project/reconciler.yaml", PROJECT)
    write(tmp_path, "project/teams/gtm/accounts.yaml", FILL)
    write(tmp_path, "project/teams/gtm/accounts.txt", "not a manifest")
    write(tmp_path, "elsewhere/other.yaml", other("elsewhere"))
    repository.commit("base")
    (tmp_path / "project/teams/gtm/accounts.yaml").unlink()
    write(tmp_path, "project/reconciler.yaml", "apiVersion: reconciler/v1\nkind: Project\n")
    return repository


def write(folder: Path, name: str, text: str) -> Path:
    """Write a file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def other(name: str, number: int = 1) -> str:
    """Return a manifest of another name for another table."""
    return FILL.replace("target-accounts", name).replace(ACCOUNTS, f"{number:08}{ACCOUNTS[8:]}")


def read(where: str, at: Path, *named: str, project: str | None = None) -> Revision:
    """Read a revision, working in the folder `at`."""
    with chdir(at):
        return read_revision(where, load_settings(Flags(project=project), {}), named)


def names(of: Revision) -> list[str]:
    """Return the manifests' names."""
    assert of.problems == ()
    return [manifest.name for manifest in of.manifests]


@pytest.mark.parametrize("where", ["main", "HEAD", "refs/heads/main", "main~0", "v1"])
def test_a_ref_gives_the_project_file_and_its_manifests(work: Repository, where: str) -> None:
    """As they were there, placed as they would be named here."""
    work.git("tag", "v1")
    found = read(where, work.folder / "project")
    assert names(found) == ["target-accounts"]
    assert found.manifests[0].location.path == "teams/gtm/accounts.yaml"
    assert found.manifests[0].runs[0].location.path == "teams/gtm/accounts.yaml"
    assert found.project is not None
    assert found.project.limits.max_credits is not None
    assert found.project.limits.max_credits.set_at == f"{where}:project/reconciler.yaml:5 (spec.limits.max_credits)"


def test_named_paths_and_another_working_directory(work: Repository) -> None:
    """From the top with --project, from below with `..`; a file is taken whatever its name."""
    assert names(read("main", work.folder, project="project/reconciler.yaml")) == ["target-accounts"]
    found = read("main", work.folder / "project/teams", "../../elsewhere", project="..")
    assert [(each.name, each.location.path) for each in found.manifests] == [
        ("elsewhere", "../../elsewhere/other.yaml")
    ]
    assert names(read("main", work.folder, "elsewhere/other.yaml", str(work.folder / "project/teams"))) == [
        "elsewhere",
        "target-accounts",
    ]
    assert names(read("main", work.folder, "new/folder")) == []


def test_a_folder_is_read_where_it_is(work: Repository, tmp_path: Path) -> None:
    """It is laid out like the project; a path of the command line is looked for at the same place in it."""
    base = tmp_path / "base"
    write(base, "reconciler.yaml", PROJECT)
    write(base, "teams/a.yaml", FILL)
    write(base, "more/b.yaml", other("more"))
    assert names(read("../base", work.folder / "project")) == ["target-accounts"]
    assert names(read(str(base), work.folder / "project", "more")) == ["more"]
    assert read("../base", work.folder / "project").manifests[0].location.path == "../base/teams/a.yaml"


@pytest.mark.parametrize(
    "where",
    ["", "-", "--help", "-n1", "--output=x", "a b", "a\nb", "a\0b", "nope", "main..main", "main:project", "^main"],
)
def test_what_names_no_commit_is_refused(work: Repository, where: str) -> None:
    """Also one that begins like an option; git is never asked about it."""
    before = sorted(path for path in work.folder.rglob("*") if ".git" not in path.parts)
    with pytest.raises((SettingsError, ValueError)):
        read(where, work.folder / "project")
    assert sorted(path for path in work.folder.rglob("*") if ".git" not in path.parts) == before


def test_a_name_of_two_things_is_refused(work: Repository) -> None:
    """A branch and a tag, a branch and a folder: whoever may push one must not stand in for the other."""
    work.git("branch", "release")
    work.git("tag", "release", "HEAD")
    with pytest.raises(SettingsError, match="names more than one commit"):
        read("release", work.folder / "project")
    assert names(read("refs/heads/release", work.folder / "project")) == ["target-accounts"]
    work.git("branch", "teams")
    with pytest.raises(SettingsError, match="is both a folder and a commit"):
        read("teams", work.folder / "project")
    assert names(read("refs/heads/teams", work.folder / "project")) == ["target-accounts"]


def test_outside_a_repository_there_is_no_ref(tmp_path: Path) -> None:
    """It is said what to do."""
    with pytest.raises(SettingsError, match="there is no git repository here"):
        read("main", tmp_path)


def test_manifests_that_do_not_validate_are_told(work: Repository) -> None:
    """With their places here, and without the scratch folder's name anywhere."""
    write(work.folder, "project/reconciler.yaml", PROJECT)
    write(work.folder, "project/teams/a.yaml", FILL)
    write(work.folder, "project/teams/b.yaml", FILL)
    write(work.folder, "project/teams/c.yaml", "kind: TableRun\nmetdata: {}\n")
    work.commit()
    found = read("main", work.folder / "project")
    assert found.manifests == ()
    assert {problem.location.path for problem in found.problems} == {"teams/b.yaml", "teams/c.yaml"}
    assert "reconciler-" not in "".join(problem.message for problem in found.problems)
    assert any("project/teams/a.yaml:4:9" in problem.message for problem in found.problems)


def test_attributes_and_filters_of_the_tree_have_no_say(work: Repository) -> None:
    """`export-ignore` hides nothing, a filter runs nothing, `ident` and line endings change nothing."""
    proof = work.folder / "ran"
    work.git("config", "filter.evil.smudge", f"touch {proof}")
    work.git("config", "core.autocrlf", "true")
    write(work.folder, "project/reconciler.yaml", PROJECT)
    write(work.folder, "project/teams/a.yaml", FILL + "# $Id$ $Format:%H$\n")
    write(work.folder, ".gitattributes", "project/teams/** export-ignore export-subst ident filter=evil\n")
    work.commit()
    assert names(read("main", work.folder / "project")) == ["target-accounts"]
    assert not proof.exists()


def test_a_link_is_not_followed(work: Repository) -> None:
    """It may lead anywhere on this machine; it is unknown then what the manifests were."""
    write(work.folder, "project/reconciler.yaml", PROJECT)
    (work.folder / "project/teams/passwords.yaml").symlink_to("/etc/passwd")
    work.commit()
    found = read("main", work.folder / "project")
    assert [problem.location.path for problem in found.problems] == ["teams/passwords.yaml"]
    assert "a link, which is not followed" in found.problems[0].message
    assert found.problems[0].code == "E410"
    (work.folder / "project/reconciler.yaml").unlink()
    (work.folder / "project/reconciler.yaml").symlink_to("/etc/passwd")
    work.commit()
    (work.folder / "project/reconciler.yaml").unlink()
    with pytest.raises(ReconcilerError, match="a link, which is not followed"):
        read("main", work.folder / "project")


def test_what_lies_outside_the_repository_cannot_be_told(work: Repository) -> None:
    """Neither a named path nor one of the base's project file is read from beside the commit."""
    write(work.folder, "project/reconciler.yaml", PROJECT.replace("[teams]", "[../../outside, /etc]"))
    write(work.folder.parent, "outside/a.yaml", FILL)
    work.commit()
    found = read("main", work.folder / "project")
    assert found.manifests == ()
    assert "outside the repository" in found.problems[0].message


def test_a_file_too_large_to_read_is_not_fetched(work: Repository) -> None:
    """And not passed over either."""
    write(work.folder, "project/teams/large.yaml", "#" * (1024 * 1024 + 1))
    write(work.folder, "project/reconciler.yaml", PROJECT)
    work.commit()
    (problem,) = read("main", work.folder / "project").problems
    assert (problem.location.path, problem.message) == ("teams/large.yaml", "the file is larger than 1 MiB; split it")


def test_names_with_odd_characters_are_files_like_others(work: Repository) -> None:
    """Spaces, glob characters and letters of other scripts."""
    write(work.folder, "project/reconciler.yaml", PROJECT)
    for number, name in enumerate(["a b", "[c]", "*", "naïve-日本", 'q"uote']):
        write(work.folder, f"project/teams/{name}/m.yaml", other(f"m{number}", number))
    work.commit()
    assert names(read("main", work.folder / "project")) == ["m0", "m1", "m2", "m3", "m4"]
    assert names(read("main", work.folder / "project", "teams/*")) == ["m2"]


def test_nothing_of_the_work_tree_changes(work: Repository) -> None:
    """Neither its files nor the index nor what is checked out."""
    write(work.folder, "project/new.yaml", FILL)
    before = work.git("status", "--porcelain"), work.git("rev-parse", "HEAD"), (work.folder / ".git/index").read_bytes()
    read("main", work.folder / "project")
    assert (work.git("status", "--porcelain"), work.git("rev-parse", "HEAD")) == before[:2]
    assert (work.folder / ".git/index").read_bytes() == before[2]


def test_a_replaced_commit_is_not_what_was_asked_for(work: Repository) -> None:
    """`git replace` puts another commit in a commit's place for every other command."""
    base = work.git("rev-parse", "HEAD")
    write(work.folder, "project/teams/evil.yaml", other("evil"))
    evil = work.commit()
    work.git("replace", base, evil)
    found = find_commit(base, work.folder)
    assert found is not None
    assert "project/teams/evil.yaml" not in found.blobs
