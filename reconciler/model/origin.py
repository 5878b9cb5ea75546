"""The origin of a plan: the parts of a plan file that are not the plan itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GitState:
    """The git commit at which the manifests were read."""

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
    """When a plan was made, and at which commit."""

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
    """The snapshot that a plan was made from instead of live tables (`plan --live-snapshot`)."""

    taken_at: str
    """RFC 3339, UTC."""
    age_seconds: int
    """The snapshot's age when the plan was made."""
    digest: str
    """The snapshot's digest, `sha256:…`."""
    verified: bool
    """True if the signature was checked with the key and is valid."""
