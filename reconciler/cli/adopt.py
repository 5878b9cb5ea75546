"""`reconciler ledger adopt`."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import click

from reconciler.cli import options
from reconciler.cli.console import Console, exits
from reconciler.client import Reader
from reconciler.errors import ApiError, ManifestError
from reconciler.model.manifest import Manifest, Mode
from reconciler.model.report import ExitCode
from reconciler.operations import observe
from reconciler.operations.adopt import adopt_done
from reconciler.operations.connection import api_options, writing_ledger
from reconciler.settings.provenance import actor, git_state
from reconciler.text.sanitize import one_line


class Revision(click.ParamType[str]):
    """A revision as a manifest takes it."""

    name = "revision"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it as it is."""
        if not 1 <= len(value) <= 100 or not all("!" <= character <= "~" for character in value):
            self.fail(f"{one_line(value)!r} is no revision: letters, digits and signs without spaces", param, ctx)
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
    settings = console.settings()
    targets = observe.load(settings, paths, (), ())
    with (
        Reader(api_options(settings, os.environ)) as reader,
        writing_ledger(settings, os.environ, console.info) as ledger,
    ):
        targets = observe.resolve(targets, reader)
        by_table: dict[str, list[Manifest]] = {}
        for manifest in targets.manifests:
            by_table.setdefault(manifest.table_id, []).append(manifest)
        observation: Mapping[str, Any] = reader.read_tables(dict.fromkeys(by_table, frozenset()))
        addresses = {table: _address(manifests, revision) for table, manifests in by_table.items()}
        tables, said = adopt_done(
            actor(os.environ, git_state(settings.root)),
            ledger,
            observation,
            addresses,
            revision,
            f"adopted --as {revision}",
        )
    for table, words in said.items():
        names = " and ".join(manifest.name for manifest in by_table[table])
        console.answer(f"{names} ({one_line(observation[table].name)}): {words}")
    for table in said:
        for other in _other_revisions(by_table[table], revision):
            console.info(other)
    if any(run.mode is Mode.FAILED for manifest in targets.manifests for run in manifest.runs):
        console.info("Tries of `failed` are counted anew: look at `reconciler plan` before anything is applied.")
    failures = [each for each in tables.values() if isinstance(each, ApiError)]
    for failure in failures:
        console.error(failure.message, failure.hint)
    if targets.unresolved:
        raise ManifestError(targets.unresolved)
    return ExitCode.ERROR if failures else ExitCode.OK


def _address(manifests: Sequence[Manifest], revision: str) -> str:
    """Return the `manifest/run` that asks for the revision, else one of the table's manifests; it is for people."""
    asking = [f"{each.name}/{run.name}" for each in manifests for run in each.runs if run.revision == revision]
    return asking[0] if asking else f"{manifests[0].name}/adopted"


def _other_revisions(manifests: Sequence[Manifest], revision: str) -> list[str]:
    """Say of each run that asks for another revision that the adoption does not serve it."""
    return [
        f"{each.name}/{run.name} asks for revision {one_line(run.revision)}, for which nothing was adopted here: what "
        f"ledger does not know of it is due. If it was run before, adopt it too: --as {one_line(run.revision)}."
        for each in manifests
        for run in each.runs
        if run.mode is Mode.ALL and run.revision not in (None, revision)
    ]
