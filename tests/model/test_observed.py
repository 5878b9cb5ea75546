"""How deep a column stands below others: at once what it takes a round for each column to find."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.observed import Column, depths, downstream
from tests.planning.tables_and_manifests import a_column, column_id


@st.composite
def graphs(draw: st.DrawFn) -> list[Column]:
    """Return a few columns that name each other in any way, in cycles and themselves too; some are inputs."""
    numbers = range(draw(st.integers(1, 7)))
    return [
        a_column(
            number,
            *draw(st.lists(st.sampled_from([*numbers, 99]), max_size=3)),
            kind=draw(st.sampled_from(["agent", "agent", "agent", "input"])),
        )
        for number in numbers
    ]


def by_rounds(columns: Sequence[Column]) -> dict[str, int]:
    """Return the longest way that leads down to each column, no longer than there are output columns."""
    upstream = {column.id: column.upstream for column in columns if not column.is_input}
    found = dict.fromkeys(upstream, 0)
    for _ in upstream:
        found = {
            column: max((found[other] + 1 for other in others if other in found), default=0)
            for column, others in upstream.items()
        }
    return found


@given(graphs())
def test_depths_are_the_longest_ways_down(columns: list[Column]) -> None:
    """In the table's order, with cycles as deep as there are output columns."""
    found = depths(columns)
    assert found == by_rounds(columns)
    assert list(found) == [column.id for column in columns if not column.is_input]


@given(graphs())
def test_downstream_is_upstream_the_other_way_round(columns: list[Column]) -> None:
    """Between output columns, each once."""
    outputs = [column for column in columns if not column.is_input]
    assert downstream(columns) == {
        above.id: [column.id for column in outputs if above.id in column.upstream] for above in outputs
    }


def test_a_long_cycle_and_a_long_chain_are_read_in_one_go() -> None:
    """Ten thousand columns, each below the next: a round for each would take minutes."""
    chain = [a_column(number, number + 1) for number in range(10_000)]
    assert depths(chain)[column_id(0)] == 9_999
    ring = [*chain[:-1], a_column(9_999, 0)]
    assert set(depths(ring).values()) == {10_000}
