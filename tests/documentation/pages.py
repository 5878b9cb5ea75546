"""The pages: every Markdown file that people read, with its fenced blocks, headings, links and inline code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
_GENERATED = {"golden", "cases"}
"""Folders of expected outputs, which are no pages."""


@dataclass(frozen=True)
class Block:
    """A fenced block. Its info string is its language and, if that says too little, what kind of thing it shows."""

    page: str
    line: int
    """From 1, of the opening fence."""
    language: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """Return its path from the repository's root."""
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        """Return its Markdown."""
        return self.path.read_text(encoding="utf-8")

    @property
    def tokens(self) -> list[Token]:
        """Return its parsed blocks."""
        return _parsed(self.path)

    @property
    def blocks(self) -> Iterator[Block]:
        """Yield the fenced blocks."""
        for token in self.tokens:
            if token.type == "fence" and token.map:
                language, _, kind = token.info.strip().partition(" ")
                yield Block(self.name, token.map[0] + 1, language, kind, token.content)

    @cached_property
    def headings(self) -> list[tuple[str, str]]:
        """Return the level (`h1` …) and the anchor of each heading, as GitHub spells it."""
        found: list[tuple[str, str]] = []
        for before, token in zip(self.tokens, self.tokens[1:], strict=False):
            if before.type == "heading_open":
                words = "".join(child.content for child in token.children or [])
                anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
                assert anchor not in [each for _, each in found], f"{self.name} has two headings `{words}`"
                found.append((before.tag, anchor))
        return found

    @property
    def links(self) -> Iterator[str]:
        """Yield the targets of all links."""
        for child in self._inline():
            if child.type == "link_open":
                yield str(child.attrGet("href"))

    @property
    def spans(self) -> Iterator[str]:
        """Yield the code spans."""
        for child in self._inline():
            if child.type == "code_inline":
                yield child.content

    def _inline(self) -> Iterator[Token]:
        for token in self.tokens:
            yield from token.children or []


@cache
def _parsed(path: Path) -> list[Token]:
    # Links lead to the same pages over and over.
    return MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))


def page(name: str) -> Page:
    """Return a page by its path from the repository's root."""
    return Page(ROOT / name)


@cache
def pages() -> list[Page]:
    """Return every page, README.md included, parsed once."""
    own = {".github", ".gitlab"}
    found = []
    for path in sorted(ROOT.rglob("*.md")):
        folders = set(path.relative_to(ROOT).parts[:-1])
        if not folders & _GENERATED and not any(name.startswith(".") and name not in own for name in folders):
            found.append(Page(path))
    return found


def blocks(*languages: str) -> list[Block]:
    """Return the fenced blocks of all pages in one of these languages."""
    return [block for each in pages() for block in each.blocks if block.language in languages]


def block(name: str, language: str, kind: str) -> Block:
    """Return the one block of a page that is in this language and of this kind."""
    (found,) = [each for each in page(name).blocks if (each.language, each.kind) == (language, kind)]
    return found
