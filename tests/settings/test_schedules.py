"""Standing approvals in the project file: what is read, and what is refused at its line."""

from decimal import Decimal
from pathlib import Path

import pytest

from reconciler.errors import ManifestError
from reconciler.model.limits import Limit, Limits
from reconciler.model.manifest import Calendar
from reconciler.model.schedule import Schedule
from reconciler.settings.project_file import load_project

HEAD = "apiVersion: reconciler/v1\nkind: Project\nspec:\n  schedules:\n"


def file(folder: Path, text: str) -> Path:
    """Write a project file with schedules."""
    path = folder / "reconciler.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def test_a_schedule_is_read_with_where_its_cap_stands(tmp_path: Path) -> None:
    """By name; a message about the cap names its line, which is whose merge allowed it."""
    path = file(
        tmp_path,
        "    weekly: {at: 0 6 * * 1, max_credits: 0.5}\n"
        "    nightly:\n"
        "      at: 0 3 * * *\n"
        "      timezone: Europe/Berlin\n"
        "      target: [team=gtm]\n"
        "      max_credits: 200\n"
        "      max_cells: 9\n"
        "      workspace: gtm\n",
    )
    nightly, weekly = load_project(path).schedules
    assert nightly == Schedule(
        name="nightly",
        at=Calendar("0 3 * * *", "Europe/Berlin"),
        cap=Limits(
            max_credits=Limit(Decimal(200), f"{path.as_posix()}:10 (spec.schedules.nightly.max_credits)"),
            max_cells=Limit(Decimal(9), f"{path.as_posix()}:11 (spec.schedules.nightly.max_cells)"),
        ),
        target=("team=gtm",),
        workspace="gtm",
    )
    assert (weekly.at.timezone, weekly.target, weekly.workspace, weekly.cap.max_cells) == ("UTC", (), "default", None)
    assert nightly.key == "gtm/nightly"


@pytest.mark.parametrize(
    ("entry", "place", "said"),
    [
        ("{at: 0 3 * * *}", "5:8", "max_credits"),
        ("{max_credits: 1}", "5:8", "at"),
        ("{at: '*/15 * * * * *', max_credits: 1}", "5:13", "it has 6 fields instead of five"),
        ("{at: 0 3 31 2 *, max_credits: 1}", "5:13", "never comes"),
        ("{at: 0 3 * * *, timezone: Berlin, max_credits: 1}", "5:34", "no time zone `Berlin`"),
        ("{at: 0 3 * * *, max_credits: -1}", "5:37", "max_credits"),
        ("{at: 0 3 * * *, max_credits: 0.1234567}", "5:37", "at most 6 decimal places"),
        ("{at: 0 3 * * *, max_credits: 1, max_credit: 2}", "5:40", "max_credit"),
        ("{at: 0 3 * * *, max_credits: 1, workspace: a/b}", "5:51", "workspace"),
        ("7", "5:8", "a"),
    ],
)
def test_what_is_no_standing_approval_is_refused_at_its_line(tmp_path: Path, entry: str, place: str, said: str) -> None:
    """Without a cap there is none; a calendar has five fields, so seconds are not meant by accident."""
    with pytest.raises(ManifestError) as refused:
        load_project(file(tmp_path, f"    a: {entry}\n"))
    (problem,) = refused.value.problems
    assert said in problem.message
    assert str(problem.location).endswith(f"reconciler.yaml:{place}")
