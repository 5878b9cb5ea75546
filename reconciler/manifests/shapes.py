"""A manifest's shape as types, which decide in microseconds whether a document is valid.

They mirror schemas/manifest.v1.json, which explains what these refuse; tests/manifests/test_shapes.py compares
the verdicts.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from reconciler.model.manifest import DEFAULT_MAX_ATTEMPTS, Mode

MANIFEST_KIND = "TableRun"

_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_PLAIN = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*(?!\n)$"
Name: TypeAlias = Annotated[str, Meta(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(?!\n)$")]
_LabelKey: TypeAlias = Annotated[str, Meta(max_length=63, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(?!\n)$")]
_LabelValue: TypeAlias = Annotated[str, Meta(max_length=200, pattern=_PLAIN)]
_TableId: TypeAlias = Annotated[
    str, Meta(pattern=rf"^({_UUID}|https://app\.extruct\.ai/tables/{_UUID}/?([?#]\S*)?)(?!\n)$")
]
_Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200, pattern=_PLAIN)]
_Row: TypeAlias = Annotated[str, Meta(pattern=rf"^{_UUID}(?!\n)$")]
_Columns: TypeAlias = Annotated[list[_Text], Meta(min_length=1)] | UnsetType
_Operand: TypeAlias = Annotated[str, Meta(max_length=1000)] | int | float | bool
_Revision: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[!-~]*(?!\n)$")]
_Share: TypeAlias = Annotated[str, Meta(pattern=r"^(100|[0-9]{1,2}(\.[0-9]{1,2})?)%(?!\n)$")]
_Attempts: TypeAlias = Annotated[int, Meta(ge=1, le=100)]
_Bound: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?!\n)$")] | int | float
_Parts: TypeAlias = Annotated[list["ConditionShape"], Meta(min_length=1, max_length=100)] | UnsetType


def _require(holds: bool) -> None:
    """Refuse a document; msgspec makes a ValidationError of it."""
    if not holds:
        raise ValueError


def _given(*values: object) -> int:
    return sum(value is not UNSET for value in values)


class ConditionShape(Struct, forbid_unknown_fields=True):
    """`all`, `any` or `not` alone, or a column with its tests."""

    all: _Parts = UNSET
    any: _Parts = UNSET
    not_: "ConditionShape | UnsetType" = msgspec.field(default=UNSET, name="not")
    column: _Text | UnsetType = UNSET
    equals: _Operand | UnsetType = UNSET
    in_: Annotated[list[_Operand], Meta(min_length=1, max_length=1000)] | UnsetType = msgspec.field(
        default=UNSET, name="in"
    )
    matches: Annotated[str, Meta(min_length=1, max_length=1000)] | UnsetType = UNSET
    exists: bool | UnsetType = UNSET
    missing: bool | UnsetType = UNSET
    gt: _Bound | UnsetType = UNSET
    lt: _Bound | UnsetType = UNSET

    def __post_init__(self) -> None:
        asked = _given(self.equals, self.in_, self.matches, self.exists, self.missing, self.gt, self.lt)
        trees = _given(self.all, self.any, self.not_)
        if trees:
            _require(trees == 1 and self.column is UNSET and not asked)
        else:
            _require(self.column is not UNSET and asked > 0)
        _require(self.exists in (UNSET, True) and self.missing in (UNSET, True))


class SelectionShape(Struct, forbid_unknown_fields=True):
    """Rows selected by data."""

    where: ConditionShape | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=5_000_000)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        _require(_given(self.where, self.limit) > 0)


class RefreshShape(Struct, forbid_unknown_fields=True):
    """A length of time, or a calendar."""

    every: Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,4}[mhdw](?!\n)$")] | UnsetType = UNSET
    at: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    timezone: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        _require(_given(self.every, self.at) == 1 and (self.timezone is UNSET or self.at is not UNSET))


class RevisionOfShape(Struct, forbid_unknown_fields=True):
    """A revision that changes by itself."""

    of: Literal["config"]


class ExpectShape(Struct, forbid_unknown_fields=True):
    """Requirements on answers."""

    max_empty: _Share | UnsetType = UNSET
    max_match: (
        Annotated[dict[Annotated[str, Meta(min_length=1, max_length=1000)], _Share], Meta(min_length=1, max_length=20)]
        | UnsetType
    ) = UNSET
    min_sources: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        _require(_given(self.max_empty, self.max_match, self.min_sources) > 0)


class RolloutShape(Struct, forbid_unknown_fields=True):
    """A first portion, the share of it that may fail, and requirements on its answers."""

    first: Annotated[int, Meta(ge=1, le=1_000_000)]
    max_failed: _Share | UnsetType = UNSET
    expect: ExpectShape | UnsetType = UNSET

    def __post_init__(self) -> None:
        _require(_given(self.max_failed, self.expect) > 0)


class _RunShape(Struct, forbid_unknown_fields=True):
    """The keys of every run."""

    name: Name | UnsetType = UNSET
    columns: _Columns = UNSET
    rows: Annotated[list[_Row], Meta(min_length=1)] | SelectionShape | UnsetType = UNSET
    rollout: RolloutShape | UnsetType = UNSET
    expect: ExpectShape | UnsetType = UNSET


class NewShape(_RunShape, tag="new", tag_field="mode", forbid_unknown_fields=True):
    """A run of mode `new`."""

    max_attempts: _Attempts = DEFAULT_MAX_ATTEMPTS[Mode.NEW]


class FailedShape(_RunShape, tag="failed", tag_field="mode", forbid_unknown_fields=True):
    """A run of mode `failed`."""

    max_attempts: _Attempts = DEFAULT_MAX_ATTEMPTS[Mode.FAILED]


class AllShape(_RunShape, tag="all", tag_field="mode", forbid_unknown_fields=True):
    """A run of mode `all`."""

    revision: _Revision | RevisionOfShape | UnsetType = UNSET
    refresh: RefreshShape | UnsetType = UNSET

    def __post_init__(self) -> None:
        _require(_given(self.revision, self.refresh) == 1)


RunShape: TypeAlias = NewShape | FailedShape | AllShape
MODES = {NewShape: Mode.NEW, FailedShape: Mode.FAILED, AllShape: Mode.ALL}


class FoundShape(Struct, forbid_unknown_fields=True):
    """A table, found by its name or by the column that fills it."""

    name: _Text | UnsetType = UNSET
    child_of: Name | UnsetType = UNSET
    column: _Text | UnsetType = UNSET

    def __post_init__(self) -> None:
        _require(_given(self.name, self.child_of) == 1 and (self.child_of is UNSET) == (self.column is UNSET))


class TaggedShape(Struct, forbid_unknown_fields=True):
    """Tables by tag."""

    tag: _Text


class GrowthShape(Struct, forbid_unknown_fields=True):
    """A limit on cells that could not be planned."""

    max_cells: Annotated[int, Meta(ge=0, le=1_000_000_000)]
    max_credits: Annotated[float, Meta(ge=0, le=1e12)] | Annotated[int, Meta(ge=0, le=10**12)] | UnsetType = UNSET


Table: TypeAlias = _TableId | FoundShape


class _Metadata(Struct, forbid_unknown_fields=True):
    name: Name
    labels: dict[_LabelKey, _LabelValue] = {}


class SpecShape(Struct, forbid_unknown_fields=True):
    """The table and the states to reach in it."""

    runs: Annotated[list[RunShape], Meta(min_length=1)]
    table: Table | UnsetType = UNSET
    tables: TaggedShape | UnsetType = UNSET
    depends_on: Annotated[list[Name], Meta(min_length=1, max_length=1000)] = []
    allow_growth: GrowthShape | UnsetType = UNSET

    def __post_init__(self) -> None:
        _require(_given(self.table, self.tables) == 1)


class TableRunShape(Struct, tag=MANIFEST_KIND, tag_field="kind", forbid_unknown_fields=True):
    """A whole manifest."""

    api_version: Annotated[str, Meta(pattern=r"^reconciler/v1(?!\n)$")] = msgspec.field(name="apiVersion")
    metadata: _Metadata
    spec: SpecShape


# msgspec prepares a type on first use, and two threads that do so at once crash the interpreter.
_PREPARED = [msgspec.json.Decoder(shape) for shape in (TableRunShape, _RunShape, RunShape, Table, TaggedShape, Name)]


def fitted(value: object, shape: Any) -> Any:
    """Return `value` in the shape, or None if it does not fit."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError:
        return None
