"""An apply as it is written into the ledger for workers: its limits and settings once, and for each unit its
manifests with its part of the plan. And back: a worker has no project of its own.

Read with the same checks as the files that it came from: whoever can write into the ledger's database can stop a
worker, but cannot make it run code.
"""

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from math import inf
from typing import Any

import msgspec

from reconciler.documents.plan_reader import budget_of, decimal
from reconciler.documents.saved_plan_checks import SavedPlan, check_plan
from reconciler.errors import Corrupt, LimitExceeded
from reconciler.fleet.monitoring.steps import traceparent
from reconciler.manifests.document import Document
from reconciler.manifests.loader import manifest_of
from reconciler.manifests.yaml_reader import parse
from reconciler.model.attempt import GrowthBound
from reconciler.model.budget import BudgetUse
from reconciler.model.credits import Credits
from reconciler.model.limits import BaseLimits, Limits, Prices
from reconciler.model.manifest import Manifest
from reconciler.model.submitted import SubmittedApply
from reconciler.operations.observe import Targets
from reconciler.settings.project_file import Spend
from reconciler.settings.settings import Settings
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

LARGEST_UNIT = 256 * 1024**2
"""Bytes, unpacked."""


@dataclass(frozen=True, slots=True)
class Floor:
    """`BaseLimits` without their manifests, which go with the units."""

    limits: Limits
    prices: tuple[Prices, ...]
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings that decide what an apply may spend, and how."""

    limits: Limits
    prices: Prices
    spend: Spend
    max_cells_per_call: int
    page_rows: int
    run_concurrency: int
    requests_per_second: float | None = None
    """Of all workers of the workspace; None for no limit."""
    trace: str = ""
    """The `traceparent` of the step that submitted it: all that is done for an apply is one trace."""
    base: Floor | None = None
    cost: Credits | None = None
    """Of the whole plan at most, to compare the balance with."""
    budgets: tuple[dict[str, Any], ...] = ()
    """As a plan file says them, for the receipt; what holds is in `limits`."""
    units: int = 0
    """How many there are, so that it shows if rows are deleted."""
    submitted_at: float = 0.0
    """Seconds since the epoch by the clock of the machine that submitted, as the plan's own times are."""

    @classmethod
    def of(
        cls, settings: Settings, cost: Credits, budgets: Iterable[BudgetUse], *, units: int, now: datetime
    ) -> "Terms":
        """Return those of the machine that submits a plan of that cost, which takes from these budgets."""
        base, api = settings.base, settings.project.api
        return cls(
            limits=settings.limits,
            prices=settings.project.prices,
            spend=api.spend,
            max_cells_per_call=api.max_cells_per_call,
            page_rows=api.page_rows,
            run_concurrency=api.run_concurrency,
            requests_per_second=api.requests_per_second,
            trace=traceparent(),
            base=None if base is None else Floor(base.limits, tuple(base.prices), base.unknown),
            cost=cost,
            budgets=tuple(use.content() for use in budgets),
            units=units,
            submitted_at=now.timestamp(),
        )

    def now(self, apply: SubmittedApply) -> datetime:
        """Return the time by the clock that submitted the apply: that of a worker does not decide what is approved."""
        return datetime.fromtimestamp((self.submitted_at or apply.created_at) + apply.age_seconds, UTC)

    def applied_to(self, settings: Settings, base_manifests: Sequence[Manifest] = ()) -> Settings:
        """Return a worker's settings with these in place."""
        project = settings.project
        api = replace(
            project.api,
            spend=self.spend,
            max_cells_per_call=self.max_cells_per_call,
            page_rows=self.page_rows,
            run_concurrency=self.run_concurrency,
        )
        base = None
        if self.base is not None:
            base = BaseLimits(self.base.limits, self.base.prices, tuple(base_manifests), self.base.unknown)
        return replace(settings, project=replace(project, prices=self.prices, api=api), limits=self.limits, base=base)


_TERMS = msgspec.json.Decoder(Terms)
# Types are built when they are first used, which two threads must not do at once.
_TERMS.decode(
    msgspec.json.encode(
        Terms(Limits(), Prices(), Spend(), 1, 1, 1, None, "", Floor(Limits(), (Prices(),)), Credits(), ({},))
    )
)


def terms_bytes(terms: Terms) -> bytes:
    """Return them as they are written."""
    return msgspec.json.encode(terms)


def terms_of(content: bytes) -> Terms:
    """Return what was written. Raises Corrupt."""
    try:
        return _TERMS.decode(content)
    except msgspec.MsgspecError as error:
        raise Corrupt(f"the limits of the apply cannot be read: {error}") from None


def budgets_and_units(content: bytes) -> tuple[tuple[BudgetUse, ...], int]:
    """Return the budgets and the number of units that an apply's terms state, for its receipt; none if unreadable."""
    try:
        terms = terms_of(content)
        return tuple(map(budget_of, terms.budgets)), terms.units
    except (Corrupt, LookupError, ValueError, TypeError, ArithmeticError):
        return (), 0


