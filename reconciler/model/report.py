"""The result of an apply, counted from outcomes and never from intentions, with its exit code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum

from reconciler.errors import Leased, LimitExceeded, ReconcilerError, StalePlan
from reconciler.model.attempt import CallResult, Stop, StopCause, Yield
from reconciler.model.budget import BudgetUse
from reconciler.model.credits import Credits
from reconciler.model.expectation import Unmet
from reconciler.model.history import CallState
from reconciler.model.plan import Call, CallInDoubt, ExpectedGrowth, Plan, SkipReason
from reconciler.model.rollout_result import RolloutResult


class ExitCode(IntEnum):
    """The codes that commands end with; `cli/README.md` says what to do after each."""

    OK = 0
    ERROR = 1
    CHANGES = 2
    LIMIT = 3
    STALE = 4
    LEASED = 5
    PARTIAL = 6
    IN_DOUBT = 7
    RUNNING = 8
    """Only of `follow`: the apply still runs."""
    USAGE = 64
    CANCELLED = 130

    @classmethod
    def of(cls, error: ReconcilerError) -> "ExitCode":
        """Return the code of a command that ends with an error; most are 1."""
        return next((code for kind, code in _OF_ERRORS.items() if isinstance(error, kind)), cls.ERROR)


_OF_STOPS = {
    StopCause.LEASED: ExitCode.LEASED,
    StopCause.LEDGER: ExitCode.ERROR,
    StopCause.LIMIT: ExitCode.LIMIT,
}
"""Before anything was sent."""
_OF_ERRORS = {StalePlan: ExitCode.STALE, LimitExceeded: ExitCode.LIMIT, Leased: ExitCode.LEASED}


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A run whose first portion failed too often, so the rest of it is not sent."""

    address: str
    table_id: str
    trial: RolloutResult
    cells: int
    """Cells that are due but not sent."""


@dataclass(frozen=True, slots=True)
class Outgrown:
    """More cells became due during the apply than `allow_growth` lets one apply buy, so none of them are sent."""

    growth: ExpectedGrowth
    cells: int
    """The cells that became due, including those of them already bought."""
    credits: Decimal | None
    """None if a price is unknown."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """Cells that are due and approved but were not sent."""

    address: str
    table_id: str
    cells: int
    reason: str
    """In words, safe to print."""


@dataclass(frozen=True, slots=True)
class Yielded:
    """The answers of a column that running its cells again changed."""

    address: str
    table_id: str
    column: str
    """Its key."""
    total: Yield
    table_name: str = ""
    """As `Call.table_name`."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one apply."""

    plan_id: str
    results: tuple[CallResult, ...] = ()
    stop: Stop | None = None
    in_doubt: tuple[CallInDoubt, ...] = ()
    """Calls of earlier applies that are still in doubt."""
    unrecorded: tuple[str, ...] = ()
    """Ids of calls whose outcome could not be recorded in the ledger."""
    waited: bool = False
    still_running: tuple[str, ...] = ()
    """Ids of tables that were not idle when the apply stopped waiting."""
    held_back: tuple[HeldBack, ...] = ()
    outgrown: tuple[Outgrown, ...] = ()
    later: tuple[Call, ...] = ()
    """Approved calls of later waves, left for another apply because this one did not wait for the first wave."""
    unsent: tuple[Unsent, ...] = ()
    blocked: tuple[Unsent, ...] = ()
    """Approved cells that are not due any more, because cells that they read ended otherwise than done."""
    awaited: tuple[str, ...] = ()
    """Ids of accepted calls that had not shown in their tables when the apply stopped waiting."""
    resumed: tuple[CallResult, ...] = ()
    """Accepted calls of earlier applies that were not settled yet, and that this one waited for."""
    stale: Mapping[str, str] = field(default_factory=dict)
    """Manifest → why the saved plan no longer approves its calls."""
    budgets: tuple[BudgetUse, ...] = ()
    """Those that the approved plan took from, as they stood before its calls, with what was due of each."""
    yields: tuple[Yielded, ...] = ()
    """By run and column: what calls of mode `all` that were waited for changed."""
    unmet: tuple[Unmet, ...] = ()
    """Runs with calls that were waited for whose answers are not as their `expect` says."""

    def in_state(self, state: CallState) -> tuple[CallResult, ...]:
        """Return the results that ended in `state`."""
        return tuple(result for result in self.results if result.ending is not None and result.ending.state is state)

    @property
    def not_attempted(self) -> tuple[CallResult, ...]:
        """Return the results of calls whose turn never came."""
        return tuple(result for result in self.results if result.ending is None)

    @property
    def failed_cells(self) -> int:
        """Cells that had failed when the apply stopped waiting, of earlier applies' calls, too."""
        return sum(each.settlement.failed for each in (*self.resumed, *self.results) if each.settlement is not None)

    @property
    def not_started_cells(self) -> int:
        """Cells that were neither done nor failed when the apply stopped waiting, likewise."""
        both = (*self.resumed, *self.results)
        return sum(each.settlement.not_started for each in both if each.settlement is not None)

    def exit_code(self, *, detailed: bool = False) -> ExitCode:
        """Return the exit code; `detailed` separates *calls were sent* from *nothing to do*, and changes no failure."""
        accepted = self.in_state(CallState.ACCEPTED)
        if self.in_doubt or self.unrecorded or self.in_state(CallState.IN_DOUBT):
            return ExitCode.IN_DOUBT
        attempted = len(self.results) > len(self.not_attempted)
        if self.stop is not None and not attempted:
            return _OF_STOPS.get(self.stop.cause, ExitCode.PARTIAL)
        is_short = len(accepted) < len(self.results) or bool(
            self.held_back or self.outgrown or self.unsent or self.unmet
        )
        if self.stop is not None or is_short or self.failed_cells or self.not_started_cells:
            return ExitCode.PARTIAL
        if self.stale:
            return ExitCode.PARTIAL if accepted else ExitCode.STALE
        return ExitCode.CHANGES if detailed and accepted else ExitCode.OK


def held_back(plan: Plan) -> tuple[HeldBack, ...]:
    """Return the runs of a plan that have cells due but whose first portion failed too often."""
    cells = {(skip.table_id, skip.address): skip.cells for skip in plan.skipped if skip.reason is SkipReason.HELD_BACK}
    return tuple(
        HeldBack(run.address, table.table_id, run.trial, cells[table.table_id, run.address])
        for table in plan.tables
        for run in table.runs
        if run.trial is not None and (table.table_id, run.address) in cells
    )


def bought_cells(result: CallResult) -> int:
    """Return the cells that an accepted call was charged for: by the API's receipt, or as planned if it did not say."""
    receipt = result.ending.receipt if result.ending else None
    if receipt is None or receipt.requested_cells is None:
        return result.call.cells
    return receipt.requested_cells


def sum_cells(results: Iterable[CallResult]) -> int:
    """Add up the planned cells."""
    return sum(result.call.cells for result in results)


def cost_of(results: Iterable[CallResult]) -> Credits:
    """Add up the planned credits."""
    return Credits.of(result.call for result in results)
