"""Names that no keyboard makes, through the command line: they break nothing, and people see what is odd about them."""

from tests.client.live_tables import Api, LiveTable, column
from tests.client.wire_server import Exchange, WireServer
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, PARTNERS, agent, row_id

HEAD = "apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {name: weekly}\nspec:\n"


def test_half_a_character_in_a_name_breaks_no_other_table(make_desk: MakeDesk) -> None:
    """Half a surrogate pair, in the name of a table and of a column: found, planned, shown and imported."""
    rows = [{"news": None}] * 2
    odd = LiveTable([column(1, "news"), column(2, "notes")], id=PARTNERS, name="Half \ud83d").add_rows(rows)
    odd.columns[1]["config"]["name"] = "\ude00 Notes"
    plain = LiveTable([column(3, "news")], id=ACCOUNTS, name="Target Accounts").add_rows(rows)
    listed = [{"id": each.id, "name": each.name, "kind": "company", "tags": ["t"]} for each in (plain, odd)]
    api = Api(plain, odd)

    def behave(exchange: Exchange) -> None:
        if exchange.request.path == "/v1/tables":
            exchange.answer(200, listed if "offset=0" in exchange.request.target else [])
        else:
            api(exchange)

    desk = make_desk()
    with WireServer(behave) as server:
        desk.extra["EXTRUCT_API_URL"] = server.url
        for where, names in (
            ("table: {name: Target Accounts}", ["Target Accounts"]),
            ("tables: {tag: t}", ["Half \ufffd", "Target Accounts"]),
        ):
            manifest = desk.write(f"{HEAD}  {where}\n  runs: [{{mode: new, columns: [news]}}]\n")
            said = desk.run("plan", "--format", "json")
            assert (said.code, [each["name"] for each in said.json["tables"]]) == (0, names)
            assert said.json["totals"]["cells"] == 2 * len(names)
        for command in (["plan"], ["status"], ["plan", "--format", "markdown"]):
            said = desk.run(*command)
            assert (said.code, "Half \ufffd" in said.out) == (0, True)
        manifest.unlink()
        assert desk.run("import", "--all").code == 0
        assert len(list((desk.folder / "manifests").iterdir())) == 2
        assert desk.run("plan").code == 0


def test_names_that_look_the_same_are_told_apart(make_desk: MakeDesk) -> None:
    """A table's name in other code points, a Cyrillic letter in a key: the plan shows what to write, and that works."""
    columns = [{"kind": "input", "key": "site"}, agent("latest_news")]
    rows = [{"id": row_id(1), "data": {"site": "x.example"}}]
    desk = make_desk({"id": ACCOUNTS, "name": "Cafe\u0301s", "columns": columns, "rows": rows})
    manifest = HEAD + "  table: {name: TABLE}\n  runs: [{mode: new, columns: [COLUMN]}]\n"
    for table, key, wanted in (
        ("Cafés", "latest_n\u0435ws", r"did you mean `Cafe\u0301s`? It looks the same, but this is `Caf\xe9s`"),
        (
            r'"Cafe\u0301s"',
            "latest_n\u0435ws",
            r"mean `latest_news`? It looks the same, but this is `latest_n\u0435ws`",
        ),
    ):
        desk.write(manifest.replace("TABLE", table).replace("COLUMN", key))
        said = desk.run("plan")
        assert (said.code, wanted in said.out) == (1, True), said.out
    desk.write(manifest.replace("TABLE", r'"Cafe\u0301s"').replace("COLUMN", "latest_news"))
    assert desk.run("plan", "--format", "json").json["totals"]["cells"] == 1
