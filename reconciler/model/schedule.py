"""Schedules: standing approvals, kept in the repository, under which workers plan and submit by themselves."""

from dataclasses import dataclass

from reconciler.model.limits import Limits
from reconciler.model.manifest import Calendar


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to plan what, and what one plan may cost."""

    name: str
    """Unique among the projects of the workspace."""
    at: Calendar
    cap: Limits
    """`max_credits`, which is always set, and `max_cells`: for one date."""
    target: tuple[str, ...]
    """Selectors of runs; empty for all."""
    workspace: str
    """Whose workers plan and send."""

    @property
    def key(self) -> str:
        """Its name among all that share a ledger."""
        return f"{self.workspace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Tick:
    """A date of a schedule that is being planned, by whom."""

    schedule: str
    """The key."""
    date: float
    """Seconds since the epoch; the latest that is due, for all that were missed."""
    owner: str
    """Unique to one attempt to plan it."""
