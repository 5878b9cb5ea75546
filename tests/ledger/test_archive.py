"""The trail of old calls goes into a file and comes back from it; what planning needs of them stays."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from reconciler.errors import LedgerError, Unwritable
from reconciler.ledger import Ledger, open_ledger
from reconciler.model.account import Account
from reconciler.model.attempt import Settlement, Yield
from reconciler.model.balance import TableCounts
from reconciler.model.history import CallState
from tests.ledger.calls_and_actors import OTHER_TABLE, TABLE, Clock, a_call, begin, ended
from tests.ledger.test_checkpoints import ROWS, buy

A_WEEK = 604_800.0


@pytest.fixture
def aged(ledger: Ledger, clock: Clock) -> Ledger:
    """A ledger with a call a week, all of them folded but the last, and one that was never settled."""
    begin(ledger, a_call(90, table=OTHER_TABLE))
    for number in range(1, 6):
        buy(ledger, number, ROWS[:20], plan_id="mine")
        clock.now += A_WEEK
    ledger.compact(TABLE)
    buy(ledger, 6, ROWS[:20], plan_id="mine")
    return ledger


def archive(ledger: Ledger, before: float) -> list[str]:
    """Archive, and return the lines of the file."""
    lines: list[str] = []
    ledger.archive(before, lines.extend)
    return lines


def test_what_is_old_goes_and_planning_knows_it_still(aged: Ledger, clock: Clock) -> None:
    """The recall is the same; the calls are not there any more."""
    before = aged.recall([TABLE], plan_id="mine")
    report, by_column = aged.report("month"), aged.report("column")
    lines = archive(aged, clock.now - 2 * A_WEEK)
    assert {call.id for call in aged.calls()} == {a_call(number).id for number in (4, 5, 6, 90)}
    assert aged.events(a_call(3).id) == []
    assert aged.recall([TABLE], plan_id="mine") == before
    assert json.loads(lines[-1]) == {"type": "end", "table": 0, "call": 3, "event": 9}
    assert aged.report("month", archives=[lines]) == report
    assert aged.report("month", archives=[lines, lines]) == report
    assert aged.report("column", archives=[lines]) == by_column


def test_an_archive_comes_back(aged: Ledger, clock: Clock) -> None:
    """As it was, and once."""
    before = list(aged.export())[1:]
    lines = archive(aged, clock.now)
    assert list(aged.export())[1:] != before
    assert aged.load(lines).calls == 5
    assert list(aged.export())[1:] == before
    assert aged.load(lines).calls == 0
    assert aged.report("plan", archives=[lines]) == aged.report("plan")


def test_an_archive_is_read_into_an_empty_ledger(aged: Ledger, clock: Clock, tmp_path: Path) -> None:
    """There its calls count as what they are."""
    lines = archive(aged, clock.now)
    with open_ledger(str(tmp_path / "empty.db"), clock=clock) as other:
        assert other.load(lines).calls == 5
        assert len(other.recall([TABLE])[TABLE].calls) == 5


def test_archives_are_read_into_an_empty_ledger_the_newest_first(aged: Ledger, clock: Clock, tmp_path: Path) -> None:
    """The other way round looks like another ledger's; the error says how."""
    older = archive(aged, clock.now - 2 * A_WEEK)
    newer = archive(aged, clock.now)
    with open_ledger(str(tmp_path / "empty.db"), clock=clock) as other:
        other.load(older)
        with pytest.raises(LedgerError) as caught:
            other.load(newer)
        assert "Into an empty one, import the newest archive first." in caught.value.hint
    with open_ledger(str(tmp_path / "again.db"), clock=clock) as other:
        assert [other.load(lines).calls for lines in (newer, older)] == [2, 3]


def test_archives_read_one_after_the_other_are_all_summed(aged: Ledger, clock: Clock, tmp_path: Path) -> None:
    """Each call once, also if its table is there since another archive."""
    older = archive(aged, clock.now - 2 * A_WEEK)
    newer = archive(aged, clock.now)
    with open_ledger(str(tmp_path / "empty.db"), clock=clock) as other:
        for lines in (newer, older, older):
            other.load(lines)
        assert other.last_applies(["accounts"], 5) == {"accounts": (Decimal(15),)}


