"""An intent is a compare-and-set, an ending is kept, and a call is sent again only after it was proven unpaid."""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from reconciler.errors import Corrupt, Leased, LedgerError
from reconciler.ledger import EventKind, Ledger, codec, open_ledger
from reconciler.ledger.tables import call_rows
from reconciler.model.attempt import Ended, Ending, Receipt, Settlement, Ticket, Verdict
from reconciler.model.compact import CellMarks, PackedAnswers, PackedDigests
from reconciler.model.history import Block, CallState
from tests.ledger.calls_and_actors import (
    ALICE,
    OTHER_TABLE,
    ROBOT,
    TABLE,
    Clock,
    a_call,
    accepted,
    begin,
    ended,
    kinds,
    state_of,
)

VALUES, ANSWERS = PackedDigests.of(["0123456789abcdef"] * 3), PackedAnswers.of(["01234567"] * 3)
PACKED = {"c3": CellMarks(b"\1\0\5", VALUES, ANSWERS), "c4": CellMarks(b"\1\0\5", VALUES)}
MARKS = {"c1": ("0", "0", "7"), "c2": ("1:v1:a1", "0", "5"), **PACKED}
UNPAID = [CallState.NOT_SENT, CallState.REFUSED]


def test_an_intent_gives_a_ticket_and_advances_the_table(ledger: Ledger) -> None:
    """The first intent is attempt 1 and moves the table from version 0 to 1."""
    assert begin(ledger, a_call(), version=0) == Ticket(a_call().id, 1, 1)
    assert ledger.recall([TABLE])[TABLE].version == 1


def test_marks_are_kept_in_few_bytes_and_read_as_the_lists_that_they_were(ledger: Ledger, other: Ledger) -> None:
    """An export says them as lists, as ever."""
    begin(ledger, replace(a_call(columns=list(MARKS)), before=MARKS))
    lists = {column: list(marks) for column, marks in MARKS.items()}
    lines = list(ledger.export())[1:]
    assert [json.loads(line)["before"] for line in lines if '"type":"call"' in line] == [lists]
    packed = {column: {"packed": b64encode(marks.pack() or b"").decode()} for column, marks in PACKED.items()}
    for stored in (lists | {"c1": "007"} | packed, lists):
        with ledger._store._engine.begin() as connection:
            assert json.loads(connection.execute(call_rows.select()).one().before) == stored
            connection.execute(call_rows.update().values(before=codec.encode(lists)))
        assert other.recall([TABLE])[TABLE].calls[0].before == MARKS
        assert list(ledger.export())[1:] == lines


def test_marks_that_are_cut_off_are_an_error(ledger: Ledger, other: Ledger) -> None:
    """A call in doubt would otherwise be judged by half of them."""
    begin(ledger, replace(a_call(), before={"c1": PACKED["c3"]}))
    with ledger._store._engine.begin() as connection:
        before = connection.execute(call_rows.select()).one().before
        connection.execute(call_rows.update().values(before=before.replace("==", "AA")))
    with pytest.raises(Corrupt, match=f"call {a_call().id} cannot be read: marks are cut off"):
        other.past(a_call().id)


def test_versions_belong_to_tables(ledger: Ledger) -> None:
    """An intent for one table does not disturb a plan for another."""
    begin(ledger, a_call(1), version=0)
    assert begin(ledger, a_call(2, table=OTHER_TABLE), version=0).table_version == 1


@pytest.mark.parametrize("version", [0, 2, 99, -1])
def test_an_intent_on_another_version_is_refused(ledger: Ledger, other: Ledger, version: int) -> None:
    """Whoever planned before another apply began a call must plan again, and leaves no trace."""
    begin(other, a_call(1), version=0)
    with pytest.raises(Leased, match="another apply has begun calls"):
        begin(ledger, a_call(2), version=version)
    assert [record.id for record in ledger.calls()] == [a_call(1).id]
    assert ledger.recall([TABLE])[TABLE].version == 1


