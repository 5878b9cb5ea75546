"""A store that version 0.1 wrote is migrated whole: no record is lost, and a kill in the middle only means to go on.

`version_0_1/` holds what its own code wrote: the rows of a store, and the export of the same ledger.
"""

import json
import linecache
import shutil
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import cache, partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text, update

from reconciler.errors import Leased, LedgerError
from reconciler.ledger import Ledger, migrate, open_ledger
from reconciler.ledger.migrate import SECONDS, make_room
from reconciler.ledger.tables import LEASE_COLUMNS, POSTGRES_SCHEMA, tables
from reconciler.model.budget import Budget
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import CallRecord
from reconciler.model.limits import Limit, Period, Unit
from tests.at_most_once.driver import Point, code_of, points
from tests.at_most_once.processes import Driver
from tests.ledger.calls_and_actors import ALICE, OTHER_TABLE, TABLE, Clock, a_call, begin
from tests.postgres import fresh_database

WRITTEN = Path(__file__).with_name("version_0_1")
ROWS: dict[str, list[dict[str, Any]]] = json.loads((WRITTEN / "rows.json").read_text(encoding="utf-8"))
EXPORT = (WRITTEN / "export.jsonl").read_text(encoding="utf-8").splitlines()
AFTER = max(call["begun_at"] for call in ROWS["calls"]) + 3600
"""When the lease that is in them has run out."""
STEPS = {
    "reconciler.ledger.migrate": (
        *("migrate", "make_room", "rewrite", "finish", "count_spent", "upgrade", "_refuse_leases"),
    )
}


