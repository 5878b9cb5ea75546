"""The guide's table of what a run call may meet, row by row: outcome, what comes next, exit code, and the bill."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from reconciler.simulator.live import LiveSimulator
from reconciler.spending.protocol import MOST_ATTEMPTS, MOST_TROUBLES, REFUSALS, STOPS_ALL_SPENDING
from tests.at_most_once.small_tables import CELLS, ledger_path, small_table, two_tables
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, PARTNERS, Desk

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "reconciler" / "ledger" / "README.md").read_text(encoding="utf-8")
ROWS = {
    cells[0]: tuple(cells[1:])
    for line in GUIDE.partition("| what the request met |")[2].partition("\n\n")[0].splitlines()[2:]
    if (cells := [cell.strip() for cell in line.strip("|").split("|")])
}
"""Circumstance → outcome, next step, exit code."""
RUN = f"/v1/tables/{ACCOUNTS}/run"
OTHERS = "any other status: 1xx, 3xx, 408, 425, 460, 499, 5xx, …"
ELSEWHERE = {
    "no connection: refused, name not found, TLS": "test_connections_refused_to_the_end_exit_6",
    "a ledger that records the intent too late (D)": "test_r3_the_post_starts_within_d",
    "no clear answer to five calls in a row": "test_five_troubles_in_a_row_stop_the_apply",
    "another apply that works on the table": "test_a_second_apply_says_who_holds_the_table",
    "a [budget](../cli/README.md#limits) would be passed, because another apply spent since the plan": (
        "test_a_budget_holds_against_a_purchase_after_the_plan"
    ),
    "a first SIGINT, SIGTERM or SIGHUP": "test_the_call_in_flight_is_finished_and_recorded",
    "a second one": "test_a_second_signal_ends_the_waiting_for_the_call_in_flight",
    "SIGKILL, a power cut": "test_a_kill_at_any_point_of_apply_buys_nothing_twice_and_loses_nothing",
}
"""Rows that take more than an answer, and the tests that play them."""


def statuses_of(row: str) -> set[int]:
    """Return the statuses that a row names in full."""
    return {int(number) for number in re.findall(r"\b[1-9][0-9][0-9]\b", row)}


def row_of(status: int) -> str:
    """Return the row that a status falls under."""
    return next((row for row in ROWS if status in statuses_of(row)), OTHERS)


def receipt(cells: int) -> dict[str, object]:
    """Return what the API says of an accepted call."""
    return {"id": "11111111-2222-4333-8444-555555555555", "num_requested_cells": cells}


def refuse_to_record(desk: Desk, condition: str) -> None:
    """Let the ledger fail at what a condition says of a call's new row."""
    desk.run("ledger", "init")
    with sqlite3.connect(ledger_path(desk)) as connection:
        for event in ("INSERT ON", "UPDATE ON"):
            name = event.partition(" ")[0]
            connection.execute(
                f"CREATE TRIGGER no_{name} BEFORE {event} calls WHEN {condition} BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
    connection.close()


def answers(status: int, when: str, body: object = None) -> Callable[[Desk], None]:
    """Return what lets the first call get a status, before or after the work."""
    more = {} if body is None else {"body": body}
    return lambda desk: _fault(desk.simulator, "status", status=status, when=when, **more)


def meets(kind: str, **more: object) -> Callable[[Desk], None]:
    """Return what lets the first call meet a fault."""
    return lambda desk: _fault(desk.simulator, kind, **more)


def _fault(simulator: LiveSimulator, kind: str, **more: object) -> None:
    simulator.fault(kind, "POST", RUN, times=1, **more)


def plays() -> Iterator[tuple[str, str, Callable[[Desk], None]]]:
    """Yield rows, what is played of each, and how."""
    yield "2xx with a receipt", "200", lambda _desk: None
    for status in (201, 202):
        yield "2xx with a receipt", str(status), answers(status, "after", receipt(CELLS))
    yield "2xx with a receipt for more cells than planned", "200", answers(200, "after", receipt(CELLS + 1))
    for row in ROWS:
        if "2xx" not in row and row != OTHERS:
            for status in sorted(statuses_of(row)):
                yield row, str(status), answers(status, "before")
    known = {status.value for status in HTTPStatus} | statuses_of(OTHERS) | {418, 444, 520, 524, 599}
    for status in sorted(status for status in known - REFUSALS if status >= 300):
        yield OTHERS, str(status), answers(status, "after")
    unread = "2xx without a receipt, or one that breaks off"
    yield unread, "204", answers(204, "after", "")
    yield unread, "garbled", meets("garbled")
    yield unread, "half", meets("half")
    broken = "a connection that closes, resets or falls silent; an answer that is not HTTP"
    yield broken, "closes", meets("close_after")
    yield broken, "resets", meets("reset", when="after")
    yield broken, "falls silent", meets("hang", when="after", seconds=0.9)
    yield broken, "garbage", meets("garbage")
    yield "a ledger that does not take the intent", "", lambda desk: refuse_to_record(desk, "NEW.state = 'intent'")
    yield "a ledger that does not take the outcome", "", lambda desk: refuse_to_record(desk, "NEW.state != 'intent'")


PLAYS = list(plays())


@pytest.fixture
def office(make_desk: MakeDesk) -> Desk:
    """A desk with two tables, two calls due in each."""
    return two_tables(make_desk(small_table(ACCOUNTS, 10), small_table(PARTNERS, 20)))


@pytest.mark.parametrize(("row", "befall"), [(row, how) for row, _, how in PLAYS],
                         ids=[f"{row} {what}".strip() for row, what, _ in PLAYS])  # fmt: skip
def test_what_a_run_call_meets_ends_as_the_table_says(office: Desk, row: str, befall: Callable[[Desk], None]) -> None:
    """The first call meets it; outcome, the other calls and the exit code are the row's, and no cell is paid twice."""
    outcome, then, code = ROWS[row]
    befall(office)
    said = office.run("apply", "--yes", "--no-wait", "--format", "json")
    assert said.code == int(code.split(",")[0])
    state, *others = [call["state"] for call in said.json["calls"]]
    if outcome.startswith("`"):
        assert state == outcome.strip("`")
    else:
        assert (state, "keep it yourself" in said.err) == ("accepted", True)
    assert (
        others
        == {
            "goes on": ["accepted"] * 3,
            "stops all sending": ["not_attempted"] * 3,
            "skips that table's other calls": ["not_attempted", "accepted", "accepted"],
        }[then]
    )
    sent = len(office.posts())
    assert sent == (0 if state == "not_attempted" else 1 + others.count("accepted"))
    paid = office.charged()
    assert set(paid.values()) <= {1}
    office.simulator.finish()
    office.run("apply", "--yes", "--no-wait")
    office.simulator.finish()
    assert set(office.charged().values()) <= {1}
    if state == "in_doubt" and paid:
        assert office.charged().items() >= paid.items()


def test_every_row_is_played() -> None:
    """Here, or by a test that exists."""
    assert {row for row, _, _ in PLAYS} | ELSEWHERE.keys() == ROWS.keys()
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in ELSEWHERE.values() if f"def {name}(" not in written] == []


def test_the_rows_are_the_lists_of_the_code() -> None:
    """Which statuses refuse, which of them stop everything, and the numbers that are words there."""
    refusing = {row: statuses_of(row) for row, (outcome, _, _) in ROWS.items() if outcome == "`refused`"}
    assert set().union(*refusing.values()) == REFUSALS
    assert next(found for row, found in refusing.items() if ROWS[row][1] == "stops all sending") == STOPS_ALL_SPENDING
    assert {row_of(status) for status in range(300, 1000) if status not in REFUSALS} == {OTHERS}
    words = {3: "three", 5: "five"}
    assert f"{words[MOST_ATTEMPTS]} times in all" in GUIDE
    assert f"no clear answer to {words[MOST_TROUBLES]} calls in a row" in GUIDE
