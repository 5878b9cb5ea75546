"""The six rules, each with an interleaving that buys twice, or loses a purchase, where the rule is missing.

`test_mutants.py` takes each rule out of a copy of the program and sees its test here turn red.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import FrameType

import pytest

from reconciler.client import SpendClient
from reconciler.documents import plan_file, saved_plan_checks
from reconciler.errors import InDoubt, Leased, LedgerError, LimitExceeded, NotSent
from reconciler.ledger.clocks import Boot
from reconciler.model.attempt import Actor, CallResult, Ending, Intent, Receipt, Ticket, Verdict
from reconciler.model.budget import Budget
from reconciler.model.history import Block, CallState
from reconciler.model.limits import Limit, Period, Unit
from reconciler.model.manifest import Mode
from reconciler.model.origin import Origin
from reconciler.model.plan import Call, Plan, Reason
from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from reconciler.spending.elapsed import elapsed
from reconciler.spending.protocol import Effects, SendTiming, SpendProtocol
from tests.at_most_once.driver import code_of
from tests.at_most_once.rival_applies import (
    ALL,
    LEASE,
    D,
    Dead,
    Killed,
    Party,
    Q,
    Stage,
    StoreClock,
    lose_the_next_commit,
    outcome,
)
from tests.at_most_once.small_tables import CELLS, fill, small_table
from tests.journey.desk import ACCOUNTS

WHO = Actor("party")
RUN = f"/v1/tables/{ACCOUNTS}/run"
ONE_CALL = fill(ACCOUNTS, "accounts", ALL, ("news",)).replace("[news]", "[news, notes]")
"""Wants two columns with one call, whose name is not that of the call for either column."""


@pytest.fixture
def set_stage(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Return a function that serves the accounts table with every cell in one state."""
    stages: list[Stage] = []

    def make(state: str, fails: float = 0.0, shows_after: float = 0.0, **assumptions: str) -> Stage:
        table = small_table(ACCOUNTS, 10, state=state)
        for column in table["columns"][1:]:
            column["fails"] = fails
        world = {"tables": [table], "assumptions": assumptions, "pace": {"shows_after": shows_after}}
        server = serve(world, clock=ManualClock())
        stages.append(Stage(tmp_path, server.__enter__(), StoreClock()))
        servers.append(server)
        return stages[-1]

    servers: list[object] = []
    yield make
    for stage in stages:
        for handle in stage.handles:
            handle.close()
    for server in servers:
        server.__exit__(None, None, None)  # type: ignore[attr-defined]


def an_intent(call: Call, version: int) -> Intent:
    """Return the intent to send a call of a table at this version."""
    return Intent(call, "sha256:plan", WHO, {}, version)


def drive(
    party: Party, plan: Plan, stage: Stage, clock: Callable[[], float], meanwhile: Callable[[], None]
) -> list[CallResult]:
    """Send a plan's calls as an apply does, but be stopped once an intent is durable, while `meanwhile` happens.

    `clock` says how long that was.
    """
    (lease,) = party.ledger.acquire([ACCOUNTS], owner="sleeper", actor=WHO, seconds=LEASE)

    def begin(intent: Intent) -> Ticket:
        ticket = party.ledger.begin(intent, lease=lease)
        meanwhile()
        return ticket

    effects = Effects(SpendClient(party.options).send, begin, party.ledger.end, lambda *_lost: None)
    timing = SendTiming(D, lambda: elapsed() + clock(), lambda _attempt: None)
    return list(SpendProtocol(plan, effects, timing, plan_id="sha256:plan", actor=WHO).run())


def test_r1_the_clock_starts_before_the_intent(set_stage: Callable[..., Stage]) -> None:
    """A process stopped while the store takes its intent finds its time used up: others have recovered the call."""
    stage = set_stage("empty")
    sleeper, other = stage.party(), stage.party()
    now = [0.0]

    def sleep() -> None:
        if now[0] == 0:
            now[0] += Q + LEASE
            stage.clock.now += Q + LEASE
            assert outcome(other) == 0

    drive(sleeper, sleeper.plan(), stage, lambda: now[0], sleep)
    assert (stage.posts(), stage.charged()) == (1, {1})


