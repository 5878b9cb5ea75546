"""Every error the reconciler raises; the branch says what to do about it.

ReconcilerError
├── SettingsError          fix the flags or the environment
├── ManifestError          fix the YAML; carries every problem with its location
├── ApiError
│   ├── NotSent            nothing left this machine: safe to try again
│   ├── Refused            the API rejected it and started nothing
│   ├── InDoubt            sent, but no trustworthy answer: never repeated
│   └── BadResponse        a read failed, or its answer has an unknown shape
├── PlanError
│   ├── ErroredPlan        carries the diagnostics: fix what they point at
│   ├── StalePlan          something changed since the plan was made: plan again
│   └── LimitExceeded      carries the violations' texts
└── LedgerError
    ├── Leased             another apply is working on the table
    ├── Corrupt            the file is not a ledger, or its contents are impossible
    ├── Unwritable         the record could not be made durable
    ├── Stopped            the apply was stopped, here or on another machine
    └── TooNew             written by a newer version of the program
"""

from collections.abc import Sequence

from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic


class ReconcilerError(Exception):
    """A failure that a person can act on: one message and what to do next."""

    code: Code | None = None
    """The kind of problem, for settings; the diagnostics of a ManifestError or ErroredPlan have theirs."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingsError(ReconcilerError):
    """A flag, an environment variable or the project file is wrong or missing."""

    def __init__(self, message: str, *, hint: str = "", code: Code = Code.WRONG_SETTING) -> None:
        super().__init__(message, hint=hint)
        self.code: Code = code


class ManifestError(ReconcilerError):
    """The YAML is wrong."""

    def __init__(self, problems: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(f"{problem.location}: {problem.message}" for problem in problems))
        self.problems = tuple(sorted(problems))


class ApiError(ReconcilerError):
    """The API did not do what it was asked."""

    def __init__(self, message: str, *, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        """The HTTP status, if there was an answer."""
        self.retry_after: float | None = None
        """For how many seconds a 429 asks to wait; None if it does not say."""


class NotSent(ApiError):
    """No byte of the request left this machine, so it was not paid for."""


class Refused(ApiError):
    """The API rejected the request, so it started nothing and charged nothing."""


class InDoubt(ApiError):
    """The request may or may not have been paid for, so it must never be repeated."""


class BadResponse(ApiError):
    """A read failed for good, or its answer has a shape the reconciler does not know."""


class PlanError(ReconcilerError):
    """The plan cannot be carried out."""


class ErroredPlan(PlanError):
    """The plan has errors, and a plan with errors cannot be applied."""

    def __init__(self, problems: Sequence[Diagnostic]) -> None:
        super().__init__("the plan has errors and cannot be applied; nothing was sent")
        self.problems = tuple(problems)


class StalePlan(PlanError):
    """The manifests, a column or the plan's format differ from what was approved."""


class LimitExceeded(PlanError):
    """The plan exceeds a limit."""


class LedgerError(ReconcilerError):
    """The record of what was paid for cannot be used."""


class Leased(LedgerError):
    """Another apply is working on the same table."""


class Corrupt(LedgerError):
    """The store is not a ledger, or holds something a ledger never does."""


class Unwritable(LedgerError):
    """A record could not be made durable."""


class Stopped(LedgerError):
    """The apply was stopped, so none of its calls may begin."""

    def __init__(self, message: str, *, hint: str = "", cause: str) -> None:
        super().__init__(message, hint=hint)
        self.cause = cause
        """The value of a `StopCause`."""


class TooNew(LedgerError):
    """The store was written by a newer version of the program."""
