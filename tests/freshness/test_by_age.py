"""`refresh: {every: 30d}` over months: what is stale is bought once, what is fresh or of unknown age is not."""

import json
from datetime import datetime, timedelta

from reconciler.documents.plan_file import plan_id
from reconciler.manifests import json_schema
from tests.freshness.aged_ledger import DAY, MINUTE, later
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, Desk, accounts, row_id

NEWS = f"""\
apiVersion: reconciler/v1
kind: TableRun
metadata:
  name: target-accounts
spec:
  table: {ACCOUNTS}
  runs:
    - name: news
      mode: all
      columns: [news]
      refresh: {{every: 30d}}
"""
EMPTY, DONE, FAILED = (3, 4, 6), (1, 5), (2,)
"""Rows of the accounts table, by what `news` shows of them."""


def an_office(make_desk: MakeDesk, every: str = "30d") -> Desk:
    """Return a desk whose manifest wants no news older than that."""
    desk = make_desk(accounts())
    desk.write(NEWS.replace("30d", every))
    return desk


def apply(desk: Desk) -> None:
    """Apply, and let the table finish."""
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()


def charged(desk: Desk) -> dict[int, int]:
    """Return how often the news of each row was paid for."""
    return {number: times for number in range(1, 7) if (times := desk.charged().get(("news", row_id(number))))}


def due(desk: Desk) -> int:
    """Return how many cells a plan would buy."""
    plan = desk.run("plan", "--format", "json").json
    assert json_schema.problems("plan", plan) == []
    return int(plan["totals"]["cells"])


def skipped(desk: Desk) -> dict[str, int]:
    """Return how many cells a plan leaves alone, by reason."""
    return {skip["reason"]: skip["cells"] for skip in desk.run("plan", "--format", "json").json["skipped"]}


def test_a_year_of_refreshes(make_desk: MakeDesk) -> None:
    """Empty cells at once, the same again when they are thirty days old, and once for all the months missed."""
    desk = an_office(make_desk)
    apply(desk)
    assert charged(desk) == dict.fromkeys(EMPTY, 1)
    apply(desk)
    later(desk, 29 * DAY)
    apply(desk)
    assert charged(desk) == dict.fromkeys(EMPTY, 1)
    later(desk, DAY)
    apply(desk)
    assert charged(desk) == dict.fromkeys(EMPTY, 2)
    later(desk, 300 * DAY)
    apply(desk)
    apply(desk)
    assert charged(desk) == dict.fromkeys(EMPTY, 3)
    ledger = desk.run("ledger", "list", "--format", "json").json
    assert len({call["id"] for call in ledger}) == 3
    assert {(call["mode"], call["revision"]) for call in ledger} == {("all", None)}


def test_what_was_run_outside_the_ledger_is_not_bought_on_a_guess(make_desk: MakeDesk) -> None:
    """Done and failed cells have no age; adoption gives the done ones one, and it counts from the adoption."""
    desk = an_office(make_desk)
    apply(desk)
    later(desk, 90 * DAY)
    assert skipped(desk) == {"age_unknown": len(DONE) + len(FAILED)}
    said = desk.run("import", ACCOUNTS, "--adopt", "by-hand")
    assert (said.code, "add a run" in said.out) == (0, False)
    assert skipped(desk) == {"age_unknown": len(FAILED), "satisfied": len(DONE) + len(EMPTY)}
    later(desk, 30 * DAY)
    apply(desk)
    assert charged(desk) == dict.fromkeys(DONE, 1) | dict.fromkeys(EMPTY, 2)


def test_any_accepted_call_makes_a_cell_fresh(make_desk: MakeDesk) -> None:
    """Of another mode and another run too."""
    desk = an_office(make_desk)
    desk.write(NEWS + "    - {name: retry, mode: failed, columns: [news]}\n")
    apply(desk)
    assert charged(desk) == dict.fromkeys((*EMPTY, *FAILED), 1)
    later(desk, 20 * DAY)
    assert skipped(desk)["age_unknown"] == len(DONE)
    assert due(desk) == 0
    later(desk, 10 * DAY)
    assert due(desk) == len(EMPTY) + len(FAILED)


def test_a_call_in_doubt_is_waited_for_and_then_counts(make_desk: MakeDesk) -> None:
    """Its cells are not bought again however stale they are; once the table shows that it landed, they are fresh."""
    desk = an_office(make_desk)
    apply(desk)
    later(desk, 31 * DAY)
    desk.simulator.fault("close_after", method="POST", path="/v1/tables/*/run", times=1)
    assert desk.run("apply", "--yes", "--no-wait").code == 7
    assert charged(desk) == dict.fromkeys(EMPTY, 2)
    desk.simulator.finish()
    apply(desk)
    assert charged(desk) == dict.fromkeys(EMPTY, 2)
    assert skipped(desk)["satisfied"] == len(EMPTY)


