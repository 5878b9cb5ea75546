"""HTML pages: the files of `--out` that are one, and the style and script that each of them carries."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import PurePath

from reconciler.render.page.shell import Assets


def assets() -> Assets:
    """Return the style and script of every page."""
    folder = files("reconciler.render.page")
    return Assets(*((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")))


def parted(outs: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the files of `--out` that are to be pages, by their names, and those that are to be JSON."""
    pages: list[str] = []
    documents: list[str] = []
    for name in outs:
        (pages if PurePath(name).suffix.lower() in (".html", ".htm") else documents).append(name)
    return pages, documents
