"""Tables by name, tag and parent through the command line: what is found is bought once, and nothing is guessed."""

import json
from typing import Any

import httpx
import pytest

from reconciler.manifests import json_schema
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, NOWHERE, PARTNERS, Desk, accounts, agent, row_id

HEAD = "apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {{name: {name}, labels: {{team: gtm}}}}\nspec:\n"
FINDER = {"kind": "company_people_finder", "key": "decision_makers", "value": {"roles": ["VP Sales"]}}


def manifest(desk: Desk, where: str, *runs: str, name: str = "weekly") -> None:
    """Write a manifest."""
    listed = "".join(f"    - {{{run}}}\n" for run in runs or ("mode: new, columns: [news]",))
    desk.write(f"{HEAD.format(name=name)}  {where}\n  runs:\n{listed}", name=f"manifests/{name}.yaml")


def table(identity: str, name: str, *tags: str, first_row: int = 1, columns: Any = (), rows: int = 2) -> dict[str, Any]:
    """Return a table with a column `news` and empty cells."""
    return {
        "id": identity,
        "name": name,
        "tags": list(tags),
        "columns": [{"kind": "input", "key": "site"}, agent("news"), *columns],
        "rows": [{"id": row_id(first_row + row), "data": {"site": "x.example"}} for row in range(rows)],
    }


@pytest.fixture
def office(make_desk: MakeDesk) -> Desk:
    """Return a desk over two tables with the tag `priority` and one without."""
    return make_desk(
        table(ACCOUNTS, "Target Accounts", "priority"),
        table(PARTNERS, "Partners", "emea", "priority", first_row=11, rows=3),
        table(NOWHERE, "Markets", "emea", first_row=21),
    )


def vendor(desk: Desk) -> httpx.Client:
    """Return what the vendor's own page does its work with."""
    headers = {"Authorization": f"Bearer {desk.simulator.token}"}
    return httpx.Client(base_url=desk.simulator.url, headers=headers, trust_env=False)


def change(desk: Desk, identity: str, **parts: Any) -> None:
    """Change a table as a person does in the vendor's page."""
    with vendor(desk) as client:
        assert client.patch(f"/v1/tables/{identity}", json=parts).status_code == 200


def lists(desk: Desk) -> int:
    """Return how many pages of the list were asked for."""
    return sum(path == "/v1/tables" for _, path, _ in desk.simulator.requests())


def test_a_table_by_name_is_planned_and_bought_once(office: Desk) -> None:
    """The plan pins the id, says how it was found, and a second apply sends nothing."""
    manifest(office, "table: {name: Partners}")
    plan = office.run("plan", "--format", "json").json
    assert json_schema.problems("plan", plan) == []
    assert [(one["table_id"], one["found_by"]) for one in plan["tables"]] == [(PARTNERS, {"name": "Partners"})]
    assert {call["table_id"] for call in plan["calls"]} == {PARTNERS}
    assert office.run("apply", "--yes", "--no-wait").code == 0
    office.simulator.finish()
    assert office.run("apply", "--yes", "--no-wait").code == 0
    assert office.charged() == {("news", row_id(11 + row)): 1 for row in range(3)}


def test_a_tag_stands_for_each_of_its_tables(office: Desk) -> None:
    """Every line about a run names its table, also in the report; status and drift too; nothing is bought twice."""
    manifest(office, "tables: {tag: priority}")
    said = office.run("drift")
    assert said.code == 2
    assert sorted(said.out.splitlines()) == [
        "weekly/new (Partners): 3 cells have no value",
        "weekly/new (Target Accounts): 2 cells have no value",
    ]
    status = office.run("status", "--format", "json").json
    assert {one["table_id"]: one["runs"][0]["due"] for one in status["tables"]} == {ACCOUNTS: 2, PARTNERS: 3}
    assert json_schema.problems("status", status) == []
    applied = office.run("apply", "--yes", "--no-wait", "--out", "report.json")
    assert applied.code == 0
    assert "weekly/new (Partners)         accepted   3 of 3 cells" in applied.out
    report = json.loads((office.folder / "report.json").read_text())
    assert json_schema.problems("report", report) == []
    assert {call["table_id"]: call["table_name"] for call in report["calls"]} == {
        ACCOUNTS: "Target Accounts",
        PARTNERS: "Partners",
    }
    assert [(line["manifest"], line["cells_requested"]) for line in report["by_manifest"]] == [("weekly", 5)]
    office.simulator.finish()
    assert office.run("apply", "--yes", "--no-wait", "--detailed-exitcode").code == 0
    assert set(office.charged().values()) == {1}
    assert len(office.charged()) == 5


