"""`reconciler import`."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import click

from reconciler.cli.adopt import Revision, adopt_done
from reconciler.cli.atomic_file import SHARED, write_whole
from reconciler.cli.connection import api_options, reading_ledger, writing_ledger
from reconciler.cli.console import Console, exits
from reconciler.client import Reader
from reconciler.errors import ApiError, BadResponse, SettingsError
from reconciler.ledger import Ledger
from reconciler.manifests import from_table
from reconciler.manifests.find_files import find_files, may_hold_manifests
from reconciler.manifests.from_table import Fate, Wish
from reconciler.manifests.loader import load_manifests
from reconciler.model.manifest import Manifest
from reconciler.model.observed import ListedTable, TableHeader, TableSnapshot
from reconciler.model.report import ExitCode
from reconciler.operations.find_tables import find
from reconciler.settings.settings import Settings, check_owner, manifest_paths
from reconciler.text.numbers import counted
from reconciler.text.sanitize import clean

SCHEMA = "schemas/manifest.v1.json"
Seen: TypeAlias = TableSnapshot | TableHeader | ApiError


class TableName(click.ParamType[str]):
    """A table's id or dashboard URL."""

    name = "table"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id."""
        found = from_table.table_id(value)
        if found is None:
            shown = clean(value)
            self.fail(f"{shown!r} is neither a table's id nor its URL, https://app.extruct.ai/tables/<id>", param, ctx)
        return found


@click.command("import")
@click.argument("tables", metavar="[TABLE]...", nargs=-1, type=TableName())
@click.option("--search", metavar="TEXT", help="Also the tables that the API finds for this text.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Also the tables with this tag; with --search, both.")
@click.option("--all", "every", is_flag=True, help="Every table of the workspace that is no other's child.")
@click.option("--out", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
              help="Folder of the manifests. Default: the project's.")  # fmt: skip
@click.option("--fill", is_flag=True, help="Switch the run on that fills empty cells.")
@click.option("--force", is_flag=True, help="Write a table's manifest anew where it was changed.")
@click.option("--adopt", "revision", metavar="REVISION", type=Revision(),
              help="Record what is done as run at this revision: the first `all` buys none of it.")  # fmt: skip
@click.pass_context
@exits
def command(
    context: click.Context,
    /,
    tables: tuple[str, ...],
    search: str | None,
    tags: tuple[str, ...],
    every: bool,
    out: Path | None,
    fill: bool,
    force: bool,
    revision: str | None,
) -> int:
    """Write a manifest for each live table named, with every output column listed but those the service fills itself.

    TABLE is an id or a dashboard URL. A column of an unknown kind stands in a comment. Nothing is bought or changed in
    the tables; a file that is there stays as it is without --force, and a table that a manifest of the project claims
    already gets no second one.
    """
    if not (tables or search or tags or every):
        raise click.UsageError("name tables by id or URL, or choose them with --search, --tag or --all")
    console = Console(context.obj)
    settings = console.settings()
    folder = out or _folder(settings)
    if out is not None and revision is not None:
        check_owner(settings, [out / "manifest.yaml"])
    shelf = _Shelf(folder, _present(settings, folder), Wish(revision, fill), _schema(settings, folder), force=force)
    with Reader(api_options(settings)) as reader, _ledger(settings, console, revision) as ledger:
        shelf = _found(console, shelf, reader)
        chosen = dict.fromkeys([*tables, *_listed(reader, search, tags, every=every)])
        if not chosen:
            raise SettingsError("no table was found", hint="Look for another text or tag, or take --all.")
        if revision is None:
            headers = reader.read_headers(chosen)
            return _write(console, shelf, headers, shelf.names(headers.values()), {})
        tables_ = reader.read_tables(dict.fromkeys(chosen, frozenset()))
        names = shelf.names(tables_.values())
        # First the ledger, then the manifest: a revision must never be asked for before what is done counts at it.
        addresses = {table: f"{name}/{from_table.ADOPTING_RUN}" for table, name in names.items()}
        kept, said = adopt_done(settings, ledger, tables_, addresses, revision, f"imported with --adopt {revision}")
        return _write(console, shelf, kept, names, said)


def _ledger(settings: Settings, console: Console, revision: str | None) -> Ledger:
    """Open the ledger; without an adoption nothing is written into it."""
    return reading_ledger(settings) if revision is None else writing_ledger(settings, console)


def _found(console: Console, shelf: "_Shelf", reader: Reader) -> "_Shelf":
    """Find the tables that manifests claim without naming their ids; asks nothing where there is no such manifest."""
    found = find(shelf.present, shelf.present, reader)
    for problem in found.problems:
        console.info(f"{problem.place}: {problem.message}; what this manifest claims is not known.")
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
class _Shelf:
    """The manifests there are, and how new ones are written."""

    folder: Path
    present: tuple[Manifest, ...]
    wish: Wish
    schema: str | None
    force: bool

    def claims(self, table: str) -> list[Manifest]:
        """Return the manifests that name a table."""
        return [manifest for manifest in self.present if manifest.table_id == table]

    def is_taken(self, name: str) -> bool:
        """Say whether a new manifest cannot have this name."""
        return any(manifest.name == name for manifest in self.present) or self.path(name).exists()

    def names(self, seen: Iterable[Seen]) -> dict[str, str]:
        """Return the name of each table's manifest, by table id: the one it has, else a new one."""
        headers = [_header(each) for each in seen if not isinstance(each, ApiError)]
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
        is_ours = os.path.realpath(self.path(manifest.name)) == os.path.realpath(manifest.place.path)
        return is_ours and [each.place.path for each in self.present].count(manifest.place.path) == 1


