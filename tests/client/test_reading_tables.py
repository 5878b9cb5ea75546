"""Tables read over real sockets: what is asked, what is kept, and what is noticed when a table moves."""

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.client import Reader
from reconciler.errors import ApiError, BadResponse, Refused
from reconciler.model.observed import CellState, TableSnapshot, TableStatus
from reconciler.model.reading import ReadProgress
from tests.client.live_tables import TABLE, Api, LiveTable, column, options, read_status, read_table, uid
from tests.client.wire_server import Exchange, WireServer

DONE = {"status": "done", "value": {"answer": "yes", "explanation": "", "sources": []}}
FAILED = {"status": "failed", "value": None}


def small(rows: int = 7) -> LiveTable:
    """Return a table of an input and two output columns."""
    columns = [column(1, "input", "input"), column(2, "funding", prompt="about {input}"), column(3, "news")]
    return LiveTable(columns).add_rows({"input": "stripe.com", "funding": DONE, "news": None} for _ in range(rows))


def read(server: WireServer, **changes: Any) -> TableSnapshot | ApiError:
    with Reader(options(server.url, **changes), random=lambda: 0.0) as reader:
        return reader.read_tables({TABLE: None})[TABLE]


def test_a_table_is_read_whole_in_pages() -> None:
    """The header first, then pages that overlap by one row, each asked for once."""
    with WireServer(Api(small(7))) as server:
        snapshot = read(server, page_rows=3)
        assert isinstance(snapshot, TableSnapshot)
        assert snapshot.row_ids == tuple(uid(1000 + number) for number in range(7))
        assert snapshot.states == {uid(2): bytes([1] * 7), uid(3): bytes(7)}
        assert set(snapshot.digests) == {uid(2), uid(3)}
        assert server.requests[0].target == f"/v1/tables/{TABLE}"
        asked = sorted((seen.query["offset"], seen.query["limit"]) for seen in server.requests[1:])
        assert asked == [(0, 3), (2, 3), (4, 3)]
        assert {seen.path for seen in server.requests[1:]} == {f"/v1/tables/{TABLE}/data"}


@pytest.mark.parametrize(
    ("rows", "page_rows", "requests"),
    [(0, 500, 1), (1, 500, 2), (500, 500, 2), (501, 500, 3), (3, 1, 4), (1, 1, 2), (3, 2, 3), (10, 10, 2)],
)
def test_no_request_is_wasted(rows: int, page_rows: int, requests: int) -> None:
    """One header, and as many pages as the rows need; an empty table has none."""
    with WireServer(Api(small(rows))) as server:
        snapshot = read(server, page_rows=page_rows)
        assert isinstance(snapshot, TableSnapshot)
        assert len(snapshot.row_ids) == rows
        assert len(server.requests) == requests


def test_digests_are_read_only_for_the_columns_asked_for() -> None:
    """Columns are named by key or id, in any case; inputs and unknown names are passed over."""
    table = small(2)
    table.columns.append(column(0xAB, "people"))
    wanted = frozenset({"funding", uid(0xAB).upper(), "input", "no_such_column"})
    with WireServer(Api(table)) as server, Reader(options(server.url)) as reader:
        assert set(read_table(reader, wanted).digests) == {uid(2), uid(0xAB)}
        assert read_table(reader).digests == {}


def test_equal_values_have_equal_digests() -> None:
    """Whatever the order of keys; a different value has another one."""
    turned = {"value": {"sources": [], "explanation": "", "answer": "yes"}, "status": "done"}
    other = {"status": "done", "value": {"answer": "no"}}
    table = LiveTable([column(2, "a")]).add_rows([{"a": DONE}, {"a": turned}, {"a": other}])
    with WireServer(Api(table)) as server:
        snapshot = read(server)
    assert isinstance(snapshot, TableSnapshot)
    first, second, third = snapshot.digests[uid(2)]
    assert first == second != third
    assert len(first) == 16


