"""`import` over live tables: which are found, what is written, and what is left alone."""

from pathlib import Path
from typing import Any

import pytest

from reconciler.manifests import json_schema
from reconciler.manifests.loader import load_manifests
from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from reconciler.simulator.world.workspace_file import load
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, FILL, NOWHERE, PARTNERS, Desk, accounts, agent

ROOT = Path(__file__).parents[2]
FILE = "manifests/target-accounts.yaml"


def partners(**more: Any) -> dict[str, Any]:
    """Return a second table, tagged."""
    return {
        "id": PARTNERS,
        "name": "Partners",
        "tags": ["priority", "emea"],
        "columns": [{"kind": "input", "key": "site"}, agent("news")],
        "rows": [{"data": {"site": "p.example"}, "cells": {"news": "done"}}],
        **more,
    }


@pytest.fixture
def office(make_desk: MakeDesk) -> Desk:
    """Return a desk over two tables and no manifest."""
    return make_desk(accounts(), partners())


def names(desk: Desk) -> set[str]:
    """Return the files of the manifests there are."""
    return set(written(desk))


def written(desk: Desk) -> dict[str, str]:
    """Return the manifests there are, by file."""
    return {path.relative_to(desk.folder).as_posix(): path.read_text() for path in desk.folder.rglob("*.yaml")}


def test_a_table_is_imported_by_id_or_url(office: Desk) -> None:
    """Nothing but GET is sent, and the manifest is valid and names every output column."""
    said = office.run("import", ACCOUNTS, f"https://app.extruct.ai/tables/{PARTNERS}")
    assert (said.code, names(office)) == (0, {FILE, "manifests/partners.yaml"})
    assert f"{FILE}: written, 2 columns" in said.out
    assert {method for method, _, _ in office.simulator.requests()} == {"GET"}
    (manifest,) = load_manifests([office.folder / FILE])
    assert (manifest.name, manifest.table_id) == ("target-accounts", ACCOUNTS)
    assert [named.text for named in manifest.runs[0].columns or ()] == ["news", "notes"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--search", "account"], {FILE}),
        (["--tag", "priority"], {"manifests/partners.yaml"}),
        (["--tag", "none", "--tag", "emea"], {"manifests/partners.yaml"}),
        (["--search", "account", "--tag", "emea", ACCOUNTS], {FILE}),
        (["--all"], {FILE, "manifests/partners.yaml"}),
    ],
)
def test_tables_are_found(office: Desk, options: list[str], found: set[str]) -> None:
    """By text, by tag, by both at once, or all."""
    assert office.run("import", *options).code == 0
    assert names(office) == found


def test_the_example_is_what_import_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pytestconfig: pytest.Config
) -> None:
    """Word for word, over the examples' workspace; `--rewrite-golden` brings it up to date."""
    name = "examples/from-an-existing-table/target-accounts.yaml"
    with serve(load(ROOT / "examples/workspace.yaml"), clock=ManualClock()) as simulator:
        desk = Desk(tmp_path, simulator, capsys)
        desk.write(json_schema.text("manifest"), "schemas/manifest.v1.json")
        assert desk.run("import", ACCOUNTS, "--out", str(Path(name).parent)).code == 0
    if pytestconfig.getoption("--rewrite-golden"):
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_text((tmp_path / name).read_text())
    assert (ROOT / name).read_text() == (tmp_path / name).read_text()


def test_all_is_read_page_by_page(make_desk: MakeDesk) -> None:
    """250 tables take three pages and a look behind them; each gets a manifest of its own, also where names agree."""
    desk = make_desk(*({"name": f"Leads {number % 200}", "columns": [agent("a")]} for number in range(250)))
    assert desk.run("import", "--all").code == 0
    assert len(written(desk)) == 250
    lists = [path for _, path, _ in desk.simulator.requests() if path == "/v1/tables"]
    assert len(lists) == 4
    assert desk.run("validate").code == 0


def test_importing_twice_changes_nothing(office: Desk) -> None:
    """The second time says so and exits 0; not a byte differs, whatever became of the cells."""
    office.run("import", "--all")
    before = written(office)
    office.run("apply", "--yes", "--no-wait")
    office.simulator.finish()
    said = office.run("import", "--all")
    assert (said.code, said.out.count(": unchanged\n")) == (0, 2)
    assert written(office) == before


def test_an_edited_manifest_is_kept_unless_forced(office: Desk) -> None:
    """`--force` writes it again, and keeps its name."""
    office.run("import", ACCOUNTS)
    path = office.folder / FILE
    original = path.read_text()
    path.write_text(original.replace("max_attempts: 3", "max_attempts: 5"))
    said = office.run("import", ACCOUNTS)
    assert (said.code, "kept" in said.out, "max_attempts: 5" in path.read_text()) == (0, True, True)
    assert office.run("import", "--force", ACCOUNTS).code == 0
    assert path.read_text() == original


