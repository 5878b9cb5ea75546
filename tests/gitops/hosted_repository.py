"""A repository on GitHub, made with the guide's own commands: branches, pull requests, the runs that they start."""

import copy
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.simulator.live import LiveSimulator
from tests.documentation.pages import block
from tests.gitops.act import CALLED, ROOT, Job, Ran, Runner
from tests.gitops.github_api import APPLY, FORK_ID, PLAN, REFRESH, REPOSITORY, REPOSITORY_ID, TOKEN, GitHub

SETUP = block(".github/README.md", "sh", "setup").text
MANIFEST = "manifests/target-accounts.yaml"
SECOND = """\
apiVersion: reconciler/v1
kind: TableRun
metadata: {name: second}
spec:
  table: 91abf3a0-6f0e-4d7e-8a55-1b7f0c3d2e61
  runs:
    - {name: fill, mode: new, columns: [size]}
    - {name: retry, mode: failed, max_attempts: 3}
"""
KEY = "5f" * 32
IDENTITY = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
ADD = ("columns: [latest_funding, pricing_notes]", "columns: [latest_funding, pricing_notes, deep_research]")


def now() -> str:
    """Return the time as GitHub tells it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class PullRequest:
    """Of a branch; or a merge queue's group, which has no number."""

    branch: str
    base: str
    number: int = 7
    fork: bool = False
    author: str = "dev"
    by: str = ""
    """Who started the run; empty: the author."""
    event: str = "pull_request"
    run: int | None = None
    """The run that is run again."""
    was_for: str = ""
    """The branch that it was for before: GitHub's merge is still with that one."""

    @property
    def is_foreign(self) -> bool:
        """True if GitHub gives its jobs neither secrets nor a token that may write."""
        return self.fork or self.actor == "dependabot[bot]"

    @property
    def actor(self) -> str:
        """Return who started the run, and who did if it is run again."""
        return self.by or self.author

    def payload(self, head: str, before: str) -> dict[str, Any]:
        """Return what GitHub tells of it."""
        if self.event == "merge_group":
            return {"merge_group": {"base_sha": before, "base_ref": f"refs/heads/{self.base}", "head_sha": head}}
        repository = {"full_name": "stranger/data" if self.fork else REPOSITORY}
        pull = {
            "number": self.number,
            "user": {"login": self.author},
            "head": {"sha": head, "ref": self.branch, "repo": repository},
            "base": {"sha": before, "ref": self.base, "repo": {"full_name": REPOSITORY}},
        }
        if self.was_for:
            changes = {"base": {"ref": {"from": self.was_for}}}
            return {"number": self.number, "action": "edited", "changes": changes, "pull_request": pull}
        return {"number": self.number, "action": "synchronize", "pull_request": pull}


