"""Waiting for tables, by a clock that the test holds, and what it finds then."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from reconciler.history import Block, CallState
from reconciler.observed import SHOWS_WITHIN_SECONDS, TableStatus
from reconciler.outcome import CallResult, Ending, Receipt, Settlement
from reconciler.waiting import (
    FIRST_POLL_SECONDS,
    LONGEST_POLL_SECONDS,
    MOST_POLLS_PER_SECOND,
    Patience,
    settle,
    wait_until_idle,
)
from tests.planning.makers import TABLE, a_call, a_column, a_table, column_id, row_id

IDLE = TableStatus("idle", 0, 9)
RUNNING = TableStatus("running", 4, 5)
ALMOST = TableStatus("idle", 1, 8)


@dataclass
class Watch:
    """Tables that change in time, a clock that moves only in sleep, and everything that was asked."""

    script: Mapping[str, Sequence[tuple[float, TableStatus | None]]]
    """By table, what it shows from each moment on."""
    stops_at: float = float("inf")
    now: float = 0.0
    asked: list[tuple[float, str]] = field(default_factory=list)
    seen: list[dict[str, TableStatus]] = field(default_factory=list)

    def statuses(self, tables: Collection[str]) -> dict[str, TableStatus]:
        """Say what the tables show now, as far as they can be read."""
        self.asked += [(self.now, table) for table in tables]
        found = {table: [shown for since, shown in self.script[table] if since <= self.now][-1] for table in tables}
        return {table: shown for table, shown in found.items() if shown is not None}

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        assert seconds > 0
        self.now += seconds

    def wait(self, timeout: float | None = None) -> tuple[str, ...]:
        """Wait for all tables of the script."""
        patience = Patience(lambda: self.now, self.sleep, timeout, lambda: self.now >= self.stops_at)
        return wait_until_idle(self.script, self.statuses, patience, lambda seen: self.seen.append(dict(seen)))


def test_it_waits_until_every_table_is_idle() -> None:
    """Each at its time; a table that is done is not asked again."""
    watch = Watch({"a": [(0, RUNNING), (1, IDLE)], "b": [(0, RUNNING), (20, ALMOST), (30, IDLE)]})
    assert watch.wait() == ()
    assert 30 <= watch.now <= 30 + LONGEST_POLL_SECONDS
    assert max(moment for moment, table in watch.asked if table == "a") < 3
    assert watch.seen[-1] == {"a": IDLE, "b": IDLE}


def test_a_table_that_never_runs_is_believed_only_after_a_while() -> None:
    """It may not have started yet."""
    watch = Watch({"a": [(0, IDLE)]})
    assert watch.wait() == ()
    assert SHOWS_WITHIN_SECONDS <= watch.now < 2 * SHOWS_WITHIN_SECONDS


def test_a_table_that_starts_late_is_waited_for() -> None:
    """Idle at first, then running, then idle."""
    watch = Watch({"a": [(0, IDLE), (2, RUNNING), (8, IDLE)]})
    assert watch.wait() == ()
    assert watch.now >= 8


def test_an_idle_table_with_cells_in_progress_is_not_finished() -> None:
    """Both have to hold."""
    assert Watch({"a": [(0, ALMOST)]}).wait(timeout=60) == ("a",)


def test_it_polls_slower_and_slower_up_to_a_bound() -> None:
    """From the first interval to the longest."""
    watch = Watch({"a": [(0, RUNNING), (200, IDLE)]})
    watch.wait()
    moments = [moment for moment, _ in watch.asked]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert gaps[0] == pytest.approx(FIRST_POLL_SECONDS)
    assert gaps == sorted(gaps)
    assert gaps[-1] == pytest.approx(LONGEST_POLL_SECONDS)


def test_many_tables_are_asked_for_at_a_bounded_rate() -> None:
    """A thousand of them wait longer for each other than one does for itself."""
    watch = Watch({str(number): [(0, RUNNING), (100, IDLE)] for number in range(1000)})
    assert watch.wait() == ()
    moments = sorted({moment for moment, _ in watch.asked})
    assert all(later - earlier >= 1000 / MOST_POLLS_PER_SECOND - 1e-6 for earlier, later in pairwise(moments))


def test_a_timeout_names_what_still_runs() -> None:
    """And is kept to the moment, with a last look at its end."""
    watch = Watch({"a": [(0, RUNNING), (1, IDLE)], "b": [(0, RUNNING)], "c": [(0, RUNNING)]})
    assert watch.wait(timeout=60) == ("b", "c")
    assert watch.now == pytest.approx(60)
    assert watch.asked[-1][0] == pytest.approx(60)


def test_no_time_at_all_is_one_look() -> None:
    """What is not idle in it is named."""
    watch = Watch({"a": [(0, RUNNING)]})
    assert watch.wait(timeout=0) == ("a",)
    assert len(watch.asked) == 1


def test_a_table_that_cannot_be_read_is_given_up() -> None:
    """The others are waited for."""
    watch = Watch({"a": [(0, RUNNING), (3, None)], "b": [(0, RUNNING), (9, IDLE)]})
    assert watch.wait() == ("a",)
    assert watch.now >= 9
    assert sum(table == "a" and moment >= 3 for moment, table in watch.asked) == 1


def test_a_person_ends_the_waiting() -> None:
    """What was not seen idle is named."""
    watch = Watch({"a": [(0, RUNNING), (1, IDLE)], "b": [(0, RUNNING)]}, stops_at=5)
    assert watch.wait() == ("b",)
    assert Watch({"a": [(0, IDLE)]}, stops_at=0).wait() == ("a",)


def test_nothing_to_wait_for_is_no_waiting() -> None:
    """Nobody is asked."""
    watch = Watch({})
    assert watch.wait() == ()
    assert watch.asked == []


def test_settling_counts_the_due_cells_of_each_accepted_call() -> None:
    """Done with and without a value, failed, and everything else, also what has gone."""
    table = a_table([a_column(1), a_column(2)], ["dnf", ".pu"])
    blocks = (Block((column_id(1), column_id(90)), (row_id(0), row_id(1), row_id(2))),)
    call = a_call(1, columns=[column_id(1), column_id(2)])
    first = CallResult(replace(call, covered=blocks), Ending(CallState.ACCEPTED, receipt=Receipt("r", 6)))
    second = CallResult(
        replace(call, covered=(Block((column_id(2),), (row_id(0), row_id(1), row_id(2), row_id(90))),)), first.ending
    )
    settled = settle([first, second], {TABLE: table})
    assert [result.settlement for result in settled] == [Settlement(2, 1, 3), Settlement(0, 0, 4)]


def test_settling_leaves_alone_what_was_not_accepted_or_not_read() -> None:
    """Doubt stays doubt."""
    table = a_table([a_column(1)], ["dd"])
    doubt = CallResult(a_call(1), Ending(CallState.IN_DOUBT))
    never = CallResult(a_call(2), None, "stopped")
    elsewhere = CallResult(a_call(3, table="other"), Ending(CallState.ACCEPTED, receipt=Receipt("r", 2)))
    results = (doubt, never, elsewhere)
    assert settle(results, {TABLE: table}) == results
