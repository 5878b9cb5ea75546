"""What the user wants: manifests as they were written, each part with its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeAlias

from reconciler.model.condition import Condition
from reconciler.text.location import Location


class Mode(StrEnum):
    """Which cells a run call takes (`extruct-api.md`, Run [D])."""

    NEW = "new"
    FAILED = "failed"
    ALL = "all"


DEFAULT_MAX_ATTEMPTS = {Mode.NEW: 1, Mode.FAILED: 3, Mode.ALL: 1}
"""How often one cell is bought where a run says nothing. One that never started is bought again by a person's decision
alone: an API that shows a run later than the quiet period would be paid for it each time."""


@dataclass(frozen=True, slots=True)
class NameAt:
    """A name or id exactly as the user wrote it, and where."""

    text: str
    location: Location


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows by what they hold, resolved against the live table each time it is read."""

    where: Condition | None
    """None: every row."""
    limit: int | None
    """At most so many of them, in the table's order; None: all."""
    location: Location

    def content(self) -> dict[str, Any]:
        """Return it without places."""
        content: dict[str, Any] = {}
        if self.where is not None:
            content["where"] = self.where.content()
        if self.limit is not None:
            content["limit"] = self.limit
        return content


@dataclass(frozen=True, slots=True)
class MaxAge:
    """A cell is stale when the ledger's last accepted call for it is this old."""

    seconds: int
    text: str
    """As written: `30d`."""

    def content(self) -> dict[str, Any]:
        """Return it as written."""
        return {"every": self.text}


@dataclass(frozen=True, slots=True)
class Calendar:
    """A cell is stale when the ledger's last accepted call for it is older than the calendar's last date."""

    cron: str
    """Five fields."""
    timezone: str
    """An IANA name."""

    def content(self) -> dict[str, Any]:
        """Return it as written."""
        return {"at": self.cron, "timezone": self.timezone}


@dataclass(frozen=True, slots=True)
class CalendarDates:
    """Where a calendar stands at one moment, in its own time zone."""

    last: datetime | None
    """The last date not after that moment: dates that were missed count once. None: there was none yet."""
    next: datetime | None
    """The first date after it; None: there will be none."""


Refresh: TypeAlias = MaxAge | Calendar


@dataclass(frozen=True, slots=True)
class Rollout:
    """Try a first portion, and send the rest only where it came out well."""

    first: int
    """Rows."""
    max_failed: Decimal
    """The share of the portion's cells that may fail, 0 to 1."""

    def content(self) -> dict[str, Any]:
        """Return it as numbers."""
        return {"first": self.first, "max_failed": str(self.max_failed)}


@dataclass(frozen=True, slots=True)
class Run:
    """One state to reach for a rectangle of cells."""

    name: str
    """Unique in its manifest; the mode (then `mode-2`, …) where the user gave none."""
    mode: Mode
    columns: tuple[NameAt, ...] | None
    """Column keys or ids; None: every output column that silence means (`Column.is_meant_by_silence`)."""
    rows: tuple[NameAt, ...] | None
    """Row ids, lower case; None: every row."""
    max_attempts: int
    """`new`: accepted calls for one cell at most. `failed`: reruns of one failed cell at most. Nothing with `all`."""
    revision: str | None
    """With mode `all` alone, which has either this or `refresh`."""
    location: Location
    selection: Selection | None = None
    """Rows by data; then `rows` is None."""
    refresh: Refresh | None = None
    rollout: Rollout | None = None

    def content(self) -> dict[str, Any]:
        """Return what the run says, without places; what was left out is left out, so that old digests hold."""
        content: dict[str, Any] = {
            "name": self.name,
            "mode": self.mode.value,
            "columns": None if self.columns is None else [column.text for column in self.columns],
            "rows": None if self.rows is None else [row.text for row in self.rows],
            "max_attempts": self.max_attempts,
            "revision": self.revision,
        }
        more = {"select": self.selection, "refresh": self.refresh, "rollout": self.rollout}
        return content | {name: part.content() for name, part in more.items() if part is not None}


@dataclass(frozen=True, slots=True)
class ByName:
    """The one table of this name."""

    name: str

    def __str__(self) -> str:
        return f"the table named {self.name}"

    def content(self) -> dict[str, Any]:
        """Return it as written."""
        return {"name": self.name}


@dataclass(frozen=True, slots=True)
class ByTag:
    """Every table that carries a tag."""

    tag: str

    def __str__(self) -> str:
        return f"the tables tagged {self.tag}"

    def content(self) -> dict[str, Any]:
        """Return it as written."""
        return {"tag": self.tag}


@dataclass(frozen=True, slots=True)
class ChildOf:
    """The table that a column of another manifest's table fills."""

    manifest: NameAt
    column: NameAt

    def __str__(self) -> str:
        return f"the child table of {self.manifest.text}, column {self.column.text}"

    def content(self) -> dict[str, Any]:
        """Return it as written."""
        return {"child_of": self.manifest.text, "column": self.column.text}


Source: TypeAlias = ByName | ByTag | ChildOf


@dataclass(frozen=True, slots=True)
class GrowthAllowance:
    """What may be bought of cells that nobody could know of when the plan was made."""

    max_cells: int
    max_credits: Decimal | None

    def content(self) -> dict[str, Any]:
        """Return it as numbers."""
        return {"max_cells": self.max_cells, "max_credits": None if self.max_credits is None else str(self.max_credits)}


@dataclass(frozen=True, slots=True)
class Manifest:
    """One `TableRun` document."""

    name: str
    labels: Mapping[str, str]
    table_id: str
    """A lower-case UUID, also where the user gave a dashboard URL; empty until `source` is resolved."""
    runs: tuple[Run, ...]
    location: Location
    """Where `metadata.name` stands."""
    table_place: Location
    """Where `spec.table` stands, or `spec.tables`."""
    source: Source | None = None
    """How the table is found; None where its id is written."""
    depends_on: tuple[NameAt, ...] = ()
    """Names of the manifests that come before this one."""
    growth: GrowthAllowance | None = None

    @property
    def table(self) -> str:
        """The table in words: its id, or how it is found."""
        return str(self.source) if self.source is not None else f"table {self.table_id}"

    @property
    def upstream(self) -> tuple[NameAt, ...]:
        """The manifests that come before this one, the one that fills its table included."""
        return (*self.depends_on, self.source.manifest) if isinstance(self.source, ChildOf) else self.depends_on

    def content(self) -> dict[str, Any]:
        """Return what the manifest says, without places: the part whose digest a saved plan pins.

        What is found by name counts as the name; what was left out is left out, so that old digests hold.
        """
        content: dict[str, Any] = {
            "name": self.name,
            "labels": dict(self.labels),
            "table": self.table_id if self.source is None else self.source.content(),
            "runs": [run.content() for run in self.runs],
        }
        if self.depends_on:
            content["depends_on"] = [named.text for named in self.depends_on]
        if self.growth is not None:
            content["allow_growth"] = self.growth.content()
        return content
