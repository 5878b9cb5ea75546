"""The ledger against the balance and the live tables: what was spent and run beside it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.errors import ApiError, BadResponse, ManifestError
from reconciler.model.balance import BalanceRecord, Move, MovedTable, Reconciliation, TableCounts
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import CallFilter
from reconciler.operations.connection import Connections
from reconciler.operations.observe import Targets, resolve
from reconciler.planning.table_counts import count_table
from reconciler.spending.balance_intervals import intervals
from reconciler.spending.table_moves import moves

_PAID = (CallState.ACCEPTED, CallState.INTENT, CallState.IN_DOUBT)


def reconcile(
    targets: Targets | None, connections: Connections, since: float | None, until: float | None
) -> Reconciliation:
    """Compare the balances from `since` and before `until`, or up to now, with the calls in between; sends only GET.

    With `targets`, also their tables: as they are now, and as applies found them. Raises BadResponse if the balance of
    now is asked for and the API does not say it, ManifestError if a table is unknown, ApiError if one cannot be read,
    LedgerError.
    """
    ledger = connections.ledger()
    live = () if targets is None else tuple(_live(targets, connections))
    moments = ledger.balances(since=since, until=until)
    if until is None:
        moments.append(_now(connections, tuple(each.counts for each in live)))
    known = [each.at for each in moments if each.available is not None]
    # What came after the last balance is in none; but all came before that of now, whatever the clocks say.
    last = until if until is None or not known else known[-1]
    calls = ledger.calls(CallFilter(states=_PAID, since=moments[0].at if moments else since, until=last))
    return Reconciliation(intervals(moments, calls), _moved(live, moves(moments, calls)))


def _now(connections: Connections, tables: tuple[TableCounts, ...]) -> BalanceRecord:
    account = connections.reader().read_account()
    if account.available is None and not account.is_unlimited:
        message = f"the balance is unknown, so it cannot be compared: {account.why_unknown}"
        raise BadResponse(message, hint="Give --until to compare balances that the ledger holds.")
    now = datetime.now(UTC).timestamp()
    return BalanceRecord(now, account.available, account.organization_id, tables=tables)


@dataclass(frozen=True, slots=True)
class _LiveTable:
    """A table of the manifests as it is now."""

    name: str
    manifests: tuple[str, ...]
    counts: TableCounts


def _live(targets: Targets, connections: Connections) -> Iterator[_LiveTable]:
    """Yield the tables of `targets`, by id."""
    reader, ledger = connections.reader(), connections.ledger()
    targets = resolve(targets, reader)
    if targets.unresolved:
        raise ManifestError(targets.unresolved)
    manifests: dict[str, list[str]] = {}
    for manifest in targets.manifests:
        manifests.setdefault(manifest.table_id, []).append(manifest.name)
    histories = ledger.recall(manifests)
    for table, snapshot in sorted(reader.read_tables(dict.fromkeys(manifests, frozenset())).items()):
        if isinstance(snapshot, ApiError):
            raise snapshot
        yield _LiveTable(snapshot.name, tuple(manifests[table]), count_table(snapshot, histories[table]))


def _moved(live: Iterable[_LiveTable], moved: Mapping[str, tuple[Move, ...]]) -> tuple[MovedTable, ...]:
    found = (
        MovedTable(id_, each.name, each.manifests, each.counts.unbought, moved.get(id_, ()))
        for each in live
        for id_ in [each.counts.table_id]
    )
    return tuple(table for table in found if table.cells or table.moves)
