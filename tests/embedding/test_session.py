"""A program that embeds the reconciler plans, applies and looks through one session, and pays for nothing twice."""

import json
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

import reconciler
from reconciler.cli.group import run
from reconciler.manifests import json_schema
from reconciler.simulator.world.clock import RunningClock
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, FILL, NOWHERE, REFRESH, Desk, accounts, environment

KEY = "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def in_the_folder(desk: Desk) -> Iterator[None]:
    """Work in the desk's folder, with an environment that knows neither token nor address."""
    with chdir(desk.folder), environment({}):
        yield


def variables(desk: Desk, **more: str) -> Mapping[str, str]:
    """Return what the environment says."""
    return {**desk.simulator.environment(), **more}


def session(desk: Desk, **more: str) -> reconciler.Session:
    """Open a session on the desk's folder."""
    return reconciler.open_session(environment=variables(desk, **more))


def test_a_plan_is_applied_once(desk: Desk) -> None:
    """Planning sends nothing; the plan is the approval; applied again, it buys nothing more."""
    with session(desk) as opened:
        plan = opened.plan()
        assert (desk.posts(), plan.totals().credits, plan.violations) == ([], Decimal(8), ())
        report = opened.apply(plan, wait=False)
        assert (report.exit_code(), sum(result.call.cells for result in report.results)) == (0, 8)
        assert report.plan_id == opened.document(plan)["plan_id"]
        desk.simulator.finish()
        assert opened.apply(plan, wait=False).results == ()
    assert set(desk.charged().values()) == {1}
    assert len(desk.charged()) == 8


def test_only_what_the_plan_lists_is_bought(desk: Desk) -> None:
    """A plan of one run approves none of the other."""
    with session(desk) as opened:
        plan = opened.plan("manifests", target="target-accounts/retry")
        report = opened.apply(plan, wait=False)
    assert {result.call.address for result in report.results} == {"target-accounts/retry"}
    assert len(desk.charged()) == 1


def test_a_plan_is_what_the_command_line_plans(desk: Desk) -> None:
    """Byte for byte, but for when it was made."""
    with session(desk) as opened:
        ours = opened.document(opened.plan())
    theirs = desk.run("plan", "--format", "json").json
    assert json_schema.problems("plan", ours) == []
    for content in (ours, theirs):
        del content["created_at"], content["plan_id"]
    assert json.loads(json.dumps(ours)) == theirs


def test_a_saved_plan_is_applied(desk: Desk) -> None:
    """One that the command line saved."""
    assert desk.run("plan", "--out", "plan.json").code == 0
    with session(desk) as opened:
        assert opened.apply("plan.json", wait=False).exit_code() == 0
    assert len(desk.charged()) == 8


@pytest.mark.parametrize("argument", ["max_credits", "max_cells"])
def test_a_limit_is_shown_by_the_plan_and_refused_by_the_apply(desk: Desk, argument: str) -> None:
    """Whichever limit it is, nothing is sent."""
    with reconciler.open_session(environment=variables(desk), **{argument: 3}) as opened:  # type: ignore[arg-type]
        plan = opened.plan()
        assert [violation.rule for violation in plan.violations] == [argument]
        with pytest.raises(reconciler.LimitExceeded):
            opened.apply(plan, wait=False)
    assert desk.posts() == []


def test_a_plan_with_errors_is_refused(desk: Desk) -> None:
    """Its diagnostics say where."""
    desk.write(FILL.replace(ACCOUNTS, NOWHERE))
    with session(desk) as opened:
        plan = opened.plan()
        assert plan.errored
        with pytest.raises(reconciler.ErroredPlan) as caught:
            opened.apply(plan, wait=False)
    assert caught.value.problems == plan.diagnostics
    assert desk.posts() == []


def test_a_plan_is_stale_once_its_manifest_changes(desk: Desk) -> None:
    """The approval was of another one."""
    with session(desk) as opened:
        plan = opened.plan()
        desk.write(REFRESH)
        with pytest.raises(reconciler.StalePlan):
            opened.apply(plan, wait=False)
    assert desk.posts() == []


