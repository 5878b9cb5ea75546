"""A copy of a table with everything under it: columns, rows and their cells, and the people tables of its finders."""

import copy

from reconciler.simulator.world.columns import PEOPLE_FINDER
from reconciler.simulator.world.table import SETTLED, Column, Parent, State, Table
from reconciler.simulator.world.world import World


def clone(world: World, source: Table, *, schema_only: bool) -> Table:
    """Return a new root table that is a copy of another with its whole hierarchy [D]; `schema_only` leaves rows out."""
    copied = world.add_table(f"{source.name} (copy)", source.kind)
    copied.scope = source.scope
    _fill(world, source, copied, {}, schema_only=schema_only)
    return copied


def _fill(world: World, source: Table, copied: Table, parents: dict[str, str], *, schema_only: bool) -> None:
    """Fill an empty table from another; `parents` says which row of the parent table became which."""
    copied.description, copied.tags, copied.notify = source.description, list(source.tags), source.notify
    copied.settings, copied.cell_bytes = copy.deepcopy(source.settings), source.cell_bytes
    children: list[tuple[Table, Table]] = []
    for column in source.columns:
        config, outcome = copy.deepcopy(column.config), copy.copy(column.outcome)
        child = world.tables.get(column.child_table or "")
        if column.kind == PEOPLE_FINDER and child is not None:
            added = copied.add_column(world.new_id("column"), config, world.clock.now(), outcome)
            children.append((child, world.add_child(copied, added)))
        else:
            added = world.add_column(copied, config, outcome=outcome)
        added.credits = column.credits
    copied.connect()
    rows = {} if schema_only else _copy_rows(world, source, copied, parents)
    for child, born in children:
        _fill(world, child, born, rows, schema_only=schema_only)


def _copy_rows(world: World, source: Table, copied: Table, parents: dict[str, str]) -> dict[str, str]:
    slots = world.add_rows(copied, len(source.order))
    for slot, born in zip(source.order, slots, strict=True):
        for old, new in zip(source.columns, copied.columns, strict=True):
            _copy_cell(old, slot, new, born)
        if slot in source.metadata:
            copied.metadata[born] = copy.deepcopy(source.metadata[slot])
        if slot in source.claims:
            copied.claims[born] = source.claims[slot]
        parent = source.parents.get(slot)
        if parent is not None and parent.row_id in parents:
            copied.parents[born] = Parent(parents[parent.row_id], copy.deepcopy(parent.data))
    copied.fed = {parents[row_id] for row_id in source.fed if row_id in parents}
    return {source.row_ids[slot]: copied.row_ids[born] for slot, born in zip(source.order, slots, strict=True)}


def _copy_cell(old: Column, slot: int, new: Column, born: int) -> None:
    state = old.states[slot]
    settled = state in SETTLED
    new.move(born, State(state) if settled else State.EMPTY)
    new.tries[born] = old.tries[slot]
    if settled and slot in old.values:
        new.values[born] = copy.deepcopy(old.values[slot])
    if settled and slot in old.odd:
        new.odd[born] = old.odd[slot]
