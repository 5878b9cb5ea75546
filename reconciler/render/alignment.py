"""Columns of text, aligned as they look: escapes that colour a cell take no room."""

import re
from collections.abc import Collection, Sequence

_COLOUR = re.compile("\x1b\\[[0-9;]*m")


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = (), gap: str = "  ") -> list[str]:
    """Return each row as a line; the columns in `right`, by index, are aligned to the right.

    The last cell of a row may be as long as it likes, unless its column is in `right`: no other cell gives way to it.
    """
    widths: dict[int, int] = {}
    for row in rows:
        for index, cell in enumerate(row):
            if index in right or index < len(row) - 1:
                widths[index] = max(widths.get(index, 0), _width(cell))
    return [
        gap.join(_padded(cell, widths.get(index, 0), index in right) for index, cell in enumerate(row)).rstrip()
        for row in rows
    ]


def _padded(cell: str, width: int, is_right: bool) -> str:
    room = " " * (width - _width(cell))
    return room + cell if is_right else cell + room


def _width(cell: str) -> int:
    return len(_COLOUR.sub("", cell))
