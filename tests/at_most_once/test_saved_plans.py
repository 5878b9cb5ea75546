"""A plan file approves its own cells and no others, and whatever else has changed refuses it: exit 4, nothing sent."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.documents.plan_file import plan_id
from reconciler.simulator.world.table import State
from tests.at_most_once.small_tables import CELLS, fill, let_pass, settings, small_table, two_tables
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, PARTNERS, Desk, Said

ALL_R1 = "mode: all, revision: r1"


@pytest.fixture
def office(make_desk: MakeDesk) -> Desk:
    """A desk with a plan in `plan.json`, over two tables with two calls due in each."""
    desk = two_tables(make_desk(small_table(ACCOUNTS, 10), small_table(PARTNERS, 20)))
    assert desk.run("plan", "--out", "plan.json").code == 0
    return desk


def vendor(desk: Desk) -> httpx.Client:
    """Return what the vendor's own page does its work with."""
    return httpx.Client(
        base_url=desk.simulator.url, headers={"Authorization": f"Bearer {desk.simulator.token}"}, trust_env=False
    )


def apply(desk: Desk, *more: str) -> Said:
    """Apply the saved plan."""
    return desk.run("apply", "--no-wait", "--plan", "plan.json", *more)


def column(desk: Desk, key: str = "news", table: str = ACCOUNTS) -> Any:
    """Return a live column."""
    return desk.simulator.state.tables[table].column(key)


