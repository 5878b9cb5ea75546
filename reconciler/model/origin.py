"""The origin of a plan: the parts of a plan file that are not the plan itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GitState:
    """The git commit at which the manifests were read."""

    sha: str
    dirty: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """When a plan was made, and at which commit."""

    created_at: str
    """RFC 3339, UTC."""
    tool_version: str
    base_url: str
    git: GitState | None = None
    """None outside a git work tree."""


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
