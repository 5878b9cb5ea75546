"""`reconciler ledger adopt`."""

from collections.abc import Iterator

import click

from reconciler.cli import options
from reconciler.cli.console import Console, exits
from reconciler.cli.session import open_session
from reconciler.errors import ManifestError
from reconciler.model.manifest import Manifest, Mode
from reconciler.model.report import ExitCode
from reconciler.text.sanitize import one_line


class Revision(click.ParamType[str]):
    """A revision as a manifest takes it."""

    name = "revision"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it as it is."""
        if not 1 <= len(value) <= 100 or not all("!" <= character <= "~" for character in value):
            self.fail(f"{one_line(value)!r} is not a revision: letters, digits and signs without spaces", param, ctx)
        return value


@click.command("adopt")
@options.paths
@click.option("--as", "revision", metavar="NAME", type=Revision(), required=True,
              help="The revision that what is done counts as run at.")  # fmt: skip
@click.pass_context
@exits
def command(context: click.Context, /, paths: tuple[str, ...], revision: str) -> int:
    """Take over what is done in the manifests' tables, at no cost.

    For a ledger that was restored from a backup or begins anew, and for tables that were run by hand: every done cell
    counts as run at revision NAME, so that `all` buys none of them again, and as run now for a `refresh`. Sends nothing
    but GET. A table that is running is refused, and tries of `failed` and `new` are counted anew.
    """
    console = Console(context.obj)
    with open_session(console) as session:
        found = session.adopt(revision, paths)
    for table in found.tables:
        names = " and ".join(manifest.name for manifest in table.manifests)
        console.answer(f"{names} ({one_line(table.name)}): {table.said}")
    for table in found.tables:
        for manifest in table.manifests:
            for other in _other_revisions(manifest, revision):
                console.info(other)
    if any(run.mode is Mode.FAILED for manifest in found.manifests for run in manifest.runs):
        console.info("Tries of `failed` are counted anew: look at `reconciler plan` before anything is applied.")
    for failure in found.failures:
        console.error(failure.message, failure.hint)
    if found.unresolved:
        raise ManifestError(found.unresolved)
    return ExitCode.ERROR if found.failures else ExitCode.OK


def _other_revisions(manifest: Manifest, revision: str) -> Iterator[str]:
    """Say of each run that asks for another revision that the adoption does not serve it."""
    for run in manifest.runs:
        if run.mode is Mode.ALL and run.revision not in (None, revision):
            asked = one_line(run.revision)
            yield (
                f"{manifest.name}/{run.name} asks for revision {asked}, for which nothing was adopted here: what "
                f"ledger does not know of it is due. If it was run before, adopt it too: --as {asked}."
            )
