"""Ledgers of earlier versions of the program: their stores are migrated, its exports are read, nothing is lost."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from reconciler.errors import Leased, LedgerError
from reconciler.ledger import Ledger, migrate, open_ledger
from reconciler.ledger.clocks import Boot
from reconciler.ledger.tables import POSTGRES_SCHEMA
from reconciler.model.attempt import Verdict
from reconciler.model.history import CallState
from tests.ledger.calls_and_actors import ALICE, TABLE, Clock, a_call, accepted, begin, state_of
from tests.postgres import fresh_database

CALL = {
    "id": a_call(1).id,
    "table_id": TABLE,
    "table_version": 1,
    "address": "accounts/fill",
    "mode": "new",
    "revision": None,
    "columns": '["c1"]',
    "column_keys": '["key_c1"]',
    "rows": '["r1","r2","r3"]',
    "row_count": 3,
    "covered": '[{"columns":["c1"]}]',
    "before": '{"c1":["0","0","0"]}',
    "configs": "{}",
    "cells": 3,
    "credits": "3",
    "reason": "cells_empty",
    "wave": 1,
    "plan_id": "sha256:plan",
    "labels": "{}",
    "actor": "alice",
    "state": "intent",
    "attempt": 1,
    "payments": 0,
}
LATER = ("apply_id", "counted", "token", "boot", "booted_at")


def write_first_schema(connection: Connection, clock: Clock) -> None:
    """Make the tables as version 0.1 first made them, with an open call and a lease in them."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    prefix = ""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f"CREATE SCHEMA {POSTGRES_SCHEMA}")
        prefix = f"{POSTGRES_SCHEMA}."
    command.upgrade(config, "0001")
    rows: dict[str, dict[str, object]] = {
        "meta": {"key": "schema", "value": "1"},
        "tables": {
            "table_id": TABLE,
            "version": 1,
            "fence": 1,
            "owner": "one",
            "actor": "alice",
            "acquired_at": clock.now,
            "expires_at": clock.now + 60,
        },
        "calls": {**CALL, "begun_at": clock.now},
    }
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    for table, row in rows.items():
        marks = ", ".join([mark] * len(row))
        connection.exec_driver_sql(f"INSERT INTO {prefix}{table} ({', '.join(row)}) VALUES ({marks})", (*row.values(),))


@pytest.fixture(params=["sqlite", "postgres"])
def older(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    """A ledger that an earlier version wrote."""
    path = tmp_path / "ledger.db"
    path.touch()
    url = str(path) if request.param == "sqlite" else fresh_database(request.getfixturevalue("postgres_server"))
    with open_ledger(url, clock=clock, boot=Boot("boot", Clock(9.0))) as ledger:
        with ledger._store._engine.begin() as connection:
            write_first_schema(connection, clock)
        yield ledger


def test_an_older_store_is_migrated_when_it_is_asked_for(older: Ledger, clock: Clock) -> None:
    """Until then it is refused; after it nothing is missing, and what is new of a call is not known of an old one."""
    for attempt in (lambda: older.recall([TABLE]), lambda: begin(older, a_call(2), version=1)):
        with pytest.raises(LedgerError, match="older version") as caught:
            attempt()
        assert "ledger init" in caught.value.hint
    with pytest.raises(Leased, match="alice"):
        older.initialise()
    clock.now += 60
    older.initialise()
    clock.now -= 10
    history = older.recall([TABLE])[TABLE]
    assert [(call.id, call.state, call.age_seconds) for call in history.calls] == [(CALL["id"], CallState.INTENT, 50)]
    assert [lease.remaining_seconds for lease in older.leases()] == [10]
    clock.now += 10
    older.resolve(Verdict(a_call(1).id, 1, landed=False, reason="looked", actor=ALICE, min_age_seconds=60))
    older.end(begin(older, a_call(1)), accepted())
    assert state_of(older, a_call(1)) == (CallState.ACCEPTED, 2)


def aged(lines: list[str]) -> list[str]:
    """Return an export as the first version wrote it."""
    entries = [entry for entry in map(json.loads, lines) if entry["type"] != "spent"]
    entries[0]["schema"] = 1
    entries[-1].pop("spent")
    return [json.dumps({key: value for key, value in entry.items() if key not in LATER}) for entry in entries]


@pytest.fixture
def exported(tmp_path: Path, clock: Clock) -> list[str]:
    """The export of a ledger with two calls, one of them open."""
    with open_ledger(str(tmp_path / "source.db"), clock=clock, boot=Boot("boot", Clock(9.0))) as source:
        source.end(begin(source, a_call(1)), accepted())
        begin(source, a_call(2))
        return list(source.export())


def test_an_older_export_is_read(ledger: Ledger, exported: list[str], clock: Clock) -> None:
    """Once and again; a call's age goes by the store's clock."""
    assert ledger.load(aged(exported)).calls == 2
    assert ledger.load(aged(exported)).calls == 0
    clock.now += 70
    assert [call.age_seconds for call in ledger.recall([TABLE])[TABLE].calls] == [70, 70]


@pytest.mark.parametrize("wrong", ["old export with new fields", "new export without them"])
def test_an_export_holds_what_its_version_says(ledger: Ledger, exported: list[str], wrong: str) -> None:
    """Neither more nor less: otherwise it was edited."""
    new = [line for line in exported if '"type":"spent"' not in line]
    lines = aged(exported)[:1] + new[1:] if "old" in wrong else new[:1] + aged(exported)[1:]
    with pytest.raises(LedgerError, match="fields are missing or unknown: apply_id, boot, booted_at, counted, token"):
        ledger.load(lines)
    assert ledger.calls() == []


def test_the_boot_of_a_call_moves_with_it(url: str, exported: list[str], clock: Clock) -> None:
    """On the same machine its age goes by the boot's clock in the other store, too."""
    boot = Clock(9.0 + 30)
    clock.now += 3600
    with open_ledger(url, clock=clock, boot=Boot("boot", boot)) as there:
        if there.location.startswith("postgresql"):
            there.initialise()
        there.load(exported)
        assert [call.age_seconds for call in there.recall([TABLE])[TABLE].calls] == pytest.approx([30, 30])
