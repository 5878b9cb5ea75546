"""Snapshot files of the live tables: written by a job with the token, read by one that plans without it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from reconciler.documents.snapshot_file import MAX_FILE_BYTES, decode, encode
from reconciler.errors import ApiError, BadResponse, SettingsError
from reconciler.manifests.open_file import open_named
from reconciler.model.compact import RowIndex
from reconciler.model.history import TableHistory
from reconciler.model.live_snapshot import LiveSnapshot
from reconciler.model.observed import TableIndex, TableSnapshot
from reconciler.model.origin import Origin, SnapshotOrigin
from reconciler.operations.atomic_file import write_whole
from reconciler.operations.connection import Connections, origin
from reconciler.operations.find_tables import CachedLister, index_of
from reconciler.operations.named_file import WRITABLE, named_file
from reconciler.operations.observe import Observation, Sources, Targets, observe_tables, resolve
from reconciler.settings.settings import read_snapshot_key
from reconciler.spending import evidence
from reconciler.text.location import Diagnostic


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """A summary of a snapshot that was written."""

    tables: int
    size_bytes: int
    is_signed: bool
    unreadable: Mapping[str, ApiError]
    """By table id: the file records these tables as unreadable, and a plan from it says so."""
    unresolved: tuple[Diagnostic, ...]
    """Why a manifest's table is unknown."""


def take_snapshot(file: Path, targets: Targets, key: bytes | None, connections: Connections) -> SnapshotTaken:
    """Read the manifests' tables and write what planning needs from them.

    Raises Refused, LedgerError, and SettingsError if the file cannot be written.
    """
    made = origin(connections.settings, connections.tell)
    reader, ledger = connections.reader(), connections.ledger()
    directory = CachedLister(reader)
    targets = resolve(targets, directory)
    observation = observe_tables(targets, targets.tables, Sources(reader, ledger, connections.settings))
    index = index_of(targets.written, targets.tables, directory)
    live = to_snapshot(observation, made.created_at, made.tool_version, made.base_url, index)
    data = encode(replace(live, sums=ledger.recent_sums(targets.tables)), key)
    with named_file(file, WRITABLE):
        write_whole(file, data)
    unresolved = tuple(sorted(targets.unresolved))
    return SnapshotTaken(len(observation.snapshots), len(data), key is not None, observation.unreadable, unresolved)


def signing_key(environment: Mapping[str, str], *, unsigned: bool) -> bytes | None:
    """Return the key to sign with; None if `unsigned`. Raises SettingsError if there is none."""
    key = None if unsigned else read_snapshot_key(environment)
    if key is None and not unsigned:
        hint = "Set RECONCILER_SNAPSHOT_KEY (`openssl rand -hex 32` makes one), or use --unsigned."
        raise SettingsError("there is no key to sign the snapshot with", hint=hint)
    return key


def read_snapshot(path: Path, environment: Mapping[str, str]) -> LiveSnapshot:
    """Read a file that `snapshot` wrote. Raises SettingsError if it cannot be used."""
    with named_file(path, "Name a file that `reconciler snapshot --out FILE` wrote."), open_named(path) as file:
        data = file.read(MAX_FILE_BYTES + 1)
    return decode(data, read_snapshot_key(environment))


def taken_of(kept: LiveSnapshot, made: Origin) -> SnapshotOrigin:
    """Return the origin of the live tables for a plan made now from a snapshot."""
    try:
        taken_at = datetime.fromisoformat(kept.taken_at)
    except ValueError:
        raise SettingsError("the snapshot does not say when it was taken") from None
    age = (datetime.fromisoformat(made.created_at) - taken_at).total_seconds()
    return SnapshotOrigin(kept.taken_at, max(0, int(age)), kept.digest, kept.verified)


def to_snapshot(
    observation: Observation, taken_at: str, tool_version: str, base_url: str, index: TableIndex | None = None
) -> LiveSnapshot:
    """Reduce an observation to what is needed to plan elsewhere (`documents/snapshot_file.py`)."""
    pairs = {
        table: _reduced(snapshot, observation.histories[table]) for table, snapshot in observation.snapshots.items()
    }
    return LiveSnapshot(
        taken_at=taken_at,
        tool_version=tool_version,
        base_url=base_url,
        snapshots={table: snapshot for table, (snapshot, _) in pairs.items()},
        histories={table: history for table, (_, history) in pairs.items()},
        unreadable={table: (error.message, error.hint) for table, error in observation.unreadable.items()},
        index=index,
    )


def from_snapshot(kept: LiveSnapshot, tables: Collection[str]) -> Observation:
    """Return a snapshot's observation of `tables`; a table that it does not hold counts as unreadable."""
    absent = (
        "the snapshot of the live tables does not hold this one",
        "It holds the tables that manifests named when it was taken.",
    )
    unreadable = {table: kept.unreadable.get(table, absent) for table in tables if table not in kept.snapshots}
    return Observation(
        snapshots={table: kept.snapshots[table] for table in tables if table in kept.snapshots},
        histories={table: kept.histories[table] for table in tables if table in kept.histories},
        verdicts=(),
        unreadable={table: BadResponse(message, hint=hint) for table, (message, hint) in unreadable.items()},
    )


def _reduced(snapshot: TableSnapshot, history: TableHistory) -> tuple[TableSnapshot, TableHistory]:
    """Drop from an observation what planning does not need, once the facts that need it have been derived."""
    assert not snapshot.unread_rows, "a snapshot is also for manifests that are not written yet, so it needs every row"
    row_index = RowIndex(snapshot.row_ids)
    calls = tuple(
        replace(call, has_shown=has_shown, before={}, inputs={}, actor="")
        for call in history.calls
        for has_shown in [bool(evidence.sign_of_landing(call, snapshot, row_index))]
    )
    told = replace(history, calls=calls, checkpoint=history.checkpoint.without_inputs())
    return replace(snapshot, digests={}, answers={}, inputs={}), told
