"""HTML pages: the files of `--out` that are one, and the style and script that each of them carries."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import PurePath

import click

from reconciler.render.page.shell import Assets
from reconciler.text.addresses import STREAM


def assets() -> Assets:
    """Return the style and script of every page."""
    folder = files("reconciler.render.page")
    return Assets(*((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")))


def without_stdout(outs: tuple[str, ...], form: str) -> tuple[tuple[str, ...], str]:
    """Return the files of `--out` without `-`, and the form of stdout: with `-` the document, and nothing beside it."""
    if STREAM not in outs:
        return outs, form
    if form not in ("text", "json", "html"):
        raise click.UsageError(f"`--out -` writes the document itself to stdout, and --format {form} something else")
    return tuple(name for name in outs if name != STREAM), "json" if form == "text" else form


def parted(outs: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the files of `--out` that are to be pages, by their names, and those that are to be JSON."""
    pages: list[str] = []
    documents: list[str] = []
    for name in outs:
        (pages if PurePath(name).suffix.lower() in (".html", ".htm") else documents).append(name)
    return pages, documents
