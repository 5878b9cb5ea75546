"""Settled calls are folded into a checkpoint: the ledger remembers the same, and a recall reads little of it."""

import json
import zlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from reconciler.errors import Corrupt, Leased, LedgerError
from reconciler.ledger import Ledger, open_ledger
from reconciler.ledger.tables import checkpoints
from reconciler.model.attempt import Settlement
from reconciler.model.history import Block, PastCall
from reconciler.model.manifest import Mode
from reconciler.model.plan import Call
from tests.ledger.calls_and_actors import ALICE, CONFIG, OTHER_TABLE, TABLE, Clock, a_call, accepted, begin

ROWS = [f"00000000-0000-4000-8000-{number:012x}" for number in range(300)]


def buy(
    ledger: Ledger, number: int, rows: Sequence[str], *, settled: bool = True, plan_id: str = "sha256:plan"
) -> Call:
    """Buy two columns of some rows."""
    call = a_call(number, rows=rows, columns=("c1", "c2"), mode=Mode.ALL, revision="r1")
    ledger.end(begin(ledger, call, plan_id=plan_id), accepted())
    if settled:
        ledger.settle(call.id, Settlement(2 * len(rows), 0, 0))
    return call


def test_a_recall_reads_a_checkpoint_and_the_calls_beside_it(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    """Folded calls are known by the cell; a call that is not settled is as before; the version stays."""
    for number in range(1, 4):
        buy(ledger, number, ROWS[:100])
        clock.now += 10
    left = buy(ledger, 4, ROWS[50:150], settled=False)
    version = ledger.recall([TABLE])[TABLE].version
    assert (ledger.compact(TABLE), ledger.compact(TABLE)) == (3, 0)
    history = other.recall([TABLE])[TABLE]
    assert ([call.id for call in history.calls], history.version) == ([left.id], version)
    assert [history.checkpoint.holds(number) for number in range(6)] == [False, True, True, True, False, False]
    assert set(history.checkpoint.bought("c2")) == {3}
    (last,) = history.checkpoint.last("c1")[1]
    assert (history.checkpoint.age_of(last.begun), last.config) == (10, CONFIG)
    portions = [(each.version, list(each.rows)) for each in history.checkpoint.portions("c1", Mode.ALL, "r1", CONFIG)]
    assert portions == [(1, list(range(100)))]


def test_a_call_without_a_configuration_keeps_its_revision(ledger: Ledger) -> None:
    """An export may hold one; its cells were bought all the same."""
    call = replace(a_call(1, rows=ROWS[:3], mode=Mode.ALL, revision="r1"), configs={})
    ledger.end(begin(ledger, call), accepted())
    ledger.settle(call.id, Settlement(3, 0, 0))
    ledger.compact(TABLE)
    (portion,) = ledger.recall([TABLE])[TABLE].checkpoint.at_revision("c1", "r1")
    assert list(portion.rows) == [0, 1, 2]


def test_the_trail_of_a_folded_call_stays(ledger: Ledger) -> None:
    """Its record, its events, its cells, and what was spent."""
    call = buy(ledger, 1, ROWS[:5])
    before = (ledger.past(call.id), ledger.calls(), ledger.events(call.id), ledger.report("month"))
    ledger.compact(TABLE)
    assert (ledger.past(call.id), ledger.calls(), ledger.events(call.id), ledger.report("month")) == before
    assert ledger.past(call.id).covered == call.covered


def test_only_what_is_settled_is_folded(ledger: Ledger) -> None:
    """A call of which more may be said stays a call, and what stands behind it is folded all the same."""
    buy(ledger, 1, ROWS[:5], settled=False)
    begin(ledger, a_call(2))
    buy(ledger, 3, ROWS[:5])
    assert ledger.compact(TABLE) == 1
    assert [call.version for call in ledger.recall([TABLE])[TABLE].calls] == [1, 2]


def test_nothing_is_folded_under_an_apply(ledger: Ledger, other: Ledger) -> None:
    """But by that apply."""
    buy(ledger, 1, ROWS[:5])
    (lease,) = other.acquire([TABLE], owner="one", actor=ALICE, seconds=60)
    with pytest.raises(Leased):
        ledger.compact(TABLE)
    with pytest.raises(Leased):
        ledger.compact(TABLE, lease=replace(lease, owner="two", fence=lease.fence + 1))
    assert other.compact(TABLE, lease=lease) == 1


def test_an_apply_folds_once_enough_has_gathered(ledger: Ledger) -> None:
    """A hundred calls, however small."""
    for number in range(1, 100):
        buy(ledger, number, ROWS[number : number + 1])
    assert ledger.ripe_to_compact([TABLE]) == []
    buy(ledger, 100, ROWS[:1])
    assert ledger.ripe_to_compact([OTHER_TABLE, TABLE]) == [TABLE]
    assert ledger.compact(TABLE) == 100
    assert ledger.tables_to_compact() == []


def test_large_calls_are_folded_a_few_at_a_time(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred calls of 100,000 cells at once would lock the file for longer than another apply waits for it."""
    monkeypatch.setattr("reconciler.ledger.checkpoints.MOST_CELLS", 24)
    for number, size in enumerate((6, 6, 1, 15, 2, 2), 1):
        buy(ledger, number, ROWS[:size])
    left: list[int] = []

    def look() -> bool:
        left.append(len(ledger.recall([TABLE])[TABLE].calls))
        return False

    ledger.compact(TABLE, is_stopped=look)
    assert left == [6, 4, 3, 2, 0]


def told(call: PastCall) -> tuple[Sequence[Block], Mode, str | None, str, Decimal | None]:
    """Return what an approval needs of a call."""
    return call.covered, call.mode, call.revision, call.address, call.credits


def test_the_calls_under_a_plan_can_be_told_apart(ledger: Ledger) -> None:
    """A saved plan is used up by what was bought under it, folded or not, in however many turns."""
    buy(ledger, 1, ROWS[:5], plan_id="mine")
    ledger.compact(TABLE)
    buy(ledger, 2, ROWS[3:9], plan_id="mine")
    buy(ledger, 3, ROWS[:2], plan_id="another")
    ledger.compact(TABLE)
    buy(ledger, 4, ROWS[9:10], plan_id="mine", settled=False)
    history = ledger.recall([TABLE], plan_id="mine")[TABLE]
    found = [told(call) for call in history.under("mine")]
    assert found == [told(ledger.past(a_call(number).id)) for number in (1, 2, 4)]
    assert [call.version for call in ledger.recall([TABLE])[TABLE].under("mine")] == [4]


def test_rows_are_listed_once_however_they_are_spelled(ledger: Ledger) -> None:
    """Ids that are no UUIDs as the API spells them are rows, too."""
    for number, rows in enumerate((["r1", "r2"], ROWS[:2], [ROWS[10].upper(), "r2"], ROWS[1:3]), 1):
        buy(ledger, number, rows)
        assert ledger.compact(TABLE) == 1
    history = ledger.recall([TABLE])[TABLE]
    assert list(history.checkpoint.rows) == ["r1", "r2", *ROWS[:2], ROWS[10].upper(), ROWS[2]]
    assert list(history.checkpoint.bought("c1")) == [1, 2, 1, 2, 1, 1]
    assert ledger.past(a_call(3).id).covered == (Block(("c1", "c2"), (ROWS[10].upper(), "r2")),)


def test_a_damaged_checkpoint_is_an_error(ledger: Ledger) -> None:
    """Half of what was bought would otherwise be bought again."""
    buy(ledger, 1, ROWS[:5])
    ledger.compact(TABLE)
    with ledger._store._engine.begin() as connection:
        content = connection.execute(checkpoints.select()).one().content
        connection.execute(checkpoints.update().values(content=content[:-1] + bytes([content[-1] ^ 1])))
    with pytest.raises(Corrupt, match=f"checkpoint {TABLE} cannot be read"):
        ledger.recall([TABLE])


def test_an_export_carries_checkpoints(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    """Into a ledger that does not have the table; one that has it goes on with its own."""
    for number in range(1, 4):
        buy(ledger, number, ROWS[:20], plan_id="mine")
        clock.now += 10
    unfolded = list(ledger.export())
    ledger.compact(TABLE)
    folded = list(ledger.export())
    with open_ledger(str(tmp_path / "folded.db"), clock=clock) as copy:
        assert copy.load(folded).calls == 3
        assert list(copy.export())[1:] == folded[1:]
        assert copy.recall([TABLE], plan_id="mine") == ledger.recall([TABLE], plan_id="mine")
        assert copy.load(unfolded).calls == 0
        assert copy.past(a_call(2).id) == ledger.past(a_call(2).id)
    with open_ledger(str(tmp_path / "unfolded.db"), clock=clock) as copy:
        assert copy.load(unfolded).calls == 3
        assert copy.load(folded).calls == 0
        assert len(copy.recall([TABLE])[TABLE].calls) == copy.compact(TABLE) == 3
        assert copy.recall([TABLE], plan_id="mine") == ledger.recall([TABLE], plan_id="mine")


@pytest.mark.parametrize(
    "content",
    ["oops", "5", "[1]", '[[1,"a/b","all","r1","a lot",[]]]', '[[1,"a/b","all","r1","1",[[["c1"],[[0,999]]]]]]'],
)
def test_an_approval_that_cannot_be_read_is_not_imported(
    ledger: Ledger, clock: Clock, tmp_path: Path, content: str
) -> None:
    """The apply of that plan would end in an error that sends people to a backup."""
    buy(ledger, 1, ROWS[:5], plan_id="mine")
    ledger.compact(TABLE)
    lines = []
    for line in ledger.export():
        entry = json.loads(line)
        if entry["type"] == "approval":
            entry["content"] = b64encode(zlib.compress(content.encode())).decode()
        lines.append(json.dumps(entry))
    with (
        open_ledger(str(tmp_path / "copy.db"), clock=clock) as copy,
        pytest.raises(LedgerError, match="the approval of plan mine cannot be read"),
    ):
        copy.load(lines)
