"""A ledger moves between stores as JSON lines with nothing lost, and an import never changes what is there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import LedgerError, TooNew
from reconciler.ledger import Ledger, Loaded, open_ledger
from reconciler.model.attempt import Settlement, Verdict
from reconciler.model.history import Block, CallState
from reconciler.model.manifest import Mode
from tests.ledger.calls_and_actors import ALICE, OTHER_TABLE, ROBOT, TABLE, Clock, a_call, accepted, begin, ended
from tests.postgres import fresh_database


def _fill(ledger: Ledger, clock: Clock) -> None:
    """Every state, event, kind of value and shape of call."""
    for number, state in enumerate(CallState, 1):
        ticket = begin(ledger, a_call(number))
        clock.now += 1 / 3
        if state is not CallState.INTENT:
            ledger.end(ticket, ended(state))
    begin(ledger, a_call(3))
    ledger.settle(a_call(2).id, Settlement(2, 1, 0))
    ledger.resolve(Verdict(a_call(5).id, 1, landed=False, reason="quiet ✓", actor=ROBOT, evidence="idle"))
    blocks = (Block(("c1", "c2"), ("r1", "r2")), Block(("c3",), ("r2",)))
    shaped = a_call(
        9, table=OTHER_TABLE, columns=("c1", "c2", "c3"), covered=blocks, mode=Mode.ALL, revision="2026", credits=None
    )
    begin(ledger, shaped, labels={"b": "2", "a": "\0\ud800"})
    ledger.acquire([TABLE, "leased-only"], owner="one", actor=ROBOT, seconds=60)
    ledger.force_release(TABLE, reason="dead", actor=ALICE)


def _content(ledger: Ledger) -> list[str]:
    """Everything but the header, which holds the time of the export."""
    return list(ledger.export())[1:]


def test_a_ledger_goes_to_the_other_store_and_back(postgres_server: str, tmp_path: Path, clock: Clock) -> None:
    """SQLite → PostgreSQL → SQLite: the same bytes, the same answers."""
    with (
        open_ledger(str(tmp_path / "first.db"), clock=clock) as first,
        open_ledger(fresh_database(postgres_server), clock=clock) as second,
        open_ledger(str(tmp_path / "third.db"), clock=clock) as third,
    ):
        _fill(first, clock)
        second.initialise()
        assert second.load(first.export()) == Loaded(tables=3, calls=6, events=14)
        third.load(second.export())
        assert _content(first) == _content(second) == _content(third)
        tables = [TABLE, OTHER_TABLE]
        assert first.recall(tables) == second.recall(tables) == third.recall(tables)
        assert first.calls() == second.calls() == third.calls()
        assert first.report("label") == second.report("label") == third.report("label")


def test_an_import_can_be_repeated(ledger: Ledger, tmp_path: Path, clock: Clock) -> None:
    """The second time there is nothing to add."""
    with open_ledger(str(tmp_path / "source.db"), clock=clock) as source:
        _fill(source, clock)
        lines = list(source.export())
    ledger.load(lines)
    before = _content(ledger)
    assert ledger.load(lines) == Loaded(0, 0, 0)
    assert _content(ledger) == before


def test_work_goes_on_in_the_new_store(ledger: Ledger, tmp_path: Path, clock: Clock) -> None:
    """Versions, attempts and fences continue where they were."""
    with open_ledger(str(tmp_path / "source.db"), clock=clock) as source:
        _fill(source, clock)
        version = source.recall([TABLE])[TABLE].version
        ledger.load(source.export())
    assert begin(ledger, a_call(4), version=version).attempt == 2
    assert ledger.acquire([TABLE], owner="two", actor=ALICE, seconds=60)[0].fence == 3


def test_leases_stay_behind(ledger: Ledger, tmp_path: Path, clock: Clock) -> None:
    """They run by the other store's clock."""
    with open_ledger(str(tmp_path / "source.db"), clock=clock) as source:
        source.acquire([TABLE], owner="one", actor=ALICE, seconds=60)
        ledger.load(source.export())
    assert ledger.leases() == []


def test_conflicting_content_is_refused_whole(ledger: Ledger, other: Ledger, tmp_path: Path, clock: Clock) -> None:
    """A call that ended differently here: nothing at all is imported."""
    with open_ledger(str(tmp_path / "source.db"), clock=clock) as source:
        ticket = begin(source, a_call(1))
        ledger.load(source.export())
        source.end(ticket, accepted())
        begin(source, a_call(2, table=OTHER_TABLE))
        before = _content(ledger)
        with pytest.raises(LedgerError, match=r"holds call .* differently: ended_at, payments, requested"):
            ledger.load(source.export())
    assert _content(other) == before


def test_a_table_that_moved_on_is_refused(ledger: Ledger, tmp_path: Path, clock: Clock) -> None:
    """Two ledgers that both began calls for one table cannot be one."""
    begin(ledger, a_call(1))
    begin(ledger, a_call(2))
    with open_ledger(str(tmp_path / "source.db"), clock=clock) as source:
        begin(source, a_call(1))
        with pytest.raises(LedgerError, match=r"holds table .* differently: version"):
            ledger.load(source.export())


def _edit(change: Callable[[dict[str, object]], object], kind: str = "call") -> Callable[[list[str]], list[str]]:
    """Change every line of a kind."""

    def edited(lines: list[str]) -> list[str]:
        entries = [json.loads(line) for line in lines]
        for entry in entries:
            if entry["type"] == kind:
                change(entry)
        return [json.dumps(entry) for entry in entries]

    return edited


