"""One line of the report."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the report."""

    work: str
    target: str
    measured: str
    met: bool | None
    """None where it is not measured."""
    beside: str = ""
    """The server's own ceiling, and what else belongs to the figure."""
