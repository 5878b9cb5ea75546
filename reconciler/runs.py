"""A run of a manifest from its shape: the parts with their places, and what types cannot tell of them."""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import UNSET, UnsetType

from reconciler.calendars import faults
from reconciler.condition import AllOf, AnyOf, CellTest, Condition, Not, Operator
from reconciler.manifest import (
    DEFAULT_MAX_ATTEMPTS,
    At,
    Every,
    Named,
    Refresh,
    Rollout,
    Run,
    Selection,
)
from reconciler.place import Problem
from reconciler.shapes import MODES, AllShape, ConditionShape, FailedShape, RefreshShape, RunShape, SelectionShape
from reconciler.sources import Document
from reconciler.wording import Path, path_text, quote

_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def make_run(document: Document, index: int, shape: RunShape, name: str, problems: set[Problem]) -> Run:
    """Return the run at `index` of a document, called `name`; add what is wrong with it to `problems`."""
    at: Path = ("spec", "runs", index)
    rollout = shape.rollout or None
    return Run(
        name=name,
        mode=MODES[type(shape)],
        columns=None if shape.columns is UNSET else listed_once(document, (*at, "columns"), shape.columns, problems),
        rows=listed_once(document, (*at, "rows"), map(str.lower, shape.rows), problems)
        if isinstance(shape.rows, list)
        else None,
        max_attempts=shape.max_attempts if isinstance(shape, FailedShape) else DEFAULT_MAX_ATTEMPTS,
        revision=(shape.revision or None) if isinstance(shape, AllShape) else None,
        place=document.place(at),
        selection=_selection(document, (*at, "rows"), shape.rows) if isinstance(shape.rows, SelectionShape) else None,
        refresh=_refresh(document, (*at, "refresh"), shape.refresh, problems)
        if isinstance(shape, AllShape) and shape.refresh
        else None,
        rollout=rollout and Rollout(rollout.first, Decimal(rollout.max_failed.removesuffix("%")) / 100),
    )


def decimal_or_none(number: int | float | UnsetType) -> Decimal | None:
    """Return a number as it was written."""
    return None if number is UNSET else Decimal(str(number))


def listed_once(document: Document, at: Path, texts: Iterable[str], problems: set[Problem]) -> tuple[Named, ...]:
    """Return the entries of a list with their places; an entry that is there twice is a problem."""
    named: dict[str, Named] = {}
    for index, text in enumerate(texts):
        place = document.place((*at, index))
        if text in named:
            problems.add(Problem(place, f"{quote(text)} is listed twice in {path_text(at)}"))
        named.setdefault(text, Named(text, place))
    return tuple(named.values())


def _refresh(document: Document, at: Path, shape: RefreshShape, problems: set[Problem]) -> Refresh:
    if shape.every:
        return Every(int(shape.every[:-1]) * _SECONDS[shape.every[-1]], shape.every)
    assert shape.at
    calendar = At(shape.at, shape.timezone or "UTC")
    problems.update(Problem(document.place((*at, fault.key)), fault.message, fault.hint) for fault in faults(calendar))
    return calendar


def _selection(document: Document, at: Path, shape: SelectionShape) -> Selection:
    where = None if shape.where is UNSET else _condition(document, (*at, "where"), shape.where)
    return Selection(where, shape.limit or None, document.place(at))


def _condition(document: Document, at: Path, shape: ConditionShape) -> Condition:
    if shape.all:
        return AllOf(tuple(_condition(document, (*at, "all", index), part) for index, part in enumerate(shape.all)))
    if shape.any:
        return AnyOf(tuple(_condition(document, (*at, "any", index), part) for index, part in enumerate(shape.any)))
    if shape.not_:
        return Not(_condition(document, (*at, "not"), shape.not_))
    place = document.place((*at, "column"))
    assert shape.column
    asked = {
        Operator.EQUALS: shape.equals,
        Operator.IN: UNSET if shape.in_ is UNSET else tuple(shape.in_),
        Operator.MATCHES: shape.matches,
        Operator.EXISTS: shape.exists,
        Operator.MISSING: shape.missing,
        Operator.GT: shape.gt,
        Operator.LT: shape.lt,
    }
    asks = tuple(
        CellTest(shape.column, operator, operand, place) for operator, operand in asked.items() if operand is not UNSET
    )
    return asks[0] if len(asks) == 1 else AllOf(asks)
