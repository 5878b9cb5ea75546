"""An approval is used up, and what it leaves is said: due, approved and not sent."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.documents import plan_file
from reconciler.documents import saved_plan_checks as saved
from reconciler.model.attempt import Actor, Verdict
from reconciler.model.origin import Origin
from reconciler.model.plan import Plan
from reconciler.model.report import Report
from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock, RunningClock
from tests.at_most_once.rival_applies import ALL, Q, Stage, StoreClock
from tests.at_most_once.small_tables import CELLS, fill, let_pass, settings, small_table
from tests.journey.desk import ACCOUNTS, Desk, row_id

RUN = f"/v1/tables/{ACCOUNTS}/run"
MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[MakeDesk]:
    """Return a function that sets up a desk; `folder` tells two machines apart."""
    with ExitStack() as stack:

        def make(table: dict[str, Any], clock: Any = None, **serving: Any) -> Desk:
            simulator = stack.enter_context(serve({"tables": [table], **serving}, clock=clock or ManualClock()))
            desk = Desk(tmp_path, simulator, capsys)
            desk.write(settings(), "reconciler.yaml")
            return desk

        yield make


def failing(rows: int = 10) -> dict[str, Any]:
    """Return a table whose cells have failed and go on failing."""
    table = small_table(ACCOUNTS, 10, columns=1)
    table["columns"][1]["fails"] = 1.0
    table["rows"] = [
        {"id": row_id(number), "data": {"site": "x"}, "cells": {"news": "failed"}} for number in range(1, rows + 1)
    ]
    return table


def test_a_saved_plan_of_failing_cells_buys_each_of_them_once(make_desk: MakeDesk) -> None:
    """Applied three times, with attempts to spare: the second and third time find nothing that is still approved."""
    desk = make_desk(failing())
    desk.write(fill(ACCOUNTS, "accounts", "mode: failed, max_attempts: 5", ("news",)))
    assert desk.run("plan", "--out", "plan.json").code == 0
    for _ in range(3):
        said = desk.run("apply", "--plan", "plan.json", "--no-wait")
        assert said.code == 0
        desk.simulator.finish()
        let_pass(desk, 10_000)
    assert "nothing was due" in said.out
    assert list(desk.charged().values()) == [1] * 10
    assert desk.run("apply", "--yes", "--no-wait").code == 0  # a plan of its own
    assert list(desk.charged().values()) == [2] * 10


def test_a_saved_plan_stays_used_up_when_its_calls_are_folded_and_archived(make_desk: MakeDesk) -> None:
    """The checkpoint says how often a cell was tried, and not under which plan: that is kept beside it."""
    desk = make_desk(failing())
    desk.write(fill(ACCOUNTS, "accounts", "mode: failed, max_attempts: 5", ("news",)))
    assert desk.run("plan", "--out", "plan.json").code == 0
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    for step in (("compact",), ("archive", "--before", today, "--out", "old.jsonl"), ("list",)):
        said = desk.run("apply", "--plan", "plan.json", "--no-wait")
        assert said.code == 0
        desk.simulator.finish()
        let_pass(desk, 2 * 86_400)
        assert desk.run("apply", "--plan", "plan.json", "--no-wait").code == 0  # settles what it sees
        assert desk.run("ledger", *step).code == 0
        assert list(desk.charged().values()) == [1] * 10
    assert desk.run("apply", "--yes", "--no-wait").code == 0  # a plan of its own
    assert list(desk.charged().values()) == [2] * 10


@pytest.mark.parametrize("mode", ["mode: new", "mode: failed, max_attempts: 5", ALL])
def test_a_saved_plan_is_used_up_on_every_machine(make_desk: MakeDesk, mode: str) -> None:
    """A second checkout with the same ledger, in every mode."""
    table = failing(3) if "failed" in mode else small_table(ACCOUNTS, 10, columns=1)
    table["columns"][1]["fails"] = 1.0
    desk = make_desk(table)
    desk.write(fill(ACCOUNTS, "accounts", mode, ("news",)))
    assert desk.run("plan", "--out", "plan.json").code == 0
    other = Desk(desk.folder / "elsewhere", desk.simulator, desk.capture)
    for name in ("reconciler.yaml", "manifests/accounts.yaml", "plan.json"):
        other.write((desk.folder / name).read_text(), name)
    other.extra["RECONCILER_LEDGER"] = str(desk.folder / ".reconciler/ledger.db")
    for machine in (desk, other, desk):
        machine.run("apply", "--plan", "plan.json", "--no-wait")
        desk.simulator.finish()
        let_pass(desk, 10_000)
    assert list(desk.charged().values()) == [1] * CELLS


@pytest.mark.parametrize(("landed", "times"), [(True, 1), (False, 2)])
def test_what_is_in_doubt_under_a_plan_is_used_up_until_it_is_known_not_to_have_landed(
    make_desk: MakeDesk, landed: bool, times: int
) -> None:
    """A 500 after the work was done: nothing more is sent, unless a person says that the call did not land."""
    desk = make_desk(failing(3))
    desk.write(fill(ACCOUNTS, "accounts", "mode: failed, max_attempts: 5", ("news",)))
    desk.run("plan", "--out", "plan.json")
    desk.simulator.fault("status", "POST", RUN, status=500, when="after", times=1)
    assert desk.run("apply", "--plan", "plan.json", "--no-wait").code == 7
    desk.simulator.finish()
    let_pass(desk, 10_000)
    (call,) = desk.run("ledger", "list", "--format", "json").json
    answer = "--landed" if landed else "--not-landed"
    assert desk.run("ledger", "resolve", call["id"], answer, "--reason", "the bill").code == 0
    assert desk.run("apply", "--plan", "plan.json", "--no-wait").code == 0
    assert list(desk.charged().values()) == [times] * 3


def running(desk: Desk) -> None:
    """Have another column of the table run, as a person does in the vendor's page."""
    desk.write(fill(ACCOUNTS, "person", "mode: new", ("notes",)), "elsewhere/person.yaml")
    arguments = ["--ledger", "elsewhere.db", "apply", "elsewhere/person.yaml", "--yes", "--no-wait"]
    assert desk.run(*arguments).code == 0


