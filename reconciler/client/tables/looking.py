"""Looks at values of a page while it is read: tests of answers, and digests of what cells are made from.

A value is decoded only for this, one cell at a time, and goes; what stays of it is a byte, or a few of a digest.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Raw

from reconciler.client.http.lenient_json import parse, value_digest
from reconciler.client.tables.cells import DONE_CODES, JudgedCell, answer_of, done_answer, fast_done_answer
from reconciler.model.answer_filter import AnswerFilter
from reconciler.model.input_cells import UNKNOWN, WIDTH, InputCells

_NONE = bytes(WIDTH - 1) + b"\1"
"""Stands for a digest that happens to be UNKNOWN."""


class Row(Protocol):
    """A row of a page; its cells are decoded, or still JSON (Raw)."""

    data: Any


class Look:
    """The values of one page's cells, each decoded once and only if it is asked for."""

    def __init__(
        self, row_ids: Sequence[bytes], codes: Mapping[str, bytes], whole: Callable[[], Sequence[Row]]
    ) -> None:
        """`codes` go by column key; `whole` decodes the page's rows, and is called only if any cell is looked at."""
        self._codes = codes
        self._row_ids = row_ids
        self._whole = whole
        self._rows: Sequence[Row] | None = None
        self._values: dict[tuple[str, int], Any] = {}
        self._found: dict[frozenset[bytes] | None, Sequence[int]] = {}

    def flags(self, tests: Sequence[AnswerFilter]) -> list[bytes]:
        """Return for each test one byte per row: 1 if the answer of the test's column meets it."""
        known: dict[tuple[str, frozenset[bytes] | None, bool], list[tuple[Any, int] | None]] = {}
        counting = {test.column for test in tests if test.counts_sources}
        found = []
        for test in tests:
            places, counts = self._places(test.rows), test.column in counting
            of = (test.column, test.rows, counts)
            if of not in known:
                known[of] = [self._answer(test.column, at, counts=counts) for at in places]
            flags = bytearray(len(self._row_ids))
            for at, answer in zip(places, known[of], strict=True):
                flags[at] = answer is not None and test.is_met(answer)
            found.append(bytes(flags))
        return found

    def _answer(self, key: str, at: int, *, counts: bool) -> tuple[Any, int] | None:
        if self._codes[key][at] not in DONE_CODES:
            return None
        cell = self._cell(key, at)
        if isinstance(cell, JudgedCell):
            return fast_done_answer(cell, counts=counts)
        return done_answer(parse(cell) if isinstance(cell, Raw) else cell)

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
            cell = self._cell(key, at)
            self._values[place] = parse(cell) if isinstance(cell, Raw) else cell
        return self._values[place]

    def _cell(self, key: str, at: int) -> Any:
        if self._rows is None:
            self._rows = self._whole()
        return self._rows[at].data.get(key)