def test_ids_alone_ask_for_no_list(office: Desk) -> None:
    """Names ask once for the list, which ends with an empty page; selectors keep it to what is planned."""
    manifest(office, f"table: {ACCOUNTS}", name="by-id")
    office.run("plan")
    assert (lists(office), len(office.simulator.requests())) == (0, 3)  # two of the table, one of the account
    manifest(office, "table: {name: Partners}", name="by-name")
    manifest(office, "tables: {tag: emea}", "mode: failed, columns: [news], name: retry", name="by-tag")
    office.run("plan", "--target", "by-id")
    assert lists(office) == 0
    office.run("plan", "--exclude", "by-tag")
    assert lists(office) == 2


def test_a_workspace_of_more_than_a_page_is_listed_whole(make_desk: MakeDesk) -> None:
    """The table is the 230th; a second one of its name on the last page makes it ambiguous."""
    many: list[dict[str, Any]] = [
        {"id": f"{number:08}-0000-4000-a000-000000000000", "name": f"Table {number}", "columns": [agent("news")]}
        for number in range(230)
    ]
    desk = make_desk(*many, table(PARTNERS, "Partners", "priority"))
    manifest(desk, "table: {name: Partners}")
    manifest(desk, "tables: {tag: priority}", "mode: failed, columns: [site2]", name="other")
    plan = desk.run("plan", "--format", "json", "--target", "weekly").json
    assert [call["table_id"] for call in plan["calls"]] == [PARTNERS]
    assert lists(desk) == 4
    change(desk, many[229]["id"], name="Partners")
    said = desk.run("plan", "--target", "weekly")
    assert said.code == 1
    assert (
        f"manifests/weekly.yaml:5:10: E408 2 tables are named `Partners`: `{many[229]['id']}`, `{PARTNERS}`" in said.out
    )


def test_a_name_that_is_missing_leaves_the_others_planned(office: Desk) -> None:
    """At its line, with what was probably meant; the plan cannot be applied."""
    manifest(office, "table: {name: Partnrs}", name="wrong")
    manifest(office, "table: {name: Markets}", name="good")
    said = office.run("plan")
    assert said.code == 1
    assert "manifests/wrong.yaml:5:10: E407 there is no table named `Partnrs`; did you mean `Partners`?" in said.out
    assert "good   Markets" in said.out
    assert office.run("apply", "--yes", "--no-wait").code == 1
    assert office.posts() == []


def test_names_from_the_workspace_cannot_break_a_message(office: Desk) -> None:
    """Escape sequences and bidirectional overrides are spelled out wherever a candidate is told."""
    change(office, ACCOUNTS, name="Partner\u202e\u009b[2J", tags=["prio\x7frity"])
    change(office, PARTNERS, name="\u200bPartners", tags=["prio\u202erity"])
    manifest(office, "table: {name: Partners}", name="name")
    manifest(office, "tables: {tag: priority}", "mode: failed, columns: [news]", name="tag")
    for form in ("text", "markdown", "github"):
        said = office.run("plan", "--format", form)
        assert said.code == 1
        assert not {"\u202e", "\u009b", "\u200b", "\x7f"} & set(said.out + said.err)
        assert "did you mean" in said.out


