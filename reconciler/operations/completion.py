"""Names for a shell to complete, from files of the project alone: its manifests, its newest snapshot, its ledger."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.documents.snapshot_file import decode
from reconciler.errors import ReconcilerError
from reconciler.ledger import open_ledger
from reconciler.manifests.open_file import open_file
from reconciler.model.ledger_entries import CallFilter
from reconciler.operations.validate import validate
from reconciler.settings.settings import Flags, Settings, ledger_address, load_settings
from reconciler.text.addresses import STREAM, is_server
from reconciler.text.sanitize import one_line

MOST_CALLS = 200
LARGEST_SNAPSHOT = 4 * 1024**2
"""Bytes; reading a larger one takes longer than a person waits."""
BUSY_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Names:
    """The names in a project's files."""

    manifests: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    """As `manifest/run`."""
    labels: tuple[str, ...] = ()
    """As `key=value`."""
    columns: tuple[str, ...] = ()
    """Keys; an id where a manifest names one."""
    tables: tuple[str, ...] = ()
    """Ids."""


def names(flags: Flags, paths: Sequence[str]) -> Names:
    """Return the names in the manifests at `paths`, or else the project's; none if one of them is not valid.

    Raises SettingsError, ManifestError, OSError.
    """
    settings = load_settings(flags, os.environ)
    manifests = validate(settings, [path for path in paths if path != STREAM]).manifests
    written = {column.text for manifest in manifests for run in manifest.runs for column in run.columns or ()}
    return Names(
        tuple(manifest.name for manifest in manifests),
        tuple(f"{manifest.name}/{run.name}" for manifest in manifests for run in manifest.runs),
        tuple(sorted({f"{key}={value}" for manifest in manifests for key, value in manifest.labels.items()})),
        tuple(sorted(written | _snapshot_columns(settings))),
        tuple(sorted({manifest.table_id for manifest in manifests if manifest.table_id})),
    )


def calls(flags: Flags, prefix: str) -> Mapping[str, str]:
    """Return the newest calls whose id begins with `prefix`: the start of the id → address and state.

    Of a ledger that is a file; a server is not asked. Raises SettingsError, ManifestError, LedgerError.
    """
    settings = load_settings(flags, os.environ)
    address = ledger_address(settings)
    if is_server(address):
        return {}
    with open_ledger(address, busy_seconds=BUSY_SECONDS, answer_seconds=5 * BUSY_SECONDS) as ledger:
        found = ledger.calls(CallFilter(limit=MOST_CALLS))
    return {
        call.id[: max(8, len(prefix))]: f"{one_line(call.address)} {call.state.value}"
        for call in found
        if call.id.startswith(prefix)
    }


def _snapshot_columns(settings: Settings) -> set[str]:
    """Return the column keys in the newest `*.snapshot` of the project's folder or the working directory."""
    there = {file for folder in (settings.root, Path()) for file in folder.glob("*.snapshot") if file.is_file()}
    for file in sorted(there, key=lambda each: each.stat().st_mtime, reverse=True)[:1]:
        try:
            with open_file(file) as opened:
                live = decode(opened.read(LARGEST_SNAPSHOT), None)
        except ReconcilerError:
            return set()
        return {column.key for table in live.snapshots.values() for column in table.columns if not column.is_input}
    return set()
