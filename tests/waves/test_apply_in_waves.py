"""An apply sends wave by wave: what earlier waves brought decides what later ones still buy."""

from collections import Counter
from typing import Any

from reconciler.manifests import json_schema
from tests.journey.desk import ACCOUNTS, PARTNERS, Desk, agent, row_id
from tests.waves.conftest import MakeDesk

RUN: dict[str, Any] = {"method": "POST", "path": f"/v1/tables/{ACCOUNTS}/run", "times": 1}


def table(identity: str, *columns: dict[str, Any], rows: int = 6) -> dict[str, Any]:
    """Return a table of empty cells."""
    first = 100 if identity == PARTNERS else 1
    return {
        "id": identity,
        "name": f"Table {identity[:4]}",
        "columns": [{"kind": "input", "key": "site"}, *columns],
        "rows": [{"id": row_id(number), "data": {"site": "x.example"}} for number in range(first, first + rows)],
    }


def manifest(name: str, identity: str, run: str = "mode: new", *more: str) -> str:
    """Return a manifest with one run, and more lines of its spec."""
    lines = "".join(f"  {line}\n" for line in more)
    head = f"apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {{name: {name}}}\nspec:\n  table: {identity}\n"
    return f"{head}{lines}  runs: [{{{run}}}]\n"


def charged(desk: Desk) -> Counter[str]:
    """Return how many cells of each column were paid for; none of them twice."""
    charges = desk.charged()
    assert set(charges.values()) <= {1}
    return Counter(column for column, _ in charges)


def two_tables(make_desk: MakeDesk) -> Desk:
    """Return a desk with a manifest that another one depends on."""
    desk = make_desk(table(ACCOUNTS, agent("news")), table(PARTNERS, agent("pitch")))
    desk.write(manifest("accounts", ACCOUNTS))
    desk.write(manifest("partners", PARTNERS, "mode: new", "depends_on: [accounts]"), "manifests/partners.yaml")
    return desk


def chain(make_desk: MakeDesk, **news: Any) -> Desk:
    """Return a desk over a table in which one column depends on another."""
    desk = make_desk(table(ACCOUNTS, agent("news", **news), agent("pitch", "On {news}.")))
    desk.write(manifest("accounts", ACCOUNTS))
    return desk


def test_what_failed_upstream_is_not_paid_for_downstream(make_desk: MakeDesk) -> None:
    """Both columns are in the plan; the second buys only the rows in which the first came out."""
    desk = chain(make_desk, fails=0.5)
    plan = desk.run("plan", "--format", "json").json
    assert [(call["column_keys"], call["cells"], call["wave"]) for call in plan["calls"]] == [
        (["news"], 6, 1),
        (["pitch"], 6, 2),
    ]
    report = desk.run("apply", "--yes", "--wait", "--format", "json")
    failed = report.json["totals"]["cells_failed"]
    assert 0 < failed < 6
    assert charged(desk) == {"news": 6, "pitch": 6 - failed}
    (desk.folder / "report.json").write_text(report.out)
    assert f"{failed} cell{'s'[: failed > 1]} blocked by cells that are not done" in " ".join(
        desk.run("show", "report.json").out.split()
    )
    assert desk.run("apply", "--yes", "--wait").code == 0
    assert charged(desk) == {"news": 6, "pitch": 6 - failed}


def test_without_waiting_only_the_first_wave_is_sent(make_desk: MakeDesk) -> None:
    """The rest is left, which is not a failure, and later applies send it."""
    desk = chain(make_desk)
    said = desk.run("apply", "--yes", "--no-wait", "--format", "json", "--detailed-exitcode")
    assert said.code == 2
    assert [(call["address"], call["wave"], call["cells"]) for call in said.json["later"]] == [("accounts/new", 2, 6)]
    assert charged(desk) == {"news": 6}
    desk.simulator.finish()
    assert "later waves left" not in desk.run("apply", "--yes", "--no-wait").out
    assert charged(desk) == {"news": 6, "pitch": 6}
    desk.simulator.finish()
    assert desk.run("apply", "--yes", "--no-wait", "--detailed-exitcode").code == 0


def test_time_that_runs_out_leaves_later_waves(make_desk: MakeDesk) -> None:
    """`--timeout` bounds the waiting of all waves together; what was approved and not sent is named, with exit 6."""
    desk = chain(make_desk)
    said = desk.run("apply", "--yes", "--wait", "--timeout", "0.01")
    assert said.code == 6
    assert "1 table still running" in said.out
    assert "accounts/new: 6 cells approved and not sent: waiting ended before its turn" in said.out
    assert charged(desk) == {"news": 6}


def test_a_saved_plan_is_applied_in_waves(make_desk: MakeDesk) -> None:
    """The file approves all waves; applied again it sends nothing."""
    desk = chain(make_desk)
    desk.run("plan", "--out", "plan.json")
    assert desk.run("apply", "--plan", "plan.json", "--wait").code == 0
    assert charged(desk) == {"news": 6, "pitch": 6}
    assert desk.run("apply", "--plan", "plan.json", "--wait", "--detailed-exitcode").code == 0
    assert charged(desk) == {"news": 6, "pitch": 6}


def test_a_manifest_is_sent_once_the_one_before_it_has_ended(make_desk: MakeDesk) -> None:
    """In order, each cell once."""
    desk = two_tables(make_desk)
    assert desk.run("apply", "--yes", "--wait").code == 0
    assert charged(desk) == {"news": 6, "pitch": 6}
    paths = [path for method, path, _ in desk.simulator.requests() if method == "POST"]
    assert paths == [f"/v1/tables/{table}/run" for table in (ACCOUNTS, PARTNERS)]
    assert desk.run("apply", "--yes", "--wait", "--detailed-exitcode").code == 0


