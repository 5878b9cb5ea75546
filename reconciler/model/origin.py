"""Where a plan was made, and what it was made from: nouns of the plan file that are not the plan itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GitState:
    """The commit the manifests were read at."""

    sha: str
    dirty: bool


@dataclass(frozen=True, slots=True)
class Review:
    """The pull or merge request that a plan was made for, as the CI tells it."""

    repository: str
    """`owner/name`, or the number of a GitLab project."""
    number: int
    head: str
    """Its last commit."""
    base: str
    """The branch that it is to be merged into."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and when a plan was made: everything in the file that is not the plan itself."""

    created_at: str
    """RFC 3339, UTC."""
    tool_version: str
    base_url: str
    git: GitState | None = None
    """None outside a git work tree."""
    review: Review | None = None
    """None outside a pipeline of a pull or merge request."""


@dataclass(frozen=True, slots=True)
class SnapshotOrigin:
    """Where a plan that was not made from the live tables has them from: `plan --live-snapshot`."""

    taken_at: str
    """RFC 3339, UTC."""
    age_seconds: int
    """When the plan was made."""
    digest: str
    """Of the snapshot, `sha256:…`."""
    verified: bool
    """The signature was checked with the key and is right."""
