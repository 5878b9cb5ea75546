"""Tables as the API shows them, reduced to what planning needs: one byte per cell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

INPUT_KIND = "input"
FINDER_KIND = "company_people_finder"
"""A column whose cells fill a child table with people [V]."""
CONTACT_KINDS = frozenset(("email_finder", "phone_finder"))
KNOWN_KINDS = CONTACT_KINDS.union(
    (INPUT_KIND, "agent", FINDER_KIND, "criterion_grade", "criteria_grade_score", "reverse_email_lookup")
)
"""Kinds of columns whose cells are known to be charged for [D][V]."""
IDLE = "idle"


class CellState(IntEnum):
    """The known state of one cell; the number is the byte that stores it."""

    EMPTY = 0
    """Absent or null: it never ran [A]."""
    DONE = 1
    FAILED = 2
    IN_PROGRESS = 3
    """`in_progress`, or `pending` with an old value on a running table."""
    UNKNOWN = 4
    """An undocumented status, or `pending` with an old value on an idle table."""
    DONE_WITHOUT_VALUE = 5
    """`done` with a null value: done for us, but `new` might take it, so no call may include it incidentally."""
    PENDING = 6
    """`pending` without a value on a running table: about to run, or never run and not part of this run [A]."""
    PENDING_IDLE = 7
    """`pending` without a value on an idle table: it never ran, or is stuck [D, retired]. It counts as empty; but if it
    was empty before a call, the call has touched it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a live table."""

    id: str
    """A lower-case UUID."""
    key: str
    name: str
    kind: str
    upstream: tuple[str, ...]
    """Ids of the columns that this one depends on, including inputs: named in its configuration, or implied [V]."""
    config_digest: str
    """Digest of the configuration without its display name; a new one resets attempts and voids approvals."""
    implied: tuple[str, ...] = ()
    """Those of `upstream` that its configuration does not name: its kind or its table's kind reads them anyway."""
    is_built_in: bool = False
    """True if the service fills it by itself, at no cost."""
    max_results: int | None = None
    """The most rows of a child table that one cell of a people finder fills; None if unknown."""

    @property
    def is_input(self) -> bool:
        """Input cells are never run."""
        return self.kind == INPUT_KIND

    @property
    def is_meant_by_silence(self) -> bool:
        """True if a run without `columns` includes it: of a known kind, and not filled by the service itself."""
        return not self.is_input and not self.is_built_in and self.kind in KNOWN_KINDS


@dataclass(frozen=True, slots=True)
class TableStatus:
    """A table's header, as read while waiting for the table."""

    run_status: str
    """`idle` or `running` [D]; anything else is taken as not idle."""
    cells_in_progress: int
    """`num_cells_in_progress` [D]."""
    cells_completed: int
    """`num_cells_completed` [D]; whether it includes failed cells is not documented."""

    @property
    def is_finished(self) -> bool:
        """True if the table is idle and no cell is in progress [V]; otherwise nothing may be sent for it."""
        return self.run_status == IDLE and self.cells_in_progress == 0


@dataclass(frozen=True, slots=True)
class ListedTable:
    """A root table as it appears in the workspace's list of tables."""

    id: str
    """A lower-case UUID; empty if the list has no readable one."""
    name: str | None
    """None if the list has no readable one; it may then be any name."""
    kind: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableHeader:
    """A table without its rows."""

    id: str
    name: str
    kind: str
    columns: tuple[Column, ...]
    children: tuple[str, ...] | None = ()
    """Ids of the tables that its people finders fill; the API does not say which finder fills which [D]. None if its
    answer was not understood."""


