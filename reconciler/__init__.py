"""Declarative, reviewed, at-most-once runs of Extruct AI tables. This is the Python face of the program:

    import reconciler

    with reconciler.open_session("reconciler.yaml") as session:
        plan = session.plan(target=["team=gtm"])   # a SessionPlan; sends only GET
        report = session.apply(plan)               # a Report; that plan is the approval

`open_session` reads the settings. A `Session` has a method for each command (`validate`, `plan`, `apply`, `wait`,
`status`, `explain`, `drift`, `forecast`, `snapshot`, `import_tables`, `adopt`, `notify`), and its `ledger` says what
was spent. Credits are `Decimal`, or None if a price is unknown; times are seconds; ids are those of the API. Results
are frozen and inert. Every error is a ReconcilerError with `message` and `hint`, and its class says what to do
(`reconciler/errors.py` draws the tree). Names are loaded when they are first used, so that importing `reconciler`
costs nothing.

The rooms, from the street inwards:

cli/         one module per command: parse, call, print, exit code
fleet/       many machines: submit, worker, follow; the job queue behind engine.py; monitoring/ for what watches them
operations/  the verbs that join the rooms: observe, plan a change, apply wave by wave, send, wait; the Session
render/      values to text for people            documents/   versioned JSON: plan, report, status, snapshot files
forge/       comments on GitHub and GitLab        simulator/   a stand-in of the API; only its commands import it
planning/    what is due, pure: planner → table_planner → cell_decision
settings/    flags, environment, project file, git, the limits of a base
spending/    between a plan and money, pure: the spend protocol, evidence, doubt, approval, limits, waiting
client/      the API over HTTP: http/ (requests), tables/ (pages to snapshots), run_call (the POST that costs)
ledger/      the memory of what was paid for, and its leases
manifests/   YAML ⇄ manifests, with the place of every word
model/       nouns: manifest, table, history, plan, attempt, report
text/        words and numbers

Imports point down only; `tests/architecture` holds a contract for each room. Three inputs meet in one pure function:
manifests, live tables and the ledger's history become a plan, and the rest reads its result.
"""

from reconciler.version import __version__

TYPE_CHECKING = False  # as type checkers read it; `typing` itself is not worth its import here
if TYPE_CHECKING:
    from reconciler.documents.saved_plan_checks import SavedPlan
    from reconciler.errors import (
        ApiError,
        BadResponse,
        Corrupt,
        ErroredPlan,
        InDoubt,
        Leased,
        LedgerError,
        LimitExceeded,
        ManifestError,
        NotSent,
        PlanError,
        ReconcilerError,
        Refused,
        SettingsError,
        StalePlan,
        TooNew,
        Unwritable,
    )
    from reconciler.model.attempt import CallResult
    from reconciler.model.balance import Reconciliation
    from reconciler.model.drift import Drift, DriftKind, Severity
    from reconciler.model.forecast import Forecast
    from reconciler.model.history import CallState
    from reconciler.model.import_outcome import ImportOutcome
    from reconciler.model.ledger_entries import (
        CallFilter,
        CallRecord,
        Compacted,
        EventKind,
        EventRecord,
        Lease,
        Loaded,
        SpendLine,
        SpendReport,
    )
    from reconciler.model.limits import Limits
    from reconciler.model.manifest import Mode
    from reconciler.model.network import Network
    from reconciler.model.plan import Call, Plan, Reason, SkipReason, Totals, Violation
    from reconciler.model.reading import ReadCost, ReadProgress
    from reconciler.model.report import ExitCode, Report
    from reconciler.model.session_plan import SessionPlan
    from reconciler.operations.adopt import AdoptedTable, Adoption
    from reconciler.operations.apply_events import ApplyEvents, Interrupt
    from reconciler.operations.forecast import PlannedForecast
    from reconciler.operations.import_tables import ImportedTable
    from reconciler.operations.observe import Targets
    from reconciler.operations.open_session import open_session
    from reconciler.operations.project_ledger import ProjectLedger
    from reconciler.operations.session import Session
    from reconciler.operations.snapshots import SnapshotTaken
    from reconciler.operations.validate import Validation
    from reconciler.planning.drift import DriftReport
    from reconciler.planning.explanation import ExplainedCells
    from reconciler.planning.status import ManifestStatus, RunStatus, Status
    from reconciler.text.codes import Code
    from reconciler.text.location import Diagnostic, Location
