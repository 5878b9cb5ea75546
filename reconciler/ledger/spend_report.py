"""The sums of what was spent, exact and without guessing: unknown credits and doubts are counted separately."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from reconciler.errors import SettingsError
from reconciler.ledger.archive import Moved
from reconciler.ledger.column_yields import column_yields
from reconciler.ledger.queries import has_label, listed
from reconciler.ledger.store import Transaction
from reconciler.model.attempt import Settlement
from reconciler.model.credits import Credits
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import CallFilter, CallRecord, Grouping, SpendLine, SpendReport

_COUNTED = (CallState.ACCEPTED, CallState.INTENT, CallState.IN_DOUBT)
_SMALLEST = Decimal("0.000001")
"""A share of credits has no more decimal places than a price."""


@dataclass(slots=True)
class _Sum:
    calls: int = 0
    cells: int = 0
    cost: Credits = field(default_factory=Credits)
    done: int | None = 0
    failed: int | None = 0

    def add(self, calls: int, cells: int, price: Decimal | None) -> None:
        """Add a call, or several equal ones."""
        self.calls += calls
        self.cells += cells * calls
        self.cost += Credits.sum([(price, cells)] * calls)

    def settle(self, settlement: Settlement | None) -> None:
        """Add the counts of a call's cells; None if it is not settled."""
        if settlement is not None and self.done is not None and self.failed is not None:
            self.done += settlement.done
            self.failed += settlement.failed


@dataclass(frozen=True, slots=True)
class _Share:
    """The part of a call that belongs to a line."""

    name: str
    planned: int
    """Cells."""
    cells: int
    """By the API's receipt if it said, else as planned."""
    credits: Decimal | None


@dataclass(frozen=True, slots=True)
class _Group:
    """The calls of one line."""

    paid: _Sum = field(default_factory=_Sum)
    doubtful: _Sum = field(default_factory=_Sum)

    def add(self, record: CallRecord, share: _Share) -> None:
        """Add a call, or a column's share of it."""
        if record.payments:
            self.paid.add(record.payments, share.cells, share.credits)
            self.paid.settle(record.settlement)
        if record.state is not CallState.ACCEPTED:
            self.doubtful.add(1, share.planned, share.credits)

    def line(self, key: str, name: str = "") -> SpendLine:
        paid, doubtful = self.paid, self.doubtful
        return SpendLine(
            key=key,
            calls=paid.calls,
            cells=paid.cells,
            cost=paid.cost,
            in_doubt_calls=doubtful.calls,
            in_doubt_cells=doubtful.cells,
            in_doubt_cost=doubtful.cost,
            done=paid.done,
            failed=paid.failed,
            name=name,
        )


def report(
    tx: Transaction,
    by: Grouping,
    *,
    label: str | None,
    since: float | None,
    until: float | None,
    moved: Moved,
) -> SpendReport:
    """Return a line per group, by its key. Raises SettingsError if `label` does not fit `by`.

    `moved` is what archives hold; a call that is in the ledger too counts as it is there. By column, the cells are
    those that were planned, and a call's credits are divided by them.
    """
    if label is not None and "=" not in label and by not in ("label", "label-month"):
        raise SettingsError(f"the label {label!r} has no value", hint="Write key=value to select calls by a label.")
    selecting = label if label is not None and "=" in label else None
    wanted = CallFilter(states=_COUNTED, label=selecting, since=since, until=until)
    records = {record.id: record for record in moved.calls.values() if _is_wanted(record, wanted)}
    records |= {record.id: record for record in listed(tx, wanted, by_column=by == "column")}
    groups: dict[str, _Group] = {}
    names: dict[str, str] = {}
    total = _Group()
    for record in sorted(records.values(), key=lambda record: record.begun_at, reverse=True):
        if not record.payments and record.state is CallState.ACCEPTED:
            continue  # adopted
        cells = record.cells if record.requested_cells is None else record.requested_cells
        total.add(record, _Share("", record.cells, cells, record.credits))
        for key, share in _shares(record, by, label):
            names.setdefault(key, share.name)
            group = groups.setdefault(key, _Group(_Sum(done=None, failed=None)) if by == "column" else _Group())
            group.add(record, share)
    lines = [groups[key].line(key, names[key]) for key in sorted(groups)]
    if by == "column":
        changed = column_yields(tx, records.values(), moved.told, since)
        lines = [replace(line, changed=changed.get(line.key)) for line in lines]
    return SpendReport(tuple(lines), total.line(""))


def _shares(record: CallRecord, by: Grouping, label: str | None) -> Iterator[tuple[str, _Share]]:
    """Yield the keys of a call's lines, each with its share of the call; of columns, the shares add up to the call."""
    keys = _keys(record, by, label)
    if by != "column":
        cells = record.cells if record.requested_cells is None else record.requested_cells
        for key in keys:
            yield key, _Share(record.manifest if by == "table" else "", record.cells, cells, record.credits)
        return
    left = record.credits
    for at, (key, name, cells) in enumerate(zip(keys, record.column_keys, record.column_cells, strict=True), 1):
        share = left
        if record.credits is not None and left is not None and at < len(record.columns):
            share = (record.credits * cells / (record.cells or 1)).quantize(_SMALLEST)
            left -= share
        yield key, _Share(name, cells, cells, share)


def _is_wanted(record: CallRecord, wanted: CallFilter) -> bool:
    return (
        record.state in _COUNTED
        and (wanted.label is None or has_label(record, wanted.label))
        and (wanted.since is None or record.begun_at >= wanted.since)
        and (wanted.until is None or record.begun_at < wanted.until)
    )


def _keys(record: CallRecord, by: Grouping, label: str | None) -> Iterable[str]:
    if by == "column":
        return record.columns
    if by == "label-month":
        month = _KEYS["month"](record)
        return [f"{value or '(none)'} {month}" for value in _keys(record, "label", label)]
    if by != "label":
        return [_KEYS[by](record)]
    if label is None:
        return [f"{key}={value}" for key, value in record.labels.items()] or [""]
    key = label.partition("=")[0]
    return [record.labels[key]] if has_label(record, key) else [""]


_KEYS: Mapping[Grouping, Callable[[CallRecord], str]] = {
    "table": lambda record: record.table_id,
    "manifest": lambda record: record.manifest,
    "run": lambda record: record.address,
    "mode": lambda record: record.mode.value,
    "actor": lambda record: record.actor.name,
    "plan": lambda record: record.plan_id,
    "month": lambda record: datetime.fromtimestamp(record.begun_at, UTC).strftime("%Y-%m"),
}
"""Grouping → a call's only key."""
