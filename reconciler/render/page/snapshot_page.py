"""A snapshot of the live tables as a page: a map of each table's cells by what they show."""

from collections.abc import Iterator

from reconciler.model.history import TableHistory
from reconciler.model.live_snapshot import LiveSnapshot
from reconciler.model.observed import CellState, TableSnapshot
from reconciler.render.page import parts
from reconciler.render.page.cells import Grid, Group, Shade
from reconciler.render.page.markup import Html, joined, section, tag
from reconciler.render.page.parts import MOST_CELLS, by_column
from reconciler.render.page.shell import Assets, drawing, page
from reconciler.render.snapshot_text import origin_words, snapshot_headline, unread_words

_SHADES = {
    CellState.EMPTY: Shade.EMPTY,
    CellState.DONE: Shade.DONE,
    CellState.FAILED: Shade.DEAD,
    CellState.IN_PROGRESS: Shade.PROGRESS,
    CellState.UNKNOWN: Shade.UNKNOWN,
    CellState.DONE_WITHOUT_VALUE: Shade.DONE,
    CellState.PENDING: Shade.PROGRESS,
    CellState.PENDING_IDLE: Shade.EMPTY,
}


def snapshot_page(live: LiveSnapshot, assets: Assets) -> str:
    """Return a snapshot as a page."""
    grids = {id_: _grid(table, live.histories[id_]) for id_, table in live.snapshots.items() if _has_map(table)}
    head = tag("header", tag("h1", snapshot_headline(live)), tag("p", origin_words(live)))
    main = tag("main", *_main(live, grids), id="main")
    return page(snapshot_headline(live), joined([head, main]), assets, drawing(grids.values()))


def _has_map(table: TableSnapshot) -> bool:
    return 0 < len(table.states) * len(table.row_ids) <= MOST_CELLS


def _main(live: LiveSnapshot, grids: dict[str, Grid]) -> Iterator[Html]:
    yield section("Not read", *(tag("p", words, class_="bad") for words in unread_words(live)))
    if grids:
        yield section("What the glyphs mean", parts.legend({*_SHADES.values(), Shade.DOUBT}))
    numbers = {id_: number for number, id_ in enumerate(grids)}
    for id_, table in live.snapshots.items():
        calls = parts.count(len(live.histories[id_].calls), "call")
        about = f"{parts.count(table.num_rows, 'row')} · {table.run_status} · {calls} in the ledger"
        inner = [tag("p", about)]
        if id_ in grids:
            inner += [*parts.map_of(numbers[id_]), by_column(grids[id_], table.name)]
        yield section(table.name, *inner, class_="table")


def _grid(table: TableSnapshot, history: TableHistory) -> Grid:
    outputs = {column.id: column.key for column in table.columns if column.id in table.states}
    grid = Grid(outputs, table.row_ids)
    numbers = {state.value: grid.add(Group(shade)) for state, shade in _SHADES.items()}
    for position, column in enumerate(outputs):
        grid.fill(position, map(numbers.__getitem__, table.states[column]))
    for call in history.calls:
        if call.is_open:
            number = grid.add(Group(Shade.DOUBT, (f"{call.address}: call {call.id[:8]}, in doubt",)))
            for block in call.covered:
                grid.mark(number, block.columns, block.rows)
    return grid
