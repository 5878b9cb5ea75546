"""What importing a live table came to."""

from enum import StrEnum


class ImportOutcome(StrEnum):
    """What becomes of one table's manifest."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    """The file says something else, and nobody said to write it anew."""
    CLAIMED = "claimed"
    """Manifests that import did not write, or that share a file with others, name the table."""
    EMPTY = "empty"
    """It has no column that a manifest would list, and so nothing to run."""
