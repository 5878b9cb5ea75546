"""Declarative, reviewed, at-most-once runs of Extruct AI tables. This is the Python face of the program:

    import reconciler

    with reconciler.open_session("reconciler.yaml") as session:
        plan = session.plan(target=["team=gtm"])   # a SessionPlan; sends only GET
        report = session.apply(plan)               # a Report; that plan is the approval

`open_session` reads the settings; the methods of `Session` are `validate`, `plan`, `apply`, `plan_and_apply`, `wait`,
`status`, `explain`, `drift`, `doctor`, `snapshot`, `import_tables` and `adopt`, and its `ledger` says what was spent.
Credits are `Decimal`, or None if a price is unknown; times are seconds; ids are those of the API. What they return is
frozen and inert. Whatever goes wrong is a ReconcilerError with `message` and `hint`, and its class says what to do
(`reconciler/errors.py` draws the tree). Names are loaded when they are first used, so that importing `reconciler` costs
nothing.

The rooms, from the street inwards:

cli/         one module per command: parse, call, print, exit code
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
    from reconciler.model.checkup import Check, Checkup
    from reconciler.model.drift import Drift, DriftKind, Severity
    from reconciler.model.ledger_entries import (
        CallFilter,
        CallRecord,
        EventKind,
        EventRecord,
        Lease,
        Loaded,
        SpendLine,
        SpendReport,
    )
    from reconciler.model.limits import Limits
    from reconciler.model.plan import Call, Plan, Totals, Violation
    from reconciler.model.reading import ReadCost, ReadProgress
    from reconciler.model.report import ExitCode, Report
    from reconciler.model.session_plan import SessionPlan
    from reconciler.operations.adopt import AdoptedTable, Adoption
    from reconciler.operations.apply_events import ApplyEvents, Interrupt
    from reconciler.operations.import_tables import ImportedTable
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
        "model.attempt": "CallResult",
        "model.checkup": "Check Checkup",
        "model.drift": "Drift DriftKind Severity",
        "model.ledger_entries": "CallFilter CallRecord EventKind EventRecord Lease Loaded SpendLine SpendReport",
        "model.limits": "Limits",
        "model.plan": "Call Plan Totals Violation",
        "model.reading": "ReadCost ReadProgress",
        "model.report": "ExitCode Report",
        "model.session_plan": "SessionPlan",
        "operations.adopt": "AdoptedTable Adoption",
        "operations.apply_events": "ApplyEvents Interrupt",
        "operations.import_tables": "ImportedTable",
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
    "Check",
    "Checkup",
    "Code",
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
    "NotSent",
    "Plan",
    "PlanError",
    "ProjectLedger",
    "ReadCost",
    "ReadProgress",
    "ReconcilerError",
    "Refused",
    "Report",
    "RunStatus",
    "Session",
    "SessionPlan",
    "SettingsError",
    "Severity",
    "SnapshotTaken",
    "SpendLine",
    "SpendReport",
    "StalePlan",
    "Status",
    "TooNew",
    "Totals",
    "Unwritable",
    "Validation",
    "Violation",
    "__version__",
    "open_session",
]
