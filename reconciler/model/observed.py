"""What the API shows: a table reduced to what planning needs, one byte a cell."""

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
"""Kinds of columns whose cells are known to be something that people buy [D][V]."""
IDLE = "idle"


class CellState(IntEnum):
    """What is known of one cell; the number is the byte kept for it."""

    EMPTY = 0
    """Absent or null: it never ran [A]."""
    DONE = 1
    FAILED = 2
    IN_PROGRESS = 3
    """`in_progress`, or `pending` with a value still there on a table that is running."""
    UNKNOWN = 4
    """A status nobody documented, or `pending` on an idle table with a value still there."""
    DONE_WITHOUT_VALUE = 5
    """`done` with a null value: done for us, but `new` might take it, so no call may cover it in passing."""
    PENDING = 6
    """`pending` without a value on a table that is running: about to run, or never run and left alone [A]."""
    PENDING_IDLE = 7
    """The same on an idle table: it never ran, or is stuck [D, retired]. It is as good as empty, but a cell that was
    empty before a call and is this after it was touched by it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a live table."""

    id: str
    """A lower-case UUID."""
    key: str
    name: str
    kind: str
    upstream: tuple[str, ...]
    """Ids of the columns this one depends on, inputs included: named in its configuration, or implied [V]."""
    config_digest: str
    """Digest of the configuration without its display name: what attempts and approvals are counted against."""
    implied: tuple[str, ...] = ()
    """Those of `upstream` that its configuration does not name: its kind or that of its table reads them anyway."""
    is_built_in: bool = False
    """The service fills it by itself, for nothing."""
    max_results: int | None = None
    """How many rows of a child table one cell of a people finder fills at most; None: nobody knows."""

    @property
    def is_input(self) -> bool:
        """Input cells are never run."""
        return self.kind == INPUT_KIND

    @property
    def is_meant_by_silence(self) -> bool:
        """A run that names no columns means this one: of a known kind, and not what the service fills by itself."""
        return not self.is_input and not self.is_built_in and self.kind in KNOWN_KINDS


@dataclass(frozen=True, slots=True)
class TableStatus:
    """A table's header while one waits for it."""

    run_status: str
    """`idle` or `running` [D]; anything else is taken as not idle."""
    cells_in_progress: int
    """`num_cells_in_progress` [D]."""
    cells_completed: int
    """`num_cells_completed` [D]; whether failed cells count is not documented."""

    @property
    def is_finished(self) -> bool:
        """A table is finished when it is idle and no cell is in progress [V]; else nothing may be sent for it."""
        return self.run_status == IDLE and self.cells_in_progress == 0


@dataclass(frozen=True, slots=True)
class ListedTable:
    """A root table as the list of a workspace's tables shows it."""

    id: str
    """A lower-case UUID; empty: the list shows none that could be read."""
    name: str | None
    """None: the list shows none that could be read, so that it may be any."""
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
    """Ids of the tables that its people finders fill; the API does not say which finder fills which [D]. None: what
    it said is not understood."""


@dataclass(frozen=True, slots=True)
class TableSnapshot:
    """One table at one moment. Cells are kept by column, one byte a row, in the table's own row order."""

    id: str
    name: str
    kind: str
    run_status: str
    """`idle` or `running` [D]; anything else is taken as not idle."""
    header_in_progress: int
    """`num_cells_in_progress` of the header."""
    columns: tuple[Column, ...]
    row_ids: Sequence[str]
    """Lower-case UUIDs, of the rows that were read."""
    missing_inputs: bytes
    """One byte a row: 1 where `is_missing_inputs`."""
    states: Mapping[str, bytes]
    """Output column id → one `CellState` byte a row."""
    digests: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Output column id → one short digest of the cell's value a row; only for the columns that were asked for."""
    unread_rows: int = 0
    """Rows that were not read, because no plan that was asked for needs them (`model/read_scope.py`)."""
    matches: Mapping[str, bytes] = field(default_factory=dict)
    """`condition.key` → one byte a row, 1 where the row meets the condition; only for those that were asked for."""

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
    """How tables are found: as much of the workspace's list as manifests asked for."""

    names: Mapping[str, str] | None
    """Table id → name, of every table that shares its name with one that is held; None: the list was not read."""
    tags: Mapping[str, tuple[str, ...]]
    """A tag that was asked for → ids of the tables that carry it."""
    children: Mapping[str, tuple[str, ...]]
    """Table id → ids of its child tables, for tables that a manifest names as a parent."""


def depths(columns: Sequence[Column]) -> dict[str, int]:
    """Return how many output columns stand in a row above each column.

    Those in a cycle, and below one, count as deep as there are output columns: no row of others would ever end there.
    """
    outputs = {column.id: column for column in columns if not column.is_input}
    found = dict.fromkeys(outputs, len(outputs))
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
