"""Rules of a project's own over its plan files: those of `examples/policy`. `tests/documentation` runs its commands."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from reconciler.simulator.world.workspace_file import load
from tests.examples.rego_runner import Verdict, verdict
from tests.journey.desk import Desk

EXAMPLES = Path(__file__).parents[2] / "examples"
NO_TIER = "target-accounts/fill: a cell of deep_research costs 5 credits, for which it needs the label `tier: research`"


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    """The example's folder, with a copy of it to compare with, over the simulator."""
    shutil.copytree(EXAMPLES / "policy", tmp_path, dirs_exist_ok=True)
    shutil.copytree(EXAMPLES / "policy", tmp_path / "base")
    with serve(load(EXAMPLES / "workspace.yaml"), clock=ManualClock()) as simulator:
        yield Desk(tmp_path, simulator, capsys)


def planned(desk: Desk, *edits: tuple[str, str]) -> Any:
    """Replace texts of the manifest, and return the plan file."""
    file = desk.folder / "manifests" / "accounts.yaml"
    text = (desk.folder / "base" / "manifests" / "accounts.yaml").read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    said = desk.run("plan", "--against", "base", "--out", "plan.json")
    assert said.code == 0, said.err
    return json.loads((desk.folder / "plan.json").read_text(encoding="utf-8"))


def judged(content: Any) -> Verdict:
    """Ask the example's rules."""
    return verdict(EXAMPLES / "policy" / "rules", content)


def test_the_example_passes_and_each_rule_refuses_what_it_is_about(desk: Desk) -> None:
    """Labels, prices, the cause of calls, the balance and the forecast, from plans as they are made."""
    plain = planned(desk)
    assert judged(plain) == Verdict([], [])
    assert judged(planned(desk, ("tier: research", "tier: cheap"))) == Verdict([NO_TIER], [])
    assert judged(planned(desk, ("team: gtm, ", ""))).deny == ["target-accounts: give it a label `team`"]
    assert judged(planned(desk, ("30d", "10d"))) == Verdict([], ["schedules will cost 38 credits a month more"])
    whole = planned(
        desk, ("mode: new\n      columns: [latest_funding, deep_research]", "mode: all\n      revision: r1")
    )
    assert judged(whole).deny == ["the change causes calls for 472 credits, and 150 may come at once"]
    whole["balance"] |= {"available": 450, "after": 30}
    assert "30 of 450 credits would be left" in judged(whole).deny
    plain["calls"][0] |= {"address": "target-accounts/fill", "prices": {"notes": None}, "credits": None}
    assert judged(plain).deny == ["target-accounts/fill: a cell of notes has no known price"]
    for unknown in ({"available": None, "after": None}, {"available": 500, "after": None}):
        plain["balance"] |= unknown
        assert len(judged(plain).deny) == 1
