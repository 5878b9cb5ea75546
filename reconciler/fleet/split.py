"""Split an approved plan into units: the smallest sets of tables that no wave, gate or growth reaches out of. Pure.

A manifest that comes before or after another keeps all their tables together, because what is due in one depends on the
others. Every other table is a unit of its own, so that units share nothing: their approvals are disjoint.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.model.manifest import ChildOf, Manifest
from reconciler.model.submitted import Unit

TABLES_AT_ONCE = 25
"""How many tables one job has, as far as units allow: fewer cost more for each call, more keep a worker for longer."""
BYTES_AS_A_TABLE = 64 * 1024
"""Bytes of written plan for which a unit counts as one more table: a worker holds all tables of a job in memory."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A unit before it is written: its tables, its manifests, and its part of the plan."""

    table_ids: tuple[str, ...]
    manifests: tuple[Manifest, ...]
    plan: Mapping[str, Any]
    whole: bool
    """True if it may grow tables that do not exist yet."""


class _Sets:
    """Names that belong together."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def root(self, name: str) -> str:
        while (above := self._above.setdefault(name, name)) != name:
            self._above[name] = self._above[above]
            name = above
        return name

    def join(self, one: str, other: str) -> None:
        self._above[self.root(one)] = self.root(other)


def split(
    plan: Mapping[str, Any], manifests: Sequence[Manifest], table_ids: Iterable[str]
) -> tuple[int, Iterator[Slice]]:
    """Return how many units of a plan file's content have something to send, and these in the order of its calls.

    `table_ids` are those of its calls, each of which is asked for only when its unit's turn has come.
    """
    related = {manifest.name for manifest in manifests if manifest.upstream}
    related |= {named.text for manifest in manifests for named in manifest.upstream}
    sets = _joined(plan, manifests, related)
    found: dict[str, list[int]] = {}
    for number, table_id in enumerate(table_ids):
        found.setdefault(sets.root(f"table {table_id}"), []).append(number)
    for growth in plan.get("growth", ()):
        found.setdefault(sets.root(f"manifest {growth['manifest']}"), [])
    tables: dict[str, dict[str, None]] = {root: {} for root in found}
    names: dict[str, set[str]] = {root: set() for root in found}
    for table in plan["tables"]:
        if (root := sets.root(f"table {table['table_id']}")) in found:
            tables[root][table["table_id"]] = None
            names[root].add(table["manifest"])
    for name in related:
        if (root := sets.root(f"manifest {name}")) in found:
            names[root].add(name)
    known = {manifest.name: manifest for manifest in manifests}
    header = {name: plan[name] for name in _KEPT if name in plan}

    def slices() -> Iterator[Slice]:
        for root, numbers in found.items():
            calls = [plan["calls"][number] for number in numbers]
            own = tuple(known[name] for name in sorted(names[root]) if name in known)
            yield Slice(tuple(tables[root]), own, {**header, **_part(plan, calls, names[root])}, _may_grow(own))

    return len(found), slices()


def _joined(plan: Mapping[str, Any], manifests: Iterable[Manifest], related: Collection[str]) -> _Sets:
    """Return which manifests and tables depend on each other."""
    sets = _Sets()
    for manifest in manifests:
        for named in manifest.upstream:
            sets.join(f"manifest {manifest.name}", f"manifest {named.text}")
    for table in plan["tables"]:
        if table["manifest"] in related:
            sets.join(f"table {table['table_id']}", f"manifest {table['manifest']}")
    return sets


_KEPT = (
    *("created_at", "format_version", "tool_version", "errored", "manifest_digest", "api", "targeted", "ledger"),
    *("live", "plan_id"),
)


def _part(plan: Mapping[str, Any], calls: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, Any]:
    own = set(names)
    return {
        "calls": list(calls),
        "violations": [],
        "manifest_digests": {name: each for name, each in plan.get("manifest_digests", {}).items() if name in own},
        "growth": [each for each in plan.get("growth", ()) if each["manifest"] in own],
    }


def _may_grow(manifests: Iterable[Manifest]) -> bool:
    return any(isinstance(manifest.source, ChildOf) for manifest in manifests)


def weight(unit: Unit) -> int:
    """Return how many tables a unit counts as."""
    return max(1, len(unit.table_ids), (len(unit.content) or unit.size) // BYTES_AS_A_TABLE)


def jobs(sizes: Iterable[tuple[int, int]], most: int = TABLES_AT_ONCE) -> Iterator[list[int]]:
    """Yield numbers of units for one job each; `sizes` are the numbers, each with the unit's weight."""
    batch: list[int] = []
    total = 0
    for number, size in sizes:
        if batch and total + size > most:
            yield batch
            batch, total = [], 0
        batch.append(number)
        total += size
    if batch:
        yield batch
