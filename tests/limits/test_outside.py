"""Spending outside the ledger: another client spends and runs cells, and each credit and cell is reported."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from reconciler.manifests import json_schema
from tests.journey.desk import ACCOUNTS, FILL, Desk, row_id
from tests.limits.test_account import ADesk, a_desk

__all__ = ["a_desk"]


@contextmanager
def another_client(desk: Desk) -> Iterator[httpx.Client]:
    """Return a client of someone else's, with the same token."""
    there = desk.simulator.environment()
    head = {"Authorization": f"Bearer {there['EXTRUCT_API_TOKEN']}"}
    with httpx.Client(base_url=there["EXTRUCT_API_URL"], headers=head, trust_env=False) as client:
        yield client


def run_outside(desk: Desk, rows: list[str], key: str = "news", mode: str = "all") -> None:
    """Run cells as a person does in the dashboard."""
    with another_client(desk) as client:
        columns = {each["config"]["key"]: each["id"] for each in client.get(f"/v1/tables/{ACCOUNTS}").json()["columns"]}
        body = {"mode": mode, "rows": rows, "columns": [columns[key]]}
        assert client.post(f"/v1/tables/{ACCOUNTS}/run", json=body).status_code == 200
    desk.simulator.finish()


def reconciled(desk: Desk, *more: str) -> Any:
    """Return what `ledger reconcile` says as JSON."""
    said = desk.run("ledger", "reconcile", "--format", "json", *more)
    assert said.code == 0, said.err
    assert json_schema.problems("reconciliation", said.json) == []
    return said.json


def test_credits_that_someone_else_spent_are_told(a_desk: ADesk) -> None:
    """In the interval in which they went, and no others; the sums are the simulator's own account of charges."""
    desk = a_desk({"billing": {"credits": 100}})
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    assert (reconciled(desk)["ours"], reconciled(desk)["outside"], reconciled(desk)["refunded"]) == (8, 0, 0)
    run_outside(desk, [row_id(1), row_id(2), row_id(3)])
    found = reconciled(desk)
    assert (found["ours"], found["outside"], found["refunded"]) == (8, 3, 0)
    assert found["balance"] == {"from": 100, "to": 89}
    assert sum(desk.charged().values()) == found["ours"] + found["outside"] == 11
    said = desk.run("ledger", "reconcile").out
    assert ["outside", "3"] in [line.split() for line in said.splitlines()]
    assert "3 credits were spent outside from " in said


def test_what_came_after_the_last_balance_is_in_no_interval(a_desk: ADesk) -> None:
    """With `--until` only the balances of applies are compared: what the last of them bought is not given back."""
    desk = a_desk({"billing": {"credits": 100}})
    for keys in ("[news]", "[notes]"):
        desk.write(FILL.replace("    - name: retry", f"      columns: {keys}\n    - name: retry"))
        assert desk.run("apply", "--yes", "--no-wait", "--target", "*/fill").code == 0
        desk.simulator.finish()
    found = reconciled(desk, "--until", "2099-01-01")
    (one,) = found["intervals"]
    assert (found["outside"], found["refunded"]) == (0, 0)
    assert found["ours"] == one["ours"] == 100 - found["balance"]["to"] < sum(desk.charged().values())


def test_a_top_up_hides_nothing_that_an_earlier_balance_shows(a_desk: ADesk) -> None:
    """Each interval is told by itself: 3 went outside before the second apply, and 50 came after it."""
    desk = a_desk({"billing": {"credits": 100}})
    one, rest = FILL.replace("    - name: retry", "      columns: [news]\n    - name: retry"), FILL
    desk.write(one)
    assert desk.run("apply", "--yes", "--no-wait", "--target", "*/fill").code == 0
    desk.simulator.finish()
    run_outside(desk, [row_id(1), row_id(2), row_id(3)])
    desk.write(rest)
    assert desk.run("apply", "--yes", "--no-wait", "--target", "*/fill").code == 0
    desk.simulator.finish()
    balance = 100 - sum(desk.charged().values())
    desk.simulator.fault("credits", balance=balance + 50, times=1)
    found = reconciled(desk)
    assert (found["outside"], found["refunded"], found["balance"]["to"]) == (3, 50, balance + 50)
    assert [each["outside"] for each in found["intervals"]] == [3, 0]
    assert found["ours"] == sum(desk.charged().values()) - 3


