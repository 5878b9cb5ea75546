"""The standing of all the work, as the store has it; the same from whichever worker it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Phase(StrEnum):
    """How far a unit is: the cells of one table within one apply."""

    QUEUED = "queued"
    WAITING = "waiting"
    """Sent; its table is still running, or its cells have not shown yet."""
    SETTLED = "settled"
    IN_DOUBT = "in_doubt"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class BudgetShare:
    """How much of a budget is used up. Tables' own budgets have none: an id would be a series of its own."""

    scope: str
    """`all`, or a label such as `team=gtm`."""
    period: str
    """`day` or `month`."""
    unit: str
    """`credits` or `cells`."""
    used: float
    """0 to 1, and more if a budget was lowered."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that waits, is in doubt or is held, and how much of each budget is used."""

    calls_in_doubt: int = 0
    oldest_doubt_seconds: float = 0.0
    """How long ago the oldest call in doubt was sent; 0 if there is none."""
    units: Mapping[str, int] = field(default_factory=dict)
    """Phase → how many units of applies that have not ended."""
    held: Mapping[str, bool] = field(default_factory=dict)
    """Workspace → True while no run call is sent for it, because the API asked to wait."""
    budgets: tuple[BudgetShare, ...] = ()