@dataclass
class Hosted:
    """A repository on GitHub, and the machine that runs its jobs."""

    folder: Path
    simulator: LiveSimulator
    github: GitHub
    ledger: str
    program: Path
    """An executable that starts the program."""
    token: str
    secrets: dict[str, str] = field(default_factory=dict)
    """Of the repository."""
    extra: dict[str, str] = field(default_factory=dict)
    """Further variables of every job."""
    main: str = "main"
    runner: Runner = field(init=False)
    _runs: int = 100

    def __post_init__(self) -> None:
        """Give the repository its secrets."""
        self.secrets = {
            "EXTRUCT_API_TOKEN": self.token,
            "RECONCILER_LEDGER": self.ledger,
            "RECONCILER_SNAPSHOT_KEY": KEY,
            "GITHUB_TOKEN": TOKEN,
        } | self.secrets

    def shell(self, script: str, **variables: str) -> str:
        """Run a script at the top of the repository."""
        environment = {**os.environ, **IDENTITY, **variables, "GIT_CONFIG_GLOBAL": os.devnull}
        named = f'reconciler() {{ "{self.program}" "$@"; }}\n'
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", named + script],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def set_up(self) -> None:
        """Follow the guide, and put the tables of the workspace in the place of the sample's."""
        self.shell(SETUP)
        self.folder = self.folder / "tables"
        for path in (self.folder / ".github/workflows").iterdir():
            text = path.read_text()
            assert CALLED in text
            path.write_text(f"{text}    with:\n      api-url: {self.simulator.url}\n")
        shutil.copy(ROOT / "examples/three-modes/manifest.yaml", self.folder / MANIFEST)
        self.limit("max_credits: 200", "max_credits: 2000")
        self.runner = Runner(self.folder.parent / "runner", self.folder, self.program)
        self.shell(f"git branch -M {self.main} && git remote add origin https://github.com/{REPOSITORY}.git")

    def limit(self, old: str, new: str) -> str:
        """Commit another limit, or the files as they are, to the main branch."""
        path = self.folder / "reconciler.yaml"
        path.write_text(path.read_text().replace(old, new))
        return self.commit()

    def commit(self) -> str:
        """Commit everything on the branch that is checked out; return the commit."""
        self.shell("git add --all && git commit --quiet --allow-empty --message change")
        return self.shell("git rev-parse HEAD")

    def callers_say(self, file: str, text: str, old: str = "") -> None:
        """Commit a further input, or another one, in a workflow that calls ours."""
        path = self.folder / ".github/workflows" / file
        path.write_text(path.read_text().replace(old, text) if old else f"{path.read_text()}      {text}\n")
        self.commit()

    def second_manifest(self) -> str:
        """Commit a manifest over another table; return its path."""
        path = "manifests/second.yaml"
        (self.folder / path).write_text(SECOND)
        self.commit()
        return path

    def manifest(self, name: str, table: str, column: str) -> None:
        """Commit a manifest over a column of a table to the branch that is checked out."""
        head = f"apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {{name: {name}}}\n"
        text = f"{head}spec: {{table: {table}, runs: [{{mode: new, columns: [{column}]}}]}}\n"
        (self.folder / f"manifests/{name}.yaml").write_text(text)
        self.commit()

    def beside(self) -> "Hosted":
        """Return the same repository as it is now on another machine, for jobs at the same time."""
        other = copy.copy(self)
        other.folder = self.folder.with_name("beside")
        shutil.copytree(self.folder, other.folder, symlinks=True)
        other.runner = copy.copy(self.runner)
        other.runner.repository = other.folder
        other._runs = self._runs + 500
        return other

    def branch(self, name: str, edit: tuple[str, str] | None = None, file: str = MANIFEST) -> str:
        """Commit an edit on a new branch off the main one; return the commit."""
        self.shell(f"git branch {name} {self.main}")
        return self.edit(name, edit, file)

    def edit(self, branch: str, edit: tuple[str, str] | None = None, file: str = MANIFEST) -> str:
        """Commit an edit on a branch; return the commit."""
        self.shell(f"git checkout --quiet {branch}")
        if edit is not None:
            path = self.folder / file
            text = path.read_text()
            assert edit[0] in text
            path.write_text(text.replace(*edit))
        return self.commit()

    def plan(self, branch: str, **of: Any) -> Ran:
        """Run `plan.yml` for a pull request of the branch: on the merge of its base and the branch."""
        return self._plan(PullRequest(branch, **{"base": self.main, **of}))

    def _plan(self, pull: "PullRequest") -> Ran:
        head, before = self.shell(f"git rev-parse {pull.branch}"), self.shell(f"git rev-parse {pull.base}")
        merged_with = pull.was_for or pull.base
        self.shell(f"git checkout --quiet --detach {merged_with} && git merge --quiet --no-ff --no-edit {pull.branch}")
        payload: dict[str, Any] = {"repository": self._about()} | pull.payload(head, before)
        secrets = {"GITHUB_TOKEN": TOKEN} if pull.is_foreign else self.secrets
        self.github.may_write = not pull.is_foreign
        if pull.was_for:
            self.github.retarget(pull.number, now())
        ref = f"refs/pull/{pull.number}/merge"
        ran = self._run("plan.yml", pull.event, payload, secrets, pull.run, pull.actor, GITHUB_REF=ref)
        self.github.may_write = True
        fields: dict[str, Any] = {"actor": {"login": pull.actor}}
        if pull.fork:
            fields["head_repository"] = {"id": FORK_ID}
        self._keep(ran, PLAN, head, pull.run, event=pull.event, head_branch=pull.branch, **fields)
        return ran

    def merge(self, branch: str, number: int = 7, *, way: str = "merge") -> str:
        """Merge the branch into the main one as GitHub does; return the commit."""
        ways = {
            "merge": f"git merge --quiet --no-ff --no-edit {branch}",
            "squash": f"git merge --quiet --squash {branch} && git commit --quiet --message squashed",
            "rebase": f"git cherry-pick {self.main}..{branch}",
        }
        head = self.shell(f"git rev-parse {branch}")
        self.shell(f"git checkout --quiet {self.main} && {ways[way]} >&2")
        commit = self.shell("git rev-parse HEAD")
        self.github.pull(number, head, commit, now(), self.main, branch=branch)
        return commit

    def push(self, before: str, **secrets: str) -> Ran:
        """Run `apply.yml` for a push of the main branch."""
        return self.finish_push(self.start_push(before, **secrets))

    def start_push(self, before: str, **secrets: str) -> "tuple[subprocess.Popen[str], int]":
        """Start `apply.yml` for a push of the main branch."""
        self.shell(f"git checkout --quiet {self.main}")
        payload = {"before": before, "after": self.shell("git rev-parse HEAD"), "repository": self._about()}
        payload["ref"] = f"refs/heads/{self.main}"
        self._runs += 1
        self._tell_commits()
        job = Job("push", payload, self.secrets | secrets, self._variables("push"))
        return self.runner.start("apply.yml", job, self._runs), self._runs

    def finish_push(self, started: "tuple[subprocess.Popen[str], int]") -> Ran:
        """Wait for its end."""
        process, run = started
        ran = self.runner.finish(process, run)
        self._keep(ran, APPLY, self.shell("git rev-parse HEAD"), event="push", head_branch=self.main)
        return ran

    def refresh(self, event: str = "workflow_dispatch", ref: str | None = None) -> Ran:
        """Run `refresh.yml` by hand or on a schedule, on the main branch if no other is named."""
        branch = ref or self.main
        self.shell(f"git checkout --quiet {branch}")
        payload = {"repository": self._about(), "ref": f"refs/heads/{branch}"}
        ran = self._run("refresh.yml", event, payload, self.secrets, GITHUB_REF=f"refs/heads/{branch}")
        self._keep(ran, REFRESH, self.shell("git rev-parse HEAD"), event=event, head_branch=branch)
        return ran

    def _about(self) -> dict[str, Any]:
        return {"full_name": REPOSITORY, "default_branch": self.main, "id": REPOSITORY_ID}

    def _run(
        self, workflow: str, event: str, payload: dict[str, Any], secrets: dict[str, str], run: int | None = None,
        actor: str = "dev", **variables: str,
    ) -> Ran:  # fmt: skip
        self._runs += 1
        self._tell_commits()
        job = Job(event, payload, secrets, self._variables(event) | variables, actor)
        number = run or self._runs
        return self.runner.finish(self.runner.start(workflow, job, number), number)

    def _variables(self, event: str) -> dict[str, str]:
        about = {"GITHUB_API_URL": self.github.url, "GITHUB_EVENT_NAME": event, "GITHUB_REPOSITORY": REPOSITORY}
        return about | self.extra

    def _tell_commits(self) -> None:
        """Have GitHub know the commits."""
        self.github.default_branch = self.main
        for line in self.shell("git log --all --reverse --topo-order --format='%H %P'").splitlines():
            sha, *parents = line.split()
            self.github.commit(sha, *parents)
        self.github.branches[self.main] = self.shell(f"git rev-parse {self.main}")

    def _keep(self, ran: Ran, path: str, head: str, run: int | None = None, **fields: Any) -> None:
        """Have GitHub know a run and what it left."""
        number, at = run or self._runs, now()
        conclusion = "success" if ran.succeeded else "failure"
        again = number in self.github.runs
        self.github.run(number, head, at, attempt=again, path=path, conclusion=conclusion, **fields)
        for folder in sorted(ran.artifacts.iterdir()):
            for file in folder.iterdir() if folder.is_dir() else ():
                self.github.upload(number, folder.name, file.name, file.read_bytes(), at)

    def signal_apply(self, number: signal.Signals) -> None:
        """Send a signal to the apply that runs."""
        self.runner.signal(self._runs, "apply", number)

    def posts(self) -> int:
        """Count the run calls that the API saw."""
        return sum(method == "POST" for method, _, _ in self.simulator.requests())
