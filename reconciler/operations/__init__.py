"""The verbs that join the packages: observe, plan, apply, wait. Input and output meet the decisions here.

A session loads the module of a verb when it calls it: a plan does without what the other verbs need.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.operations import (
        adopt,
        await_calls,
        doctor,
        drift,
        explain,
        forecast,
        hold_to,
        import_tables,
        log,
        notify,
        permit,
        plan_against,
        plan_change,
        read_plan,
        reconcile,
        snapshots,
        start_apply,
        status,
    )
else:

    def __getattr__(name: str) -> object:
        """Load a verb's module when it is first used."""
        if name not in __all__:
            raise AttributeError(f"module 'reconciler.operations' has no attribute {name!r}")
        return __import__(f"reconciler.operations.{name}", fromlist=[name])


__all__ = [
    "adopt",
    "await_calls",
    "doctor",
    "drift",
    "explain",
    "forecast",
    "hold_to",
    "import_tables",
    "log",
    "notify",
    "permit",
    "plan_against",
    "plan_change",
    "read_plan",
    "reconcile",
    "snapshots",
    "start_apply",
    "status",
]
