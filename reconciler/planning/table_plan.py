"""One table's share of a plan, as it is put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.model.plan import Call, OpenCall, PlannedTable, Skip
from reconciler.planning.cell_decision import Verdict
from reconciler.planning.scopes import Scope
from reconciler.text.location import Problem


@dataclass(slots=True)
class Part:
    """A table's share of the plan."""

    tables: list[PlannedTable] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    waiting: list[Call] = field(default_factory=list)
    """Calls that wait until the table is idle."""
    held_up: list[Skip] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    in_doubt: list[OpenCall] = field(default_factory=list)
    diagnostics: list[Problem] = field(default_factory=list)


def skips_of(found: Sequence[Scope], counted: Mapping[tuple[str, Verdict], int], table: str) -> list[Skip]:
    """Return the cells that are not due, by run and reason; `counted` goes by address and verdict."""
    return [
        Skip(scope.address, verdict.skip_reason, counted[scope.address, verdict], table)
        for scope in found
        for verdict in Verdict
        if counted.get((scope.address, verdict))
    ]
