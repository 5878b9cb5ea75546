"""The receipt after an apply: what was planned and what became of it, by manifest, in JSON and Markdown."""

import json
from pathlib import Path
from typing import Any

from reconciler.manifests import json_schema
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, FILL, PARTNERS, Desk, accounts

SECOND = FILL.replace("target-accounts", "partners").replace(ACCOUNTS, PARTNERS)


def both(make_desk: MakeDesk, **serving: Any) -> Desk:
    """Return a desk over two tables with a manifest each."""
    partners = json.loads(json.dumps(accounts()).replace("-b000-", "-b001-").replace(ACCOUNTS, PARTNERS))
    desk = make_desk(accounts(), {**partners, "name": "Partners"}, **serving)
    desk.write(FILL)
    desk.write(SECOND, "manifests/partners.yaml")
    return desk


def test_what_was_bought_by_manifest(make_desk: MakeDesk) -> None:
    """Planned against requested cells and credits; there was no waiting, so nothing is said of done and failed."""
    desk = both(make_desk)
    said = desk.run("apply", "--yes", "--no-wait", "--format", "json", "--out", "report.json")
    assert said.code == 0
    assert json.loads((desk.folder / "report.json").read_text()) == said.json
    assert json_schema.problems("report", said.json) == []
    assert sum(desk.charged().values()) == len(desk.charged())
    assert [(each["manifest"], each["cells_planned"]) for each in said.json["by_manifest"]] == [
        ("partners", 8),
        ("target-accounts", 8),
    ]
    assert said.json["by_manifest"][0] == {
        "manifest": "partners",
        "calls": 3,
        "cells_planned": 8,
        "cells_requested": 8,
        "cells_refused": 0,
        "cells_not_sent": 0,
        "cells_in_doubt": 0,
        "cells_done": None,
        "cells_failed": None,
        "cells_not_started": None,
        "credits_planned": 8,
        "credits": 8,
    }


def test_what_became_of_it_after_waiting(make_desk: MakeDesk) -> None:
    """Done and failed add up to what was requested, and stand in the Markdown too."""
    desk = both(make_desk, clock=None, speed=30)
    said = desk.run("apply", "--yes", "--wait", "--timeout", "60", "--format", "markdown", "--out", "report.json")
    content = json.loads((desk.folder / "report.json").read_text())
    assert said.out.startswith("### Applied: 6 calls accepted, 16 cells, 16 credits\n")
    for each in content["by_manifest"]:
        found = [each[key] for key in ("cells_done", "cells_failed", "cells_not_started")]
        assert sum(found) == each["cells_requested"] == 8
        assert f"| `{each['manifest']}` | 8 | 8 | 0 | 0 | 0 | {' | '.join(map(str, found))} | 8 |" in said.out
    assert sum(each["cells_failed"] for each in content["by_manifest"]) == content["totals"]["cells_failed"]


def test_refused_doubtful_and_untried_cells(make_desk: MakeDesk) -> None:
    """Each is counted where it belongs, and only what was accepted costs."""
    desk = both(make_desk)
    desk.simulator.fault("status", "POST", f"/v1/tables/{PARTNERS}/**", status=422)
    desk.simulator.fault("close_after", "POST", f"/v1/tables/{ACCOUNTS}/**")
    said = desk.run("apply", "--yes", "--no-wait", "--format", "json")
    assert said.code == 7
    partners, target = said.json["by_manifest"]
    assert (partners["cells_refused"], partners["cells_requested"], partners["credits"]) == (3, 0, 0)
    assert partners["cells_not_sent"] == 5  # the table's other calls are not tried
    assert target["cells_in_doubt"] > 0
    assert target["credits"] == 0
    for each in said.json["by_manifest"]:
        parts = ("cells_requested", "cells_refused", "cells_not_sent", "cells_in_doubt")
        assert sum(each[part] for part in parts) == each["cells_planned"]


def test_the_jobs_summary(make_desk: MakeDesk, tmp_path: Path) -> None:
    """Gets the receipt that stdout shows."""
    desk = both(make_desk)
    summary = tmp_path / "summary.md"
    desk.extra["GITHUB_STEP_SUMMARY"] = str(summary)
    said = desk.run("apply", "--yes", "--no-wait", "--format", "markdown")
    assert summary.read_text() == said.out + "\n"


def test_a_file_and_a_page_at_once(desk: Desk) -> None:
    """`--out` twice: each name has the form of its ending, and stdout stays the text."""
    said = desk.run("apply", "--yes", "--no-wait", "--out", "r.json", "--out", "r.html")
    assert said.code == 0
    assert json_schema.problems("report", json.loads((desk.folder / "r.json").read_text())) == []
    page = (desk.folder / "r.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "target-accounts/fill" in page
    assert "Applied: 3 calls accepted" in said.out