@dataclass(frozen=True, slots=True)
class UnitContent:
    """The manifests of a unit, and its part of the plan."""

    plan: Mapping[str, Any]
    """A plan file's content with the calls of this unit alone; its `plan_id` is that of the whole plan."""
    documents: Sequence[Mapping[str, Any]]
    """Its manifests: `path`, `line`, `value`, and the names of the `runs` that were selected."""
    base: Sequence[Mapping[str, Any]] = ()
    """Those of the base that say something about these tables, in the same form."""
    whole: bool = False
    """True to take all tables that the manifests name, because some may not exist yet."""

    def to_bytes(self) -> bytes:
        """Return it as it is written. Raises LimitExceeded if no worker would read it."""
        content = {"plan": self.plan, "documents": self.documents, "base": self.base, "whole": self.whole}
        data = json.dumps(content, separators=(",", ":")).encode()
        if len(data) > LARGEST_UNIT:
            raise self._too_large(len(data))
        return zlib.compress(data, 1)

    def _too_large(self, size: int) -> LimitExceeded:
        names = sorted(self.plan["manifest_digests"])
        tables = {call["table_id"] for call in self.plan["calls"]}
        more = f" and {len(names) - 1:,} more manifests" if len(names) > 1 else ""
        depend = ", which depend on each other" if len(tables) > 1 else ""
        return LimitExceeded(
            f"the part of the plan for {one_line(names[0])}{more} ({counted(len(tables), 'table')}{depend}) takes "
            f"{size / 1024**2:,.0f} MiB, and a worker takes at most {LARGEST_UNIT / 1024**2:,.0f} at once; nothing was "
            "submitted",
            hint="Plan less of it at a time, with fewer rows or columns. Or use `reconciler apply --plan`.",
        )

    @classmethod
    def of_bytes(cls, content: bytes) -> "UnitContent":
        """Return what was written. Raises Corrupt."""
        try:
            unpacking = zlib.decompressobj()
            data = unpacking.decompress(content, LARGEST_UNIT)
            if unpacking.unconsumed_tail:
                raise ValueError("it is too large")
            found = json.loads(data)
            return cls(found["plan"], found["documents"], found["base"], found["whole"])
        except (ValueError, zlib.error, LookupError, TypeError, RecursionError) as error:
            raise Corrupt(f"a unit of the apply cannot be read: {error}") from None

    def manifests(self) -> tuple[Manifest, ...]:
        """Return its manifests, each with the runs that were selected. Raises Corrupt, ManifestError."""
        return tuple(_manifest(each) for each in self.documents)

    def manifests_of_base(self) -> tuple[Manifest, ...]:
        """Return those of the base. Raises Corrupt, ManifestError."""
        return tuple(_manifest(each) for each in self.base)


@dataclass(slots=True)
class _Place:
    """A position that stands for all of a document: the rest of its file is not kept."""

    line: int
    column: int = 0
    index: int = 0


def _manifest(written: Mapping[str, Any]) -> Manifest:
    try:
        document = Document(str(written["path"]), written["value"], _Place(int(written["line"]) - 1))
        runs = set(written["runs"])
    except (LookupError, ValueError, TypeError) as error:
        raise Corrupt(f"a manifest of the apply cannot be read: {error}") from None
    manifest = manifest_of(document)
    return replace(manifest, runs=tuple(run for run in manifest.runs if run.name in runs))


def together(parts: Sequence[UnitContent], now: datetime) -> tuple[Targets, SavedPlan, tuple[Manifest, ...]]:
    """Return the manifests, the approval and the base's manifests of several units of one apply.

    Raises StalePlan, Corrupt and ManifestError.
    """
    names = {name: digest for part in parts for name, digest in part.plan["manifest_digests"].items()}
    growth = [each for part in parts for each in part.plan.get("growth", ())]
    plan = {**parts[0].plan, "manifest_digests": names, "growth": growth}
    plan["calls"] = [call for part in parts for call in part.plan["calls"]]
    # How old it may be was checked when it was submitted.
    saved = check_plan(plan, now, inf)
    manifests = tuple({each.name: each for part in parts for each in part.manifests()}.values())
    base = tuple({each.name: each for part in parts for each in part.manifests_of_base()}.values())
    targets = Targets(
        manifests=manifests,
        written=manifests,
        digest=plan["manifest_digest"],
        include=tuple(plan["targeted"]["include"]),
        exclude=tuple(plan["targeted"]["exclude"]),
        every=manifests,
    )
    return targets, saved, base


@dataclass(slots=True)
class WrittenManifests:
    """Manifests as they are written, each found again in the file that it was read from."""

    _files: dict[str, dict[str, tuple[int, object]]] = field(default_factory=dict)

    def documents(self, manifests: Iterable[Manifest]) -> list[dict[str, Any]]:
        """Return manifests as they are written."""
        return [self._document(each) for each in manifests]

    def _document(self, manifest: Manifest) -> dict[str, Any]:
        path, text = manifest.location.path, manifest.location.text
        if path not in self._files:
            self._files[path] = {}
            for document in parse(text.encode(), path):
                value = document.value
                metadata = value.get("metadata") if isinstance(value, dict) else None
                if isinstance(metadata, dict):
                    place = document.location(("metadata", "name")).line, value
                    self._files[path][str(metadata.get("name"))] = place
        line, value = self._files[path][manifest.name]
        return {"path": path, "line": line, "value": value, "runs": [run.name for run in manifest.runs]}


def growth_bounds(contents: Iterable[UnitContent]) -> dict[str, GrowthBound]:
    """Return what the calls of growing manifests may come to: what the plan lists of them, and what it lets grow."""
    found = {}
    for content in contents:
        for growth in content.plan.get("growth", ()):
            name = growth["manifest"]
            own = [call for call in content.plan["calls"] if call["address"].partition("/")[0] == name]
            cells = sum(call["cells"] for call in own) + (growth["max_cells"] or 0)
            prices = [decimal(call["credits"]) for call in own] + [decimal(growth["max_credits"])]
            known = [price for price in prices if price is not None]
            found[name] = GrowthBound(name, cells, sum(known, Decimal(0)) if len(known) == len(prices) else None)
    return found
