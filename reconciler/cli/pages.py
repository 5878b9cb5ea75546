"""HTML pages: the files of `--out` that are one, and the style and script that each of them carries."""

import importlib
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click

from reconciler.text.addresses import STREAM

if TYPE_CHECKING:
    from reconciler.model.session_plan import SessionPlan
    from reconciler.render.page.shell import Assets


def assets() -> "Assets":
    """Return the style and script of every page."""
    folder = Path(__file__).parents[1] / "render" / "page"
    texts = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    made: Assets = importlib.import_module("reconciler.render.page.shell").Assets(*texts)
    return made


def plan_page(document: dict[str, Any], plan: "SessionPlan") -> str:
    """Return the page of a plan. What draws it is loaded now: most plans are shown as text."""
    page: str = importlib.import_module("reconciler.render.page.plan_page").plan_page(document, assets(), plan)
    return page


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
