"""Recording what is done in live tables as run at a revision, at no cost."""

from collections.abc import Mapping

from reconciler.errors import ApiError
from reconciler.ledger import Ledger
from reconciler.model.attempt import Actor
from reconciler.model.observed import TableSnapshot
from reconciler.planning import adoption
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line


def adopt_done(
    who: Actor,
    ledger: Ledger,
    observation: Mapping[str, TableSnapshot | ApiError],
    addresses: Mapping[str, str],
    revision: str,
    reason: str,
) -> tuple[dict[str, TableSnapshot | ApiError], dict[str, str]]:
    """Record the done cells of every table that is idle; return the tables, and what to say of each.

    A table that is running is an error instead: what is under way in it would be bought a second time.
    """
    histories = ledger.recall(observation)
    tables: dict[str, TableSnapshot | ApiError] = {}
    said: dict[str, str] = {}
    for table, snapshot in observation.items():
        tables[table] = snapshot
        if isinstance(snapshot, ApiError):
            continue
        if not snapshot.is_finished:
            tables[table] = ApiError(
                f"{one_line(snapshot.name)}: table {table} is running, so what is done in it cannot be adopted yet",
                hint="Adopt it once it is idle.",
            )
            continue
        found = adoption.records(snapshot, histories[table], revision, addresses[table])
        cells = ledger.adopt(found, actor=who, reason=reason)
        adopted = f"{counted(cells, 'cell')} adopted at {revision}" if cells else f"nothing new to adopt at {revision}"
        said[table] = f"{adopted}, {counted(adoption.left(snapshot), 'cell')} not done"
    return tables, said
