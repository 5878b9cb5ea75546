"""All tables of one workspace, the balance and the runs: the endpoints act on it, and the oracle reads it."""

import threading
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from msgspec import Struct

from reconciler.simulator.http.encode import Assumptions, input_value
from reconciler.simulator.world import columns as kinds
from reconciler.simulator.world.answers import company, people_found, person
from reconciler.simulator.world.chance import draw, identifier
from reconciler.simulator.world.clock import Clock
from reconciler.simulator.world.schedule import Pace, Schedule, cell_number, cell_of
from reconciler.simulator.world.table import IN_FLIGHT, Column, Outcome, Parent, State, Table

PaymentError = Literal["plan_required", "payment_failed", "insufficient_credits"]
PAID_TIERS: Final = ("pro", "legacy")
UNLIMITED: Final = 1_000_000


class Billing(Struct, forbid_unknown_fields=True):
    """The balance, and the rules for paying."""

    credits: int | None = None
    """The credits left; None for unlimited."""
    refuses: PaymentError | None = None
    """Why every run is refused, whatever it costs."""
    plan_tier: str = "pro"
    requires_subscription: bool = False
    organization_is_active: bool = True
    organization_id: str | None = None
    """Made from the seed by default."""
    organization_name: str = "Example"
    organization_slug: str = "example"
    credit_cap: int | None = None
    subscription_plan_credits: int | None = None

    @property
    def available(self) -> int:
        """Return the credits to show; an unlimited balance is shown as a large number."""
        return UNLIMITED if self.credits is None else self.credits

    @property
    def has_plan(self) -> bool:
        """Return whether tables may be changed and run [V]."""
        return not self.requires_subscription or self.plan_tier in PAID_TIERS or self.organization_is_active


class UnaffordableError(Exception):
    """The run cannot be paid for; nothing was started or charged."""

    def __init__(self, error: PaymentError, message: str) -> None:
        super().__init__(message)
        self.error: PaymentError = error