def test_an_old_plan_is_refused(desk: Desk) -> None:
    """By an age in seconds."""
    with session(desk) as opened:
        plan = opened.plan()
        with pytest.raises(reconciler.StalePlan):
            opened.apply(plan, max_age_seconds=-1)
    assert desk.posts() == []


def test_arguments_are_stronger_than_the_environment(desk: Desk, tmp_path: Path) -> None:
    """Of a variable that an argument replaces, nothing is read, however wrong it is."""
    right = variables(desk)
    wrong = {"EXTRUCT_API_TOKEN": "wrong", "EXTRUCT_API_URL": "ftp://nowhere", "RECONCILER_LEDGER": "mysql://no"}
    wrong |= {"RECONCILER_PROJECT": "nowhere.yaml", "EXTRUCT_API_TOKEN_FILE": "nowhere"}
    desk.write("apiVersion: reconciler/v1\nkind: Project\n", "reconciler.yaml")
    opened = reconciler.open_session(
        tmp_path,
        token=right["EXTRUCT_API_TOKEN"],
        api_url=right["EXTRUCT_API_URL"],
        ledger=tmp_path / "own.db",
        environment=wrong,
    )
    with opened:
        assert opened.apply(opened.plan(), wait=False).exit_code() == 0
    assert (tmp_path / "own.db").exists()


def test_the_process_environment_is_read_without_arguments(desk: Desk) -> None:
    """As the command line does."""
    with environment(variables(desk)), reconciler.open_session() as opened:
        assert opened.plan().has_due


def test_a_project_is_opened_from_another_folder(desk: Desk, tmp_path: Path) -> None:
    """Its manifests and its ledger are its own."""
    desk.write("apiVersion: reconciler/v1\nkind: Project\n", "reconciler.yaml")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with chdir(elsewhere), reconciler.open_session(tmp_path, environment=variables(desk)) as opened:
        assert opened.apply(opened.plan(), wait=False).exit_code() == 0
    assert (tmp_path / ".reconciler" / "ledger.db").exists()


def test_nothing_is_opened_before_it_is_needed(desk: Desk) -> None:
    """A missing token is an error of the first method that asks the API."""
    with reconciler.open_session(environment={}) as opened:
        assert [manifest.name for manifest in opened.load().manifests] == ["target-accounts"]
        with pytest.raises(reconciler.SettingsError, match="no API token"):
            opened.plan()


def test_in_ci_no_ledger_is_made(desk: Desk) -> None:
    """What was bought before would not be known."""
    with session(desk, CI="true") as opened:
        plan = opened.plan()
        with pytest.raises(reconciler.SettingsError, match="no ledger"):
            opened.apply(plan, wait=False)
    assert desk.posts() == []


def test_status_and_drift_say_what_is_due(desk: Desk) -> None:
    """The same cells, and nothing is sent."""
    with session(desk) as opened:
        status, drift = opened.status(), opened.drift()
    assert sum(run.due for table in status.tables for run in table.runs) == 8
    assert (drift.has_drifted, drift.errored, sum(cause.cells for cause in drift.causes)) == (True, False, 8)
    assert desk.posts() == []


def test_a_snapshot_is_planned_from_without_a_token(desk: Desk) -> None:
    """The calls are those of the live tables."""
    with session(desk, RECONCILER_SNAPSHOT_KEY=KEY) as opened:
        taken = opened.snapshot("live.snapshot")
        assert (taken.tables, taken.is_signed, taken.unresolved) == (1, True, ())
        live = opened.plan()
    with reconciler.open_session(environment={"RECONCILER_SNAPSHOT_KEY": KEY}) as opened:
        kept = opened.plan(live_snapshot="live.snapshot")
    assert kept.taken is not None
    assert kept.calls == live.calls


def test_tables_are_imported_as_manifests(desk: Desk) -> None:
    """By id or URL; one that a manifest claims gets no second one, and what is neither is an error."""
    (desk.folder / "manifests" / "accounts.yaml").unlink()
    with session(desk) as opened:
        (found,) = opened.import_tables(f"https://app.extruct.ai/tables/{ACCOUNTS}")
        assert isinstance(found, reconciler.ImportedTable)
        assert (found.outcome, found.path.exists()) == ("written", True)
        (again,) = opened.import_tables([ACCOUNTS])
        assert isinstance(again, reconciler.ImportedTable)
        assert again.outcome == "unchanged"
        with pytest.raises(reconciler.SettingsError, match="neither a table's id"):
            opened.import_tables("accounts")
    assert run(["validate"]) == 0


