"""`snapshot`, and a plan made from it where there is no network, no token and no ledger."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from reconciler.documents import plan_file
from reconciler.manifests import json_schema
from reconciler.model.live_snapshot import LiveSnapshot
from reconciler.model.origin import Origin
from reconciler.operations.snapshots import taken_of
from reconciler.render.colour import plain
from reconciler.render.review_text import review_text
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, FILL, NOWHERE, REFRESH, Desk, Said, accounts, row_id

KEY = "0123456789abcdef" * 2
PLANS = {
    "new and failed": FILL,
    "all": REFRESH,
    "rows": FILL + f"    - {{mode: all, revision: r9, columns: [notes], rows: [{row_id(5)}, {row_id(1)}]}}\n",
    "only rows": REFRESH + f"      rows: [{row_id(5)}, {row_id(1)}]\n",
    "an unknown column": REFRESH.replace("[news]", "[newz]"),
    "an unknown table": FILL.replace(ACCOUNTS, NOWHERE),
}


@pytest.fixture
def signing(desk: Desk) -> Desk:
    """Return the desk with a key to sign with."""
    desk.extra["RECONCILER_SNAPSHOT_KEY"] = KEY
    return desk


def in_a_fork(desk: Desk, *arguments: str, key: str = "") -> Said:
    """Run a command where there is neither network nor token nor ledger, nor the key unless it is given."""
    before = dict(desk.extra)
    asked = len(desk.simulator.requests())
    desk.extra |= {
        "EXTRUCT_API_TOKEN": "",
        "EXTRUCT_API_URL": "http://127.0.0.1:1",
        "RECONCILER_LEDGER": "postgresql://127.0.0.1:1/nowhere",
        "RECONCILER_SNAPSHOT_KEY": key,
    }
    said = desk.run(*arguments)
    desk.extra.clear()
    desk.extra |= before
    assert len(desk.simulator.requests()) == asked
    return said


def but_times(plan: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a plan file its times and what marks its origin."""
    return {name: value for name, value in plan.items() if name not in ("plan_id", "created_at", "live", "balance")}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_from_a_snapshot_is_the_plan_from_the_live_tables(signing: Desk, name: str) -> None:
    """To the byte, but for its times and its mark; with errors and with calls in the ledger."""
    signing.write(REFRESH)
    assert signing.run("apply", "--yes", "--no-wait").code == 0
    signing.simulator.finish()
    signing.write(PLANS[name])
    live = signing.run("plan", "--format", "json")
    signing.run("snapshot", "--out", "live.snapshot")
    kept = in_a_fork(signing, "plan", "--live-snapshot", "live.snapshot", "--format", "json")
    assert kept.code == live.code
    assert json_schema.problems("plan", kept.json) == []
    assert json.dumps(but_times(kept.json)) == json.dumps(but_times(live.json))
    assert kept.json["live"]["verified"] is False
    again = in_a_fork(signing, "plan", "--live-snapshot", "live.snapshot", "--format", "json")
    assert but_times(again.json) == but_times(kept.json)


def test_where_the_live_plan_left_rows_unread_the_calls_are_the_same(signing: Desk) -> None:
    """A snapshot holds every row, so its plan knows more of the cells that are not due, and nothing else."""
    signing.write(PLANS["only rows"])
    signing.write("apiVersion: reconciler/v1\nkind: Project\nspec: {api: {page_rows: 1}}\n", name="reconciler.yaml")
    live = signing.run("plan", "--format", "json").json
    signing.run("snapshot", "--out", "s")
    kept = in_a_fork(signing, "plan", "--live-snapshot", "s", "--format", "json").json
    assert live["tables"][0]["cells"] is None
    assert kept["tables"][0]["cells"]["done"] == 4
    assert (kept["calls"], kept["skipped"], kept["totals"]) == (live["calls"], live["skipped"], live["totals"])


def test_what_was_bought_is_known_without_the_ledger(signing: Desk) -> None:
    """A fork's plan does not buy a revision again."""
    signing.write(REFRESH)
    signing.run("apply", "--yes", "--no-wait")
    signing.simulator.finish()
    assert signing.run("snapshot", "--out", "s").code == 0
    assert "Nothing to do" in in_a_fork(signing, "plan", "--live-snapshot", "s").out


