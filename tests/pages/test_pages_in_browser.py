"""The pages in a real browser: safe, accessible, whole on every screen, usable by keyboard.

All in one module, which is one browser. Each page is opened at one size and in one scheme; `--long` plays the others.
"""

from collections.abc import Callable
from itertools import product

import pytest
from axe_playwright_python.sync_playwright import Axe

from reconciler.render.page.forecast_page import forecast_page
from reconciler.render.page.plan_page import plan_page
from reconciler.render.page.report_page import report_page
from reconciler.render.page.shell import Assets
from reconciler.render.page.snapshot_page import snapshot_page
from reconciler.render.page.spend_page import spend_page
from reconciler.render.page.status_page import status_page
from tests.pages.conftest import Keep, Open, Opened
from tests.pages.worlds import (
    a_forecast,
    a_report,
    a_snapshot,
    a_spending,
    a_status,
    busy,
    hostile,
    hostile_report,
    hostile_status,
    large,
)

SIZES = {"wide": (1280, 900), "tablet": (768, 1024), "phone": (375, 812)}
PAGES: dict[str, Callable[[Assets], str]] = {
    "plan": lambda look: plan_page(busy()[1], look, busy()[0]),
    "report": lambda look: report_page(a_report(), look),
    "forecast": lambda look: forecast_page(a_forecast(), look),
    "status": lambda look: status_page(a_status(), look),
    "spending": lambda look: spend_page(a_spending(), look),
    "snapshot": lambda look: snapshot_page(a_snapshot(), look),
}
WIDTHS = "all => all.map((each) => each.getBoundingClientRect().width)"
SCREENS = list(product(SIZES, ("light", "dark")))
USUAL = set(zip(PAGES, SCREENS, strict=True))


@pytest.fixture(scope="module")
def page_of_plan(look: Assets) -> str:
    """Return the page of a plan in which every kind of cell stands."""
    return PAGES["plan"](look)


def explained(opened: Opened) -> str:
    """Return what the first map says of the cell that is pointed at."""
    return opened.page.locator(".told").first.inner_text()


def found(opened: Opened) -> str:
    """Return what the filters say of what is shown."""
    return opened.page.locator("#found").inner_text()


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [
        pytest.param(name, *screen, marks=() if (name, screen) in USUAL else pytest.mark.long)
        for name, screen in product(PAGES, SCREENS)
    ],
)
def test_it_is_whole_and_accessible_on_every_screen(
    name: str, size: str, scheme: str, show: Open, look: Assets, keep: Keep
) -> None:
    """No rule of axe-core is broken, nothing is cut off, nothing is loaded, and the browser has no complaint."""
    width, height = SIZES[size]
    opened = show(PAGES[name](look), width=width, height=height, scheme=scheme)
    keep(opened, f"{name}-{size}-{scheme}")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert (opened.complaints, len(opened.requests)) == ([], 1)
    if name == "plan":
        opened.page.locator("summary").first.click()
    if name not in ("plan", "snapshot"):
        parts = opened.page.locator("svg[role=img]").first.locator("rect").evaluate_all(WIDTHS)
        assert len(parts) > 2
        assert min(parts) > 0
    results = Axe().run(opened.page)
    assert results.violations_count == 0, results.generate_report()


def test_no_name_breaks_out_of_it(show: Open, look: Assets) -> None:
    """Neither markup nor a script nor a direction of writing comes from a name, in the page and in its maps."""
    plan, content = hostile()
    opened = show(plan_page(content, look, plan))
    opened.page.locator("td[role=gridcell]").first.hover()
    assert opened.complaints == []
    assert opened.page.locator("img").count() == 0
    text = opened.page.locator("body").inner_text()
    assert "<img src=x onerror=alert(1)>" in text
    assert not {"\u202e", "\u200b", "\x1b"} & set(text)
    assert "<img src=x" in explained(opened)


@pytest.mark.parametrize("name", ["receipt", "status"])
def test_no_name_breaks_out_of_a_receipt_or_a_status(name: str, show: Open, look: Assets, keep: Keep) -> None:
    """Nor is one wide enough to push the page out of the window, however wide that is."""
    html = report_page(hostile_report(), look) if name == "receipt" else status_page(hostile_status(), look)
    opened = show(html)
    assert (opened.complaints, len(opened.requests), opened.page.locator("img").count()) == ([], 1, 0)
    text = opened.page.locator("body").inner_text()
    assert "<img src=x onerror=alert(1)>" in text
    assert not {"\u202e", "\u200b", "\x1b"} & set(text)
    for size, (width, height) in SIZES.items():
        opened.page.set_viewport_size({"width": width, "height": height})
        keep(opened, f"hostile-{name}-{size}")
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width, size
        assert max(opened.page.locator(".wide table").evaluate_all(WIDTHS)) <= 1400, size
    assert (opened.complaints, len(opened.requests)) == ([], 1)


def test_its_policy_forbids_what_is_not_its_own(show: Open, page_of_plan: str) -> None:
    """If a name did break out, nothing would run: a handler, a style and a script are put in by force here."""
    forced = page_of_plan.replace(
        "<main",
        '<script>document.title="ran"</script><img src="x" onerror="document.title=1"><main style="color:red"',
        1,
    )
    opened = show(forced)
    assert opened.page.title().startswith("Plan: ")
    assert len([each for each in opened.complaints if "Content Security Policy" in each]) >= 3
    assert opened.page.locator("main").evaluate("element => getComputedStyle(element).color") != "rgb(255, 0, 0)"


