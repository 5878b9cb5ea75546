"""Threads and handles that meet at a barrier: every comparison has one winner."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.errors import Leased, LedgerError
from reconciler.ledger import Ledger, open_ledger
from reconciler.model.attempt import Ended, Verdict
from reconciler.model.history import CallState
from tests.ledger.calls_and_actors import (
    ALICE,
    OTHER_TABLE,
    TABLE,
    Clock,
    a_call,
    accepted,
    before_statement,
    begin,
    ended,
    kinds,
    state_of,
)

RACERS = 6
TURNS = 12
STATES = (CallState.ACCEPTED, CallState.INTENT)


def _race(work: Callable[[int], object]) -> list[object]:
    """Run `work` in threads that start together; return results and errors."""
    barrier = threading.Barrier(RACERS)

    def run(number: int) -> object:
        barrier.wait(10)
        try:
            return work(number)
        except LedgerError as error:
            return error

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(run, range(RACERS)))


@pytest.fixture
def handles(opener: Callable[[], Ledger]) -> list[Ledger]:
    """A handle a racer: processes, as far as the store knows."""
    return [opener() for _ in range(RACERS)]


def test_one_of_many_intents_for_one_version_wins(handles: list[Ledger]) -> None:
    """Six applies of six different plans for one table."""
    results = _race(lambda number: begin(handles[number], a_call(number), version=0))
    assert sum(isinstance(result, Leased) for result in results) == RACERS - 1
    assert len(handles[0].calls()) == 1
    assert handles[0].recall([TABLE])[TABLE].version == 1


def test_one_of_many_retries_of_a_call_wins(handles: list[Ledger]) -> None:
    """R6: six recoverers begin attempt 2 of the same call."""
    handles[0].end(begin(handles[0], a_call()), ended(CallState.NOT_SENT))
    results = _race(lambda number: begin(handles[number], a_call(), version=1))
    assert sum(not isinstance(result, Leased) for result in results) == 1
    assert state_of(handles[0], a_call()) == (CallState.INTENT, 2)


def test_one_of_many_verdicts_counts(handles: list[Ledger]) -> None:
    """Six recoverers, some of which saw it land."""
    begin(handles[0], a_call())
    results = _race(
        lambda number: handles[number].resolve(
            Verdict(a_call().id, 1, landed=number % 2 == 0, reason="race", actor=ALICE)
        )
    )
    (verdict,) = [result for result in results if isinstance(result, CallState)]
    assert state_of(handles[0], a_call()) == (verdict, 1)


def test_an_acceptance_survives_any_race_with_recovery(handles: list[Ledger]) -> None:
    """The sender wakes up while five recoverers decide that nothing was sent."""
    ticket = begin(handles[0], a_call())

    def work(number: int) -> object:
        if number == 0:
            handles[0].end(ticket, accepted())
            return CallState.ACCEPTED
        return handles[number].resolve(Verdict(a_call().id, 1, landed=False, reason="race", actor=ALICE))

    _race(work)
    assert state_of(handles[0], a_call()) == (CallState.ACCEPTED, 1)


def test_one_of_many_applies_gets_the_leases(handles: list[Ledger]) -> None:
    """All the tables or none, whatever order they are named in; none waits for ever."""
    tables = [f"table-{number}" for number in range(20)]

    def work(number: int) -> object:
        order = tables[number:] + tables[:number]
        return handles[number].acquire(order, owner=f"apply-{number}", actor=ALICE, seconds=60)

    results = _race(work)
    assert sum(not isinstance(result, Leased) for result in results) == 1
    assert len({lease.owner for lease in handles[0].leases()}) == 1


def test_threads_share_one_handle(ledger: Ledger) -> None:
    """Six tables at once through one handle: no call is lost, the events of each table are without gaps."""

    def work(number: int) -> object:
        table = f"table-{number}"
        for turn in range(10):
            ledger.end(begin(ledger, a_call(number * 100 + turn, table=table), version=turn), accepted())
        return ledger.recall([table])[table].version

    assert _race(work) == [10] * RACERS
    for number in range(RACERS):
        calls = ledger.recall([f"table-{number}"])[f"table-{number}"].calls
        assert [event.seq for call in calls for event in ledger.events(call.id)] == list(range(1, 21))


def test_many_processes_may_create_one_ledger(tmp_path: Path, clock: Clock) -> None:
    """The first writes of six handles make one SQLite ledger."""
    handles = [open_ledger(str(tmp_path / ".reconciler" / "ledger.db"), clock=clock) for _ in range(RACERS)]
    _race(lambda number: begin(handles[number], a_call(number, table=f"table-{number}"), version=0))
    assert len(handles[0].calls()) == RACERS
    for handle in handles:
        handle.close()


def test_many_may_initialise_one_server(handles: list[Ledger]) -> None:
    """`ledger init` from six runners at once."""
    assert _race(lambda number: handles[number].initialise()) == [None] * RACERS


def test_a_history_is_of_one_moment(ledger: Ledger, other: Ledger) -> None:
    """A call begun while the history is read is either in it, with its version, or not at all."""
    begin(ledger, a_call(1))
    name = "reconciler.calls" if "postgresql" in ledger.location else "calls"
    ledger.recall([TABLE])
    before_statement(ledger, f"SELECT {name}.id", lambda: begin(other, a_call(2), version=1))
    history = ledger.recall([TABLE])[TABLE]
    assert (history.version, len(history.calls)) == (1, 1)
    assert ledger.recall([TABLE])[TABLE].version == 2


def test_an_ending_that_had_to_wait_sees_what_it_waited_for(ledger: Ledger, other: Ledger) -> None:
    """It locks what another process is changing, and then goes by what that one wrote, not by what was there before."""
    ticket = begin(ledger, a_call())
    with ThreadPoolExecutor(1) as pool:
        said: list[Future[None]] = []

        def meanwhile() -> None:
            asking = threading.Event()
            before_statement(other, "SELECT", asking.set)
            said.append(pool.submit(other.end, ticket, ended(CallState.IN_DOUBT)))
            asking.wait(0.5)  # with SQLite it waits before its first statement
            time.sleep(0.2)

        before_statement(ledger, "UPDATE", meanwhile)
        ledger.end(ticket, ended(CallState.NOT_SENT))
        said[0].result()
    assert kinds(ledger, a_call()) == [("intent", 1), ("not_sent", 1), ("in_doubt", 1)]
    assert state_of(ledger, a_call()) == (CallState.IN_DOUBT, 1)
    assert ledger.recall([TABLE])[TABLE].version == 2


def test_lanes_that_cross_record_both(handles: list[Ledger]) -> None:
    """Each ends a call of the table that the other begins one for: neither waits in a circle, and no record is lost."""
    tables = (TABLE, OTHER_TABLE)
    barrier = threading.Barrier(2)

    def cross(number: int) -> None:
        own, others = tables[number], tables[1 - number]
        for turn in range(TURNS):
            first, second = (
                a_call(100 * turn + 10 * number + at, table=at_table) for at, at_table in enumerate((own, others))
            )
            ticket = begin(handles[number], first, version=2 * turn)
            barrier.wait(10)
            begin(handles[number], second, version=2 * turn + 1, ended=Ended(ticket, accepted(), own))
            barrier.wait(10)

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(cross, number) for number in range(2)]:
            each.result()
    found = sorted((call.table_id, call.state) for call in handles[0].calls())
    assert found == sorted((table, state) for table in tables for state in STATES for _ in range(TURNS))