def test_it_holds_no_value_no_prompt_and_no_person_s_name(make_desk: MakeDesk) -> None:
    """Only what planning needs."""
    table = accounts()
    table["columns"][1]["value"]["prompt"] = "SECRET PROMPT about {site}"
    table["rows"][0]["data"]["site"] = "SECRET INPUT"
    desk = make_desk(table)
    desk.extra |= {"RECONCILER_SNAPSHOT_KEY": KEY, "GITLAB_CI": "true", "GITLAB_USER_LOGIN": "SECRET ANA"}
    desk.write(REFRESH)
    desk.run("apply", "--yes", "--no-wait")
    desk.simulator.finish()
    desk.run("snapshot", "--out", "s")
    head, _, packed = (desk.folder / "s").read_bytes().partition(b"\n")
    content = head + zlib.decompress(packed)
    assert b"Target Accounts" in content
    assert b"SECRET" not in content
    assert KEY.encode() not in content
    assert desk.simulator.token.encode() not in content


def test_it_holds_every_row_whatever_the_manifests_here_need(make_desk: MakeDesk) -> None:
    """A table of which this plan needs no row may be all that a fork's manifests need."""
    table = accounts()
    for row in table["rows"]:
        row["cells"] = {"news": "done", "notes": "done"}
    desk = make_desk(table)
    desk.extra["RECONCILER_SNAPSHOT_KEY"] = KEY
    desk.write(FILL[: FILL.index("    - name: retry")])
    desk.run("snapshot", "--out", "s")
    desk.write(REFRESH)
    plan = in_a_fork(desk, "plan", "--live-snapshot", "s", "--format", "json").json
    assert plan["totals"]["cells"] == 6


def test_it_needs_a_key_or_a_word(desk: Desk) -> None:
    """No snapshot is signed with nothing by accident, or with a key that can be guessed."""
    said = desk.run("snapshot", "--out", "s")
    assert (said.code, said.err.splitlines()[0]) == (1, "reconciler: E500 there is no key to sign the snapshot with")
    desk.extra["RECONCILER_SNAPSHOT_KEY"] = "short"
    said = desk.run("snapshot", "--out", "s")
    assert (said.code, said.err.splitlines()[0]) == (
        1,
        "reconciler: E500 RECONCILER_SNAPSHOT_KEY is shorter than 32 characters",
    )
    assert not (desk.folder / "s").exists()
    assert desk.run("snapshot", "--out", "s", "--unsigned").code == 0
    assert in_a_fork(desk, "plan", "--live-snapshot", "s").code == 0
    said = in_a_fork(desk, "plan", "--live-snapshot", "s", key=KEY)
    assert said.code == 1
    assert "it is not signed, and RECONCILER_SNAPSHOT_KEY is set" in said.err


def test_with_the_key_the_signature_is_checked(signing: Desk) -> None:
    """And the plan says so; another key refuses."""
    signing.run("snapshot", "--out", "s")
    said = in_a_fork(signing, "plan", "--live-snapshot", "s", key=KEY)
    assert said.code == 0
    assert "ago (" in said.out.splitlines()[0]
    assert said.out.splitlines()[0].endswith("; its signature is valid.")
    assert (
        in_a_fork(signing, "plan", "--live-snapshot", "s")
        .out.splitlines()[0]
        .endswith("; its signature was not checked: there is no key here.")
    )
    said = in_a_fork(signing, "plan", "--live-snapshot", "s", key=KEY[::-1])
    assert said.code == 1
    assert said.err.startswith(
        "reconciler: E511 the snapshot cannot be used: its signature is not that of RECONCILER_SNAPSHOT"
    )


def test_it_says_how_old_it_is() -> None:
    """In text and in the plan file; a clock that runs behind does not make it younger than nothing."""
    kept = LiveSnapshot("2026-01-01T00:00:00Z", "1", "x", {}, {}, {}, "sha256:" + "0" * 64)
    taken = taken_of(kept, Origin("2026-01-03T00:00:01Z", "1", "x"))
    assert (taken.age_seconds, taken.taken_at) == (172801, "2026-01-01T00:00:00Z")
    assert "taken 2 days ago (2026-01-01T00:00:00Z)" in review_text(None, taken, plain)
    assert taken_of(kept, Origin("2025-12-31T00:00:00Z", "1", "x")).age_seconds == 0


