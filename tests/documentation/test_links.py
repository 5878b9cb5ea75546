"""Links between the pages lead somewhere."""

import re
from collections.abc import Iterator

import pytest

from tests.documentation.pages import ROOT, Page, page, pages


def targets(of: Page) -> Iterator[tuple[str, Page | None, str]]:
    """Yield each link to this repository: as written, the page it leads to (None if not a page), its anchor."""
    for link in of.links:
        if "://" not in link:
            name, _, anchor = link.partition("#")
            path = (of.path.parent / name).resolve() if name else of.path
            assert path.is_relative_to(ROOT), link
            assert path.exists(), f"{of.name}: {link}"
            yield link, Page(path) if path.suffix == ".md" else None, anchor


@pytest.mark.parametrize("each", pages(), ids=lambda each: each.name)
def test_every_link_leads_to_a_file_and_a_heading(each: Page) -> None:
    """Relative to the page that has it."""
    for link, leads_to, anchor in targets(each):
        if anchor:
            assert leads_to is not None, link
            assert anchor in [each for _, each in leads_to.headings], f"{each.name}: {link}"


def test_every_page_is_reached_from_the_front_page() -> None:
    """A guide that no link leads to is not read."""
    reached: set[str] = set()
    ahead = [page("README.md")]
    while ahead:
        here = ahead.pop()
        if here.name not in reached:
            reached.add(here.name)
            ahead += [leads_to for _, leads_to, _ in targets(here) if leads_to]
    assert {each.name for each in pages()} - reached == set()


@pytest.mark.parametrize("each", pages(), ids=lambda each: each.name)
def test_a_table_of_contents_is_whole(each: Page) -> None:
    """If a page begins with one, it lists every section in its order."""
    listed = re.findall(r"^- \[.*?\]\(#(.+?)\)", each.text.partition("\n## ")[0], flags=re.MULTILINE)
    assert not listed or listed == [anchor for level, anchor in each.headings if level == "h2"]