else:
    _HOMES = {
        "errors": (
            "ApiError BadResponse Corrupt ErroredPlan InDoubt Leased LedgerError LimitExceeded ManifestError NotSent "
            "PlanError ReconcilerError Refused SettingsError StalePlan TooNew Unwritable"
        ),
        "documents.saved_plan_checks": "SavedPlan",
        "model.attempt": "CallResult",
        "model.balance": "Reconciliation",
        "model.drift": "Drift DriftKind Severity",
        "model.forecast": "Forecast",
        "model.history": "CallState",
        "model.import_outcome": "ImportOutcome",
        "model.ledger_entries": (
            "CallFilter CallRecord Compacted EventKind EventRecord Lease Loaded SpendLine SpendReport"
        ),
        "model.limits": "Limits",
        "model.manifest": "Mode",
        "model.network": "Network",
        "model.plan": "Call Plan Reason SkipReason Totals Violation",
        "model.reading": "ReadCost ReadProgress",
        "model.report": "ExitCode Report",
        "model.session_plan": "SessionPlan",
        "operations.adopt": "AdoptedTable Adoption",
        "operations.apply_events": "ApplyEvents Interrupt",
        "operations.forecast": "PlannedForecast",
        "operations.import_tables": "ImportedTable",
        "operations.observe": "Targets",
        "operations.open_session": "open_session",
        "operations.project_ledger": "ProjectLedger",
        "operations.session": "Session",
        "operations.snapshots": "SnapshotTaken",
        "operations.validate": "Validation",
        "planning.drift": "DriftReport",
        "planning.explanation": "ExplainedCells",
        "planning.status": "ManifestStatus RunStatus Status",
        "text.codes": "Code",
        "text.location": "Diagnostic Location",
    }
    """Module → the names it gives to the face."""

    def __getattr__(name: str) -> object:
        """Load a name of the face from its module when it is first used."""
        for home, names in _HOMES.items():
            if name in names.split():
                # Not importlib, whose own import takes longer than all of this.
                globals()[name] = found = getattr(__import__(f"reconciler.{home}", fromlist=[name]), name)
                return found
        raise AttributeError(f"module 'reconciler' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "AdoptedTable",
    "Adoption",
    "ApiError",
    "ApplyEvents",
    "BadResponse",
    "Call",
    "CallFilter",
    "CallRecord",
    "CallResult",
    "CallState",
    "Code",
    "Compacted",
    "Corrupt",
    "Diagnostic",
    "Drift",
    "DriftKind",
    "DriftReport",
    "ErroredPlan",
    "EventKind",
    "EventRecord",
    "ExitCode",
    "ExplainedCells",
    "Forecast",
    "ImportOutcome",
    "ImportedTable",
    "InDoubt",
    "Interrupt",
    "Lease",
    "Leased",
    "LedgerError",
    "LimitExceeded",
    "Limits",
    "Loaded",
    "Location",
    "ManifestError",
    "ManifestStatus",
    "Mode",
    "Network",
    "NotSent",
    "Plan",
    "PlanError",
    "PlannedForecast",
    "ProjectLedger",
    "ReadCost",
    "ReadProgress",
    "Reason",
    "ReconcilerError",
    "Reconciliation",
    "Refused",
    "Report",
    "RunStatus",
    "SavedPlan",
    "Session",
    "SessionPlan",
    "SettingsError",
    "Severity",
    "SkipReason",
    "SnapshotTaken",
    "SpendLine",
    "SpendReport",
    "StalePlan",
    "Status",
    "Targets",
    "TooNew",
    "Totals",
    "Unwritable",
    "Validation",
    "Violation",
    "__version__",
    "open_session",
]
