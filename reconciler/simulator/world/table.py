"""One table: its columns, its rows, and one byte per cell, so that two million cells fit into a few megabytes."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from reconciler.simulator.world.columns import INPUT, is_built_in, price, upstream_keys


class State(IntEnum):
    """The state of a cell; the number is the byte that stores it."""

    EMPTY = 0
    """Never ran."""
    DONE = 1
    FAILED = 2
    QUEUED = 3
    """Requested by a run, not started: `pending` on a running table."""
    RUNNING = 4
    STUCK = 5
    """`pending`, but nothing is going to run it."""
    ODD = 6
    """An undocumented status; its name is stored separately."""


IN_FLIGHT = (State.QUEUED, State.RUNNING)
SETTLED = (State.DONE, State.FAILED, State.ODD)
_PAID_AT_MOST = 0xFFFF


@dataclass(slots=True)
class Outcome:
    """How the cells of a column end."""

    fails: float = 0.0
    """The share of cells whose run fails, drawn again for each attempt."""
    fail_first: int = 0
    """How many first attempts of every cell fail."""
    stalls: float = 0.0
    """The share of cells that hang instead of starting, drawn again each time they are paid for."""


@dataclass(slots=True, eq=False)
class Column:
    """A column and its cells; a row's slot is the index into each of the arrays."""

    serial: int
    """Position in order of creation, never reused."""
    id: str
    created_at: float
    config: dict[str, Any]
    outcome: Outcome
    credits: int
    states: bytearray
    tries: "array[int]"
    """How often each cell ended; its value changes each time."""
    paid: "array[int]"
    values: dict[int, Any] = field(default_factory=dict)
    """Values that were given; every other value of a done cell is computed when it is read."""
    odd: dict[int, str] = field(default_factory=dict)
    """Undocumented statuses."""
    counts: list[int] = field(default_factory=lambda: [0] * len(State))
    """How many live cells are in each state."""
    upstream: tuple["Column", ...] = ()
    child_table: str | None = None
    """The people table that a finder fills."""
    template: bytes = b""
    """A generated cell of this column, prepared by `answers`."""

    @property
    def key(self) -> str:
        """Return the key that cells are found under."""
        return str(self.config["key"])

    @property
    def kind(self) -> str:
        """Return the kind."""
        return str(self.config["kind"])

    @property
    def is_input(self) -> bool:
        """Input cells are never run."""
        return self.kind == INPUT

    def move(self, slot: int, state: State) -> None:
        """Put a live cell into a state; every counter follows."""
        self.counts[self.states[slot]] -= 1
        self.counts[state] += 1
        self.states[slot] = state

    def pay(self, slot: int) -> None:
        """Count one payment for a cell."""
        self.paid[slot] = min(self.paid[slot] + 1, _PAID_AT_MOST)

    def give(self, slot: int, value: Any) -> None:
        """Set a cell to a given value; None empties it."""
        self.odd.pop(slot, None)
        if value is None or value == "":
            self.values.pop(slot, None)
            self.move(slot, State.EMPTY)
        else:
            self.values[slot] = value
            self.move(slot, State.DONE)

    def forget(self, slot: int) -> None:
        """Drop the cell's value before it runs again."""
        self.values.pop(slot, None)
        self.odd.pop(slot, None)

    def finish(self, slot: int, state: State) -> None:
        """End an attempt."""
        self.forget(slot)
        self.tries[slot] = min(self.tries[slot] + 1, _PAID_AT_MOST)
        self.move(slot, state)


@dataclass(slots=True)
class Parent:
    """The cell that a child row comes from."""

    row_id: str
    data: dict[str, Any]


