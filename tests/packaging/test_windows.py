"""`validate` and `plan` on Windows, also as far as another system can show it: without what Windows lacks."""

import json
from pathlib import Path

from tests.journey.desk import Desk
from tests.packaging.without import AS_ON_WINDOWS, run

LEDGER = ("--ledger", "ledger.db")


def test_validate(desk: Desk) -> None:
    """Offline."""
    code, out, err = run(AS_ON_WINDOWS, desk.folder, "validate")
    assert (code, err) == (0, "")
    assert "1 manifest" in out


def test_plan_over_a_ledger_with_files_that_are_there_already(desk: Desk) -> None:
    """The same plan as here, in a file that replaces another one; the console lacks the glyphs."""
    assert desk.run(*LEDGER, "ledger", "init").code == 0
    assert desk.run("plan", *LEDGER, "--out", "here.json").code == 0
    (desk.folder / "plan.json").write_text("old", encoding="utf-8")
    arguments = ("plan", *LEDGER, "--out", "plan.json", "--profile", "profile.json")
    code, out, err = run(AS_ON_WINDOWS, desk.folder, *arguments, simulator=desk.simulator)
    assert (code, err) == (0, "The plan is saved in plan.json.\n")
    assert "target-accounts" in out
    here, there = (json.loads((desk.folder / name).read_text("utf-8")) for name in ("here.json", "plan.json"))
    assert there["tables"] == here["tables"]


def test_apply(desk: Desk) -> None:
    """It is not promised on Windows, but the system lacks nothing that it needs."""
    code, out, err = run(AS_ON_WINDOWS, desk.folder, "apply", "--yes", "--no-wait", *LEDGER, simulator=desk.simulator)
    assert code == 0, err
    assert "accepted" in out
    assert desk.posts()


def test_init(tmp_path: Path) -> None:
    """The way to a first project."""
    assert run(AS_ON_WINDOWS, tmp_path, "init")[0] == 0
    assert run(AS_ON_WINDOWS, tmp_path, "validate")[0] == 0
