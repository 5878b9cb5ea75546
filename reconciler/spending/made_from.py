"""What a call's cells were made from: digests of their inputs as the table shows them once the call has settled.

The service reads the inputs at a moment that it does not tell. An input that is changed between that and the settling
is taken for the one that was read: a later look then finds nothing to have changed since.
"""

from collections.abc import Iterable, Mapping

from reconciler.model.history import Block
from reconciler.model.input_cells import UNKNOWN, WIDTH
from reconciler.model.observed import CellState, TableSnapshot

_DONE = (CellState.DONE, CellState.DONE_WITHOUT_VALUE)


def inputs_of(covered: Iterable[Block], snapshot: TableSnapshot, index: Mapping[str, int]) -> dict[str, bytes]:
    """Return for each column whose inputs were looked at the digests of its block's rows; UNKNOWN of cells not done."""
    found = {}
    for block in covered:
        for column in block.columns:
            states, digests = snapshot.states.get(column), snapshot.inputs.get(column)
            if states is not None and digests is not None:
                places = (index.get(row) for row in block.rows)
                found[column] = b"".join(
                    digests[at * WIDTH : (at + 1) * WIDTH] if at is not None and states[at] in _DONE else UNKNOWN
                    for at in places
                )
    return {column: digests for column, digests in found.items() if any(digests)}
