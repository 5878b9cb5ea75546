"""Waiting for accepted calls and tables, by a clock that the test holds, and what it finds then."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeVar

import pytest

from reconciler.model.attempt import CallResult, Ending, Receipt, Settlement
from reconciler.model.history import Block, CallState
from reconciler.model.manifest import Mode
from reconciler.model.observed import TableSnapshot, TableStatus
from reconciler.model.plan import Call
from reconciler.spending.wait import (
    FIRST_POLL_SECONDS,
    LONGEST_POLL_SECONDS,
    MOST_POLLS_PER_SECOND,
    Waited,
    WaitTiming,
    count_cells,
    wait_until_settled,
)
from tests.planning.tables_and_manifests import QUIET, TABLE, a_call, a_column, a_table, column_id, row_id

IDLE = TableStatus("idle", 0, 9)
RUNNING = TableStatus("running", 4, 5)
ALMOST = TableStatus("idle", 1, 8)
Shown = TypeVar("Shown")


@dataclass
class Watch:
    """Tables that change in time, a clock that moves only in sleep, and everything that was asked."""

    script: Mapping[str, Sequence[tuple[float, TableStatus | None]]]
    """By table, what its header shows from each moment on."""
    cells: Mapping[str, Sequence[tuple[float, str]]] = field(default_factory=dict)
    """By table, the letters of its one column from each moment on."""
    values: Mapping[str, Sequence[tuple[float, str]]] = field(default_factory=dict)
    """By table, the digest of every cell's value from each moment on."""
    stops_at: float = float("inf")
    now: float = 0.0
    asked: list[tuple[float, str]] = field(default_factory=list)
    looked: list[tuple[float, str]] = field(default_factory=list)
    seen: list[dict[str, TableStatus]] = field(default_factory=list)

    def statuses(self, tables: Collection[str]) -> dict[str, TableStatus]:
        """Say what the tables' headers show now, as far as they can be read."""
        self.asked += [(self.now, table) for table in tables]
        return {table: shown for table in tables if (shown := self._now(self.script[table])) is not None}

    def snapshots(self, calls: Mapping[str, Sequence[Call]]) -> dict[str, TableSnapshot]:
        """Say what the cells show now."""
        self.looked += [(self.now, table) for table in calls]
        found = {}
        for table in calls:
            header = self._now(self.script[table])
            letters = self._now(self.cells[table])
            assert header is not None
            digests = {column_id(1): (self._now(self.values[table]),) * len(letters)} if self.values else None
            found[table] = a_table(
                [a_column(1)],
                [letters],
                run_status=header.run_status,
                in_progress=header.cells_in_progress,
                digests=digests,
                table=table,
            )
        return found

    def _now(self, moments: Sequence[tuple[float, Shown]]) -> Shown:
        return [shown for since, shown in moments if since <= self.now][-1]

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        assert seconds > 0
        self.now += seconds

    def wait(self, *calls: Call, timeout: float | None = None) -> Waited:
        """Wait for the calls, and for all tables of the script."""
        timing = WaitTiming(lambda: self.now, self.sleep, timeout, lambda: self.now >= self.stops_at)
        return wait_until_settled(
            calls, self.script.keys(), self, timing, lambda _: QUIET, lambda seen: self.seen.append(dict(seen))
        )


def bought(table: str, letters: str, mode: Mode = Mode.NEW, value: str = "", number: int = 1) -> Call:
    """Return an accepted call for the rows of `letters`, which is what they showed before it."""
    rows = tuple(row_id(row) for row in range(len(letters)))
    before = a_table([a_column(1)], [letters]).states[column_id(1)]
    marks = tuple(f"{state}:{value}" if value else f"{state}" for state in before)
    call = a_call(number, columns=[column_id(1)], table=table)
    return replace(call, mode=mode, rows=rows, covered=(Block((column_id(1),), rows),), before={column_id(1): marks})


def test_it_waits_until_every_table_is_idle() -> None:
    """Each at its time; a table that is done is not asked again."""
    watch = Watch({"a": [(0, RUNNING), (1, IDLE)], "b": [(0, RUNNING), (20, ALMOST), (30, IDLE)]})
    assert watch.wait() == Waited({})
    assert 30 <= watch.now <= 30 + LONGEST_POLL_SECONDS
    assert max(moment for moment, table in watch.asked if table == "a") < 3
    assert watch.seen[-1] == {"a": IDLE, "b": IDLE}


