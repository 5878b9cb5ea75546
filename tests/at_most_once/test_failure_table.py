"""The failure table of the spend protocol, row by row: real sockets, the command line, and what comes after."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler.ledger import open_ledger
from tests.at_most_once.small_tables import (
    CELLS,
    TIMES,
    fill,
    gate,
    history,
    kinds,
    ledger_path,
    let_pass,
    settings,
    small_table,
    states,
    two_tables,
)
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, PARTNERS, Desk

RUN_OF_ACCOUNTS = f"/v1/tables/{ACCOUNTS}/run"
BEYOND_Q = TIMES["quiet_seconds"] + 1


@dataclass(frozen=True)
class Trouble:
    """How the server treats a run call."""

    name: str
    kind: str
    more: dict[str, Any] = field(default_factory=dict)

    def befall(self, desk: Desk, path: str = RUN_OF_ACCOUNTS, times: int = 1) -> None:
        """Let it happen to the next calls on a path."""
        desk.simulator.fault(self.kind, "POST", path, times=times, **self.more)


PAID = [
    Trouble("reads, works, closes", "close_after"),
    Trouble("reads, works, resets", "reset", {"when": "after"}),
    Trouble("reads, works, hangs", "hang", {"when": "after", "seconds": 0.9}),
    Trouble("half an answer", "half"),
    Trouble("garbage", "garbage"),
    Trouble("a 200 that is not JSON", "garbled"),
    Trouble("works, then 502", "status", {"when": "after", "status": 502}),
    Trouble("trickles beyond T", "trickle", {"bytes_per_second": 150}),
]
WORKS_LATER = Trouble("hangs, works later", "hang", {"when": "before", "seconds": 2.5})
WORKS_MUCH_LATER = Trouble("hangs, works much later", "hang", {"when": "before", "seconds": 60.0})
"""Later than any test on however busy a machine looks again."""
UNPAID = [
    Trouble("closes before reading", "close_before"),
    Trouble("resets before working", "reset", {"when": "before"}),
    Trouble("500 before working", "status", {"when": "before", "status": 500}),
    Trouble("503 before working", "status", {"when": "before", "status": 503}),
    Trouble("a redirect", "status", {"when": "before", "status": 307, "headers": {"location": "/elsewhere"}}),
]


def name(trouble: Trouble) -> str:
    """Return the name that pytest shows."""
    return trouble.name


@pytest.fixture
def office(make_desk: MakeDesk) -> Desk:
    """A desk with two tables, two calls due in each."""
    return two_tables(make_desk(small_table(ACCOUNTS, 10), small_table(PARTNERS, 20)))


@pytest.mark.parametrize("trouble", [*PAID, WORKS_MUCH_LATER, *UNPAID], ids=name)
def test_a_call_without_a_clear_answer_is_in_doubt_and_not_sent_again(office: Desk, trouble: Trouble) -> None:
    """It exits 7, its table's other call is skipped, the other table goes on, and a second apply leaves it alone."""
    trouble.befall(office)
    said = office.run("apply", "--yes", "--no-wait", "--format", "json")
    assert said.code == 7
    assert [(call["address"], call["state"]) for call in said.json["calls"]] == [
        ("accounts/news", "in_doubt"),
        ("accounts/notes", "not_attempted"),
        ("partners/news", "accepted"),
        ("partners/notes", "accepted"),
    ]
    assert kinds(office, "accounts/news") == ["intent", "in_doubt"]
    sent = office.posts()
    office.simulator.advance(3)
    again = office.run("apply", "--yes", "--no-wait", "--format", "json")
    if trouble in PAID:
        # Its cells have begun: that is evidence already. Nothing is sent while the table runs, and what is due waits.
        assert (again.code, office.posts(), states(office)["accounts/news"]) == (6, sent, "accepted")
    else:
        # The table is idle. What is not in doubt goes on; what is, does not.
        assert (again.code, states(office)["accounts/news"]) == (7, "in_doubt")
        assert [call["address"] for call in again.json["calls"]] == ["accounts/notes"]
        assert len(office.posts()) == len(sent) + 1


