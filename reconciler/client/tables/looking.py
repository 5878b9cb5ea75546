"""Looks at values of a page while it is read: tests of answers, and digests of what cells are made from.

A value is decoded only for this, one cell at a time, and goes; what stays of it is a byte, or a few of a digest.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Raw

from reconciler.client.http.lenient_json import parse, value_digest
from reconciler.client.tables.cells import answer_of, done_answer
from reconciler.model.answer_filter import AnswerFilter
from reconciler.model.input_cells import UNKNOWN, WIDTH, InputCells

_NONE = bytes(WIDTH - 1) + b"\1"
"""Stands for a digest that happens to be UNKNOWN."""


class Row(Protocol):
    """A row of a page; its cells are decoded, or still JSON (Raw)."""

    data: Any


class Look:
    """The values of one page's cells, each decoded once and only if it is asked for."""

    def __init__(self, row_ids: Sequence[bytes], whole: Callable[[], Sequence[Row]]) -> None:
        """`whole` decodes the page's rows; it is called only if any cell is looked at."""
        self._row_ids = row_ids
        self._whole = whole
        self._rows: Sequence[Row] | None = None
        self._values: dict[tuple[str, int], Any] = {}
        self._found: dict[frozenset[bytes] | None, Sequence[int]] = {}

    def flags(self, test: AnswerFilter, known: dict[tuple[str, int], tuple[Any, int] | None]) -> bytes:
        """Return one byte per row: 1 if the answer of the test's column meets it; `known` is shared by all tests."""
        flags = bytearray(len(self._row_ids))
        for at in self._places(test.rows):
            place = (test.column, at)
            if place not in known:
                known[place] = done_answer(self._value(*place))
            answer = known[place]
            flags[at] = answer is not None and test.is_met(answer)
        return bytes(flags)

    def inputs(self, asked: InputCells) -> bytes:
        """Return for each row a digest of the answers in the columns that are read; UNKNOWN where it is not asked."""
        found = [UNKNOWN] * len(self._row_ids)
        for at in self._places(asked.rows):
            shown = {id_: answer_of(self._value(key, at)) for id_, key in asked.read}
            digest = bytes.fromhex(value_digest(shown)[: 2 * WIDTH])
            found[at] = _NONE if digest == UNKNOWN else digest
        return b"".join(found)

    def _places(self, rows: frozenset[bytes] | None) -> Sequence[int]:
        if rows not in self._found:
            every = range(len(self._row_ids))
            self._found[rows] = every if rows is None else [at for at in every if self._row_ids[at] in rows]
        return self._found[rows]

    def _value(self, key: str, at: int) -> Any:
        place = (key, at)
        if place not in self._values:
            if self._rows is None:
                self._rows = self._whole()
            cell = self._rows[at].data.get(key)
            self._values[place] = parse(cell) if isinstance(cell, Raw) else cell
        return self._values[place]