def test_ids_come_in_any_case_and_are_kept_in_lower_case() -> None:
    """The same id must be the same text everywhere."""
    table = small(1)
    table.columns[1]["id"] = "ABCDEF00-0000-0000-0000-000000000002"
    table.rows[0]["id"] = "ABCDEF00-0000-0000-0000-00000000000A"
    with WireServer(Api(table)) as server:
        snapshot = read(server)
    assert isinstance(snapshot, TableSnapshot)
    assert snapshot.row_ids == ("abcdef00-0000-0000-0000-00000000000a",)
    assert "abcdef00-0000-0000-0000-000000000002" in snapshot.states


def test_unknown_fields_and_data_of_unknown_columns_are_passed_over() -> None:
    """The API may grow."""
    table = small(1)
    table.rows[0] |= {"score": 1, "metadata": {"x": [1]}}
    table.rows[0]["data"]["left_over"] = DONE
    table.columns[1]["config"]["new_field"] = {"a": 1}
    with WireServer(Api(table)) as server:
        snapshot = read(server)
    assert isinstance(snapshot, TableSnapshot)
    assert set(snapshot.states) == {uid(2), uid(3)}


def test_missing_inputs_are_kept_a_byte_a_row() -> None:
    """`is_missing_inputs`, where it is there."""
    table = small(3)
    table.rows[1]["is_missing_inputs"] = True
    del table.rows[2]["is_missing_inputs"]
    with WireServer(Api(table)) as server:
        snapshot = read(server)
    assert isinstance(snapshot, TableSnapshot)
    assert snapshot.missing_inputs == b"\x00\x01\x00"


def test_many_tables_are_read_and_one_that_fails_keeps_to_itself() -> None:
    """The others are whole; a 404 says what it means."""
    tables = [small(5) for _ in range(20)]
    for number, table in enumerate(tables):
        table.id = uid(number)
    wanted: dict[str, frozenset[str] | None] = {uid(number): frozenset() for number in range(21)}
    with WireServer(Api(*tables)) as server, Reader(options(server.url, page_rows=2)) as reader:
        found = reader.read_tables(wanted)
    assert list(found) == list(wanted)
    lost = found.pop(uid(20))
    assert isinstance(lost, Refused)
    assert lost.status == 404
    assert "there is no such table in this workspace" in lost.message
    assert all(isinstance(one, TableSnapshot) and len(one.row_ids) == 5 for one in found.values())


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_are_out_than_allowed(concurrency: int) -> None:
    """All tables and all pages together."""
    gate = threading.Semaphore(concurrency)
    crowded = threading.Event()
    api = Api(small(20))

    def behave(exchange: Exchange) -> None:
        if not gate.acquire(blocking=False):
            crowded.set()
        api(exchange)
        gate.release()

    with WireServer(behave) as server:
        assert isinstance(read(server, page_rows=3, concurrency=concurrency), TableSnapshot)
        assert server.connections <= concurrency
    assert not crowded.is_set()


def test_pages_of_one_table_are_read_at_the_same_time() -> None:
    """No page is answered before three are asked for; pages one after another would never get there."""
    together = threading.Barrier(3, timeout=5)
    api = Api(small(7))

    def behave(exchange: Exchange) -> None:
        if exchange.request.query:
            together.wait()
        api(exchange)

    with WireServer(behave) as server:
        assert isinstance(read(server, page_rows=3), TableSnapshot)


def test_connections_are_kept_between_requests() -> None:
    """Reads may use a connection again; run calls never do."""
    with WireServer(Api(small(9))) as server:
        read(server, page_rows=2, concurrency=2)
        assert len(server.requests) == 9
        assert server.connections <= 2


@pytest.mark.parametrize(
    ("header", "page", "expected"),
    [
        (("idle", 0), ("idle", 0), ("idle", 0, CellState.PENDING_IDLE)),
        (("idle", 0), ("running", 3), ("running", 3, CellState.PENDING)),
        (("running", 5), ("idle", 0), ("running", 5, CellState.PENDING)),
        (("idle", 2), ("idle", 0), ("idle", 2, CellState.PENDING)),
        (("idle", 0), ("paused", 0), ("paused", 0, CellState.PENDING)),
    ],
)
def test_the_least_quiet_status_counts(
    header: tuple[str, int], page: tuple[str, int], expected: tuple[str, int, CellState]
) -> None:
    """A table that began to run between two answers is running, and `pending` then means in progress."""
    table = LiveTable([column(2, "a")]).add_rows([{"a": {"status": "pending", "value": None}}] * 3)

    def before(exchange: Exchange) -> bool:
        table.run_status, table.in_progress = page if exchange.request.query.get("offset") == 1 else header
        return False

    with WireServer(Api(table, before=before)) as server:
        snapshot = read(server, page_rows=2)
    assert isinstance(snapshot, TableSnapshot)
    state = CellState(snapshot.states[uid(2)][0])
    assert (snapshot.run_status, snapshot.header_in_progress, state) == expected


