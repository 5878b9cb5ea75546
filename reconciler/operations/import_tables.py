"""Import live tables as manifests: choose the tables, name their manifests, and write them.

A table that a manifest of the project already claims gets no second one.
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
from reconciler.operations.adopt import adopt_done, check_revision
from reconciler.operations.atomic_file import SHARED, write_whole
from reconciler.operations.find_tables import find
from reconciler.operations.named_file import WRITABLE, named_file
from reconciler.settings.settings import Settings, check_owner, manifest_paths
from reconciler.text.addresses import table_id
from reconciler.text.codes import Code
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

SCHEMA = "schemas/manifest.v1.json"
Seen: TypeAlias = TableSnapshot | TableHeader | ApiError


@dataclass(frozen=True, slots=True)
class ImportedTable:
    """The result of importing one live table."""

    table_id: str
    name: str
    """The table's name; text from the API."""
    outcome: ImportOutcome
    """`written`, or why not: `unchanged`, `kept`, `claimed`, `empty`."""
    path: Path
    """The file of its manifest."""
    columns: int
    """The number of columns that its manifest lists."""
    claims: tuple[Manifest, ...] = ()
    """Manifests of the project that already named the table."""
    adopted: str = ""
    """With an adoption: how many cells were taken over, in words."""
    lacking: str = ""
    """With an adoption: what the manifests still need to make use of it, in words."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The live tables to import."""

    tables: tuple[str, ...] = ()
    """Ids."""
    search: str | None = None
    """Also the tables that the API finds for this text."""
    tags: tuple[str, ...] = ()
    """Also the tables with one of these tags; with `search`, both."""
    every: bool = False
    """Every root table of the workspace."""


def folder_for(settings: Settings, out: Path | None, options: ImportOptions, *, force: bool) -> "ManifestFolder":
    """Read the existing manifests; `out` is the folder for new ones. Raises ManifestError, SettingsError."""
    if options.revision is not None:
        check_revision(options.revision)
    folder = out or _folder(settings)
    if out is not None and options.revision is not None:
        check_owner(settings, [out / "manifest.yaml"])
    return ManifestFolder(folder, _present(settings, folder), options, _schema(settings, folder), force=force)


def import_tables(
    folder: "ManifestFolder",
    choice: Choice,
    reader: Reader,
    ledger: Ledger,
    actor: Callable[[], Actor],
    tell: Callable[[str], None],
) -> Iterator[ImportedTable | ApiError]:
    """Write a manifest for each chosen table, and yield the result; tables that cannot be read come last.

    With a revision in the folder's options, done cells are first recorded as run at it. Raises SettingsError if no
    table is found, Refused on 401 and 403, LedgerError.
    """
    folder = _found(folder, reader, tell)
    chosen = dict.fromkeys([*choice.tables, *_listed(reader, choice.search, choice.tags, every=choice.every)])
    if not chosen:
        raise SettingsError(
            "no table was found", hint="Try another text or tag, or use --all.", code=Code.NOTHING_SELECTED
        )
    revision = folder.options.revision
    if revision is None:
        headers = reader.read_headers(chosen)
        yield from _written(folder, headers, folder.names(headers.values()), {})
        return
    tables = reader.read_tables(dict.fromkeys(chosen, frozenset()))
    names = folder.names(tables.values())
    # First the ledger, then the manifest: done cells must count at a revision before any manifest asks for it.
    addresses = {table: f"{name}/{from_table.ADOPTING_RUN}" for table, name in names.items()}
    kept, said = adopt_done(actor(), ledger, tables, addresses, revision, f"imported with --adopt {revision}")
    yield from _written(folder, kept, names, said)


def _found(folder: "ManifestFolder", reader: Reader, tell: Callable[[str], None]) -> "ManifestFolder":
    """Find the tables that manifests claim without naming their ids; sends nothing if there is no such manifest."""
    found = find(folder.present, folder.present, reader)
    for problem in found.problems:
        tell(f"{problem.location}: {problem.code} {problem.message}; its table is not known.")
    known = {manifest.name for manifest in found.manifests}
    # A manifest whose table is unknown still occupies its name and its file.
    return replace(folder, present=(*found.manifests, *(one for one in folder.present if one.name not in known)))


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
    """Return the folder for new manifests: the project's first one."""
    first, *_ = manifest_paths(settings, ())
    return first.parent if may_hold_manifests(first) else first


