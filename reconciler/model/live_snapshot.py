"""The live tables and the ledger at one moment, as far as planning needs them."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.budget import RecentSums
from reconciler.model.history import TableHistory
from reconciler.model.observed import TableIndex, TableSnapshot


@dataclass(frozen=True, slots=True)
class LiveSnapshot:
    """The state of the live tables and the ledger, as far as planning needs it."""

    taken_at: str
    """RFC 3339, UTC, in seconds."""
    tool_version: str
    base_url: str
    snapshots: Mapping[str, TableSnapshot]
    """By table id, without digests of values."""
    histories: Mapping[str, TableHistory]
    """By table id, with doubts judged; calls lack the marks of their cells and the name of who applied them."""
    unreadable: Mapping[str, tuple[str, str]]
    """Table id → why a table could not be read, and what to do."""
    digest: str = ""
    """Of the file that it was read from."""
    verified: bool = False
    """True if the file's signature was checked and is valid."""
    sums: RecentSums | None = None
    """The sums spent of late, for budgets; None in files from before they were kept."""
    index: TableIndex | None = None
    """None if every manifest named its table by id."""
