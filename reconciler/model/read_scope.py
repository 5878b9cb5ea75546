"""The parts of a table that a plan need not read, and why skipping them cannot change any call.

There are two shortcuts, both only if no call in the ledger is open or recent (`_is_quiet`), because evidence about such
a call may be in any of its cells:

- **The header is enough** if every run has mode `new` and names no rows, and the header shows an idle table with no
  cell in progress and as many cells completed as it has rows × output columns. Whether a failed cell counts as
  completed is not documented [A]. If it does not, every cell is done; if it does, every cell is done or failed. `new`
  takes neither, so nothing is due under either reading. Which cells are done and which failed is then unknown, and the
  plan says so.
- **Single rows are enough** if every run names its rows: what is due depends only on the cells of these rows, and a row
  comes with its upstream cells. The API does not give a row's position in the table, so ranges cannot be requested:
  rows are read one by one if that takes fewer requests than all pages, else all pages are read.

A run that selects rows by their data, or only the first ones, needs every page, because any row may match.

A header proves nothing else. `failed` may find failed cells behind full counters, `all` depends on which rows the
ledger knows, and counters that are not full do not show which cells are empty, in scope or blocked.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.model.compact import RowIndex, picked, picked_bytes
from reconciler.model.history import CallState, TableHistory
from reconciler.model.input_cells import WIDTH
from reconciler.model.manifest import Manifest, Mode
from reconciler.model.observed import TableSnapshot, TableStatus


@dataclass(frozen=True, slots=True)
class ReadScope:
    """The parts of a table that a reader may leave out."""

    rows: frozenset[str] | None = None
    """The only rows that matter; None for all."""
    header_may_do: bool = False
    """True if full counters make reading the rows unnecessary."""


WHOLE = ReadScope()


def read_scope_of(manifests: Iterable[Manifest], history: TableHistory, shows_within_seconds: float) -> ReadScope:
    """Return the parts of a table that a plan for its manifests needs."""
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
    """True if no call is in doubt, and none was accepted so recently that the table may not show it yet."""
    return not any(
        call.is_open
        or (call.state is CallState.ACCEPTED and not call.settled and call.age_seconds < shows_within_seconds)
        for call in history.calls
    )


def header_is_enough(allowed: ReadScope, status: TableStatus, rows: int, output_columns: int) -> bool:
    """Return whether a header's counters prove that nothing is due, under either reading of what they count."""
    return allowed.header_may_do and status.is_finished and status.cells_completed == rows * output_columns


def rows_one_by_one(allowed: ReadScope, rows: int, pages: int) -> bool:
    """Return whether single rows, and the header once more after them, are fewer requests than all pages."""
    return allowed.rows is not None and len(allowed.rows) + 1 < pages and len(allowed.rows) < rows


def suffices(snapshot: TableSnapshot, manifests: Iterable[Manifest]) -> bool:
    """Return whether the parts of a table that were read are all that a plan for these manifests needs."""
    if not snapshot.unread_rows:
        return True
    runs = [run for manifest in manifests for run in manifest.runs]
    if any(run.selection is not None for run in runs):
        return False
    if not snapshot.row_ids:
        return all(run.mode is Mode.NEW and run.rows is None for run in runs)
    read = frozenset(snapshot.row_ids)
    return all(run.rows is not None and all(row.text in read for row in run.rows) for run in runs)


def narrowed(snapshot: TableSnapshot, allowed: ReadScope) -> TableSnapshot:
    """Return the table with only the rows that matter, sorted by id: the plan is then the same however it was read."""
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
        answers={column: picked(answers, at) for column, answers in snapshot.answers.items()},
        unread_rows=snapshot.num_rows - len(at),
        matches={name: bytes(map(flags.__getitem__, at)) for name, flags in snapshot.matches.items()},
        inputs={column: picked_bytes(digests, at, WIDTH) for column, digests in snapshot.inputs.items()},
    )