@pytest.mark.parametrize("trouble", [*PAID, WORKS_LATER], ids=name)
def test_a_call_that_landed_is_found_out_by_its_cells(office: Desk, trouble: Trouble) -> None:
    """Once the table shows it, the call is accepted with the evidence kept; every cell is charged once."""
    trouble.befall(office)
    office.run("apply", "--yes", "--no-wait")
    deadline = time.monotonic() + 30
    while len(office.charged()) < 3 * CELLS and time.monotonic() < deadline:
        time.sleep(0.05)  # the call that works later is on its way
    office.simulator.finish()
    let_pass(office, BEYOND_Q)
    assert office.run("apply", "--yes", "--no-wait").code == 0
    evidence = history(office, "accounts/news")[-1]
    assert (evidence["kind"], evidence["detail"]["landed"]) == ("resolved", True)
    assert "was pending, is done" in evidence["detail"]["evidence"]
    assert "was pending, is done" in office.run("ledger", "show", evidence_id(office)).out
    assert (len(office.charged()), set(office.charged().values())) == (4 * CELLS, {1})
    assert set(states(office).values()) == {"accepted"}


def evidence_id(desk: Desk) -> str:
    """Return the id of the call that was in doubt."""
    calls = desk.run("ledger", "list", "--address", "accounts/news", "--format", "json").json
    return str(calls[0]["id"])


@pytest.mark.parametrize("trouble", UNPAID, ids=name)
def test_a_call_that_did_not_land_is_sent_again_once_after_q(office: Desk, trouble: Trouble) -> None:
    """An idle table with untouched cells proves it, but only when Q has passed; then it is bought exactly once."""
    trouble.befall(office)
    office.run("apply", "--yes", "--no-wait")
    let_pass(office, TIMES["quiet_seconds"] - 60)
    assert office.run("apply", "--yes", "--no-wait").code == 7
    office.simulator.finish()
    let_pass(office, 61)
    assert office.run("apply", "--yes", "--no-wait").code == 0
    assert kinds(office, "accounts/news") == ["intent", "in_doubt", "resolved", "intent", "accepted"]
    verdict = history(office, "accounts/news")[2]["detail"]
    assert (verdict["landed"], "still without a value" in verdict["evidence"]) == (False, True)
    office.simulator.finish()
    assert office.run("apply", "--yes", "--no-wait").code == 0
    assert (len(office.charged()), set(office.charged().values())) == (4 * CELLS, {1})


@pytest.mark.parametrize("status", [401, 402, 403, 429])
def test_a_refusal_that_the_next_call_would_meet_too_stops_all_spending(office: Desk, status: int) -> None:
    """No token, no credits, no quota: exit 6, nothing more is sent, nothing is in doubt."""
    Trouble("refuses", "status", {"when": "before", "status": status}).befall(office)
    said = office.run("apply", "--yes", "--no-wait", "--format", "json")
    assert (said.code, said.json["stopped"]["cause"]) == (6, "refused")
    assert [call["state"] for call in said.json["calls"]] == ["refused", *["not_attempted"] * 3]
    assert said.json["calls"][0]["status"] == status
    assert (len(office.posts()), office.charged()) == (1, {})
    assert office.run("apply", "--yes", "--no-wait").code == 0
    assert set(office.charged().values()) == {1}


