"""The cells of a table as a page draws them: each a number, which stands for a group of cells with one explanation."""

from array import array
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from zlib import compress

from reconciler.model.cell_map import CellMap
from reconciler.model.plan import Call, SkipReason
from reconciler.planning.cell_decision import Decision
from reconciler.render.page.markup import MOST_CHARACTERS
from reconciler.text.sanitize import one_line

Document = Mapping[str, Any]
Phrase = Callable[[str, SkipReason], str]
"""(address, reason) → why a cell is not due, in words."""


class Shade(Enum):
    """The kinds of cells that a map tells apart: a key for its colour, a glyph and a label. The most telling first."""

    NEW = "new", "+", "due, no value yet"
    FAILED = "failed", "!", "due, failed"
    ALL = "all", "~", "due, run again"
    DOUBT = "doubt", "?", "in doubt"
    HELD = "held", "‖", "held back"
    PROGRESS = "progress", "▸", "in progress"
    WAITING = "waiting", "…", "waiting"
    BLOCKED = "blocked", "⊘", "blocked"
    MISSING = "missing", "∅", "missing inputs"
    DEAD = "dead", "×", "failed, or never started"
    UNKNOWN = "unknown", "◇", "status or age unknown"
    EMPTY = "empty", "–", "no value"
    DONE = "done", "·", "done, or where its run wants it"
    OUTSIDE = "outside", "", "in no run, or not told"

    @property
    def key(self) -> str:
        """Its name in the style and in the data."""
        return self.value[0]

    @property
    def glyph(self) -> str:
        """It stands in a cell, beside its colour."""
        return self.value[1]

    @property
    def label(self) -> str:
        """Its meaning."""
        return self.value[2]

    @property
    def rank(self) -> int:
        """0 for the most telling."""
        return _RANKS[self]


REASONS = {reason.value: reason for reason in SkipReason}
_RANKS = {shade: rank for rank, shade in enumerate(Shade)}
DUE = {"new": Shade.NEW, "failed": Shade.FAILED, "all": Shade.ALL}
SHADES = {
    SkipReason.DONE: Shade.DONE,
    SkipReason.SATISFIED: Shade.DONE,
    SkipReason.NOT_DUE: Shade.DONE,
    SkipReason.FAILED: Shade.DEAD,
    SkipReason.ATTEMPTS_EXHAUSTED: Shade.DEAD,
    SkipReason.NOT_STARTED: Shade.DEAD,
    SkipReason.IN_PROGRESS: Shade.PROGRESS,
    SkipReason.WAITING_FOR_TABLE: Shade.WAITING,
    SkipReason.WAITING: Shade.WAITING,
    SkipReason.MISSING_INPUTS: Shade.MISSING,
    SkipReason.BLOCKED: Shade.BLOCKED,
    SkipReason.IN_DOUBT: Shade.DOUBT,
    SkipReason.HELD_BACK: Shade.HELD,
    SkipReason.UNKNOWN_STATUS: Shade.UNKNOWN,
    SkipReason.AGE_UNKNOWN: Shade.UNKNOWN,
}
_UNSAID = (0, Decision.DUE)
"""Verdicts that say nothing: out of the run's scope, or taken by a call."""


@dataclass(frozen=True, slots=True)
class Group:
    """Cells that are alike in everything a map says of them."""

    shade: Shade
    says: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    wave: int | None = None
    cause: str | None = None

    def content(self, cells: int) -> list[Any]:
        """Return it as data of the page, with how many cells it holds."""
        says = [one_line(each, MOST_CHARACTERS) for each in self.says]
        return [self.shade.rank, says, list(map(one_line, self.manifests)), self.wave, self.cause, cells]


NOWHERE = Group(Shade.OUTSIDE)