def edit_plan(desk: Desk, change: Callable[[dict[str, Any]], None], *, sign: bool) -> None:
    """Change the plan file; `sign`: also correct its `plan_id`, as a forger would."""
    path = desk.folder / "plan.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    if sign:
        content["plan_id"] = plan_id(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def set_in(*at: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change of one value in the plan file."""

    def change(content: dict[str, Any]) -> None:
        inner: Any = content
        for key in at[:-1]:
            inner = inner[key]
        inner[at[-1]] = value

    return change


def another_prompt(desk: Desk) -> None:
    value = {**column(desk).config["value"], "prompt": "Find something else."}
    with vendor(desk) as page:
        assert page.patch(f"/v1/tables/{ACCOUNTS}/columns/{column(desk).id}", json={"value": value}).is_success


def another_mode(desk: Desk) -> None:
    desk.write(fill(ACCOUNTS, "accounts", "mode: failed"))


def another_revision(desk: Desk) -> None:
    desk.write(fill(ACCOUNTS, "accounts", ALL_R1.replace("r1", "r2")))


def another_scope(desk: Desk) -> None:
    desk.write(fill(ACCOUNTS, "accounts", keys=("news",)))


def a_manifest_gone(desk: Desk) -> None:
    (desk.folder / "manifests" / "partners.yaml").unlink()


def another_price(desk: Desk) -> None:
    desk.write(settings().replace('"agent": 1', '"agent": 2'), "reconciler.yaml")


def a_price_of_one_column(desk: Desk) -> None:
    desk.write(settings().replace('"agent": 1}', '"agent": 1}, "columns": {"notes": 0.5}'), "reconciler.yaml")


def a_column_gone(desk: Desk) -> None:
    with vendor(desk) as page:
        assert page.delete(f"/v1/tables/{ACCOUNTS}/columns/{column(desk, 'notes').id}").is_success


CHANGES = [
    pytest.param(another_prompt, "the configuration of column `news` of accounts/news", "accounts", id="prompt"),
    pytest.param(another_mode, "`accounts` changed since", "accounts", id="mode"),
    pytest.param(another_revision, "`accounts` changed since", "accounts", id="revision"),
    pytest.param(another_scope, "`accounts` changed since", "accounts", id="scope"),
    pytest.param(a_manifest_gone, "`partners` is gone since", "partners", id="manifest gone"),
    pytest.param(
        another_price, "the price of column `news` of accounts/news changed from 1 to 2 credits", "both", id="price"
    ),
    pytest.param(
        a_price_of_one_column,
        "the price of column `notes` of accounts/notes changed from 1 to 0.5",
        "both",
        id="one price",
    ),
    pytest.param(a_column_gone, "is gone since the plan was made", "accounts", id="column gone"),
]


@pytest.mark.parametrize(("change", "words", "hit"), CHANGES)
def test_a_change_of_one_manifest_leaves_the_approval_of_the_others_alone(
    office: Desk, change: Callable[[Desk], None], words: str, hit: str
) -> None:
    """Exit 6 and the name of what changed; exit 4 and nothing sent where nothing stays approved."""
    change(office)
    said = apply(office)
    tables = {path.split("/")[3] for method, path, _ in office.simulator.requests() if method == "POST"}
    left = {"accounts": {PARTNERS}, "partners": {ACCOUNTS}, "both": set()}[hit]
    assert (said.code, tables) == (6 if left else 4, left)
    assert words in (said.out if left else said.err)
    assert len(office.charged()) == CELLS * 2 * len(left)


@pytest.mark.parametrize(("change", "words", "hit"), [each for each in CHANGES if each.id != "manifest gone"])
def test_a_world_that_changed_refuses_the_plan(
    office: Desk, change: Callable[[Desk], None], words: str, hit: str
) -> None:
    """Exit 4, nothing sent, and the message names what changed."""
    assert office.run("plan", "--target", "accounts", "--out", "plan.json").code == 0
    change(office)
    said = apply(office)
    assert (said.code, office.posts()) == (4, [])
    assert words in said.err


VIOLATION = {"rule": "max_cells", "message": "12 cells and max_cells is 1", "set_at": "x", "number": 12, "limit": 1}
EDITS = [
    pytest.param(set_in("calls", 0, "rows", value=[]), False, "is not understood", id="rows gone"),
    pytest.param(set_in("calls", 0, "mode", value="all"), False, "was edited", id="mode"),
    pytest.param(set_in("calls", 0, "credits", value=1), False, "was edited", id="credits"),
    pytest.param(set_in("manifest_digest", value="sha256:" + "0" * 64), False, "was edited", id="digest"),
    pytest.param(set_in("plan_id", value="sha256:" + "0" * 64), False, "was edited", id="plan id"),
    pytest.param(set_in("format_version", value="2.0"), True, "is not understood", id="format"),
    pytest.param(set_in("errored", value=True), True, "has errors", id="errored"),
    pytest.param(set_in("api", "base_url", value="https://api.example"), True, "made against", id="origin"),
    pytest.param(set_in("created_at", value="2020-01-01T00:00:00Z"), True, "at most 24 h", id="age"),
    pytest.param(set_in("created_at", value="2026-01-01T00:00:00Z"), False, "was edited", id="time"),
    pytest.param(set_in("created_at", value="2999-01-01T00:00:00Z"), True, "in the future", id="future"),
    pytest.param(set_in("violations", value=[VIOLATION]), True, "max_cells", id="violations"),
    pytest.param(set_in("manifest_digests", value={}), True, "older version", id="no digests"),
]


@pytest.mark.parametrize(("change", "sign", "words"), EDITS)
def test_a_file_that_changed_is_refused(
    office: Desk, change: Callable[[dict[str, Any]], None], sign: bool, words: str
) -> None:
    """Exit 4, nothing sent: an edited file, an errored one, one over a limit, one of another API, format or day."""
    edit_plan(office, change, sign=sign)
    said = apply(office)
    assert (said.code, office.posts()) == (4, [])
    assert words in said.err


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "not JSON", '{"format_version": "1.0"}', "[" * 100_000])
def test_what_is_not_a_plan_file_is_refused(office: Desk, text: str) -> None:
    """Whatever the file holds, it is exit 4 and one message."""
    (office.folder / "plan.json").write_text(text, encoding="utf-8")
    said = apply(office)
    assert (said.code, office.posts(), "is not understood" in said.err) == (4, [], True)


def test_a_device_is_not_a_plan_file(office: Desk) -> None:
    """It ends at 64 MiB with a sentence, whatever it goes on to give."""
    said = office.run("apply", "--no-wait", "--plan", "/dev/zero")
    assert (said.code, office.posts()) == (4, [])
    assert "it is larger than 64 MiB" in said.err


def test_the_origin_is_compared_as_it_is_used(office: Desk) -> None:
    """The same plan against another simulator is refused by its URL."""
    office.extra["EXTRUCT_API_URL"] = office.simulator.url.replace("127.0.0.1", "localhost")
    said = apply(office)
    assert (said.code, office.posts()) == (4, [])
    assert "localhost" in said.err


def test_an_errored_plan_cannot_be_applied(office: Desk) -> None:
    """A plan that could not read a table is written all the same, and refused."""
    office.simulator.fault("status", "GET", f"/v1/tables/{PARTNERS}", status=404)
    assert office.run("plan", "--out", "plan.json").code == 1
    office.simulator.clear_faults()
    said = apply(office)
    assert (said.code, office.posts(), "has errors" in said.err) == (4, [], True)


def test_the_age_that_is_allowed_is_a_choice(office: Desk) -> None:
    """`--plan-max-age` takes what would be too old, and refuses what would not."""
    edit_plan(office, set_in("created_at", value="2020-01-01T00:00:00Z"), sign=True)
    assert apply(office, "--plan-max-age", "1d").code == 4
    assert office.posts() == []
    assert apply(office, "--plan-max-age", "99999d").code == 0
    assert len(office.posts()) == 4


def test_applying_a_plan_twice_sends_nothing_the_second_time(office: Desk) -> None:
    """A plan file is single-use, whether or not its cells are done by then."""
    assert apply(office).code == 0
    assert apply(office).code == 0
    office.simulator.finish()
    said = apply(office, "--format", "json")
    assert (said.code, said.json["calls"], len(office.posts())) == (0, [], 4)
    assert set(office.charged().values()) == {1}


def test_all_is_bought_once_by_one_plan(make_desk: MakeDesk) -> None:
    """Mode `all` leaves no trace in the states, and the ledger knows all the same."""
    desk = two_tables(make_desk(small_table(ACCOUNTS, 10, state="done"), small_table(PARTNERS, 20)), ALL_R1)
    desk.run("plan", "--out", "plan.json")
    for _ in range(3):
        assert apply(desk).code == 0
        desk.simulator.finish()
        let_pass(desk, 1000)
    assert (len(desk.charged()), set(desk.charged().values())) == (4 * CELLS, {1})


def test_what_another_apply_bought_meanwhile_drops_out(office: Desk) -> None:
    """An apply of one run buys its cells; the plan then sends only what is left of it."""
    assert office.run("apply", "--yes", "--no-wait", "--target", "accounts/news").code == 0
    office.simulator.finish()
    said = apply(office, "--format", "json")
    assert (said.code, len(said.json["calls"])) == (0, 3)
    assert (len(office.charged()), set(office.charged().values())) == (4 * CELLS, {1})


def test_cells_that_a_person_filled_meanwhile_drop_out(office: Desk) -> None:
    """Approval shrinks in silence: the call is sent for the rest of its rows."""
    column(office).move(0, State.DONE)
    assert apply(office).code == 0
    sizes = sorted(len(body["rows"]) for body in office.posts())
    assert sizes == [CELLS - 1, CELLS, CELLS, CELLS]


def test_what_fell_due_since_is_not_approved(office: Desk) -> None:
    """New rows, and cells that were emptied, wait for a plan of their own."""
    world = office.simulator.state
    for slot in world.add_rows(world.tables[ACCOUNTS], 2):
        column(office, "site").move(slot, State.DONE)
    assert apply(office).code == 0
    assert (len(office.charged()), set(office.charged().values())) == (4 * CELLS, {1})
    office.simulator.finish()
    assert office.run("plan", "--format", "json").json["totals"]["cells"] == 4


def test_a_plan_holds_its_approval_to_one_run(make_desk: MakeDesk) -> None:
    """A cell that was empty and has failed since is not bought by the `new` call that was approved for it."""
    desk = two_tables(make_desk(small_table(ACCOUNTS, 10), small_table(PARTNERS, 20)))
    desk.write(fill(ACCOUNTS, "accounts", keys=("news",)) + "    - {name: retry, mode: failed, columns: [news]}\n")
    desk.run("plan", "--out", "plan.json")
    column(desk).move(0, State.FAILED)
    assert apply(desk).code == 0
    assert len(desk.charged()) == 3 * CELLS - 1


def test_a_plan_brings_its_selection(office: Desk) -> None:
    """Targets are the plan's own; the command line may not give others."""
    office.run("plan", "--target", "partners", "--out", "plan.json")
    assert apply(office, "--target", "accounts").code == 64
    assert apply(office).code == 0
    assert {body["columns"][0] for body in office.posts()} == {column(office, key, PARTNERS).id for key in
                                                               ("news", "notes")}  # fmt: skip


def test_a_missing_plan_file_is_an_error(office: Desk) -> None:
    """Exit 1 with the file's name, and nothing is sent."""
    (office.folder / "plan.json").unlink()
    said = apply(office)
    assert (said.code, office.posts(), "plan.json" in said.err) == (1, [], True)


def test_limits_hold_for_saved_plans_too(office: Desk) -> None:
    """An approval is not above the limits: exit 3."""
    said = apply(office, "--max-cells", "11")
    assert (said.code, office.posts()) == (3, [])


def test_the_plan_file_names_no_secret_and_stays_as_it_is(office: Desk) -> None:
    """Applying does not touch the file, so that a review can compare it afterwards."""
    path: Path = office.folder / "plan.json"
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    apply(office)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert office.simulator.token not in path.read_text(encoding="utf-8")
