"""Manifests as the user wrote them, each part with its location."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeAlias

from reconciler.model.condition import Condition
from reconciler.model.expectation import Expectation
from reconciler.text.location import Location


def is_revision(text: str) -> bool:
    """Say whether a text may be a run's `revision`: 1 to 100 letters, digits and signs of ASCII, as the schema says."""
    return 1 <= len(text) <= 100 and all("!" <= character <= "~" for character in text)


class Mode(StrEnum):
    """Which cells a run call takes [D]."""

    NEW = "new"
    FAILED = "failed"
    ALL = "all"


DEFAULT_MAX_ATTEMPTS = {Mode.NEW: 1, Mode.FAILED: 3, Mode.ALL: 1}
"""How often one cell is bought by default. A cell that never started is bought again only by a person's decision:
otherwise an API that shows a run after the quiet period would be paid for it each time."""


@dataclass(frozen=True, slots=True)
class NameAt:
    """A name or id exactly as the user wrote it, with its location."""

    text: str
    location: Location


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows selected by their data, evaluated each time the live table is read."""

    where: Condition | None
    """None for every row."""
    limit: int | None
    """At most this many of them, in the table's order; None for all."""
    location: Location

    def content(self) -> dict[str, Any]:
        """Return it without locations."""
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
    """A calendar's last and next date at one moment, in its own time zone."""

    last: datetime | None
    """The last date up to that moment: missed dates count once. None if there was none yet."""
    next: datetime | None
    """The first date after it; None if there are no more."""


Refresh: TypeAlias = MaxAge | Calendar


@dataclass(frozen=True, slots=True)
class Rollout:
    """Try a first portion, and send the rest only if it went well."""

    first: int
    """Rows."""
    max_failed: Decimal | None
    """The share of the portion's cells that may fail, 0 to 1; None if any may."""
    expect: Expectation | None = None
    """Requirements on its answers."""

    def content(self) -> dict[str, Any]:
        """Return it as numbers."""
        content: dict[str, Any] = {"first": self.first}
        if self.max_failed is not None:
            content["max_failed"] = str(self.max_failed)
        return content | ({} if self.expect is None else {"expect": self.expect.content()})


@dataclass(frozen=True, slots=True)
class Run:
    """One state to reach for a rectangle of cells."""

    name: str
    """Unique in its manifest; the mode (then `mode-2`, …) if the user gave none."""
    mode: Mode
    columns: tuple[NameAt, ...] | None
    """Column keys or ids; None for every output column that is run by default (`Column.is_meant_by_silence`)."""
    rows: tuple[NameAt, ...] | None
    """Row ids, lower case; None for every row."""
    max_attempts: int
    """`new`: the most accepted calls for one cell. `failed`: the most reruns of one failed cell. Unused with `all`."""
    revision: str | None
    """Only with mode `all`, which has this, `follows_config` or `refresh`."""
    location: Location
    selection: Selection | None = None
    """Rows selected by data; `rows` is None then."""
    refresh: Refresh | None = None
    rollout: Rollout | None = None
    expect: Expectation | None = None
    """Requirements on the answers of all its cells, judged once its calls were waited for."""
    follows_config: bool = False
    """`revision: {of: config}`: a cell is run again once its column's configuration is not that of its last run."""

    def content(self) -> dict[str, Any]:
        """Return the run as written, without locations; keys left out stay out, so that old digests remain valid."""
        content: dict[str, Any] = {
            "name": self.name,
            "mode": self.mode.value,
            "columns": None if self.columns is None else [column.text for column in self.columns],
            "rows": None if self.rows is None else [row.text for row in self.rows],
            "max_attempts": self.max_attempts,
            "revision": {"of": "config"} if self.follows_config else self.revision,
        }
        more = {"select": self.selection, "refresh": self.refresh, "rollout": self.rollout, "expect": self.expect}
        return content | {name: part.content() for name, part in more.items() if part is not None}


@dataclass(frozen=True, slots=True)
class ByName:
    """The only table with this name."""

    name: str

    def __str__(self) -> str:
        return f"the table named {self.name}"

    def content(self) -> dict[str, Any]:
        """Return it as written."""
        return {"name": self.name}


@dataclass(frozen=True, slots=True)
class ByTag:
    """Every table with a tag."""

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
    """A limit on buying cells that were unknown when the plan was made."""

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
    """A lower-case UUID, also if the user gave a dashboard URL; empty until `source` is resolved."""
    runs: tuple[Run, ...]
    location: Location
    """The location of `metadata.name`."""
    table_place: Location
    """The location of `spec.table` or `spec.tables`."""
    source: Source | None = None
    """How the table is found; None if the manifest gives its id."""
    depends_on: tuple[NameAt, ...] = ()
    """Names of the manifests that come before this one."""
    growth: GrowthAllowance | None = None

    @property
    def table(self) -> str:
        """The table in words: its id, or how it is found."""
        return str(self.source) if self.source is not None else f"table {self.table_id}"

    @property
    def upstream(self) -> tuple[NameAt, ...]:
        """The manifests that come before this one, including the one that fills its table."""
        return (*self.depends_on, self.source.manifest) if isinstance(self.source, ChildOf) else self.depends_on

    def content(self) -> dict[str, Any]:
        """Return the manifest as written, without locations: the part whose digest a saved plan pins.

        A table found by name counts as its name; keys left out stay out, so that old digests remain valid.
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
