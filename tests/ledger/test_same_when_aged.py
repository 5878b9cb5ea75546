"""Two ledgers of the same calls, one of them folded and archived on the way, answer everything alike."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.documents import plan_file
from reconciler.ledger import Ledger, open_ledger
from reconciler.model.attempt import Ending, Intent, Settlement, Yield
from reconciler.model.budget import Budget
from reconciler.model.compact import RowIndex
from reconciler.model.history import CallState, PastCall, TableHistory
from reconciler.model.limits import Limit, Period, Unit
from reconciler.model.manifest import Mode
from reconciler.model.plan import Call, Reason
from reconciler.planning import adoption
from reconciler.planning.ledger_view import LedgerView
from tests.example_counts import examples
from tests.ledger.calls_and_actors import ALICE, Clock
from tests.planning.random_worlds import NOW, World, with_inputs, worlds
from tests.planning.tables_and_manifests import TABLE
from tests.planning.test_planner import ORIGIN, plan_of

PLANS = ("sha256:one", "sha256:two")
CALLS = 6
KEEP, FOLD, ARCHIVE = range(3)
LATER = 100_000.0
"""Seconds after everything, when it is compared; an archive on the way holds what is over by then."""


def call_of(past: PastCall) -> Call:
    """Return the call that is remembered so."""
    columns = tuple(dict.fromkeys(column for block in past.covered for column in block.columns))
    cells = sum(block.cells for block in past.covered)
    return Call(
        id=past.id,
        address=f"accounts/{past.mode.value}",
        table_id=TABLE,
        mode=past.mode,
        revision=past.revision,
        columns=columns,
        column_keys=tuple(f"key_{column}" for column in columns),
        rows=tuple(dict.fromkeys(row for block in past.covered for row in block.rows)),
        cells=cells,
        credits=None if cells % 5 == 0 else Decimal(cells),
        reason=Reason.CELLS_EMPTY,
        covered=past.covered,
        before=past.before,
        configs=past.configs,
    )


def begin(ledger: Ledger, past: PastCall, plan_id: str) -> None:
    """Bring a call to where it is remembered."""
    call, version = call_of(past), ledger.recall([TABLE])[TABLE].version
    ticket = ledger.begin(Intent(call, plan_id, ALICE, {"team": "gtm"}, version))
    if past.state is not CallState.INTENT:
        ledger.end(ticket, Ending(past.state))
    if past.settled and past.state is CallState.ACCEPTED:
        yields = {column: Yield(2, 1) for column in call.columns} if past.mode is Mode.ALL else {}
        ledger.settle(call.id, Settlement(call.cells, 0, 0, yields, past.inputs))


def inputs_of(world: World, history: TableHistory) -> list[bytes]:
    """Return by column what is remembered of what its cells were made from."""
    ledger = LedgerView(history, world.table, RowIndex(world.table.row_ids), 0.0)
    return [ledger.inputs(column) for column in world.table.columns]


def spent(ledger: Ledger) -> list[object]:
    """Return what budgets and anomalies are judged by."""
    limit = Limit(Decimal(1), "")
    scopes: list[dict[str, str]] = [{}, {"table_id": TABLE}, {"label": "team=gtm"}]
    budgets = [Budget("", Period.MONTH, Unit.CELLS, limit, limit.value, "UTC", **scope) for scope in scopes]
    return [ledger.budget_uses(budgets), ledger.last_applies(["accounts"], 5)]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], tuple[Path, Path, Path]]:
    """Return a function that makes three empty ledgers and returns their files."""
    folder = tmp_path_factory.mktemp("ledgers")
    with open_ledger(str(folder / "empty.db")) as ledger:
        ledger.initialise()
    empty = (folder / "empty.db").read_bytes()

    def made() -> tuple[Path, Path, Path]:
        paths = folder / "whole.db", folder / "aged.db", folder / "imported.db"
        for path in paths:
            for stale in folder.glob(f"{path.name}*"):
                stale.unlink()
            path.write_bytes(empty)
        return paths

    return made


@settings(max_examples=examples(160))
@given(
    worlds(calls=CALLS),
    st.lists(st.tuples(st.sampled_from([KEEP, FOLD, ARCHIVE]), st.sampled_from(PLANS)), min_size=CALLS, max_size=CALLS),
    st.randoms(use_true_random=False),
)
def test_a_ledger_that_was_folded_and_archived_answers_as_one_that_was_not(
    copies: Callable[[], tuple[Path, Path, Path]], world: World, turns: list[tuple[int, str]], luck: Random
) -> None:
    """Whatever was bought, doubted and settled in between, under which plan, and however often it was folded; and so
    does a ledger that imports it. Which cells were made from other inputs is known to each."""
    clock, (whole_path, aged_path, imported_path), world = Clock(), copies(), with_inputs(world, luck)
    archives: list[list[str]] = []
    with open_ledger(str(whole_path), clock=clock) as whole, open_ledger(str(aged_path), clock=clock) as aged:
        for past, (turn, plan_id) in zip(world.history.calls, turns, strict=False):
            for ledger in (whole, aged):
                clock.now = NOW.timestamp() - past.age_seconds
                begin(ledger, past, plan_id)
            if turn != KEEP:
                aged.compact(TABLE)
            if turn == ARCHIVE:
                clock.now = NOW.timestamp() + LATER
                archives.append([])
                aged.archive(clock.now, archives[-1].extend)
        clock.now = NOW.timestamp()
        with open_ledger(str(imported_path), clock=clock) as imported:
            imported.load(aged.export())
            recalled = [each.recall([TABLE])[TABLE] for each in (whole, aged, imported)]
        made_from = [inputs_of(world, history) for history in recalled]
        assert made_from[0] == made_from[1] == made_from[2]
        stale = [plan_of(world, history, stale=True) for history in recalled]
        assert stale[0] == stale[1] == stale[2]
        for plan_id in PLANS:
            old, new = (ledger.recall([TABLE], plan_id=plan_id)[TABLE] for ledger in (whole, aged))
            plans = [json.dumps(plan_file.document(plan_of(world, each), ORIGIN)) for each in (old, new)]
            assert plans[0] == plans[1]
            approved = [
                sorted((call.version, call.address, call.revision or "", call.covered) for call in each.under(plan_id))
                for each in (old, new)
            ]
            assert approved[0] == approved[1]
        adopted = [adoption.records(world.table, each, "r1", f"{TABLE}/adopt") for each in (old, new)]
        assert adopted[0] == adopted[1]
        assert spent(whole) == spent(aged)
        for by in ("month", "plan", "column"):
            assert aged.report(by, archives=archives) == whole.report(by)
