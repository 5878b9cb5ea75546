"""A project on GitLab whose jobs run as its runner runs them: scripts of the shipped file, artifacts, job by job."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import Any

import yaml

from reconciler.simulator.live import LiveSimulator
from tests.documentation.pages import block
from tests.gitops.act import ROOT
from tests.gitops.gitlab_api import JOB_TOKEN, PROJECT, TOKEN, GitLab
from tests.gitops.hosted_repository import IDENTITY

FILE = ROOT / ".gitlab/reconciler.yml"
MANIFEST = "manifests/target-accounts.yaml"
SETUP = block(".gitlab/README.md", "sh", "setup").text
PLANNED, MERGED = "2026-03-01T10:00:00.000Z", "2126-03-01T12:00:00.000Z"
"""Jobs end long before the merge; a plan says itself when it was made, so the merge lies in the future."""
PUT_PROGRAM = """\
put_program() {
  mkdir -m 700 "$tools"
  mkdir -p "$tools/environment/bin"
  ln -s "$STAND_IN_PYTHON" "$tools/environment/bin/python"
}"""
"""In the place of the job's own, which needs an index."""


def jobs(**inputs: str) -> dict[str, Any]:
    """Return the jobs of the shipped file, with these inputs in place of its own."""
    header, text = FILE.read_text(encoding="utf-8").split("\n---\n")
    described = yaml.safe_load(header)["spec"]["inputs"]
    values = {"source": "git address", "revision": "0" * 40}
    values |= {name: _text(of["default"]) for name, of in described.items() if "default" in of}
    values |= {name.replace("_", "-"): value for name, value in inputs.items()}
    assert set(values) == set(described)
    found: dict[str, Any] = yaml.safe_load(re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", lambda name: values[name[1]], text))
    return {name: {**_base(found, job), **job} for name, job in found.items() if not name.startswith(".")}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _base(found: Mapping[str, Any], job: Mapping[str, Any]) -> Mapping[str, Any]:
    base: Mapping[str, Any] = found[job["extends"]]
    return base


@dataclass
class Ended:
    """How a job ended."""

    code: int
    log: str


@dataclass
class Project:
    """A project whose default branch is at `origin`, a machine for its jobs, and what the forge knows of it."""

    folder: Path
    simulator: LiveSimulator
    forge: GitLab
    program: Path
    """Stands in for the Python with the program in it."""
    inputs: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """Protected variables: jobs of the default branch see them."""
    branch: str = "main"
    grace: float | None = None
    """Seconds that the runner leaves an apply that is cancelled during its first run call; None: none is cancelled."""
    runs: int = 0
    """Jobs that ran."""
    artifacts: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Job → path → content, of the last pipeline."""

    def beside(self, name: str) -> "Project":
        """Return another machine with a work tree of its own, for jobs at the same time."""
        folder = self.folder.parent / name / "tables"
        self.git(f"git clone --quiet ../origin {folder}")
        return replace(self, folder=folder, runs=1000, artifacts={})

    def git(self, script: str) -> str:
        """Run a script in the work tree."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder, env={**os.environ, **IDENTITY}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def change(self, old: str, new: str, file: str = MANIFEST, branch: str = "change") -> str:
        """Push an edit on a branch off the default branch; return the commit."""
        self.git(f"git checkout --quiet --force -B {branch} origin/{self.branch}")
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return self.commit(branch)

    def commit(self, branch: str) -> str:
        """Push everything as a commit on a branch; return it, known to the forge."""
        self.git(
            f"git add --all && git commit --quiet --message {branch} && git push --quiet --force origin HEAD:{branch}"
        )
        return self.told("HEAD")

    def told(self, revision: str) -> str:
        """Tell the forge of a commit and all before it."""
        for line in self.git(f"git rev-list --parents --reverse {revision}").splitlines():
            sha, *parents = line.split()
            self.forge.commit(sha, *parents)
        self.forge.branches[self.branch] = self.git(f"git rev-parse origin/{self.branch}")
        return self.git(f"git rev-parse {revision}")

    def plan(
        self,
        number: int = 7,
        head: str = "change",
        event: str = "detached",
        *,
        sees_secrets: bool = True,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> Ended:
        """Run the pipeline of a merge request and keep its artifacts."""
        sha = self.git(f"git rev-parse {head}")
        if not any(each["iid"] == number for each in self.forge.merge_requests):
            self.forge.merge_request(number, sha, MERGED, state="opened", target_branch=self.branch)
        base = self.git(f"git merge-base origin/{self.branch} {sha}")
        kinds = {"detached": "head", "merged_result": "merge", "merge_train": "train"}
        checkout, target = sha, {}
        if event != "detached":
            tip = self.git(f"git rev-parse origin/{self.branch}")
            checkout = self.git(
                f"git checkout --quiet --force --detach {tip} && git merge --quiet --no-ff --no-edit {sha} >&2"
                " && git rev-parse HEAD"
            )
            target = {"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": sha, "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": tip}
        self.told(checkout)
        pipeline = self.forge.pipeline(number, checkout, ref=f"refs/merge-requests/{number}/{kinds[event]}")
        named = {
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_COMMIT_SHA": checkout,
            "CI_MERGE_REQUEST_IID": str(number),
            "CI_MERGE_REQUEST_EVENT_TYPE": event,
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": self.branch,
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
            **target,
        }
        return self.job("plan", pipeline, {**named, **(self.secrets if sees_secrets else {}), **variables})

    def merge(self, number: int = 7, head: str = "change") -> str:
        """Merge a merge request into the default branch; return the commit that it was at before."""
        self.git(f"git checkout --quiet --force -B {self.branch} origin/{self.branch}")
        before = self.git("git rev-parse HEAD")
        sha = self.git(f"git rev-parse {head}")
        self.git(f"git merge --quiet --no-ff --no-edit {head} && git push --quiet origin {self.branch}")
        self.told("HEAD")
        merged = {"state": "merged", "sha": sha, "merge_commit_sha": self.git("git rev-parse HEAD")}
        (found,) = [each for each in self.forge.merge_requests if each["iid"] == number]
        found.update(merged)
        return before

    def pipeline(self, before: str = "0" * 40, source: str = "push", **variables: str) -> dict[str, Ended]:
        """Run the pipeline of the default branch, in its order; a job that is not allowed to fail ends it."""
        self.git(f"git checkout --quiet --force -B {self.branch} origin/{self.branch}")
        sha = self.git("git rev-parse HEAD")
        number = self.forge.pipeline(None, sha, source=source)
        named = {
            "CI_PIPELINE_SOURCE": source,
            "CI_COMMIT_BRANCH": self.branch,
            "CI_COMMIT_SHA": sha,
            "CI_COMMIT_BEFORE_SHA": before,
            **self.secrets,
            **variables,
        }
        ended = {"approved": self.job("approved", number, named)}
        if ended["approved"].code in (0, 6):
            ended["apply"] = self.job("apply", number, named, needs="approved")
        ended["snapshot"] = self.job("snapshot", number, named)
        return ended

    def job(self, kind: str, pipeline: int, variables: Mapping[str, str], needs: str = "") -> Ended:
        """Run one job: a clean checkout, the artifacts that it needs, its scripts, and what it leaves."""
        name = f"reconciler-{kind}-{self.inputs.get('name', 'default')}"
        job = jobs(api_url=self.simulator.url, wait_seconds="60", **self.inputs)[name]
        self.git(f"git checkout --quiet --force --detach {variables['CI_COMMIT_SHA']} && git clean -qfdx")
        for path, content in self.artifacts.get(needs, {}).items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(content)
        environment = self._environment({**job["variables"], **variables})
        program, *setup = job["before_script"]
        assert "--require-hashes" in program
        script = [program, PUT_PROGRAM, *setup, *job["script"]]
        done = self._shell(script, environment, self.grace if kind == "apply" else None)
        after = done
        if "after_script" in job:
            first, *rest = job["after_script"]
            assert first == program
            after = self._shell([program, PUT_PROGRAM, *rest], environment)
        kept = self._kept(job["artifacts"]["paths"])
        if done.code == 0 or job["artifacts"].get("when") == "always":
            self.artifacts[kind] = kept
        self.forge.job(pipeline, name, PLANNED, kept, status="failed" if done.code else "success")
        return Ended(done.code, done.log + ("" if after is done else after.log))

    def _kept(self, paths: list[str]) -> dict[str, bytes]:
        found = [file for path in paths for file in [self.folder / path, *(self.folder / path).rglob("*")]]
        return {file.relative_to(self.folder).as_posix(): file.read_bytes() for file in found if file.is_file()}

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return what the runner sets, with a machine on which the program is installed."""
        number = str(self.runs)
        self.runs += 1
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("CI", "GIT", "RECONCILER"))}
        return {
            **mine,
            **IDENTITY,
            "CI": "true",
            "GITLAB_CI": "true",
            "TMPDIR": str(self.folder.parent),
            "STAND_IN_PYTHON": str(self.program),
            "CI_JOB_ID": number,
            "CI_JOB_URL": f"https://forge.example/acme/data/-/jobs/{number}",
            "CI_API_V4_URL": self.forge.url,
            "CI_PROJECT_ID": str(PROJECT),
            "CI_PROJECT_DIR": str(self.folder),
            "CI_DEFAULT_BRANCH": self.branch,
            "CI_JOB_TOKEN": JOB_TOKEN,
            "GITLAB_TOKEN": TOKEN,
            **variables,
        }

    def posts(self) -> int:
        """Count the run calls that the API saw."""
        return sum(method == "POST" for method, _, _ in self.simulator.requests())

    def _shell(self, scripts: list[str], environment: dict[str, str], grace: float | None = None) -> Ended:
        """Run scripts in one shell as the runner does: from stdin, in a group of processes, evaluated behind a pipe."""
        text = "\n".join(scripts)
        with subprocess.Popen(
            ["bash"], cwd=self.folder, env=environment, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as started:  # fmt: skip
            if grace is not None:
                Thread(target=self._cancel, args=(started.pid, grace)).start()
            log, _ = started.communicate(f"set -eo pipefail\nset +o noclobber\n: | eval {shlex.quote(text)}\nexit 0\n")
        if grace is not None:  # the container is removed, and what comes after has a new one
            shutil.rmtree(self.folder.parent / f"reconciler-{environment['CI_JOB_ID']}")
        return Ended(started.returncode, log)

    def _cancel(self, group: int, grace: float) -> None:
        """Signal every process of a job that sends a run call, and kill what is left after a time."""
        until = time.monotonic() + 60
        while not self.posts() and time.monotonic() < until:
            time.sleep(0.02)
        os.killpg(group, signal.SIGTERM)
        until = time.monotonic() + grace
        with suppress(ProcessLookupError):
            while time.monotonic() < until:
                os.killpg(group, 0)
                time.sleep(0.02)
            os.killpg(group, signal.SIGKILL)