def test_an_accepted_ending_is_kept_with_its_receipt(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    """Another process reads the outcome: run id, requested cells, times."""
    ticket = begin(ledger, a_call())
    clock.now += 2
    ledger.end(ticket, accepted("run-9", 4))
    record = other.find(a_call().id)
    assert (record.state, record.run_id, record.requested_cells) == (CallState.ACCEPTED, "run-9", 4)
    assert (record.begun_at, record.ended_at, record.payments) == (clock.now - 2, clock.now, 1)
    assert kinds(other, a_call()) == [("intent", 1), ("accepted", 1)]


@pytest.mark.parametrize("state", [CallState.REFUSED, CallState.NOT_SENT, CallState.IN_DOUBT])
def test_other_endings_are_kept(ledger: Ledger, other: Ledger, state: CallState) -> None:
    """The wire's word is in the event, for people."""
    ledger.end(begin(ledger, a_call()), Ending(state, "as the wire said", 422))
    assert state_of(other, a_call()) == (state, 1)
    assert other.events(a_call().id)[-1].detail == {"status": 422, "text": "as the wire said"}


@pytest.mark.parametrize("state", UNPAID)
def test_an_unpaid_call_may_be_attempted_again(ledger: Ledger, state: CallState) -> None:
    """Not sent or refused: the same id begins attempt 2, with the newest facts and no ending yet."""
    ledger.end(begin(ledger, a_call()), ended(state))
    retry = replace(a_call(), credits=Decimal("7.5"), before={"c1": ("9", "9", "9")})
    assert begin(ledger, retry, actor=ROBOT) == Ticket(retry.id, 2, 2)
    record = ledger.find(retry.id)
    assert (record.state, record.attempt, record.actor, record.credits) == (CallState.INTENT, 2, ROBOT, Decimal("7.5"))
    assert record.ended_at is None
    assert ledger.past(retry.id).before == {"c1": ("9", "9", "9")}


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        (CallState.INTENT, Leased, "has not said how it ended"),
        (CallState.IN_DOUBT, LedgerError, "in doubt"),
        (CallState.ACCEPTED, LedgerError, "already paid for"),
    ],
)
def test_a_call_that_may_be_paid_for_is_never_begun_again(
    ledger: Ledger, other: Ledger, state: CallState, error: type[LedgerError], words: str
) -> None:
    """Not even with the right version."""
    ticket = begin(ledger, a_call())
    if state is not CallState.INTENT:
        ledger.end(ticket, ended(state))
    with pytest.raises(error, match=words):
        begin(other, a_call())
    assert state_of(ledger, a_call()) == (state, 1)
    assert ledger.recall([TABLE])[TABLE].version == 1


def test_a_call_that_does_not_say_what_it_covers_is_refused(ledger: Ledger) -> None:
    """An accepted call that covers nothing would be bought again."""
    with pytest.raises(LedgerError, match="does not say which cells"):
        begin(ledger, replace(a_call(), covered=()))
    with pytest.raises(LedgerError, match="does not say which cells"):
        begin(ledger, replace(a_call(), covered=(Block(("c1",), ("r1",)),)))


def test_one_id_is_not_used_for_two_tables(ledger: Ledger) -> None:
    """A collision of ids is an error, not an overwritten record."""
    ledger.end(begin(ledger, a_call()), ended(CallState.REFUSED))
    with pytest.raises(LedgerError, match="for another table"):
        begin(ledger, a_call(table=OTHER_TABLE))


def test_the_same_ending_again_changes_nothing(ledger: Ledger, other: Ledger) -> None:
    """A sender whose connection broke after the commit may say it again."""
    ticket = begin(ledger, a_call())
    ledger.end(ticket, accepted())
    before = list(ledger.export())[1:]
    other.end(ticket, accepted())
    assert list(ledger.export())[1:] == before


