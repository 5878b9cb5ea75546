"""The project's settings that planning depends on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.limits import Prices
from reconciler.model.manifest import Calendar, CalendarDates


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """The project's settings that planning depends on, and the current dates of the manifests' calendars."""

    prices: Prices
    max_cells_per_call: int
    quiet_seconds: float
    """Q: how long a call in doubt rests before an unchanged table counts as evidence."""
    shows_within_seconds: float
    """How long after its intent an accepted call may leave no trace in its table: `Spend.shows_within_seconds`."""
    dates: Mapping[Calendar, CalendarDates] = field(default_factory=dict)
    """For every calendar in the manifests, as of the moment the ledger was read."""
