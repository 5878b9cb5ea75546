"""Stands in for GitHub's `gh`: the few calls that the actions' scripts make, answered from a folder.

As a program it is `gh`; as a module it is how a test fills the folder. Nothing of the reconciler is in it.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = "acme/data"


@dataclass(frozen=True)
class Store:
    """Pull requests and artifacts, in files."""

    folder: Path

    def read(self, name: str) -> list[dict[str, Any]]:
        """Return a list of the store."""
        path = self.folder / f"{name}.json"
        return list(json.loads(path.read_text())) if path.exists() else []

    def write(self, name: str, content: list[dict[str, Any]]) -> None:
        """Replace a list of the store."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{name}.json").write_text(json.dumps(content))

    def upload(self, name: str, path: Path, run: Mapping[str, Any]) -> None:
        """Keep a file as an artifact of a run."""
        artifacts = self.read("artifacts")
        number = 500 + len(artifacts)
        kept = self.folder / f"run-{number}" / name
        kept.mkdir(parents=True)
        shutil.copy(path, kept / path.name)
        made = {"id": number, "name": name, "expired": False, "created_at": f"2026-01-01T00:{len(artifacts):02}:00Z"}
        workflow_run = {"id": number, "repository_id": 1, "head_repository_id": 1, **run}
        self.write("artifacts", [{**made, "workflow_run": workflow_run}, *artifacts])

    def merge(self, number: int, head: str, commit: str) -> None:
        """Remember that a commit merged a pull request."""
        pull = {"number": number, "merged_at": "2026-01-01", "merge_commit_sha": commit, "head": {"sha": head}}
        self.write("pulls", [pull, *self.read("pulls")])


def api(store: Store, arguments: list[str]) -> str:
    """Answer `gh api`, one page a value."""
    fields = dict(arguments[at + 1].split("=", 1) for at, each in enumerate(arguments) if each == "--field")
    (path,) = [each for each in arguments if each.startswith("repos/")]
    if path.startswith(f"repos/{REPOSITORY}/commits/"):
        # The pull requests that hold the commit, also those that did not merge it.
        return json.dumps([{"number": 1, "merged_at": None, "merge_commit_sha": None}, *store.read("pulls")])
    assert path == f"repos/{REPOSITORY}/actions/artifacts", path
    found = [each for each in store.read("artifacts") if each["name"] == fields["name"]]
    pages = [found[at : at + 2] for at in range(0, len(found), 2)] or [[]]
    shown = pages if "--paginate" in arguments else pages[:1]
    return "\n".join(json.dumps({"total_count": len(found), "artifacts": page}) for page in shown)


def main(arguments: list[str]) -> None:
    """Be `gh`."""
    store = Store(Path(os.environ["FAKE_GITHUB"]))
    assert os.environ["GH_TOKEN"]
    if arguments[0] == "api":
        sys.stdout.write(api(store, arguments[1:]))
        return
    assert arguments[:2] == ["run", "download"], arguments
    options = dict(zip(arguments[3::2], arguments[4::2], strict=True))
    assert options["--repo"] == REPOSITORY
    shutil.copytree(store.folder / f"run-{arguments[2]}" / options["--name"], options["--dir"], dirs_exist_ok=True)


if __name__ == "__main__":
    main(sys.argv[1:])
