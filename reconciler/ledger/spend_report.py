"""The sums of what was spent, exact and without guessing: unknown credits and doubts are counted separately."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from reconciler.errors import SettingsError
from reconciler.ledger.column_report import by_column
from reconciler.ledger.queries import has_label, listed
from reconciler.ledger.store import Transaction
from reconciler.model.credits import Credits
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import CallFilter, CallRecord, Grouping, SpendLine

_COUNTED = (CallState.ACCEPTED, CallState.INTENT, CallState.IN_DOUBT)


@dataclass(slots=True)
class _Sum:
    calls: int = 0
    cells: int = 0
    cost: Credits = field(default_factory=Credits)

    def add(self, calls: int, cells: int, price: Decimal | None) -> None:
        """Add a call, or several equal ones."""
        self.calls += calls
        self.cells += cells * calls
        self.cost += Credits.sum([(price, cells)] * calls)


def report(
    tx: Transaction,
    by: Grouping,
    *,
    label: str | None,
    since: float | None,
    until: float | None,
    moved: Iterable[CallRecord] = (),
) -> list[SpendLine]:
    """Return a line per group, by its key. Raises SettingsError if `label` does not fit `by`.

    `moved` are calls of archives; one that is in the ledger too counts as it is there.
    """
    if label is not None and "=" not in label and by != "label":
        raise SettingsError(f"the label {label!r} has no value", hint="Write key=value to select calls by a label.")
    selecting = label if label is not None and "=" in label else None
    wanted = CallFilter(states=_COUNTED, label=selecting, since=since, until=until)
    records = {record.id: record for record in moved if _is_wanted(record, wanted)}
    if by == "column":
        if records:
            message = "an archive does not say what was spent by column"
            raise SettingsError(message, hint="Leave out --archive, or group by manifest.")
        return by_column(tx, listed(tx, wanted))
    records |= {record.id: record for record in listed(tx, wanted)}
    paid: defaultdict[str, _Sum] = defaultdict(_Sum)
    doubtful: defaultdict[str, _Sum] = defaultdict(_Sum)
    for record in records.values():
        cells = record.cells if record.requested_cells is None else record.requested_cells
        for key in _keys(record, by, label):
            if record.payments:
                paid[key].add(record.payments, cells, record.credits)
            if record.state is not CallState.ACCEPTED:
                doubtful[key].add(1, record.cells, record.credits)
    return [_line(key, paid[key], doubtful[key]) for key in sorted(paid.keys() | doubtful.keys())]


def _is_wanted(record: CallRecord, wanted: CallFilter) -> bool:
    return (
        record.state in _COUNTED
        and (wanted.label is None or has_label(record, wanted.label))
        and (wanted.since is None or record.begun_at >= wanted.since)
        and (wanted.until is None or record.begun_at < wanted.until)
    )


def _month(record: CallRecord) -> str:
    return datetime.fromtimestamp(record.begun_at, UTC).strftime("%Y-%m")


_KEYS: Mapping[str, Callable[[CallRecord], str]] = {
    "table": lambda record: record.table_id,
    "manifest": lambda record: record.manifest,
    "run": lambda record: record.address,
    "mode": lambda record: record.mode.value,
    "actor": lambda record: record.actor.name,
    "plan": lambda record: record.plan_id,
    "month": _month,
}


def _keys(record: CallRecord, by: Grouping, label: str | None) -> Iterable[str]:
    if by != "label":
        return [_KEYS[by](record)]
    if label is None:
        return [f"{key}={value}" for key, value in record.labels.items()] or [""]
    key = label.partition("=")[0]
    return [record.labels[key]] if has_label(record, key) else [""]


def _line(key: str, paid: _Sum, doubtful: _Sum) -> SpendLine:
    return SpendLine(
        key=key,
        calls=paid.calls,
        cells=paid.cells,
        cost=paid.cost,
        in_doubt_calls=doubtful.calls,
        in_doubt_cells=doubtful.cells,
        in_doubt_cost=doubtful.cost,
    )
