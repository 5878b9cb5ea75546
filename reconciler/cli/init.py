"""`reconciler init`."""

from pathlib import Path

import click

from reconciler.cli import scaffold
from reconciler.cli.console import Console, exits
from reconciler.manifests import json_schema
from reconciler.manifests.find_files import find_files
from reconciler.model.report import ExitCode
from reconciler.settings.settings import project_file_in


@click.command("init")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--ci", type=click.Choice(list(scaffold.CALLERS)), help="Write the files that call its pipelines, too.")
@click.pass_context
@exits
def command(context: click.Context, /, folder: Path, ci: str | None) -> int:
    """Scaffold a project that works at once against the simulator.

    Writes a project file, a manifest, the schemas that editors check them with, and a .gitignore. Existing files
    stay as they are.
    """
    console = Console(context.obj)
    manifests = folder / "manifests"
    project = project_file_in(folder)
    ground = scaffold.ExistingFiles(
        project=None if project is None else project.name,
        has_manifests=manifests.is_dir() and bool(find_files([manifests])),
    )
    schemas = {name: json_schema.text(name) for name in json_schema.names()}
    files = scaffold.project_files(ground, schemas) | (scaffold.ci_files(ci) if ci else {})
    for name, text in files.items():
        path = folder / name
        is_new = _write_new(path, text)
        console.answer(f"{'Wrote' if is_new else 'Kept existing'} {path.as_posix()}")
    ignored = (folder / scaffold.IGNORED).read_text(encoding="utf-8", errors="replace")
    if not scaffold.hides_ledger(ignored):
        console.info(
            f"Add `{scaffold.LEDGER_FOLDER}` to {scaffold.IGNORED}: the ledger on this machine does not belong in git."
        )
    console.answer("")
    if folder.resolve() != Path.cwd():
        console.answer(console.fit(f"The project is in {folder.as_posix()}: change to that folder first."))
    console.answer(console.fit(scaffold.NEXT_STEPS))
    if ci:
        console.answer(console.fit(scaffold.CI_STEP))
    return ExitCode.OK


def _write_new(path: Path, text: str) -> bool:
    """Write a file unless something with that name exists; return whether it was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True
