"""Errors of the API, the plan and the ledger have codes, too: the kind's, or a closer one."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from reconciler import errors
from reconciler.errors import ManifestError, NotSent, ReconcilerError, Refused
from reconciler.ledger import open_ledger
from reconciler.model.attempt import Actor
from reconciler.text.codes import Code
from tests.journey.desk import ACCOUNTS, FILL, REFRESH, Desk, Said

LEDGER = ".reconciler/ledger.db"


def changed(desk: Desk, statement: str) -> None:
    """Change the ledger behind the program's back."""
    with sqlite3.connect(desk.folder / LEDGER) as store:
        store.execute(statement)
    store.close()


def saved(desk: Desk) -> dict[str, Any]:
    """Return the content of a new plan file."""
    assert desk.run("plan", "--out", "plan.json").code == 0
    content: dict[str, Any] = json.loads((desk.folder / "plan.json").read_text())
    return content


def wrong_token(desk: Desk) -> Said:
    desk.simulator.fault("status", status=401, times=1)
    return desk.run("plan")


def wrong_column(desk: Desk) -> Said:
    desk.write(FILL.replace("mode: new", "mode: new\n      columns: [nwes]"))
    return desk.run("apply", "--yes")


def another_manifest(desk: Desk) -> Said:
    saved(desk)
    desk.write(REFRESH)
    return desk.run("apply", "--plan", "plan.json")


def edited_plan(desk: Desk) -> Said:
    (desk.folder / "plan.json").write_text(json.dumps(saved(desk) | {"created_at": "2026-01-01T00:00:00Z"}))
    return desk.run("apply", "--plan", "plan.json")


def old_plan(desk: Desk) -> Said:
    saved(desk)
    return desk.run("apply", "--plan", "plan.json", "--plan-max-age", "0")


def other_api(desk: Desk) -> Said:
    saved(desk)
    return desk.run("--api-url", "http://127.0.0.1:9", "apply", "--plan", "plan.json")


def held_table(desk: Desk) -> Said:
    with open_ledger(str(desk.folder / LEDGER)) as ledger:
        ledger.initialise()
        ledger.acquire([ACCOUNTS], owner="another", actor=Actor("bob"), seconds=60)
    return desk.run("apply", "--yes")


def no_ledger_file(desk: Desk) -> Said:
    (desk.folder / ".reconciler").mkdir()
    (desk.folder / LEDGER).write_bytes(b"not a database, and longer than its header would have to be " * 20)
    return desk.run("ledger", "list")


def newer_ledger(desk: Desk) -> Said:
    desk.run("ledger", "init")
    changed(desk, "UPDATE meta SET value = '99' WHERE key = 'schema'")
    return desk.run("ledger", "list")


def older_ledger(desk: Desk) -> Said:
    desk.run("ledger", "init")
    changed(desk, "UPDATE meta SET value = '1' WHERE key = 'schema'")
    return desk.run("ledger", "list")


def other_history(desk: Desk) -> Said:
    desk.run("apply", "--yes", "--no-wait")
    desk.write(desk.run("ledger", "export").out.replace("target-accounts", "other-accounts"), "export")
    return desk.run("ledger", "import", "export")


def finished_call(desk: Desk) -> Said:
    desk.run("apply", "--yes", "--no-wait")
    call = desk.run("ledger", "list", "--format", "json").json[0]["id"]
    return desk.run("ledger", "resolve", call, "--landed", "--reason", "r")


MET: dict[str, tuple[Callable[[Desk], Said], int]] = {
    "E605": (wrong_token, 1),
    "E608": (lambda desk: desk.run("--api-url", "http://127.0.0.1:9", "doctor"), 1),
    "E701": (wrong_column, 1),
    "E702": (another_manifest, 4),
    "E703": (edited_plan, 4),
    "E704": (old_plan, 4),
    "E705": (other_api, 4),
    "E706": (lambda desk: desk.run("apply", "--yes", "--max-cells", "1"), 3),
    "E800": (finished_call, 1),
    "E801": (held_table, 5),
    "E802": (no_ledger_file, 1),
    "E804": (newer_ledger, 1),
    "E806": (older_ledger, 1),
    "E807": (lambda desk: desk.run("ledger", "show", "ffffff"), 1),
    "E808": (lambda desk: desk.run("ledger", "import", "manifests/accounts.yaml"), 1),
    "E809": (other_history, 1),
}
"""Code → how a person meets it, and with which exit code."""


@pytest.mark.parametrize("code", MET)
def test_it_is_told(code: str, desk: Desk) -> None:
    """Before the message; nothing is paid for."""
    meet, exit_code = MET[code]
    before = len(desk.posts())
    said = meet(desk)
    assert f"{code} " in said.out + said.err
    assert said.code == exit_code
    assert before == 0


def test_each_kind_of_error_has_its_code() -> None:
    """A program that embeds this one tells them apart by it; a refusal by its status, too."""
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ReconcilerError)]
    codes = {each: each.code for each in kinds if each not in (ReconcilerError, ManifestError)}
    assert None not in codes.values()
    assert len(set(codes.values())) == len(codes)
    assert {codes[NotSent], codes[errors.InDoubt], codes[errors.ApiError]} == {"E601", "E603", "E600"}
    assert codes[errors.PlanError] == "E700"
    assert {codes[errors.BadResponse], codes[errors.Unwritable]} == {"E604", "E803"}
    assert codes[errors.Stopped] == "E810"
    assert {Refused("no", status=status).code for status in (400, 401, 402, 404)} == {"E602", "E605", "E606", "E607"}
    assert errors.LedgerError("m", code=Code.UNREADABLE_LEDGER).code == "E805"