def test_cells_that_the_ledger_never_bought_are_counted_by_table(a_desk: ADesk) -> None:
    """Done by hand before or since; adopted ones are known, and what an apply bought is ours."""
    desk = a_desk({"billing": {"credits": 100}})
    done_by_hand = 4
    assert [table["cells"] for table in reconciled(desk)["tables"]] == [done_by_hand]
    assert desk.run("ledger", "adopt", "--as", "r0").code == 0
    assert reconciled(desk)["tables"] == []
    run_outside(desk, [row_id(4)], "news", "new")
    assert [(table["table_id"], table["cells"]) for table in reconciled(desk)["tables"]] == [(ACCOUNTS, 1)]
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    assert [table["cells"] for table in reconciled(desk)["tables"]] == [1]
    assert "1 cell is done that the ledger never bought" in desk.run("ledger", "reconcile").out


def test_drift_tells_what_happened_outside_if_asked(a_desk: ADesk) -> None:
    """It reads only; by itself it does not make the exit code 2."""
    desk = a_desk({"billing": {"credits": 100}})
    assert desk.run("ledger", "adopt", "--as", "r0").code == 0
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    assert desk.run("drift", "--outside").out == ""
    run_outside(desk, [row_id(1), row_id(2)])
    with another_client(desk) as client:
        rows = {"rows": [{"data": {"site": "7.example"}}], "run": True}
        assert client.post(f"/v1/tables/{ACCOUNTS}/rows", json=rows).status_code < 300
    desk.simulator.finish()
    said = desk.run("drift", "--outside")
    assert said.code == 0
    assert said.out == (
        "target-accounts (Target Accounts): outside: 2 cells are done that the ledger never bought; "
        "`reconciler ledger adopt --as NAME` takes them over\n"
        "balance: outside: 4 credits were spent outside the ledger; `reconciler ledger reconcile` says when\n"
    )
    before = len(desk.posts())
    document = desk.run("drift", "--outside", "--fail-on", "outside", "--format", "json").json
    assert json_schema.problems("drift", document) == []
    assert (document["drifted"], document["outside"]["outside"], len(desk.posts())) == (True, 4, before)
    assert {each["severity"] for each in document["causes"]} == {"warning"}
    assert desk.run("drift", "--outside", "--fail-on", "outside").code == 2
    assert desk.run("drift", "--fail-on", "outside").code == 64


def test_without_two_balances_nothing_is_compared(a_desk: ADesk) -> None:
    """Before the first apply, with unlimited credits, and where a time has none."""
    desk = a_desk({})
    desk.run("apply", "--yes", "--no-wait")
    found = reconciled(desk)
    assert (found["from"], found["ours"], found["outside"], found["balance"]["from"]) == (None, 0, 0, None)
    assert "no two balances to compare" in desk.run("ledger", "reconcile").out


def test_a_team_is_charged_by_month(a_desk: ADesk) -> None:
    """One line for each team and month, as CSV and as a page; what has no team has lines of its own."""
    desk = a_desk({})
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    for label, team in (("team", "gtm"), ("region", "(none)")):
        by = ("ledger", "report", "--by", "label-month", "--label", label)
        lines = desk.run(*by, "--format", "csv").out.splitlines()
        (line,) = (line for line in lines if team in line)
        assert f"{team} 20" in line
        assert "8" in line.split(",")
        assert f"{team} 20" in desk.run(*by, "--format", "html").out


def moves(desk: Desk, *more: str) -> list[int]:
    """Return how many cells `ledger reconcile` says were run outside, time by time; each has both its ends."""
    found = [move for table in reconciled(desk, *more)["tables"] for move in table["moved"]]
    assert all(move["from"] <= move["to"] for move in found)
    return [move["cells"] for move in found]


def test_cells_that_a_person_ran_between_two_applies_are_told(a_desk: ADesk) -> None:
    """By time, also later on and without credits; our own cells, retries and adopted ones are not among them."""
    desk = a_desk({})
    desk.write(FILL.replace("    - name: retry", "      columns: [notes]\n    - name: retry"))
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    assert moves(desk) == []
    charged = [sum(desk.charged().values())]
    run_outside(desk, [row_id(1), row_id(4)], "news", "new")
    charged.append(sum(desk.charged().values()))
    desk.write(FILL)
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    charged.append(sum(desk.charged().values()))
    assert (charged, moves(desk)) == ([5, 6, 8], [1])
    with another_client(desk) as client:
        rows = {"rows": [{"data": {"site": "7.example"}}], "run": True}
        assert client.post(f"/v1/tables/{ACCOUNTS}/rows", json=rows).status_code < 300
    desk.simulator.finish()
    assert (sum(desk.charged().values()), moves(desk)) == (10, [1, 2])
    assert desk.run("ledger", "adopt", "--as", "r0").code == 0
    assert moves(desk) == [1, 2]
    said = desk.run("ledger", "reconcile").out
    assert "target-accounts (Target Accounts): 1 cell or more was run outside from " in said
    assert "never bought" not in said
