"""Large work as a person sees it: progress while it is read, a profile afterwards, a text that stays short."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.console import Console
from reconciler.cli.progress import Reading
from reconciler.documents import plan_file
from reconciler.model.limits import Limits
from reconciler.model.manifest import Mode
from reconciler.model.observed import CellCounts
from reconciler.model.plan import Plan, PlannedRun, PlannedTable, Skip, SkipReason
from reconciler.model.reading import ReadCost, ReadProgress
from reconciler.operations.profile import Phase, Profile
from reconciler.render.colour import plain
from reconciler.render.plan_text import PlanView, plan_text
from reconciler.text.digest import digest, digest_of_parts
from tests.documents.test_plan_file import ORIGIN, plan_of
from tests.journey.desk import FILL, Desk, accounts
from tests.planning.tables_and_manifests import a_call

QUIET_FLAGS = {"quiet": False, "verbose": False, "log_format": "text", "no_color": True}


def told(
    capsys: pytest.CaptureFixture[str], steps: list[tuple[float, ReadProgress]], **flags: Any
) -> tuple[str, list[str]]:
    """Feed a reading with what it showed at each moment; return its last words on stderr and all lines."""
    now = 0.0
    with Reading(Console({**QUIET_FLAGS, **flags}), lambda: now) as reading:
        for moment, progress in steps:
            now = moment
            reading.take(progress)
    lines = capsys.readouterr().err.splitlines()
    return (lines[-1] if lines else ""), lines


LONG = [(moment / 2, ReadProgress(moment // 4, 20, moment * 100, moment * 10, 8000, 20)) for moment in range(80)]


def test_where_no_person_watches_a_line_comes_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """With tables, rows, requests a second and the time that is left."""
    _, lines = told(capsys, LONG)
    assert len(lines) == 3
    assert lines[0] == "Reading: 5 of 20 tables, 2,000 rows, 20 requests/s, about 30 s left."


def test_a_short_reading_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither does a quiet program."""
    assert told(capsys, LONG[:20])[1] == []
    assert told(capsys, LONG, quiet=True)[1] == []


def test_a_log_in_json_gets_events(capsys: pytest.CaptureFixture[str]) -> None:
    """The same figures by name."""
    last, lines = told(capsys, LONG, log_format="json")
    assert len(lines) == 3
    event = json.loads(last)
    assert (event["event"], event["tables_done"], event["tables"], event["rows"]) == ("reading", 15, 20, 6000)
    assert (event["requests"], event["requests_per_second"], event["seconds_left"]) == (600, 20.0, 10.0)


def test_a_profile_says_where_the_time_went(make_desk: Any) -> None:
    """Its keys are fixed; the phases are those that there are; no id stands in it."""
    desk: Desk = make_desk(accounts())
    desk.write(FILL)
    for command in (["plan"], ["apply", "--yes", "--no-wait"]):
        assert desk.run(*command, "--profile", "profile.json").code == 0
        text = (desk.folder / "profile.json").read_text(encoding="utf-8")
        found = json.loads(text)
        assert list(found) == [
            "format_version", "tool_version", "python", "command", "seconds", "phases", "reading", "sizes",
        ]  # fmt: skip
        assert list(found["phases"]) == [phase.value for phase in Phase]
        assert found["command"] == command[0]
        assert found["reading"]["requests"] == 3  # the table twice, and who would pay
        assert found["phases"]["reading"] > 0
        assert (found["phases"]["sending"] > 0) == (command[0] == "apply")
        assert "0a1a669a" not in text


def test_a_profile_adds_up_by_phase() -> None:
    """By the clock it is given."""
    now = [0.0]
    profile = Profile(lambda: now[0])
    for seconds in (2.0, 3.0):
        with profile.phase(Phase.PLANNING):
            now[0] += seconds
    found = profile.document("plan", ReadCost(), {})
    assert (found["seconds"], found["phases"]["planning"], found["phases"]["reading"]) == (5.0, 5.0, 0.0)


