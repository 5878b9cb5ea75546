"""The changes that a push merged, and the plan files that pipelines left: nouns that both forges share."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Protocol, TypeVar

from reconciler.errors import BadResponse

T = TypeVar("T")

MOST_COMMITS = 500
"""That one push added to the branch itself; a merge queue merges at most a hundred pull requests at once."""
LARGEST_PLAN = 64 * 1024**2
"""Bytes of a plan file."""
LARGEST_SNAPSHOT = 512 * 1024**2
"""Bytes of a snapshot file."""


@dataclass(frozen=True, slots=True)
class Push:
    """A move of the default branch."""

    before: str
    """The commit that it was at before; all zeros or empty if that is not known."""
    after: str

    @property
    def has_before(self) -> bool:
        """Tell whether the commit before it is known."""
        return bool(self.before.strip("0"))


@dataclass(frozen=True, slots=True)
class MergedChange:
    """A pull or merge request that a push merged into the default branch."""

    number: int
    repository: str
    """As the plan file names it: `owner/name`, or a GitLab project's number."""
    head: str
    """Its last commit."""
    base: str
    """The branch that it was merged into."""
    merged_at: datetime
    reviewed_at: datetime | None
    """The last approving review of that commit; None if there is none that the forge tells of."""
    needs_review: bool
    """Reviews are required before a merge into that branch."""

    @property
    def approved_at(self) -> datetime | None:
        """The moment after which no plan of it counts; None: a review is required, and there is none."""
        return self.reviewed_at if self.needs_review else self.merged_at


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan or snapshot file that a pipeline left; it counts once it was checked."""

    made_by: str
    """The run or job, for the log."""
    made_at: datetime
    why_not: str
    """Why the forge's own record rules it out; empty if it does not."""
    download: Callable[[], bytes]
    """Returns the file. Raises Refused, BadResponse."""
    why_unseen: str = ""
    """Why no comment showed what it would buy, so that it counts only if that is nothing; empty if one did."""


class ChangeHost(Protocol):
    """A forge that tells what was merged and what pipelines left. Its methods raise Refused and BadResponse."""

    def merged_changes(self, push: Push, *, needs_review: bool) -> Iterable[MergedChange]:
        """Return the changes that a push merged, oldest first; `needs_review` adds to what the forge tells."""

    def plans(self, change: MergedChange, name: str) -> Iterable[Candidate]:
        """Return the plan files that pipelines of a change's last commit left for a project, the newest first."""

    def snapshots(self, name: str) -> Iterable[Candidate]:
        """Return the snapshots that pipelines of the default branch left for the project `name`, the newest first."""


def all_of(found: Iterable[T], most: int) -> list[T]:
    """Return a push's commits; `found` has more than `most` of them if there are. Raises BadResponse then.

    To look at a part of them alone would lose approvals and say nothing of it.
    """
    listed = list(islice(found, most + 1))
    if len(listed) > most:
        raise BadResponse(
            f"the push has more than {most:,} commits, too many to look for what it merged",
            hint="Plan the default branch itself, have that plan approved, and apply it.",
        )
    return listed


def moment(text: object, where: str) -> datetime:
    """Return a forge's time. Raises BadResponse."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadResponse(f"GET {where}: a time answered in a shape we do not know")
    return found


def field(of: Any, name: str, path: str) -> Any:
    """Return a field that an answer must have. Raises BadResponse."""
    if not isinstance(of, dict) or of.get(name) is None:
        raise BadResponse(f"GET {path}: `{name}` is missing")
    return of[name]