def test_r2_the_intent_is_durable_before_a_byte_is_sent(set_stage: Callable[..., Stage]) -> None:
    """A process killed while its call is answered has left its intent: the next apply knows of the purchase."""
    stage = set_stage("done")
    victim, other = stage.party(ALL), stage.party(ALL)

    def be_killed(send: Callable[[], Receipt], _call: Call) -> Receipt:
        send()
        victim.ledger.close()
        victim.ledger.__class__ = Dead
        raise Killed

    victim.around = be_killed
    with pytest.raises(Killed):
        victim.apply()
    stage.simulator.finish()
    stage.clock.now += Q + LEASE
    assert outcome(other) == 0
    assert (stage.posts(), stage.charged()) == (1, {1})


def test_r3_the_post_starts_within_d(set_stage: Callable[..., Stage]) -> None:
    """A process stopped between its intent and its call does not send any more when it wakes up."""
    stage = set_stage("empty")
    sleeper, other = stage.party(), stage.party()
    looks: list[float] = []

    def clock() -> float:
        # The first look is before the intent. The process is stopped just before the second one.
        looks.append(0.0 if not looks else Q + LEASE)
        if len(looks) == 2:
            stage.clock.now += Q + LEASE
            assert outcome(other) == 0
        return looks[-1]

    results = drive(sleeper, sleeper.plan(), stage, clock, lambda: None)
    assert [result.ending and result.ending.state for result in results] != [CallState.ACCEPTED]
    assert (stage.posts(), stage.charged()) == (1, {1})


def test_r3_a_stall_after_the_look_at_the_clock_counts(set_stage: Callable[..., Stage]) -> None:
    """T begins D after the intent at the latest: one that was stopped before its call began has none of it left."""
    stage = set_stage("empty")
    party = stage.party()
    (call, *_) = party.plan().calls
    with pytest.raises(NotSent):
        SpendClient(party.options).send(call, begin_by=elapsed() - party.options.call_seconds - 0.1)
    assert (stage.posts(), stage.charged()) == (0, set())


def test_r3_the_whole_call_is_bounded_by_t(set_stage: Callable[..., Stage]) -> None:
    """A server that sends a byte now and then keeps every read happy, and the call ends all the same."""
    stage = set_stage("empty")
    party = stage.party(call_seconds=0.5)
    stage.simulator.fault("trickle", "POST", RUN, bytes_per_second=10)
    (call,) = party.plan().calls
    began = time.monotonic()
    with pytest.raises(InDoubt):
        SpendClient(party.options).send(call)
    assert time.monotonic() - began < 10  # the whole answer would take over half a minute


def test_r3_time_lost_on_the_way_to_the_wire_counts(set_stage: Callable[..., Stage]) -> None:
    """A process stopped after its call has begun and before its deadline's timer runs sends not one byte later."""
    stage = set_stage("empty")
    party = stage.party(call_seconds=0.3)
    (call,) = party.plan().calls
    request = code_of("reconciler.client.run_call", "SpendClient._request")

    def stall(frame: FrameType, _event: str, _argument: object) -> None:
        if frame.f_code is request:
            time.sleep(0.4)

    sys.settrace(stall)
    try:
        with pytest.raises(NotSent):
            SpendClient(party.options).send(call)
    finally:
        sys.settrace(None)
    assert stage.posts() == 0