def drop_first(table: LiveTable) -> None:
    del table.rows[0]


def append(table: LiveTable) -> None:
    table.rows.append({"id": uid(5000 + len(table.rows)), "data": {}})


def swap_in_front(table: LiveTable) -> None:
    """The number of rows stays the same; every page after the first is shifted."""
    drop_first(table)
    append(table)


def insert_in_front_and_drop_last(table: LiveTable) -> None:
    append(table)
    table.rows.insert(0, table.rows.pop())
    table.rows.pop()


def add_a_column(table: LiveTable) -> None:
    table.columns.append(column(70 + len(table.columns), f"late{len(table.columns)}"))


def change_a_prompt(table: LiveTable) -> None:
    table.columns[1]["config"]["value"]["prompt"] += "!"


def repeat_a_row(table: LiveTable) -> None:
    table.rows[5] = table.rows[1]


MOVES = [
    drop_first, append, swap_in_front, insert_in_front_and_drop_last, add_a_column, change_a_prompt, repeat_a_row,
]  # fmt: skip


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("page_rows", [3, 500])
def test_a_table_that_moves_while_it_is_read_is_read_again(move: Any, page_rows: int) -> None:
    """The snapshot is of the table as it came to rest."""
    table = small(9)
    rows = [row["id"] for row in table.rows]

    def before(exchange: Exchange) -> bool:
        if exchange.number == 2 or (exchange.number == 1 and page_rows == 500):
            move(table)
        if move is repeat_a_row and exchange.number == (2 if page_rows == 500 else 5):
            table.rows[5] = {"id": rows[5], "data": {}}
        return False

    with WireServer(Api(table, before=before)) as server:
        snapshot = read(server, page_rows=page_rows, concurrency=1)
        assert isinstance(snapshot, TableSnapshot)
        assert snapshot.row_ids == tuple(row["id"] for row in table.rows)
        headers = [seen for seen in server.requests if not seen.query]
        # One page read at one moment is consistent in itself, whatever was swapped around it.
        assert len(headers) == (1 if page_rows == 500 and move in (swap_in_front, insert_in_front_and_drop_last) else 2)


@pytest.mark.parametrize("move", [drop_first, append, swap_in_front, add_a_column, change_a_prompt])
def test_a_table_that_never_rests_is_a_clear_error(move: Any) -> None:
    """Read three times in all, then given up with what was seen last."""
    table = small(60)

    def before(exchange: Exchange) -> bool:
        if exchange.request.query:
            move(table)
        return False

    with WireServer(Api(table, before=before)) as server:
        found = read(server, page_rows=20)
        assert isinstance(found, BadResponse)
        assert "kept changing while it was read, 3 times" in found.message
        assert found.hint
        assert len([seen for seen in server.requests if not seen.query]) == 3


def test_a_page_larger_than_asked_for_is_an_error() -> None:
    """A server that ignores `limit` is not the API that we know."""
    table = small(9)

    def before(exchange: Exchange) -> bool:
        if exchange.request.query:
            exchange.answer(200, table.page(0, 9))
            return True
        return False

    with WireServer(Api(table, before=before)) as server:
        found = read(server, page_rows=3, concurrency=1)
        assert isinstance(found, BadResponse)
        assert "a page of 3 rows was requested and 9 came" in found.message
        assert len(server.requests) == 2


def test_a_server_that_lies_about_its_size_is_not_followed() -> None:
    """A number of rows beyond any table is refused at the header."""
    table = small(1)

    def before(exchange: Exchange) -> bool:
        header = table.header()
        header["status"]["num_rows"] = 10**15
        exchange.answer(200, header)
        return True

    with WireServer(Api(before=before)) as server:
        found = read(server)
        assert isinstance(found, BadResponse)
        assert len(server.requests) == 1


