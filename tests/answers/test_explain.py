"""`explain`: why each cell is due or not, by the plan's own decisions."""

import json
from typing import Any

import pytest

from reconciler.model.plan import Reason, SkipReason
from reconciler.model.verdict_changes import WOULD_CHANGE
from reconciler.render.explain_text import DUE
from tests.journey.conftest import MakeDesk
from tests.journey.desk import FILL, REFRESH, Desk, accounts, agent, row_id

TEXT = f"""\
target-accounts/fill   Target Accounts
  news
    + 3 cells due, no value yet
        rows {row_id(3)}, {row_id(4)}, {row_id(6)}
        in call … of the plan
        would change with an accepted call that covers it, or a value from elsewhere
    · 2 cells done
        rows {row_id(1)}, {row_id(5)}
        nothing to do; only a run of mode `all` with a `revision` or a `refresh` would buy them again
"""


def groups(desk: Desk, *arguments: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return what is explained, by run, column and reason."""
    said = desk.run("explain", *arguments, "--format", "json")
    assert said.code == 0, said.err
    return {(each["address"], each["column"], each["reason"]): each for each in said.json["cells"]}


def test_every_cell_has_one_reason(desk: Desk) -> None:
    """By run and column, the numbers are those of the plan; each group names its calls."""
    found = groups(desk, "target-accounts")
    assert {key: each["cells"] for key, each in found.items()} == {
        ("target-accounts/fill", "news", "cells_empty"): 3,
        ("target-accounts/fill", "news", "done"): 2,
        ("target-accounts/fill", "notes", "cells_empty"): 4,
        ("target-accounts/fill", "notes", "done"): 2,
        ("target-accounts/retry", "news", "cells_failed"): 1,
        ("target-accounts/retry", "news", "done"): 2,
        ("target-accounts/retry", "notes", "done"): 2,
    }
    planned = {call["id"] for call in desk.run("plan", "--format", "json").json["calls"]}
    assert {id_ for each in found.values() for id_ in each["planned"]} == planned
    assert all(each["due"] == bool(each["planned"]) for each in found.values())


def test_the_text_says_what_would_change_it(desk: Desk) -> None:
    """A line for the verdict, and below it rows, calls and what would change it."""
    said = desk.run("explain", "target-accounts/fill", "--column", "news")
    (call,) = groups(desk, "target-accounts/fill", "--column", "news")["target-accounts/fill", "news", "cells_empty"][
        "planned"
    ]
    assert (said.code, said.out) == (0, TEXT.replace("…", call[:8]))


def test_a_cell_names_the_calls_that_covered_it(desk: Desk) -> None:
    """With their state; one that is in progress says so."""
    desk.run("apply", "--yes", "--no-wait")
    (found,) = groups(desk, "target-accounts/fill", "--column", "news", "--row", row_id(3)).values()
    assert (found["reason"], found["cells"], found["rows"]) == ("in_progress", 1, [row_id(3)])
    assert [(each["mode"], each["state"], each["settled"]) for each in found["covered_by"]] == [
        ("new", "accepted", False)
    ]
    said = desk.run("explain", "target-accounts/fill", "--column", "news", "--row", row_id(3)).out
    assert f"covered by {found['covered_by'][0]['call'][:8]} target-accounts/fill, new, accepted, " in said
    assert "`reconciler wait` waits for it" in said


def test_a_cell_that_was_bought_by_calls_that_are_folded_says_so(desk: Desk) -> None:
    """They are not listed one by one any more, and the ledger still has them."""
    asked = ("target-accounts/fill", "--column", "news", "--row", row_id(3))
    desk.run("apply", "--yes", "--no-wait")
    desk.simulator.finish()
    desk.run("wait")
    (before,) = groups(desk, *asked).values()
    assert (len(before["covered_by"]), before["bought_folded"]) == (1, 0)
    desk.run("ledger", "compact")
    (found,) = groups(desk, *asked).values()
    assert (found["covered_by"], found["bought_folded"]) == ([], 1)
    said = desk.run("explain", *asked).out
    assert "bought once by calls that are folded: `reconciler ledger list --address target-accounts/fill`" in said
    assert before["covered_by"][0]["call"][:8] in desk.run("ledger", "list", "--address", "target-accounts/fill").out


def test_a_doubt_is_explained(desk: Desk) -> None:
    """With the call, and how it ends."""
    desk.write(REFRESH)
    desk.simulator.fault("status", status=502, method="POST", path="/v1/tables/*/run", times=1)
    assert desk.run("apply", "--yes", "--no-wait").code == 7
    said = desk.run("explain", "target-accounts").out
    assert "? 6 cells in doubt" in said
    assert ", all r1, in doubt, " in said
    assert "`reconciler ledger resolve`" in said


def test_a_blocked_cell_names_what_it_waits_for(make_desk: MakeDesk) -> None:
    """By column, not by run: each names only its own upstream columns."""
    table = accounts()
    table["columns"] += [agent("brief", "Sum up {news}."), agent("other", "Sum up {notes}.")]
    desk = make_desk(table)
    desk.write(FILL.replace("mode: new\n", "mode: new\n      columns: [brief, other]\n", 1))
    found = groups(desk, "target-accounts/fill")
    assert found["target-accounts/fill", "brief", "blocked"]["waits_for"] == ["news"]
    assert found["target-accounts/fill", "other", "blocked"]["waits_for"] == ["notes"]


def test_rows_are_read_also_if_the_plan_needs_only_the_header(desk: Desk) -> None:
    """The plan says `not_due` of them all; who asks wants to know of each."""
    desk.write(FILL.replace("    - name: retry\n      mode: failed\n      max_attempts: 2\n", ""))
    desk.run("apply", "--yes", "--no-wait")
    desk.simulator.finish()
    desk.run("wait")
    said = desk.run("explain", "target-accounts")
    assert said.code == 0
    assert "5 cells done" in said.out
    assert "1 cell failed, left to a run of mode `failed`" in said.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["target-acounts"], "there is no manifest `target-acounts` here; did you mean `target-accounts`?"),
        (["target-accounts/fil"], "there is no run `fil` of `target-accounts`; did you mean `fill`?"),
        (["target-accounts", "--column", "new"], "there is no column `new` of `target-accounts`; did you mean `news`?"),
        (["target-accounts", "--row", "x"], f"The rows of `target-accounts`: {row_id(1)}, {row_id(2)}, "),
        (["x\x1b[31m"], "there is no manifest `x\\x1b[31m` here"),
    ],
)
def test_a_wrong_name_lists_what_there_is(desk: Desk, arguments: list[str], words: str) -> None:
    """With the one that was probably meant; and an escape sequence stays a text."""
    said = desk.run("explain", *arguments)
    assert (said.code, said.out) == (1, "")
    assert words in said.err
    assert "s here: target-accounts." in said.err or "s of `target-accounts`: " in said.err


def test_names_from_outside_are_shown_safely(make_desk: MakeDesk) -> None:
    """A table's name cannot write to the terminal."""
    desk = make_desk(accounts(name="Evil\x1b[31m\nName"))
    desk.write(FILL)
    said = desk.run("explain", "target-accounts")
    assert "\x1b" not in said.out
    assert "Evil\\x1b[31m\\x0aName" in said.out


def test_it_only_reads(desk: Desk) -> None:
    """GET alone."""
    desk.run("explain", "target-accounts")
    assert {method for method, _, _ in desk.simulator.requests()} == {"GET"}
    assert json.dumps(desk.posts()) == "[]"


def test_every_reason_has_its_phrases() -> None:
    """None is forgotten when one is added."""
    assert set(WOULD_CHANGE) == {*Reason, *SkipReason}
    assert set(DUE) == {*Reason} - {Reason.ADOPTED}
