"""The outcome of importing a live table."""

from enum import StrEnum


class ImportOutcome(StrEnum):
    """The outcome of importing one table."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    """The file differs, and was not to be overwritten."""
    CLAIMED = "claimed"
    """The table is named by manifests that import did not write, or that share a file with others."""
    EMPTY = "empty"
    """It has no column that a manifest would list, so there is nothing to run."""