def large_plan(tables: int) -> Plan:
    """Return a plan of many tables; the higher its number, the more a table has due."""
    calls = [
        a_call(number, rows=[f"row-{row}" for row in range(number)], address=f"t{number:04}/new", table=str(number))
        for number in range(1, tables)
    ]
    run = PlannedRun("", Mode.NEW, None, 3, 1, 9)
    return Plan(
        "",
        tables=tuple(
            PlannedTable(f"t{number:04}", str(number), "T", "idle", True, 9, "", CellCounts(),
                         (replace(run, address=f"t{number:04}/new"),))
            for number in range(tables)
        ),
        calls=tuple(calls),
    )  # fmt: skip


def test_a_large_plan_is_told_shortly() -> None:
    """The sums first and last, the twenty largest tables in their order, the rest in a line; `-v` lists all."""
    text = plan_text(large_plan(1000), Limits(), (), plain)
    lines = text.splitlines()
    assert lines[0] == "Plan: 1,000 tables, 999 calls, 499,500 cells, 499,500 credits."
    assert [line[:5] for line in lines if line.startswith("t0")] == [f"t{number:04}" for number in range(980, 1000)]
    assert "… and 979 more tables: 979 calls, 479,710 cells, 479,710 credits" in lines
    assert f"{lines[0]} Nothing was sent." in lines
    assert "· t0000: nothing due" in lines
    assert len(lines) < 80
    whole = plan_text(large_plan(1000), Limits(), (), plain, view=PlanView(lists_all=True)).splitlines()
    assert len([line for line in whole if line.startswith("t0")]) == 1000


def test_everything_at_rest_is_one_line() -> None:
    """However much that is, beside what is due."""
    plan = replace(large_plan(60), calls=large_plan(60).calls[-2:])
    lines = plan_text(plan, Limits(), (), plain).splitlines()
    assert [line for line in lines if line.startswith(("t", "·"))] == [
        "t0058   T · 9 rows · idle",
        "t0059   T · 9 rows · idle",
        "· 58 manifests: nothing due (-v lists them)",
    ]


def test_a_plan_of_twenty_tables_is_told_whole() -> None:
    """Nothing is left out before it has to be."""
    text = plan_text(large_plan(20), Limits(), (), plain)
    assert "more table" not in text
    assert text.count("Plan:") == 1


def test_an_unread_table_among_others_says_what_is_known() -> None:
    """Done or failed: it was not read which."""
    plan = replace(large_plan(3), skipped=(Skip("t0000/new", SkipReason.NOT_DUE, 9, "0"),))
    assert "· t0000: nothing due" in plan_text(plan, Limits(), (), plain)
    text = plan_text(plan, Limits(), (), plain, view=PlanView(lists_all=True))
    assert "nothing due · 9 cells done or failed, by the table's header; its rows were not read" in text


def test_the_streamed_file_is_the_file() -> None:
    """Byte for byte what `json.dumps` would have made of it, in pieces."""
    content = plan_file.document(plan_of(), ORIGIN)
    assert "".join(plan_file.iter_json(content)) == json.dumps(content, indent=2, ensure_ascii=True) + "\n"
    large = {"calls": [{"rows": ["x" * 36] * 100}] * 200}
    pieces = list(plan_file.iter_json(large))
    assert len(pieces) > 2
    assert "".join(pieces) == json.dumps(large, indent=2) + "\n"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.decimals(0, 9, places=1).map(float),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), values, max_size=5))
def test_the_digest_by_parts_is_the_digest(content: dict[str, Any]) -> None:
    """A plan keeps the identity it always had."""
    assert digest_of_parts(content) == digest(content)


def test_the_price_of_what_is_left_out_is_unknown_where_one_is() -> None:
    """Never too low."""
    plan = large_plan(50)
    calls = (replace(plan.calls[0], credits=None), *plan.calls[1:])
    text = plan_text(replace(plan, calls=calls), Limits(), (), plain)
    assert "… and 29 more tables: 29 calls, 435 cells, credits unknown" in text
    assert Decimal(435) == sum(range(30))
