"""Declarative, reviewed, at-most-once runs of Extruct AI tables. This is the Python face of the program:

    import reconciler

    with reconciler.open_session("reconciler.yaml") as session:
        plan = session.plan(target=["team=gtm"])   # a SessionPlan; sends only GET
        report = session.apply(plan)               # a Report; that plan is the approval

`open_session` reads the settings; the methods of `Session` are `plan`, `apply`, `status`, `drift`, `snapshot` and
`import_tables`. Credits are `Decimal`, or None if a price is unknown; times are seconds; ids are those of the API. What
they return is frozen and inert. Whatever goes wrong is a ReconcilerError with `message` and `hint`, and its class says
what to do (`reconciler/errors.py` draws the tree). Names are loaded when they are first used, so that importing
`reconciler` costs nothing.

The rooms of the house, each importing only those below it:

cli/         one module per command: parse, call, print, exit code
operations/  the verbs, and the Session that offers them
render/      values as text for people      documents/   values as versioned JSON
forge/       comments at GitHub, GitLab     simulator/   a stand-in of the API
settings/    flags, environment, file       planning/    (desired, observed, history) → Plan; pure
manifests/   YAML → Manifest                ledger/      the memory of what was paid for
client/      the API over HTTP              spending/    the spend protocol, limits, approval, waiting; pure
model/       nouns: frozen values           text/        words, numbers, digests, places
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
    from reconciler.model.plan import Call, Plan, Totals, Violation
    from reconciler.model.report import ExitCode, Report
    from reconciler.model.session_plan import SessionPlan
    from reconciler.operations.import_tables import ImportedTable
    from reconciler.operations.session import Session, SnapshotTaken, open_session
    from reconciler.planning.status import Drift, DriftReport, RunStanding, Standing, TableStanding
    from reconciler.text.location import Place, Problem
else:
    _HOMES = {
        "errors": (
            "ApiError BadResponse Corrupt ErroredPlan InDoubt Leased LedgerError LimitExceeded ManifestError NotSent "
            "PlanError ReconcilerError Refused SettingsError StalePlan TooNew Unwritable"
        ),
        "model.attempt": "CallResult",
        "model.plan": "Call Plan Totals Violation",
        "model.report": "ExitCode Report",
        "model.session_plan": "SessionPlan",
        "operations.import_tables": "ImportedTable",
        "operations.session": "Session SnapshotTaken open_session",
        "planning.status": "Drift DriftReport RunStanding Standing TableStanding",
        "text.location": "Place Problem",
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
    "ApiError",
    "BadResponse",
    "Call",
    "CallResult",
    "Corrupt",
    "Drift",
    "DriftReport",
    "ErroredPlan",
    "ExitCode",
    "ImportedTable",
    "InDoubt",
    "Leased",
    "LedgerError",
    "LimitExceeded",
    "ManifestError",
    "NotSent",
    "Place",
    "Plan",
    "PlanError",
    "Problem",
    "ReconcilerError",
    "Refused",
    "Report",
    "RunStanding",
    "Session",
    "SessionPlan",
    "SettingsError",
    "SnapshotTaken",
    "StalePlan",
    "Standing",
    "TableStanding",
    "TooNew",
    "Totals",
    "Unwritable",
    "Violation",
    "__version__",
    "open_session",
]