def test_a_session_is_used_again_after_an_apply(desk: Desk) -> None:
    """An apply that was refused before it sent anything leaves no trace in the next one."""
    with session(desk) as opened:
        first = opened.plan(target="target-accounts/retry")
        opened.apply(first, wait=False)
        desk.simulator.finish()
        desk.write(FILL.replace("max_attempts: 2", "max_attempts: 3"))
        with pytest.raises(reconciler.StalePlan):
            opened.apply(first)
        assert opened.apply(opened.plan(target="target-accounts/fill"), wait=False).exit_code() == 0
    assert set(desk.charged().values()) == {1}


def test_an_apply_that_fails_after_sending_still_reports(make_desk: MakeDesk) -> None:
    """Whatever fails in it, a caller's own function among them: what was paid for is not lost."""
    desk = make_desk(accounts(), clock=RunningClock(5000.0))
    desk.write(FILL)

    def fail_once_paid(_: object) -> None:
        if desk.posts():
            raise RuntimeError

    settings = session(desk).settings
    with reconciler.Session(settings, variables(desk), on_progress=fail_once_paid) as opened:
        report = opened.apply(opened.plan())
    assert report.stop is not None
    assert report.stop.message == "an unexpected RuntimeError ended the apply"
    assert sum(result.call.cells for result in report.results) == len(desk.charged()) == 8
    assert report.exit_code() == 6


def test_an_apply_waits_unless_it_is_told_not_to(make_desk: MakeDesk) -> None:
    """Until the tables are idle; what became of each cell is in the report, and the time is not exceeded."""
    desk = make_desk(accounts(), clock=RunningClock(5000.0))
    desk.write(FILL)
    with session(desk) as opened:
        report = opened.apply(opened.plan(target="target-accounts/retry"), timeout_seconds=60)
        assert (report.waited, report.still_running, report.exit_code()) == (True, (), 0)
        later = opened.apply(opened.plan(), wait=False)
    assert (later.waited, later.exit_code()) == (False, 0)


class RefusedHere(Exception):
    """Of a caller's own."""


def test_a_plan_is_shown_before_it_is_sent(desk: Desk) -> None:
    """A caller who raises has sent nothing, and one who returns has approved what was shown."""
    shown: list[reconciler.Plan] = []

    def refuse(plan: reconciler.Plan) -> None:
        shown.append(plan)
        raise RefusedHere

    with session(desk) as opened:
        with pytest.raises(RefusedHere):
            opened.plan_and_apply(refuse, wait=False)
        assert desk.posts() == []
        report = opened.plan_and_apply(shown.append, wait=False)
        assert opened.ledger.calls()[0].plan_id == report.plan_id
    assert [sum(call.cells for call in plan.calls) for plan in shown] == [8, 8]
    assert sum(result.call.cells for result in report.results) == len(desk.charged()) == 8


def test_an_apply_tells_how_it_goes(make_desk: MakeDesk) -> None:
    """What is due of the plan first, each call's outcome, and how the waiting goes."""
    desk = make_desk(accounts(), clock=RunningClock(5000.0))
    desk.write(FILL)
    told: list[str] = []

    @contextmanager
    def waiting(cells: int) -> Iterator[None]:
        told.append(f"waiting for {cells}")
        yield
        told.append("waited")

    events = reconciler.ApplyEvents(
        on_plan=lambda plan: told.append(f"{len(plan.calls)} due"),
        on_result=lambda result: told.append(result.call.address),
        waiting=waiting,
        on_poll=lambda statuses: told.append(*statuses),
    )
    with session(desk) as opened:
        opened.apply(opened.plan(target="target-accounts/retry"), events=events)
    assert list(dict.fromkeys(told)) == ["1 due", "target-accounts/retry", "waiting for 1", ACCOUNTS, "waited"]