def test_r4_a_call_in_doubt_rests_before_it_is_judged(set_stage: Callable[..., Stage]) -> None:
    """A request that sits in a proxy lands after others have looked: they must not have taken it for lost."""
    stage = set_stage("empty")
    victim, other = stage.party(), stage.party()
    in_the_proxy: list[Callable[[], Receipt]] = []

    def be_cut_off(send: Callable[[], Receipt], _call: Call) -> Receipt:
        in_the_proxy.append(send)
        raise InDoubt("the connection broke")

    victim.around = be_cut_off
    assert outcome(victim) == 7
    stage.clock.now += Q - 1
    assert outcome(other) == 7
    assert stage.posts() == 0
    in_the_proxy[0]()
    stage.clock.now += 2
    assert outcome(other) == 7
    stage.simulator.finish()
    assert outcome(other) == 0
    assert (stage.posts(), stage.charged(), stage.payments()) == (1, {1}, 1)


def test_r5_a_table_that_moved_means_landed(set_stage: Callable[..., Stage]) -> None:
    """The answer was lost and the cells are new: the call was paid for, and nothing is sent again."""
    stage = set_stage("done")
    party, other = stage.party(ALL), stage.party(ALL)
    stage.simulator.fault("close_after", "POST", RUN, times=1)
    assert outcome(party) == 7
    stage.simulator.finish()
    stage.clock.now += Q + 1
    assert outcome(other) == 0
    assert (stage.posts(), stage.charged(), stage.payments()) == (1, {1}, 1)


def test_r5_a_table_that_shows_nothing_proves_nothing(set_stage: Callable[..., Stage]) -> None:
    """A failed cell that failed again looks as before: the call stays in doubt however long it rests."""
    stage = set_stage("failed", fails=1.0)
    party, other = stage.party("mode: failed, max_attempts: 5"), stage.party("mode: failed, max_attempts: 5")
    stage.simulator.fault("close_after", "POST", RUN, times=1)
    assert outcome(party) == 7
    stage.simulator.finish()
    stage.clock.now += 100 * Q
    assert outcome(other) == 7
    assert (stage.posts(), stage.charged()) == (1, {1})


def test_r5_an_untouched_table_means_not_landed(set_stage: Callable[..., Stage]) -> None:
    """Empty cells on an idle table, after Q: the call never landed, is sent again, and is counted as one purchase."""
    stage = set_stage("empty")
    party, other = stage.party(), stage.party()
    stage.simulator.fault("close_before", "POST", RUN, times=1)
    assert outcome(party) == 7
    stage.clock.now += Q + 1
    assert outcome(other) == 0
    assert (stage.posts(), stage.charged(), stage.payments()) == (2, {1}, 1)


@pytest.mark.parametrize("shown_as", ["null", "pending"])
def test_r5_a_table_that_runs_does_not_prove_that_nothing_landed(
    set_stage: Callable[..., Stage], shown_as: str
) -> None:
    """Another column is run by hand: the call's cells may be about to show, and `pending` there is no sign of it.

    Nothing is sent while the table runs, and what turns out not to have been bought is bought later, once.
    """
    stage = set_stage("empty", empty_cells=shown_as)
    party, other = stage.party(), stage.party()
    stage.simulator.fault("close_before", "POST", RUN, times=1)
    assert outcome(party) == 7
    person = stage.party(keys=("notes",))
    with person.tools() as tools:
        tools.runner.send(person.plan().calls[0], elapsed())
    stage.clock.now += Q + 1
    assert outcome(other) == 7
    assert stage.posts() == 2
    stage.simulator.finish()
    assert outcome(other) == 0
    assert (stage.charged(), len(stage.simulator.charges())) == ({1}, 2 * CELLS)


def test_r6_a_plan_made_before_another_ones_calls_is_not_sent(set_stage: Callable[..., Stage]) -> None:
    """Two look at the same table; the first buys and goes; the second's call has another name, and is not sent."""
    stage = set_stage("done")
    first, second = stage.party(manifest=ONE_CALL), stage.party(ALL, ("news",))

    def approve(_plan: Plan) -> str:
        assert outcome(first) == 0
        stage.simulator.finish()
        return "sha256:plan"

    assert outcome(second, approve=approve) == 0
    assert stage.charged() == {1}
    assert len(stage.simulator.charges()) == 2 * CELLS


