"""Any story of applies, crashes, lost answers, people and clocks: never paid twice, nothing lost, doubt always said."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from reconciler.documents import plan_file, saved_plan_checks
from reconciler.documents.saved_plan_checks import SavedPlan
from reconciler.errors import LedgerError, LimitExceeded, ReconcilerError, StalePlan
from reconciler.ledger import Lease, Ledger
from reconciler.ledger.clocks import Boot
from reconciler.ledger.location import parse
from reconciler.ledger.store import Store
from reconciler.model.attempt import Actor, Ending, Intent, Receipt, Ticket, Verdict
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import CallFilter
from reconciler.model.limits import Limit
from reconciler.model.origin import Origin
from reconciler.model.plan import Call, Plan, SkipReason
from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from reconciler.simulator.world.schedule import cell_of
from tests.at_most_once.rival_applies import LEASE, Killed, Party, Q, Stage, StoreClock, lose_the_next_commit
from tests.journey.desk import ACCOUNTS, row_id

RUN = f"/v1/tables/{ACCOUNTS}/run"
MAX_ATTEMPTS = 2
COLUMNS = ("news", "notes", "size")
FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "dropped before": {"kind": "close_before"},
    "dropped after": {"kind": "close_after"},
    "reset before": {"kind": "reset", "when": "before"},
    "reset after": {"kind": "reset", "when": "after"},
    "half an answer": {"kind": "half"},
    "garbage": {"kind": "garbage"},
    "garbled": {"kind": "garbled"},
    "500 before": {"kind": "status", "status": 500, "when": "before"},
    "502 after": {"kind": "status", "status": 502, "when": "after"},
    "408 after": {"kind": "status", "status": 408, "when": "after"},
    "499 after": {"kind": "status", "status": 499, "when": "after"},
    "425 before": {"kind": "status", "status": 425, "when": "before"},
    "429": {"kind": "status", "status": 429, "when": "before"},
    "402": {"kind": "status", "status": 402, "when": "before"},
    "422": {"kind": "status", "status": 422, "when": "before"},
}


def workspace(shows_after: float = 0.0) -> dict[str, Any]:
    """Return a table with something due in every mode, whose cells sometimes fail; runs show after so many seconds."""
    states = ({"size": "done"}, {"news": "failed", "size": "done"}, {"news": "done", "notes": "failed"})
    return {
        "pace": {"shows_after": shows_after},
        "tables": [
            {
                "id": ACCOUNTS,
                "name": "Accounts",
                "columns": [{"key": "site", "kind": "input"}, *({"key": key, "fails": 0.3} for key in COLUMNS)],
                "rows": [{"id": row_id(number), "cells": dict(cells)} for number, cells in enumerate(states, 1)],
            }
        ],
    }


def manifest(revision: int) -> str:
    """Return a manifest with a run of every mode."""
    return f"""\
apiVersion: reconciler/v1
kind: TableRun
metadata: {{name: accounts}}
spec:
  table: {ACCOUNTS}
  runs:
    - {{mode: new, columns: [news, notes]}}
    - {{mode: failed, columns: [news, notes], max_attempts: {MAX_ATTEMPTS}}}
    - {{mode: all, columns: [size], revision: r{revision}}}
