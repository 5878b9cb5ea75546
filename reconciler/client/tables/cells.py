"""Cell states as one byte each: the only place that knows the API's statuses for cells."""

from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType

from reconciler.client.http.lenient_json import parse
from reconciler.model.observed import CellState

PENDING = 64
"""`pending` without a value: its meaning depends on the whole table, so `settle` decides after the last page."""
PENDING_WITH_VALUE = 65

DONE = int(CellState.DONE)
_QUOTE, _BRACKETS = ord('"'), b"[{"
EMPTY = int(CellState.EMPTY)
UNKNOWN = int(CellState.UNKNOWN)
_WITHOUT_VALUE = int(CellState.DONE_WITHOUT_VALUE)
_FAILED = int(CellState.FAILED)
_MOVING = int(CellState.IN_PROGRESS)
_PENDING = int(CellState.PENDING)
_PENDING_IDLE = int(CellState.PENDING_IDLE)

_ON_IDLE = bytes.maketrans(bytes([PENDING, PENDING_WITH_VALUE]), bytes([_PENDING_IDLE, UNKNOWN]))
_ON_RUNNING = bytes.maketrans(bytes([PENDING, PENDING_WITH_VALUE]), bytes([_PENDING, _MOVING]))

_STATES = {
    # status: (code with a value, code without)
    "done": (DONE, _WITHOUT_VALUE),  # [V]
    "failed": (_FAILED, _FAILED),  # [V]
    "pending": (PENDING_WITH_VALUE, PENDING),  # [V]
    "requested": (_MOVING, _MOVING),  # [V]: accepted, not begun
    "in_progress": (_MOVING, _MOVING),  # [A]
    "running": (_MOVING, _MOVING),  # [A]
    "queued": (_MOVING, _MOVING),  # [A]
    "created": (_MOVING, _MOVING),  # [A] by analogy with runs
}
_UNKNOWN_STATUS = (UNKNOWN, UNKNOWN)


class UnclearError(Exception):
    """The fast decoder cannot decide, so the page is decoded again by the slow one. Never leaves the package."""


class ValueShape(Struct):
    """A value `{"answer", "explanation", "sources"}` [V], in which only the answer counts."""

    answer: Raw | UnsetType = UNSET


class CellShape(Struct):
    """A cell `{"status", "value"}` [V], or a bare value: then `answer` may be set."""

    status: str | UnsetType | None = UNSET
    value: ValueShape | bool | int | float | str | list[Raw] | UnsetType | None = UNSET
    answer: Raw | UnsetType = UNSET


Cell = CellShape | bool | int | float | str | list[Raw] | None


def settle(codes: bytes, *, running: bool) -> bytes:
    """Turn the codes of a column into `CellState` bytes.

    `pending` on a running table may be in progress. On an idle one it never ran or is stuck [D, retired]: empty; but
    unknown if it still has a value, because the documentation does not say what `new` does to it.
    """
    return codes.translate(_ON_RUNNING if running else _ON_IDLE)


def fast_code(cell: Cell) -> int:
    """Return the code of a cell as msgspec decoded it. Raises UnclearError."""
    # The usual case first: planning over millions of cells spends most of its time here.
    if isinstance(cell, CellShape) and cell.status == "done" and isinstance(cell.value, ValueShape):
        answer = cell.value.answer
        return DONE if answer is not UNSET and not _is_empty_raw(answer) else _WITHOUT_VALUE
    if cell is None:
        return EMPTY
    if not isinstance(cell, CellShape):
        return DONE  # a bare value [V]
    status = cell.status
    if status is UNSET or status is None:
        return _fast_code_without_status(cell)
    value = cell.value
    if isinstance(value, ValueShape):
        has_value = value.answer is not UNSET and not _is_empty_raw(value.answer)
    else:
        has_value = value is not UNSET and not _is_empty(value)
    return _STATES.get(status, _UNKNOWN_STATUS)[0 if has_value else 1]


