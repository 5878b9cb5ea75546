"""Runs that show late, or never: what an idle table proves, and how often a cell is tried."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.simulator.server import serve
from tests.at_most_once.small_tables import CELLS, fill, let_pass, settings, small_table
from tests.journey.desk import ACCOUNTS, PARTNERS, Desk, row_id

MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[MakeDesk]:
    """Return a function that sets up a desk at a simulator in which time passes by itself."""
    with ExitStack() as stack:

        def make(*tables: dict[str, Any], speed: float = 1.0, **workspace: Any) -> Desk:
            simulator = stack.enter_context(serve({"tables": list(tables), **workspace}, speed=speed))
            return Desk(tmp_path, simulator, capsys)

        yield make


def short_quiet(**more: float) -> str:
    """Return a project file whose calls have rested after a second; against loopback alone that is allowed."""
    return settings(send_within_seconds=0.2, call_seconds=0.4, quiet_seconds=1.0, **more)


def a_stalling_table() -> dict[str, Any]:
    """Return a table whose cells are paid for and never start."""
    table = small_table(ACCOUNTS, 10, columns=1)
    table["columns"][1]["stalls"] = 1.0
    return table


def test_an_idle_table_proves_nothing_moments_after_an_acceptance(make_desk: MakeDesk) -> None:
    """Runs that show six seconds late, in every mode: awaited with the default settings, and bought once."""
    tables = [
        small_table(ACCOUNTS, 10, columns=1),
        small_table(PARTNERS, 20, columns=1, state="failed"),
        small_table("91abf3a0-6f0e-4d7e-8a55-1b7f0c3d2e61", 30, columns=1, state="done"),
    ]
    pace = {"shows_after": 6, "delay": 0, "fastest": 0.5, "slowest": 1}
    desk = make_desk(*tables, pace=pace)
    for table, mode in zip(tables, ("mode: new", "mode: failed", "mode: all, revision: r1"), strict=True):
        desk.write(fill(table["id"], f"m{table['id'][:4]}", mode, ("news",)), f"manifests/{table['id'][:4]}.yaml")
    for _ in range(2):
        said = desk.run("apply", "--yes", "--wait")
        assert said.code == 0, said.out
    assert list(desk.charged().values()) == [1] * 3 * CELLS


@pytest.mark.parametrize(("mode", "state"), [("new", "empty"), ("failed", "failed"), ("all, revision: r1", "done")])
def test_what_was_accepted_lately_is_not_due_again(make_desk: MakeDesk, mode: str, state: str) -> None:
    """A minute after an acceptance the table is idle and its cells are as they were: another apply sends nothing."""
    desk = make_desk(small_table(ACCOUNTS, 10, columns=1, state=state), pace={"shows_after": 1000})
    desk.write(fill(ACCOUNTS, "accounts", f"mode: {mode}", ("news",)))
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    for _ in range(3):
        let_pass(desk, 60)
        assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert list(desk.charged().values()) == [1] * CELLS


def test_a_cell_that_never_starts_is_bought_once_and_named(make_desk: MakeDesk) -> None:
    """Waiting says which cells did not start, exit 6; no later apply buys them, until a person allows another try."""
    desk = make_desk(a_stalling_table())
    desk.write(short_quiet(), "reconciler.yaml")
    desk.write(fill(ACCOUNTS, "accounts", "mode: new", ("news",)))
    said = desk.run("apply", "--yes", "--wait")
    assert said.code == 6
    assert (
        f"not started: news {CELLS} cells in rows {', '.join(row_id(10 + number) for number in range(CELLS))}"
        in said.out
    )
    assert "3 not started" in said.out
    for _ in range(3):
        let_pass(desk, 10_000)
        assert desk.run("apply", "--yes", "--wait").code == 0
    assert list(desk.charged().values()) == [1] * CELLS
    assert "3 cells not started although bought as often as `max_attempts` allows" in desk.run("plan").out
    desk.write(fill(ACCOUNTS, "accounts", "mode: new, max_attempts: 2", ("news",)))
    for _ in range(3):
        desk.run("apply", "--yes", "--no-wait")
        let_pass(desk, 10_000)
    assert list(desk.charged().values()) == [2] * CELLS


def test_a_column_that_was_changed_is_tried_again(make_desk: MakeDesk) -> None:
    """Tries count with the column's present configuration."""
    desk = make_desk(a_stalling_table())
    desk.write(short_quiet(), "reconciler.yaml")
    desk.write(fill(ACCOUNTS, "accounts", "mode: new", ("news",)))
    desk.run("apply", "--yes", "--no-wait")
    let_pass(desk, 10_000)
    column = desk.simulator.state.tables[ACCOUNTS].column("news")
    url = f"{desk.simulator.url}/v1/tables/{ACCOUNTS}/columns/{column.id}"
    value = {**column.config["value"], "prompt": "Find something else."}
    headers = {"Authorization": f"Bearer {desk.simulator.token}"}
    assert httpx.patch(url, json={"value": value}, headers=headers, trust_env=False).is_success
    desk.simulator.advance(30)
    desk.run("apply", "--yes", "--no-wait")
    assert list(desk.charged().values()) == [2] * CELLS


def test_the_report_file_names_the_cells_that_did_not_start(make_desk: MakeDesk) -> None:
    """By column id and row id, and in the totals."""
    desk = make_desk(a_stalling_table())
    desk.write(short_quiet(), "reconciler.yaml")
    desk.write(fill(ACCOUNTS, "accounts", "mode: new", ("news",)))
    report = desk.run("apply", "--yes", "--wait", "--format", "json").json
    assert (report["exit_code"], report["totals"]["cells_not_started"]) == (6, CELLS)
    (call,) = report["calls"]
    rows = [row_id(10 + number) for number in range(CELLS)]
    assert call["not_started"] == [{"columns": call["not_started"][0]["columns"], "rows": rows}]
    markdown = desk.run("ledger", "list", "--format", "json").json
    assert [line["state"] for line in markdown] == ["accepted"]


def test_time_that_runs_out_over_an_accepted_call_is_not_a_failure(make_desk: MakeDesk) -> None:
    """It is said, with exit 0: the cells were bought, and a longer wait was not asked for."""
    desk = make_desk(small_table(ACCOUNTS, 10, columns=1), pace={"shows_after": 1000})
    desk.write(fill(ACCOUNTS, "accounts", "mode: new", ("news",)))
    said = desk.run("apply", "--yes", "--wait", "--timeout", "0.3")
    assert said.code == 0
    assert "1 accepted call has not shown in the table yet when waiting ended" in said.out
