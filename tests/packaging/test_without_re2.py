"""Without google-re2, which has no wheel for every system: only manifests with `matches` need it, and say so."""

from pathlib import Path

import pytest

from tests.journey.desk import FILL, Desk
from tests.packaging.without import NO_RE2, run

ROWS = "      rows: {where: {column: site, matches: '^1'}}\n"
PYRE2 = "import types; sys.modules['re2'] = types.ModuleType('re2')"


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_a_manifest_without_matches_needs_no_engine(desk: Desk, command: str) -> None:
    """The way of most manifests."""
    code, _, err = run(NO_RE2, desk.folder, command, simulator=desk.simulator)
    assert (code, err) == (0, "")


@pytest.mark.parametrize("lacking", [NO_RE2, PYRE2], ids=["none", "another one of that name"])
@pytest.mark.parametrize("command", ["validate", "plan"])
def test_one_with_matches_is_told_at_its_line_how_to_get_it(desk: Desk, command: str, lacking: str) -> None:
    """Exit 1, and no table was read."""
    desk.write(FILL.replace("mode: new\n", f"mode: new\n{ROWS}"))
    code, out, err = run(lacking, desk.folder, command, simulator=desk.simulator)
    assert (code, out, desk.simulator.requests()) == (1, "", [])
    place, way_out, _ = err.splitlines()
    assert place == (
        "manifests/accounts.yaml:11:45: E209 `matches` needs the library google-re2, which is not installed here"
    )
    assert way_out.startswith("  Run `pip install google-re2`")


def test_the_demo_needs_no_engine(tmp_path: Path) -> None:
    """It is the first thing that a user runs, on Alpine too."""
    code, out, _ = run(NO_RE2, tmp_path, "demo")
    assert code == 0
    assert "Plan again." in out
