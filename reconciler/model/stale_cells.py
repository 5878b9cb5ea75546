"""Answers that were bought otherwise than they would be now: what buying them again would cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.credits import Credits


class Outdated(StrEnum):
    """What has changed since cells were bought; the word follows "the present"."""

    PROMPT = "prompt"
    """The configuration of their column."""
    INPUTS = "inputs"
    """The cells of their rows that they are made from."""

    @property
    def reason(self) -> str:
        """Its name in documents."""
        return {Outdated.PROMPT: "predates_config", Outdated.INPUTS: "predates_inputs"}[self]


@dataclass(frozen=True, slots=True)
class StaleCells:
    """Done cells of a run, last bought before something changed; nothing buys them again unasked."""

    address: str
    """`manifest/run`."""
    table_id: str
    columns: Mapping[str, int]
    """Column key → its number of such cells."""
    cost: Credits
    """The cost of buying them again."""
    table_name: str = ""
    """As `Call.table_name`."""
    outdated: Outdated = Outdated.PROMPT

    @property
    def cells(self) -> int:
        """The number of cells in all columns."""
        return sum(self.columns.values())
