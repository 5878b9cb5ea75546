"""Reading less than a table: the header alone, or single rows, and the requests that takes."""

from collections.abc import Callable

import pytest

from reconciler.client import Reader
from reconciler.errors import ApiError
from reconciler.model.observed import CellState, TableSnapshot
from reconciler.model.read_scope import ReadScope
from tests.client.live_tables import TABLE, LiveTable, column, options, uid
from tests.client.wire_server import Exchange, WireServer

DONE = {"status": "done", "value": {"answer": "yes"}}
NEW = ReadScope(header_may_do=True)


def table(rows: int = 20) -> LiveTable:
    """Return a table of two output columns, every cell done."""
    live = LiveTable([column(1, "site", "input"), column(2, "a"), column(3, "b")])
    live.add_rows([{"site": "x", "a": DONE, "b": DONE}] * rows)
    live.completed = 2 * rows
    return live


def api(live: LiveTable, before: Callable[[Exchange], bool] = lambda exchange: False) -> Callable[[Exchange], None]:
    """Answer with single rows too."""

    def behave(exchange: Exchange) -> None:
        if before(exchange):
            return
        parts = exchange.request.path.split("/")
        if parts[4:] == ["data"]:
            exchange.answer(200, live.page(**exchange.request.query))
        elif parts[4:5] == ["rows"]:
            found = [row for row in live.rows if row["id"] == parts[5]]
            exchange.answer(200 if found else 404, found[0] if found else {"detail": "no such row"})
        else:
            exchange.answer(200, live.header())

    return behave


def read(
    live: LiveTable,
    allowed: ReadScope,
    *,
    before: Callable[[Exchange], bool] = lambda exchange: False,
    page_rows: int = 3,
) -> tuple[TableSnapshot | ApiError, list[str]]:
    """Read the table; return it and the paths that were asked for, below the table's own."""
    with (
        WireServer(api(live, before)) as server,
        Reader(options(server.url, page_rows=page_rows, concurrency=2)) as reader,
    ):
        found = reader.read_tables({TABLE: None}, {TABLE: allowed})[TABLE]
        return found, [seen.path.removeprefix(f"/v1/tables/{TABLE}") for seen in server.requests]


def test_full_counters_are_enough() -> None:
    """One GET; the rows are counted and not read."""
    found, asked = read(table(20), NEW)
    assert isinstance(found, TableSnapshot)
    assert (len(found.row_ids), found.unread_rows, found.num_rows) == (0, 20, 20)
    assert asked == [""]


@pytest.mark.parametrize(
    "change",
    [{"completed": 39}, {"completed": 41}, {"completed": 0}, {"run_status": "running"}, {"run_status": "paused"},
     {"in_progress": 1}],
)  # fmt: skip
def test_other_counters_are_not(change: dict[str, object]) -> None:
    """One too few, one too many, or anything on its way: the rows are read."""
    live = table(20)
    for name, value in change.items():
        setattr(live, name, value)
    found, asked = read(live, NEW, page_rows=500)
    assert isinstance(found, TableSnapshot)
    assert found.unread_rows == 0
    assert asked == ["", "/data"]


def test_without_leave_the_rows_are_read() -> None:
    """Full counters or not."""
    found, asked = read(table(20), ReadScope(), page_rows=500)
    assert isinstance(found, TableSnapshot)
    assert len(found.row_ids) == 20
    assert asked == ["", "/data"]


def test_single_rows_are_read_where_that_is_fewer_requests() -> None:
    """The header, each row, and the header again; every cell of a row comes along."""
    live = table(20)
    live.rows[7]["data"]["b"] = None
    found, asked = read(live, ReadScope(rows=frozenset({uid(1007), uid(1011)})))
    assert isinstance(found, TableSnapshot)
    assert found.row_ids == (uid(1007), uid(1011))
    assert found.states == {uid(2): b"\x01\x01", uid(3): b"\x00\x01"}
    assert found.unread_rows == 18
    assert set(found.digests) == {uid(2), uid(3)}
    assert asked[0] == asked[-1] == ""
    assert sorted(asked[1:-1]) == [f"/rows/{uid(1007)}", f"/rows/{uid(1011)}"]


@pytest.mark.parametrize(("rows", "named", "requests"), [(20, 9, 11), (20, 8, 10), (20, 10, 11), (2, 1, 2), (3, 1, 2)])
def test_pages_are_read_where_those_are_fewer(rows: int, named: int, requests: int) -> None:
    """Pages of three rows that overlap by one: ten of them hold twenty rows."""
    live = table(rows)
    wanted = frozenset(row["id"] for row in live.rows[:named])
    found, asked = read(live, ReadScope(rows=wanted))
    assert isinstance(found, TableSnapshot)
    assert wanted <= set(found.row_ids)
    assert len(asked) == requests


@pytest.mark.parametrize("status", [404, 405, 422])
def test_a_row_that_is_refused_is_looked_for_in_the_pages(status: int) -> None:
    """The endpoint is not in the reference: only the pages say that a row is not there."""

    def before(exchange: Exchange) -> bool:
        if "/rows/" in exchange.request.path and exchange.request.path.endswith(uid(1011)):
            exchange.answer(status)
            return True
        return False

    found, asked = read(table(20), ReadScope(rows=frozenset({uid(1007), uid(1011)})), before=before)
    assert isinstance(found, TableSnapshot)
    assert len(found.row_ids) == 20
    assert asked.count("/data") == 10


def test_another_row_than_asked_for_is_not_believed() -> None:
    """A server that ignores the id is asked for pages."""
    live = table(20)

    def before(exchange: Exchange) -> bool:
        if "/rows/" in exchange.request.path:
            exchange.answer(200, live.rows[0])
            return True
        return False

    found, _ = read(live, ReadScope(rows=frozenset({uid(1007)})), before=before)
    assert isinstance(found, TableSnapshot)
    assert found.states[uid(2)] == b"\x01" * 20


def test_a_table_that_changes_behind_the_rows_is_read_again() -> None:
    """Between the two looks at the header a cell was filled: the second reading finds it."""
    live = table(20)
    live.rows[7]["data"]["b"] = None
    live.completed = 39

    def before(exchange: Exchange) -> bool:
        if exchange.number == 2:
            live.rows[7]["data"]["b"] = DONE
            live.completed = 40
        return False

    found, asked = read(live, ReadScope(rows=frozenset({uid(1007)})), before=before)
    assert isinstance(found, TableSnapshot)
    assert found.states[uid(3)] == b"\x01"
    assert asked == ["", f"/rows/{uid(1007)}", ""] * 2


def test_a_table_that_begins_to_run_behind_the_rows_is_running() -> None:
    """A cell that is pending then may be in progress, and is not empty."""
    live = table(20)
    live.rows[7]["data"]["b"] = {"status": "pending", "value": None}

    def before(exchange: Exchange) -> bool:
        if exchange.number == 2:
            live.run_status, live.in_progress = "running", 1
        return False

    found, _ = read(live, ReadScope(rows=frozenset({uid(1007)})), before=before)
    assert isinstance(found, TableSnapshot)
    assert not found.is_finished
    assert found.states[uid(3)] == bytes([CellState.PENDING])