def test_a_table_renamed_since_the_plan_is_refused(office: Desk) -> None:
    """Exit 4 with manifest, old and new table, also where no table has the name any more; nothing is sent."""
    manifest(office, "table: {name: Partners}")
    assert office.run("plan", "--out", "plan.json").code == 0
    change(office, PARTNERS, name="Old Partners")
    said = office.run("apply", "--no-wait", "--plan", "plan.json")
    assert said.code == 4
    assert f"`weekly` meant table {PARTNERS} when the plan was made, and now means none" in said.err
    change(office, NOWHERE, name="Partners")
    said = office.run("apply", "--no-wait", "--plan", "plan.json")
    assert said.code == 4
    assert f"`weekly` meant table {PARTNERS} when the plan was made, and now means table {NOWHERE}" in said.err
    assert office.posts() == []
    change(office, NOWHERE, name="Markets")
    change(office, PARTNERS, name="Partners")
    assert office.run("apply", "--no-wait", "--plan", "plan.json").code == 0
    assert len(office.charged()) == 3


def test_a_table_tagged_since_the_plan_is_not_bought(office: Desk) -> None:
    """Approval only shrinks: the file's tables and no other; one that lost the tag refuses."""
    manifest(office, "tables: {tag: priority}")
    assert office.run("plan", "--out", "plan.json").code == 0
    change(office, NOWHERE, tags=["emea", "priority"])
    assert office.run("apply", "--no-wait", "--plan", "plan.json").code == 0
    assert len(office.charged()) == 5
    office.simulator.finish()
    assert office.run("plan", "--out", "plan.json", "--format", "json").json["totals"]["cells"] == 2
    change(office, NOWHERE, tags=[])
    assert office.run("apply", "--no-wait", "--plan", "plan.json").code == 4
    assert len(office.charged()) == 5


def test_a_list_that_cannot_be_read_is_told_at_each_manifest(office: Desk) -> None:
    """A saved plan is then no stale one; a token that is refused stops everything, as elsewhere."""
    manifest(office, "table: {name: Partners}")
    manifest(office, f"table: {ACCOUNTS}", name="by-id")
    assert office.run("plan", "--out", "plan.json").code == 0
    office.simulator.fault("status", method="GET", path="/v1/tables", status=404)
    said = office.run("plan", "--format", "json")
    assert said.code == 1
    assert [(one["path"], one["line"]) for one in said.json["diagnostics"]] == [("manifests/weekly.yaml", 5)]
    assert {call["table_id"] for call in said.json["calls"]} == {ACCOUNTS}
    assert office.run("apply", "--no-wait", "--plan", "plan.json").code == 1
    assert office.posts() == []
    office.simulator.clear_faults()
    office.simulator.fault("status", method="GET", path="/v1/tables", status=401)
    for command in (["plan"], ["status"], ["drift"], ["apply", "--yes", "--no-wait"]):
        said = office.run(*command)
        assert (said.code, said.out) == (1, "")
        assert "401" in said.err