@dataclass(slots=True)
class Grid:
    """A table's cells, column by column, each the number of its group."""

    columns: Mapping[str, str]
    """Column id → key."""
    rows: Sequence[str]
    groups: list[Group] = field(default_factory=lambda: [NOWHERE])
    cells: "array[int]" = field(init=False)
    _rows: Mapping[str, int] = field(init=False)
    _starts: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.cells = array("I", bytes(4 * len(self.columns) * len(self.rows)))
        self._rows = {row: number for number, row in enumerate(self.rows)}
        self._starts = {column: number * len(self.rows) for number, column in enumerate(self.columns)}

    def add(self, group: Group) -> int:
        """Return the number of a new group."""
        self.groups.append(group)
        return len(self.groups) - 1

    def mark(self, number: int, columns: Iterable[str], rows: Iterable[str]) -> None:
        """Give cells to a group; a row or column that the table does not have is passed over."""
        at = [self._rows[row] for row in rows if row in self._rows]
        for column in columns:
            start = self._starts.get(column)
            if start is not None:
                for row in at:
                    self.cells[start + row] = number

    def fill(self, position: int, numbers: Iterable[int]) -> None:
        """Set a whole column."""
        start = position * len(self.rows)
        self.cells[start : start + len(self.rows)] = array("I", numbers)

    def counts(self, position: int) -> Counter[Shade]:
        """Count a column's cells by shade."""
        start = position * len(self.rows)
        found: Counter[Shade] = Counter()
        for number, cells in Counter(self.cells[start : start + len(self.rows)]).items():
            found[self.groups[number].shade] += cells
        return found

    def content(self) -> dict[str, Any]:
        """Return it as data of the page: rows and cells compressed, in base64."""
        counts, is_wide = Counter(self.cells), len(self.groups) > 256
        cells = array("I" if is_wide else "B", self.cells)
        if array("I", [1]).tobytes()[0] == 0:
            cells.byteswap()
        return {
            "columns": [one_line(key, 80) for key in self.columns.values()],
            "rows": _packed("\n".join(self.rows).encode()),
            "count": len(self.rows),
            "wide": is_wide,
            "cells": _packed(cells.tobytes()),
            "groups": [group.content(counts[number]) for number, group in enumerate(self.groups)],
        }


def _packed(data: bytes) -> str:
    return b64encode(compress(data, 6)).decode()


def grid_of_plan(cell_map: CellMap, calls: Iterable[Document], waiting: Iterable[Call], phrase: Phrase) -> Grid:
    """Return every cell that a plan looked at; `calls` are those of the plan's document for this table."""
    grid = Grid(cell_map.columns, cell_map.rows)
    numbers: dict[tuple[str, ...], _Verdicts] = {}
    for position, column in enumerate(cell_map.columns):
        of_runs = cell_map.verdicts[column]
        known = numbers.setdefault(tuple(of_runs), _Verdicts(grid, tuple(of_runs), phrase))
        grid.fill(position, map(known.__getitem__, zip(*of_runs.values(), strict=True)))
    _add_calls(grid, calls)
    for call in waiting:
        says = f"{call.address}: {phrase(call.address, SkipReason.WAITING_FOR_TABLE)}"
        number = grid.add(Group(Shade.WAITING, (says,), (call.manifest,)))
        for block in call.covered:
            grid.mark(number, block.columns, block.rows)
    return grid


def grid_of_calls(calls: Sequence[Document]) -> Grid:
    """Return the cells that a plan file lists: those due, and the rows and columns that have any."""
    columns = {column: key for call in calls for column, key in zip(call["columns"], call["column_keys"], strict=False)}
    grid = Grid(columns, list(dict.fromkeys(row for call in calls for row in call["rows"])))
    _add_calls(grid, calls)
    return grid


class _Verdicts(dict[tuple[int, ...], int]):
    """The verdicts of several runs on a cell → the number of its group, made when it is first met."""

    def __init__(self, grid: Grid, addresses: tuple[str, ...], phrase: Phrase) -> None:
        self._grid, self._addresses, self._phrase = grid, addresses, phrase

    def __missing__(self, verdicts: tuple[int, ...]) -> int:
        told = [
            (address, Decision(verdict).skip_reason)
            for address, verdict in zip(self._addresses, verdicts, strict=True)
            if verdict not in _UNSAID
        ]
        self[verdicts] = number = self._grid.add(self._group(told)) if told else 0
        return number

    def _group(self, told: Sequence[tuple[str, SkipReason]]) -> Group:
        return Group(
            shade=min((SHADES[reason] for _, reason in told), key=lambda shade: shade.rank),
            says=tuple(f"{address}: {self._phrase(address, reason)}" for address, reason in told),
            manifests=tuple(dict.fromkeys(address.partition("/")[0] for address, _ in told)),
        )


def _add_calls(grid: Grid, calls: Iterable[Document]) -> None:
    for call in calls:
        number = grid.add(
            Group(
                DUE[call["mode"]],
                (f"{call['address']}: call {call['id'][:8]}, mode {call['mode']}",),
                (call["address"].partition("/")[0],),
                call["wave"],
                call.get("cause"),
            )
        )
        for block in call.get("due") or [call]:
            grid.mark(number, block["columns"], block["rows"])
