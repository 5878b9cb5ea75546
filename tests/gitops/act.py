"""A real runner for the shipped workflows: `act` on this machine, without containers and without the network.

Actions of other people are stood in for by what they do for us: a checkout is a clone, an artifact is a folder. `$/`,
which this runner does not know yet, is spelled out by the guide's own command.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.documentation.pages import block

ROOT = Path(__file__).parents[2]
CALLED = "acme/extruct-reconciler"
PINNED = "0123456789abcdef0123456789abcdef01234567"
"""The commit of it that the guide pins."""
ACT = Path(sys.executable).parent / "act"
SPELLED_OUT = block(".github/README.md", "sh", "spelled out").text
"""The guide's command for runners that do not know `$/`, of which this one is."""
ENTERPRISE = block(".github/README.md", "sh", "enterprise").text
"""And the one for GitHub Enterprise Server."""
LONGEST_SECONDS = 900
"""Of a run, which takes 20 s on an idle machine."""
_STAND_INS = {
    "checkout": """
      git clone --quiet --no-local "$STAND_IN_REPOSITORY" .
      git -c advice.detachedHead=false checkout --quiet "$GITHUB_SHA"
    """,
    "upload-artifact": """
      if test "$ARCHIVE" = false; then NAME=$(basename "$FILES"); fi
      run=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID
      echo "artifact-url=$run/artifacts/1" >> "$GITHUB_OUTPUT"
      if test -e "$FILES" || test "$MISSING" = error; then
        test -z "$STAND_IN_REFUSES"
        mkdir -p "$STAND_IN_ARTIFACTS/$NAME"
        if test -d "$FILES"; then FILES="$FILES/."; fi
        cp -R "$FILES" "$STAND_IN_ARTIFACTS/$NAME"
      fi
    """,
    "download-artifact": """
      mkdir -p "$FILES" && cp -R "$STAND_IN_ARTIFACTS/$NAME/." "$FILES"
    """,
}
"""Action → its script."""
_INSTALL = 'echo "$STAND_IN_PROGRAM" >> "$GITHUB_PATH"'


@dataclass
class Ran:
    """A run of a workflow."""

    succeeded: bool
    log: str
    artifacts: Path
    """Name → a folder with its files."""
    processes: list[dict[str, Any]] = field(default_factory=list)
    """Each start of the program: its arguments and which secrets stood in its environment."""
    connections: set[str] = field(default_factory=set)
    """Each `host:port` that the program asked for or connected to; only with `--stories`."""

    def artifact(self, name: str) -> Any:
        """Return the one file of an artifact, as JSON."""
        (file,) = (self.artifacts / name).iterdir()
        return json.loads(file.read_bytes())

    def artifact_named(self, file: str) -> Any:
        """Return a file of some artifact, as JSON."""
        (found,) = self.artifacts.rglob(file)
        return json.loads(found.read_bytes())


@dataclass
class Job:
    """The event that starts a run."""

    event: str
    payload: Mapping[str, Any]
    secrets: Mapping[str, str]
    variables: Mapping[str, str]
    """Where the forge is, and what GitHub tells besides the event."""
    actor: str = "dev"
    """Who started it."""


