"""The front page: short, with a manifest and its plan on its first screen, and true."""

import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from tests.documentation.pages import ROOT, block, page

README = page("README.md")
LONGEST_LINES = 200
FIRST_SCREEN_LINES = 40
LONGEST_MANIFEST_LINES = 10
INSTALLS = (
    "python3 -m venv .venv && .venv/bin/pip install --quiet '.[simulator]' && .venv/bin/reconciler demo",
    "python3 -m venv .venv && .venv/bin/pip install --quiet --editable '.[dev]' && .venv/bin/pytest",
)
"""The commands of the front page that set an environment up. `.ci/run` runs the second one from there."""


def test_it_is_short() -> None:
    """One can read it."""
    assert len(README.text.splitlines()) <= LONGEST_LINES


def test_its_first_screen_shows_a_manifest_and_its_plan() -> None:
    """A short one; that the plan is what the program prints, `test_commands.py` sees."""
    manifest = block("README.md", "yaml", "manifest")
    plan = block("README.md", "console", "front")
    assert manifest.line < plan.line
    assert plan.line + len(plan.text.splitlines()) < FIRST_SCREEN_LINES
    assert len(manifest.text.splitlines()) <= LONGEST_MANIFEST_LINES
    assert plan.text.startswith("$ reconciler plan\ntarget-accounts ")


def test_it_sets_an_environment_up() -> None:
    """With extras that exist."""
    assert tuple(each.text.strip() for each in README.blocks if each.kind == "install") == INSTALLS
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    every = "".join(each.text for each in README.blocks) + README.text
    assert set(re.findall(r"\.\[(\w+)\]'", every)) <= extras.keys()


def test_the_demo_prints_what_it_shows(tmp_path: Path) -> None:
    """In less than ten seconds, and leaves nothing behind."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "reconciler", "demo"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert time.monotonic() - began < 30  # ten seconds on a machine with nothing else to do
    assert list(tmp_path.iterdir()) == []
    assert block("README.md", "text", "demo").text.strip() in done.stdout
