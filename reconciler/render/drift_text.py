"""Drift with one line per cause, which suits a mail from cron."""

from reconciler.model.drift import Drift, DriftKind
from reconciler.model.plan import Reason, SkipReason
from reconciler.model.stale_cells import StaleCells
from reconciler.planning.drift import DriftReport
from reconciler.render.plan_parts import addressed, price_text, unmet_words
from reconciler.render.reconciliation_text import never_bought
from reconciler.render.staleness import older_than
from reconciler.text.numbers import amount, counted, duration
from reconciler.text.sanitize import one_line

MOST_COLUMNS = 5


def drift_text(found: DriftReport) -> str:
    """Return one line for each cause, and for answers that are unexpected or stale; empty if there are none."""
    return "\n".join([*map(cause_text, found.causes), *map(unmet_words, found.unmet), *map(_stale, found.stale)])


def _stale(stale: StaleCells) -> str:
    verb = "predates" if stale.cells == 1 else "predate"
    columns = ", ".join(one_line(key) for key in list(stale.columns)[:MOST_COLUMNS])
    more = f" and {len(stale.columns) - MOST_COLUMNS:,} more" if len(stale.columns) > MOST_COLUMNS else ""
    cost = price_text(stale.cost.total)
    cells, what = counted(stale.cells, "cell"), stale.outdated
    return f"{addressed(stale)}: {cells} {verb} the present {what}: {cost} ({columns}{more})"


def cause_text(drift: Drift) -> str:
    """Return one cause on one line; of a dead end, with the way out."""
    say = {
        DriftKind.DUE: _due,
        DriftKind.DEAD_END: _dead_end,
        DriftKind.OUTSIDE: _outside,
        DriftKind.IN_DOUBT: _in_doubt,
    }[drift.kind]
    return f"{addressed(drift) or 'balance'}: {say(drift)}"


def _due(drift: Drift) -> str:
    cells, is_one = counted(drift.cells, "cell"), drift.cells == 1
    have, were, are = ("has", "was", "is") if is_one else ("have", "were", "are")
    stale = older_than(drift.refresh, drift.stale_before)
    words: dict[Reason | SkipReason | DriftKind, str] = {
        Reason.CELLS_EMPTY: f"{cells} {have} no value",
        Reason.CELLS_FAILED: f"{cells} {are} failed",
        Reason.REVISION_CHANGED: f"{cells} {were} not run at revision {one_line(drift.revision or '')}",
        Reason.CONFIG_CHANGED: f"{cells} {were} not run with the present configuration",
        Reason.CELLS_STALE: f"{cells} {are} older than {stale}, or {were} never run",
    }
    return words.get(drift.reason, f"{cells} {are} due")


def _dead_end(drift: Drift) -> str:
    cells, is_one = counted(drift.cells, "cell"), drift.cells == 1
    known_by = "configuration" if drift.refresh is None else "age"
    have, were, are, them = ("has", "was", "is", "it") if is_one else ("have", "were", "are", "them")
    words: dict[Reason | SkipReason | DriftKind, str] = {
        SkipReason.ATTEMPTS_EXHAUSTED: f"{cells} {are} failed and out of attempts; change the column, "
        f"or raise `max_attempts` above {drift.max_attempts}",
        SkipReason.NOT_STARTED: f"{cells} {were} bought and never started; look at the table, "
        f"or raise `max_attempts` above {drift.max_attempts} to buy {them} again",
        SkipReason.AGE_UNKNOWN: f"{cells} {were} run outside the ledger, so the {known_by} is unknown; "
        f"`reconciler ledger adopt --as NAME` takes {them} over",
        SkipReason.HELD_BACK: f"{cells} {are} held back, because the first portion did not do well enough; "
        "`reconciler plan` has the figures",
    }
    return f"dead end: {words.get(drift.reason, f'{cells} {have} no way on')}"


def _outside(drift: Drift) -> str:
    if not drift.table_id:
        spent = amount(drift.credits or 0)
        return f"outside: {spent} credits were spent outside the ledger; `reconciler ledger reconcile` says when"
    if drift.reruns:
        were = "was" if drift.cells == 1 else "were"
        return f"outside: {counted(drift.cells, 'cell')} or more {were} run outside the ledger since the last apply"
    return f"outside: {never_bought(drift.cells)}; `reconciler ledger adopt --as NAME` takes them over"


def _in_doubt(drift: Drift) -> str:
    age = "earlier" if drift.age_seconds is None else f"{duration(drift.age_seconds)} ago"
    cells = counted(drift.cells, "cell")
    return f"in doubt: {cells} of call {drift.call[:8]}, sent {age}, may have been paid for"
