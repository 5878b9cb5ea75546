"""A snapshot of tables that were found by name, tag or parent: what it answers it answers as the live list did."""

import json
from dataclasses import replace
from typing import Any

import pytest

from reconciler.documents.snapshot_file import decode, encode
from reconciler.errors import SettingsError
from reconciler.manifests import json_schema
from reconciler.model.observed import TableIndex
from reconciler.operations.find_tables import SnapshotLister
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, NOWHERE, PARTNERS, Desk, Said, agent, row_id
from tests.snapshot.test_hostile import KEY, a_snapshot, contents, made
from tests.snapshot.test_snapshot_command import but_times, in_a_fork

FINDER = {"kind": "company_people_finder", "key": "people", "value": {}}
HEAD = "apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {{name: {name}}}\nspec: {{{where}, runs: [{{{run}}}]}}\n"


def table(identity: str, name: str, *tags: str, row: int) -> dict[str, Any]:
    """Return a table with a finder, whose child is there from the beginning."""
    return {
        "id": identity,
        "name": name,
        "tags": list(tags),
        "columns": [agent("news"), FINDER],
        "rows": [{"id": row_id(row)}],
    }


@pytest.fixture
def signing(make_desk: MakeDesk) -> Desk:
    """Return a desk over three tables, two of them with one name, and manifests of each kind."""
    desk = make_desk(
        table(ACCOUNTS, "Target Accounts", "priority", row=1),
        table(PARTNERS, "Partners", "priority", "secret project", row=2),
        table(NOWHERE, "Unnamed by anybody", "emea", row=3),
    )
    manifest(desk, "by-name", "table: {name: Target Accounts}", "mode: new, columns: [people]")
    manifest(desk, "by-tag", "tables: {tag: priority}")
    manifest(
        desk,
        "by-parent",
        "table: {child_of: by-name, column: people}, allow_growth: {max_cells: 9}",
        "mode: new, columns: [role]",
    )
    desk.extra["RECONCILER_SNAPSHOT_KEY"] = "0123456789abcdef" * 2
    return desk


def manifest(desk: Desk, name: str, where: str, run: str = "mode: new, columns: [news]") -> None:
    """Write a manifest."""
    desk.write(HEAD.format(name=name, where=where, run=run), name=f"manifests/{name}.yaml")


def from_snapshot(desk: Desk, *more: str) -> Said:
    """Plan from it, where there is no network."""
    return in_a_fork(desk, "plan", "--live-snapshot", "live.snapshot", *more)


def test_the_plan_is_that_of_the_live_tables(signing: Desk) -> None:
    """To the byte, but for its times; what no manifest asked for is not in the file."""
    live = signing.run("plan", "--format", "json")
    assert signing.run("snapshot", "--out", "live.snapshot").code == 0
    kept = from_snapshot(signing, "--format", "json")
    assert (live.code, kept.code, json_schema.problems("plan", kept.json)) == (0, 0, [])
    assert json.dumps(but_times(kept.json)) == json.dumps(but_times(live.json))
    index = decode((signing.folder / "live.snapshot").read_bytes(), None).index
    assert index is not None
    assert index.names == {ACCOUNTS: "Target Accounts", PARTNERS: "Partners"}
    assert dict(index.tags) == {"priority": (ACCOUNTS, PARTNERS)}
    assert list(index.children) == [ACCOUNTS]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("table: {name: Unnamed by anybody}", "there is no table named `Unnamed by anybody` in the snapshot"),
        ("tables: {tag: emea}", "no table carries the tag `emea` in the snapshot"),
        ("tables: {tag: secret project}", "no table carries the tag `secret project` in the snapshot"),
        ("table: {child_of: other, column: people}", f"does not hold the child tables of {PARTNERS}"),
    ],
)
def test_what_it_cannot_answer_is_an_error_at_the_line(signing: Desk, where: str, said: str) -> None:
    """The other manifests are planned as ever."""
    signing.run("snapshot", "--out", "live.snapshot")
    manifest(signing, "other", "table: {name: Partners}", "mode: new, columns: [people]")
    manifest(signing, "asks", where, "mode: failed, columns: [role]")
    found = from_snapshot(signing, "--format", "json")
    assert found.code == 1
    (problem,) = found.json["diagnostics"]
    assert (problem["path"], problem["line"]) == ("manifests/asks.yaml", 4)
    assert said in problem["message"]
    assert {table["manifest"] for table in found.json["tables"]} == {"by-name", "by-tag", "by-parent", "other"}


