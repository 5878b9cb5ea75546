"""A call of an earlier apply that the live tables have ended, although the ledger does not have it yet."""

from dataclasses import dataclass

from reconciler.model.attempt import Settlement


@dataclass(frozen=True, slots=True)
class EndedCall:
    """The end of a call as a reading shows it; `apply` and `wait` write it to the ledger."""

    id: str
    address: str
    cells: int
    landed: bool | None
    """How a doubt about it ends; None if there was none."""
    found: Settlement | None
    """Its cells, counted; None if it did not land, or runs still."""
