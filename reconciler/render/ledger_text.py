"""The ledger as text: lists, one call in full, sums of what was spent."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from reconciler.model.credits import Credits
from reconciler.model.ledger_entries import CallRecord, ColumnYield, EventRecord, Lease, SpendLine, SpendReport
from reconciler.render.alignment import table
from reconciler.render.plan_parts import ended_words, yield_words
from reconciler.text.numbers import age_text, amount, counted, duration
from reconciler.text.sanitize import one_line

ARITHMETIC = (
    "A run's `refresh: {every: …}` says at which age cells are bought again. The ages here are those at which half of "
    "the answers would have changed, by the rule of three: arithmetic, no advice."
)


def moment(seconds: float) -> str:
    """Return a time by the store's clock, in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def price(credits_: Decimal | None) -> str:
    """Return the credits, or `unknown`."""
    return "unknown" if credits_ is None else amount(credits_)


def calls_text(calls: Sequence[CallRecord], *, is_cut: bool = False, width: int | None = None) -> str:
    """Return calls, one per line of `width` places if that is enough, and their sums; `is_cut`: there may be more."""
    if not calls:
        return "No calls."
    rows = [("CALL", "BEGUN (UTC)", "STATE", "ADDRESS", "CELLS", "DONE", "FAILED", "CREDITS", "BY")]
    rows += [
        (
            call.id[:8],
            moment(call.begun_at),
            call.shown_state,
            one_line(call.address),
            f"{call.cells:,}",
            "-" if call.settlement is None else f"{call.settlement.done:,}",
            "-" if call.settlement is None else f"{call.settlement.failed:,}",
            price(call.credits),
            one_line(call.actor.name),
        )
        for call in calls
    ]
    return "\n".join([*table(rows, {4, 5, 6, 7}, width), _sums(calls, is_cut=is_cut)])


def _sums(calls: Sequence[CallRecord], *, is_cut: bool) -> str:
    cost = Credits.of(calls)
    settled = [call.settlement for call in calls if call.settlement is not None]
    sums = f"{counted(len(calls), 'call')}, {counted(sum(call.cells for call in calls), 'cell')}, {_cost(cost)} credits"
    sums += f"; {sum(each.done for each in settled):,} done, {sum(each.failed for each in settled):,} failed."
    return f"{sums} The newest only; `--limit` lists more." if is_cut else sums


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
        ("state", call.shown_state if call.is_adopted else f"{call.shown_state}, attempt {call.attempt}"),
        ("begun", f"{moment(call.begun_at)} UTC, {duration(call.age_seconds)} ago"),
        ("by", one_line(call.actor.name) + (f" ({one_line(call.actor.ci_run)})" if call.actor.ci_run else "")),
        ("commit", one_line(call.actor.git_sha or "none")),
        ("plan", call.plan_id),
        ("API run", one_line(call.run_id or "none")),
    ]
    if call.settlement is not None:
        fields.append(("found", ended_words(call.settlement)))
    lines = [f"{name:<8} {value}" for name, value in fields]
    lines += ["", *(_event(event) for event in events)]
    return "\n".join(lines)


def _event(event: EventRecord) -> str:
    detail = {key: value for key, value in event.detail.items() if value not in (None, "")}
    text = one_line(json.dumps(detail, ensure_ascii=False), 300)
    attempt = "" if event.attempt is None else f"attempt {event.attempt}"
    return f"{moment(event.at)}  {event.kind.value:<10}  {attempt:<10}  {text}"


def spend_text(found: SpendReport, by: str, width: int | None = None) -> str:
    """Return what was spent, one line of `width` places per group if that is enough, and the sum below."""
    if not found:
        return "Nothing was spent."
    has_names = any(line.name for line in found)
    names = ("NAME",) if has_names else ()
    rows = [(by.upper(), *names, "CALLS", "CELLS", "DONE", "FAILED", "CREDITS", "IN DOUBT")]
    rows += [
        (one_line(line.key) or "(none)", *((one_line(line.name),) if has_names else ()), *_figures(line))
        for line in found
    ]
    if len(found) > 1:
        rows.append(("total", *(("",) if has_names else ()), *_figures(found.total)))
    said = [
        f"{one_line(line.name or line.key)}: {_changed(line.changed)}" for line in found if line.changed is not None
    ]
    lines = table(rows, range(1 + has_names, 6 + has_names), width)
    if any(line.changed is not None and line.changed.half_changed_seconds is not None for line in found):
        said.append(ARITHMETIC)
    return "\n".join([*lines, *(["", *said] if said else [])])


def _changed(of: ColumnYield) -> str:
    """Return what running cells again changed, and after which time half of the answers would be others."""
    words = yield_words(of.total)
    if of.between_seconds is None:
        return words
    words += f"; run again {of.refreshes:,} times, {age_text(of.between_seconds)} apart"
    half = of.half_changed_seconds
    return words if half is None else f"{words}: half of them change in {age_text(half)}, `every: {age_text(half)}`"


def _figures(of: SpendLine) -> tuple[str, ...]:
    results = ("-" if each is None else f"{each:,}" for each in (of.done, of.failed))
    return (f"{of.calls:,}", f"{of.cells:,}", *results, _cost(of.cost), _doubt(of))


def _cost(of: Credits) -> str:
    known, unpriced = amount(of.known), of.unpriced_cells
    return f"{known} + {counted(unpriced, 'cell')} of unknown price" if unpriced else known


def _doubt(line: SpendLine) -> str:
    if not line.in_doubt_calls:
        return "-"
    cells = counted(line.in_doubt_cells, "cell")
    unknown = " and unknown" if line.in_doubt_cost.unpriced_cells else ""
    return f"{counted(line.in_doubt_calls, 'call')}, {cells}, {amount(line.in_doubt_cost.known)}{unknown} credits"


def leases_text(leases: Sequence[Lease], width: int | None = None) -> str:
    """Return the leases, in `width` places: who holds which table, and until when."""
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
    return "\n".join(table(rows, width=width))