def _present(settings: Settings, folder: Path) -> tuple[Manifest, ...]:
    """Return the existing manifests of the project and the folder. Raises ManifestError."""
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
    """Return the relative path from a manifest to the schema that `init` wrote, or None if there is none."""
    path = settings.root / SCHEMA
    return Path(os.path.relpath(path, folder)).as_posix() if path.is_file() else None


@dataclass(frozen=True, slots=True)
class ManifestFolder:
    """The existing manifests, and where and how new ones are written."""

    folder: Path
    present: tuple[Manifest, ...]
    options: ImportOptions
    schema: str | None
    force: bool

    def claims(self, table: str) -> list[Manifest]:
        """Return the manifests that name a table."""
        return [manifest for manifest in self.present if manifest.table_id == table]

    def is_taken(self, name: str) -> bool:
        """Return True if a new manifest cannot have this name."""
        return any(manifest.name == name for manifest in self.present) or self.path(name).exists()

    def names(self, observation: Iterable[Seen]) -> dict[str, str]:
        """Return the name of each table's manifest, by table id: its current one, or else a new one."""
        headers = [_header(each) for each in observation if not isinstance(each, ApiError)]
        claimed = {header.id: claims[0].name for header in headers if (claims := self.claims(header.id))}
        return claimed | from_table.names([each for each in headers if each.id not in claimed], self.is_taken)

    def path(self, name: str) -> Path:
        """Return the file of the manifest of that name."""
        return self.folder / f"{name}.yaml"

    def lacking(self, table: str) -> str:
        """Return what unchanged manifests still need to make use of an adoption; empty if nothing."""
        runs = [run for manifest in self.claims(table) for run in manifest.runs]
        # For a `refresh`, adopted cells count as run at the time of the adoption, whatever the revision.
        # So they do for `{of: config}`, with the configuration of that moment.
        is_used = any(
            run.refresh is not None or run.follows_config or run.revision == self.options.revision for run in runs
        )
        if self.options.revision is None or self.force or not runs or is_used:
            return ""
        return f"add a run with `mode: all` and `revision: {self.options.revision}` to make use of it"

    def is_alone(self, manifest: Manifest) -> bool:
        """Return True if its file is the one that import would write, and holds no other manifest."""
        if manifest.source is not None:
            return False  # import names tables by id
        is_ours = os.path.realpath(self.path(manifest.name)) == os.path.realpath(manifest.location.path)
        return is_ours and [each.location.path for each in self.present].count(manifest.location.path) == 1


def _written(
    folder: ManifestFolder, observation: Mapping[str, Seen], names: Mapping[str, str], adopted: Mapping[str, str]
) -> Iterator[ImportedTable | ApiError]:
    for each in observation.values():
        if not isinstance(each, ApiError):
            header = _header(each)
            yield _write_one(folder, header, names[header.id], adopted.get(header.id, ""))
    yield from (each for each in observation.values() if isinstance(each, ApiError))


def _write_one(folder: ManifestFolder, header: TableHeader, name: str, adopted: str) -> ImportedTable:
    """Write one table's manifest if it has none; return the result."""
    claims = folder.claims(header.id)
    path = folder.path(name)
    text = from_table.manifest_text(header, name, folder.options, folder.schema)
    is_elsewhere = bool(claims) and (len(claims) > 1 or not folder.is_alone(claims[0]))
    there = path.read_text(encoding="utf-8") if claims and not is_elsewhere else None
    outcome = from_table.import_outcome(text, there, is_claimed_elsewhere=is_elsewhere, force=folder.force)
    if outcome is ImportOutcome.WRITTEN and text is not None:
        with named_file(path, WRITABLE):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text, SHARED)
    columns = len(from_table.listed(header.columns))
    lacking = folder.lacking(header.id)
    return ImportedTable(header.id, header.name, outcome, path, columns, tuple(claims), adopted, lacking)


def _header(observation: TableSnapshot | TableHeader) -> TableHeader:
    if isinstance(observation, TableHeader):
        return observation
    return TableHeader(observation.id, observation.name, observation.kind, observation.columns)


def table_ids(named: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of tables named by id or URL. Raises SettingsError for anything else."""
    found = [(text, table_id(text)) for text in named]
    for text, identity in found:
        if identity is None:
            shown = one_line(text)
            message = f"{shown!r} is neither a table's id nor its URL, https://app.extruct.ai/tables/<id>"
            raise SettingsError(message, hint="Copy the table's address from the dashboard.")
    return tuple(identity for _, identity in found if identity is not None)
