"""The ledger against the balance and the live tables: what was spent and run beside it."""

from datetime import UTC, datetime

from reconciler.errors import ApiError, BadResponse, ManifestError
from reconciler.model.balance import BalanceRecord, MovedTable, Reconciliation
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import CallFilter
from reconciler.operations.connection import Connections
from reconciler.operations.observe import Targets, resolve
from reconciler.planning.unbought_cells import unbought_cells
from reconciler.spending.balance_intervals import intervals

_PAID = (CallState.ACCEPTED, CallState.INTENT, CallState.IN_DOUBT)


def reconcile(
    targets: Targets | None, connections: Connections, since: float | None, until: float | None
) -> Reconciliation:
    """Compare the balances from `since` and before `until`, or up to now, with the calls in between; sends only GET.

    With `targets`, also their tables as they are now. Raises BadResponse if the balance of now is asked for and the API
    does not say it, ManifestError if a table is unknown, ApiError if one cannot be read, LedgerError.
    """
    ledger = connections.ledger()
    moments = ledger.balances(since=since, until=until)
    if until is None:
        moments.append(_now(connections))
    calls = ledger.calls(CallFilter(states=_PAID, since=moments[0].at if moments else since, until=until))
    tables = () if targets is None else _moved(targets, connections)
    return Reconciliation(intervals(moments, calls), tables)


def _now(connections: Connections) -> BalanceRecord:
    account = connections.reader().read_account()
    if account.available is None and not account.is_unlimited:
        message = f"the balance is unknown, so it cannot be compared: {account.why_unknown}"
        raise BadResponse(message, hint="Give --until to compare balances that the ledger holds.")
    return BalanceRecord(datetime.now(UTC).timestamp(), account.available, account.organization_id)


def _moved(targets: Targets, connections: Connections) -> tuple[MovedTable, ...]:
    reader, ledger = connections.both()
    targets = resolve(targets, reader)
    if targets.unresolved:
        raise ManifestError(targets.unresolved)
    manifests: dict[str, list[str]] = {}
    for manifest in targets.manifests:
        manifests.setdefault(manifest.table_id, []).append(manifest.name)
    histories = ledger.recall(manifests)
    found = []
    for table, snapshot in sorted(reader.read_tables(dict.fromkeys(manifests, frozenset())).items()):
        if isinstance(snapshot, ApiError):
            raise snapshot
        cells = unbought_cells(snapshot, histories[table])
        if cells:
            found.append(MovedTable(table, snapshot.name, tuple(manifests[table]), cells))
    return tuple(found)
