"""A real browser for pages: a Chromium of the system's, driven through its DevTools, without a network."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from reconciler.cli.pages import assets
from reconciler.render.page.shell import Assets

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""Options that keep a browser from asking its maker's servers."""


@dataclass
class Opened:
    """A page that a browser shows, and what it did meanwhile."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors, refusals of the page's policy, and dialogs."""
    requests: list[str] = field(default_factory=list)
    """Everything that was asked for."""


Open = Callable[..., Opened]
Keep = Callable[[Opened, str], None]


@pytest.fixture(scope="session")
def keep(pytestconfig: pytest.Config) -> Keep:
    """Return a function that keeps a picture of a page in the folder of `--pictures`; without one it does nothing."""
    named = pytestconfig.getoption("--pictures")

    def keep(opened: Opened, name: str) -> None:
        if named:
            opened.page.screenshot(path=Path(named) / f"{name}.png", full_page=True)

    return keep


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser for one module: its loop runs in this thread, where other tests must not find it."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"needs a browser: install Debian's package chromium, or another of {', '.join(PROGRAMS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens a page's text as the file that a CI would keep, in a window of any size."""
    contexts = []

    def show(html: str, *, width: int = 1280, height: int = 900, scheme: str = "light", scripts: bool = True) -> Opened:
        file = tmp_path / "page.html"
        file.write_text(html, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=scripts,
            offline=True,
        )
        contexts.append(context)
        opened = Opened(context.new_page())
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on("console", lambda message: opened.complaints.append(message.text))
        opened.page.on("dialog", lambda dialog: opened.complaints.append(dialog.message))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.goto(file.as_uri())
        if scripts and 'id="data"' in html:
            opened.page.wait_for_selector("html[data-ready]")
        return opened

    yield show
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def look() -> Assets:
    """Return the style and script of every page."""
    return assets()