def test_r6_an_intent_is_a_compare_and_set_on_the_tables_version(set_stage: Callable[..., Stage]) -> None:
    """Two with the same look at one table: only one of them begins, whatever their calls are called."""
    stage = set_stage("done")
    first, second = stage.party(manifest=ONE_CALL), stage.party(ALL, ("news",))
    plans = [first.plan(), second.plan()]
    begun = []
    for party, plan in zip((first, second), plans, strict=True):
        try:
            version = plan.tables[0].ledger_version
            party.ledger.begin(an_intent(plan.calls[0], version))
            begun.append(party)
        except Leased:
            continue
    assert begun == [first]


def test_r6_of_two_recoverers_one_begins_the_next_attempt(set_stage: Callable[..., Stage]) -> None:
    """Both saw the first attempt fail to land. One begins the second; the other's word about the first is too late."""
    stage = set_stage("empty")
    victim, first, second = stage.party(), stage.party(), stage.party()
    plan = victim.plan()
    (call,) = plan.calls

    def begin(party: Party) -> Ticket:
        version = party.ledger.recall([ACCOUNTS])[ACCOUNTS].version
        return party.ledger.begin(an_intent(call, version))

    lost = begin(victim)
    stage.clock.now += Q + 1
    first.ledger.resolve(Verdict(call.id, lost.attempt, landed=False, reason="untouched", actor=WHO, min_age_seconds=Q))
    flying = begin(first)
    with pytest.raises(LedgerError):
        second.ledger.resolve(Verdict(call.id, lost.attempt, landed=False, reason="untouched", actor=WHO))
    assert (flying.attempt, second.ledger.find(call.id).state) == (2, CallState.INTENT)


def test_r6_a_late_ending_of_an_old_attempt_does_not_settle_the_new_one(set_stage: Callable[..., Stage]) -> None:
    """The sender of attempt 1 wakes up and says that it sent nothing: attempt 2 is still on its way."""
    stage = set_stage("empty")
    sleeper, other = stage.party(), stage.party()
    (call,) = sleeper.plan().calls

    def begin(party: Party) -> Ticket:
        version = party.ledger.recall([ACCOUNTS])[ACCOUNTS].version
        return party.ledger.begin(an_intent(call, version))

    old = begin(sleeper)
    stage.clock.now += Q + 1
    other.ledger.resolve(Verdict(call.id, old.attempt, landed=False, reason="untouched", actor=WHO, min_age_seconds=Q))
    begin(other)
    with pytest.raises(LedgerError):
        sleeper.ledger.end(old, Ending(CallState.NOT_SENT, "woke up too late"))
    assert other.ledger.find(call.id).state is CallState.INTENT


def test_a_late_acceptance_is_never_lost(set_stage: Callable[..., Stage]) -> None:
    """Evidence said that nothing had landed, and then the answer comes: it counts, and what was planned since fails."""
    stage = set_stage("empty")
    sleeper, other = stage.party(), stage.party()
    (call,) = sleeper.plan().calls
    ticket = sleeper.ledger.begin(an_intent(call, 0))
    stage.clock.now += Q + 1
    other.ledger.resolve(Verdict(call.id, 1, landed=False, reason="untouched", actor=WHO, min_age_seconds=Q))
    planned = other.plan()
    sleeper.ledger.end(ticket, Ending(CallState.ACCEPTED, receipt=Receipt("run", CELLS)))
    version = planned.tables[0].ledger_version
    with pytest.raises(Leased):
        other.ledger.begin(an_intent(planned.calls[0], version))
    assert (other.ledger.find(call.id).state, stage.payments()) == (CallState.ACCEPTED, 1)


