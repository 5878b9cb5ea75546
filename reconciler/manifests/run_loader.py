"""Builds a run from its shape: adds locations, and checks what types cannot express."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from msgspec import UNSET, UnsetType

from reconciler import manifests
from reconciler.manifests.document import Document
from reconciler.manifests.shapes import (
    MODES,
    AllShape,
    ConditionShape,
    ExpectShape,
    RefreshShape,
    RevisionOfShape,
    RunShape,
    SelectionShape,
)
from reconciler.model.condition import AllOf, AnyOf, CellTest, Condition, Not, Operator
from reconciler.model.expectation import Expectation
from reconciler.model.manifest import (
    DEFAULT_MAX_ATTEMPTS,
    Calendar,
    MaxAge,
    Mode,
    NameAt,
    Refresh,
    Rollout,
    Run,
    Selection,
)
from reconciler.model.regex import Patterns
from reconciler.model.row_filter import date_of
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic
from reconciler.text.phrases import KeyPath, path_text, quote

_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def make_run(
    document: Document, index: int, shape: RunShape, name: str, patterns: Patterns, problems: set[Diagnostic]
) -> Run:
    """Return the run at `index` of a document, called `name`; add its problems to `problems`."""
    at: KeyPath = ("spec", "runs", index)
    rollout = shape.rollout or None
    return Run(
        name=name,
        mode=MODES[type(shape)],
        columns=None if shape.columns is UNSET else listed_once(document, (*at, "columns"), shape.columns, problems),
        rows=listed_once(document, (*at, "rows"), map(str.lower, shape.rows), problems)
        if isinstance(shape.rows, list)
        else None,
        max_attempts=DEFAULT_MAX_ATTEMPTS[Mode.ALL] if isinstance(shape, AllShape) else shape.max_attempts,
        revision=shape.revision if isinstance(shape, AllShape) and isinstance(shape.revision, str) else None,
        location=document.location(at),
        selection=_selection(document, (*at, "rows"), shape.rows, patterns, problems)
        if isinstance(shape.rows, SelectionShape)
        else None,
        refresh=_refresh(document, (*at, "refresh"), shape.refresh, problems)
        if isinstance(shape, AllShape) and shape.refresh
        else None,
        follows_config=isinstance(shape, AllShape) and isinstance(shape.revision, RevisionOfShape),
        rollout=rollout
        and Rollout(
            rollout.first,
            _share(rollout.max_failed) if rollout.max_failed else None,
            _expectation(document, (*at, "rollout", "expect"), rollout.expect, patterns, problems)
            if rollout.expect
            else None,
        ),
        expect=_expectation(document, (*at, "expect"), shape.expect, patterns, problems) if shape.expect else None,
    )


def decimal_or_none(number: int | float | UnsetType) -> Decimal | None:
    """Return a number exactly as written."""
    return None if number is UNSET else Decimal(str(number))


def listed_once(document: Document, at: KeyPath, texts: Iterable[str], problems: set[Diagnostic]) -> tuple[NameAt, ...]:
    """Return the entries of a list with their locations; a repeated entry is a problem."""
    named: dict[str, NameAt] = {}
    for index, text in enumerate(texts):
        location = document.location((*at, index))
        if text in named:
            problems.add(Diagnostic(location, Code.LISTED_TWICE, f"{quote(text)} is listed twice in {path_text(at)}"))
        named.setdefault(text, NameAt(text, location))
    return tuple(named.values())


def _refresh(document: Document, at: KeyPath, shape: RefreshShape, problems: set[Diagnostic]) -> Refresh:
    if shape.every:
        return MaxAge(int(shape.every[:-1]) * _SECONDS[shape.every[-1]], shape.every)
    assert shape.at
    calendar = Calendar(shape.at, shape.timezone or "UTC")
    problems.update(
        Diagnostic(document.location((*at, fault.key)), fault.code, fault.message, fault.hint)
        for fault in manifests.calendar.faults(calendar)
    )
    return calendar


def _share(text: str) -> Decimal:
    return Decimal(text.removesuffix("%")) / 100


def _expectation(
    document: Document, at: KeyPath, shape: ExpectShape, patterns: Patterns, problems: set[Diagnostic]
) -> Expectation:
    matches = shape.max_match or {}
    for pattern in matches:
        refusal = patterns.refusal(pattern)
        if refusal:
            problems.add(
                Diagnostic(document.location((*at, "max_match", pattern)), refusal.code, str(refusal), refusal.hint)
            )
    return Expectation(
        _share(shape.max_empty) if shape.max_empty else None,
        tuple((pattern, _share(share)) for pattern, share in matches.items()),
        shape.min_sources or None,
    )


def _selection(
    document: Document, at: KeyPath, shape: SelectionShape, patterns: Patterns, problems: set[Diagnostic]
) -> Selection:
    where = None
    if shape.where:
        where = _condition(document, (*at, "where"), shape.where)
        problems.update(_unsound(document, (*at, "where"), shape.where, patterns))
    return Selection(where, shape.limit or None, document.location(at))


def _parts(at: KeyPath, shape: ConditionShape) -> list[tuple[KeyPath, ConditionShape]]:
    """Return the parts of a condition, each with its path; none if it tests a column itself."""
    if shape.not_:
        return [((*at, "not"), shape.not_)]
    word = "all" if shape.all else "any"
    return [((*at, word, index), part) for index, part in enumerate(shape.all or shape.any or ())]


def _condition(document: Document, at: KeyPath, shape: ConditionShape) -> Condition:
    parts = tuple(_condition(document, *part) for part in _parts(at, shape))
    if parts:
        return Not(parts[0]) if shape.not_ else AllOf(parts) if shape.all else AnyOf(parts)
    location = document.location((*at, "column"))
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
        CellTest(shape.column, operator, operand, location)
        for operator, operand in asked.items()
        if operand is not UNSET
    )
    return asks[0] if len(asks) == 1 else AllOf(asks)


def _unsound(document: Document, at: KeyPath, shape: ConditionShape, patterns: Patterns) -> Iterator[Diagnostic]:
    """Yield a condition's problems that types cannot express: invalid patterns and impossible dates."""
    for part in _parts(at, shape):
        yield from _unsound(document, *part, patterns)
    refusal = patterns.refusal(shape.matches) if shape.matches else None
    if refusal:
        yield Diagnostic(document.location((*at, "matches")), refusal.code, str(refusal), refusal.hint)
    for word, bound in (("gt", shape.gt), ("lt", shape.lt)):
        if isinstance(bound, str) and date_of(bound) is None:
            yield Diagnostic(
                document.location((*at, word)), Code.IMPOSSIBLE_DATE, f"{quote(bound)} is not a valid date"
            )
