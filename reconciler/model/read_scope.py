"""What of a table need not be read for a plan, and why leaving it unread cannot change one call.

Two short cuts, both only where no call of the ledger is open or fresh (`_is_quiet`), because evidence about such a call
may stand in any of its cells:

- **The header is enough** where every run is of mode `new`, names no rows, and the header shows an idle table with no
  cell in progress and as many cells completed as it has rows × output columns. Whether a failed cell counts as
  completed is not documented [A]. If it does not, every cell is done; if it does, every cell is done or failed. `new`
  takes neither, so under both readings nothing is due. Which are done and which failed is then not known, and the plan
  says so.
- **Single rows are enough** where every run names its rows: what is due depends on the cells of these rows alone, and
  a row comes with its upstream cells. The API has no way to ask where in the table a row stands, so there are no
  ranges to choose from: rows one by one where that takes fewer requests than all pages, else all pages.

A run that selects its rows by what they hold, or the first so many of them, needs every page: which rows it means
stands in the cells of all of them.

Nothing else is provable from a header. `failed` may find failed cells behind full counters, `all` asks which rows the
ledger knows, and counters that are not full do not say which cells are empty, whether those are in scope, or blocked.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.model.compact import RowIndex, picked
from reconciler.model.history import CallState, TableHistory
from reconciler.model.manifest import Manifest, Mode
from reconciler.model.observed import TableSnapshot, TableStatus


@dataclass(frozen=True, slots=True)
class ReadScope:
    """What a reader may leave out of a table."""

    rows: frozenset[str] | None = None
    """The only rows that matter; None: all of them."""
    header_may_do: bool = False
    """True where full counters make the rows superfluous."""


WHOLE = ReadScope()


def read_scope_of(manifests: Iterable[Manifest], history: TableHistory, shows_within_seconds: float) -> ReadScope:
    """Return what a plan for the manifests of one table needs of it."""
    runs = [run for manifest in manifests for run in manifest.runs]
    if not runs or any(run.selection is not None for run in runs) or not _is_quiet(history, shows_within_seconds):
        return WHOLE
    rows: set[str] = set()
    for run in runs:
        if run.rows is None:
            return ReadScope(header_may_do=all(run.mode is Mode.NEW and run.rows is None for run in runs))
        rows.update(named.text for named in run.rows)
    return ReadScope(rows=frozenset(rows))


def _is_quiet(history: TableHistory, shows_within_seconds: float) -> bool:
    """True where no call is in doubt, and none was accepted so lately that the table may not show it yet."""
    return not any(
        call.is_open
        or (call.state is CallState.ACCEPTED and not call.settled and call.age_seconds < shows_within_seconds)
        for call in history.calls
    )


def header_is_enough(allowed: ReadScope, status: TableStatus, rows: int, output_columns: int) -> bool:
    """Say whether a header's counters prove that nothing is due, under either reading of what they count."""
    return allowed.header_may_do and status.is_finished and status.cells_completed == rows * output_columns


def rows_one_by_one(allowed: ReadScope, rows: int, pages: int) -> bool:
    """Say whether single rows, and one more look at the header behind them, are fewer requests than all pages."""
    return allowed.rows is not None and len(allowed.rows) + 1 < pages and len(allowed.rows) < rows


def suffices(snapshot: TableSnapshot, manifests: Iterable[Manifest]) -> bool:
    """Say whether what was read of a table is all that a plan for these manifests needs."""
    runs = [run for manifest in manifests for run in manifest.runs]
    if not snapshot.unread_rows:
        return True
    if any(run.selection is not None for run in runs):
        return False
    if not snapshot.row_ids:
        return all(run.mode is Mode.NEW and run.rows is None for run in runs)
    read = frozenset(snapshot.row_ids)
    return all(run.rows is not None and all(row.text in read for row in run.rows) for run in runs)


def narrowed(snapshot: TableSnapshot, allowed: ReadScope) -> TableSnapshot:
    """Return the table with nothing but the rows that matter, by id, so that a plan is the same however it was read."""
    if allowed.rows is None:
        return snapshot
    index = RowIndex(snapshot.row_ids)
    positions = {row: position for row in sorted(allowed.rows) if (position := index.get(row)) is not None}
    at = list(positions.values())
    return replace(
        snapshot,
        row_ids=tuple(positions),
        missing_inputs=bytes(map(snapshot.missing_inputs.__getitem__, at)),
        states={column: bytes(map(states.__getitem__, at)) for column, states in snapshot.states.items()},
        digests={column: picked(digests, at) for column, digests in snapshot.digests.items()},
        unread_rows=snapshot.num_rows - len(at),
        matches={name: bytes(map(flags.__getitem__, at)) for name, flags in snapshot.matches.items()},
    )