class Table:
    """A table. Rows get slots in order of creation, which are never reused; pages show rows in `order`."""

    def __init__(self, identity: str, name: str, kind: str, created_at: float) -> None:
        self.id = identity
        self.name = name
        self.kind = kind
        self.created_at = created_at
        self.updated_at = created_at
        self.description: str | None = None
        self.tags: list[str] = []
        self.settings: dict[str, Any] = {}
        self.scope = "personal"
        self.notify = False
        self.discovery_tasks: list[dict[str, Any]] = []
        self.cell_bytes = 0
        """Generated cells are padded to about this size."""
        self.columns: list[Column] = []
        self.born: list[Column] = []
        """Every column that ever existed, by serial, because the oracle includes deleted ones."""
        self.row_ids: list[str] = []
        """By slot, deleted rows included."""
        self.row_times = array("d")
        self.slots: dict[str, int] = {}
        """Live rows by id."""
        self.order: list[int] = []
        self.metadata: dict[int, dict[str, Any]] = {}
        self.parents: dict[int, Parent] = {}
        self.fed: set[str] = set()
        """Parent rows whose people were already added."""
        self.claims: dict[int, bool] = {}
        """Slots whose `is_missing_inputs` was given instead of computed."""
        self.columns_json = b""
        """The columns as the header shows them, once they were read."""
        self.children: list[str] = []
        self.parent_table: str | None = None
        self._required: tuple[Column, ...] = ()

    def column(self, key_or_id: str) -> Column:
        """Return a live column; KeyError if there is none."""
        for each in self.columns:
            if key_or_id in (each.id, each.config["key"]):
                return each
        raise KeyError(key_or_id)

    def keys(self) -> list[str]:
        """Return the keys of the live columns."""
        return [column.key for column in self.columns]

    def outputs(self) -> list[Column]:
        """Return the columns that can be run."""
        return [column for column in self.columns if not column.is_input]

    def add_column(self, identity: str, config: dict[str, Any], created_at: float, outcome: Outcome) -> Column:
        """Add a column with one empty cell per row; call `connect` after the last one."""
        rows = len(self.row_ids)
        column = Column(
            serial=len(self.born),
            id=identity,
            created_at=created_at,
            config=config,
            outcome=outcome,
            credits=price(config["kind"]),
            states=bytearray(rows),
            tries=array("H", bytes(2 * rows)),
            paid=array("H", bytes(2 * rows)),
        )
        column.counts[State.EMPTY] = len(self.order)
        self.columns.append(column)
        self.born.append(column)
        return column

    def order_columns(self, first: Iterable[Column], after: int = 0) -> None:
        """Put columns after the first `after` of the others, in the order given."""
        placed = list(dict.fromkeys(first))
        others = [column for column in self.columns if column not in placed]
        self.columns = [*others[:after], *placed, *others[after:]]
        self.connect()

    def brought(self) -> list[Column]:
        """Return the columns that the table fills by itself."""
        return [column for column in self.columns if is_built_in(self.kind, column.config)]

    def remove_column(self, column: Column) -> None:
        """Remove a column; its payments stay recorded."""
        self.columns.remove(column)
        self.connect()

    def connect(self) -> None:
        """Compute which columns wait for which, after any of them changed."""
        self.columns_json = b""
        by_key = {column.key: column for column in self.columns}
        required: set[int] = set()
        for column in self.columns:
            column.upstream = tuple(by_key[key] for key in upstream_keys(column.config, self.kind, by_key))
            required.update(each.serial for each in column.upstream if each.is_input)
            column.template = b""
        self._required = tuple(column for column in self.columns if column.serial in required)

    def add_rows(self, ids: Iterable[str], created_at: float, *, first: bool = False) -> range:
        """Add empty rows at the end, or before all others; return their slots."""
        start = len(self.row_ids)
        self.row_ids.extend(ids)
        slots = range(start, len(self.row_ids))
        for slot in slots:
            self.slots[self.row_ids[slot]] = slot
        self.row_times.extend([created_at] * len(slots))
        self.order = [*slots, *self.order] if first else [*self.order, *slots]
        for column in self.born:
            column.states.extend(bytes(len(slots)))
            column.tries.extend([0] * len(slots))
            column.paid.extend([0] * len(slots))
            column.counts[State.EMPTY] += len(slots)
        return slots

    def remove_rows(self, slots: Iterable[int]) -> None:
        """Remove rows; their payments stay recorded."""
        gone = set(slots)
        for slot in gone:
            del self.slots[self.row_ids[slot]]
            for column in self.columns:
                column.counts[column.states[slot]] -= 1
        self.order = [slot for slot in self.order if slot not in gone]

    def is_live(self, slot: int) -> bool:
        """Return whether the row still exists."""
        return self.slots.get(self.row_ids[slot]) == slot

    def is_missing_inputs(self, slot: int) -> bool:
        """Return whether an input that other columns depend on is missing [D]."""
        if self.claims and slot in self.claims:
            return self.claims[slot]
        return any(column.states[slot] != State.DONE for column in self._required)

    def count(self, *states: State) -> int:
        """Count the non-input cells in any of the states."""
        return sum(column.counts[state] for column in self.columns if column.kind != INPUT for state in states)

    @property
    def is_running(self) -> bool:
        """True while any cell is in progress."""
        return self.count(*IN_FLIGHT) > 0

    def charges(self) -> Iterator[tuple[str, str, int]]:
        """Yield column id, row id and number of payments of every cell that was ever paid for."""
        for column in self.born:
            for slot, times in enumerate(column.paid):
                if times:
                    yield column.id, self.row_ids[slot], times
