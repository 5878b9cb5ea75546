"""A ledger moves from SQLite to PostgreSQL and back through the command line, and nothing is lost or bought again."""

import json

import pytest

from reconciler.simulator.world.table import State
from tests.at_most_once.small_tables import CELLS, let_pass, small_table, two_tables
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, PARTNERS, Desk
from tests.postgres import fresh_database


@pytest.fixture
def office(make_desk: MakeDesk) -> Desk:
    """A desk whose ledger holds every kind of call: accepted, refused, in doubt, resolved."""
    desk = two_tables(make_desk(small_table(ACCOUNTS, 10), small_table(PARTNERS, 20)), "mode: all, revision: r1")
    desk.simulator.fault("close_before", "POST", f"/v1/tables/{ACCOUNTS}/run", times=1)
    desk.simulator.fault("status", "POST", f"/v1/tables/{PARTNERS}/run", status=422, skip=1, times=1)
    assert desk.run("apply", "--yes", "--no-wait").code == 7
    let_pass(desk, 60)
    desk.simulator.finish()
    return desk


def exported(desk: Desk, ledger: str | None = None) -> str:
    """Return the ledger as JSON lines."""
    said = desk.run(*(["--ledger", ledger] if ledger else []), "ledger", "export")
    assert said.code == 0, said.err
    return said.out


def records(text: str) -> list[str]:
    """Return the lines that hold what happened, in an order that does not depend on the store."""
    lines = [json.loads(line) for line in text.splitlines()]
    return sorted(json.dumps(line, sort_keys=True) for line in lines[1:])


def test_there_and_back_loses_nothing(office: Desk, postgres_server: str) -> None:
    """The export of the copy of the copy is the export of the original."""
    url = fresh_database(postgres_server)
    original = exported(office)
    dump = office.write(original, "ledger.jsonl")
    assert office.run("--ledger", url, "ledger", "init").code == 0
    assert "2 tables" in office.run("--ledger", url, "ledger", "import", str(dump)).out
    copied = exported(office, url)
    dump = office.write(copied, "copied.jsonl")
    assert office.run("--ledger", "back.db", "ledger", "import", str(dump)).code == 0
    assert records(exported(office, "back.db")) == records(copied) == records(original)
    assert office.run("--ledger", "back.db", "ledger", "list").out == office.run("ledger", "list").out


def test_importing_twice_adds_nothing(office: Desk, postgres_server: str) -> None:
    """Records that are there already stay as they are."""
    url = fresh_database(postgres_server)
    dump = office.write(exported(office), "ledger.jsonl")
    office.run("--ledger", url, "ledger", "init")
    office.run("--ledger", url, "ledger", "import", str(dump))
    again = office.run("--ledger", url, "ledger", "import", str(dump))
    assert again.code == 0
    assert "0 calls, 0 events" in again.out
    assert records(exported(office, url)) == records(dump.read_text(encoding="utf-8"))


def test_a_moved_ledger_remembers_what_was_bought_and_what_is_in_doubt(office: Desk, postgres_server: str) -> None:
    """The first apply with the new ledger sends only what is due; a doubt is ended there; nothing is bought twice."""
    url = fresh_database(postgres_server)
    dump = office.write(exported(office), "ledger.jsonl")
    office.run("--ledger", url, "ledger", "init")
    office.run("--ledger", url, "ledger", "import", str(dump))
    office.extra["RECONCILER_LEDGER"] = url
    said = office.run("apply", "--yes", "--no-wait", "--format", "json")
    assert said.code == 7
    assert sorted(call["address"] for call in said.json["calls"]) == ["accounts/notes", "partners/notes"]
    office.simulator.finish()
    (doubt,) = said.json["in_doubt_before"]
    assert office.run("ledger", "resolve", doubt["id"], "--not-landed", "--reason", "not billed").code == 0
    assert office.run("apply", "--yes", "--no-wait").code == 0
    office.simulator.finish()
    assert office.run("apply", "--yes", "--no-wait").code == 0
    assert (len(office.charged()), set(office.charged().values())) == (4 * CELLS, {1})
    table = office.simulator.state.tables[ACCOUNTS]
    assert table.count(State.DONE) >= 2 * CELLS


def test_a_broken_export_is_refused_whole(office: Desk, postgres_server: str) -> None:
    """All or nothing: a cut or edited file leaves the ledger as it was."""
    url = fresh_database(postgres_server)
    office.run("--ledger", url, "ledger", "init")
    lines = exported(office).splitlines()
    for broken in ("\n".join(lines[:-1]) + "\n" + lines[-1][:-20], "not JSON\n", "\n".join([*lines, "{}"])):
        dump = office.write(broken, "broken.jsonl")
        said = office.run("--ledger", url, "ledger", "import", str(dump))
        assert said.code == 1, broken[-100:]
        assert office.run("--ledger", url, "ledger", "list", "--format", "json").json == []