def test_a_second_table_of_a_name_makes_it_ambiguous_there_too(signing: Desk) -> None:
    """Although no manifest means that second one, the snapshot knows of it."""
    signing.simulator.state.tables[NOWHERE].name = "Partners"
    signing.run("snapshot", "--out", "live.snapshot")
    manifest(signing, "asks", "table: {name: Partners}", "mode: failed, columns: [people]")
    for said in (signing.run("plan"), from_snapshot(signing)):
        assert said.code == 1
        assert f"2 tables are named `Partners`: `{PARTNERS}`, `{NOWHERE}`" in said.out


def test_a_snapshot_of_ids_says_that_it_knows_no_names(signing: Desk) -> None:
    """It asks for no list, holds none, and a name is an error at its line."""
    for name in ("by-name", "by-tag", "by-parent"):
        (signing.folder / f"manifests/{name}.yaml").unlink()
    manifest(signing, "by-id", f"table: {ACCOUNTS}")
    assert signing.run("snapshot", "--out", "live.snapshot").code == 0
    assert "/v1/tables" not in {path for _, path, _ in signing.simulator.requests()}
    assert decode((signing.folder / "live.snapshot").read_bytes(), None).index is None
    manifest(signing, "by-name", "table: {name: Partners}")
    said = from_snapshot(signing)
    assert said.code == 1
    assert (
        "manifests/by-name.yaml:4:15: E406 the snapshot of the live tables does not hold the tables' names" in said.out
    )


def test_a_table_that_is_not_found_is_told_when_it_is_taken(signing: Desk) -> None:
    """The rest is saved; exit 1."""
    manifest(signing, "wrong", "table: {name: Partnrs}", "mode: failed, columns: [people]")
    said = signing.run("snapshot", "--out", "live.snapshot")
    assert said.code == 1
    assert "manifests/wrong.yaml:4:15: E407 there is no table named `Partnrs`; did you mean `Partners`?" in said.err
    assert len(decode((signing.folder / "live.snapshot").read_bytes(), None).snapshots) == 3


def test_a_snapshot_without_the_index_is_still_read() -> None:
    """Written by an older version; and a hostile one only misleads about tables that it does not hold."""
    tables, unreadable, index, sums = contents()
    assert (index, sums) == (None, None)
    assert decode(made([tables, unreadable]), None).index is None
    hostile = [{NOWHERE: "x\u202e"}, {"tag": [NOWHERE, NOWHERE, ACCOUNTS]}, {ACCOUNTS: [NOWHERE]}]
    kept = decode(made([tables, unreadable, hostile]), None)
    listed = SnapshotLister(kept).list_tables()
    assert {each.id: each.tags for each in listed} == {NOWHERE: ("tag",), ACCOUNTS: ("tag",)}


@pytest.mark.parametrize(
    "index",
    [
        [{"../x": "name"}, {}, {}],
        [{NOWHERE: 7}, {}, {}],
        [None, {"tag": ["../x"]}, {}],
        [None, {}, {ACCOUNTS: "x"}],
        [None, {}],
        7,
    ],
)
def test_an_index_of_another_shape_is_refused(index: Any) -> None:
    """As anything else in the file."""
    tables, unreadable, *_ = contents()
    with pytest.raises(SettingsError):
        decode(made([tables, unreadable, index]), None)


def test_an_index_reads_back() -> None:
    """With its order, which is that of the list."""
    index = TableIndex({ACCOUNTS: "A", NOWHERE: "B"}, {"t": (NOWHERE, ACCOUNTS)}, {ACCOUNTS: (PARTNERS,)})
    assert decode(encode(replace(a_snapshot(), index=index), KEY), KEY).index == index