def test_a_table_that_nothing_was_sent_for_is_believed_at_once() -> None:
    """It is waited for only because it was running."""
    watch = Watch({"a": [(0, IDLE)]})
    assert watch.wait() == Waited({})
    assert watch.now == 0


@pytest.mark.parametrize("shows_at", [30.0, QUIET - 1])
def test_a_run_that_shows_late_is_waited_for(shows_at: float) -> None:
    """An idle table with empty cells proves nothing moments after an acceptance."""
    status = [(0.0, IDLE), (shows_at, RUNNING), (shows_at + 20, IDLE)]
    watch = Watch({"a": status}, {"a": [(0, ".."), (shows_at, "pp"), (shows_at + 20, "dd")]})
    waited = watch.wait(bought("a", ".."))
    assert watch.now >= shows_at + 20
    assert waited.snapshots["a"].states[column_id(1)] == b"\1\1"


def test_a_run_that_shows_at_once_is_not_waited_for_any_longer() -> None:
    """One of its cells has moved and the table is idle: that is all."""
    watch = Watch({"a": [(0, IDLE)]}, {"a": [(0, "d.")]})
    assert list(watch.wait(bought("a", "..")).snapshots) == ["a"]
    assert (watch.now, len(watch.looked)) == (0, 1)


@pytest.mark.parametrize(("mode", "letters"), [(Mode.NEW, ".."), (Mode.FAILED, "ff"), (Mode.ALL, "dd")])
def test_a_call_that_never_shows_is_settled_once_it_has_rested(mode: Mode, letters: str) -> None:
    """In no mode earlier than Q, and then at once; its cells are read a few times meanwhile, not at each poll."""
    watch = Watch({"a": [(0, IDLE)]}, {"a": [(0, letters)]})
    assert list(watch.wait(bought("a", letters, mode)).snapshots) == ["a"]
    assert QUIET <= watch.now < QUIET + 1
    assert len(watch.looked) < 12 < len(watch.asked)


def test_a_table_that_was_seen_running_proves_nothing_of_a_call_that_is_queued() -> None:
    """Another call ran first; only the cells of this one tell, and waiting cells of it might be the other's."""
    status = [(0.0, RUNNING), (20.0, IDLE), (60.0, RUNNING), (80.0, IDLE)]
    watch = Watch({"a": status}, {"a": [(0, ".q"), (20, ".."), (60, "pp"), (80, "dd")]})
    waited = watch.wait(bought("a", ".."))
    assert watch.now >= 80
    assert waited.snapshots["a"].states[column_id(1)] == b"\1\1"


def test_cells_that_fail_again_are_seen_while_they_run() -> None:
    """They end as they were before, so the time in between is what shows the call."""
    watch = Watch({"a": [(0, RUNNING), (30, IDLE)]}, {"a": [(0, "pp"), (30, "ff")]})
    assert list(watch.wait(bought("a", "ff", Mode.FAILED)).snapshots) == ["a"]
    assert 30 <= watch.now < 30 + LONGEST_POLL_SECONDS


def test_another_value_shows_that_an_all_has_run() -> None:
    """The state alone does not tell."""
    watch = Watch({"a": [(0, IDLE)]}, {"a": [(0, "dd")]}, {"a": [(0, "v1"), (9, "v2")]})
    watch.wait(bought("a", "dd", Mode.ALL, value="v1"))
    assert 9 <= watch.now < 30


def test_a_timeout_names_the_calls_that_had_not_shown() -> None:
    """Their table is idle, so it is not said to run."""
    watch = Watch({"a": [(0, IDLE)], "b": [(0, IDLE)]}, {"a": [(0, "..")], "b": [(0, "dd")]})
    late = bought("a", "..", number=7)
    waited = watch.wait(late, bought("b", ".."), timeout=20)
    assert (waited.awaited, waited.running, list(waited.snapshots)) == ((late.id,), (), ["b"])


def test_an_idle_table_with_cells_in_progress_is_not_finished() -> None:
    """Both have to hold."""
    assert Watch({"a": [(0, ALMOST)]}).wait(timeout=60).running == ("a",)


