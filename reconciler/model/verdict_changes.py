"""The phrase for each verdict on a cell that says how it would become another one."""

from collections.abc import Mapping

from reconciler.model.plan import Reason, SkipReason

WOULD_CHANGE: Mapping[Reason | SkipReason, str] = {
    Reason.CELLS_EMPTY: "an accepted call that covers it, or a value from elsewhere",
    Reason.CELLS_FAILED: "an accepted call that covers it, or a status other than failed",
    Reason.REVISION_CHANGED: "an accepted call at this revision, or the revision it was bought at",
    Reason.CELLS_STALE: "an accepted call, or a `refresh` that allows more time",
    Reason.CONFIG_CHANGED: "an accepted call, or the configuration that the cell was last bought with",
    Reason.ADOPTED: "nothing; it is in the ledger alone",
    SkipReason.FAILED: "a run of mode `failed` over it, or one of mode `all`",
    SkipReason.IN_PROGRESS: "the end of its run; `reconciler wait` waits for it",
    SkipReason.WAITING_FOR_TABLE: "an idle table; `reconciler apply` waits for it and sends the cell",
    SkipReason.NOT_STARTED: "a higher `max_attempts`, another configuration of the column, or a value that shows late",
    SkipReason.MISSING_INPUTS: "values in the row's input columns",
    SkipReason.BLOCKED: "its upstream cells, once they are done or due in this plan",
    SkipReason.ATTEMPTS_EXHAUSTED: "a higher `max_attempts`, or another configuration of the column",
    SkipReason.IN_DOUBT: "a sign in the table, or `reconciler ledger resolve`",
    SkipReason.UNKNOWN_STATUS: "a status that this version knows; look at the cell in the dashboard",
    SkipReason.AGE_UNKNOWN: "`reconciler ledger adopt --as NAME`, or a call that covers it",
    SkipReason.HELD_BACK: "another configuration of the column, another revision, or a `rollout` that allows more",
    SkipReason.WAITING: "the end of what comes first",
    SkipReason.NOT_DUE: "an empty cell for mode `new`; a run of mode `failed` or `all` for the others",
    SkipReason.DONE: "a run of mode `all` with a `revision` or a `refresh`",
    SkipReason.SATISFIED: "another `revision` or configuration, the end of its `refresh`, or a failure (mode `failed`)",
}
"""Reason → a noun phrase, for "would change with …"."""
