"""The shape of most project files as types: what fits is valid, and needs no JSON Schema.

Loading jsonschema takes longer than judging a hundred manifests by their types. Rare keys are missing here on purpose:
whatever does not fit is judged by schemas/project.v1.json, which also explains its faults. tests/settings/
test_project_shape.py holds that whatever fits is valid by the schema too.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

_Text: TypeAlias = Annotated[str, Meta(min_length=1)]
_Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
_AtOnce: TypeAlias = Annotated[int, Meta(ge=1, le=32)]
_Hour: TypeAlias = Annotated[float, Meta(gt=0, le=3600)]
_Day: TypeAlias = Annotated[float, Meta(gt=0, le=86_400)]
_Price: TypeAlias = Annotated[float, Meta(ge=0, le=1_000_000)]
_Credits: TypeAlias = Annotated[float, Meta(ge=0, le=1e12)] | UnsetType
_Cells: TypeAlias = Annotated[int, Meta(ge=0, le=10**12)] | UnsetType


class _Spend(Struct, forbid_unknown_fields=True):
    send_within_seconds: _Hour | UnsetType = UNSET
    call_seconds: _Hour | UnsetType = UNSET
    quiet_seconds: _Day | UnsetType = UNSET
    lease_seconds: _Day | UnsetType = UNSET


class _Api(Struct, forbid_unknown_fields=True):
    url: Annotated[str, Meta(pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?(?!\n)$")] | UnsetType = UNSET
    concurrency: _AtOnce | UnsetType = UNSET
    run_concurrency: _AtOnce | UnsetType = UNSET
    timeout_seconds: _Hour | UnsetType = UNSET
    page_rows: Annotated[int, Meta(ge=1, le=10_000)] | UnsetType = UNSET
    ca_bundle: _Text | UnsetType = UNSET
    max_cells_per_call: Annotated[int, Meta(ge=1, le=100_000)] | UnsetType = UNSET
    spend: _Spend | UnsetType = UNSET


class _Prices(Struct, forbid_unknown_fields=True):
    default: _Price | UnsetType = UNSET
    kinds: dict[str, _Price] | UnsetType = UNSET
    columns: dict[str, _Price] | UnsetType = UNSET


class _Budget(Struct, forbid_unknown_fields=True):
    max_credits: _Credits = UNSET
    max_cells: _Cells = UNSET

    def __post_init__(self) -> None:
        if self.max_credits is UNSET and self.max_cells is UNSET:
            raise ValueError  # msgspec makes a ValidationError of it


class _Limits(Struct, forbid_unknown_fields=True):
    contact: _Name | UnsetType = UNSET
    max_credits: _Credits = UNSET
    max_cells: _Cells = UNSET
    min_balance: _Credits = UNSET
    per_day: _Budget | UnsetType = UNSET
    per_month: _Budget | UnsetType = UNSET
    timezone: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType = UNSET


class _Workspace(Struct, forbid_unknown_fields=True):
    organization: _Name | UnsetType = UNSET


class _Spec(Struct, forbid_unknown_fields=True):
    manifests: Annotated[list[_Text], Meta(min_length=1)] | UnsetType = UNSET
    ledger: _Text | UnsetType = UNSET
    ledger_connections: Annotated[int, Meta(ge=2, le=100)] | UnsetType = UNSET
    workspace: _Workspace | UnsetType = UNSET
    api: _Api | UnsetType = UNSET
    prices: _Prices | UnsetType = UNSET
    limits: _Limits | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.manifests is not UNSET and len(set(self.manifests)) < len(self.manifests):
            raise ValueError


class _Project(Struct, forbid_unknown_fields=True):
    api_version: Literal["reconciler/v1"] = msgspec.field(name="apiVersion")
    kind: Literal["Project"]
    spec: _Spec | UnsetType = UNSET


# msgspec prepares a type on first use, and two threads that do so at once crash the interpreter.
_PREPARED = msgspec.json.Decoder(_Project)


def fits(value: object) -> bool:
    """Return True if a project file's document is valid; False says nothing."""
    try:
        msgspec.convert(value, _Project)
    except msgspec.ValidationError:
        return False
    return True
