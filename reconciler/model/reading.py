"""How far a reading of live tables is, and what reading cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadProgress:
    """How far a `read_tables` is."""

    tables_done: int
    tables: int
    rows: int
    """Of the tables done and under way; goes back when a table has to be read again."""
    requests: int
    """GETs sent and answered or given up, retries included."""
    rows_known: int = 0
    """Rows of the tables whose header has come."""
    tables_known: int = 0
    """Tables whose header has come."""


@dataclass(frozen=True, slots=True)
class ReadCost:
    """Where a reader's time went; seconds are added up over its connections."""

    connections: int = 0
    requests: int = 0
    """GETs sent, retries included."""
    received_bytes: int = 0
    """After decompression."""
    waiting_seconds: float = 0.0
    """From sending a request to the last byte of its answer."""
    decoding_seconds: float = 0.0
    held_seconds: float = 0.0
    """Kept from sending because the API asked for less."""
