"""The files for GitHub, GitLab, pre-commit and editors, checked by the tools that know them and by rules of our own."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli import group as cli

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github/actions").glob("*/action.yml"))
SCRIPTS = sorted((ROOT / ".github").rglob("*.sh"))
SCHEMAS = sorted((ROOT / "schemas").glob("*.json"))
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))
MODELINE = "# yaml-language-server: $schema="


def run(tool: str, *arguments: str) -> str:
    """Run a linter that a package put beside this Python, and return what it says; assert that it finds nothing."""
    found = shutil.which(tool, path=str(Path(sys.executable).parent)) or shutil.which(tool)
    assert found is not None, f"{tool} is missing; it comes with the dev extra"
    done = subprocess.run([found, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def load(path: Path) -> Any:
    """Read YAML."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every step of every workflow and action, with its file's name."""
    for path in WORKFLOWS:
        for job in load(path)["jobs"].values():
            yield from ((path.name, step) for step in job["steps"])
    for path in ACTIONS:
        yield from ((path.parent.name, step) for step in load(path)["runs"]["steps"])


@pytest.mark.parametrize("persona", ["regular", "pedantic", "auditor"])
def test_zizmor_finds_nothing(persona: str) -> None:
    """Offline, over workflows and actions, also with its strictest eyes."""
    said = run("zizmor", "--offline", "--quiet", "--no-ignores", "--format", "json", "--persona", persona, ".github")
    assert json.loads(said) == []


def test_actionlint_finds_nothing() -> None:
    """With shellcheck over the scripts in the steps, where that is installed."""
    assert run("actionlint", *map(str, WORKFLOWS)) == ""


def test_shellcheck_finds_nothing() -> None:
    """In the scripts behind the actions and the jobs."""
    assert run("shellcheck", *map(str, SCRIPTS)) == ""


def test_hadolint_finds_nothing() -> None:
    """In the container's definition."""
    assert run("hadolint", str(ROOT / ".github/Containerfile")) == ""


def test_the_files_fit_the_schemas_of_their_hosts() -> None:
    """GitHub's workflows and actions."""
    run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS))
    run("check-jsonschema", "--builtin-schema", "vendor.github-actions", *map(str, ACTIONS))


def test_the_schemas_are_valid_for_draft_07_tools() -> None:
    """Each says which draft it is written in, and is valid by it."""
    for path in SCHEMAS:
        assert json.loads(path.read_text())["$schema"] == "http://json-schema.org/draft-07/schema#"
    run("check-jsonschema", "--check-metaschema", *map(str, SCHEMAS))


def test_every_example_fits_the_schema_in_its_modeline(tmp_path: Path) -> None:
    """By another program than ours, as an editor shows it: each document of each file."""
    of_schema: dict[Path, list[str]] = {}
    for path in EXAMPLES:
        text = path.read_text(encoding="utf-8")
        first = text.splitlines()[0]
        assert first.startswith(MODELINE)
        name = "-".join(path.relative_to(ROOT).with_suffix("").parts)
        documents = [tmp_path / f"{name}-{number}.yaml" for number, _ in enumerate(yaml.safe_load_all(text))]
        for document, content in zip(documents, re.split("^---$", text, flags=re.MULTILINE), strict=True):
            document.write_text(content, encoding="utf-8")
        schema = (path.parent / first.removeprefix(MODELINE)).resolve()
        of_schema.setdefault(schema, []).extend(map(str, documents))
    for schema, files in of_schema.items():
        run("check-jsonschema", "--schemafile", str(schema), *files)


def test_actions_are_pinned_by_hash_with_their_version() -> None:
    """All others; our own are taken from the commit of the workflow that names them."""
    for path in [*WORKFLOWS, *ACTIONS]:
        for used in re.findall(r"uses: (.*)", path.read_text()):
            assert re.fullmatch(
                r"[a-z]+/[a-z-]+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+|\$/\.github/actions/[a-z]+", used
            )


def test_no_expression_stands_in_a_script() -> None:
    """Values come through the environment: text in a script would be run."""
    for name, step in steps():
        assert "${{" not in step.get("run", ""), name
    for path in SCRIPTS:
        assert "${{" not in path.read_text()


def test_permissions_are_the_least() -> None:
    """None by default; a job lists what it needs, and only comments are written."""
    for path in WORKFLOWS:
        workflow = load(path)
        assert workflow["permissions"] == {}
        for job in workflow["jobs"].values():
            assert {name for name, level in job["permissions"].items() if level == "write"} <= {
                *("pull-requests", "issues", "id-token", "attestations")
            }
            assert job["timeout-minutes"] <= 150