"""


class Mortal(Ledger):
    """A handle of a process that is killed at one of its writes, before or after the store has it."""

    def __init__(self, store: Store, lives: int, after: bool) -> None:
        super().__init__(store)
        self._lives = lives
        self._after = after
        self._is_dead = False

    def _live(self, write: Callable[[], Any]) -> Any:
        if self._is_dead:
            raise Killed
        self._lives -= 1
        if self._lives == 0:
            self._is_dead = True
            if self._after:
                write()
            raise Killed
        return write()

    def begin(self, intent: Intent, **more: Any) -> Ticket:
        """Record an intent, if it lives."""
        ticket: Ticket = self._live(lambda: super(Mortal, self).begin(intent, **more))
        return ticket

    def end(self, ticket: Ticket, ending: Ending) -> None:
        """Record an ending, if it lives."""
        self._live(lambda: super(Mortal, self).end(ticket, ending))

    def resolve(self, verdict: Verdict, **more: Any) -> CallState:
        """Record a verdict, if it lives."""
        state: CallState = self._live(lambda: super(Mortal, self).resolve(verdict, **more))
        return state

    def acquire(self, *tables: Any, **more: Any) -> tuple[Lease, ...]:
        """Take leases, if it lives."""
        leases: tuple[Lease, ...] = self._live(lambda: super(Mortal, self).acquire(*tables, **more))
        return leases

    def release(self, held: Any) -> None:
        """Give leases back, if it lives."""
        self._live(lambda: super(Mortal, self).release(held))


class Story(RuleBasedStateMachine):
    """One table, one ledger, and everything that can happen to them."""

    simulator: ClassVar[LiveSimulator]
    shows_late: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.simulator.clear_faults()
        self.simulator.reset()
        self.folder = tempfile.TemporaryDirectory()
        self.stage = Stage(Path(self.folder.name), self.simulator, StoreClock())
        self.since_boot = StoreClock(1000.0)
        self.boot = Boot("the machine of all that apply", self.since_boot)
        self.revision = 1
        self.landed: list[tuple[Call, int, frozenset[tuple[str, str]]]] = []
        """Our calls that the simulator charged: the call, the revision wanted then, the cells charged."""
        self.by_person: set[tuple[str, str]] = set()
        self.saved: list[tuple[SavedPlan, int]] = []
        """Plans that were saved, with the revision wanted then."""
        self.under_plan: Counter[tuple[str, tuple[str, str]]] = Counter()
        """How often each cell was charged under each saved plan."""
        self.witness = self.stage.party(manifest=manifest(1))

    @initialize()
    def begin(self) -> None:
        """Create the ledger."""
        self.witness.ledger.initialise()

    # What happens.

    @rule(
        fault=st.sampled_from(sorted(FAULTS)),
        skip=st.integers(0, 2),
        lives=st.one_of(st.just(0), st.integers(1, 12)),
        after=st.booleans(),
        meanwhile=st.sampled_from(["nothing", "nothing", "apply before", "apply after"]),
        limit=st.one_of(st.none(), st.integers(1, 6)),
        unanswered=st.sampled_from(["nothing", "nothing", "a commit", "the answer to a commit"]),
    )
    def apply(
        self,
        fault: str,
        skip: int,
        lives: int,
        after: bool,
        meanwhile: str,
        limit: int | None,
        unanswered: str = "nothing",
    ) -> None:
        """An actor applies; the network, the process, another apply and a limit may come in between."""
        if FAULTS[fault]:
            self.simulator.fault(method="POST", path=RUN, times=1, skip=skip, **FAULTS[fault])
        party = self.party(limit)
        if lives:
            party.ledger = Mortal(
                Store(
                    parse(f"sqlite:///{self.folder.name}/ledger.db"),
                    clock=self.stage.clock,
                    boot=self.boot,
                    busy_seconds=5,
                ),
                lives,
                after,
            )
            self.stage.handles.append(party.ledger)
        inner = party.around
        assert inner is not None

        def around(send: Callable[[], Receipt], call: Call) -> Receipt:
            if meanwhile == "apply before":
                self.carry_out(self.party())
            if unanswered != "nothing":
                # That of the next intent, with this call's outcome in it; or of the outcome alone.
                lose_the_next_commit(party.ledger, landed=unanswered != "a commit")
            try:
                return inner(send, call)
            finally:
                if meanwhile == "apply after":
                    self.carry_out(self.party())

        party.around = around
        self.carry_out(party, limit)
        self.simulator.clear_faults()

    @rule()
    def save_a_plan(self) -> None:
        """An actor saves a plan, which approves its cells once."""
        made = plan_file.document(self.party().plan(), Origin(f"2026-01-01T00:00:{len(self.saved):02}Z", "1", "x"))
        if not made["errored"]:
            plan = saved_plan_checks.check_plan(made, datetime(2026, 1, 1, 0, 1, tzinfo=UTC), 3600)
            self.saved.append((plan, self.revision))

    @precondition(lambda self: self.saved)
    @rule(which=st.integers(0, 3), fault=st.sampled_from(sorted(FAULTS)))
    def apply_a_saved_plan(self, which: int, fault: str) -> None:
        """An actor applies one, perhaps not for the first time, and perhaps long after it was made."""
        plan, _ = self.saved[which % len(self.saved)]
        if FAULTS[fault]:
            self.simulator.fault(method="POST", path=RUN, times=1, **FAULTS[fault])
        self.carry_out(self.party(plan_id=plan.plan_id), plan=plan)
        self.simulator.clear_faults()

    @rule()
    def plan(self) -> None:
        """An actor plans: nothing is sent and nothing is written."""
        posts, calls = self.stage.posts(), self.witness.ledger.calls()
        self.party().plan()
        after = self.witness.ledger.calls()
        assert [(c.id, c.state, c.attempt) for c in after] == [(c.id, c.state, c.attempt) for c in calls]
        assert self.stage.posts() == posts

    @rule(column=st.sampled_from(COLUMNS), mode=st.sampled_from(["new", "failed", "all"]))
    def a_person_runs_the_table(self, column: str, mode: str) -> None:
        """A person runs a column in the vendor's own page."""
        before = self.simulator.charges()
        body = {"mode": mode, "columns": [self.table.column(column).id]}
        headers = {"Authorization": f"Bearer {self.simulator.token}"}
        httpx.post(f"{self.simulator.url}{RUN}", json=body, headers=headers, trust_env=False)
        charged = Counter(self.simulator.charges()) - Counter(before)
        self.by_person |= {(column_, row) for _, column_, row in charged}

    @rule(seconds=st.sampled_from([1.0, 3.0, 60.0]))
    def the_api_works(self, seconds: float) -> None:
        """Cells start and end."""
        self.simulator.advance(seconds)

    @rule(seconds=st.sampled_from([1.0, LEASE + 1, Q + 1, 100 * Q]))
    def time_passes(self, seconds: float) -> None:
        """By every clock."""
        self.stage.clock.now += seconds
        self.since_boot.now += seconds
        if self.shows_late:
            # Else a run could show later than Q, which nothing protects from but the tries.
            self.simulator.advance(seconds)

    @rule(seconds=st.sampled_from([1.0, LEASE + 1, Q + 1, 100 * Q, -1.0, -Q, -100 * Q]))
    def the_stores_clock_is_set(self, seconds: float) -> None:
        """A person sets the clock; the boot's goes on as before."""
        self.stage.clock.now += seconds

    @rule()
    def a_person_ends_the_doubts(self) -> None:
        """A person looks at the bill and resolves what is in doubt."""
        for call_id in self.witness.open_calls():
            self.resolve(call_id)

    @rule()
    def the_revision_changes(self) -> None:
        """The manifest asks for everything once more."""
        self.revision += 1

    @rule()
    def a_row_is_added(self) -> None:
        """The table grows."""
        if len(self.table.order) < 5:
            with self.simulator.state.lock:
                for slot in self.simulator.state.add_rows(self.table, 1):
                    self.simulator.state.write(self.table, slot, {"site": "new.example"})

    # What must be true at any time.

    @invariant()
    def nothing_is_paid_for_twice(self) -> None:
        """At most one charge a cell and reason, and never for a cell that was not in the call's plan."""
        charges: Counter[tuple[str, int, str, str]] = Counter()
        for call, revision, cells in self.landed:
            assert cells <= {(column, row) for block in call.covered for column in block.columns for row in block.rows}
            charges.update((call.mode.value, revision, *cell) for cell in cells)
        for (mode, _, _, _), times in charges.items():
            assert mode == "failed" or times == 1
        new = Counter(cell for call, _, cells in self.landed if call.mode.value == "new" for cell in cells)
        assert all(times == 1 for times in new.values())
        assert all(times == 1 for times in self.under_plan.values()), "an approval was used twice"
        reruns = Counter(cell for call, _, cells in self.landed if call.mode.value == "failed" for cell in cells)
        assert all(times <= MAX_ATTEMPTS for times in reruns.values())

    @invariant()
    def the_ledger_counts_no_call_twice(self) -> None:
        """A call is accepted once at most."""
        assert all(call.payments <= 1 for call in self.witness.ledger.calls())

    def teardown(self) -> None:
        """Let everything come to rest: every cell in scope is where the manifest wants it, or the plan says why."""
        self.simulator.clear_faults()
        try:
            self.come_to_rest()
        finally:
            for handle in self.stage.handles:
                handle.close()
            self.folder.cleanup()

    def come_to_rest(self) -> None:
        """Apply until nothing is due and nothing in doubt."""
        for _ in range(40):
            self.simulator.finish()
            self.time_passes(300 * Q)
            self.carry_out(self.party())
            self.simulator.finish()
            self.time_passes(300 * Q)
            plan = self.party().plan()
            for call_id in self.witness.open_calls():
                self.resolve(call_id)
            if not plan.has_due and not plan.in_doubt:
                break
        else:
            raise AssertionError("something stays due for ever")
        self.nothing_is_paid_for_twice()
        reasons = {skip.reason for skip in plan.skipped}
        at_rest = {SkipReason.DONE, SkipReason.SATISFIED, SkipReason.FAILED, SkipReason.ATTEMPTS_EXHAUSTED}
        # What a person runs looks like the call in doubt: its other cells count as bought, and are not tried again.
        assert reasons <= at_rest | ({SkipReason.NOT_STARTED} if self.by_person else set())
        size = self.table.column("size").id
        bought = {cell for call, revision, cells in self.landed if revision == self.revision for cell in cells}
        for slot in self.table.order:
            cell = (size, self.table.row_ids[slot])
            assert cell in bought or cell in self.by_person or cell in self.taken_for_bought(), f"lost: {cell}"

    def taken_for_bought(self) -> set[tuple[str, str]]:
        """Return the cells of this revision's calls that were found to have landed after a person had run one of them.

        What a person runs looks like the call in doubt: under `all` its other cells count as run, as the guide says.
        """
        ledger, taken = self.witness.ledger, set()
        for record in ledger.calls(CallFilter(states=[CallState.ACCEPTED])):
            if record.revision == f"r{self.revision}" and any(
                event.detail.get("landed") for event in ledger.events(record.id)
            ):
                blocks = ledger.past(record.id).covered
                cells = {(column, row) for block in blocks for column in block.columns for row in block.rows}
                taken |= cells if cells & self.by_person else set()
        return taken

    # How it is done.

    @property
    def table(self) -> Any:
        """The live table."""
        return self.simulator.state.tables[ACCOUNTS]

    def party(self, limit: int | None = None, plan_id: str = "") -> Party:
        """Return an actor who wants the present manifest, within a limit or a saved plan."""
        party = self.stage.party(manifest=manifest(self.revision), boot=self.boot)
        if limit is not None:
            limits = replace(party.settings.limits, max_cells=Limit(Decimal(limit), "--max-cells"))
            party.settings = replace(party.settings, limits=limits)
        revision = self.revision

        def note(send: Callable[[], Receipt], call: Call) -> Receipt:
            runs = len(self.simulator.state.runs)
            try:
                return send()
            finally:
                self.note_charges(call, revision, runs, plan_id)

        party.around = note
        return party

    def note_charges(self, call: Call, revision: int, runs: int, plan_id: str) -> None:
        """Remember what a call was charged for."""
        with self.simulator.state.lock:
            for run in self.simulator.state.runs[runs:]:
                found = [cell_of(run.table, number) for number in run.cells]
                cells = frozenset((column.id, run.table.row_ids[slot]) for column, slot in found)
                self.landed.append((call, revision, cells))
                if plan_id:
                    self.under_plan.update((plan_id, cell) for cell in cells)

    def carry_out(self, party: Party, limit: int | None = None, plan: SavedPlan | None = None) -> None:
        """Apply, and check what is said about it."""
        planned: list[Plan] = []

        def approve(proposed: Plan) -> str:
            planned.append(proposed)
            return "sha256:plan" if plan is None else plan.plan_id

        landed = len(self.landed)
        try:
            report = party.apply(approve=approve, saved=plan)
        except (Killed, LedgerError, LimitExceeded, StalePlan):
            return
        except ReconcilerError as error:
            raise AssertionError(error.message) from error
        if self.witness.open_calls():
            assert report.exit_code() == 7
        if limit is not None:
            assert sum(call.cells for call in planned[0].calls) <= limit
            assert sum(len(cells) for call, _, cells in self.landed[landed:] if call in planned[0].calls) <= limit

    def resolve(self, call_id: str) -> None:
        """End a doubt by the truth about the call's last attempt."""
        record = self.witness.ledger.find(call_id)
        paid = sum(call.id == call_id for call, _, _ in self.landed) > record.payments
        self.witness.ledger.resolve(
            Verdict(call_id, record.attempt, landed=paid, reason="the bill says so", actor=Actor("accountant"))
        )


