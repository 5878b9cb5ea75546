"""A file that is not there, asked what was bought: nothing, without loading what reads a ledger."""

import time
from collections.abc import Collection
from typing import Protocol

from reconciler.ledger import file_place
from reconciler.model.history import TableHistory


class Recalls(Protocol):
    """The side of a ledger that an observation asks."""

    def recall(self, table_ids: Collection[str], *, plan_id: str = "") -> dict[str, TableHistory]:
        """As `Ledger.recall`."""


class NoLedger:
    """Answers as `Ledger` does at the same place, until the first record creates the file."""

    def recall(self, table_ids: Collection[str], *, plan_id: str = "") -> dict[str, TableHistory]:
        """Return every table asked for, without a past."""
        now = time.time()  # a file's clock is this machine's
        return {id_: TableHistory(id_, recalled_at=now) for id_ in sorted(set(table_ids))}


def no_ledger_at(address: str) -> NoLedger | None:
    """Return a stand-in for a file that is not there; None if `address`, a path, needs a `Ledger`.

    Raises SettingsError as `open_ledger` does.
    """
    path = file_place.file_at(address)
    file_place.refuse_network_file_system(path, address, file_place.mounted())
    try:
        return None if path.exists() else NoLedger()
    except OSError:  # a `Ledger` says what is wrong
        return None
