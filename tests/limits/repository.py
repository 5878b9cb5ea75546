"""A real git repository in a folder of a test."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

IDENTITY = {
    "GIT_AUTHOR_NAME": "Ana",
    "GIT_AUTHOR_EMAIL": "ana@example.test",
    "GIT_COMMITTER_NAME": "Ana",
    "GIT_COMMITTER_EMAIL": "ana@example.test",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}


@dataclass(frozen=True)
class Repository:
    """A work tree."""

    folder: Path

    @classmethod
    def at(cls, folder: Path) -> "Repository":
        """Begin a repository on the branch `main`."""
        made = cls(folder)
        made.git("init", "--quiet", "--initial-branch=main", ".")
        return made

    def git(self, *arguments: str) -> str:
        """Run git and return what it says."""
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **IDENTITY},
        )
        return done.stdout.strip()

    def commit(self, message: str = "a change") -> str:
        """Commit everything there is and return the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")