def test_an_intent_takes_the_ending_of_the_call_before_along(ledger: Ledger, other: Ledger) -> None:
    """Two facts, one transaction: what each of them alone would have left, in the same order."""
    ticket = begin(ledger, a_call(1))
    assert begin(ledger, a_call(2), version=1, ended=Ended(ticket, accepted(), a_call(1).table_id)) == Ticket(
        a_call(2).id, 1, 2
    )
    assert (state_of(other, a_call(1)), state_of(other, a_call(2))) == (
        (CallState.ACCEPTED, 1),
        (CallState.INTENT, 1),
    )
    told = [json.loads(line) for line in ledger.export()]
    happened = [(line["call_id"], line["kind"]) for line in told if "kind" in line]
    assert happened == [(a_call(1).id, "intent"), (a_call(1).id, "accepted"), (a_call(2).id, "intent")]


def _resolve(ledger: Ledger, ticket: Ticket, *, landed: bool) -> None:
    ledger.resolve(Verdict(ticket.call_id, ticket.attempt, landed=landed, reason="evidence", actor=ALICE))


BETWEEN: dict[str, Callable[[Ledger, Ticket, Ending], object]] = {
    "nothing": lambda *_: None,
    "it was told": lambda ledger, ticket, ending: ledger.end(ticket, ending),
    "it was in doubt": lambda ledger, ticket, _: ledger.end(ticket, ended(CallState.IN_DOUBT)),
    "it landed": lambda ledger, ticket, _: _resolve(ledger, ticket, landed=True),
    "it did not land": lambda ledger, ticket, _: _resolve(ledger, ticket, landed=False),
}


def _told(ledger: Ledger) -> list[dict[str, object]]:
    """Return an export, but for what names the ledger and each of its attempts."""
    return [json.loads(line) | {"token": ""} for line in list(ledger.export())[1:]]


@pytest.mark.parametrize("next_table", ["table {}", "another {}", "zone {}"])
@pytest.mark.parametrize("story", BETWEEN)
def test_an_ending_told_with_the_next_intent_leaves_what_it_leaves_by_itself(
    ledger: Ledger, clock: Clock, tmp_path: Path, story: str, next_table: str
) -> None:
    """State, payments, sums and trail: whatever happened to the call since, and however many cells were taken."""
    version = 0 if next_table != "table {}" else 3 if story == "it did not land" else 2
    with open_ledger(str(tmp_path / "apart.db"), clock=clock) as apart:
        for at, taken in enumerate((None, 2, 3, 5, 2**70)):
            one, two = a_call(10 * at + 1, table=f"table {at}"), a_call(10 * at + 2, table=next_table.format(at))
            ending = Ending(CallState.ACCEPTED, receipt=Receipt("run", taken))
            for each in (ledger, apart):
                each.end(begin(each, one, version=0), ended(CallState.NOT_SENT))
                ticket = begin(each, one, version=1)
                BETWEEN[story](each, ticket, ending)
                if each is apart:
                    each.end(ticket, ending)
                begin(each, two, version=version, ended=None if each is apart else Ended(ticket, ending, one.table_id))
        assert _told(ledger) == _told(apart)


def test_an_intent_that_is_refused_leaves_the_ending_to_be_told_again(ledger: Ledger, other: Ledger) -> None:
    """Both or neither: the call before is still open, and its ending is taken by itself."""
    ticket = begin(ledger, a_call(1))
    begin(other, a_call(3), version=1)
    with pytest.raises(Leased, match="another apply has begun calls"):
        begin(ledger, a_call(2), version=1, ended=Ended(ticket, accepted(), a_call(1).table_id))
    assert kinds(other, a_call(1)) == [("intent", 1)]
    ledger.end(ticket, accepted())
    assert state_of(other, a_call(1)) == (CallState.ACCEPTED, 1)


def test_an_ending_that_comes_too_late_begins_nothing(ledger: Ledger, other: Ledger) -> None:
    """Where a newer attempt had begun, something is wrong: the ending is kept by itself, with the complaint."""
    ticket = begin(ledger, a_call(1))
    other.resolve(Verdict(a_call(1).id, 1, landed=False, reason="evidence", actor=ALICE))
    begin(other, a_call(1))
    with pytest.raises(LedgerError, match="had begun"):
        begin(ledger, a_call(2), ended=Ended(ticket, accepted(), a_call(1).table_id))
    assert [record.id for record in ledger.calls()] == [a_call(1).id]
    with pytest.raises(LedgerError, match="had begun"):
        ledger.end(ticket, accepted())
    assert kinds(other, a_call(1))[-1] == ("accepted", 1)


