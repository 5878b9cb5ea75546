"""`init` leaves a project that works at once, and never touches what is there."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli import scaffold
from reconciler.manifests import json_schema
from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from reconciler.simulator.world.sample import sample
from tests.journey.desk import Desk
from tests.limits.repository import Repository

ROOT = Path(__file__).parents[2]

WRITTEN = {
    ".gitignore",
    "manifests/target-accounts.yaml",
    "reconciler.yaml",
    "schemas/manifest.v1.json",
    "schemas/project.v1.json",
}


def files(folder: Path) -> dict[str, str]:
    """Return every file below a folder with its text."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_new_project_validates_plans_and_applies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Init into an empty folder, and the simulator's sample is filled within the project's limit."""
    with serve(sample(), clock=ManualClock()) as simulator:
        desk = Desk(tmp_path, simulator, capsys)
        said = desk.run("init")
        assert said.code == 0
        assert "reconciler simulator" in said.out
        assert files(tmp_path).keys() == WRITTEN
        assert desk.run("validate").code == 0
        assert desk.run("plan", "--detailed-exitcode").code == 2
        assert desk.run("apply", "--yes", "--no-wait").code == 0
        assert set(simulator.charges().values()) == {1}
        simulator.finish()
        paid = sum(simulator.charges().values())
        assert desk.run("status").code == 0
        assert sum(simulator.charges().values()) == paid


def test_it_scaffolds_into_a_folder_that_is_named(desk: Desk) -> None:
    """The folder is made, and the next step says to change to it."""
    said = desk.run("init", "teams/gtm")
    assert said.code == 0
    assert files(desk.folder / "teams" / "gtm").keys() == WRITTEN
    assert "change to that folder" in said.out


def test_nothing_that_is_there_is_overwritten(desk: Desk) -> None:
    """A second init, and one over files of one's own, changes no byte."""
    (desk.folder / ".gitignore").write_text("*.log\n")
    (desk.folder / ".github/workflows").mkdir(parents=True)
    (desk.folder / ".github/workflows/plan.yml").write_text("mine\n")
    said = desk.run("init", "--ci", "github")
    assert (said.code, ".reconciler/" in said.err) == (0, True)
    before = files(desk.folder)
    assert (before[".gitignore"], before[".github/workflows/plan.yml"]) == ("*.log\n", "mine\n")
    assert desk.run("init", "--ci", "github").code == 0
    assert files(desk.folder) == before


def test_a_project_with_manifests_gets_no_sample(desk: Desk) -> None:
    """The sample's table is not theirs: their next plan would fail on it."""
    desk.run("init")
    assert "manifests/target-accounts.yaml" not in files(desk.folder)
    assert desk.run("validate").code == 0


def test_the_sample_manifest_is_for_the_simulators_table() -> None:
    """Without a workspace of one's own, `reconciler simulator` serves it."""
    assert scaffold.SAMPLE_TABLE in {table.id for table in sample().tables}
    assert sample().token == scaffold.SIMULATOR_TOKEN


def test_every_file_has_a_modeline_that_leads_to_its_schema(desk: Desk) -> None:
    """Editors check manifest and project file without the network."""
    desk.run("init", "new")
    folder = desk.folder / "new"
    for name, kind in (("reconciler.yaml", "project"), ("manifests/target-accounts.yaml", "manifest")):
        first = (folder / name).read_text().splitlines()[0]
        path = (folder / name).parent / first.removeprefix("# yaml-language-server: $schema=")
        assert path.read_text() == json_schema.text(kind)


def test_the_files_for_a_ci_are_callers_and_nothing_else(desk: Desk) -> None:
    """Each names a workflow of this repository; nothing of it is copied, and only what it needs is permitted."""
    said = desk.run("init", "--ci", "github")
    assert "OWNER" in said.out
    written = {name: text for name, text in files(desk.folder).items() if name.startswith(".github/")}
    assert set(written) == {f".github/workflows/{name}.yml" for name in ("plan", "apply", "refresh")}
    for name, text in written.items():
        workflow: Any = yaml.safe_load(text)
        (job,) = workflow["jobs"].values()
        assert (job["uses"], workflow["permissions"]) == (f"OWNER/extruct-reconciler/{name}@v0", {})
        called: Any = yaml.safe_load((ROOT / name).read_text())
        assert set(job) == {"permissions", "uses", "secrets"}
        wanted = [each["permissions"] for each in called["jobs"].values()]
        assert job["permissions"] == {
            key: "write" if any(each.get(key) == "write" for each in wanted) else "read"
            for key in sorted({key for each in wanted for key in each})
        }


def test_the_files_for_a_ci_go_to_the_top_of_the_repository(desk: Desk) -> None:
    """Elsewhere no forge looks for them; they name the project's folder and the branch that may be the default one."""
    Repository.at(desk.folder).git("checkout", "--quiet", "-b", "trunk")
    for ci in ("github", "gitlab"):
        assert desk.run("init", "teams/gtm", "--ci", ci).code == 0
    written = {name: text for name, text in files(desk.folder).items() if name.startswith((".github", ".gitlab"))}
    assert set(written) == {
        *(f".github/workflows/{name}.yml" for name in ("plan", "apply", "refresh")),
        ".gitlab-ci.yml",
    }
    parsed: dict[str, Any] = {name: yaml.safe_load(text) for name, text in written.items()}
    apply = parsed[".github/workflows/apply.yml"]
    assert apply[True] == {"push": {"branches": ["main", "master", "trunk"]}}
    inputs = [next(iter(of["jobs"].values()))["with"] for of in parsed.values() if "jobs" in of]
    inputs += [of["include"][0]["inputs"] for of in parsed.values() if "include" in of]
    assert [given["working-directory"] for given in inputs] == ["teams/gtm"] * 4


@pytest.mark.parametrize(
    ("ignored", "hides"),
    [(".reconciler/\n", True), ("/.reconciler\n", True), ("a\n .reconciler/ \n", True), ("# .reconciler/\n", False)],
)
def test_a_gitignore_hides_the_ledger_or_not(ignored: str, hides: bool) -> None:
    """However its line is written."""
    assert scaffold.hides_ledger(ignored) is hides


def test_the_file_for_gitlab_includes_one_file_with_inputs_that_it_has(desk: Desk) -> None:
    """And a file that exists is kept, with a word on what to add to it."""
    said = desk.run("init", "--ci", "gitlab")
    assert ("OWNER" in said.out, ".gitlab/README.md" in said.out) == (True, True)
    written: Any = yaml.safe_load((desk.folder / ".gitlab-ci.yml").read_text())
    (included,) = written["include"]
    spec: Any = next(iter(yaml.safe_load_all((ROOT / included["file"].lstrip("/")).read_text())))
    needed = {name for name, about in spec["spec"]["inputs"].items() if "default" not in (about or {})}
    assert needed <= set(included["inputs"]) <= set(spec["spec"]["inputs"])
    assert included["ref"] == included["inputs"]["revision"]
    (desk.folder / ".gitlab-ci.yml").write_text("mine: {}\n")
    assert "Kept existing .gitlab-ci.yml" in desk.run("init", "--ci", "gitlab").out
    assert (desk.folder / ".gitlab-ci.yml").read_text() == "mine: {}\n"