def test_it_polls_slower_and_slower_up_to_a_bound() -> None:
    """From the first interval to the longest."""
    watch = Watch({"a": [(0, RUNNING), (170, IDLE)]})
    watch.wait()
    moments = [moment for moment, _ in watch.asked]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert gaps[0] == pytest.approx(FIRST_POLL_SECONDS)
    assert gaps == sorted(gaps)
    assert gaps[-1] == pytest.approx(LONGEST_POLL_SECONDS)


def test_many_tables_are_asked_for_at_a_bounded_rate() -> None:
    """A thousand of them wait longer for each other than one does for itself."""
    watch = Watch({str(number): [(0, RUNNING), (100, IDLE)] for number in range(1000)})
    assert watch.wait() == Waited({})
    moments = sorted({moment for moment, _ in watch.asked})
    assert all(later - earlier >= 1000 / MOST_POLLS_PER_SECOND - 1e-6 for earlier, later in pairwise(moments))


def test_a_timeout_names_what_still_runs() -> None:
    """And is kept to the moment, with a last look at its end."""
    watch = Watch({"a": [(0, RUNNING), (1, IDLE)], "b": [(0, RUNNING)], "c": [(0, RUNNING)]})
    assert watch.wait(timeout=60).running == ("b", "c")
    assert watch.now == pytest.approx(60)
    assert watch.asked[-1][0] == pytest.approx(60)


def test_no_time_at_all_is_one_look() -> None:
    """What is not idle in it is named."""
    watch = Watch({"a": [(0, RUNNING)]})
    assert watch.wait(timeout=0).running == ("a",)
    assert len(watch.asked) == 1


def test_a_table_that_cannot_be_read_is_given_up() -> None:
    """The others are waited for."""
    watch = Watch({"a": [(0, RUNNING), (3, None)], "b": [(0, RUNNING), (9, IDLE)]})
    assert watch.wait().running == ("a",)
    assert watch.now >= 9
    assert sum(table == "a" and moment >= 3 for moment, table in watch.asked) == 1


def test_a_person_ends_the_waiting() -> None:
    """What was not seen idle is named."""
    watch = Watch({"a": [(0, RUNNING), (1, IDLE)], "b": [(0, RUNNING)]}, stops_at=5)
    assert watch.wait().running == ("b",)
    assert Watch({"a": [(0, IDLE)]}, stops_at=0).wait().running == ("a",)


def test_nothing_to_wait_for_is_no_waiting() -> None:
    """Not a single request."""
    watch = Watch({})
    assert watch.wait() == Waited({})
    assert watch.asked == []


def test_settling_counts_the_due_cells_of_each_accepted_call() -> None:
    """Done with and without a value, failed, and everything else by name, also what has gone."""
    table = a_table([a_column(1), a_column(2)], ["dnf", ".pu"])
    blocks = (Block((column_id(1), column_id(90)), (row_id(0), row_id(1), row_id(2))),)
    call = a_call(1, columns=[column_id(1), column_id(2)])
    first = CallResult(replace(call, covered=blocks), Ending(CallState.ACCEPTED, receipt=Receipt("r", 6)))
    rest = Block((column_id(2),), (row_id(0), row_id(1), row_id(2), row_id(90)))
    second = CallResult(replace(call, covered=(rest,)), first.ending)
    settled = count_cells([first, second], {TABLE: table})
    assert [result.settlement for result in settled] == [Settlement(2, 1, 3), Settlement(0, 0, 4)]
    gone = Block((column_id(90),), (row_id(0), row_id(1), row_id(2)))
    assert [result.not_started for result in settled] == [(gone,), (rest,)]


def test_settling_leaves_alone_what_was_not_accepted_or_not_read() -> None:
    """Doubt stays doubt."""
    table = a_table([a_column(1)], ["dd"])
    doubt = CallResult(a_call(1), Ending(CallState.IN_DOUBT))
    never = CallResult(a_call(2), None, "stopped")
    elsewhere = CallResult(a_call(3, table="other"), Ending(CallState.ACCEPTED, receipt=Receipt("r", 2)))
    results = (doubt, never, elsewhere)
    assert count_cells(results, {TABLE: table}) == results
