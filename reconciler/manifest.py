"""What the user wants: manifests as they were written, each part with its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.place import Place

DEFAULT_MAX_ATTEMPTS = 3


class Mode(StrEnum):
    """Which cells a run call takes (`extruct-api.md`, Run [D])."""

    NEW = "new"
    FAILED = "failed"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Named:
    """A name or id exactly as the user wrote it, and where."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Run:
    """One state to reach for a rectangle of cells."""

    name: str
    """Unique in its manifest; the mode (then `mode-2`, …) where the user gave none."""
    mode: Mode
    columns: tuple[Named, ...] | None
    """Column keys or ids; None: every output column."""
    rows: tuple[Named, ...] | None
    """Row ids, lower case; None: every row."""
    max_attempts: int
    """Reruns of one failed cell at most; meaningful with `failed` alone."""
    revision: str | None
    """Set exactly when the mode is `all`."""
    place: Place


@dataclass(frozen=True, slots=True)
class Manifest:
    """One `TableRun` document."""

    name: str
    labels: Mapping[str, str]
    table_id: str
    """A lower-case UUID, also where the user gave a dashboard URL."""
    runs: tuple[Run, ...]
    place: Place
    """Where `metadata.name` stands."""
    table_place: Place
    """Where `spec.table` stands."""

    def content(self) -> dict[str, Any]:
        """Return what the manifest says, without places: the part whose digest a saved plan pins."""
        return {
            "name": self.name,
            "labels": dict(self.labels),
            "table": self.table_id,
            "runs": [
                {
                    "name": run.name,
                    "mode": run.mode.value,
                    "columns": None if run.columns is None else [column.text for column in run.columns],
                    "rows": None if run.rows is None else [row.text for row in run.rows],
                    "max_attempts": run.max_attempts,
                    "revision": run.revision,
                }
                for run in self.runs
            ],
        }
