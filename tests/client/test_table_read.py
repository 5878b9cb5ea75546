"""Pages put together in whatever order they come: no order hides that a table moved."""

import itertools
import json

import pytest

from reconciler.client.tables.table_read import Request, TableRead
from reconciler.errors import BadResponse
from reconciler.model.observed import TableSnapshot
from tests.client.live_tables import TABLE, LiveTable, column, uid


def table(rows: int) -> LiveTable:
    return LiveTable([column(2, "a")]).add_rows([{"a": None}] * rows)


def body(shown: object) -> memoryview:
    return memoryview(json.dumps(shown).encode())


def begin(assembly: TableRead, live: LiveTable) -> list[Request]:
    """Answer the header and return the requests for pages."""
    header = assembly.next_request()
    assert header is not None
    assert assembly.next_request() is None
    assembly.take(header, header.decode(body(live.header())))
    return list(iter(assembly.next_request, None))


def give(assembly: TableRead, request: Request, live: LiveTable) -> None:
    assembly.take(request, request.decode(body(live.page(**request.query))))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_pages_may_come_in_any_order(order: tuple[int, ...]) -> None:
    """The rows stand in the table's order all the same."""
    live = table(7)
    assembly = TableRead(TABLE, None, page_rows=3)
    requests = begin(assembly, live)
    for number in order:
        assert not assembly.is_done
        give(assembly, requests[number], live)
    snapshot = assembly.result()
    assert isinstance(snapshot, TableSnapshot)
    assert snapshot.row_ids == tuple(uid(1000 + number) for number in range(7))
    assert assembly.rows_read == 7


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("shown_moved", [{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 2}])
def test_a_shift_is_seen_in_any_order(order: tuple[int, ...], shown_moved: set[int]) -> None:
    """Some pages show the table as it was, some as it is after a row went in front and one came at the end."""
    was, now = table(7), table(7)
    del now.rows[0]
    now.rows.append({"id": uid(5000), "data": {}})
    assembly = TableRead(TABLE, None, page_rows=3)
    requests = begin(assembly, was)
    for number in order:
        give(assembly, requests[number], now if number in shown_moved else was)
    assert not assembly.is_done
    assert assembly.read == 2
    assert assembly.moved == "its rows shifted between two pages"


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_row_that_goes_away_is_not_taken_for_a_small_page(number: int, is_first: bool) -> None:
    """One page lacks its last row, which went away while it was read; the counter is of the moment before, all along.

    The rest that is asked for shows it, whether it comes before the other pages or after them.
    """
    was, now = table(7), table(7)
    assembly = TableRead(TABLE, None, page_rows=3)
    requests = begin(assembly, was)
    short = requests.pop(number)
    page = was.page(**short.query)
    gone = page["rows"].pop()
    now.rows.remove(gone)
    assembly.take(short, short.decode(body(page)))
    rest = assembly.next_request()
    assert rest is not None
    for request in [rest, *requests] if is_first else [*requests, rest]:
        shown = (now if request is rest else was).page(**request.query)
        shown["status"]["num_rows"] = 7
        assembly.take(request, request.decode(body(shown)))
    assert assembly.read == 2
    assert assembly.moved in ("its rows shifted between two pages", "a page held 1 of the 2 rows that were requested")


def test_answers_to_an_earlier_read_are_dropped() -> None:
    """They are of a table that no longer exists."""
    live = table(7)
    assembly = TableRead(TABLE, None, page_rows=3)
    old = begin(assembly, live)
    live.rows.pop()
    give(assembly, old[0], live)
    assert assembly.read == 2
    new = begin(assembly, live)
    give(assembly, old[1], table(7))
    assembly.take(old[2], BadResponse("too late"))
    assert not assembly.is_done
    for request in new:
        give(assembly, request, live)
    snapshot = assembly.result()
    assert isinstance(snapshot, TableSnapshot)
    assert len(snapshot.row_ids) == 6


def test_a_page_is_large_by_what_it_will_hold() -> None:
    """Three rows are small however many were asked for; hundreds of wide ones go out alone first, to be measured."""
    small = TableRead(TABLE, None, page_rows=500)
    assert [request.is_large for request in begin(small, table(3))] == [False]
    wide = LiveTable([column(number, f"c{number}") for number in range(2, 22)]).add_rows([{}] * 2000)
    assembly = TableRead(TABLE, None, page_rows=500)
    first = begin(assembly, wide)
    assert [(request.is_large, request.query["limit"] < 500) for request in first] == [(True, True)]
    give(assembly, first[0], wide)
    rest = list(iter(assembly.next_request, None))
    assert {(request.is_large, request.query["limit"]) for request in rest} == {(False, 500)}


def test_a_large_page_waits_for_its_turn() -> None:
    """Small ones go before it."""
    wide = LiveTable([column(number, f"c{number}") for number in range(2, 22)]).add_rows([{}] * 2000)
    assembly = TableRead(TABLE, None, page_rows=500)
    header = assembly.next_request(large=False)
    assert header is not None
    assembly.take(header, header.decode(body(wide.header())))
    assert assembly.next_request(large=False) is None
    assert assembly.next_request(large=True) is not None


def test_an_error_ends_the_reading() -> None:
    """No further page is asked for, and later answers change nothing."""
    live = table(7)
    assembly = TableRead(TABLE, None, page_rows=3)
    header = assembly.next_request()
    assert header is not None
    assembly.take(header, header.decode(body(live.header())))
    first, second = assembly.next_request(), assembly.next_request()
    assert first is not None
    assert second is not None
    error = BadResponse("broken")
    assembly.take(first, error)
    assert assembly.next_request() is None
    give(assembly, second, live)
    assert assembly.result() is error
