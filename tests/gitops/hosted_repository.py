"""A repository on a forge, made with the guide's own commands: branches, pull requests, the jobs that they start."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.simulator.live import LiveSimulator
from tests.documentation.pages import block
from tests.gitops.composite_action import Ran, Runner
from tests.gitops.fake_gh import REPOSITORY, Store
from tests.review.forge_server import TOKEN, Forge

ROOT = Path(__file__).parents[2]
SETUP = block(".github/actions/README.md", "sh", "setup").text
MANIFEST = "manifests/gtm/target-accounts.yaml"
KEY = "5f" * 32
IDENTITY = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


ADD = ("columns: [latest_funding, pricing_notes]", "columns: [latest_funding, pricing_notes, deep_research]")


@dataclass
class Hosted:
    """A repository on a forge: branches, pull requests, the jobs that they start."""

    folder: Path
    simulator: LiveSimulator
    forge: Forge
    store: Store
    tools: Path
    ledger: str
    token: str
    extra: dict[str, str] = field(default_factory=dict)

    def shell(self, script: str, **variables: str) -> str:
        """Run a script at the top of the repository."""
        environment = {**os.environ, **IDENTITY, **variables, "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def branch(self, name: str, edit: tuple[str, str], file: str = MANIFEST) -> str:
        """Commit an edit on a new branch off main; return the commit."""
        self.shell(f"git branch {name} main")
        return self.edit(name, edit, file)

    def edit(self, branch: str, edit: tuple[str, str], file: str = MANIFEST) -> str:
        """Commit an edit on a branch; return the commit."""
        self.shell(f"git checkout --quiet {branch}")
        path = self.folder / file
        text = path.read_text()
        assert edit[0] in text
        path.write_text(text.replace(*edit))
        return self.shell(f"git commit --quiet --all --message {branch} && git rev-parse HEAD")

    def plan(self, branch: str, *, fork: bool = False, **inputs: str) -> Ran:
        """Run `plan.yml` for a pull request of the branch: on the merge of main and the branch."""
        head, base = self.shell(f"git rev-parse {branch}"), self.shell("git rev-parse main")
        self.shell(f"git checkout --quiet --detach main && git merge --quiet --no-ff --no-edit {branch}")
        given = {"base": base, "comment": "true", "api-token": self.token, "ledger": self.ledger, **inputs}
        if fork:
            given |= {"comment": "false", "api-token": "", "ledger": "", "snapshot-key": ""}
        event = {"head_sha": head, "head_branch": branch, **({"head_repository_id": 2} if fork else {})}
        return self._runner(GITHUB_REF="refs/pull/7/merge", GITHUB_SHA=self.shell("git rev-parse HEAD")).run(
            "plan", {"github-token": TOKEN, **given}, event
        )

    def merge(self, branch: str, *, pull_request: bool = True) -> str:
        """Merge the branch into main; return the commit."""
        head = self.shell(f"git rev-parse {branch}")
        commit = self.shell(
            f"git checkout --quiet main && git merge --quiet --no-ff --no-edit {branch} >&2 && git rev-parse HEAD"
        )
        if pull_request:
            self.store.merge(7, head, commit)
        return commit

    def apply(self, **inputs: str) -> Ran:
        """Run `apply.yml` for a push of main."""
        self.shell("git checkout --quiet main")
        commit = self.shell("git rev-parse HEAD")
        given = {"api-token": self.token, "ledger": self.ledger, "wait-seconds": "60", "snapshot-key": KEY, **inputs}
        return self._runner(GITHUB_REF="refs/heads/main", GITHUB_SHA=commit).run(
            "apply", {"github-token": TOKEN, **given}, {"head_sha": commit, "head_branch": "main"}
        )

    def _runner(self, **variables: str) -> Runner:
        environment = {
            "FAKE_GITHUB": str(self.store.folder),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_SERVER_URL": "https://forge.example",
            "GITHUB_RUN_ID": "99",
            "GITHUB_API_URL": self.forge.url,
            "EXTRUCT_API_URL": self.simulator.url,
            **self.extra,
            **variables,
        }
        return Runner(self.folder, self.folder.parent / "temp", self.store, self.tools, environment)

    def posts(self) -> int:
        """Count the run calls that the API saw."""
        return sum(method == "POST" for method, _, _ in self.simulator.requests())
