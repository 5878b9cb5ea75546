"""Which manifest claims which column: no cell may be claimed by two manifests, because each would pay for it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from reconciler.model.manifest import Manifest
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic, Location
from reconciler.text.phrases import quote
from reconciler.text.sanitize import one_line

UNNAMED = "unnamed"
"""Stands for the name of a faulty manifest without one; its claims are still checked."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """One manifest's claim to one column, or to every column of its table."""

    manifest: Manifest
    column: str | None
    """As written; None for every column."""
    location: Location


@dataclass(slots=True)
class _Table:
    """The claims to one table so far: the first of each kind is all that a message needs."""

    every: _Claim | None = None
    columns: dict[str, _Claim] = field(default_factory=dict)
    first: _Claim | None = None
    """Manifests are processed in order: if this is the manifest's own, no other manifest claims the table."""

    def earlier(self, claim: _Claim) -> _Claim | None:
        """Return a claim of another manifest that covers part of this one."""
        candidates = [self.every, self.columns.get(claim.column)] if claim.column else [self.first]
        return next((other for other in candidates if other and other.manifest is not claim.manifest), None)

    def add(self, claim: _Claim) -> None:
        """Add a claim."""
        self.first = self.first or claim
        if claim.column is None:
            self.every = self.every or claim
        else:
            self.columns.setdefault(claim.column, claim)


def overlapping_claims(manifests: Iterable[Manifest]) -> list[Diagnostic]:
    """Return a problem for each claim that an earlier manifest has already made, with both locations.

    Tables and columns are compared as written: only the live table shows whether a key and an id are one column, or a
    name and an id one table.
    """
    tables: dict[str, _Table] = {}
    problems: list[Diagnostic] = []
    for manifest in manifests:
        table = tables.setdefault(manifest.table, _Table())
        for claim in _claims(manifest):
            other = table.earlier(claim)
            if other:
                problems.append(_overlap(claim, other))
            table.add(claim)
    return problems


def _claims(manifest: Manifest) -> Iterator[_Claim]:
    """Yield what a manifest claims; a run without columns claims every one."""
    for run in manifest.runs:
        if run.columns is None:
            yield _Claim(manifest, None, run.location)
        else:
            yield from (_Claim(manifest, column.text, column.location) for column in run.columns)


def _overlap(claim: _Claim, other: _Claim) -> Diagnostic:
    def what(column: str | None) -> str:
        return "every column" if column is None else f"column {quote(column)}"

    message = (
        f"{quote(claim.manifest.name or UNNAMED)} claims {what(claim.column)} of {one_line(claim.manifest.table)}, but "
        f"{quote(other.manifest.name or UNNAMED)} claims {what(other.column)} of it at {other.location}"
    )
    return Diagnostic(
        claim.location, Code.COLUMN_CLAIMED_TWICE, message, "Keep all runs for one column of a table in one manifest."
    )
