"""Live tables as manifests: which tables are meant, what their manifests are called, and what is written.

A table that a manifest of the project claims already gets no second one.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from reconciler.client import Reader
from reconciler.errors import ApiError, BadResponse, SettingsError
from reconciler.ledger import Ledger
from reconciler.manifests import from_table
from reconciler.manifests.find_files import find_files, may_hold_manifests
from reconciler.manifests.from_table import ImportOptions
from reconciler.manifests.loader import load_manifests
from reconciler.model.attempt import Actor
from reconciler.model.import_outcome import ImportOutcome
from reconciler.model.manifest import Manifest
from reconciler.model.observed import ListedTable, TableHeader, TableSnapshot
from reconciler.operations.adopt import adopt_done
from reconciler.operations.atomic_file import SHARED, write_whole
from reconciler.operations.find_tables import find
from reconciler.settings.settings import Settings, check_owner, manifest_paths
from reconciler.text.numbers import counted

SCHEMA = "schemas/manifest.v1.json"
Seen: TypeAlias = TableSnapshot | TableHeader | ApiError


@dataclass(frozen=True, slots=True)
class ImportedTable:
    """What became of a live table that was imported."""

    table_id: str
    name: str
    """What the table is called; text from the API."""
    fate: ImportOutcome
    """`written`, or why not: `unchanged`, `kept`, `claimed`, `empty`."""
    path: Path
    """The file of its manifest."""
    columns: int
    """How many its manifest lists."""
    claims: tuple[Manifest, ...] = ()
    """Manifests of the project that name the table, as they were before."""
    adopted: str = ""
    """With an adoption: how much was taken over, in words."""
    lacking: str = ""
    """With an adoption: what the manifests lack to make use of it, in words."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which live tables are meant."""

    tables: tuple[str, ...] = ()
    """Ids."""
    search: str | None = None
    """Also the tables that the API finds for this text."""
    tags: tuple[str, ...] = ()
    """Also the tables with one of these tags; with `search`, both."""
    every: bool = False
    """Every root table of the workspace."""


def shelf_of(settings: Settings, out: Path | None, wish: ImportOptions, *, force: bool) -> "ManifestFolder":
    """Read the manifests there are; `out` is the folder of new ones. Raises ManifestError, SettingsError."""
    folder = out or _folder(settings)
    if out is not None and wish.revision is not None:
        check_owner(settings, [out / "manifest.yaml"])
    return ManifestFolder(folder, _present(settings, folder), wish, _schema(settings, folder), force=force)


def import_tables(
    shelf: "ManifestFolder",
    choice: Choice,
    reader: Reader,
    ledger: Ledger,
    actor: Callable[[], Actor],
    tell: Callable[[str], None],
) -> Iterator[ImportedTable | ApiError]:
    """Write a manifest for each table chosen, and yield what became of it; tables that cannot be read come last.

    With a revision in the shelf's wish, what is done is first recorded as run at it. Raises SettingsError if no table
    is found, Refused on 401 and 403, LedgerError, OSError.
    """
    shelf = _found(shelf, reader, tell)
    chosen = dict.fromkeys([*choice.tables, *_listed(reader, choice.search, choice.tags, every=choice.every)])
    if not chosen:
        raise SettingsError("no table was found", hint="Look for another text or tag, or take --all.")
    revision = shelf.wish.revision
    if revision is None:
        headers = reader.read_headers(chosen)
        yield from _written(shelf, headers, shelf.names(headers.values()), {})
        return
    tables = reader.read_tables(dict.fromkeys(chosen, frozenset()))
    names = shelf.names(tables.values())
    # First the ledger, then the manifest: a revision must never be asked for before what is done counts at it.
    addresses = {table: f"{name}/{from_table.ADOPTING_RUN}" for table, name in names.items()}
    kept, said = adopt_done(actor(), ledger, tables, addresses, revision, f"imported with --adopt {revision}")
    yield from _written(shelf, kept, names, said)


def _found(shelf: "ManifestFolder", reader: Reader, tell: Callable[[str], None]) -> "ManifestFolder":
    """Find the tables that manifests claim without naming their ids; asks nothing if there is no such manifest."""
    found = find(shelf.present, shelf.present, reader)
    for problem in found.problems:
        tell(f"{problem.location}: {problem.message}; what this manifest claims is not known.")
    known = {manifest.name for manifest in found.manifests}
    # One whose table is not known still takes up its name and its file.
    return replace(shelf, present=(*found.manifests, *(one for one in shelf.present if one.name not in known)))


def _listed(reader: Reader, search: str | None, tags: Sequence[str], *, every: bool) -> list[str]:
    """Return the ids of the tables that the options choose, tag by tag. Raises BadResponse if one has none."""
    listed: list[ListedTable] = []
    if every:
        listed += reader.list_tables()
    elif tags:
        for tag in tags:
            listed += reader.list_tables(search or "", [tag])
    elif search:
        listed += reader.list_tables(search)
    unclear = sum(not table.id for table in listed)
    if unclear:
        message = f"GET /v1/tables: {counted(unclear, 'table')} in the list cannot be read"
        raise BadResponse(message, hint="Name the tables to import by their ids.")
    return [table.id for table in listed]


