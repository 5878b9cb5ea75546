"""Adoption: record the done cells of live tables as run at a revision, at no cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.errors import ApiError, SettingsError
from reconciler.ledger import Ledger
from reconciler.model.attempt import Actor
from reconciler.model.manifest import Manifest, is_revision
from reconciler.model.observed import TableSnapshot
from reconciler.operations.connection import Connections
from reconciler.operations.observe import Targets, resolve
from reconciler.planning import adoption
from reconciler.text.location import Diagnostic
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line


@dataclass(frozen=True, slots=True)
class AdoptedTable:
    """The result of an adoption for one table."""

    table_id: str
    name: str
    """The table's name; text from the API."""
    manifests: tuple[Manifest, ...]
    """Manifests that name it."""
    said: str
    """How many cells were taken over, and how many are not done, in words."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """The result of an adoption."""

    tables: tuple[AdoptedTable, ...]
    failures: tuple[ApiError, ...]
    """Of tables that could not be read, or are running; nothing was recorded for them."""
    unresolved: tuple[Diagnostic, ...]
    """Why a manifest's table is unknown."""
    manifests: tuple[Manifest, ...]
    """Every manifest whose table is known."""


def check_revision(text: str) -> None:
    """Raise SettingsError for a revision that no manifest could name."""
    if not is_revision(text):
        hint = "Use letters, digits and signs without spaces, as in a manifest's `revision`."
        raise SettingsError(f"{one_line(text)!r} is not a revision", hint=hint)


def adopt(targets: Targets, revision: str, connections: Connections) -> Adoption:
    """Record the done cells of the manifests' tables as run at a revision. Raises Refused on 401, 403; LedgerError."""
    check_revision(revision)
    reader, ledger = connections.reader(), connections.writing_ledger()
    targets = resolve(targets, reader)
    by_table: dict[str, list[Manifest]] = {}
    for manifest in targets.manifests:
        by_table.setdefault(manifest.table_id, []).append(manifest)
    observation = reader.read_tables(dict.fromkeys(by_table, frozenset()))
    addresses = {table: _address(manifests, revision) for table, manifests in by_table.items()}
    tables, said = adopt_done(connections.actor(), ledger, observation, addresses, revision, f"adopted --as {revision}")
    return Adoption(
        tuple(
            AdoptedTable(table, seen.name, tuple(by_table[table]), said[table])
            for table, seen in tables.items()
            if not isinstance(seen, ApiError)
        ),
        tuple(each for each in tables.values() if isinstance(each, ApiError)),
        targets.unresolved,
        targets.manifests,
    )


def _address(manifests: Sequence[Manifest], revision: str) -> str:
    """Return the `manifest/run` that uses the revision, or else one of the table's manifests; for people to read."""
    asking = [f"{each.name}/{run.name}" for each in manifests for run in each.runs if run.revision == revision]
    return asking[0] if asking else f"{manifests[0].name}/adopted"


def adopt_done(
    who: Actor,
    ledger: Ledger,
    observation: Mapping[str, TableSnapshot | ApiError],
    addresses: Mapping[str, str],
    revision: str,
    reason: str,
) -> tuple[dict[str, TableSnapshot | ApiError], dict[str, str]]:
    """Record the done cells of every idle table; return the tables, with a sentence about each.

    A running table is an error instead: its cells in progress would be bought a second time.
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
                f"{one_line(snapshot.name)}: table {table} is running, so its done cells cannot be adopted yet",
                hint="Adopt it once it is idle.",
            )
            continue
        found = adoption.records(snapshot, histories[table], revision, addresses[table])
        cells = ledger.adopt(found, actor=who, reason=reason)
        adopted = f"{counted(cells, 'cell')} adopted at {revision}" if cells else f"nothing new to adopt at {revision}"
        said[table] = f"{adopted}, {counted(adoption.left(snapshot), 'cell')} not done"
    return tables, said