def test_what_happens_while_it_is_written_stays(aged: Ledger, other: Ledger, clock: Clock) -> None:
    """A call that is counted again after it was written, and before it is deleted, is not as it was archived."""
    changed = a_call(2).id
    lines: list[str] = []

    def write(source: Iterator[str]) -> None:
        lines.extend(source)
        other.settle(changed, Settlement(39, 1, 0))

    aged.archive(clock.now, write)
    assert [call.id for call in aged.calls() if call.settled_at is not None and call.settlement] == [
        a_call(6).id,
        changed,
    ]
    assert (aged.events(changed)[-1].detail["failed"], len(aged.events(changed))) == (1, 4)
    assert aged.report("month", archives=[lines]).total.failed == 1


def test_balances_of_the_time_go_along_and_come_back(aged: Ledger, clock: Clock) -> None:
    """Without the calls after them they would say that others spent it all."""
    start = clock.now
    for week in (6, 4, 1):
        clock.now = start - week * A_WEEK
        counts = [TableCounts(TABLE, week, 0, 0, 0)]
        aged.note_balance(f"plan-{week}", Account(available=Decimal(100 * week)), counts, age_seconds=0)
    clock.now = start
    before = aged.balances()
    lines = archive(aged, clock.now - 2 * A_WEEK)
    assert [each.plan_id for each in aged.balances()] == ["plan-1"]
    end = json.loads(lines[-1])
    assert (end["balance"], end["counts"]) == (2, 2)
    aged.load(lines)
    assert aged.balances() == before


def test_balances_go_before_the_calls_between_them(tmp_path: Path, clock: Clock) -> None:
    """A kill in between leaves less to compare, and never spending that no call explains."""
    path = tmp_path / "ledger.db"
    with open_ledger(str(path), clock=clock) as ledger:
        weekly(ledger, clock, range(1, 4))
        ledger.note_balance("plan", Account(available=Decimal(100)), age_seconds=A_WEEK)
        ledger.compact(TABLE)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("CREATE TRIGGER cut BEFORE DELETE ON calls BEGIN SELECT RAISE(ABORT, 'cut'); END")
        with pytest.raises(Unwritable):
            archive(ledger, clock.now)
        assert len(ledger.calls()) == 3
        assert ledger.balances() == []


def test_nothing_to_archive_makes_no_ledger(tmp_path: Path) -> None:
    """In a folder that has none, by mistake."""
    path = tmp_path / "ledger.db"
    with open_ledger(str(path)) as ledger:
        assert archive(ledger, 0.0)[-1] == '{"type":"end","table":0,"call":0,"event":0}'
    assert not path.exists()


def test_answers_that_changed_count_in_a_report_with_it(aged: Ledger, clock: Clock) -> None:
    """They stand in the events of settlements."""
    for number, changed in ((2, 7), (5, 9)):
        aged.settle(a_call(number).id, Settlement(39, 1, 0, {"c1": Yield(20, changed)}))
    buy(aged, 7, ROWS[:20])
    whole = aged.report("column")
    assert whole.lines[0].changed is not None
    lines = archive(aged, clock.now - 2 * A_WEEK)
    assert aged.report("column") != whole
    assert aged.report("column", archives=[lines]) == whole


def test_another_ledgers_archive_is_refused(aged: Ledger, clock: Clock, tmp_path: Path) -> None:
    """A table that began fewer calls cannot have lost those."""
    lines = archive(aged, clock.now)
    with open_ledger(str(tmp_path / "other.db"), clock=clock) as other:
        begin(other, a_call(1))
        with pytest.raises(LedgerError, match="this ledger never began"):
            other.load(lines)


def test_work_goes_on_after_it(aged: Ledger, clock: Clock) -> None:
    """Events are numbered on, so that what was archived can come back."""
    lines = archive(aged, clock.now)
    buy(aged, 7, ROWS[:20])
    aged.compact(TABLE)
    assert aged.load(lines).calls == 5
    numbers = [event.seq for number in range(1, 8) for event in aged.events(a_call(number).id)]
    assert numbers == list(range(1, 22))


def test_nothing_goes_that_is_not_written(aged: Ledger, clock: Clock) -> None:
    """A file that cannot be written to its end leaves the ledger as it was."""
    before = list(aged.export())[1:]

    def full(lines: Iterator[str]) -> None:
        next(lines)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        aged.archive(clock.now, full)
    assert list(aged.export())[1:] == before


