"""Folding while applies write: a recall sees each call once, and two that fold at once fold each call once."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from reconciler.errors import LedgerError, Unwritable
from reconciler.ledger import Ledger, open_ledger
from reconciler.model.attempt import Settlement
from tests.ledger.calls_and_actors import OTHER_TABLE, TABLE, Clock, a_call, accepted, begin, reconnect
from tests.ledger.test_archive import archive
from tests.ledger.test_checkpoints import ROWS, buy
from tests.ledger.test_migration import ROWS as ROWS_BEFORE
from tests.ledger.test_migration import content, write

CALLS = 8
TABLES = (TABLE, OTHER_TABLE)


def bought(ledger: Ledger, table: str) -> tuple[int, int]:
    """Return how often one row's cell was bought by what a recall says, and the table's version."""
    history = ledger.recall([table])[table]
    folded = history.checkpoint.bought("c1")
    return (folded[0] if folded else 0) + sum(1 for _ in history.accepted()), history.version


def test_who_folds_and_who_applies_do_not_disturb_each_other(opener: Callable[[], Ledger]) -> None:
    """Two that buy and settle, each its table; two that fold everything all the time; one that looks."""
    is_over = threading.Event()

    def buying(number: int) -> int:
        ledger, table = opener(), TABLES[number]
        for turn in range(1, CALLS + 1):
            call = a_call(100 * number + turn, table=table, rows=ROWS[:5])
            ledger.end(begin(ledger, call), accepted())
            ledger.settle(call.id, Settlement(call.cells, 0, 0))
        return 0

    def folding() -> int:
        ledger, total = opener(), 0
        while not is_over.is_set():
            total += sum(ledger.compact(table) for table in ledger.tables_to_compact())
        return total + sum(ledger.compact(table) for table in TABLES)

    def looking() -> int:
        ledger = opener()
        while not is_over.is_set():
            times, version = bought(ledger, TABLE)
            assert version - 1 <= times <= version
        return 0

    with ThreadPoolExecutor(5) as pool:
        others = [pool.submit(folding), pool.submit(folding), pool.submit(looking)]
        try:
            list(pool.map(buying, range(2)))
        finally:
            is_over.set()
        assert sum(each.result() for each in others) == len(TABLES) * CALLS
    for table in TABLES:
        assert bought(opener(), table) == (CALLS, CALLS)


@contextmanager
def full_disk(ledger: Ledger, path: Path, room: int = 0) -> Iterator[None]:
    """Let an SQLite ledger's file grow by no more than so many pages."""
    with sqlite3.connect(path) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    engine = ledger._store._engine

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages + room}")

    reconnect(ledger)
    event.listen(engine, "connect", limit)
    yield
    event.remove(engine, "connect", limit)
    reconnect(ledger)


def test_a_full_disk_folds_nothing_and_loses_nothing(tmp_path: Path, clock: Clock) -> None:
    """It says so; once there is room, folding goes on. An archive makes some, as deleting takes none."""
    path = tmp_path / "ledger.db"
    with open_ledger(str(path), clock=clock) as ledger:
        for number in range(1, 40):  # few rows make no room, and what each plan bought takes some
            buy(ledger, number, ROWS[:1], plan_id=f"sha256:{number:064}")
        before = list(ledger.export())
        with full_disk(ledger, path):
            with pytest.raises(Unwritable, match="the disk is full"):
                ledger.compact(TABLE)
            assert list(ledger.export())[1:] == before[1:]
        whole = ledger.report("month")
        assert ledger.compact(TABLE) == 39
        clock.now += 60
        with full_disk(ledger, path):
            lines = archive(ledger, clock.now)
            assert ledger.report("month", archives=[lines]) == whole
            buy(ledger, 91, ROWS[:5])


def test_a_full_disk_in_the_middle_of_a_migration_means_to_go_on_later(tmp_path: Path) -> None:
    """The steps before it stay, no program works in the store until it is done, and no record is lost."""
    path = tmp_path / "older.db"
    path.touch()
    with open_ledger(str(path)) as ledger:
        with ledger._store._engine.begin() as connection:
            write(connection, 230)
        for room in (0, 16, 4):  # while room is made, among the calls, before what they spent is summed
            with full_disk(ledger, path, room), pytest.raises(Unwritable, match="the disk is full"):
                ledger.initialise()
            with pytest.raises(LedgerError, match="older version"):
                ledger.calls()
        ledger.initialise()
        assert content(ledger)[-1]["call"] == len(ROWS_BEFORE["calls"]) + 230