def test_a_saved_plan_drops_what_was_refreshed_meanwhile(make_desk: MakeDesk) -> None:
    """By another apply, which bought some of its cells."""
    desk = an_office(make_desk)
    apply(desk)
    later(desk, 31 * DAY)
    assert desk.run("plan", "--out", "plan.json").code == 0
    desk.write(NEWS + f"      rows: [{row_id(3)}]\n", "elsewhere/accounts.yaml")
    assert desk.run("apply", "--yes", "--no-wait", "elsewhere").code == 0
    desk.simulator.finish()
    assert desk.run("apply", "--no-wait", "--plan", "plan.json").code == 0
    assert charged(desk) == dict.fromkeys(EMPTY, 2)


def test_a_saved_plan_is_single_use_however_soon_its_cells_are_stale_again(make_desk: MakeDesk) -> None:
    """One approval buys a cell once; the next purchase takes a plan of its own."""
    desk = an_office(make_desk, every="1m")
    desk.run("plan", "--out", "plan.json")
    assert desk.run("apply", "--no-wait", "--plan", "plan.json").code == 0
    desk.simulator.finish()
    later(desk, 10 * MINUTE)
    path = desk.folder / "plan.json"
    plan = json.loads(path.read_text())
    plan["created_at"] = (datetime.fromisoformat(plan["created_at"]) - timedelta(minutes=11)).isoformat()
    path.write_text(json.dumps(plan | {"plan_id": plan_id(plan)}))
    assert due(desk) == len(EMPTY)
    assert desk.run("apply", "--no-wait", "--plan", "plan.json").code == 0
    assert charged(desk) == dict.fromkeys(EMPTY, 1)
    apply(desk)
    assert charged(desk) == dict.fromkeys(EMPTY, 2)


def test_a_snapshot_is_planned_as_of_when_it_was_taken(make_desk: MakeDesk) -> None:
    """A cell that became stale since waits for the next plan; an approval is checked against the live tables again."""
    desk = an_office(make_desk)
    apply(desk)
    later(desk, 29 * DAY)
    assert desk.run("snapshot", "--unsigned", "--out", "live.snapshot").code == 0
    live = desk.run("plan", "--format", "json").json
    later(desk, 30 * DAY)
    kept = desk.run("plan", "--live-snapshot", "live.snapshot", "--format", "json").json
    apart = {"created_at", "plan_id", "live"}
    assert {key: part for key, part in kept.items() if key not in apart} == {
        key: part for key, part in live.items() if key not in apart
    }
    assert live["tables"][0]["runs"][0]["next_due"] is not None
    assert due(desk) == len(EMPTY)


def test_status_and_drift_say_when_and_why(make_desk: MakeDesk) -> None:
    """The next cell that falls due, those of unknown age, and what is stale."""
    desk = an_office(make_desk)
    said = desk.run("drift")
    stale, dead_end = said.out.splitlines()
    assert (said.code, stale) == (2, "target-accounts/news: 3 cells are older than 30d, or were never run")
    assert dead_end.startswith("target-accounts/news: dead end: 3 cells were run outside the ledger, so the age is unk")
    apply(desk)
    assert desk.run("drift").code == 0
    document = desk.run("status", "--format", "json").json
    assert json_schema.problems("status", document) == []
    (run,) = document["tables"][0]["runs"]
    begun = desk.run("ledger", "list", "--format", "json").json[0]["begun_at"]
    waited = datetime.fromisoformat(run["next_due"]) - datetime.fromisoformat(begun)
    assert timedelta(days=30) <= waited < timedelta(days=30, seconds=2)
    assert run["age_unknown"] == 3
    shown = desk.run("status").out.splitlines()
    assert shown[0].startswith("1 earlier call has ended")
    at = next(place for place, line in enumerate(shown) if line.endswith("NEXT DUE"))
    head, _, line = shown[at : at + 3]
    assert head.split("  ")[-1] == "NEXT DUE"
    assert "AGE UNKNOWN" in head
    assert line.endswith(" UTC")
    later(desk, 31 * DAY)
    drifted = desk.run("drift", "--format", "json").json
    assert json_schema.problems("drift", drifted) == []
    assert [(cause["reason"], cause["refresh"]) for cause in drifted["causes"]] == [
        (reason, {"every": "30d"}) for reason in ("cells_stale", "age_unknown")
    ]


def test_a_shorter_age_is_the_cause_of_what_it_makes_due(make_desk: MakeDesk) -> None:
    """`plan --against` says so, and what the age was."""
    desk = an_office(make_desk)
    apply(desk)
    later(desk, 20 * DAY)
    before = desk.folder / "before"
    before.mkdir()
    (desk.folder / "manifests").rename(before / "manifests")
    desk.write(NEWS.replace("30d", "7d"))
    plan = desk.run("plan", "--against", "before", "--format", "json").json
    assert {(call["cause"], call["cells"]) for call in plan["calls"]} == {("change", len(EMPTY))}
    assert "30d" in plan["against"]["changes"][0]["text"]
