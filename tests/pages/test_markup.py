"""No name breaks out of a page: parsed, a hostile page has the very structure of a harmless one."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest

from reconciler.render.page.markup import Html, tag
from reconciler.render.page.plan_page import plan_page
from reconciler.render.page.report_page import report_page
from reconciler.render.page.shell import Assets
from tests.example_counts import portion
from tests.pages.conftest import look
from tests.review.hostile_texts import names
from tests.review.plans_and_reports import plan_of, report_of
from tests.review.test_hostile_names import HARMLESS, check_text

__all__ = ["look"]

NAMES = names(4000)
SHARES = portion([NAMES[start : start + 100] for start in range(0, len(NAMES), 100)], 8)
PAGES: Mapping[str, tuple[Callable[[list[str]], dict[str, Any]], Callable[..., str]]] = {
    "plan": (plan_of, plan_page),
    "report": (report_of, report_page),
}


class Structure(HTMLParser):
    """The elements of a page with the names of their attributes, and its data and scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.attributes: dict[str, str | None] = {}
        self.scripts: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.elements.append((tag, *(name for name, _ in attrs)))
        self.attributes.update({f"{tag} {name}": value for name, value in attrs})

    def handle_endtag(self, tag: str) -> None:
        """Keep its end."""
        self.elements.append((f"/{tag}",))

    def handle_data(self, data: str) -> None:
        """Keep what a script or a style holds apart from the rest."""
        (self.scripts if self.elements and self.elements[-1][0] in ("script", "style") else self.text).append(data)


def parsed(html: str) -> Structure:
    """Return what a reader's parser sees."""
    structure = Structure()
    structure.feed(html)
    return structure


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("share", SHARES, ids=range(len(SHARES)))
def test_a_hostile_page_has_the_structure_of_a_harmless_one(kind: str, share: list[str], look: Assets) -> None:
    """Element by element and attribute by attribute; and no text moves a cursor or turns a line round."""
    document, page = PAGES[kind]
    source = page(document(share), look)
    hostile, harmless = parsed(source), parsed(page(document(HARMLESS), look))
    assert hostile.elements == harmless.elements
    check_text(source.replace("\n", ""))
    if kind == "plan":
        _, data, _ = hostile.scripts
        assert "<" not in data
        assert json.loads(data)["shades"]


def test_the_policy_is_first_and_allows_this_style_and_script_alone(look: Assets) -> None:
    """By their digests, which change with every letter."""
    page = parsed(plan_page(plan_of(HARMLESS), look))
    assert page.elements[:3] == [("html", "lang"), ("head",), ("meta", "http-equiv", "content")]
    policy = page.attributes["meta content"]
    first = plan_page(plan_of(HARMLESS), look).partition("Content-Security-Policy")[2]
    assert first.startswith('" content="default-src &#x27;none&#x27;; style-src &#x27;sha256-')
    for content in (look.style, look.script):
        assert b64encode(sha256(content.encode()).digest()).decode() in first.partition(">")[0]
    assert "unsafe" not in first.partition(">")[0]
    assert policy


def test_a_text_is_escaped_unless_it_is_markup() -> None:
    """As a child and as an attribute."""
    assert tag("p", "<b>", title='"><b>') == '<p title="&quot;&gt;&lt;b&gt;">&lt;b&gt;</p>'
    assert tag("p", Html("<b></b>"), hidden=True, lang=None, data_map=3) == '<p hidden data-map="3"><b></b></p>'