def test_the_future_is_not_archived(aged: Ledger, clock: Clock) -> None:
    """By the store's clock."""
    with pytest.raises(LedgerError, match="cannot lie in the future"):
        archive(aged, clock.now + 1)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda lines: lines[:-1], "cut off"),
        (lambda lines: [*lines[:2], *lines[3:]], "should hold"),
        (lambda lines: lines * 2, "goes on after its end"),
        (lambda lines: [*lines[:-1], '{"type":"cell"}', lines[-1]], "entries of type `cell`"),
        (lambda lines: ["", *lines[1:]], "not an export"),
    ],
)
def test_an_archive_that_is_not_whole_counts_for_nothing(
    aged: Ledger, clock: Clock, damage: Callable[[list[str]], list[str]], words: str
) -> None:
    """Half of what was spent is a wrong answer."""
    lines = archive(aged, clock.now)
    with pytest.raises(LedgerError, match=words):
        aged.report("month", archives=[damage(lines)])


@pytest.mark.parametrize("wrong", [{"column_keys": []}, {"covered": [{"columns": ["x"]}]}])
def test_an_archive_that_contradicts_itself_is_refused(aged: Ledger, clock: Clock, wrong: dict[str, object]) -> None:
    """A call must say which of its columns its cells are in."""
    header, call, *rest = archive(aged, clock.now)
    changed = json.dumps({**json.loads(call), **wrong})
    with pytest.raises(LedgerError, match=r"line 2: the cells of call \w+ contradict themselves"):
        aged.report("column", archives=[[header, changed, *rest]])


def weekly(ledger: Ledger, clock: Clock, numbers: Sequence[int], *, settled: bool = True) -> None:
    """Buy ten rows a week, other ones every time."""
    for number in numbers:
        buy(ledger, number, ROWS[10 * number : 10 * number + 10], settled=settled)
        clock.now += A_WEEK


def test_an_export_does_not_lose_its_checkpoint_to_an_archive(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    """Where the later of two archives was imported first, the cells of the earlier one would be bought again."""
    weekly(ledger, clock, range(1, 6))
    ledger.compact(TABLE)
    archive(ledger, clock.now)
    weekly(ledger, clock, [6], settled=False)
    weekly(ledger, clock, [7])
    ledger.settle(a_call(6).id, Settlement(20, 0, 0))  # so the newest call is not the last that is heard of
    ledger.compact(TABLE)
    later = archive(ledger, clock.now)
    with open_ledger(str(tmp_path / "other.db"), clock=clock) as other:
        other.load(later)
        with pytest.raises(LedgerError, match="by calls that were archived"):
            other.load(ledger.export())
    with open_ledger(str(tmp_path / "empty.db"), clock=clock) as other:
        other.load(ledger.export())
        other.load(later)
        assert other.recall([TABLE]) == ledger.recall([TABLE])


@pytest.mark.parametrize("state", [CallState.ACCEPTED, CallState.IN_DOUBT])
def test_another_ledgers_calls_are_not_taken_for_folded_ones(
    ledger: Ledger, clock: Clock, tmp_path: Path, state: CallState
) -> None:
    """Their versions are those of folded calls, and their cells others: what they bought or may have would be lost."""
    weekly(ledger, clock, range(1, 4))
    ledger.compact(TABLE)
    archive(ledger, clock.now)
    with open_ledger(str(tmp_path / "other.db"), clock=clock) as other:
        for number in range(11, 14):
            call = a_call(number, rows=ROWS[10 * number : 10 * number + 10])
            other.end(begin(other, call), ended(state))
        lines = list(other.export())
    with pytest.raises(LedgerError, match="not one of those that this ledger has folded"):
        ledger.load(lines)


@pytest.mark.parametrize("is_copy", [False, True])
def test_an_archive_of_other_calls_is_not_taken_for_folded_ones(
    ledger: Ledger, clock: Clock, tmp_path: Path, is_copy: bool
) -> None:
    """Nor that of a copy which went its own way."""
    with open_ledger(str(tmp_path / "other.db"), clock=clock) as other:
        if is_copy:
            weekly(ledger, clock, [1])
            other.load(ledger.export())
        weekly(other, clock, range(11, 14))
        other.compact(TABLE)
        lines = archive(other, clock.now)
    weekly(ledger, clock, range(2, 8))
    ledger.compact(TABLE)
    archive(ledger, clock.now)
    with pytest.raises(LedgerError, match="not one of those that this ledger has folded"):
        ledger.load(lines)