def test_a_cell_is_explained_to_the_mouse_and_to_the_keyboard(show: Open, page_of_plan: str) -> None:
    """Where it is, what it is, which call takes it; arrows move, Enter zooms in and Escape out."""
    opened = show(page_of_plan)
    page = opened.page
    page.locator("td[data-row='0'][data-column='8']").first.hover()
    assert explained(opened) == "churn_risk: 11 due, run again; 11 because of this change. Rows 1 to 11."
    page.locator("td[tabindex='0']").first.focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert "Rows 1 to 11 of 420." in page.locator(".where").first.inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    told = explained(opened)
    assert told.startswith(
        "~ churn_risk: due, run again; because of this change. target-accounts/refresh-2026-q4: call "
    )
    assert told.endswith("mode all. Wave 1. Row 2: 00000000-0000-4000-8000-000000000001.")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("churn_risk, 2 · ")
    page.keyboard.press("PageDown")
    assert "Rows 12 to 22 of 420." in page.locator(".where").first.inner_text()
    page.keyboard.press("Escape")
    assert "Rows 1 to 420 of 420, 11 rows a tile." in page.locator(".where").first.inner_text()
    assert page.evaluate("document.activeElement.tagName") == "TD"


def test_filters_narrow_the_maps_and_count(show: Open, page_of_plan: str) -> None:
    """By manifest, label, reason, wave and cause, as the plan itself counts them."""
    _, content = busy()
    calls, select = content["calls"], "#filters select[name={}]".format
    opened = show(page_of_plan)
    every = sum(call["cells"] for call in calls)
    assert found(opened) == f"Everything is shown: {every:,} due cells in 2 tables."
    wanted = {
        ("reason", "failed"): [call for call in calls if call["mode"] == "failed"],
        ("wave", "2"): [call for call in calls if call["wave"] == 2],
        ("cause", "change"): [call for call in calls if call["cause"] == "change"],
    }
    for (name, value), left in wanted.items():
        opened.page.select_option(select(name), value)
        assert left
        assert found(opened) == f"Shown: {sum(call['cells'] for call in left):,} due cells in 2 tables."
        opened.page.click("#clear")
    for name, value in (("manifest", "partners"), ("label", "team=alliances")):
        opened.page.select_option(select(name), value)
        assert found(opened) == "Shown: 0 due cells in 1 table."
        assert opened.page.locator("section.table:visible h2").all_inner_texts() == ["Partners"]
        opened.page.click("#clear")


def test_it_is_readable_without_scripts(show: Open, page_of_plan: str) -> None:
    """Totals, limits, what each run has and why stand in the page itself; filters and maps are not missed."""
    opened = show(page_of_plan, scripts=False)
    text = opened.page.locator("body").inner_text()
    assert "The map needs scripts." in text
    assert "Totals and limits" in text
    assert "An apply of this plan is refused before anything is sent." in text
    assert not opened.page.locator("#filters").is_visible()
    opened.page.locator("summary", has_text="The map in numbers").first.click()
    row = opened.page.locator("tr", has=opened.page.locator("th", has_text="churn_risk"))
    due = sum(call["cells"] for call in busy()[1]["calls"] if call["mode"] == "all")
    assert f"\t{due}\t" in row.last.inner_text()


def test_it_prints_its_maps_and_not_its_controls(show: Open, page_of_plan: str) -> None:
    """Folded parts are opened, so that a print misses nothing."""
    opened = show(page_of_plan)
    opened.page.pdf()
    assert all(opened.page.locator("details").evaluate_all("all => all.map((each) => each.open)"))
    opened.page.emulate_media(media="print")
    assert not opened.page.locator("#filters").is_visible()
    assert opened.page.locator("table[role=grid]").first.is_visible()
    inked = "all => all.map((each) => getComputedStyle(each).printColorAdjust)"
    assert set(opened.page.locator("td[role=gridcell], .key").evaluate_all(inked)) == {"exact"}


def test_a_page_from_a_file_says_what_a_file_does_not_hold(show: Open, look: Assets, keep: Keep) -> None:
    """Its map has the due cells alone, and every one of them."""
    _, content = busy()
    opened = show(plan_page(content, look), width=768)
    keep(opened, "plan-from-a-file")
    assert "A plan file lists the cells that are due" in opened.page.locator("main").inner_text()
    assert opened.page.locator("[data-map]").count() == 1
    assert f"{sum(call['cells'] for call in content['calls']):,} due cells" in found(opened)


def test_tiles_add_up_to_the_table(show: Open, look: Assets, keep: Keep) -> None:
    """A tile of many rows says how many of its cells are of each kind; all tiles together are the whole plan."""
    plan, content = large(5003, 4)
    opened = show(plan_page(content, look, plan))
    keep(opened, "plan-of-5003-rows")
    labels = opened.page.locator("td[role=gridcell]").evaluate_all("all => all.map((each) => each.ariaLabel)")
    words = [part for label in labels for part in label.partition(": ")[2].split(", ")]
    due = sum(int(word.split()[0]) for at, word in enumerate(words) if word.endswith(" due"))
    assert due == content["totals"]["cells"]
    assert opened.page.locator("table[role=grid] tr").count() <= 42
