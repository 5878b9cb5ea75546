"""`reconciler import`."""

from pathlib import Path

import click

from reconciler import ImportedTable
from reconciler.cli.adopt import Revision
from reconciler.cli.console import Console, exits
from reconciler.cli.session import open_session
from reconciler.errors import ApiError
from reconciler.model.import_outcome import ImportOutcome
from reconciler.model.report import ExitCode
from reconciler.text.addresses import table_id
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line


class TableName(click.ParamType[str]):
    """A table's id or dashboard URL."""

    name = "table"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id."""
        found = table_id(value)
        if found is None:
            shown = one_line(value)
            self.fail(f"{shown!r} is neither a table's id nor its URL, https://app.extruct.ai/tables/<id>", param, ctx)
        return found


@click.command("import")
@click.argument("tables", metavar="[TABLE]...", nargs=-1, type=TableName())
@click.option("--search", metavar="TEXT", help="Also the tables that the API finds for this text.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Also the tables with this tag; with --search, both.")
@click.option("--all", "every", is_flag=True, help="Every table in the workspace except child tables.")
@click.option("--out", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
              help="Folder of the manifests. Default: the project's.")  # fmt: skip
@click.option("--fill", is_flag=True, help="Switch on the run that fills empty cells.")
@click.option("--force", is_flag=True, help="Overwrite manifests that were edited.")
@click.option("--adopt", "revision", metavar="REVISION", type=Revision(),
              help="Record done cells as run at this revision: the first `all` buys none of them.")  # fmt: skip
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
    """Write a manifest for each chosen live table, listing every output column except those the service fills itself.

    TABLE is an id or a dashboard URL. A column of an unknown kind is written as a comment. Nothing is bought or changed
    in the tables; an existing file stays as it is without --force, and a table that a manifest of the project already
    claims gets no second one.
    """
    if not (tables or search or tags or every):
        raise click.UsageError("name tables by id or URL, or choose them with --search, --tag or --all")
    console = Console(context.obj)

    def tell(table: ImportedTable) -> None:
        console.tell(" · ".join(filter(None, [_words(table), table.adopted, table.lacking])))

    with open_session(console) as session:
        found = session.import_tables(
            tables,
            search=search,
            tags=tags,
            every=every,
            out=out,
            fill=fill,
            force=force,
            adopt=revision,
            on_table=tell,
        )
    failures = [each for each in found if isinstance(each, ApiError)]
    written = sum(isinstance(each, ImportedTable) and each.outcome is ImportOutcome.WRITTEN for each in found)
    for failure in failures:
        console.error(failure.message, failure.hint)
    if written:
        console.info(f"{counted(written, 'manifest')} written. Check `reconciler plan` before you apply.")
    return ExitCode.ERROR if failures else ExitCode.OK


def _words(table: ImportedTable) -> str:
    """Return the result for a table's manifest, in words."""
    shown, name = one_line(table.path.as_posix()), one_line(table.name)
    places = ", ".join(f"`{manifest.name}` at {manifest.location}" for manifest in table.claims)
    return {
        ImportOutcome.WRITTEN: f"{shown}: written, {counted(table.columns, 'column')}",
        ImportOutcome.UNCHANGED: f"{shown}: unchanged",
        ImportOutcome.KEPT: f"{shown}: kept because it was edited; use --force to overwrite it",
        ImportOutcome.CLAIMED: f"{name}: no second manifest, it is claimed by {places}",
        ImportOutcome.EMPTY: f"{name}: no manifest, it has no column to run",
    }[table.outcome]