def test_a_lease_that_was_taken_away_begins_nothing(set_stage: Callable[..., Stage]) -> None:
    """The fence is checked by every intent: a holder who does not know yet that it lost the table cannot send."""
    stage = set_stage("empty")
    party, other = stage.party(), stage.party()
    (call,) = party.plan().calls
    (lease,) = party.ledger.acquire([ACCOUNTS], owner="first", actor=WHO, seconds=LEASE)
    other.ledger.force_release(ACCOUNTS, reason="looks dead", actor=WHO)
    other.ledger.acquire([ACCOUNTS], owner="second", actor=WHO, seconds=LEASE)
    with pytest.raises(Leased):
        party.ledger.begin(an_intent(call, 0), lease=lease)


def test_a_store_whose_clock_jumps_ahead_costs_a_lease_and_no_money(set_stage: Callable[..., Stage]) -> None:
    """A living apply's lease seems to have run out: another one takes over, and the first one sends no more."""
    stage = set_stage("done")
    first, second = stage.party(ALL, ("news", "notes")), stage.party(ALL, ("news", "notes"))
    jumps: list[int] = []

    def jump(send: Callable[[], Receipt], _call: Call) -> Receipt:
        receipt = send()
        if not jumps:
            stage.clock.now += 2 * LEASE
            jumps.append(outcome(second))
        return receipt

    first.around = jump
    code = outcome(first)
    stage.simulator.finish()
    stage.clock.now += Q
    assert outcome(second) == 0
    assert (stage.charged(), len(stage.simulator.charges())) == ({1}, 2 * CELLS)
    assert code in (0, 6)


def test_a_store_whose_clock_jumps_back_only_waits_longer(set_stage: Callable[..., Stage]) -> None:
    """A call seems to be from the future: it is not judged before Q has passed since then."""
    stage = set_stage("empty")
    party, other = stage.party(), stage.party()
    stage.simulator.fault("close_before", "POST", RUN, times=1)
    assert outcome(party) == 7
    stage.clock.now -= 10 * Q
    assert outcome(other) == 7
    stage.clock.now += 10 * Q + Q + 1
    assert outcome(other) == 0
    assert stage.charged() == {1}


def test_r4_a_wall_clock_set_forward_ends_no_quiet_period(set_stage: Callable[..., Stage]) -> None:
    """A proxy holds the request while the clock of the machine is set forward: by that of its boot, Q is not over."""
    stage = set_stage("empty")
    boot = StoreClock(1000.0)
    sender, other = (stage.party(boot=Boot("one", boot)) for _ in range(2))

    def hold(_send: Callable[[], Receipt], _call: Call) -> Receipt:
        raise InDoubt("nothing was heard")

    sender.around = hold
    (call,) = sender.plan().calls
    assert outcome(sender) == 7
    stage.clock.now += 100 * Q
    boot.now += 1
    assert outcome(other) == 7
    SpendClient(sender.options).send(call, elapsed())
    stage.simulator.finish()
    assert outcome(other) == 0
    assert (stage.posts(), stage.charged(), stage.payments()) == (1, {1}, 1)


def test_a_wall_clock_set_forward_takes_no_lease_away(set_stage: Callable[..., Stage]) -> None:
    """The holder's boot says that it still has the table: no other apply gets it while the holder sends."""
    stage = set_stage("done")
    boot = StoreClock(1000.0)
    first, second = (stage.party(ALL, ("news", "notes"), boot=Boot("one", boot)) for _ in range(2))
    codes: list[int] = []

    def jump(send: Callable[[], Receipt], _call: Call) -> Receipt:
        stage.clock.now += 2 * LEASE
        codes.append(outcome(second))
        return send()

    first.around = jump
    assert outcome(first) == 0
    assert codes == [5, 5]  # the second time, too: the call that is under way is the holder's
    assert (stage.charged(), len(stage.simulator.charges())) == ({1}, 2 * CELLS)