@pytest.mark.parametrize("status", [400, 404, 405, 409, 410, 411, 413, 414, 415, 422])
def test_a_refusal_of_one_table_skips_its_other_calls(office: Desk, status: int) -> None:
    """The other table goes on; exit 6; the refused cells are due again at the next apply."""
    Trouble("refuses", "status", {"when": "before", "status": status}).befall(office)
    said = office.run("apply", "--yes", "--no-wait", "--format", "json")
    assert (said.code, said.json["stopped"]) == (6, None)
    assert [call["state"] for call in said.json["calls"]] == ["refused", "not_attempted", "accepted", "accepted"]
    assert kinds(office, "accounts/news") == ["intent", "refused"]
    office.simulator.finish()
    assert office.run("apply", "--yes", "--no-wait").code == 0
    assert kinds(office, "accounts/news") == ["intent", "refused", "intent", "accepted"]
    assert (len(office.charged()), set(office.charged().values())) == (4 * CELLS, {1})


def many_tables(make_desk: MakeDesk) -> tuple[Desk, list[str]]:
    """Return a desk with seven tables, a call due in each."""
    tables = [f"{number}{ACCOUNTS[1:]}" for number in range(1, 8)]
    desk = make_desk(*(small_table(table, 100 * number, 1) for number, table in enumerate(tables)))
    desk.write(settings(), "reconciler.yaml")
    for number, table in enumerate(tables):
        desk.write(fill(table, f"t{number}", keys=("news",)), f"manifests/{number}.yaml")
    return desk, tables


@pytest.mark.parametrize("trouble", [PAID[0], PAID[6], UNPAID[2]], ids=name)
def test_five_troubles_in_a_row_stop_the_apply(make_desk: MakeDesk, trouble: Trouble) -> None:
    """After five calls without a clear answer nothing more is sent."""
    desk, _ = many_tables(make_desk)
    trouble.befall(desk, "/v1/tables/*/run", times=100)
    said = desk.run("apply", "--yes", "--no-wait", "--format", "json")
    assert (said.code, said.json["stopped"]["cause"], len(desk.posts())) == (7, "trouble", 5)
    assert [call["state"] for call in said.json["calls"]] == ["in_doubt"] * 5 + ["not_attempted"] * 2


def test_four_troubles_and_a_clear_answer_do_not(make_desk: MakeDesk) -> None:
    """The count begins again with every clear answer."""
    desk, tables = many_tables(make_desk)
    for table in (*tables[:4], *tables[5:]):
        PAID[0].befall(desk, f"/v1/tables/{table}/run")
    said = desk.run("apply", "--yes", "--no-wait", "--format", "json")
    assert (said.code, said.json["stopped"], len(desk.posts())) == (7, None, 7)


def test_more_cells_accepted_than_planned_stop_the_apply(office: Desk) -> None:
    """The API started more than was planned: exit 6, nothing more is sent, and the report says how many."""
    receipt = {"id": "11111111-2222-4333-8444-555555555555", "num_requested_cells": CELLS + 1}
    office.simulator.fault("status", "POST", RUN_OF_ACCOUNTS, when="after", status=200, body=receipt, times=1)
    said = office.run("apply", "--yes", "--no-wait", "--format", "json")
    assert (said.code, said.json["stopped"]["cause"]) == (6, "overbought")
    assert "asked for 3 cells and the API accepted 4" in said.json["stopped"]["message"]
    assert (len(office.posts()), said.json["totals"]["cells_accepted"]) == (1, CELLS + 1)


def test_fewer_cells_accepted_than_planned_do_not(office: Desk) -> None:
    """A person filled cells in the meantime: that is cheaper, not wrong."""
    receipt = {"id": "11111111-2222-4333-8444-555555555555", "num_requested_cells": CELLS - 1}
    office.simulator.fault("status", "POST", RUN_OF_ACCOUNTS, when="after", status=200, body=receipt, times=1)
    assert office.run("apply", "--yes", "--no-wait").code == 0
    assert len(office.posts()) == 4


