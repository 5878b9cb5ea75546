"""The tables of a plan's page: which calls, skips and cells are theirs, their map, their runs, their counts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.plan import Plan, SkipReason
from reconciler.render.markdown import number
from reconciler.render.page import parts
from reconciler.render.page.cells import DUE, REASONS, SHADES, Grid, Phrase, Shade, grid_of_calls, grid_of_plan
from reconciler.render.page.markup import Html, joined, prose, section, table, tag
from reconciler.render.page.parts import MOST_CELLS, by_column
from reconciler.render.plan_parts import waited_for
from reconciler.render.staleness import next_due_as_written, older_than_as_written
from reconciler.text.sanitize import one_line

Document = Mapping[str, Any]

CAUSES = {"change": "this change", "due": "due anyway"}
_REASONS = {
    "cells_empty": "no value yet",
    "cells_failed": "failed",
    "config_changed": "not run with the present configuration",
}
_FROM_FILE = (
    "A plan file lists the cells that are due; of all others it has counts by run. So this map shows the rows and "
    "columns that have due cells. `plan --format html` shows every cell."
)


@dataclass(slots=True)
class PageTable:
    """A live table with all that the plan has for it, for one manifest or several."""

    entries: list[Document]
    """Of `tables` in the document, one per manifest."""
    calls: list[Document] = field(default_factory=list)
    skips: list[Document] = field(default_factory=list)
    grid: Grid | None = None

    @property
    def is_worth_a_section(self) -> bool:
        """Say whether anything in it is not where the manifests want it."""
        return bool(self.calls) or any(not REASONS[skip["reason"]].is_as_wanted for skip in self.skips)

    @property
    def manifests(self) -> list[str]:
        """The names of its manifests, cleaned."""
        return [one_line(entry["manifest"]) for entry in self.entries]

    @property
    def labels(self) -> list[str]:
        """Their labels, cleaned: `team=gtm`."""
        pairs = [pair for entry in self.entries for pair in entry["labels"].items()]
        return sorted({one_line(f"{key}={value}") for key, value in pairs})

    def of_run(self, run: Document, of: Sequence[Document]) -> list[Document]:
        """Return the calls or skips of a run."""
        return [each for each in of if each["address"] == run["address"]]


def tables_of(content: Document, plan: Plan | None) -> list[PageTable]:
    """Return the tables with their calls, skips and cells; those with calls come first."""
    found: dict[str, PageTable] = {}
    homes: dict[str, list[str]] = {}
    for entry in content["tables"]:
        found.setdefault(entry["table_id"], PageTable([])).entries.append(entry)
        for run in entry["runs"]:
            homes.setdefault(run["address"], []).append(entry["table_id"])
    for call in content["calls"]:
        if call["table_id"] in found:
            found[call["table_id"]].calls.append(call)
    for skip in content["skipped"]:
        # The address of a run over several tables comes with the table that is meant.
        for id_ in [skip["table_id"]] if "table_id" in skip else homes.get(skip["address"], ()):
            if id_ in found:
                found[id_].skips.append(skip)
    for id_, each in found.items():
        if each.is_worth_a_section:
            each.grid = _grid(id_, each, plan)
    return sorted(found.values(), key=lambda each: not each.calls)


def _grid(id_: str, of: PageTable, plan: Plan | None) -> Grid | None:
    if plan is None:
        columns = {column for call in of.calls for column in call["columns"]}
        rows = {row for call in of.calls for row in call["rows"]}
        return grid_of_calls(of.calls) if 0 < len(columns) * len(rows) <= MOST_CELLS else None
    cell_map = next((each for each in plan.maps if each.table_id == id_), None)
    if cell_map is None or not 0 < len(cell_map.columns) * len(cell_map.rows) <= MOST_CELLS:
        return None
    return grid_of_plan(cell_map, of.calls, [call for call in plan.waiting if call.table_id == id_], _phrase(of.skips))


def _phrase(skips: Sequence[Document]) -> Phrase:
    """Return a function that says why a cell is not due, and what it waits for."""
    waits = {skip["address"]: _waits(skip) for skip in skips if skip["reason"] == SkipReason.BLOCKED}

    def phrase(address: str, reason: SkipReason) -> str:
        return reason.phrase + (waits.get(address, "") if reason is SkipReason.BLOCKED else "")

    return phrase


def _waits(skip: Document) -> str:
    return waited_for([(each["column"], each["implied"]) for each in skip.get("waits_for", ())], one_line)


def shade_of(skip: Document) -> Shade:
    """Return how the cells of a skip are drawn."""
    return SHADES[REASONS[skip["reason"]]]


def due_shade(call: Document) -> Shade:
    """Return how the cells of a call are drawn."""
    return DUE[call["mode"]]


def table_section(of: PageTable, number_of_map: int | None, *, is_split: bool, is_whole: bool) -> Html:
    """Return a table: its map, its runs, and its cells in numbers. `number_of_map` is its place in the data."""
    first = of.entries[0]
    sizes = [parts.count(first["rows"], "row"), first["run_status"]]
    about = " · ".join([", ".join(of.manifests), *sizes, *([", ".join(of.labels)] if of.labels else [])])
    runs = [row for entry in of.entries for run in entry["runs"] for row in _run_rows(of, run, is_split=is_split)]
    titles = [
        "Run",
        "Mode",
        "Columns",
        "Cells due:",
        "Credits:",
        "Waves",
        "Reason",
        *(["Caused by"] if is_split else []),
        "Not due",
    ]
    inner = [
        tag("p", about),
        *_map(of, number_of_map, is_whole=is_whole),
        table(f"Runs of {one_line(first['name'])}", titles, runs),
    ]
    if of.grid is not None:
        inner.append(by_column(of.grid, first["name"]))
    return section(
        first["name"],
        *inner,
        class_="table",
    )


def _map(of: PageTable, number_of_map: int | None, *, is_whole: bool) -> Iterator[Html]:
    if number_of_map is None:
        cells = parts.count(of.entries[0]["rows"], "row")
        yield tag(
            "p", f"No map: no cell of its {cells} was read or is listed, or there are too many. The counts are below."
        )
        return
    if not is_whole:
        yield tag("p", _FROM_FILE, class_="hint")
    yield from parts.map_of(number_of_map)


def _run_rows(of: PageTable, run: Document, *, is_split: bool) -> Iterator[list[str]]:
    """Yield a row for the run, or one for each cause its calls have."""
    calls, skips = of.of_run(run, of.calls), of.of_run(run, of.skips)
    skipped = [
        joined([prose(f"{number(skip['cells'])} {REASONS[skip['reason']].phrase}"), _waits(skip)], "") for skip in skips
    ]
    later = next_due_as_written(run)
    rest = joined([*skipped, *([f"next cell due {later}"] if later else [])], "; ")
    causes = [cause for cause in CAUSES if any(call.get("cause", "due") == cause for call in calls)]
    if not calls:
        yield [
            run["address"],
            run["mode"],
            parts.count(run["columns"], "column"),
            "0",
            "0",
            "",
            "nothing due",
            *([""] if is_split else []),
            rest,
        ]
    for cause in causes:
        found = [call for call in calls if call.get("cause", "due") == cause]
        keys = list(dict.fromkeys(one_line(key, 40) for call in found for key in call["column_keys"]))
        more = f" and {len(keys) - 5:,} more" if len(keys) > 5 else ""
        sizes = [number(sum(call["cells"] for call in found)), number(parts.cost(found).total)]
        waves = ", ".join(str(wave) for wave in sorted({call["wave"] for call in found})[:10])
        because = [CAUSES[cause]] if is_split else []
        yield [
            run["address"],
            run["mode"],
            ", ".join(keys[:5]) + more,
            *sizes,
            waves,
            _because(run, found[0]),
            *because,
            rest,
        ]


def _because(run: Document, call: Document) -> str:
    if call["reason"] == "cells_stale":
        return f"older than {older_than_as_written(run)}, or never run"
    return _REASONS.get(call["reason"]) or f"revision {one_line(run['revision'] or '')} not run"