def test_a_lease_is_never_longer_than_it_was_taken_for(set_stage: Callable[..., Stage]) -> None:
    """Its holder died, and the store's clock was set back an hour: another machine waits for one lease, and buys."""
    stage = set_stage("empty")
    party = stage.party(boot=Boot("two", StoreClock(5.0)))
    stage.party(boot=Boot("one", StoreClock(1000.0))).ledger.acquire([ACCOUNTS], owner="dead", actor=WHO, seconds=LEASE)
    stage.clock.now -= 3600
    assert outcome(party) == 5
    stage.clock.now += LEASE
    assert outcome(party) == 0
    assert stage.charged() == {1}


def test_an_intent_without_an_answer_leaves_no_doubt(set_stage: Callable[..., Stage]) -> None:
    """The process knows that it sent nothing, and says so; `all` would stay in doubt until a person decides.

    The acceptance of the call before was in the same commit: it counts once.
    """
    stage = set_stage("done")
    party, other = (stage.party(ALL, ("news", "notes")) for _ in range(2))

    def lose(send: Callable[[], Receipt], _call: Call) -> Receipt:
        lose_the_next_commit(party.ledger, landed=True)
        return send()

    party.around = lose
    assert outcome(party) == 6
    assert (party.open_calls(), stage.posts(), stage.payments()) == ([], 1, 1)
    stage.simulator.finish()
    stage.clock.now += Q + LEASE
    assert outcome(other) == 0
    assert (stage.posts(), stage.charged(), stage.payments()) == (2, {1}, 2)


def test_an_intent_of_another_process_is_not_taken_for_ones_own(set_stage: Callable[..., Stage]) -> None:
    """It began the same call while the first was not told how its own commit ended: it is on its way."""
    stage = set_stage("done")
    first, second = stage.party(ALL), stage.party(ALL)
    (call,) = first.plan().calls

    def begin(party: Party) -> Ticket:
        return party.ledger.begin(an_intent(call, 0))

    lose_the_next_commit(first.ledger, landed=False, then=lambda: begin(second))
    with pytest.raises(LedgerError):
        begin(first)
    assert second.ledger.find(call.id).state is CallState.INTENT


def test_only_what_was_approved_is_sent(set_stage: Callable[..., Stage]) -> None:
    """A second look under the lease may find more due than was approved; it is not bought."""
    stage = set_stage("empty")
    party = stage.party()
    other = stage.party(keys=("notes",))
    table = stage.simulator.state.tables[ACCOUNTS]

    def approve(_plan: Plan) -> str:
        assert outcome(other) == 0  # the table's version grows, so the party looks again
        stage.simulator.finish()
        for slot in stage.simulator.state.add_rows(table, 2):
            stage.simulator.state.write(table, slot, {"site": "new.example"})
        return "sha256:plan"

    assert outcome(party, approve=approve) == 0
    assert len(stage.simulator.charges()) == 2 * CELLS


def test_more_cells_accepted_than_planned_stop_everything(set_stage: Callable[..., Stage]) -> None:
    """The first receipt names a cell too many: the second call is not sent."""
    stage = set_stage("empty")
    party = stage.party(keys=("news", "notes"))
    receipt = {"id": "11111111-2222-4333-8444-555555555555", "num_requested_cells": CELLS + 1}
    stage.simulator.fault("status", "POST", RUN, when="after", status=200, body=receipt, times=1)
    assert outcome(party) == 6
    assert stage.posts() == 1


@pytest.mark.parametrize(("run", "state"), [("mode: new", "empty"), ("mode: failed", "failed"), (ALL, "done")])
def test_what_was_accepted_is_awaited_before_it_is_due_again(
    set_stage: Callable[..., Stage], run: str, state: str
) -> None:
    """The run shows late: until then the table is idle and its cells are as they were, which proves nothing."""
    stage = set_stage(state, shows_after=1000)
    assert outcome(stage.party(run)) == 0
    for _ in range(3):
        stage.clock.now += Q / 4
        assert outcome(stage.party(run)) == 0
    assert (stage.posts(), stage.charged()) == (1, {1})


