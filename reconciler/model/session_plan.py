"""A plan with the context that its session knows: the other parts of its file, and what an apply of it needs."""

from dataclasses import dataclass, fields
from typing import Any, Self

from reconciler.model.change import ChangeImpact
from reconciler.model.ended_call import EndedCall
from reconciler.model.limits import Limits
from reconciler.model.origin import Origin, SnapshotOrigin
from reconciler.model.plan import Plan, Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan(Plan):
    """A plan that a session made; `Session.apply` takes it as the approval of its calls."""

    origin: Origin
    """When it was made, and at which commit."""
    violations: tuple[Violation, ...] = ()
    """Limits that it exceeds. Such a plan is shown, but `apply` refuses it."""
    limits: Limits
    """The limits it was checked against."""
    against: ChangeImpact | None = None
    """The changes since another revision, if a comparison was requested."""
    taken: SnapshotOrigin | None = None
    """The snapshot it was made from; None if it was made from the live tables."""
    paths: tuple[str, ...] = ()
    """The paths of its manifests as named; empty for those of the project file."""
    ended: tuple[EndedCall, ...] = ()
    """Calls of earlier applies that the live tables show to have ended. Not in the plan file."""

    @classmethod
    def of(cls, plan: Plan, **made: Any) -> Self:
        """Return `plan` with the additional fields of this class set."""
        return cls(**{each.name: getattr(plan, each.name) for each in fields(plan)}, **made)
