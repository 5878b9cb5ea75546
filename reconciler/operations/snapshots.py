"""Snapshots of the live tables as files: written where the token is, read where a change is planned without it."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from reconciler.documents.snapshot_file import MAX_FILE_BYTES, LiveSnapshot, decode, encode
from reconciler.errors import SettingsError
from reconciler.model.observed import TableIndex
from reconciler.model.origin import Origin, SnapshotOrigin
from reconciler.operations.observe import Observation, to_snapshot
from reconciler.settings.settings import read_snapshot_key


def signing_key(environment: Mapping[str, str], *, unsigned: bool) -> bytes | None:
    """Return the key to sign with; None if `unsigned`. Raises SettingsError if there is none."""
    key = None if unsigned else read_snapshot_key(environment)
    if key is None and not unsigned:
        hint = "Set RECONCILER_SNAPSHOT_KEY (`openssl rand -hex 32` makes one), or say --unsigned."
        raise SettingsError("there is no key to sign the snapshot with", hint=hint)
    return key


def encoded(observation: Observation, made: Origin, index: TableIndex | None, key: bytes | None) -> bytes:
    """Return a look as a file holds it."""
    return encode(to_snapshot(observation, made.created_at, made.tool_version, made.base_url, index), key)


def read_snapshot(path: Path, environment: Mapping[str, str]) -> LiveSnapshot:
    """Read a file that `snapshot` wrote. Raises SettingsError for one that cannot be used, OSError."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    return decode(data, read_snapshot_key(environment))


def taken_of(kept: LiveSnapshot, made: Origin) -> SnapshotOrigin:
    """Say of a plan made now where it has the live tables from."""
    try:
        taken_at = datetime.fromisoformat(kept.taken_at)
    except ValueError:
        raise SettingsError("the snapshot does not say when it was taken") from None
    age = (datetime.fromisoformat(made.created_at) - taken_at).total_seconds()
    return SnapshotOrigin(kept.taken_at, max(0, int(age)), kept.digest, kept.verified)