def with_children(*columns: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a company table with finders."""
    return table(ACCOUNTS, "Target Accounts", columns=columns, **more)


CHILD = "table: {child_of: target-accounts, column: decision_makers}"


def test_a_child_is_found_through_its_parent(make_desk: MakeDesk) -> None:
    """By the only child of the only finder; its rows are due once they are there, and are bought once."""
    desk = make_desk(with_children(FINDER))
    manifest(desk, "table: {name: Target Accounts}", "mode: new, columns: [decision_makers]", name="target-accounts")
    manifest(
        desk, f"{CHILD}\n  allow_growth: {{max_cells: 0}}", "mode: all, revision: r1, columns: [role]", name="people"
    )
    plan = desk.run("plan", "--format", "json").json
    (child,) = [one for one in plan["tables"] if one["manifest"] == "people"]
    assert child["found_by"] == {"child_of": "target-accounts", "column": "decision_makers"}
    assert [call["address"] for call in plan["calls"]] == ["target-accounts/new"]
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    bought = desk.charged()
    assert set(bought.values()) == {1}
    assert {key for key, _ in bought} == {"decision_makers", "role"}
    assert desk.run("apply", "--yes", "--no-wait", "--detailed-exitcode").code == 0
    assert desk.charged() == bought


def test_a_child_that_is_not_there_yet_is_waited_for(make_desk: MakeDesk) -> None:
    """Nothing is due for it; text, JSON, Markdown, status and drift say what it waits for."""
    desk = make_desk(with_children(FINDER))
    manifest(desk, f"table: {ACCOUNTS}", "mode: new, columns: [decision_makers]", name="target-accounts")
    manifest(desk, CHILD, name="people")
    (child,) = [one.id for one in desk.simulator.state.tables.values() if one.parent_table]
    with vendor(desk) as client:
        assert client.delete(f"/v1/tables/{child}").status_code in (200, 204)
    words = "the child table of target-accounts, column decision_makers"
    plan = desk.run("plan", "--format", "json").json
    assert json_schema.problems("plan", plan) == []
    assert plan["pending"] == [
        {"manifest": "people", "waits_for": words, "path": "manifests/people.yaml", "line": 5, "column": 10}
    ]
    assert [call["address"] for call in plan["calls"]] == ["target-accounts/new"]
    assert f"… people  waits for {words}: not there yet" in desk.run("plan").out
    assert f"- `people` waits for `{words}`" in desk.run("plan", "--format", "markdown").out
    assert words in desk.run("status").out
    status = desk.run("status", "--format", "json").json
    assert (json_schema.problems("status", status), status["pending"][0]["manifest"]) == ([], "people")
    assert words in desk.run("drift").err
    only = desk.run("plan", "--target", "people")
    assert (only.code, "Nothing to do now" in only.out) == (0, True)


@pytest.mark.parametrize("selected", [[], ["--target", "people"]])
def test_of_several_children_none_is_guessed(make_desk: MakeDesk, selected: list[str]) -> None:
    """Both are named with their ids, also where one finder's child is the only one that is there."""
    other = {**FINDER, "key": "advisors"}
    desk = make_desk(with_children(FINDER, other))
    manifest(desk, f"table: {ACCOUNTS}", "mode: new, columns: [news]", name="target-accounts")
    manifest(desk, CHILD, name="people")
    children = [one for one in desk.simulator.state.tables.values() if one.parent_table]
    said = desk.run("plan", *selected)
    assert said.code == 1
    for child in children:
        assert f"`{child.id}` (`{child.name}`)" in said.out
    with vendor(desk) as client:
        client.delete(f"/v1/tables/{children[0].id}")
    said = desk.run("plan", *selected)
    assert said.code == 1
    assert "2 columns that find people and 1 child table" in said.out


def test_the_limits_of_a_base_find_its_tables_by_name(office: Desk) -> None:
    """A change that names by id what the base finds by name keeps the base's label, and so its limit."""
    base = office.folder / "base"
    office.write("apiVersion: reconciler/v1\nkind: Project\nspec: {limits: {per_label: {team=gtm: 2}}}\n",
                 name="base/reconciler.yaml")  # fmt: skip
    text = HEAD.format(name="guarded") + "  table: {name: Partners}\n  runs: [{mode: new, columns: [news]}]\n"
    office.write(text, name="base/manifests/guarded.yaml")
    office.write(
        "apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {name: other}\n"
        f"spec: {{table: {PARTNERS}, runs: [{{mode: new, columns: [news]}}]}}\n"
    )
    assert office.run("plan").code == 0
    for command in (["plan"], ["apply", "--yes", "--no-wait"]):
        said = office.run(*command, "--limits-from", str(base), "manifests")
        assert said.code == 3
        assert "3 credits are due and the limit is 2" in said.out + said.err
    change(office, PARTNERS, name="Renamed")
    said = office.run("plan", "--limits-from", str(base), "manifests")
    assert said.code == 3
    assert "the table of the base's manifest `guarded` is not known" in said.out
    assert office.posts() == []


def test_a_change_from_an_id_to_a_name_causes_nothing(office: Desk) -> None:
    """`plan --against`: the calls were due anyway, the change is told, and both sides are found with one list."""
    manifest(office, f"table: {PARTNERS}")
    office.write((office.folder / "manifests/weekly.yaml").read_text(), name="base/manifests/weekly.yaml")
    manifest(office, "table: {name: Partners}")
    said = office.run("plan", "--against", "./base", "--format", "json", "manifests")
    assert [call["cause"] for call in said.json["calls"]] == ["due"]
    (told,) = said.json["against"]["changes"]
    assert told["text"] == f"table {PARTNERS} → the table named Partners"
    office.write((office.folder / "manifests/weekly.yaml").read_text(), name="base/manifests/weekly.yaml")
    manifest(office, "tables: {tag: priority}")
    before = lists(office)
    said = office.run("plan", "--against", "./base", "--format", "json", "manifests")
    assert {call["table_id"]: call["cause"] for call in said.json["calls"]} == {ACCOUNTS: "change", PARTNERS: "due"}
    assert lists(office) - before == 2


def test_a_base_whose_table_is_gone_says_so(office: Desk) -> None:
    """It is unknown what was due there, so everything counts as caused."""
    manifest(office, "table: {name: Gone}")
    office.write((office.folder / "manifests/weekly.yaml").read_text(), name="base/manifests/weekly.yaml")
    manifest(office, "table: {name: Partners}")
    said = office.run("plan", "--against", "./base", "--format", "json", "manifests")
    assert [call["cause"] for call in said.json["calls"]] == ["change"]
    assert "there is no table named `Gone`" in said.json["against"]["changes"][0]["text"]


def test_import_leaves_a_table_alone_that_a_name_or_tag_claims(office: Desk) -> None:
    """It writes a second manifest for none of them, and says who claims each."""
    manifest(office, "tables: {tag: priority}")
    manifest(office, "table: {name: Unknown}", name="broken")
    said = office.run("import", "--all")
    assert said.code == 0
    assert "Target Accounts: no second manifest, it is claimed by `weekly`" in said.out
    assert "Partners: no second manifest, it is claimed by `weekly`" in said.out
    assert "manifests/markets.yaml: written" in said.out
    assert "there is no table named `Unknown`; its table is not known." in " ".join(said.err.split())
    assert office.run("import", PARTNERS, "--force", "--adopt", "r1").out.startswith("Partners: no second manifest")


def test_a_doubt_names_its_table(office: Desk) -> None:
    """One of two tables got no answer: its line says which, and the other's calls go on."""
    manifest(office, "tables: {tag: priority}")
    office.simulator.fault("status", method="POST", path=f"/v1/tables/{PARTNERS}/run", status=500, when="after")
    said = office.run("apply", "--yes", "--no-wait")
    assert said.code == 7
    assert "weekly/new (Partners) · 3 cells" in said.out
    assert "weekly/new (Target Accounts)  accepted" in said.out
    assert set(office.charged().values()) == {1}


def test_accounts_of_the_journey_by_name(make_desk: MakeDesk) -> None:
    """The same plan as by id, call for call and byte for byte, but for how the table was found."""
    desk = make_desk(accounts())
    manifest(desk, f"table: {ACCOUNTS}", "mode: new", "mode: failed")
    by_id = desk.run("plan", "--format", "json").json
    manifest(desk, "table: {name: Target Accounts}", "mode: new", "mode: failed")
    by_name = desk.run("plan", "--format", "json").json
    assert by_name["tables"][0].pop("found_by") == {"name": "Target Accounts"}
    for plan in (by_id, by_name):
        for key in ("plan_id", "created_at", "manifest_digest", "manifest_digests", "git"):
            plan.pop(key)
    assert by_name == by_id


@pytest.mark.parametrize("entry", [None, {"id": "one", "name": "Partners"}, {"id": NOWHERE, "name": 7}])
def test_a_table_that_cannot_be_read_stops_those_that_may_mean_it(office: Desk, entry: Any) -> None:
    """It might share the name, so by name nothing is found; by tag and by id the others go on."""
    manifest(office, "table: {name: Partners}", name="by-name")
    manifest(office, "tables: {tag: emea}", "mode: new, columns: [news]", name="by-tag")
    manifest(office, f"table: {ACCOUNTS}", name="by-id")
    with vendor(office) as client:
        shown = client.get("/v1/tables", params={"offset": 0, "limit": 100}).json()
    body = [*(each for each in shown if each["id"] != NOWHERE), entry]
    for selector, code in (("by-name", 1), ("by-tag", 0), ("by-id", 0)):
        office.simulator.fault("status", method="GET", path="/v1/tables", status=200, body=body, times=2)
        said = office.run("plan", "--target", selector)
        assert said.code == code, said.err
        office.simulator.clear_faults()
        if code:
            told = " ".join(said.out.split())
            assert "1 table in the list cannot be read and might be named `Partners`" in told
            assert "Write the id of the table you mean." in told
