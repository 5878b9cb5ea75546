"""A plan with what its session knows of the making: what its file says besides, and what an apply of it needs."""

from dataclasses import dataclass, fields
from typing import Any, Self

from reconciler.model.change import ChangeImpact
from reconciler.model.limits import Limits
from reconciler.model.origin import Origin, SnapshotOrigin
from reconciler.model.plan import Plan, Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan(Plan):
    """A plan that a session made; `Session.apply` takes it as the approval of its calls."""

    origin: Origin
    """Where and when it was made."""
    violations: tuple[Violation, ...] = ()
    """Limits that it passes. Such a plan is shown, and refused by `apply`."""
    limits: Limits
    """The limits that it was checked against."""
    against: ChangeImpact | None = None
    """What changed since another revision, if the plan was asked to compare."""
    taken: SnapshotOrigin | None = None
    """None: it was made from the live tables, not from a snapshot of them."""
    paths: tuple[str, ...] = ()
    """Where its manifests were read, as named; empty: where the project file says."""

    @classmethod
    def of(cls, plan: Plan, **made: Any) -> Self:
        """Return a plan with the fields that are this class's own."""
        return cls(**{each.name: getattr(plan, each.name) for each in fields(plan)}, **made)
