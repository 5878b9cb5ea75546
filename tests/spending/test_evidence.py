"""The marks of a table before a call, and every way in which it shows that the call landed."""

import pytest

from reconciler.model.history import Block, CallState
from reconciler.spending import evidence
from tests.planning.tables_and_manifests import a_column, a_past_call, a_table, column_id, row_id

ONE = column_id(1)
BOTH_ROWS = Block((ONE,), (row_id(0), row_id(1)))


def movement(before: tuple[str, ...], cells: str, digests: tuple[str, ...] | None = None) -> str:
    """Say how a call over both rows of a one-column table shows."""
    table = a_table([a_column(1)], [cells], digests=None if digests is None else {ONE: digests})
    call = a_past_call(CallState.IN_DOUBT, [BOTH_ROWS], before={ONE: before})
    return evidence.sign_of_landing(call, table, {row: index for index, row in enumerate(table.row_ids)})


def test_a_mark_is_the_state_and_where_it_was_read_the_value() -> None:
    """Marks are what the ledger keeps of the cells before a call."""
    columns = [a_column(1), a_column(2)]
    table = a_table(columns, ["d.f", "dpn"], digests={column_id(2): ("v1", "v2", "v3")})
    assert evidence.cell_marks(table, column_id(1), [0, 1, 2]) == ("1", "0", "2")
    assert evidence.cell_marks(table, column_id(2), [0, 2]) == ("1:v1", "5:v3")


def test_the_mark_of_cells_that_never_ran_is_their_state_alone() -> None:
    """They have no value, so they take one byte each where a value's digests take seventeen."""
    table = a_table([a_column(1)], [".id."], digests={ONE: ("none", "none", "v", "none")})
    assert evidence.cell_marks(table, ONE, [0, 1, 3]) == ("0", "7", "0")
    assert evidence.cell_marks(table, ONE, [0, 2]) == ("0:none", "1:v")


@pytest.mark.parametrize(
    ("before", "cells", "digests"),
    [
        (("0", "0"), "..", None),
        (("2", "2"), "ff", None),
        (("1:v1", "1:v2"), "dd", ("v1", "v2")),
        (("1:v1", "1:v2"), "dd", None),
        (("1", "1"), "dd", ("v1", "v2")),
        (("0", "0"), ".", None),
    ],
    ids=["empty", "failed", "same values", "values not read now", "values not read then", "a row has gone"],
)
def test_nothing_shows(before: tuple[str, ...], cells: str, digests: tuple[str, ...] | None) -> None:
    """The cells are what they were, as far as anybody can see."""
    assert movement(before, cells, digests) == ""


@pytest.mark.parametrize(
    ("before", "cells", "digests", "words"),
    [
        (("0", "0"), ".p", None, f"cell {ONE}/{row_id(1)} is in progress"),
        (("3", "0"), "p.", None, f"cell {ONE}/{row_id(0)} is in progress"),
        (("0", "0"), ".d", None, f"cell {ONE}/{row_id(1)} was empty, is done"),
        (("0", "0"), "f.", None, f"cell {ONE}/{row_id(0)} was empty, is failed"),
        (("2", "2"), ".f", None, f"cell {ONE}/{row_id(0)} was failed, is empty"),
        (("1", "1"), "dn", None, f"cell {ONE}/{row_id(1)} was done, is done without value"),
        (("1:v1", "1:v2"), "dd", ("v1", "v3"), f"cell {ONE}/{row_id(1)} holds another value"),
        (("1:v1", "1:v2"), "df", ("v1", "v2"), f"cell {ONE}/{row_id(1)} was done, is failed"),
    ],
)
def test_any_cell_that_moved_shows(
    before: tuple[str, ...], cells: str, digests: tuple[str, ...] | None, words: str
) -> None:
    """One cell in progress, of another status, or with another value is enough; the words are for the ledger."""
    assert movement(before, cells, digests) == words


def test_what_has_gone_says_nothing_and_hides_nothing() -> None:
    """Of a call over a deleted column and row, the cells that are left still show."""
    table = a_table([a_column(1)], ["d"])
    block = Block((column_id(90), ONE), (row_id(90), row_id(0)))
    call = a_past_call(CallState.IN_DOUBT, [block])
    assert evidence.sign_of_landing(call, table, {row_id(0): 0}) == f"cell {ONE}/{row_id(0)} was empty, is done"
