"""Cells that were run by hand are taken over: the first `all` buys the rest, and the ledger is honest about them."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Leased
from reconciler.ledger import Ledger, open_ledger
from reconciler.model.compact import RowIndex
from reconciler.model.history import CallState, PastCall, TableHistory
from reconciler.model.observed import TableSnapshot
from reconciler.model.plan import Call, Reason
from reconciler.planning import adoption
from reconciler.planning.cell_decision import DONE_STATES
from reconciler.planning.ledger_view import LedgerView
from tests.adoption.test_import import FILE
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, Desk, accounts, row_id
from tests.ledger.calls_and_actors import ALICE, ROBOT, a_call, begin
from tests.planning.tables_and_manifests import TABLE, a_column, a_table

DONE = {("news", 1), ("news", 5), ("notes", 1), ("notes", 3)}
REST = {(column, row_id(row)) for column in ("news", "notes") for row in range(1, 7) if (column, row) not in DONE}


@pytest.fixture
def office(make_desk: MakeDesk) -> Desk:
    """Return a desk over the accounts table, of whose twelve cells four are done, and no manifest."""
    return make_desk(accounts())


def past(ledger: Ledger) -> TableHistory:
    """Return what the ledger remembers of the table."""
    return ledger.recall([TABLE])[TABLE]


def memory_of(snapshot: TableSnapshot, history: TableHistory) -> LedgerView:
    """Lay a history over a table."""
    return LedgerView(history, snapshot, RowIndex(snapshot.row_ids), 180.0)


def test_the_first_all_buys_what_is_not_done(office: Desk) -> None:
    """Each cell that was not done is charged once, none that was; then nothing is due at that revision."""
    said = office.run("import", ACCOUNTS, "--adopt", "2026-q4")
    assert (said.code, "4 cells adopted at 2026-q4, 8 cells not done" in said.out) == (0, True)
    assert office.posts() == []
    assert office.run("apply", "--yes", "--no-wait").code == 0
    assert office.charged() == dict.fromkeys(REST, 1)
    office.simulator.finish()
    assert office.run("apply", "--yes", "--no-wait", "--detailed-exitcode").code == 0
    assert office.charged() == dict.fromkeys(REST, 1)


def test_the_next_revision_buys_every_cell(office: Desk) -> None:
    """An adopted cell counts at its revision and at no other."""
    office.run("import", ACCOUNTS, "--adopt", "r1")
    path = office.folder / FILE
    path.write_text(path.read_text().replace("revision: r1", "revision: r2"))
    assert office.run("plan", "--format", "json").json["totals"]["cells"] == 12


def test_adopting_twice_changes_nothing(office: Desk) -> None:
    """Neither manifest nor ledger; what was done by hand since is adopted too."""
    office.run("import", ACCOUNTS, "--adopt", "r1")
    before = office.run("ledger", "export").out.splitlines()[1:]
    said = office.run("import", ACCOUNTS, "--adopt", "r1")
    assert (said.code, "unchanged" in said.out, "nothing new to adopt" in said.out) == (0, True, True)
    assert office.run("ledger", "export").out.splitlines()[1:] == before
    with office.simulator.state.lock:
        table = office.simulator.state.find(ACCOUNTS)
        office.simulator.state.run(table, "new", [row_id(4)], None)
    office.simulator.finish()
    assert "2 cells adopted" in office.run("import", ACCOUNTS, "--adopt", "r1").out


def test_what_is_adopted_is_never_spend(office: Desk) -> None:
    """`ledger` lists it as adopted, at no credits, and reports nothing spent."""
    office.run("import", ACCOUNTS, "--adopt", "r1")
    (call,) = office.run("ledger", "list", "--format", "json").json
    assert (call["state"], call["reason"], call["cells"], call["credits"]) == ("adopted", "adopted", 4, 0)
    assert call["address"] == "target-accounts/refresh"
    assert office.run("ledger", "list", "--state", "accepted").out == "No calls.\n"
    assert office.run("ledger", "list", "--state", "adopted").out.count("adopted") == 1
    shown = office.run("ledger", "show", call["id"]).out
    assert "imported with --adopt r1" in shown
    for by in ("manifest", "month", "actor", "label", "table", "plan"):
        assert office.run("ledger", "report", "--by", by).out == "Nothing was spent.\n"


def test_a_running_table_is_not_adopted(office: Desk) -> None:
    """Cells in progress would be bought a second time; neither ledger nor manifest is written."""
    with office.simulator.state.lock:
        office.simulator.state.run(office.simulator.state.find(ACCOUNTS), "new", None, None)
    said = office.run("import", ACCOUNTS, "--adopt", "r1")
    assert (said.code, "is running" in said.err) == (1, True)
    assert not (office.folder / FILE).exists()
    assert office.run("ledger", "list").out == "No calls.\n"


def test_a_manifest_of_ones_own_is_kept_and_told_what_it_lacks(office: Desk) -> None:
    """The cells are adopted all the same; a run at the revision then buys the rest."""
    office.run("import", ACCOUNTS)
    said = office.run("import", ACCOUNTS, "--adopt", "r1")
    assert said.code == 0
    assert "4 cells adopted" in said.out
    assert "add a run with `mode: all` and `revision: r1`" in said.out
    path = office.folder / FILE
    path.write_text(path.read_text() + "    - {name: mine, mode: all, revision: r1}\n")
    assert "add a run" not in office.run("import", ACCOUNTS, "--adopt", "r1").out
    assert office.run("plan", "--format", "json").json["totals"]["cells"] == 8


def test_a_plan_made_before_an_adoption_buys_nothing_that_was_adopted(office: Desk) -> None:
    """A saved plan is looked at again when it is applied, and the adopted cells drop out."""
    office.write(
        f"apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {{name: a}}\nspec:\n  table: {ACCOUNTS}\n"
        "  runs: [{mode: all, revision: r1}]\n"
    )
    office.run("plan", "--out", "plan.json")
    office.run("import", ACCOUNTS, "--adopt", "r1")
    assert office.run("apply", "--no-wait", "--plan", "plan.json").code == 0
    assert office.charged() == dict.fromkeys(REST, 1)


@given(
    st.lists(st.text(".dfpun", min_size=7, max_size=7), min_size=1, max_size=4),
    st.integers(1, 9),
    st.sampled_from(["r1", "r2"]),
)
def test_exactly_the_done_cells_are_recorded(cells: list[str], most: int, revision: str) -> None:
    """Each once, in records of bounded size; at the revision and no other; and then there is nothing more to record."""
    snapshot = a_table([a_column(number) for number in range(len(cells))], cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adoption, "MOST_CELLS", most)
        records = adoption.records(snapshot, TableHistory(TABLE), revision, "a/refresh")
    recorded = [
        (column, row)
        for record in records
        for block in record.covered
        for column in block.columns
        for row in block.rows
    ]
    done = {
        (column, snapshot.row_ids[at])
        for column, states in snapshot.states.items()
        for at, state in enumerate(states)
        if DONE_STATES[state]
    }
    assert (len(recorded), set(recorded)) == (len(done), done)
    assert all(record.cells == sum(block.cells for block in record.covered) for record in records)
    assert all(record.cells <= max(most, len(cells)) for record in records)
    assert all({row for block in record.covered for row in block.rows} == set(record.rows) for record in records)
    assert all((record.credits, record.reason) == (Decimal(0), Reason.ADOPTED) for record in records)
    assert len({record.id for record in records}) == len(records)
    history = TableHistory(TABLE, 1, tuple(map(_as_past, records)))
    assert adoption.records(snapshot, history, revision, "a/refresh") == ()
    assert adoption.left(snapshot) == sum(map(len, cells)) - len(done)


def _as_past(record: Call) -> PastCall:
    """Return a record as the ledger would give it back."""
    return PastCall(
        record.id,
        record.table_id,
        record.mode,
        record.revision,
        state=CallState.ACCEPTED,
        attempt=1,
        settled=True,
        covered=record.covered,
        configs=record.configs,
        before={},
        age_seconds=0.0,
    )


def test_the_ledger_keeps_and_moves_what_was_adopted(ledger: Ledger, tmp_path: Path) -> None:
    """In both stores: one event with who and why, the same after an export and import, and nothing new said again."""
    snapshot = a_table([a_column(1), a_column(2)], ["dd.", "d.f"])
    records = adoption.records(snapshot, past(ledger), "r1", "a/refresh")
    assert ledger.adopt(records, actor=ALICE, reason="ran by hand") == 3
    content = list(ledger.export())[1:]
    assert ledger.adopt(records, actor=ROBOT, reason="again") == 0
    assert list(ledger.export())[1:] == content
    (event,) = ledger.events(records[0].id)
    assert (event.kind, event.detail["who"], event.detail["reason"]) == ("adopted", ALICE.name, "ran by hand")
    record = ledger.find(records[0].id)
    assert (record.is_adopted, record.payments, record.credits, record.cells) == (True, 0, Decimal(0), 3)
    assert not ledger.report("table")
    with open_ledger(f"{tmp_path}/other.db") as other:
        other.load(ledger.export())
        assert list(other.export())[1:] == content
        history = past(other)
    memory = memory_of(snapshot, history)
    assert [len(memory.at_revision(column, "r1")) for column in snapshot.columns] == [2, 1]
    assert [len(memory.at_revision(column, "r2")) for column in snapshot.columns] == [0, 0]
    assert history.version == 1


def test_nothing_is_adopted_while_an_apply_is_at_work(ledger: Ledger) -> None:
    """And an apply that planned before an adoption must plan again."""
    (record,) = adoption.records(a_table([a_column(1)], ["d"]), past(ledger), "r1", "a/refresh")
    held = ledger.acquire([TABLE], owner="one", actor=ROBOT, seconds=60)
    with pytest.raises(Leased):
        ledger.adopt([record], actor=ALICE, reason="why")
    ledger.release(held)
    before = past(ledger).version
    ledger.adopt([record], actor=ALICE, reason="why")
    with pytest.raises(Leased, match="another apply"):
        begin(ledger, a_call(), version=before)