def test_a_cell_that_never_starts_is_bought_as_often_as_the_run_allows(set_stage: Callable[..., Stage]) -> None:
    """Paid for, and empty for ever: once, or as often as a person says."""
    stage = set_stage("empty", shows_after=1e9)
    for run, times in (("mode: new", 1), ("mode: new, max_attempts: 2", 2)):
        for _ in range(4):
            outcome(stage.party(run))
            stage.clock.now += 100 * Q
        assert stage.charged() == {times}


def test_an_approval_is_used_up(set_stage: Callable[..., Stage]) -> None:
    """Cells that fail again are due again, but not under the plan that bought them."""
    stage = set_stage("failed", fails=1.0)
    run = "mode: failed, max_attempts: 5"
    made = plan_file.document(stage.party(run).plan(), Origin("2026-01-01T00:00:00Z", "1", "x"))
    plan = saved_plan_checks.check_plan(made, datetime(2026, 1, 1, tzinfo=UTC), 60)
    for _ in range(3):
        outcome(stage.party(run), approve=lambda _plan: plan.plan_id, saved=plan)
        stage.simulator.finish()
        stage.clock.now += 100 * Q
    assert stage.charged() == {1}


@pytest.mark.parametrize(
    ("state", "run", "shows_after"),
    [
        ("empty", "mode: new", 1e9),
        ("failed", "mode: failed, max_attempts: 1", 0.0),
        ("done", ALL, 0.0),
    ],
)
def test_what_is_folded_is_remembered(
    set_stage: Callable[..., Stage], state: str, run: str, shows_after: float
) -> None:
    """Tries and revisions count from a checkpoint as they do from calls."""
    stage = set_stage(state, fails=1.0, shows_after=shows_after)
    for _ in range(4):
        outcome(stage.party(run))
        if not shows_after:
            stage.simulator.finish()
        stage.clock.now += 2 * Q
        stage.handles[-1].compact(ACCOUNTS)
    history = stage.handles[0].recall([ACCOUNTS])[ACCOUNTS]
    assert (stage.charged(), len(history.checkpoint.versions()), history.calls) == ({1}, 1, ())


def test_a_folded_cell_is_as_old_as_its_last_purchase(set_stage: Callable[..., Stage]) -> None:
    """Every three days a look, after seven it is stale: bought on day 0 and 9, and not on day 15."""
    stage = set_stage("empty")
    for _ in range(6):
        outcome(stage.party("mode: all, refresh: {every: 7d}"))
        stage.simulator.finish()
        stage.clock.now += 3 * 86_400
        stage.handles[-1].compact(ACCOUNTS)
    assert stage.charged() == {2}


def test_a_call_that_is_awaited_is_not_folded(set_stage: Callable[..., Stage]) -> None:
    """Its cells are as failed as before until it shows; from a checkpoint they would be due."""
    stage = set_stage("failed", fails=1.0, shows_after=100.0)
    run = "mode: failed, max_attempts: 5"
    for _ in range(3):
        outcome(stage.party(run))
        stage.handles[-1].compact(ACCOUNTS)
    assert stage.charged() == {1}


@pytest.mark.parametrize("times", [1, 2])
def test_a_folded_approval_is_used_up(set_stage: Callable[..., Stage], times: int) -> None:
    """However much was folded since, and in how many turns."""
    stage = set_stage("failed", fails=1.0)
    run = "mode: failed, max_attempts: 5"
    keys = ("news", "notes")[:times]
    made = plan_file.document(stage.party(run, keys).plan(), Origin("2026-01-01T00:00:00Z", "1", "x"))
    plan = saved_plan_checks.check_plan(made, datetime(2026, 1, 1, tzinfo=UTC), 60)
    stage.simulator.fault("status", "POST", RUN, status=422, skip=1, times=1)  # so two calls are sent by two applies
    for _ in range(5):
        outcome(stage.party(run, keys), approve=lambda _plan: plan.plan_id, saved=plan)
        stage.simulator.finish()
        stage.clock.now += 100 * Q
        stage.handles[-1].compact(ACCOUNTS)
    assert stage.handles[0].tables_to_compact() == []
    assert (len(stage.simulator.charges()), stage.charged()) == (times * CELLS, {1})