def _folder(settings: Settings) -> Path:
    """Return where the project's manifests are written: its first folder."""
    first, *_ = manifest_paths(settings, ())
    return first.parent if may_hold_manifests(first) else first


def _present(settings: Settings, folder: Path) -> tuple[Manifest, ...]:
    """Return the manifests there are, in the project and in the folder. Raises ManifestError."""
    return _read([*manifest_paths(settings, ()), folder], settings.project_file)


def _read(paths: Sequence[Path], project_file: Path | None) -> tuple[Manifest, ...]:
    there = [path for path in paths if path.exists()]
    if not find_files(there):
        return ()
    try:
        return load_manifests(there, project_file)
    except SettingsError:
        return ()  # files, but no manifest among them


def _schema(settings: Settings, folder: Path) -> str | None:
    """Return the way from a manifest to the schema that `init` wrote, or None where there is none."""
    path = settings.root / SCHEMA
    return Path(os.path.relpath(path, folder)).as_posix() if path.is_file() else None


@dataclass(frozen=True, slots=True)
class ManifestFolder:
    """The manifests there are, and how new ones are written."""

    folder: Path
    present: tuple[Manifest, ...]
    wish: ImportOptions
    schema: str | None
    force: bool

    def claims(self, table: str) -> list[Manifest]:
        """Return the manifests that name a table."""
        return [manifest for manifest in self.present if manifest.table_id == table]

    def is_taken(self, name: str) -> bool:
        """Say whether a new manifest cannot have this name."""
        return any(manifest.name == name for manifest in self.present) or self.path(name).exists()

    def names(self, observation: Iterable[Seen]) -> dict[str, str]:
        """Return the name of each table's manifest, by table id: the one it has, else a new one."""
        headers = [_header(each) for each in observation if not isinstance(each, ApiError)]
        claimed = {header.id: claims[0].name for header in headers if (claims := self.claims(header.id))}
        return claimed | from_table.names([each for each in headers if each.id not in claimed], self.is_taken)

    def path(self, name: str) -> Path:
        """Return the file of the manifest of that name."""
        return self.folder / f"{name}.yaml"

    def lacking(self, table: str) -> str:
        """Say what manifests that stay as they are lack to make use of an adoption."""
        runs = [run for manifest in self.claims(table) for run in manifest.runs]
        # What was adopted counts for a `refresh` as run at the adoption, whatever the revision is called.
        is_used = any(run.refresh is not None or run.revision == self.wish.revision for run in runs)
        if self.wish.revision is None or self.force or not runs or is_used:
            return ""
        return f"add a run with `mode: all` and `revision: {self.wish.revision}` to make use of it"

    def is_alone(self, manifest: Manifest) -> bool:
        """Say whether its file is the one that import would write, and holds no other manifest."""
        if manifest.source is not None:
            return False  # import names tables by id
        is_ours = os.path.realpath(self.path(manifest.name)) == os.path.realpath(manifest.location.path)
        return is_ours and [each.location.path for each in self.present].count(manifest.location.path) == 1


def _written(
    shelf: ManifestFolder, observation: Mapping[str, Seen], names: Mapping[str, str], adopted: Mapping[str, str]
) -> Iterator[ImportedTable | ApiError]:
    for each in observation.values():
        if not isinstance(each, ApiError):
            header = _header(each)
            yield _write_one(shelf, header, names[header.id], adopted.get(header.id, ""))
    yield from (each for each in observation.values() if isinstance(each, ApiError))


def _write_one(shelf: ManifestFolder, header: TableHeader, name: str, adopted: str) -> ImportedTable:
    """Write one table's manifest if it has none; return what became of it."""
    claims = shelf.claims(header.id)
    path = shelf.path(name)
    text = from_table.manifest_text(header, name, shelf.wish, shelf.schema)
    is_elsewhere = bool(claims) and (len(claims) > 1 or not shelf.is_alone(claims[0]))
    there = path.read_text(encoding="utf-8") if claims and not is_elsewhere else None
    fate = from_table.fate(text, there, is_claimed_elsewhere=is_elsewhere, force=shelf.force)
    if fate is ImportOutcome.WRITTEN and text is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text, SHARED)
    columns = len(from_table.listed(header.columns))
    return ImportedTable(header.id, header.name, fate, path, columns, tuple(claims), adopted, shelf.lacking(header.id))


def _header(observation: TableSnapshot | TableHeader) -> TableHeader:
    if isinstance(observation, TableHeader):
        return observation
    return TableHeader(observation.id, observation.name, observation.kind, observation.columns)