@contextmanager
def on_stage(shows_after: float = 0.0) -> Iterator[None]:
    """Serve the world of all stories."""
    with serve(workspace(shows_after), clock=ManualClock()) as simulator:
        Story.simulator, Story.shows_late = simulator, shows_after > 0
        yield


def test_a_table_that_runs_for_another_call_shows_nothing_of_the_one_in_doubt() -> None:
    """Found by the stories below: an `all` that never landed was taken for landed, and its cells were lost.

    One of them was empty, and the API shows a cell that never ran as `pending` while the table runs for another call.
    """
    with on_stage():
        story = Story()
        story.begin()
        story.apply("500 before", skip=0, lives=0, after=False, meanwhile="nothing", limit=None)
        story.apply("402", skip=1, lives=0, after=False, meanwhile="nothing", limit=None)
        story.apply("none", skip=0, lives=0, after=False, meanwhile="nothing", limit=None)
        story.teardown()


@pytest.mark.parametrize("shows_after", [0.0, Q / 2], ids=["shows at once", "shows late"])
def test_no_story_buys_twice_or_loses_a_cell(is_long: bool, shows_after: float) -> None:
    """Whatever happens in whatever order; `--kills all` tells more and longer stories."""
    profile = settings(
        max_examples=250 if is_long else 8,
        stateful_step_count=25 if is_long else 12,
        derandomize=not is_long,
        # To shorten a story that goes wrong takes minutes; the short run only says that there is one.
        phases=[Phase.generate, Phase.shrink] if is_long else [Phase.generate],
        database=None,
    )
    with on_stage(shows_after):
        run_state_machine_as_test(Story, settings=profile)


@pytest.mark.parametrize("lives", range(1, 9))
@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_dies_at_any_write_buys_nothing_twice(lives: int, after: bool) -> None:
    """The shortest story of each crash: it dies, another one comes to rest."""
    with on_stage():
        story = Story()
        story.begin()
        story.apply("none", 0, lives, after, "nothing", None)
        story.teardown()