def write(connection: Connection, copies: int = 0) -> None:
    """Make the tables as version 0.1 made them, with what it wrote, and one of its calls so many times more.

    With more calls, the lease is not held any more that it was written under: these stores go by the real clock.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    prefix, mark = "", "?"
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f"CREATE SCHEMA {POSTGRES_SCHEMA}")
        prefix, mark = f"{POSTGRES_SCHEMA}.", "%s"
    command.upgrade(config, "0002")
    last = ROWS["calls"][-1]
    more = [last | {"id": f"{number:032x}", "table_version": number} for number in range(1000, 1000 + copies)]
    free = dict.fromkeys(LEASE_COLUMNS) if copies else {}
    held = [row | free for row in ROWS["tables"]]
    for table, rows in (ROWS | {"calls": ROWS["calls"] + more, "tables": held}).items():
        for row in rows:
            marks = ", ".join([mark] * len(row))
            names = ", ".join(row)
            connection.exec_driver_sql(f"INSERT INTO {prefix}{table} ({names}) VALUES ({marks})", (*row.values(),))


@pytest.fixture(scope="module")
def written_once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], str]:
    """A function that makes such a store, once for each kind, and returns its URL: to be copied, not to be used."""

    @cache
    def made(store: str, copies: int) -> str:
        path = tmp_path_factory.mktemp("written") / "ledger.db"
        path.touch()
        url = str(path) if store == "sqlite" else fresh_database(request.getfixturevalue("postgres_server"))
        with open_ledger(url) as ledger, ledger._store._engine.begin() as connection:
            write(connection, copies)
        return url

    return made


@pytest.fixture
def make(
    request: pytest.FixtureRequest, tmp_path: Path, written_once: Callable[[str, int], str]
) -> Callable[[str, int], str]:
    """A function that makes such a store and returns its URL."""

    def made(store: str, copies: int) -> str:
        written = written_once(store, copies)
        if store == "postgres":
            return fresh_database(request.getfixturevalue("postgres_server"), written)
        return str(shutil.copy(written, tmp_path / f"{len(list(tmp_path.iterdir()))}.db"))

    return made


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """Return a launcher of command lines as processes, which kills them at a line of the program."""
    with Driver(tmp_path_factory.mktemp("processes")) as driver:
        yield driver


def content(ledger: Ledger) -> list[dict[str, Any]]:
    """Return what a ledger exports, without the time of it, and what an older one has no words for."""
    found = []
    for entry in [json.loads(line) for line in ledger.export()][1:]:
        entry.pop("spent", None)  # in the last line: how many sums there are
        if entry["type"] == "call":
            assert entry.pop("counted") is None
            assert entry.pop("apply_id") is None
        if entry["type"] != "spent":
            found.append(entry)
    return found


def written() -> list[dict[str, Any]]:
    """Return what version 0.1 exported; what cells of a settled call showed before it has done its work."""
    entries = [json.loads(line) for line in EXPORT][1:]
    return [entry | {"before": {}} if entry.get("settled_at") is not None else entry for entry in entries]


def spent_in(ledger: Ledger, clock: Clock) -> dict[str, tuple[int, Decimal, int]]:
    """Return what a ledger sums up since its first call, for each table, and for all and a label together."""
    scopes: list[dict[str, str]] = [{"table_id": TABLE}, {"table_id": OTHER_TABLE}, {}, {"label": "team=gtm"}]
    limit = Limit(Decimal(1), "")

    def budget(scope: dict[str, str]) -> Budget:
        return Budget("", Period.MONTH, Unit.CELLS, limit, limit.value, "UTC", **scope)

    now, clock.now = clock.now, min(call["begun_at"] for call in ROWS["calls"])
    uses = ledger.budget_uses([budget(scope) for scope in scopes])
    clock.now = now
    return {
        use.budget.table_id or use.budget.label: (use.spent.cells, use.spent.credits, use.spent.unpriced_cells)
        for use in uses
    }


def spent_by_calls(records: Iterable[CallRecord]) -> dict[str, tuple[int, Decimal, int]]:
    """Return the same, added up from the calls."""
    found: dict[str, tuple[int, Decimal, int]] = {}
    for call in records:
        times = call.payments + (call.state in (CallState.INTENT, CallState.IN_DOUBT))
        is_of_gtm = call.labels.get("team") == "gtm"
        for scope in (call.table_id, "", *(["team=gtm"] if is_of_gtm else [])):
            cells, credits_, unpriced = found.get(scope, (0, Decimal(0), 0))
            more = times * call.cells
            is_known = call.credits is not None
            found[scope] = (
                cells + more,
                credits_ + times * (call.credits or Decimal(0)),
                unpriced + (0 if is_known else more),
            )
    return found


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_no_record_is_lost(make: Callable[[str, int], str], store: str, clock: Clock) -> None:
    """Every table, call and event is exported as version 0.1 exported it, and work goes on."""
    clock.now = AFTER
    with open_ledger(make(store, 0), clock=clock) as ledger:
        ledger.initialise()
        assert content(ledger) == written()
        assert spent_in(ledger, clock) == spent_by_calls(ledger.calls())
        before = (ledger.calls(), ledger.report("month"), spent_in(ledger, clock))
        assert sum(ledger.compact(table) for table in ledger.tables_to_compact()) == 8
        assert (ledger.calls(), ledger.report("month"), spent_in(ledger, clock)) == before
        begin(ledger, a_call(30))


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_it_remembers_the_same_after_folding(make: Callable[[str, int], str], store: str, clock: Clock) -> None:
    """Per cell: how often it was bought, and what is in doubt."""
    clock.now = AFTER
    with open_ledger(make(store, 0), clock=clock) as ledger:
        ledger.initialise()
        whole = ledger.recall([TABLE, OTHER_TABLE])
        for table in (TABLE, OTHER_TABLE):
            ledger.compact(table)
        for table, history in ledger.recall([TABLE, OTHER_TABLE]).items():
            assert [call for call in whole[table].calls if not call.settled] == list(history.calls)
            counted: dict[tuple[str, str], int] = {}
            for call in whole[table].accepted():
                for block in call.covered if call.settled else ():
                    for cell in ((column, row) for column in block.columns for row in block.rows):
                        counted[cell] = counted.get(cell, 0) + 1
            rows = history.checkpoint.rows
            found = {
                (column, rows[number]): count
                for column in ("c1", "c2", "c3")
                for number, count in enumerate(history.checkpoint.bought(column))
                if count
            }
            assert found == counted


def test_an_export_of_version_0_1_is_read(ledger: Ledger, clock: Clock) -> None:
    """As it was written; and once more, for nothing."""
    assert ledger.load(EXPORT).calls == len(ROWS["calls"])
    assert content(ledger) == written()
    assert ledger.load(EXPORT).calls == 0
    assert spent_in(ledger, clock) == spent_by_calls(ledger.calls())


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_a_store_of_the_schema_before_sums_begins_with_its_calls(
    make: Callable[[str, int], str], store: str, clock: Clock
) -> None:
    """One that was cut off before the last step, or that the program of that schema left."""
    clock.now = AFTER
    with open_ledger(make(store, 0), clock=clock) as ledger:
        for step in (make_room, partial(migrate.rewrite, after=""), migrate.finish):
            ledger._store.step(step, SECONDS)
        with pytest.raises(LedgerError, match="older version"):
            ledger.calls()
        for _ in range(2):
            ledger.initialise()
            assert spent_in(ledger, clock) == spent_by_calls(ledger.calls())


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_an_apply_at_work_is_not_disturbed(make: Callable[[str, int], str], store: str, clock: Clock) -> None:
    """While a lease is held the store stays what it was, for the program that holds it."""
    clock.now = AFTER - 3600
    with open_ledger(make(store, 0), clock=clock) as ledger:
        with pytest.raises(Leased, match="ci") as caught:
            ledger.initialise()
        assert "ledger init" in caught.value.hint
        clock.now += 60
        ledger.initialise()
        assert content(ledger) == written()


def test_nothing_is_rewritten_under_an_apply_that_began_since(make: Callable[[str, int], str], clock: Clock) -> None:
    """A program that knew the store before may take a lease between two steps, and try one of the calls again."""
    clock.now = AFTER
    with open_ledger(make("sqlite", 0), clock=clock) as ledger:
        ledger._store.step(make_room, SECONDS)
        with ledger._store._engine.begin() as connection:
            lease = {"owner": "late", "actor": "late", "acquired_at": AFTER, "expires_at": AFTER + 60}
            connection.execute(update(tables).where(tables.c.table_id == TABLE).values(lease | {"boot": None}))
        with pytest.raises(Leased, match="late"):
            ledger.initialise()
        with ledger._store._engine.begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM calls WHERE shape IS NOT NULL")).scalar() == 0
        clock.now += 61
        ledger.initialise()
        assert content(ledger) == written()


def is_for_trouble(point: Point) -> bool:
    """Tell whether a line is reached only if a lease is held, a call is damaged, or the store is another's."""
    code = code_of(point.module, point.function)
    line = linecache.getline(code.co_filename, code.co_firstlineno + point.line).strip()
    return point.function == "_refuse_leases" or line.startswith(
        ("except ", "raise ", "return None", "return False", 'connection.execute(insert(meta), {"key": LEDGER_ID')
    )


