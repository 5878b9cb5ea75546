"""Find the live tables of manifests that give theirs by name, by tag, or as the child of another. Pure.

Call `resolve` again for as long as it asks for more (`Resolution.asks`): a child is found through its parent's header,
and the parent has to be found first. An ambiguous reference is never guessed, because a run on the wrong table costs
as much as one on the right table.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.errors import ApiError
from reconciler.model.manifest import ByName, ByTag, ChildOf, Manifest
from reconciler.model.manifest_order import depths
from reconciler.model.observed import FINDER_KIND, Column, ListedTable, TableHeader
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic, Location
from reconciler.text.numbers import counted
from reconciler.text.phrases import did_you_mean, quote

MOST_NAMED = 10
"""Names listed as alternatives in a message."""
MOST_COMPARED = 2000
"""Among more names than this no similar one is suggested: comparing texts is slow."""


@dataclass(frozen=True, slots=True)
class KnownTables:
    """The facts known about the workspace so far."""

    listed: Sequence[ListedTable] | ApiError | None = None
    """Its root tables, or why they could not be listed; None if not asked for yet."""
    headers: Mapping[str, TableHeader | ApiError] = field(default_factory=dict)
    """By table id."""
    where: str = ""
    """The origin for messages, if not the live tables: ` in the snapshot`."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The tables found, or the facts still needed."""

    manifests: tuple[Manifest, ...] = ()
    """Manifests whose table is known, each with its id; with a tag, once for each of the tag's tables."""
    problems: tuple[Diagnostic, ...] = ()
    pending: tuple[Manifest, ...] = ()
    """Manifests whose table does not exist yet: nothing has filled it."""
    unread: frozenset[str] = frozenset()
    """Names of manifests whose table cannot be told now, because the API did not answer."""
    asks_for_list: bool = False
    asks_for_headers: frozenset[str] = frozenset()
    """Ids of tables."""

    @property
    def asks(self) -> bool:
        """True while more facts are needed; the rest of the resolution means nothing until then."""
        return self.asks_for_list or bool(self.asks_for_headers)


@dataclass(frozen=True, slots=True)
class _Found:
    """The findings about one manifest's table; if they are empty, the table is pending."""

    tables: tuple[str, ...] = ()
    problem: Diagnostic | None = None
    is_unread: bool = False
    asks_for_list: bool = False
    asks_for_headers: frozenset[str] = frozenset()
    waits: bool = False
    """Until another manifest's request is answered."""

    @property
    def is_asking(self) -> bool:
        """True if more facts are needed first."""
        return self.asks_for_list or bool(self.asks_for_headers) or self.waits

    @property
    def is_pending(self) -> bool:
        """True if everything is known and there is no table."""
        return not (self.tables or self.problem or self.is_asking)


def resolve(manifests: Sequence[Manifest], every: Sequence[Manifest], facts: KnownTables) -> Resolution:
    """Find the tables of `manifests`; `every` holds all manifests, because a parent need not be selected.

    The manifests have passed `dependency_problems`, so every parent exists and none waits for itself.
    """
    if not any(manifest.source for manifest in manifests):
        return Resolution(tuple(manifests))
    needed = _with_parents(manifests, {manifest.name: manifest for manifest in every})
    depth = depths(needed)
    search = _Search(facts)
    for manifest in sorted(needed, key=lambda manifest: depth[manifest.name]):
        search.found[manifest.name] = search.find(manifest)
    found = search.found.values()
    chosen = [(manifest, search.found[manifest.name]) for manifest in manifests]
    return Resolution(
        manifests=tuple(replace(manifest, table_id=table) for manifest, of in chosen for table in of.tables),
        problems=tuple(of.problem for _, of in chosen if of.problem is not None),
        pending=tuple(manifest for manifest, of in chosen if of.is_pending),
        unread=frozenset(manifest.name for manifest, of in chosen if of.is_unread),
        asks_for_list=any(of.asks_for_list for of in found),
        asks_for_headers=frozenset(table for of in found for table in of.asks_for_headers),
    )