@dataclass
class Runner:
    """Runs the workflows of a repository."""

    home: Path
    """For the runner's own files."""
    repository: Path
    """The work tree of the repository that calls the workflows."""
    program: Path
    """An executable that starts the program."""
    instance: str = ""
    """The host of GitHub Enterprise Server, where all actions and workflows come from; empty for github.com."""

    def __post_init__(self) -> None:
        """Lay out the called repository and the stand-ins for other actions."""
        called = self.home / "called"
        shutil.copytree(ROOT / ".github", called / ".github")
        for script in [SPELLED_OUT, ENTERPRISE] if self.instance else [SPELLED_OUT]:
            subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=called, check=True)
        self._action(called / ".github/actions/install", _INSTALL)
        self.stand_ins = {f"{CALLED}@{ref}": called for ref in (PINNED, "v0")}
        for path in (called / ".github").rglob("*.yml"):
            assert "$/" not in path.read_text()
            for used in _uses(yaml.safe_load(path.read_text())):
                name = used.partition("@")[0]
                if name.startswith("actions/") and name.removeprefix("actions/") in _STAND_INS:
                    self.stand_ins[used] = self.home / name
        for name, script in _STAND_INS.items():
            self._action(self.home / "actions" / name, script)

    def _action(self, folder: Path, script: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        given = {
            "NAME": "${{ inputs.name }}",
            "FILES": "${{ inputs.path }}",
            "MISSING": "${{ inputs.if-no-files-found }}",
            "ARCHIVE": "${{ inputs.archive }}",
        }
        inputs = {name: {"default": ""} for name in ("name", "path", "if-no-files-found", "fetch-depth", "archive")}
        outputs = {"artifact-url": {"value": "${{ steps.all.outputs.artifact-url }}"}}
        step = {"id": "all", "shell": "bash", "run": script, "env": given}
        runs = {"using": "composite", "steps": [step]}
        action = {"name": folder.name, "inputs": inputs, "outputs": outputs, "runs": runs}
        (folder / "action.yml").write_text(yaml.safe_dump(action))

    def start(self, workflow: str, job: Job, run_id: int) -> "subprocess.Popen[str]":
        """Start a workflow of the repository, at the commit that is checked out."""
        run = self._folder(run_id)
        (run / "artifacts").mkdir(parents=True, exist_ok=True)
        (run / "event.json").write_text(json.dumps(job.payload))
        (run / "secrets").write_text("".join(f"{name}={value}\n" for name, value in job.secrets.items()))
        environment = {
            "STAND_IN_REPOSITORY": str(self.repository),
            "STAND_IN_ARTIFACTS": str(run / "artifacts"),
            "STAND_IN_PROGRAM": str(self._program(run)),
            "STAND_IN_CONNECTIONS": str(run / "connections"),
            "GITHUB_RUN_ID": str(run_id),
            "GITHUB_SERVER_URL": "https://forge.example",
            "CI": "true",
            **job.variables,
        }
        arguments = ["--env-file", "/dev/null", "--var-file", "/dev/null", "--input-file", "/dev/null"]
        arguments += [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
        origin = f"https://{self.instance}/" if self.instance else ""  # without one, of any host
        arguments += [
            part
            for used, folder in self.stand_ins.items()
            for part in ("--local-repository", f"{origin}{used}={folder}")
        ]
        if self.instance:
            arguments += ["--github-instance", self.instance]
        return subprocess.Popen(
            [ACT, job.event, "--workflows", f".github/workflows/{workflow}", "--eventpath", run / "event.json",
             "--secret-file", run / "secrets", "--platform", "ubuntu-24.04=-self-hosted", "--no-cache-server",
             "--no-skip-checkout", "--action-offline-mode", "--actor", job.actor, *arguments],
            cwd=self.repository, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home / "home"), "XDG_CACHE_HOME": str(run / "cache")},
            start_new_session=True,
        )  # fmt: skip

    def finish(self, started: "subprocess.Popen[str]", run_id: int) -> Ran:
        """Wait for a run to end."""
        run = self._folder(run_id)
        told = run / "processes"
        try:
            log, _ = started.communicate(timeout=LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            log, _ = started.communicate()
            pytest.fail(f"the run did not end in {LONGEST_SECONDS} s:\n{log}\n{told.read_text()}")
        processes = [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []
        asked = run / "connections"
        connections = set(asked.read_text().splitlines()) if asked.exists() else set()
        return Ran(started.returncode == 0, log, run / "artifacts", processes, connections)

    def signal(self, run_id: int, command: str, number: signal.Signals) -> None:
        """Send a signal to the last start of a command, as GitHub's runner does to the process of a step."""
        told = (self._folder(run_id) / "processes").read_text().splitlines()
        (pid,) = [each["pid"] for each in map(json.loads, told) if each["arguments"][0] == command]
        os.kill(pid, number)

    def _folder(self, run_id: int) -> Path:
        return self.home / f"run-{run_id}"

    def _program(self, run: Path) -> Path:
        """Return a folder with the program under test, which notes how it was started."""
        folder = run / "program"
        folder.mkdir(exist_ok=True)
        (folder / "reconciler").write_text(
            f"""#!{sys.executable} -IS
import json, os, sys
names = ("EXTRUCT_API_TOKEN", "RECONCILER_LEDGER", "RECONCILER_SNAPSHOT_KEY", "GITHUB_TOKEN", "RECONCILER_WEBHOOK_URL")
with open({str(run / "processes")!r}, "a") as told:
    secrets = [name for name in names if os.environ.get(name)]
    told.write(json.dumps({{"arguments": sys.argv[1:], "secrets": secrets, "pid": os.getpid()}}) + "\\n")
os.execv({str(self.program)!r}, [{str(self.program)!r}, *sys.argv[1:]])
"""
        )
        (folder / "reconciler").chmod(0o755)
        return folder


def _uses(of: Any) -> list[str]:
    """Return every action that a file uses."""
    if isinstance(of, dict):
        here = [of["uses"]] if isinstance(of.get("uses"), str) else []
        return here + [used for value in of.values() for used in _uses(value)]
    return [used for value in of for used in _uses(value)] if isinstance(of, list) else []