def test_an_interrupt_ends_an_apply(desk: Desk) -> None:
    """It is the caller's own, set or not set when it is handed over; nothing is sent once it is set."""
    interrupt = reconciler.Interrupt()
    with session(desk) as opened:
        plan = opened.plan()
        report = opened.apply(
            plan, wait=False, events=reconciler.ApplyEvents(on_plan=lambda _: interrupt.set()), interrupt=interrupt
        )
    assert desk.posts() == []
    assert report.stop is not None
    assert report.exit_code() == 6


def test_the_ledger_says_what_was_spent(desk: Desk, tmp_path: Path) -> None:
    """Without a token; and it moves to another one."""
    with session(desk) as opened:
        report = opened.apply(opened.plan(), wait=False)
    with session(desk, EXTRUCT_API_TOKEN="") as opened:
        calls = opened.ledger.calls()
        assert {call.id for call in calls} == {result.call.id for result in report.results}
        record, events = opened.ledger.call(calls[0].id[:8])
        assert (record.id, [event.kind for event in events]) == (calls[0].id, ["intent", "accepted"])
        assert [(line.key, line.cells) for line in opened.ledger.report("manifest")] == [("target-accounts", 8)]
        assert opened.ledger.leases() == []
        with pytest.raises(reconciler.SettingsError, match="there is no lease on"):
            opened.ledger.release(ACCOUNTS, reason="dead")
        exported = list(opened.ledger.export())
    with reconciler.open_session(ledger=tmp_path / "other.db", environment={}) as opened:
        assert not opened.ledger.is_there()
        assert opened.ledger.load(exported).calls == len(calls)
        assert [call.id for call in opened.ledger.calls()] == [call.id for call in calls]


def test_what_was_run_by_hand_is_adopted(desk: Desk) -> None:
    """A run at that revision buys only what is not done."""
    desk.write(REFRESH)
    with session(desk) as opened:
        assert opened.plan().totals().cells == 6
        found = opened.adopt("r1")
        assert [(table.table_id, table.said.split(",")[0]) for table in found.tables] == [
            (ACCOUNTS, "4 cells adopted at r1")
        ]
        assert opened.plan().totals().cells == 4
        assert (found.failures, found.unresolved) == ((), ())
    assert desk.posts() == []


def test_manifests_are_checked_offline(desk: Desk) -> None:
    """Every problem is in the result, with its file."""
    with reconciler.open_session(environment={}) as opened:
        right = opened.validate()
        assert ([manifest.name for manifest in right.manifests], right.problems) == (["target-accounts"], ())
        desk.write(FILL.replace("mode: new", "mode: old"))
        wrong = opened.validate()
    assert (wrong.manifests, len(wrong.problems)) == ((), 1)
    assert wrong.files == right.files == (wrong.problems[0].location.path,)


def test_a_session_is_held_to_the_limits_of_a_base(desk: Desk, tmp_path: Path) -> None:
    """Whatever the project's own are; the files that no output may replace are its own."""
    desk.write("apiVersion: reconciler/v1\nkind: Project\nspec: {limits: {max_cells: 100}}\n", "reconciler.yaml")
    (tmp_path / "base").mkdir()
    strict = "apiVersion: reconciler/v1\nkind: Project\nspec: {limits: {max_cells: 3}}\n"
    (tmp_path / "base" / "reconciler.yaml").write_text(strict, encoding="utf-8")
    with session(desk) as opened:
        assert opened.plan().violations == ()
        opened.hold_to(str(tmp_path / "base"))
        assert [violation.rule for violation in opened.plan().violations] == ["max_cells"]
        assert opened.limits().max_cells is not None
        assert {path.name for path in opened.own_files()} >= {"reconciler.yaml", "ledger.db", "ledger.db-wal"}


def test_waiting_settles_what_was_not_waited_for(desk: Desk) -> None:
    """And sends nothing; the report holds the calls that it waited for."""
    with session(desk) as opened:
        opened.apply(opened.plan(), wait=False)
        desk.simulator.finish()
        report = opened.wait(target="target-accounts/retry")
        assert report.exit_code() == 0
        assert sum(result.settlement.done for result in report.results if result.settlement) == 8
        assert opened.wait().results == ()
    assert len(desk.charged()) == 8
