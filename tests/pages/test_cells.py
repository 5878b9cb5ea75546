"""A map draws the plan: every due cell once, and every other with the reason that the plan counts."""

from base64 import b64decode
from collections import Counter
from zlib import decompress

import pytest

from reconciler.model.plan import Plan, SkipReason
from reconciler.planning.cell_decision import Decision
from reconciler.render.page.cells import DUE, SHADES, Grid, Group, Shade
from reconciler.render.page.plan_tables import tables_of
from tests.pages.worlds import busy
from tests.planning.golden_cases import CASES, read_case

SCENARIOS = sorted(folder.name for folder in CASES.iterdir() if folder.is_dir())


def drawn(grid: Grid) -> Counter[Shade]:
    """Count a grid's cells by shade."""
    found: Counter[Shade] = Counter()
    for position in range(len(grid.columns)):
        found += grid.counts(position)
    return found


def calls_by_cell(grid: Grid) -> dict[tuple[str, str], str]:
    """Return the call of each due cell, by column and row."""
    places = [(column, row) for column in grid.columns for row in grid.rows]
    groups = [grid.groups[number] for number in grid.cells]
    return {
        place: group.says[0].partition("call ")[2][:8]
        for place, group in zip(places, groups, strict=True)
        if group.wave is not None
    }


def skips_by_cell(plan: Plan) -> Counter[tuple[str, str, SkipReason]]:
    """Count the verdicts of a plan's maps by table, address and reason."""
    found: Counter[tuple[str, str, SkipReason]] = Counter()
    for each in plan.maps:
        for of_runs in each.verdicts.values():
            for address, verdicts in of_runs.items():
                for verdict, cells in Counter(verdicts).items():
                    if verdict not in (0, Decision.DUE):
                        found[each.table_id, address, Decision(verdict).skip_reason] += cells
    return found


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_maps_hold_what_the_plan_counts(name: str) -> None:
    """Reason by reason, for each run; a table whose rows were not read has no cells to draw."""
    plan = read_case(name).plan
    told = Counter({(skip.table_id, skip.address, skip.reason): skip.cells for skip in plan.skipped})
    for key in [key for key in told if key[2] in (SkipReason.WAITING_FOR_TABLE, SkipReason.NOT_DUE)]:
        del told[key]
    assert skips_by_cell(plan) == told


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_due_cell_is_drawn_once(name: str) -> None:
    """In the colour of its mode, from the plan and from its file alike."""
    case = read_case(name)
    for plan in (case.plan, None):
        for table in tables_of(case.document, plan):
            if table.grid is not None:
                due = Counter[Shade]()
                for call in table.calls:
                    due[DUE[call["mode"]]] += call["cells"]
                found = drawn(table.grid)
                assert {shade: found[shade] for shade in due} == due
                assert calls_by_cell(table.grid) == {
                    (column, row): call["id"][:8]
                    for call in table.calls
                    for block in call.get("due") or [call]
                    for column in block["columns"]
                    for row in block["rows"]
                }


@pytest.mark.parametrize("groups", [256, 257])
def test_cells_are_packed_as_narrowly_as_their_groups_allow(groups: int) -> None:
    """One byte each, or four; no number is cut off."""
    grid = Grid({"a": "a"}, [str(row) for row in range(groups)])
    for row in grid.rows[1:]:
        grid.mark(grid.add(Group(Shade.DONE)), "a", [row])
    told = grid.content()
    unpacked = decompress(b64decode(told["cells"]))
    size = 4 if told["wide"] else 1
    assert (told["wide"], len(unpacked)) == (groups > 256, size * groups)
    assert [int.from_bytes(unpacked[at : at + size], "little") for at in range(0, len(unpacked), size)] == [
        *range(groups)
    ]


def test_every_reason_has_a_shade() -> None:
    """And each shade its own glyph, so that colour is never all there is."""
    assert set(SHADES) == set(SkipReason)
    assert len({shade.glyph for shade in Shade}) == len(Shade)


def test_the_plan_for_the_pictures_has_nearly_every_kind() -> None:
    """The browser shows all of it."""
    plan, content = busy()
    found = set[Shade]()
    for table in tables_of(content, plan):
        if table.grid is not None:
            found |= set(drawn(table.grid))
    assert set(Shade) - found == {Shade.EMPTY}