def slow_code(cell: Any) -> int:
    """Return the code of a cell as the standard library decoded it: the rule that `fast_code` must agree with.

    A cell has a value if its `value` is not empty and, for an object, its `answer` is not. Empty means null, "", [], {}
    or absent: `new` might take such cells again, so they are only ever *done without value*.
    """
    if cell is None:
        return EMPTY
    if not isinstance(cell, dict):
        return DONE  # a bare value [V]
    status = cell.get("status")
    if status is None:
        return _code_without_status(cell)
    if not isinstance(status, str):
        return UNKNOWN
    value = cell.get("value")
    has_value = not _is_empty(value.get("answer") if isinstance(value, dict) else value)
    return _STATES.get(status, _UNKNOWN_STATUS)[0 if has_value else 1]


def _fast_code_without_status(cell: CellShape) -> int:
    if cell.value is UNSET:
        if cell.answer is UNSET:
            raise UnclearError  # `{}` or an unknown object: the shape does not show which
        return _WITHOUT_VALUE if _is_empty_raw(cell.answer) else DONE
    if cell.value is None:
        return EMPTY
    if isinstance(cell.value, ValueShape):
        answer = cell.value.answer
        return _WITHOUT_VALUE if answer is UNSET or _is_empty_raw(answer) else DONE
    return _WITHOUT_VALUE if _is_empty(cell.value) else DONE


def _code_without_status(cell: dict[str, Any]) -> int:
    """Return the code of an object without a status: done with a value, empty if null or absent, else unknown."""
    if "value" in cell:
        value = cell["value"]
        if value is None:
            return EMPTY
        return _WITHOUT_VALUE if _is_empty(value.get("answer") if isinstance(value, dict) else value) else DONE
    if "answer" in cell:
        return _WITHOUT_VALUE if _is_empty(cell["answer"]) else DONE
    return UNKNOWN if cell.keys() - {"status"} else EMPTY


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, list | dict) and not value)


def _is_empty_raw(raw: Raw) -> bool:
    text = memoryview(raw)  # without a copy, which would take as long as everything else
    if text[0] == _QUOTE:
        return len(text) == 2
    if text[0] in _BRACKETS:
        return not bytes(text[1:-1]).strip()
    return bytes(text) == b"null"


def fast_answer(cell: Cell) -> Any:
    """Return the value of a cell as msgspec decoded it; None if it has none. Raises UnclearError, BadResponse."""
    if not isinstance(cell, CellShape):
        return None if _is_empty(cell) else cell
    if fast_code(cell) != DONE:
        return None
    value = cell.value
    if isinstance(value, ValueShape):
        return parse(value.answer) if value.answer is not UNSET else None
    return parse(cell.answer) if value is UNSET and cell.answer is not UNSET else value


def slow_answer(cell: Any) -> Any:
    """Return the value of a cell as the standard library decoded it: the rule that `fast_answer` must agree with.

    None if the cell is not done or its value is empty (`slow_code`); a bare value may be empty too.
    """
    if not isinstance(cell, dict):
        return None if _is_empty(cell) else cell
    if slow_code(cell) != DONE:
        return None
    value = cell["value"] if "value" in cell else cell["answer"]
    return value["answer"] if isinstance(value, dict) and "value" in cell else value


def done_answer(cell: Any) -> tuple[Any, int] | None:
    """Return the answer of a cell, as the standard library decoded it, and how many sources it has; None if not done.

    Unlike `slow_answer` it tells an empty answer from none, and null or absent ones are None.
    """
    if slow_code(cell) not in (DONE, _WITHOUT_VALUE):
        return None
    if not isinstance(cell, dict):
        return cell, 0
    if "value" not in cell:
        return cell.get("answer"), _count(cell.get("sources"))
    value = cell["value"]
    return (value.get("answer"), _count(value.get("sources"))) if isinstance(value, dict) else (value, 0)


def _count(sources: Any) -> int:
    return len(sources) if isinstance(sources, list) else 0


def answer_of(cell: Any) -> Any:
    """Return the answer of a cell without explanation and sources; null, absent and "" are None."""
    value = value_of(cell)
    answer = value.get("answer") if isinstance(value, dict) else value
    return None if answer == "" else answer


def value_of(cell: Any) -> Any:
    """Return the input of a cell's digest: its `value`, or the whole cell if it is not an object with one."""
    return cell["value"] if isinstance(cell, dict) and "value" in cell else cell