@pytest.mark.parametrize("status", [408, 425, 460, 499])
def test_a_status_that_proves_nothing_leaves_the_call_in_doubt(set_stage: Callable[..., Stage], status: int) -> None:
    """A gateway says it after the work was done."""
    stage = set_stage("done")
    stage.simulator.fault("status", "POST", RUN, status=status, when="after", times=1)
    assert outcome(stage.party(ALL)) == 7
    stage.simulator.finish()
    stage.clock.now += 100 * Q
    outcome(stage.party(ALL))
    assert (stage.posts(), stage.charged()) == (1, {1})


BUDGET = {"per_day": {"max_credits": CELLS}}


@pytest.mark.parametrize("rival", ["buys", "is in doubt", "did not land"])
def test_a_budget_holds_against_a_purchase_after_the_plan(set_stage: Callable[..., Stage], rival: str) -> None:
    """Two applies, each within the budget as it planned: the second one's call is not sent, unless it was given back.

    The first one buys, or may have bought, between the plan of the second and its intent, for another manifest.
    """
    stage = set_stage("empty")
    party, other = stage.party(keys=("news",), limits=BUDGET), stage.party(keys=("notes",))

    def meanwhile(_plan: Plan) -> str:
        version = other.ledger.recall(["t2"])["t2"].version
        call = a_rivals_call("t2")
        ticket = other.ledger.begin(an_intent(call, version))
        if rival != "is in doubt":
            state = CallState.ACCEPTED if rival == "buys" else CallState.NOT_SENT
            other.ledger.end(ticket, Ending(state, receipt=Receipt("", None) if rival == "buys" else None))
        return "sha256:plan"

    report = party.apply(meanwhile)
    if rival == "did not land":
        assert (report.exit_code(), stage.posts()) == (0, 1)
        return
    assert (report.exit_code(), stage.posts()) == (6, 0)
    (result,) = report.results
    assert result.ending is not None
    assert result.ending.state is CallState.NOT_SENT
    assert "the budget is 3 a day" in result.ending.detail
    stage.clock.now += 86400
    assert (outcome(party), stage.posts()) == (0, 1)


def a_rivals_call(table: str) -> Call:
    """Return a call of one cell for a table of which this stage knows nothing else."""
    rows = ("r1",)
    return Call(
        id="f" * 32,
        address="others/fill",
        table_id=table,
        mode=Mode.NEW,
        revision=None,
        columns=("c1",),
        column_keys=("c1",),
        rows=rows,
        cells=1,
        credits=Decimal(1),
        reason=Reason.CELLS_EMPTY,
        covered=(Block(("c1",), rows),),
        configs={"c1": ""},
    )


def test_two_intents_at_once_keep_a_budget_together(set_stage: Callable[..., Stage]) -> None:
    """Recorded one after the other, whoever comes first: each sees what the other counted."""
    stage = set_stage("empty")
    one, two = stage.party(limits=BUDGET), stage.party(limits=BUDGET)
    limit = Limit(Decimal(1), "here")
    budget = Budget("per_day.max_cells", Period.DAY, Unit.CELLS, limit, limit.value, "UTC")
    calls = [replace(a_rivals_call(table), id=name * 32) for table, name in (("t1", "a"), ("t2", "b"))]
    outcomes = []
    for party, call in zip((one, two), calls, strict=True):
        try:
            party.ledger.begin(replace(an_intent(call, 0), budgets=(budget,)))
            outcomes.append(True)
        except LimitExceeded:
            outcomes.append(False)
    assert outcomes == [True, False]