def _with_parents(manifests: Iterable[Manifest], every: Mapping[str, Manifest]) -> list[Manifest]:
    needed: dict[str, Manifest] = {}
    left = list(manifests)
    while left:
        manifest = left.pop()
        if manifest.name not in needed:
            needed[manifest.name] = manifest
            if isinstance(manifest.source, ChildOf):
                left.append(every[manifest.source.manifest.text])
    return list(needed.values())


class _Search:
    """Finds the manifests' tables one by one, parents first."""

    def __init__(self, facts: KnownTables) -> None:
        self._facts = facts
        self.found: dict[str, _Found] = {}
        self._by_name: dict[str, list[str]] = {}
        self._by_tag: dict[str, list[str]] = {}
        listed = () if facts.listed is None or isinstance(facts.listed, ApiError) else facts.listed
        self._unnamed = sum(table.name is None for table in listed)
        """Entries of the list whose name is unknown."""
        for table in listed:
            if table.name is not None:
                self._by_name.setdefault(table.name, []).append(table.id)
            for tag in dict.fromkeys(table.tags):
                self._by_tag.setdefault(tag, []).append(table.id)

    def find(self, manifest: Manifest) -> _Found:
        source = manifest.source
        if source is None:
            return _Found((manifest.table_id,))
        if isinstance(source, ChildOf):
            return self._child(source)
        listed = self._facts.listed
        if listed is None:
            return _Found(asks_for_list=True)
        if isinstance(listed, ApiError):
            return _unread(manifest.table_place, listed)
        if isinstance(source, ByTag):
            return self._tagged(manifest.table_place, source)
        return self._named(manifest.table_place, source)

    def _named(self, location: Location, source: ByName) -> _Found:
        tables = self._by_name.get(source.name, [])
        unclear = self._unnamed + tables.count("")
        if unclear:
            return _unclear(location, unclear, f"might be named {quote(source.name)}")
        if len(tables) == 1:
            return _Found(tuple(tables))
        if tables:
            message = f"{len(tables)} tables are named {quote(source.name)}: {_some(tables)}"
            return _wrong(location, Code.AMBIGUOUS_TABLE, message, "Write the id of the one that is meant.")
        message = f"there is no table named {quote(source.name)}{self._facts.where}"
        guess = _guess(source.name, self._by_name)
        hint = f"There are {_some(sorted(self._by_name))}. " if self._by_name and not guess else ""
        return _wrong(
            location, Code.UNKNOWN_TABLE, message + guess, f"{hint}A child table is found with `child_of` or by its id."
        )

    def _tagged(self, location: Location, source: ByTag) -> _Found:
        tables = self._by_tag.get(source.tag, [])
        if "" in tables:
            return _unclear(location, tables.count(""), f"carries the tag {quote(source.tag)}")
        if tables:
            return _Found(tuple(tables))
        message = f"no table carries the tag {quote(source.tag)}{self._facts.where}"
        guess = _guess(source.tag, self._by_tag)
        hint = f"The tags are {_some(sorted(self._by_tag))}." if self._by_tag and not guess else ""
        return _wrong(location, Code.UNKNOWN_TABLE, message + guess, hint)

    def _child(self, source: ChildOf) -> _Found:
        name, location = quote(source.manifest.text), source.manifest.location
        parent = self.found[source.manifest.text]
        if parent.is_asking:
            return _Found(waits=True)
        if parent.problem is not None:
            found = _wrong(
                location,
                parent.problem.code,
                f"the table of {name} is not known: {parent.problem.message}",
                parent.problem.hint,
            )
            return replace(found, is_unread=parent.is_unread)
        if not parent.tables:
            return _Found()
        if len(parent.tables) > 1:
            message = f"{name} means {len(parent.tables)} tables, so it is not clear whose child this is"
            return _wrong(
                location, Code.AMBIGUOUS_TABLE, message, "Write the child table's id, or make its parent one table."
            )
        (table,) = parent.tables
        header = self._facts.headers.get(table)
        if header is None:
            return _Found(asks_for_headers=frozenset((table,)))
        return _unread(location, header) if isinstance(header, ApiError) else self._child_of(source, header)

    def _child_of(self, source: ChildOf, header: TableHeader) -> _Found:
        finders = [column for column in header.columns if column.kind == FINDER_KIND]
        problem = _wrong_column(source, header, finders)
        if problem is not None:
            return _Found(problem=problem)
        location, parent = source.column.location, quote(header.name)
        if header.children is None:
            message = f"the API lists the child tables of {parent} in an unknown shape"
            return replace(
                _wrong(location, Code.UNREADABLE_TABLE, message, "Write the child table's id."), is_unread=True
            )
        if not header.children or (len(header.children) == 1 and len(finders) == 1):
            return _Found(header.children)
        # For the names in the message.
        told = header.children[:MOST_NAMED]
        missing = frozenset(child for child in told if child not in self._facts.headers)
        if missing:
            return _Found(asks_for_headers=missing)
        tables = ", ".join(map(self._described, told))
        more = len(header.children) - len(told)
        which = f"{tables} and {more:,} more" if more else tables
        sizes = f"{counted(len(finders), 'column')} that find people and {counted(len(header.children), 'child table')}"
        message = f"{parent} has {sizes}, and the API does not say which fills which: {which}"
        return _wrong(location, Code.AMBIGUOUS_TABLE, message, "Write the child table's id.")

    def _described(self, table: str) -> str:
        header = self._facts.headers[table]
        return f"`{table}`" if isinstance(header, ApiError) else f"`{table}` ({quote(header.name)})"


