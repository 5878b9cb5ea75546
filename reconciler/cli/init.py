"""`reconciler init`."""

import os
from pathlib import Path

import click

from reconciler.cli import scaffold
from reconciler.cli.console import Console, exits
from reconciler.manifests import json_schema
from reconciler.manifests.find_files import find_files
from reconciler.manifests.open_file import open_file
from reconciler.model.report import ExitCode
from reconciler.settings.git import likely_default_branches, work_tree
from reconciler.settings.settings import project_file_in

_LARGEST_IGNORED = 1024**2
"""Bytes read of a `.gitignore`, which in a clone may be a link to anything."""


@click.command("init")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--ci", type=click.Choice(list(scaffold.CALLERS)), help="Write the files that call its pipelines, too.")
@click.pass_context
@exits
def command(context: click.Context, /, folder: Path, ci: str | None) -> int:
    """Scaffold a project that works at once against the simulator.

    Writes a project file, a manifest, the schemas that editors check them with, and a .gitignore; the files of a CI go
    to the top of the git repository, where it looks for them. Existing files stay as they are.
    """
    console = Console(context.obj)
    manifests = folder / "manifests"
    project = project_file_in(folder)
    ground = scaffold.ExistingFiles(
        project=None if project is None else project.name,
        has_manifests=manifests.is_dir() and bool(find_files([manifests])),
    )
    schemas = {name: json_schema.text(name) for name in json_schema.names()}
    for name, text in scaffold.project_files(ground, schemas).items():
        _write_new(console, folder / name, text)
    is_kept = ci is not None and not _write_callers(console, folder, ci)
    with open_file(folder / scaffold.IGNORED) as file:
        ignored = file.read(_LARGEST_IGNORED).decode("utf-8", "replace")
    if not scaffold.hides_ledger(ignored):
        console.info(
            f"Add `{scaffold.LEDGER_FOLDER}` to {scaffold.IGNORED}: the ledger on this machine does not belong in git."
        )
    console.answer("")
    if folder.resolve() != Path.cwd():
        console.answer(console.fit(f"The project is in {folder.as_posix()}: change to that folder first."))
    console.answer(console.fit(scaffold.NEXT_STEPS))
    if ci:
        console.answer(console.fit(scaffold.CI_STEPS[ci]))
    if is_kept:
        console.answer(console.fit(scaffold.KEPT))
    return ExitCode.OK


def _write_callers(console: Console, folder: Path, ci: str) -> bool:
    """Write a CI's files to the top of the repository, where it looks for them; return False if one was there."""
    here = folder.resolve()
    top = work_tree(here) or here
    files = scaffold.ci_files(ci, here.relative_to(top).as_posix(), likely_default_branches(here))
    written = [_write_new(console, Path(os.path.relpath(top / name)), text) for name, text in files.items()]
    return all(written)


def _write_new(console: Console, path: Path, text: str) -> bool:
    """Write a file unless something with that name exists, and say so; return whether it was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        console.answer(f"Kept existing {path.as_posix()}")
        return False
    console.answer(f"Wrote {path.as_posix()}")
    return True
