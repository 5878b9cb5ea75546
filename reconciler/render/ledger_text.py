"""The ledger as text: lists, one call in full, sums of what was spent."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from reconciler.model.ledger_entries import CallRecord, ColumnYield, EventRecord, Lease, SpendLine
from reconciler.render.alignment import aligned
from reconciler.render.plan_parts import yield_words
from reconciler.text.numbers import age_text, amount, counted, duration
from reconciler.text.sanitize import one_line

ARITHMETIC = "`every` is arithmetic by the rule of three, no advice: the age at which half of the answers have changed."


def moment(seconds: float) -> str:
    """Return a time by the store's clock, in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def price(credits_: Decimal | None) -> str:
    """Return the credits, or `unknown`."""
    return "unknown" if credits_ is None else amount(credits_)


def calls_text(calls: Sequence[CallRecord]) -> str:
    """Return calls, one per line."""
    if not calls:
        return "No calls."
    rows = [("CALL", "BEGUN (UTC)", "STATE", "ADDRESS", "CELLS", "CREDITS", "BY")]
    rows += [
        (
            call.id[:8],
            moment(call.begun_at),
            _state(call),
            one_line(call.address),
            f"{call.cells:,}",
            price(call.credits),
            one_line(call.actor.name),
        )
        for call in calls
    ]
    return "\n".join(aligned(rows, right={4, 5}))


def _state(call: CallRecord) -> str:
    if call.is_adopted:
        return "adopted"
    return "settled" if call.settled_at is not None else call.state.value.replace("_", " ")


def call_text(call: CallRecord, events: Sequence[EventRecord]) -> str:
    """Return one call with all its events."""
    requested = "" if call.requested_cells is None else f", {call.requested_cells:,} requested"
    fields = [
        ("call", call.id),
        ("address", one_line(call.address)),
        ("table", call.table_id),
        ("mode", f"{call.mode}, revision {one_line(call.revision)}" if call.revision else str(call.mode)),
        ("columns", ", ".join(one_line(key) for key in call.column_keys)),
        ("rows", f"{call.row_count:,}"),
        ("cells", f"{call.cells:,} planned{requested}"),
        ("credits", price(call.credits)),
        ("state", _state(call) if call.is_adopted else f"{_state(call)}, attempt {call.attempt}"),
        ("begun", f"{moment(call.begun_at)} UTC, {duration(call.age_seconds)} ago"),
        ("by", one_line(call.actor.name) + (f" ({one_line(call.actor.ci_run)})" if call.actor.ci_run else "")),
        ("commit", one_line(call.actor.git_sha or "none")),
        ("plan", call.plan_id),
        ("API run", one_line(call.run_id or "none")),
    ]
    if call.settlement is not None:
        found = call.settlement
        fields.append(("found", f"{found.done:,} done, {found.failed:,} failed, {found.not_started:,} not started"))
    lines = [f"{name:<8} {value}" for name, value in fields]
    lines += ["", *(_event(event) for event in events)]
    return "\n".join(lines)


def _event(event: EventRecord) -> str:
    detail = {key: value for key, value in event.detail.items() if value not in (None, "")}
    text = one_line(json.dumps(detail, ensure_ascii=False), 300)
    attempt = "" if event.attempt is None else f"attempt {event.attempt}"
    return f"{moment(event.at)}  {event.kind.value:<10}  {attempt:<10}  {text}"


def spend_text(lines: Sequence[SpendLine], by: str) -> str:
    """Return what was spent, one line per group and the sum below."""
    if not lines:
        return "Nothing was spent."
    rows = [(by.upper(), "CALLS", "CELLS", "CREDITS", "IN DOUBT")]
    rows += [
        (one_line(line.key) or "(none)", f"{line.calls:,}", f"{line.cells:,}", _spent(line), _doubt(line))
        for line in lines
    ]
    yields = [line for line in lines if line.changed is not None]
    said = [f"{one_line(line.key)}: {_changed(line.changed)}" for line in yields if line.changed is not None]
    return "\n".join([*aligned(rows, right={1, 2, 3}), *(["", *said, ARITHMETIC] if said else [])])


def _changed(of: ColumnYield) -> str:
    """Return what running cells again changed, and after which time half of the answers would be others."""
    words = yield_words(of.total)
    if of.between_seconds is None:
        return words
    words += f"; run again {of.refreshes:,} times, {age_text(of.between_seconds)} apart"
    half = of.half_changed_seconds
    return words if half is None else f"{words}: half of them change in {age_text(half)}, `every: {age_text(half)}`"


def _spent(line: SpendLine) -> str:
    known, unpriced = amount(line.cost.known), line.cost.unpriced_cells
    return f"{known} + {counted(unpriced, 'cell')} of unknown price" if unpriced else known


def _doubt(line: SpendLine) -> str:
    if not line.in_doubt_calls:
        return "-"
    cells = counted(line.in_doubt_cells, "cell")
    unknown = " and unknown" if line.in_doubt_cost.unpriced_cells else ""
    return f"{counted(line.in_doubt_calls, 'call')}, {cells}, {amount(line.in_doubt_cost.known)}{unknown} credits"


def leases_text(leases: Sequence[Lease]) -> str:
    """Return the leases: who holds which table, and until when."""
    if not leases:
        return "No leases are held."
    rows = [("TABLE", "HELD BY", "CI RUN", "SINCE (UTC)", "UNTIL")]
    rows += [
        (
            lease.table_id,
            one_line(lease.actor.name),
            one_line(lease.actor.ci_run or "-"),
            moment(lease.acquired_at),
            f"{lease.remaining_seconds:.0f} s from now" if lease.remaining_seconds > 0 else "expired",
        )
        for lease in leases
    ]
    return "\n".join(aligned(rows))