def _write(
    console: Console,
    shelf: _Shelf,
    seen: Mapping[str, Seen],
    names: Mapping[str, str],
    adopted: Mapping[str, str],
) -> int:
    """Write what is to be written, say what became of each table, and return the exit code."""
    headers = [_header(each) for each in seen.values() if not isinstance(each, ApiError)]
    written = 0
    for header in headers:
        fate, said = _write_one(shelf, header, names[header.id])
        written += fate is Fate.WRITTEN
        console.tell(" · ".join(filter(None, [said, adopted.get(header.id, ""), shelf.lacking(header.id)])))
    failures = [each for each in seen.values() if isinstance(each, ApiError)]
    for failure in failures:
        console.error(failure.message, failure.hint)
    if written:
        console.info(f"{counted(written, 'manifest')} written. Look at `reconciler plan` before anything is applied.")
    return ExitCode.ERROR if failures else ExitCode.OK


def _write_one(shelf: _Shelf, header: TableHeader, name: str) -> tuple[Fate, str]:
    """Write one table's manifest where it has none; return what became of it, and the words for it."""
    claims = shelf.claims(header.id)
    path = shelf.path(name)
    text = from_table.manifest_text(header, name, shelf.wish, shelf.schema)
    is_elsewhere = bool(claims) and (len(claims) > 1 or not shelf.is_alone(claims[0]))
    there = path.read_text(encoding="utf-8") if claims and not is_elsewhere else None
    fate = from_table.fate(text, there, is_claimed_elsewhere=is_elsewhere, force=shelf.force)
    shown = clean(path.as_posix())
    if fate is Fate.WRITTEN and text is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text, SHARED)
    places = ", ".join(f"`{manifest.name}` at {manifest.place}" for manifest in claims)
    return fate, {
        Fate.WRITTEN: f"{shown}: written, {counted(len(from_table.listed(header.columns)), 'column')}",
        Fate.UNCHANGED: f"{shown}: unchanged",
        Fate.KEPT: f"{shown}: kept, though import would write it differently; --force does",
        Fate.CLAIMED: f"{clean(header.name)}: no second manifest, it is claimed by {places}",
        Fate.EMPTY: f"{clean(header.name)}: no manifest, it has no column to run",
    }[fate]


def _header(seen: TableSnapshot | TableHeader) -> TableHeader:
    if isinstance(seen, TableHeader):
        return seen
    return TableHeader(seen.id, seen.name, seen.kind, seen.columns)