def test_an_ending_without_an_intent_is_an_error(ledger: Ledger) -> None:
    """A ticket that the ledger never gave is not believed."""
    with pytest.raises(LedgerError, match="no call"):
        ledger.end(Ticket("f" * 32, 1, 1), accepted())
    begin(ledger, a_call())
    with pytest.raises(LedgerError, match="never begun"):
        ledger.end(Ticket(a_call().id, 2, 2), accepted())


def test_what_the_api_says_cannot_break_the_record(ledger: Ledger, other: Ledger) -> None:
    """A NUL, half a surrogate pair and an absurd number are no reason to lose an acceptance."""
    ticket = begin(ledger, a_call(), labels={"te\0am": "\ud800"}, plan_id="p\0\ud800")
    ledger.end(ticket, Ending(CallState.ACCEPTED, "\0\ud800", 200, Receipt("run\0\ud800", 10**40)))
    record = other.find(a_call().id)
    assert (record.state, record.run_id, record.requested_cells) == (CallState.ACCEPTED, "run\ufffd\ufffd", 2**63 - 1)
    assert record.labels == {"te\0am": "\ud800"}
    assert other.events(a_call().id)[-1].detail["requested_cells"] == 10**40


def test_a_settlement_is_kept(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    """The counts of the cells, and when; a newer count replaces it, and the same one again leaves no event."""
    ledger.end(begin(ledger, a_call()), accepted())
    assert not other.recall([TABLE])[TABLE].calls[0].settled
    clock.now += 60
    ledger.settle(a_call().id, Settlement(1, 0, 2))
    ledger.settle(a_call().id, Settlement(2, 1, 0))
    ledger.settle(a_call().id, Settlement(2, 1, 0))
    record = other.find(a_call().id)
    assert (record.settlement, record.settled_at) == (Settlement(2, 1, 0), clock.now)
    assert other.recall([TABLE])[TABLE].calls[0].settled
    assert kinds(other, a_call()) == [("intent", 1), ("accepted", 1), ("settled", 1), ("settled", 1)]


@pytest.mark.parametrize("state", [CallState.INTENT, CallState.REFUSED, CallState.NOT_SENT, CallState.IN_DOUBT])
def test_only_accepted_calls_settle(ledger: Ledger, state: CallState) -> None:
    """A call that may not have landed has no cells to count."""
    ticket = begin(ledger, a_call())
    if state is not CallState.INTENT:
        ledger.end(ticket, ended(state))
    with pytest.raises(LedgerError, match="not accepted"):
        ledger.settle(a_call().id, Settlement(3, 0, 0))


def test_the_audit_trail_says_who_did_what_when(ledger: Ledger, clock: Clock) -> None:
    """Every event has its number, attempt, time and detail."""
    ledger.end(begin(ledger, a_call(), actor=ROBOT), ended(CallState.NOT_SENT, "connection refused"))
    clock.now += 5
    begin(ledger, a_call(), actor=ALICE)
    first, second, third = ledger.events(a_call().id)
    assert [event.seq for event in (first, second, third)] == [1, 2, 3]
    assert [event.kind for event in (first, second, third)] == [EventKind.INTENT, EventKind.NOT_SENT, EventKind.INTENT]
    assert (first.at, third.at) == (clock.now - 5, clock.now)
    assert first.detail == {
        "address": "accounts/fill",
        "plan_id": "sha256:plan",
        "who": "ci",
        "ci_run": "https://ci.example/runs/7",
        "git_sha": "def5678",
        "cells": 3,
        "credits": "3",
        "table_version": 1,
    }
    assert (third.attempt, third.detail["who"]) == (2, "alice@laptop")
