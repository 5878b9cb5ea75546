"""One table's share of a plan, while it is being assembled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.model.plan import Call, CallInDoubt, PlannedTable, Skip
from reconciler.planning.cell_decision import Decision
from reconciler.planning.scopes import Scope
from reconciler.text.location import Diagnostic


@dataclass(slots=True)
class TablePlan:
    """A table's share of the plan."""

    tables: list[PlannedTable] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    waiting: list[Call] = field(default_factory=list)
    """Calls that wait until the table is idle."""
    held_up: list[Skip] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    in_doubt: list[CallInDoubt] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)


def skips_of(found: Sequence[Scope], counted: Mapping[tuple[str, Decision], int], table: str) -> list[Skip]:
    """Return the cells that are not due, by run and reason; `counted` is keyed by address and verdict."""
    return [
        Skip(scope.address, verdict.skip_reason, counted[scope.address, verdict], table)
        for scope in found
        for verdict in Decision
        if counted.get((scope.address, verdict))
    ]