def test_a_table_that_it_does_not_hold_is_an_error_at_its_line(signing: Desk) -> None:
    """A new manifest for a table that main does not name yet."""
    signing.run("snapshot", "--out", "s")
    signing.write(FILL.replace("target-accounts", "new").replace(ACCOUNTS, NOWHERE), name="manifests/new.yaml")
    said = in_a_fork(signing, "plan", "--live-snapshot", "s")
    assert said.code == 1
    assert "manifests/new.yaml:7:10: E406 the snapshot of the live tables does not hold this one" in said.out


def test_a_table_that_could_not_be_read_is_kept_as_that(signing: Desk) -> None:
    """The file is written all the same, and the command says so."""
    signing.write(FILL.replace("target-accounts", "new").replace(ACCOUNTS, NOWHERE), name="manifests/new.yaml")
    said = signing.run("snapshot", "--out", "s")
    assert said.code == 1
    assert f"table {NOWHERE}: " in said.err
    kept = in_a_fork(signing, "plan", "--live-snapshot", "s", "--format", "json").json
    assert but_times(kept) == but_times(signing.run("plan", "--format", "json").json)


def test_apply_reads_the_live_tables_again_and_only_shrinks(signing: Desk) -> None:
    """Filled meanwhile: left out. Fallen due meanwhile: not bought. Applied again: nothing."""
    signing.run("snapshot", "--out", "s")
    signing.write(FILL.replace("mode: new", f"mode: new\n      rows: [{row_id(3)}, {row_id(4)}]"))
    assert in_a_fork(signing, "plan", "--live-snapshot", "s", "--out", "plan.json").code == 0
    signing.write(REFRESH.replace("name: refresh", f"rows: [{row_id(3)}]"), name="other/elsewhere.yaml")
    assert signing.run("apply", "other", "--yes", "--no-wait").code == 0
    signing.simulator.finish()
    bought = signing.charged()
    said = signing.run("apply", "--plan", "plan.json", "--yes", "--no-wait")
    assert said.code == 0
    assert "The plan was made from a snapshot of 20" in said.err
    mine = {cell for cell in signing.charged() if signing.charged()[cell] > bought.get(cell, 0)}
    assert mine == {("news", row_id(2)), ("news", row_id(4)), ("notes", row_id(4))}
    signing.simulator.finish()
    assert signing.run("apply", "--plan", "plan.json", "--yes", "--no-wait").code == 0
    assert sum(signing.charged().values()) == sum(bought.values()) + 3


def test_a_column_that_changed_since_the_snapshot_refuses(signing: Desk) -> None:
    """As with every saved plan."""
    signing.run("snapshot", "--out", "s")
    in_a_fork(signing, "plan", "--live-snapshot", "s", "--out", "plan.json")
    plan = json.loads((signing.folder / "plan.json").read_text())
    plan["calls"][0]["column_digests"][0] = "sha256:" + "0" * 64
    save(plan, signing.folder)
    said = signing.run("apply", "--plan", "plan.json", "--yes", "--no-wait")
    assert said.code == 4
    assert "the configuration of column `news`" in said.err
    assert signing.posts() == []


def test_an_old_snapshot_does_not_become_young_by_planning_from_it(signing: Desk) -> None:
    """The age that --plan-max-age bounds is that of the look at the live tables."""
    signing.run("snapshot", "--out", "s")
    in_a_fork(signing, "plan", "--live-snapshot", "s", "--out", "plan.json")
    plan = json.loads((signing.folder / "plan.json").read_text())
    plan["live"]["taken_at"] = "2020-01-01T00:00:00Z"
    save(plan, signing.folder)
    said = signing.run("apply", "--plan", "plan.json", "--yes", "--no-wait")
    assert said.code == 4
    assert "the snapshot that the plan was made from is" in said.err
    plan["live"]["taken_at"] = "long ago"
    save(plan, signing.folder)
    assert signing.run("apply", "--plan", "plan.json", "--yes", "--no-wait").code == 4
    assert signing.posts() == []


def save(plan: dict[str, Any], folder: Path) -> None:
    """Write a plan file as a forger would: with the digest of its content."""
    (folder / "plan.json").write_text(json.dumps({**plan, "plan_id": plan_file.plan_id(plan)}))


def test_a_file_that_is_not_a_snapshot_is_refused_in_words(desk: Desk) -> None:
    """A manifest, a folder, nothing at all."""
    for name in ("manifests/accounts.yaml", "manifests", "nowhere"):
        said = in_a_fork(desk, "plan", "--live-snapshot", name)
        assert said.code in (1, 64)
        assert "Traceback" not in said.err
