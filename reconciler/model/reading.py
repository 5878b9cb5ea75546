"""How far a reading of live tables is, and what reading cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadProgress:
    """Progress of a `read_tables`."""

    tables_done: int
    tables: int
    rows: int
    """Rows of tables done and in progress; decreases when a table has to be read again."""
    requests: int
    """GETs answered or given up, retries included."""
    rows_known: int = 0
    """Rows of the tables whose header has arrived."""
    tables_known: int = 0
    """Tables whose header has arrived."""


@dataclass(frozen=True, slots=True)
class ReadCost:
    """How a reader spent its time; seconds are summed over its connections."""

    connections: int = 0
    requests: int = 0
    """GETs sent, retries included."""
    received_bytes: int = 0
    """After decompression."""
    waiting_seconds: float = 0.0
    """From sending a request to the last byte of its answer."""
    decoding_seconds: float = 0.0
    held_seconds: float = 0.0
    """Waiting because the API asked for fewer requests."""
