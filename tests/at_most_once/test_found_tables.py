"""A table that is called something else between the plan that was approved and the sending."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.model.plan import Plan
from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from tests.at_most_once.rival_applies import Party, Stage, StoreClock
from tests.at_most_once.small_tables import fill, small_table
from tests.journey.desk import ACCOUNTS, PARTNERS

BY_NAME = fill(ACCOUNTS, "accounts", keys=("news",)).replace(f"table: {ACCOUNTS}", "table: {name: Accounts}")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Return a stage with two tables, of which one is called Accounts."""
    tables = [{**small_table(ACCOUNTS, 10), "name": "Accounts"}, {**small_table(PARTNERS, 20), "name": "Partners"}]
    with serve({"tables": tables}, clock=ManualClock()) as simulator:
        stage = Stage(tmp_path, simulator, StoreClock())
        yield stage
        for handle in stage.handles:
            handle.close()


def rename(stage: Stage) -> None:
    """Let the two tables change their names."""
    tables = stage.simulator.state.tables
    tables[ACCOUNTS].name, tables[PARTNERS].name = "Partners", "Accounts"


def test_what_was_approved_for_one_table_is_not_sent_to_another(stage: Stage) -> None:
    """A person changed the table in the meantime, so the names are looked up again: neither table is bought."""
    asking: Party = stage.party(manifest=BY_NAME)
    other: Party = stage.party(keys=("notes",))

    def approve(plan: Plan) -> str:
        assert {call.table_id for call in plan.calls} == {ACCOUNTS}
        assert other.apply().exit_code() == 0
        stage.simulator.finish()
        rename(stage)
        return "sha256:plan"

    before = stage.posts()
    report = asking.apply(approve)
    assert report.results == ()
    assert stage.posts() == before + 1
    assert stage.charged() == {1}