def test_a_refused_connection_is_tried_again_in_the_same_apply(office: Desk) -> None:
    """Nothing was sent, and the ledger says so; once something listens again, the same call is bought once."""
    with gate(office.simulator.url) as way:
        office.extra["EXTRUCT_API_URL"] = way.url
        way.let_in(1)  # the reads keep their one connection; the run call's own is refused

        def open_when_it_was_not_sent() -> None:
            with open_ledger(str(ledger_path(office))) as ledger:
                while not (calls := ledger.calls()) or len(ledger.events(calls[0].id)) < 2:
                    time.sleep(0.02)
            way.open_again()

        opener = threading.Thread(target=open_when_it_was_not_sent, daemon=True)
        opener.start()
        said = office.run("apply", "--yes", "--no-wait", "--format", "json")
        opener.join(5)
    assert said.code == 0
    happened = kinds(office, "accounts/news")
    assert happened[:2] == ["intent", "not_sent"]
    assert happened[-2:] == ["intent", "accepted"]
    assert (len(office.charged()), set(office.charged().values())) == (4 * CELLS, {1})


def test_connections_refused_to_the_end_exit_6(office: Desk) -> None:
    """Three attempts a call, each recorded as not sent; nothing is in doubt and nothing was paid for."""
    office.write(fill(ACCOUNTS, "accounts", keys=("news",)))
    (office.folder / "manifests" / "partners.yaml").unlink()
    with gate(office.simulator.url) as way:
        office.extra["EXTRUCT_API_URL"] = way.url
        way.let_in(1)
        said = office.run("apply", "--yes", "--no-wait", "--format", "json")
    assert said.code == 6
    assert [call["state"] for call in said.json["calls"]] == ["not_sent"]
    assert kinds(office, "accounts/news") == ["intent", "not_sent"] * 3
    assert office.posts() == []
    del office.extra["EXTRUCT_API_URL"]
    assert office.run("apply", "--yes", "--no-wait").code == 0
    assert set(office.charged().values()) == {1}


def test_a_person_ends_a_doubt_that_no_evidence_can(make_desk: MakeDesk) -> None:
    """`all` over done cells leaves no trace when it did not land: it stays in doubt until a person decides."""
    desk = two_tables(make_desk(small_table(ACCOUNTS, 10, state="done"), small_table(PARTNERS, 20, state="done")),
                      "mode: all, revision: r1")  # fmt: skip
    UNPAID[0].befall(desk)
    assert desk.run("apply", "--yes", "--no-wait").code == 7
    desk.simulator.finish()
    let_pass(desk, 10 * BEYOND_Q)
    for _ in range(2):
        assert desk.run("apply", "--yes", "--no-wait").code == 7
        desk.simulator.finish()
    call = evidence_id(desk)
    assert desk.run("ledger", "resolve", call, "--not-landed", "--reason", "no charge on the bill").code == 0
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert (len(desk.charged()), set(desk.charged().values())) == (4 * CELLS, {1})
    told = history(desk, "accounts/news")
    assert [event["kind"] for event in told] == ["intent", "in_doubt", "resolved", "intent", "accepted"]
    assert told[2]["detail"]["reason"] == "no charge on the bill"


def test_a_person_who_says_it_landed_ends_it_too(office: Desk) -> None:
    """Landed: the cells count as bought, and nothing is sent for them."""
    PAID[0].befall(office)
    office.run("apply", "--yes", "--no-wait")
    let_pass(office, 30)
    assert office.run("ledger", "resolve", evidence_id(office), "--landed", "--reason", "billed").code == 0
    assert states(office)["accounts/news"] == "accepted"
    office.simulator.finish()
    assert office.run("apply", "--yes", "--no-wait").code == 0
    assert set(office.charged().values()) == {1}


def test_a_call_that_may_be_in_flight_is_not_for_people_to_judge(office: Desk) -> None:
    """Within D + T of its beginning it cannot be known yet."""
    PAID[0].befall(office)
    office.run("apply", "--yes", "--no-wait")
    said = office.run("ledger", "resolve", evidence_id(office), "--not-landed", "--reason", "hasty")
    assert (said.code, "may still be in flight" in said.err) == (1, True)
    assert states(office)["accounts/news"] == "in_doubt"
