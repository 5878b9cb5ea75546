"""Find the tables that manifests name: read the workspace's list and parents' headers as the decision asks for them.

`table_lookup.py` decides; here its questions go to the API, or to a snapshot. A project that names its tables by id
needs no requests.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from reconciler.errors import ApiError, BadResponse, Refused
from reconciler.model.live_snapshot import LiveSnapshot
from reconciler.model.manifest import ByName, ByTag, Manifest
from reconciler.model.observed import ListedTable, TableHeader, TableIndex
from reconciler.planning.table_lookup import KnownTables, Resolution, resolve
from reconciler.settings.settings import Settings

_WHO_ARE_YOU = (401, 403)
_AS_IT_WAS = "It holds the tables that manifests named when it was taken."


class Lister(Protocol):
    """A source of the workspace's tables."""

    def list_tables(self) -> tuple[ListedTable, ...]:
        """Return the workspace's root tables. Raises ApiError."""

    def read_headers(self, table_ids: Iterable[str]) -> Mapping[str, TableHeader | ApiError]:
        """Return the header of each table, or why it cannot be read. Raises Refused on 401 and 403."""


class CachedLister:
    """A lister that asks another one for each thing at most once, so that several questions share one answer."""

    def __init__(self, lister: Lister) -> None:
        self._lister = lister
        self.listed: tuple[ListedTable, ...] | ApiError | None = None
        """None if not asked for yet."""
        self.headers: dict[str, TableHeader | ApiError] = {}

    def list_tables(self) -> tuple[ListedTable, ...]:
        """As `Lister.list_tables`."""
        if self.listed is None:
            self.listed = _listed(self._lister)
        if isinstance(self.listed, ApiError):
            raise self.listed
        return self.listed

    def read_headers(self, table_ids: Iterable[str]) -> Mapping[str, TableHeader | ApiError]:
        """As `Lister.read_headers`."""
        wanted = list(table_ids)
        missing = [table for table in wanted if table not in self.headers]
        if missing:
            self.headers.update(self._lister.read_headers(missing))
        return {table: self.headers[table] for table in wanted}


class SnapshotLister:
    """A lister over a snapshot: only the tables that manifests named when it was taken."""

    def __init__(self, kept: LiveSnapshot) -> None:
        self._kept = kept

    def list_tables(self) -> tuple[ListedTable, ...]:
        """Return the snapshot's tables, each with those of its tags that manifests used."""
        index = self._kept.index
        if index is None or index.names is None:
            message = "the snapshot of the live tables does not hold the tables' names"
            raise BadResponse(message, hint="No manifest named a table by name or tag when it was taken.")
        tags: dict[str, list[str]] = {}
        for tag, tables in index.tags.items():
            for table in tables:
                tags.setdefault(table, []).append(tag)
        known = dict.fromkeys([*index.names, *tags])
        return tuple(ListedTable(id_, index.names.get(id_, ""), "", tuple(tags.get(id_, ()))) for id_ in known)

    def read_headers(self, table_ids: Iterable[str]) -> Mapping[str, TableHeader | ApiError]:
        """Return the header of each table whose child tables the snapshot knows."""
        return {table: self._header(table) for table in table_ids}

    def _header(self, table: str) -> TableHeader | ApiError:
        children = {} if self._kept.index is None else self._kept.index.children
        snapshot = self._kept.snapshots.get(table)
        if snapshot is None or table not in children:
            message = f"the snapshot of the live tables does not hold the child tables of {table}"
            return BadResponse(message, hint=_AS_IT_WAS)
        return TableHeader(table, snapshot.name, snapshot.kind, snapshot.columns, children[table])


def find(manifests: Sequence[Manifest], every: Sequence[Manifest], lister: Lister) -> Resolution:
    """Find the tables of `manifests`, given as written; `every` holds all manifests. Raises Refused on 401, 403."""
    facts = KnownTables(where=" in the snapshot of the live tables" if isinstance(lister, SnapshotLister) else "")
    while True:
        found = resolve(manifests, every, facts)
        if not found.asks:
            return found
        if found.asks_for_list:
            facts = replace(facts, listed=_listed(lister))
        if found.asks_for_headers:
            headers = lister.read_headers(sorted(found.asks_for_headers))
            facts = replace(facts, headers={**facts.headers, **headers})


def _listed(lister: Lister) -> tuple[ListedTable, ...] | ApiError:
    try:
        return lister.list_tables()
    except ApiError as error:
        if isinstance(error, Refused) and error.status in _WHO_ARE_YOU:
            raise
        return error


def resolve_base(settings: Settings, lister: Lister) -> Settings:
    """Find the tables of the manifests that `--limits-from` holds a plan to. Raises Refused on 401 and 403.

    A label that a base's manifest carries counts for its tables, whatever a change calls them. If one of its tables is
    unknown, so is the table its labels belong to, and limits that depend on labels refuse the plan.
    """
    base = settings.base
    if base is None or base.unknown or not any(manifest.source for manifest in base.manifests):
        return settings
    found = find(base.manifests, base.manifests, lister)
    known = {manifest.name for manifest in (*found.manifests, *found.pending)}
    lost = sorted(manifest.name for manifest in base.manifests if manifest.labels and manifest.name not in known)
    unknown = f"the table of the base's manifest `{lost[0]}` is not known" if lost else ""
    # A manifest without a table still counts by its name.
    rest = (manifest for manifest in base.manifests if manifest.name not in {one.name for one in found.manifests})
    return replace(settings, base=replace(base, manifests=(*found.manifests, *rest), unknown=unknown))


def index_of(manifests: Iterable[Manifest], tables: Iterable[str], directory: CachedLister) -> TableIndex | None:
    """Return what a snapshot keeps of a directory, so that the manifests resolve to its `tables` again.

    Includes every table that shares a name with one of `tables`, so that ambiguous names stay ambiguous, and no others.
    None if nothing was asked for.
    """
    listed, sources = directory.listed, [manifest.source for manifest in manifests]
    headers = {table: each for table, each in directory.headers.items() if isinstance(each, TableHeader)}
    children = {table: each.children for table, each in headers.items() if each.children is not None}
    if listed is None or isinstance(listed, ApiError):
        return TableIndex(None, {}, children) if children else None
    held = set(tables)
    names = {source.name for source in sources if isinstance(source, ByName)}
    names |= {table.name for table in listed if table.id in held and table.name is not None}
    tags = {source.tag for source in sources if isinstance(source, ByTag)}
    # If one entry cannot be read, no name is known to be unique.
    is_clear = all(table.id and table.name is not None for table in listed)
    named = {table.id: table.name for table in listed} if is_clear else {}
    return TableIndex(
        names={table: name for table, name in named.items() if name is not None and name in names},
        tags={tag: tuple(table.id for table in listed if table.id and tag in table.tags) for tag in sorted(tags)},
        children=children,
    )
