"""Runs a composite action of `.github/actions` as GitHub's runner would: steps, conditions, environment.

Only what these actions use is understood, and anything else is an error. Artifacts go to and come from a folder that
`fake_gh.py` serves too; Python is there already, and the reconciler is the one under test.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.gitops.fake_gh import Store

EXPRESSION = re.compile(r"\$\{\{ *([a-z._-]+) *\}\}")
COMPARISON = re.compile(r"([a-z._-]+) (==|!=) '([^']*)'")


@dataclass
class Ran:
    """What an action did."""

    outputs: dict[str, str]
    log: str
    failed: str = ""
    """The name of the step that failed; empty if none did."""
    steps: list[str] = field(default_factory=list)
    """The names of the steps that ran."""


@dataclass
class Runner:
    """A job's machine, with a work tree checked out."""

    workspace: Path
    temp: Path
    store: Store
    tools: Path
    """A folder with `gh` and `reconciler`."""
    environment: Mapping[str, str]
    """GitHub's own variables, and where the simulator and the forge are."""

    def run(self, action: str, inputs: Mapping[str, str], run: Mapping[str, Any]) -> Ran:
        """Run `.github/actions/ACTION`; `run` says of which commit, branch and repository an artifact is."""
        shutil.rmtree(self.temp, ignore_errors=True)
        self.temp.mkdir(parents=True)
        folder = self.workspace / ".github/actions" / action
        spec = yaml.safe_load((folder / "action.yml").read_text())
        assert set(inputs) <= set(spec["inputs"])
        context = {"runner.temp": str(self.temp), "github.token": "job-token"}
        for name, described in spec["inputs"].items():
            assert name in inputs or not described.get("required")
            context[f"inputs.{name}"] = inputs.get(name, _filled(str(described.get("default", "")), context))
        ran = Ran({}, "")
        for step in spec["runs"]["steps"]:
            self._step(step, folder, context, ran, run)
        ran.outputs = {name: _filled(each["value"], context) for name, each in spec["outputs"].items()}
        return ran

    def _step(
        self, step: Mapping[str, Any], folder: Path, context: dict[str, str], ran: Ran, run: Mapping[str, Any]
    ) -> None:
        name = str(step.get("name", step.get("uses")))
        if not _holds(step.get("if", ""), context, failed=bool(ran.failed)) or name == "Install":
            return
        if "uses" in step:
            if step["uses"].startswith("actions/upload-artifact@"):
                given = {key: _filled(str(value), context) for key, value in step["with"].items()}
                if Path(given["path"]).exists() or given["if-no-files-found"] != "ignore":
                    self.store.upload(given["name"], Path(given["path"]), run)
                    ran.steps.append(name)
            else:
                assert step["uses"].startswith("actions/setup-python@")
            return
        ran.steps.append(name)
        output, summary = self.temp / "output", self.temp / "summary.md"
        output.touch()
        own = {key: _filled(str(value), context) for key, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.workspace / _filled(step.get("working-directory", "."), context),
            env={
                "PATH": f"{self.tools}:{os.environ['PATH']}",
                "HOME": os.environ.get("HOME", "/"),
                "PYTHON": sys.executable,
                "GITHUB_ACTIONS": "true",
                "CI": "true",
                "GITHUB_ACTION_PATH": str(folder),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                "GITHUB_WORKSPACE": str(self.workspace),
                "RUNNER_TEMP": str(self.temp),
                **self.environment,
                **own,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        ran.log += done.stdout + done.stderr
        if done.returncode and not ran.failed:
            ran.failed = f"{name}: {done.returncode}"
        for line in output.read_text().splitlines():
            key, _, value = line.partition("=")
            context[f"steps.{step.get('id')}.outputs.{key}"] = value
        output.unlink()


def _filled(text: str, context: Mapping[str, str]) -> str:
    """Return a text with its expressions evaluated; an output that was never set is empty."""
    return EXPRESSION.sub(lambda match: context.get(match[1], ""), text)


def _holds(condition: str, context: Mapping[str, str], *, failed: bool) -> bool:
    """Say whether a step's condition holds; without `always()` no step runs after one that failed."""
    parts = [part.strip() for part in condition.split("&&") if part.strip()]
    if failed and "always()" not in parts:
        return False
    for part in parts:
        if part == "always()":
            continue
        match = COMPARISON.fullmatch(part)
        assert match is not None, part
        if (context.get(match[1], "") == match[3]) != (match[2] == "=="):
            return False
    return True
