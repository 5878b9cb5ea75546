"""How long a page with a map of 2 million cells takes: to be made, to be opened, and to answer a click."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from playwright.sync_api import Page, sync_playwright

from reconciler.cli.pages import assets
from reconciler.render.page.plan_page import plan_page
from tests.pages.conftest import PROGRAMS, QUIET
from tests.pages.worlds import large

ZOOM = """() => {
  const start = performance.now();
  document.querySelector("td[role=gridcell]").click();
  document.querySelector("table[role=grid]").getBoundingClientRect();
  return performance.now() - start;
}"""
FILTER = """() => {
  const start = performance.now();
  const select = document.querySelector("#filters select[name=reason]");
  select.value = "new";
  select.dispatchEvent(new Event("change", { bubbles: true }));
  document.querySelector("table[role=grid]").getBoundingClientRect();
  return performance.now() - start;
}"""


@dataclass(frozen=True)
class PageFigures:
    """Medians, in seconds."""

    made: float
    opened: float
    """From the file to the last tile of the first view."""
    zoomed: float
    filtered: float
    """With the whole table in view."""
    size_bytes: int


def measure(repeats: int, rows: int = 100_000, columns: int = 20) -> PageFigures | None:
    """Return the figures of a table of that size; None where there is no browser."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        return None
    plan, content = large(rows, columns)
    look, made, found = assets(), [], []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        file = Path(folder) / "page.html"
        for _ in range(repeats):
            start = perf_counter()
            file.write_text(plan_page(content, look, plan), encoding="utf-8")
            made.append(perf_counter() - start)
            page = browser.new_page()
            found.append(_opened(page, file))
            page.close()
        browser.close()
        size = file.stat().st_size
    opened, filtered, zoomed = (median(each) for each in zip(*found, strict=True))
    return PageFigures(median(made), opened, zoomed, filtered, size)


def _opened(page: Page, file: Path) -> tuple[float, float, float]:
    start = perf_counter()
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]")
    return perf_counter() - start, page.evaluate(FILTER) / 1000, page.evaluate(ZOOM) / 1000
