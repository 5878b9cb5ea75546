"""The pages of status, report, snapshot and spending in a real browser: as safe and accessible as that of a plan."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from reconciler.render.page.report_page import report_page
from reconciler.render.page.shell import Assets
from reconciler.render.page.snapshot_page import snapshot_page
from reconciler.render.page.spend_page import spend_page
from reconciler.render.page.status_page import status_page
from tests.pages.conftest import Open
from tests.pages.worlds import a_report, a_snapshot, a_spending, a_status

SCREENS = {"wide-light": (1280, 900), "tablet-dark": (768, 1024), "phone-light": (375, 812)}


@pytest.fixture(params=["report", "status", "snapshot", "spending"])
def page_of(request: pytest.FixtureRequest, look: Assets) -> tuple[str, str]:
    """Return a page and its name."""
    name = str(request.param)
    if name == "snapshot":
        return name, snapshot_page(a_snapshot(), look)
    if name == "spending":
        return name, spend_page(a_spending(), look)
    return name, report_page(a_report(), look) if name == "report" else status_page(a_status(), look)


@pytest.mark.parametrize("screen", SCREENS)
def test_it_is_whole_and_accessible_on_every_screen(
    screen: str, page_of: tuple[str, str], show: Open, pictures: Path
) -> None:
    """No rule of axe-core is broken, nothing is cut off, nothing is loaded, and the browser has no complaint."""
    name, html = page_of
    width, height = SCREENS[screen]
    opened = show(html, width=width, height=height, scheme=screen.rpartition("-")[2])
    opened.page.screenshot(path=pictures / f"{name}-{screen}.png", full_page=True)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert (opened.complaints, len(opened.requests)) == ([], 1)
    if name != "snapshot":
        parts = (
            opened.page.locator("svg.bar")
            .first.locator("rect")
            .evaluate_all("all => all.map((each) => each.getBoundingClientRect().width)")
        )
        assert len(parts) > 2
        assert min(parts) > 0
    results = Axe().run(opened.page)
    assert results.violations_count == 0, results.generate_report()
