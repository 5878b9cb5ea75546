"""Planning gets the history it needs, people find their calls, and what was spent adds up exactly."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reconciler.errors import LedgerError, SettingsError
from reconciler.ledger import Ledger, SpendLine
from reconciler.model.attempt import Settlement
from reconciler.model.credits import Credits
from reconciler.model.history import Block, CallState, PastCall, TableHistory
from reconciler.model.ledger_entries import CallFilter
from reconciler.model.manifest import Mode
from tests.ledger.calls_and_actors import (
    ALICE,
    CONFIG,
    OTHER_TABLE,
    ROBOT,
    TABLE,
    Clock,
    a_call,
    accepted,
    begin,
    ended,
)


def test_every_table_asked_for_is_answered(ledger: Ledger) -> None:
    """A table that the ledger has never seen has version 0 and no calls; nothing is written for it."""
    begin(ledger, a_call())
    recalled = ledger.recall([OTHER_TABLE, TABLE, "x"])
    assert recalled["x"] == TableHistory("x")
    assert [recalled[table].version for table in (TABLE, OTHER_TABLE)] == [1, 0]
    assert ledger.recall([]) == {}
    assert "x" not in "".join(line for line in ledger.export() if '"type":"table"' in line)


def test_a_call_comes_back_as_it_was_recorded(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    """Covered cells exactly, configurations, marks, revision, age."""
    blocks = (Block(("c1", "c2"), ("r1", "r2", "r3")), Block(("c3",), ("r2",)))
    call = a_call(columns=("c1", "c2", "c3"), covered=blocks, mode=Mode.ALL, revision="2026-q4")
    ledger.end(begin(ledger, call), accepted())
    clock.now += 12.5
    assert other.recall([TABLE])[TABLE].calls == (
        PastCall(
            id=call.id,
            table_id=TABLE,
            mode=Mode.ALL,
            revision="2026-q4",
            state=CallState.ACCEPTED,
            attempt=1,
            settled=False,
            covered=blocks,
            configs=dict.fromkeys(("c1", "c2", "c3"), CONFIG),
            before={"c1": ("0",) * 3, "c2": ("0",) * 3, "c3": ("0",)},
            age_seconds=12.5,
            address="accounts/fill",
            credits=Decimal(3),
            actor="alice@laptop",
            plan_id="sha256:plan",
        ),
    )


def test_calls_that_bought_nothing_are_not_history(ledger: Ledger) -> None:
    """Accepted and open calls are recalled, oldest attempt first; refused and unsent ones are not."""
    for number, state in enumerate(list(CallState), 1):
        ticket = begin(ledger, a_call(number))
        if state is not CallState.INTENT:
            ledger.end(ticket, ended(state))
    begin(ledger, a_call(3))  # refused before: its second attempt is the newest intent now
    states = [(int(call.id, 16), call.state) for call in ledger.recall([TABLE])[TABLE].calls]
    assert states == [
        (1, CallState.INTENT),
        (2, CallState.ACCEPTED),
        (5, CallState.IN_DOUBT),
        (3, CallState.INTENT),
    ]


def test_many_tables_are_recalled_at_once(ledger: Ledger) -> None:
    """More than one statement may name."""
    tables = [f"table-{number}" for number in range(1100)]
    begin(ledger, a_call(table="table-1050"))
    recalled = ledger.recall(tables)
    assert len(recalled) == 1100
    assert len(recalled["table-1050"].calls) == 1


def test_a_call_is_found_by_the_start_of_its_id(ledger: Ledger) -> None:
    """In either case of letters, with spaces around, and by the whole id."""
    begin(ledger, replace(a_call(), id="abcd1234" + "0" * 24))
    begin(ledger, replace(a_call(), id="abcd9999" + "0" * 24))
    assert ledger.find("abcd1").id == "abcd1234" + "0" * 24
    assert ledger.find(" ABCD12 ").id == "abcd1234" + "0" * 24
    assert ledger.find("abcd9999" + "0" * 24).id == "abcd9999" + "0" * 24


@pytest.mark.parametrize("prefix", ["", "abc", "   a"])
def test_a_short_prefix_is_refused(ledger: Ledger, prefix: str) -> None:
    """Four characters at least."""
    with pytest.raises(LedgerError, match="too short"):
        ledger.find(prefix)


def test_an_ambiguous_prefix_lists_its_candidates(ledger: Ledger) -> None:
    """So that the person can go on without another command."""
    for number in range(12):
        begin(ledger, replace(a_call(), id=f"abcd{number:028x}"))
    with pytest.raises(LedgerError) as caught:
        ledger.find("abcd")
    lines = caught.value.message.splitlines()
    assert lines[1] == "abcd" + "0" * 28 + " (accounts/fill, intent)"
    assert (len(lines), lines[-1]) == (12, "and more")


@pytest.mark.parametrize("prefix", ["0000000g", "____", "%%%%", "ffff\\"])
def test_an_unknown_prefix_says_so(ledger: Ledger, prefix: str) -> None:
    """No character is a wildcard."""
    begin(ledger, a_call())
    with pytest.raises(LedgerError, match="no call's id starts"):
        ledger.find(prefix)


def test_calls_are_listed_newest_first(ledger: Ledger, clock: Clock) -> None:
    """By the last attempt, and by what the person asks for."""
    start = clock.now
    begin(ledger, a_call(1), labels={"team": "gtm"})
    clock.now += 10
    ledger.end(begin(ledger, a_call(2, address="accounts/retry"), labels={}), accepted())
    clock.now += 10
    begin(ledger, a_call(3, table=OTHER_TABLE, address="account_s/fill"), labels={"team": "ops"}, plan_id="sha256:b")

    def numbers(**wanted: object) -> list[int]:
        return [int(record.id, 16) for record in ledger.calls(CallFilter(**wanted))]  # type: ignore[arg-type]

    assert numbers() == [3, 2, 1]
    assert numbers(table_id=TABLE) == [2, 1]
    assert numbers(address="accounts") == [2, 1]
    assert numbers(address="accounts/retry") == [2]
    assert numbers(address="account_s") == [3]
    assert numbers(states=[CallState.INTENT]) == [3, 1]
    assert numbers(label="team") == [3, 1]
    assert numbers(label="team=gtm") == [1]
    assert numbers(label="team=g") == []
    assert numbers(plan_id="sha256:b") == [3]
    assert numbers(since=start + 10) == [3, 2]
    assert numbers(until=start + 10) == [1]
    assert numbers(limit=2) == [3, 2]
    assert numbers(label="team", limit=1) == [3]
    assert numbers(limit=0) == []


def test_spend_is_added_up_exactly(ledger: Ledger) -> None:
    """Decimals, not floats; asked-for cells before planned ones; unknown prices and doubts counted apart."""
    tenth = Decimal("0.1")
    ledger.end(begin(ledger, a_call(1, credits=tenth)), accepted(requested=2))
    ledger.end(begin(ledger, a_call(2, credits=tenth)), accepted(requested=None))
    ledger.end(begin(ledger, a_call(3, credits=tenth)), accepted(requested=3))
    ledger.end(begin(ledger, a_call(4, credits=None)), accepted(requested=3))
    ledger.end(begin(ledger, a_call(5)), ended(CallState.REFUSED))
    ledger.end(begin(ledger, a_call(6)), ended(CallState.NOT_SENT))
    ledger.end(begin(ledger, a_call(7, credits=tenth)), ended(CallState.IN_DOUBT))
    begin(ledger, a_call(8, credits=None))
    assert list(ledger.report("table")) == [
        SpendLine(
            TABLE,
            calls=4,
            cells=11,
            cost=Credits(Decimal("0.3"), unpriced_cells=3),
            in_doubt_calls=2,
            in_doubt_cells=6,
            in_doubt_cost=Credits(tenth, unpriced_cells=3),
            name="accounts",
        )
    ]


def test_spend_is_grouped_as_asked(ledger: Ledger, clock: Clock) -> None:
    """By table, manifest, run, mode, month, actor, plan and label."""
    clock.now = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    ledger.end(begin(ledger, a_call(1), labels={"team": "gtm", "tier": "1"}), accepted())
    clock.now += 1
    second = a_call(2, table=OTHER_TABLE, address="pricing/refresh", mode=Mode.ALL, revision="q1")
    ledger.end(begin(ledger, second, actor=ROBOT, labels={"team": "ops"}, plan_id="sha256:b"), accepted())
    begin(ledger, a_call(3), labels={})

    def keys(by: str, label: str | None = None) -> list[tuple[str, int, int]]:
        lines = ledger.report(by, label=label)  # type: ignore[arg-type]
        return [(line.key, line.calls, line.in_doubt_calls) for line in lines]

    assert keys("table") == [(TABLE, 1, 1), (OTHER_TABLE, 1, 0)]
    assert keys("manifest") == [("accounts", 1, 1), ("pricing", 1, 0)]
    assert keys("run") == [("accounts/fill", 1, 1), ("pricing/refresh", 1, 0)]
    assert keys("mode") == [("all", 1, 0), ("new", 1, 1)]
    assert keys("month") == [("2026-01", 1, 0), ("2026-02", 1, 1)]
    assert keys("actor") == [("alice@laptop", 1, 1), ("ci", 1, 0)]
    assert keys("plan") == [("sha256:b", 1, 0), ("sha256:plan", 1, 1)]
    assert keys("label", "team") == [("", 0, 1), ("gtm", 1, 0), ("ops", 1, 0)]
    assert keys("label") == [("", 0, 1), ("team=gtm", 1, 0), ("team=ops", 1, 0), ("tier=1", 1, 0)]
    assert keys("month", "team=ops") == [("2026-02", 1, 0)]
    assert [line.name for line in ledger.report("table")] == ["accounts", "pricing"]
    assert (ledger.report("label").total.calls, ledger.report("label").total.in_doubt_calls) == (2, 1)
    with pytest.raises(SettingsError, match="has no value"):
        ledger.report("month", label="team")


def test_spend_by_column_is_exact_in_cells_and_adds_up_in_credits(ledger: Ledger) -> None:
    """A block that leaves cells out, credits that three columns cannot share evenly, and a price that is not known."""
    columns = ("c1", "c2", "c3")
    covered = (Block(("c1",), ("r1", "r2", "r3", "r4")), Block(("c2",), ("r2",)))
    whole = a_call(1, columns=columns, rows=("r1",), credits=Decimal(1))
    part = a_call(2, columns=columns[:2], rows=("r1", "r2", "r3", "r4"), covered=covered, credits=None)
    for call in (whole, part):
        ledger.end(begin(ledger, call), accepted(requested=call.cells))
    ledger.settle(whole.id, Settlement(done=2, failed=1, not_started=0))
    found = ledger.report("column")
    assert [line.key for line in found] == list(columns)
    assert [line.cells for line in found] == [5, 2, 1]
    assert [line.cost.known for line in found] == [Decimal("0.333333"), Decimal("0.333333"), Decimal("0.333334")]
    assert [line.cost.unpriced_cells for line in found] == [4, 1, 0]
    assert [(line.done, line.failed) for line in found] == [(None, None)] * 3
    assert (found.total.done, found.total.failed, found.total.cells) == (2, 1, 8)


def test_settled_and_unsettled_calls_are_told_apart(ledger: Ledger) -> None:
    """The record of an unsettled call has no settlement rather than zeros."""
    begin(ledger, a_call(), actor=ALICE)
    assert ledger.find(a_call().id).settlement is None