@dataclass(frozen=True, slots=True)
class TableSnapshot:
    """One table at one moment. Cells are stored by column, one byte per row, in the table's own row order."""

    id: str
    name: str
    kind: str
    run_status: str
    """`idle` or `running` [D]; anything else is taken as not idle."""
    header_in_progress: int
    """`num_cells_in_progress` of the header."""
    columns: tuple[Column, ...]
    row_ids: Sequence[str]
    """Lower-case UUIDs of the rows that were read."""
    missing_inputs: bytes
    """One byte per row: 1 if `is_missing_inputs`."""
    states: Mapping[str, bytes]
    """Output column id → one `CellState` byte per row."""
    digests: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Output column id → one short digest of the cell's value per row; only for the requested columns."""
    unread_rows: int = 0
    """Rows that were not read because the requested plan does not need them (`model/read_scope.py`)."""
    matches: Mapping[str, bytes] = field(default_factory=dict)
    """`condition.key` → one byte per row, 1 if the row meets the condition; only for the requested conditions. Likewise
    `AnswerTest.key`, for the requested answers."""
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """As `digests`, of the answer alone: without its explanation and sources."""
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    """Output column id → for each row a digest of what its cell is made from (`input_cells.py`); only for the requested
    cells."""

    @property
    def num_rows(self) -> int:
        """Rows of the table, read or not."""
        return len(self.row_ids) + self.unread_rows

    @property
    def is_finished(self) -> bool:
        """As `TableStatus.is_finished`."""
        return self.run_status == IDLE and self.header_in_progress == 0


@dataclass(frozen=True, slots=True)
class TableIndex:
    """An index to find tables by: the part of the workspace's list that manifests refer to."""

    names: Mapping[str, str] | None
    """Table id → name, for every table that shares its name with one in the index; None if the list was not read."""
    tags: Mapping[str, tuple[str, ...]]
    """A tag that manifests use → ids of the tables with it."""
    children: Mapping[str, tuple[str, ...]]
    """Table id → ids of its child tables, for tables that a manifest names as a parent."""


_STATES = tuple(CellState)


@dataclass(frozen=True, slots=True)
class CellCounts:
    """Numbers of cells of a table's output columns by state."""

    done: int = 0
    failed: int = 0
    empty: int = 0
    in_progress: int = 0
    unknown: int = 0

    @classmethod
    def of(cls, columns: Iterable[bytes]) -> "CellCounts":
        """Count columns of `CellState` bytes."""
        found = dict.fromkeys(_STATES, 0)
        for states in columns:
            left = len(states)
            for state in _STATES:
                if not left:  # most columns show one or two of them
                    break
                count = states.count(state)
                found[state] += count
                left -= count
        return cls(
            done=found[CellState.DONE] + found[CellState.DONE_WITHOUT_VALUE],
            failed=found[CellState.FAILED],
            empty=found[CellState.EMPTY] + found[CellState.PENDING_IDLE],
            in_progress=found[CellState.IN_PROGRESS] + found[CellState.PENDING],
            unknown=found[CellState.UNKNOWN],
        )


def depths(columns: Sequence[Column]) -> dict[str, int]:
    """Return the length of the longest chain of output columns upstream of each column.

    Columns in or below a cycle get the number of output columns, longer than any chain without a cycle.
    """
    outputs = {column.id: column for column in columns if not column.is_input}
    found = dict.fromkeys(outputs, len(outputs))
    if not any(other in outputs for column in outputs.values() for other in column.upstream):
        return dict.fromkeys(outputs, 0)
    below = downstream(columns)
    left = {column.id: sum(other in outputs for other in set(column.upstream)) for column in outputs.values()}
    level, depth = [column for column, above in left.items() if not above], 0
    while level:
        following = []
        for column in level:
            found[column] = depth
            for other in below[column]:
                left[other] -= 1
                if not left[other]:
                    following.append(other)
        level, depth = following, depth + 1
    return found


def downstream(columns: Iterable[Column]) -> dict[str, list[str]]:
    """Return, for each output column, the ids of the output columns that name it among their `upstream`."""
    outputs = [column for column in columns if not column.is_input]
    found: dict[str, list[str]] = {column.id: [] for column in outputs}
    for column in outputs:
        for other in set(column.upstream):
            if other in found:
                found[other].append(column.id)
    return found