def test_nothing_follows_a_call_that_was_refused(make_desk: MakeDesk) -> None:
    """Calls that depend on it are not tried and say why, and the exit code is 6."""
    desk = two_tables(make_desk)
    desk.simulator.fault("status", status=422, **RUN)
    said = desk.run("apply", "--yes", "--wait", "--format", "json")
    assert said.code == 6
    first, second = said.json["calls"]
    assert (first["state"], second["state"]) == ("refused", "not_attempted")
    assert second["detail"].endswith("of `accounts`, which comes first, was refused")
    assert charged(desk) == {}


def test_nothing_follows_a_call_in_doubt(make_desk: MakeDesk) -> None:
    """It may be running, so what depends on it waits; the exit code is 7, and the next apply goes on."""
    desk = two_tables(make_desk)
    desk.simulator.fault("close_after", **RUN)
    assert desk.run("apply", "--yes", "--wait").code == 7
    assert charged(desk) == {"news": 6}
    desk.simulator.finish()
    assert desk.run("apply", "--yes", "--wait").code == 0
    assert charged(desk) == {"news": 6, "pitch": 6}


def test_tables_that_cannot_be_read_between_two_waves_end_the_apply(make_desk: MakeDesk) -> None:
    """The report comes out all the same, with the rest not tried and the reason why."""
    desk = two_tables(make_desk)
    # Every look at the second table but the first.
    desk.simulator.fault("status", method="GET", path=f"/v1/tables/{PARTNERS}", status=403, skip=1)
    said = desk.run("apply", "--yes", "--wait", "--format", "json")
    assert said.code == 6
    assert said.json["stopped"]["cause"] == "look"
    assert [call["state"] for call in said.json["calls"]] == ["accepted", "not_attempted"]
    assert charged(desk) == {"news": 6}


def test_a_first_portion_that_is_good_lets_the_rest_follow(make_desk: MakeDesk) -> None:
    """Two rows go first, then the other four; another apply finds nothing to do."""
    desk = make_desk(table(ACCOUNTS, agent("news")))
    desk.write(manifest("accounts", ACCOUNTS, "mode: new, rollout: {first: 2, max_failed: 20%}"))
    assert desk.run("apply", "--yes", "--wait").code == 0
    assert [len(body["rows"]) for body in desk.posts()] == [2, 4]
    assert charged(desk) == {"news": 6}
    assert desk.run("apply", "--yes", "--wait", "--detailed-exitcode").code == 0


def test_a_first_portion_that_fails_holds_the_rest_back(make_desk: MakeDesk) -> None:
    """The run stops with its figures and exit code 6, in later applies too, until the rollout allows more."""
    desk = make_desk(table(ACCOUNTS, agent("news", fails=1.0)))
    run = "mode: new, rollout: {first: 2, max_failed: 20%}"
    desk.write(manifest("accounts", ACCOUNTS, run))
    said = desk.run("apply", "--yes", "--wait")
    assert said.code == 6
    assert (
        "accounts/new: 2 of 2 cells of the first portion failed, and at most 20 % may. 4 cells held back." in said.out
    )
    again = desk.run("apply", "--yes", "--wait", "--format", "json")
    assert again.code == 6
    assert [(held["cells"], held["tried"], held["failed"]) for held in again.json["held_back"]] == [(4, 2, 2)]
    assert charged(desk) == {"news": 2}
    desk.write(manifest("accounts", ACCOUNTS, run.replace("20%", "100%")))
    desk.run("apply", "--yes", "--wait")
    assert charged(desk) == {"news": 6}


def test_what_depends_on_a_manifest_that_is_held_back_waits(make_desk: MakeDesk) -> None:
    """Nothing is bought on the strength of what failed; the status tells both."""
    desk = make_desk(table(ACCOUNTS, agent("news", fails=1.0)), table(PARTNERS, agent("pitch")))
    run = "mode: new, rollout: {first: 2, max_failed: 20%}"
    desk.write(manifest("accounts", ACCOUNTS, run))
    desk.write(manifest("partners", PARTNERS, "mode: new", "depends_on: [accounts]"), "manifests/partners.yaml")
    for _ in range(2):
        assert desk.run("apply", "--yes", "--wait").code == 6
        assert charged(desk) == {"news": 2}
    status = desk.run("status", "--format", "json").json
    assert json_schema.problems("status", status) == []
    assert [(of["held_back"], of["behind"]) for each in status["tables"] for of in each["runs"]] == [(4, 0), (0, 6)]
    assert "HELD BACK  WAITING" in desk.run("status").out
    desk.write(manifest("accounts", ACCOUNTS, run.replace("20%", "100%")))
    desk.run("apply", "--yes", "--wait")
    assert charged(desk) == {"news": 6, "pitch": 6}


def test_a_portion_is_judged_by_the_next_apply_without_waiting(make_desk: MakeDesk) -> None:
    """The ledger remembers what was tried: the second apply looks at it and sends the rest, or nothing."""
    desk = make_desk(table(ACCOUNTS, agent("news", fails=1.0)), table(PARTNERS, agent("pitch")))
    run = "mode: new, rollout: {first: 2, max_failed: 20%}"
    desk.write(manifest("accounts", ACCOUNTS, run))
    desk.write(manifest("partners", PARTNERS, run), "manifests/partners.yaml")
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert charged(desk) == {"news": 2, "pitch": 2}
    desk.simulator.finish()
    assert desk.run("apply", "--yes", "--no-wait").code == 6
    assert charged(desk) == {"news": 2, "pitch": 6}