def test_a_checkout_leaves_no_credentials() -> None:
    """The token would stay in the work tree's configuration."""
    checkouts = [step for _, step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def jobs(name: str) -> dict[str, Any]:
    """Return the jobs of a workflow."""
    return dict(load(ROOT / f".github/workflows/{name}.yml")["jobs"])


def test_an_apply_is_protected_and_never_cancelled() -> None:
    """Only jobs of the protected environment apply, and what they apply was shown by a job before, without secrets."""
    applying = [
        (name, job)
        for name in ("plan", "apply", "refresh")
        for job in jobs(name).values()
        if any(step.get("uses", "").endswith("actions/apply") for step in job["steps"])
    ]
    assert [(name, job["environment"]) for name, job in applying] == [
        ("apply", "reconciler"),
        ("refresh", "reconciler"),
    ]
    assert all(job["needs"] for _, job in applying)
    assert "secrets." not in str(jobs("apply")["find"])
    for name in ("apply", "refresh"):
        assert load(ROOT / f".github/workflows/{name}.yml")["concurrency"]["cancel-in-progress"] is False


def test_secrets_reach_steps_and_no_job() -> None:
    """Each step names what it needs; a step that another one's author wrote gets none."""
    for name in ("plan", "apply", "refresh"):
        for job in jobs(name).values():
            assert "secrets." not in str(job.get("env", {}))
    for _, step in steps():
        if step.get("uses", "").startswith(("actions/", "pypa/")):
            assert "token" not in str(step.get("with", {})).replace("persist-credentials", "")


def test_the_address_of_the_api_is_always_set() -> None:
    """Wherever the token is: no file of a change may name another."""
    with_token = [step for _, step in steps() if "EXTRUCT_API_TOKEN" in step.get("env", {})]
    assert len(with_token) == 4
    assert all(step["env"]["EXTRUCT_API_URL"] == "${{ inputs.api-url }}" for step in with_token)


def test_a_pull_request_runs_without_its_base_s_rights() -> None:
    """Never `pull_request_target`, which would give a fork's code the secrets."""
    for path in WORKFLOWS:
        assert not {"pull_request_target", "workflow_run"} & set(load(path)[True])  # YAML 1.1 reads `on` as true


def test_the_outputs_that_were_promised() -> None:
    """Of the action, and of the workflow that calls it."""
    promised = {"has-changes", "calls", "cells", "credits", "plan-id", "exit-code"}
    assert set(load(ROOT / ".github/actions/plan/action.yml")["outputs"]) == promised
    workflow = load(ROOT / ".github/workflows/plan.yml")
    assert set(workflow[True]["workflow_call"]["outputs"]) == promised
    assert set(workflow["jobs"]["plan"]["outputs"]) == promised


@pytest.mark.parametrize("name", ["plan", "apply", "refresh"])
def test_a_workflow_gives_its_actions_what_they_ask_for(name: str) -> None:
    """No input that is not there, none missing that must be there."""
    for step in [step for job in jobs(name).values() for step in job["steps"]]:
        action = step.get("uses", "").removeprefix("$/.github/actions/")
        if action in ("plan", "apply", "look"):
            inputs = load(ROOT / f".github/actions/{action}/action.yml")["inputs"]
            assert set(step["with"]) <= set(inputs)
            assert {key for key, described in inputs.items() if described.get("required")} <= set(step["with"])


def test_the_files_that_init_writes_are_checked_too(tmp_path: Path) -> None:
    """By the same tools; `secrets: inherit` is the only way for an environment's secrets, which each file says."""
    folder = tmp_path / ".github/workflows"
    shutil.copytree(ROOT / "reconciler/cli/callers/github", folder)
    files = [str(path) for path in sorted(folder.iterdir())]
    assert run("actionlint", *files) == ""
    run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)
    said = run(
        "zizmor",
        "--offline",
        "--quiet",
        "--no-exit-codes",
        "--format",
        "json",
        "--persona",
        "regular",
        str(tmp_path / ".github"),
    )
    assert {each["ident"] for each in json.loads(said)} <= {"unpinned-uses"}


SECURITY = ROOT / ".github/SECURITY.md"


@pytest.mark.parametrize(
    "named", sorted(set(re.findall("`([a-z_]+/(?:[a-z_/]+\\.py(?:::[a-z_]+)?)?)`", SECURITY.read_text())))
)
def test_the_threat_model_names_tests_that_there_are(named: str) -> None:
    """Each line of it is held by one."""
    file, _, test = named.partition("::")
    path = ROOT / "tests" / file
    assert path.exists()
    assert not test or f"def {test}(" in path.read_text()


def test_the_hook_runs_a_command_that_there_is() -> None:
    """Over all files at once: two can contradict each other."""
    (hook,) = load(ROOT / ".pre-commit-hooks.yaml")
    assert hook["id"] == "reconciler-validate"
    program, command = hook["entry"].split()
    assert (program, hook["language"], hook["pass_filenames"]) == ("reconciler", "python", False)
    assert command in cli.COMMANDS