def test_a_claimed_table_gets_no_second_manifest(office: Desk) -> None:
    """Whoever claims it is named with the place, and is not touched, not even by force."""
    path = office.write(FILL, "manifests/gtm/mine.yaml")
    for force in ([], ["--force"]):
        said = office.run("import", *force, ACCOUNTS)
        assert said.code == 0
        assert "`target-accounts` at manifests/gtm/mine.yaml:4:9" in said.out
        assert (names(office), path.read_text()) == ({"manifests/gtm/mine.yaml"}, FILL)


def test_a_file_with_several_manifests_is_not_replaced(office: Desk) -> None:
    """Not even by force: the others in it would be lost."""
    both = FILL + "---\n" + FILL.replace("target-accounts", "other").replace(ACCOUNTS, NOWHERE)
    path = office.write(both, FILE)
    assert "claimed by" in office.run("import", "--force", ACCOUNTS).out
    assert path.read_text() == both


def test_a_name_that_is_taken_is_not_taken_again(office: Desk) -> None:
    """Neither another table's manifest nor a file of that name is overwritten; the id tells the new one apart."""
    office.write(FILL.replace(ACCOUNTS, NOWHERE), FILE)
    assert office.run("import", ACCOUNTS).code == 0
    assert f"{FILE[:-5]}-0a1a669a.yaml" in written(office)
    assert NOWHERE in (office.folder / FILE).read_text()
    assert office.run("validate").code == 0
    assert office.run("import", ACCOUNTS).out.endswith(": unchanged\n")


def test_the_import_buys_no_cell_that_never_ran(office: Desk) -> None:
    """The plan right after it tries failed cells again and nothing else; `--fill` asks for the rest."""
    office.run("import", ACCOUNTS)
    calls = office.run("plan", "--format", "json").json["calls"]
    assert {call["mode"] for call in calls} == {"failed"}
    office.run("import", ACCOUNTS, "--fill", "--force")
    calls = office.run("plan", "--format", "json").json["calls"]
    assert {call["mode"] for call in calls} == {"failed", "new"}


def test_a_table_that_cannot_be_read_does_not_keep_the_others(office: Desk) -> None:
    """It is an error, said with its id; the others are written."""
    said = office.run("import", NOWHERE, ACCOUNTS)
    assert (said.code, names(office)) == (1, {FILE})
    assert NOWHERE in said.err


def test_a_table_without_output_columns_gets_no_manifest(make_desk: MakeDesk) -> None:
    """There is nothing to run in it."""
    desk = make_desk(accounts(columns=[{"kind": "input", "key": "site"}], rows=2))
    said = desk.run("import", ACCOUNTS)
    assert (said.code, written(desk), "no column to run" in said.out) == (0, {}, True)


def test_manifests_go_where_they_are_asked_for(office: Desk) -> None:
    """`--out`, else the project's first folder; the modeline leads to the schema that `init` wrote."""
    office.run("init")
    (office.folder / "manifests/target-accounts.yaml").unlink()
    office.run("import", PARTNERS, "--out", "teams/alliances")
    office.run("import", ACCOUNTS)
    found = written(office)
    assert found["teams/alliances/partners.yaml"].startswith(
        "# yaml-language-server: $schema=../../schemas/manifest.v1.json\n"
    )
    assert found[FILE].startswith("# yaml-language-server: $schema=../schemas/manifest.v1.json\n")
    assert office.run("import", PARTNERS, "--out", str(office.folder / "teams/alliances")).out.endswith("unchanged\n")


def test_a_broken_project_is_said_before_anything_is_written(office: Desk) -> None:
    """It is unknown then which tables are claimed."""
    office.write("kind: TableRun\n", "manifests/broken.yaml")
    said = office.run("import", "--all")
    assert (said.code, names(office)) == (1, {"manifests/broken.yaml"})
    assert "manifests/broken.yaml:1:" in said.err


@pytest.mark.parametrize("arguments", [[], ["accounts"], [ACCOUNTS, "--adopt", "two words"], ["--adopt", "r1"]])
def test_a_wrong_command_line_exits_64(office: Desk, arguments: list[str]) -> None:
    """Without a table, with one that is none, with a revision that no manifest would take."""
    assert office.run("import", *arguments).code == 64
    assert office.simulator.requests() == []


def test_finding_nothing_is_an_error(office: Desk) -> None:
    """A spelling mistake is not a success."""
    assert office.run("import", "--search", "acounts").code == 1


def test_hostile_names_reach_neither_terminal_nor_manifest(make_desk: MakeDesk, tmp_path: Path) -> None:
    """Escape sequences and line breaks in a table's or column's name stay text."""
    name = "A\x1b[2J\u202e\n- mode: all"
    desk = make_desk(accounts(name=name, columns=[agent("news", name=name)], rows=1))
    said = desk.run("import", "--all")
    assert said.code == 0
    assert not {"\x1b", "\u202e"}.intersection(said.out + "".join(written(desk).values()))
    assert desk.run("validate").out == "Valid: 1 manifest, 1 run.\n"