def test_what_is_due_on_a_running_table_is_left_and_said(make_desk: MakeDesk) -> None:
    """Exit 6 by hand and with a saved plan; exit 2 from plan and drift; nothing is sent meanwhile."""
    desk = make_desk(small_table(ACCOUNTS, 10))
    desk.write(fill(ACCOUNTS, "accounts", keys=("news",)))
    desk.run("plan", "--out", "plan.json")
    running(desk)
    for how in (["--yes"], ["--plan", "plan.json"]):
        said = desk.run("apply", *how, "--no-wait")
        assert said.code == 6
        assert "accounts/news: 3 cells approved and not sent: its table is running" in said.out
        assert "nothing was due" not in said.out
    assert desk.run("plan", "--detailed-exitcode").code == 2
    assert desk.run("drift").code == 2
    assert len(desk.posts()) == 1


def test_waiting_sends_what_waited_for_its_table(make_desk: MakeDesk) -> None:
    """`--wait` waits for a table that runs already, then sends what is due and approved there."""
    pace = {"delay": 0, "fastest": 40, "slowest": 40}
    desk = make_desk(small_table(ACCOUNTS, 10), clock=RunningClock(100.0), pace=pace)
    desk.write(fill(ACCOUNTS, "accounts", keys=("news",)))
    running(desk)
    said = desk.run("apply", "--yes", "--wait")
    assert said.code == 0, said.out
    assert sorted(desk.charged().values()) == [1] * 2 * CELLS


def test_a_limit_counts_what_waits_for_its_table(make_desk: MakeDesk) -> None:
    """An apply that waits is refused before it sends anything if all of it would pass the limit."""
    desk = make_desk(small_table(ACCOUNTS, 10))
    desk.write(fill(ACCOUNTS, "accounts", keys=("news",)))
    running(desk)
    assert desk.run("apply", "--yes", "--wait", "--max-cells", "2").code == 3
    assert len(desk.posts()) == 1


def test_a_table_that_is_never_idle_is_named_when_time_runs_out(make_desk: MakeDesk) -> None:
    """With the word that the API shows for it."""
    desk = make_desk(small_table(ACCOUNTS, 10))
    desk.write(fill(ACCOUNTS, "accounts", keys=("news",)))
    running(desk)
    said = desk.run("apply", "--yes", "--wait", "--timeout", "0.2")
    assert said.code == 6
    assert "3 cells approved and not sent: its table is running" in said.out


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage whose table has three empty cells in each of two columns."""
    with serve({"tables": [small_table(ACCOUNTS, 10)]}, clock=ManualClock()) as simulator:
        stage = Stage(tmp_path, simulator, StoreClock())
        yield stage
        for handle in stage.handles:
            handle.close()


def saved_plan(plan: Plan, url: str) -> saved.SavedPlan:
    """Return a plan as it comes back from its file."""
    origin = Origin(datetime.now(UTC).isoformat(timespec="seconds"), "1", url)
    return saved.check_plan(plan_file.document(plan, origin), datetime.now(UTC), 3600)


@pytest.mark.parametrize("is_saved", [False, True], ids=["shown", "saved"])
def test_a_doubt_that_ends_under_way_is_sent_if_it_was_approved_and_said_if_not(stage: Stage, is_saved: bool) -> None:
    """While the apply waits, the call is resolved as not landed: its cells are due again."""
    first = stage.party(keys=("news",))
    whole = saved_plan(stage.party(keys=("news", "notes")).plan(), stage.simulator.url)
    stage.simulator.fault("close_before", "POST", RUN, times=1)
    assert first.apply().exit_code() == 7
    party = stage.party(keys=("news", "notes"))
    stage.clock.now += Q / 2

    def wait_for(report: Report, _tables: Collection[str]) -> Report:
        stage.simulator.finish()
        for call in first.open_calls():
            first.ledger.resolve(
                Verdict(call, 1, landed=False, reason="bill", actor=Actor("person"), evidence=None, min_age_seconds=0)
            )
        return replace(report, waited=True)

    report = party.apply(lambda _plan: whole.plan_id, saved=whole if is_saved else None, wait_for=wait_for)
    assert sorted(stage.simulator.charges().values()) == [1] * (2 * CELLS if is_saved else CELLS)
    if is_saved:
        assert (report.exit_code(), report.unsent) == (0, ())
    else:
        assert report.exit_code() == 6
        assert [(each.address, each.cells) for each in report.unsent] == [("accounts/news", CELLS)]