def test_status_is_one_get_a_table() -> None:
    """Waiting reads headers and nothing else."""
    table = small(3)
    table.run_status, table.in_progress, table.completed = "running", 4, 2
    with WireServer(Api(table)) as server, Reader(options(server.url)) as reader:
        assert read_status(reader) == TableStatus("running", 4, 2)
        assert not read_status(reader).is_finished
        table.run_status, table.in_progress = "idle", 0
        assert read_status(reader).is_finished
        many = reader.read_statuses([TABLE, uid(77), "not an id"])
        assert isinstance(many[TABLE], TableStatus)
        assert isinstance(many[uid(77)], Refused)
        assert isinstance(many["not an id"], Refused)
        assert [seen.path for seen in server.requests].count(f"/v1/tables/{TABLE}") == 4


def test_progress_counts_tables_rows_and_requests() -> None:
    """The last word is the whole."""
    told: list[ReadProgress] = []
    tables = [small(5), small(4)]
    tables[1].id = uid(1)
    with (
        WireServer(Api(*tables)) as server,
        Reader(options(server.url, page_rows=3), on_progress=told.append) as reader,
    ):
        reader.read_tables({TABLE: frozenset(), uid(1): None})
    assert told[-1] == ReadProgress(tables_done=2, tables=2, rows=9, requests=6, rows_known=9, tables_known=2)
    assert len(told) == 6


def cells() -> st.SearchStrategy[Any]:
    """Return cells of every kind the API is known to show, and some it is not."""
    text = st.text(max_size=8)
    answer: st.SearchStrategy[Any] = st.one_of(
        st.none(), text, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.just([])
    )
    value = st.one_of(answer, st.fixed_dictionaries({}, optional={"answer": answer, "explanation": text}))
    status = st.sampled_from(["done", "failed", "pending", "in_progress", "queued", "odd"])
    whole = st.fixed_dictionaries({"status": status, "value": value})
    return st.one_of(whole, st.none(), text)


def expected_state(cell: Any, *, running: bool) -> CellState:
    """Say, as plainly as the documentation does, what a cell shows."""
    if not isinstance(cell, dict):
        return CellState.EMPTY if cell is None else CellState.DONE
    value = cell["value"]
    answer = value.get("answer") if isinstance(value, dict) else value
    has_value = answer not in (None, "", [])
    match cell["status"]:
        case "done":
            return CellState.DONE if has_value else CellState.DONE_WITHOUT_VALUE
        case "failed":
            return CellState.FAILED
        case "in_progress" | "queued":
            return CellState.IN_PROGRESS
        case "pending" if running:
            return CellState.IN_PROGRESS if has_value else CellState.PENDING
        case "pending":
            return CellState.UNKNOWN if has_value else CellState.PENDING_IDLE
    return CellState.UNKNOWN


@settings(max_examples=60)
@given(
    rows=st.lists(st.fixed_dictionaries({}, optional={"a": cells(), "b": cells(), "input": cells()}), max_size=12),
    page_rows=st.integers(1, 6),
    running=st.booleans(),
    digests=st.sampled_from([None, frozenset(), frozenset({"b"})]),
    ascii_only=st.booleans(),
)
def test_what_is_read_is_what_was_served(
    rows: list[dict[str, Any]], page_rows: int, running: bool, digests: frozenset[str] | None, ascii_only: bool
) -> None:
    """Random tables, random pages: every cell in its place, in the table's own order."""
    table = LiveTable([column(1, "input", "input"), column(2, "a"), column(3, "b")]).add_rows(rows)
    table.run_status = "running" if running else "idle"
    opened = WireServer(Api(table, ascii_only=ascii_only))
    with opened as server, Reader(options(server.url, page_rows=page_rows, concurrency=3)) as reader:
        snapshot = read_table(reader, digests)
    assert snapshot.row_ids == tuple(row["id"] for row in table.rows)
    for column_id, key in ((uid(2), "a"), (uid(3), "b")):
        states = [CellState(byte) for byte in snapshot.states[column_id]]
        assert states == [expected_state(row.get(key), running=running) for row in rows]
    assert set(snapshot.digests) == ({uid(2), uid(3)} if digests is None else {uid(3)} if digests else set())