def _wrong_column(source: ChildOf, header: TableHeader, finders: Sequence[Column]) -> Diagnostic | None:
    """Return what is wrong with the column that should fill the child table, if anything."""
    text, location = source.column.text, source.column.location
    by_id = {column.id: column for column in header.columns}
    column = by_id.get(text.lower()) or {column.key: column for column in header.columns}.get(text)
    keys = [each.key for each in finders]
    there_are = f"The columns that do: {_some(keys)}." if keys else "None of its columns does."
    if column is None:
        guess = _guess(text, keys)
        hint = "" if guess else f"A `{FINDER_KIND}` column fills a child table. {there_are}"
        return Diagnostic(
            location, Code.UNKNOWN_COLUMN, f"{quote(header.name)} has no column {quote(text)}{guess}", hint
        )
    if column.kind != FINDER_KIND:
        kind = quote(column.kind)
        message = f"column {quote(text)} of {quote(header.name)} fills no child table: it is of kind {kind}"
        return Diagnostic(location, Code.NOT_A_FINDER, message, there_are)
    return None


def _wrong(location: Location, code: Code, message: str, hint: str) -> _Found:
    return _Found(problem=Diagnostic(location, code, message, hint))


def _unclear(location: Location, count: int, what: str) -> _Found:
    message = f"{counted(count, 'table')} in the list cannot be read and {what}"
    return replace(
        _wrong(location, Code.AMBIGUOUS_TABLE, message, "Write the id of the table you mean."), is_unread=True
    )


def _unread(location: Location, error: ApiError) -> _Found:
    return _Found(problem=Diagnostic(location, Code.UNREADABLE_TABLE, error.message, error.hint), is_unread=True)


def _guess(text: str, names: Iterable[str]) -> str:
    known = list(names)
    return did_you_mean(text, known) if len(known) <= MOST_COMPARED else ""


def _some(names: Sequence[str]) -> str:
    """Return the first names, and the number of further ones."""
    told = ", ".join(map(quote, names[:MOST_NAMED]))
    return f"{told} and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else told