BROKEN: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "empty": (lambda lines: [], "cut off"),
    "cut off": (lambda lines: lines[:-1], "cut off"),
    "line lost": (lambda lines: lines[:-2] + lines[-1:], "should hold"),
    "line doubled": (lambda lines: [*lines[:2], *lines[1:]], "twice"),
    "goes on": (lambda lines: lines + lines[-1:], "goes on"),
    "not ours": (lambda lines: ['{"hello": 1}'], "not an export"),
    "no type": (lambda lines: [lines[0], '{"type": ["cell"]}'], "does not say its type"),
    "not JSON": (lambda lines: [lines[0], "{oops"], "line 2 is not JSON"),
    "deep": (lambda lines: [lines[0], "[" * 100_000], "line 2 is not JSON"),
    "a list": (lambda lines: [lines[0], "[]"], "line 2 is not a JSON object"),
    "unknown kind": (lambda lines: [lines[0], '{"type": "cell"}'], "does not hold entries of type `cell`"),
    "no table": (lambda lines: [line for line in lines if '"type":"table"' not in line], "contradicts|should hold"),
    "unknown field": (_edit(lambda call: call.update(extra=1)), "extra"),
    "missing field": (_edit(lambda call: call.pop("cells")), "cells"),
    "wrong state": (_edit(lambda call: call.update(state="settled")), "state cannot be"),
    "wrong mode": (_edit(lambda call: call.update(mode=3)), "mode cannot be"),
    "wrong reason": (_edit(lambda call: call.update(reason="because")), "reason cannot be"),
    "text for number": (_edit(lambda call: call.update(cells="3")), "cells cannot be"),
    "truth for number": (_edit(lambda call: call.update(cells=True)), "cells cannot be"),
    "huge number": (_edit(lambda call: call.update(requested_cells=10**30)), "requested_cells cannot be"),
    "infinite time": (_edit(lambda call: call.update(begun_at=float("inf"))), "begun_at cannot be"),
    "no time": (_edit(lambda call: call.update(begun_at=None)), "begun_at cannot be"),
    "price": (_edit(lambda call: call.update(credits="a lot")), "credits cannot be"),
    "infinite price": (_edit(lambda call: call.update(credits="Infinity")), "credits cannot be"),
    "endless price": (_edit(lambda call: call.update(credits="1E+999999")), "credits cannot be"),
    "price below zero": (_edit(lambda call: call.update(credits="-1")), "credits cannot be"),
    "no such year": (_edit(lambda call: call.update(begun_at=1e300)), "begun_at cannot be"),
    "place before the first": (_edit(lambda call: call.update(table_version=-5)), "table_version cannot be"),
    "number for a row": (_edit(lambda call: call.update(rows=["r1", 2])), "rows cannot be"),
    "list for a column": (_edit(lambda call: call.update(columns=[[]])), "columns cannot be"),
    "a key too few": (_edit(lambda call: call.update(column_keys=[])), "contradict themselves"),
    "map for a configuration": (_edit(lambda call: call.update(configs={"c1": {}})), "configs cannot be"),
    "list for a label": (_edit(lambda call: call.update(labels={"team": []})), "labels cannot be"),
    "no block": (_edit(lambda call: call.update(covered=[1])), "covered cannot be"),
    "block of nothing": (_edit(lambda call: call.update(covered=[{}])), "covered cannot be"),
    "unknown mark": (_edit(lambda call: call.update(before={"c1": ["99"]})), "before cannot be"),
    "no number in a detail": (_edit(lambda event: event.update(detail={"status": float("nan")}), "event"), "detail"),
    "odd answers": (_edit(lambda event: event.update(detail={"yield": {"c1": 5}}), "event"), "detail cannot be"),
    "map for list": (_edit(lambda call: call.update(rows={})), "rows cannot be"),
    "marks": (_edit(lambda call: call.update(before={"c1": 5})), "before cannot be"),
    "a mark": (_edit(lambda call: call.update(before={"c1": ["0", 0, "0"]})), "before cannot be"),
    "NUL": (_edit(lambda call: call.update(address="a\0b")), "address cannot be"),
}


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The lines of a ledger with one call."""
    with open_ledger(str(tmp_path_factory.mktemp("export") / "source.db"), clock=Clock()) as source:
        begin(source, a_call())
        return tuple(source.export())


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_export_is_refused_whole(ledger: Ledger, export: tuple[str, ...], fault: str) -> None:
    """Each with its reason, none with half an import."""
    damage, words = BROKEN[fault]
    with pytest.raises(LedgerError, match=words):
        ledger.load(damage(list(export)))
    assert _content(ledger) == ['{"type":"end","table":0,"call":0,"event":0}']


def test_an_export_of_a_newer_program_is_refused(ledger: Ledger) -> None:
    """With what to do about it."""
    with pytest.raises(TooNew) as caught:
        ledger.load(['{"type": "reconciler-ledger", "schema": 99}'])
    assert "pip install --upgrade" in caught.value.hint


def test_a_ledger_that_does_not_exist_exports_as_empty(tmp_path: Path) -> None:
    """And is not created by it."""
    with open_ledger(str(tmp_path / "none.db")) as ledger:
        assert _content(ledger) == ['{"type":"end","table":0,"call":0,"event":0}']
    assert list(tmp_path.iterdir()) == []
