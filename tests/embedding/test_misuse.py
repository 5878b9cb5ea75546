"""A program that holds a session wrongly gets a ReconcilerError with a next step, and pays for nothing twice."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir

import pytest

import reconciler
from reconciler.simulator.world.clock import RunningClock
from tests.journey.conftest import MakeDesk
from tests.journey.desk import FILL, Desk, accounts, environment


@pytest.fixture(autouse=True)
def in_the_folder(desk: Desk) -> Iterator[None]:
    """Work in the desk's folder, with an environment that knows neither token nor address."""
    with chdir(desk.folder), environment({}):
        yield


def session(desk: Desk) -> reconciler.Session:
    """Open a session on the desk's folder."""
    return reconciler.open_session(environment=desk.simulator.environment())


@pytest.mark.parametrize(
    "use",
    [
        lambda opened, plan: opened.plan(),
        lambda opened, plan: opened.apply(plan),
        lambda opened, plan: opened.status(),
        lambda opened, plan: opened.ledger.calls(),
    ],
    ids=["plan", "apply", "status", "ledger"],
)
def test_a_closed_session_opens_nothing_again(
    desk: Desk, use: Callable[[reconciler.Session, reconciler.SessionPlan], object]
) -> None:
    """A connection that it opened now would never be closed."""
    with session(desk) as opened:
        plan = opened.plan()
    with pytest.raises(reconciler.SettingsError, match="the session is closed") as caught:
        use(opened, plan)
    assert "open_session" in caught.value.hint
    assert desk.posts() == []


@pytest.mark.parametrize(
    "use",
    [
        lambda opened: opened.apply("nowhere"),
        lambda opened: opened.read_plan("nowhere"),
        lambda opened: opened.apply("manifests"),
        lambda opened: opened.plan(live_snapshot="nowhere"),
        lambda opened: opened.snapshot("nowhere/live.snapshot", unsigned=True),
        lambda opened: opened.ledger.load_file("nowhere"),
        lambda opened: opened.ledger.report("month", archives=["nowhere"]),
    ],
    ids=["apply", "read_plan", "folder", "live_snapshot", "snapshot", "load", "archives"],
)
def test_a_file_that_cannot_be_used_is_named(desk: Desk, use: Callable[[reconciler.Session], object]) -> None:
    """As an error of this program, with a next step, and not as one of the system."""
    with session(desk) as opened, pytest.raises(reconciler.SettingsError, match=r"nowhere|manifests") as caught:
        use(opened)
    assert caught.value.hint
    assert desk.posts() == []


def test_a_folder_that_cannot_be_made_is_named(desk: Desk) -> None:
    """Where an import would write."""
    (desk.folder / "manifests" / "accounts.yaml").unlink()
    (desk.folder / "notes").touch()
    with session(desk) as opened, pytest.raises(reconciler.SettingsError, match="notes") as caught:
        opened.import_tables(every=True, out="notes/inner")
    assert caught.value.hint


@pytest.mark.parametrize("revision", ["", " ", "a b", "a\nb", "x" * 101])
def test_a_revision_that_no_manifest_can_name_is_not_adopted(desk: Desk, revision: str) -> None:
    """It would be recorded for nothing."""
    with session(desk) as opened:
        for use in (opened.adopt, lambda revision: opened.import_tables(every=True, adopt=revision)):
            with pytest.raises(reconciler.SettingsError, match="is not a revision"):
                use(revision)
        assert not opened.ledger.is_there()


def test_two_threads_pay_once(desk: Desk) -> None:
    """A session is for one thread; a second one that applies at the same time is refused or finds nothing due."""
    with session(desk) as opened:
        plan = opened.plan()
        with ThreadPoolExecutor(2) as threads:
            applies = [threads.submit(opened.apply, plan, wait=False) for _ in range(2)]
        assert {type(each.exception()) for each in applies} <= {type(None), reconciler.Leased}
    assert set(desk.charged().values()) == {1}
    assert len(desk.charged()) == 8


def fail(_: object) -> None:
    """Stand for a callback with a mistake."""
    raise RuntimeError


@pytest.mark.parametrize(
    ("events", "is_called"),
    [
        (reconciler.ApplyEvents(on_result=fail), True),
        (reconciler.ApplyEvents(on_poll=fail), True),
        (reconciler.ApplyEvents(on_result=fail, on_poll=fail, on_unrecorded=fail, on_trouble=fail), True),
        (reconciler.ApplyEvents(on_trouble=fail), False),
    ],
    ids=["on_result", "on_poll", "all", "none is called"],
)
def test_a_callback_that_raises_loses_no_result(
    make_desk: MakeDesk, caplog: pytest.LogCaptureFixture, events: reconciler.ApplyEvents, is_called: bool
) -> None:
    """Whatever was paid for is in the report, and the log has the traceback."""
    desk = make_desk(accounts(), clock=RunningClock(5000.0))
    desk.write(FILL)
    with session(desk) as opened:
        report = opened.apply(opened.plan(), events=events)
    assert report.stop is None
    assert sum(result.call.cells for result in report.results) == len(desk.charged()) == 8
    assert any(each.exc_info for each in caplog.records) == is_called


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (reconciler.StalePlan("it changed"), 4),
        (reconciler.LimitExceeded("too dear"), 3),
        (reconciler.Leased("another apply"), 5),
        (reconciler.Refused("no"), 1),
        (reconciler.SettingsError("no token"), 1),
    ],
)
def test_an_error_has_the_exit_code_of_a_command(error: reconciler.ReconcilerError, code: int) -> None:
    """So a job can end as `reconciler apply` does."""
    assert reconciler.ExitCode.of(error) == code


def test_a_plan_of_another_api_is_stale(desk: Desk) -> None:
    """Its calls were approved for other tables."""
    with session(desk) as first:
        plan = first.plan()
    elsewhere = {**desk.simulator.environment(), "EXTRUCT_API_URL": "http://127.0.0.1:1"}
    with reconciler.open_session(environment=elsewhere) as second, pytest.raises(reconciler.StalePlan, match="against"):
        second.apply(plan, wait=False)
    assert desk.posts() == []


def test_a_running_event_loop_is_not_in_the_way(desk: Desk) -> None:
    """As in a notebook, whose cells run inside one: the calls are sent from threads of their own."""

    async def cell() -> reconciler.Report:
        with session(desk) as opened:
            return opened.apply(opened.plan(), wait=False)

    assert asyncio.run(cell()).exit_code() == 0
    assert set(desk.charged().values()) == {1}
