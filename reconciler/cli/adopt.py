"""`reconciler ledger adopt`."""

from collections.abc import Iterator

import click

from reconciler.cli import options
from reconciler.cli.console import Console, exits
from reconciler.cli.session import open_session
from reconciler.errors import ManifestError
from reconciler.model.manifest import Manifest, Mode, is_revision
from reconciler.model.report import ExitCode
from reconciler.text.sanitize import one_line


class Revision(click.ParamType[str]):
    """A revision as in a manifest."""

    name = "revision"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it unchanged."""
        if not is_revision(value):
            self.fail(f"{one_line(value)!r} is not a revision: letters, digits and signs without spaces", param, ctx)
        return value


@click.command("adopt")
@options.paths
@click.option("--as", "revision", metavar="NAME", type=Revision(), required=True,
              help="The revision that done cells count as run at.")  # fmt: skip
@click.pass_context
@exits
def command(context: click.Context, /, paths: tuple[str, ...], revision: str) -> int:
    """Take over the done cells of the manifests' tables, at no cost.

    For a new ledger or one restored from a backup, and for tables that were run by hand: every done cell counts as run
    at revision NAME, so that `all` does not buy it again, and as run now for a `refresh`. Sends only GET. A running
    table is refused, and attempts of `failed` and `new` are counted from zero.
    """
    console = Console(context.obj)
    with open_session(console) as session:
        found = session.adopt(revision, paths)
    for table in found.tables:
        names = " and ".join(manifest.name for manifest in table.manifests)
        console.tell(f"{names} ({one_line(table.name)}): {table.said}")
    for table in found.tables:
        for manifest in table.manifests:
            for other in _other_revisions(manifest, revision):
                console.info(other)
    if any(run.mode is Mode.FAILED for manifest in found.manifests for run in manifest.runs):
        console.info("Attempts of `failed` are counted from zero: check `reconciler plan` before you apply.")
    for failure in found.failures:
        console.error(failure.message, failure.hint)
    if found.unresolved:
        raise ManifestError(found.unresolved)
    return ExitCode.ERROR if found.failures else ExitCode.OK


def _other_revisions(manifest: Manifest, revision: str) -> Iterator[str]:
    """Yield a warning for each run that uses another revision, which the adoption does not cover."""
    for run in manifest.runs:
        if run.mode is Mode.ALL and run.revision not in (None, revision):
            asked = one_line(run.revision)
            yield (
                f"{manifest.name}/{run.name} asks for revision {asked}, for which nothing was adopted here: what "
                f"ledger does not know of it is due. If it was run before, adopt it too: --as {asked}."
            )