def cases() -> list[tuple[Point, int, str]]:
    """Choose where to kill: at every third line, on the stores by turns; in what is done again, the second time."""
    some = list(points(STEPS))[::3]
    return [
        (point, 2 if point.function == "rewrite" else 1, store)
        for point, store in zip(some, cycle(["sqlite", "postgres"]), strict=False)
    ]


@pytest.mark.parametrize(("point", "nth", "store"), cases(), ids=str)
def test_a_kill_in_the_middle_loses_nothing(
    make: Callable[[str, int], str], driver: Driver, tmp_path: Path, point: Point, nth: int, store: str
) -> None:
    """`ledger init` goes on where it was killed; until it has, no program works in the store."""
    url = make(store, 230)
    environment = {"RECONCILER_LEDGER": url, "CI": "1"}
    killed = driver.run(["ledger", "init"], tmp_path, environment, at=(point, nth))
    with open_ledger(url) as ledger:
        if killed.code == -9 and (point.function, point.line) != ("migrate", 0):  # then it was whole
            with pytest.raises(LedgerError, match="older version"):
                ledger.acquire([TABLE], owner="one", actor=ALICE, seconds=60)
        elif killed.code != -9:
            assert (is_for_trouble(point), killed.code) == (True, 0)
        again = driver.run(["ledger", "init"], tmp_path, environment)
        assert again.code == 0, again.err
        *whole, end = content(ledger)
        assert end["call"] == len(ROWS["calls"]) + 230
        added = {f"{number:032x}" for number in range(1000, 1230)}
        assert [entry for entry in whole if entry.get("id") not in added] == written()[:-1]