@dataclass(frozen=True, slots=True)
class Stall:
    """The cells that hang, and for how long."""

    column: str = "*"
    """A pattern for the column's key."""
    lasts: float = 0.0
    """Simulated seconds; 0 for the pace's time."""

    def seconds(self, column: Column, pace: Pace) -> float | None:
        """Return how long a cell of a column hangs; None if it does not."""
        return (self.lasts or pace.stalls_for) if fnmatchcase(column.key, self.column) else None


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One accepted run call: it has been paid for."""

    id: str
    table: Table
    created_at: float
    mode: str
    rows: list[str] | None
    columns: list[str] | None
    cells: "array[int]"
    """Every cell it paid for."""
    credits: int


class World:
    """A workspace in motion. Callers hold `lock` while they read or change it, and call `settle` before they read."""

    def __init__(self, seed: int, clock: Clock, pace: Pace, assumptions: Assumptions, billing: Billing) -> None:
        self.seed = seed
        self.clock = clock
        self.pace = pace
        self.assumptions = assumptions
        self.billing = billing
        self.lock = threading.RLock()
        self.tables: dict[str, Table] = {}
        self.every_table: list[Table] = []
        """All tables, including deleted ones."""
        self.runs: list[Run] = []
        self.owner = {"id": identifier(seed, "user"), "email": "founder@example.com"}
        self.organization = billing.organization_id or identifier(seed, "organization")
        self.stalling: Stall | None = None
        """A fault on the cells that the current request starts."""
        self._schedules: dict[str, Schedule] = {}
        self._busy: dict[str, Schedule] = {}
        self._made = 0

    def settle(self) -> None:
        """Process every event that is due by now."""
        if self._busy:
            now = self.clock.now()
            for table_id, schedule in list(self._busy.items()):
                schedule.settle(now)
                if schedule.is_still:
                    del self._busy[table_id]

    def next_event(self) -> float | None:
        """Return the time of the next event, in simulated seconds since the epoch; None if there is none."""
        times = [at for schedule in self._busy.values() if (at := schedule.next_event()) is not None]
        return min(times, default=None)

    def find(self, name_or_id: str) -> Table:
        """Return a table by id or name; KeyError if there is none."""
        if name_or_id in self.tables:
            return self.tables[name_or_id]
        for table in self.tables.values():
            if table.name == name_or_id:
                return table
        raise KeyError(name_or_id)

    def new_id(self, what: str) -> str:
        """Return the next identifier; the same in every world with this seed and history."""
        self._made += 1
        return identifier(self.seed, what, self._made)

    def add_table(self, name: str, kind: str, identity: str | None = None) -> Table:
        """Create a table without columns or rows."""
        table = Table(identity or self.new_id("table"), name, kind, self.clock.now())
        self.tables[table.id] = table
        self.every_table.append(table)
        stalled_run = self.assumptions.stalled_cells == "in_progress"
        self._schedules[table.id] = Schedule(table, self.pace, self.seed, self._deliver, stalled_run=stalled_run)
        return table

    def remove_table(self, table: Table) -> None:
        """Delete a table and the child tables that its finders filled."""
        for child in list(table.children):
            if child in self.tables:
                self.remove_table(self.tables[child])
        if table.parent_table in self.tables:
            self.tables[table.parent_table].children.remove(table.id)
        del self.tables[table.id]
        self._busy.pop(table.id, None)

    def add_column(
        self, table: Table, config: dict[str, Any], identity: str | None = None, outcome: Outcome | None = None
    ) -> Column:
        """Add a column, and for a finder the people table that it fills; call `table.connect` after the last one."""
        column = table.add_column(identity or self.new_id("column"), config, self.clock.now(), outcome or Outcome())
        if column.kind == kinds.PEOPLE_FINDER:
            child = self.add_child(table, column)
            for each in self.brought("people"):
                self.add_column(child, each)
            child.connect()
        return column

    def add_child(self, table: Table, finder: Column) -> Table:
        """Create the people table that a finder fills, without columns or rows."""
        child = self.add_table(f"{table.name} · {finder.config['name']}", "people")
        child.parent_table, child.scope = table.id, table.scope
        table.children.append(child.id)
        finder.child_table = child.id
        return child

    def brought(self, table_kind: str) -> list[dict[str, Any]]:
        """Return the configurations of the columns that a table of this kind starts with."""
        return kinds.brought(table_kind, own_kinds=self.assumptions.built_in_kinds == "own")

    def add_rows(self, table: Table, count: int, *, first: bool = False) -> range:
        """Add empty rows."""
        return table.add_rows([self.new_id("row") for _ in range(count)], self.clock.now(), first=first)

    def write(self, table: Table, slot: int, data: Mapping[str, Any]) -> None:
        """Set a row's input cells, and fill its built-in columns."""
        for key, value in data.items():
            table.column(key).give(slot, value)
        self.fill_built_in(table, slot)

    def fill_built_in(self, table: Table, slot: int) -> None:
        """Fill the columns that a table of this kind fills by itself, once the row has its input."""
        if table.kind != "generic" and not table.is_missing_inputs(slot):
            for column in table.brought():
                if column.states[slot] == State.EMPTY:
                    self.fill(table, column, slot)

    def fill(self, table: Table, column: Column, slot: int) -> None:
        """Fill a cell of a built-in column, at no cost; it may hang [V]."""
        column.move(slot, State.DONE)
        schedule, number = self._schedules[table.id], cell_number(column, slot)
        seconds = None if self.stalling is None else self.stalling.seconds(column, self.pace)
        if seconds is None and schedule.unlucky(column, slot):
            seconds = self.pace.stalls_for
        if seconds is None:
            return
        self._busy[table.id] = schedule
        if self.assumptions.stalled_cells == "pending":
            schedule.hang(number, self.clock.now() + seconds)
        else:
            column.move(slot, State.QUEUED)
            schedule.stall(number, seconds)
            self.begin(table, array("Q", [number]), delay=0.0)

    def run(self, table: Table, mode: str, rows: list[str] | None, columns: list[str] | None) -> Run:
        """Start a run and charge for it, or raise UnaffordableError and change nothing; ids must exist."""
        slots = table.order if rows is None else [table.slots[row] for row in dict.fromkeys(rows)]
        wanted = None if columns is None else set(columns)
        chosen = [column for column in _sorted(table.outputs()) if wanted is None or column.id in wanted]
        requested = array(
            "Q", (cell_number(column, slot) for column, slot in self._eligible(table, mode, slots, chosen))
        )
        cost = sum(cell_of(table, number)[0].credits for number in requested)
        self._check(cost)
        now = self.clock.now()
        queued = array("Q")
        for number in requested:
            column, slot = cell_of(table, number)
            column.pay(slot)
            if not self.pace.shows_after and column.states[slot] not in IN_FLIGHT:
                column.forget(slot)
                column.move(slot, State.QUEUED)
                queued.append(number)
            if self.stalling is not None and column.states[slot] != State.RUNNING:
                seconds = self.stalling.seconds(column, self.pace)
                if seconds is not None:
                    self._schedules[table.id].stall(number, seconds)
        if self.billing.credits is not None:
            self.billing.credits -= cost
        if queued:
            self.begin(table, queued)
        elif requested and self.pace.shows_after:
            self._busy[table.id] = self._schedules[table.id]
            self._schedules[table.id].show_later(requested, mode, now + self.pace.shows_after)
        run = Run(self.new_id("run"), table, now, mode, rows, columns, requested, cost)
        self.runs.append(run)
        table.updated_at = now
        return run

    def begin(self, table: Table, cells: "array[int]", delay: float | None = None) -> None:
        """Start cells in state QUEUED."""
        self._busy[table.id] = self._schedules[table.id]
        self._schedules[table.id].begin(cells, self.clock.now(), delay)

    def _check(self, cost: int) -> None:
        if self.billing.refuses is not None:
            raise UnaffordableError(self.billing.refuses, "The organization's plan does not allow this run.")
        if self.billing.credits is not None and cost > self.billing.credits:
            raise UnaffordableError("insufficient_credits", f"{cost} credits needed, {self.billing.credits} available.")

    def _eligible(
        self, table: Table, mode: str, slots: Sequence[int], chosen: Iterable[Column]
    ) -> Iterator[tuple[Column, int]]:
        complete = [slot for slot in slots if not table.is_missing_inputs(slot)]
        if mode == "all":
            takes = set(State)
        elif mode == "failed":
            takes = {State.FAILED}
        else:
            takes = {State.EMPTY, State.STUCK, State.ODD}
            takes |= {State.FAILED} if self.assumptions.new_takes_failed else set()
            takes |= set(IN_FLIGHT) if self.assumptions.new_takes_running else set()
        for column in chosen:
            states, values = column.states, column.values
            for slot in complete:
                if mode == "new" and slot in values:
                    # A given value decides: `new` runs cells that do not already have values [D].
                    if values[slot] is None and states[slot] != State.FAILED:
                        yield column, slot
                elif states[slot] in takes:
                    yield column, slot

    def _deliver(self, table: Table, column: Column, slot: int, at: float) -> None:
        """Add the people that a finder's cell found to the child table; a rerun finds the same people."""
        child = self.tables.get(column.child_table or "")
        if child is None:
            return
        row_id = table.row_ids[slot]
        if row_id in child.fed:
            return
        child.fed.add(row_id)
        known = {each.key: _answer(table, each, slot) for each in table.columns if each.key in kinds.CONTACT_INPUTS}
        found = people_found(column, slot)
        ids = [identifier(self.seed, "person", child.id, row_id, each) for each in range(found)]
        for born, number in zip(child.add_rows(ids, at), range(found), strict=True):
            one = person(draw(self.seed, column.id, row_id, number))
            child.parents[born] = Parent(row_id, known)
            text = f"{one['full_name']}, {one['role']}, {one['profile_url']}"
            for each in child.columns:
                if each.key == "input":
                    each.give(born, text)
                elif each.key in one:
                    each.give(born, {"answer": one[each.key], "explanation": "", "sources": [one["profile_url"]]})

    def charges(self) -> dict[tuple[str, str, str], int]:
        """Return how often each cell was paid for, by table, column and row id."""
        return {
            (table.id, column_id, row_id): times
            for table in self.every_table
            for column_id, row_id, times in table.charges()
        }

    def charged_by(self) -> dict[tuple[str, str, str], list[str]]:
        """Return the runs that paid for each cell, in order."""
        found: dict[tuple[str, str, str], list[str]] = {}
        for run in self.runs:
            for number in run.cells:
                column, slot = cell_of(run.table, number)
                found.setdefault((run.table.id, column.id, run.table.row_ids[slot]), []).append(run.id)
        return found


def _answer(table: Table, column: Column, slot: int) -> Any:
    if column.is_input:
        return input_value(table, column, slot)
    return company(slot) if column.states[slot] == State.DONE else None


def _sorted(columns: Iterable[Column]) -> list[Column]:
    """Return columns so that each comes after those it waits for."""
    placed: dict[int, Column] = {}

    def location(column: Column) -> None:
        for upstream in column.upstream:
            if upstream.serial not in placed:
                location(upstream)
        placed[column.serial] = column

    listed = list(columns)
    for column in listed:
        if column.serial not in placed:
            location(column)
    wanted = {column.serial for column in listed}
    return [column for serial, column in placed.items() if serial in wanted]
