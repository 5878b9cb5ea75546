"""The imports of a command: a library that is not used costs no time."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.journey.desk import Desk

ROOT = Path(__file__).parents[2]
HEAVY = ["click", "httpx", "sqlalchemy", "alembic", "jsonschema", "msgspec", "yaml", "deepdiff", "asyncio"]
HEAVY += ["reconciler.model.plan"]  # what the program is about, and a tenth of a second
HEAVY += ["email", "http.client", "logging", "tempfile", "xml", "zoneinfo"]  # of the standard library
OFFLINE = {"click", "yaml", "msgspec", "reconciler.model.plan"}
SCRIPT = """
import sys
import reconciler.__main__
from reconciler.cli import main
names, sys.argv = sys.argv[1].split(), ["reconciler", *sys.argv[2:]]
try:
    code = main()
except SystemExit as stop:
    code = stop.code
print("loaded", code, *[name for name in names if name in sys.modules])
"""


def loaded(
    folder: Path, arguments: list[str], names: list[str], variables: Mapping[str, str] | None = None
) -> set[str]:
    """Run a command and return which modules of `names` it has loaded in the end."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, " ".join(names), *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "", **(variables or {})},
        capture_output=True,
        text=True,
        check=True,
    )
    _, code, *found = done.stdout.splitlines()[-1].split()
    assert code == "0", done.stderr
    return set(found)


MANIFEST = """\
apiVersion: reconciler/v1
kind: TableRun
metadata: {name: accounts}
spec: {table: 0a1a669a-9a40-497c-bb00-d49dd8ee5b74, runs: [{mode: new}]}
"""
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
spec: {ledger: ledger.db, prices: {default: 1}, limits: {max_credits: 500}}
"""


@pytest.mark.parametrize(
    ("arguments", "most"),
    [
        (["--version"], {"click"}),
        (["--help"], {"click"}),
        (["validate", "accounts.yaml"], OFFLINE),
        (["schema", "plan"], OFFLINE),
    ],
)
def test_a_command_imports_what_it_uses(tmp_path: Path, arguments: list[str], most: set[str]) -> None:
    """The network, the ledger and the diff stay where they are until they are needed."""
    (tmp_path / "accounts.yaml").write_text(MANIFEST, encoding="utf-8")
    (tmp_path / "reconciler.yaml").write_text(PROJECT, encoding="utf-8")
    assert loaded(tmp_path, arguments, HEAVY) <= most


NOT_FOR_A_PLAN = ["httpx", "jsonschema", "sqlalchemy", "reconciler.operations.apply", "reconciler.render.page"]
"""The senders, the explainers of faults, the ledger before it is opened, the other verbs, and the pages."""
NOT_FOR_A_PLAN += ["reconciler.cli.ci_output", "reconciler.operations.plan_against", "reconciler.operations.snapshots"]
NOT_FOR_A_PLAN += ["reconciler.manifests.calendar", "certifi"]
OF_A_SERVER = "sqlalchemy.dialects.postgresql"
PLAN = f"""
import sys
import reconciler.cli.plan
import reconciler.operations.plan_change
print("loaded", *[name for name in {NOT_FOR_A_PLAN!r} if name in sys.modules])
from reconciler.ledger import open_ledger
print("with a ledger", *[name for name in {[*NOT_FOR_A_PLAN, OF_A_SERVER]!r} if name in sys.modules])
"""


def test_a_plan_does_without_what_it_does_not_use() -> None:
    """It reads over the standard library; one from a snapshot has no ledger, and most ledgers are a file."""
    done = subprocess.run(
        [sys.executable, "-c", PLAN],
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ["loaded", "with a ledger sqlalchemy"]


def test_a_plan_of_live_tables_loads_no_store_for_a_ledger_that_is_not_there(desk: Desk) -> None:
    """And neither e-mail nor time zones, though it has read from a server and found calls that are due."""
    found = loaded(desk.folder, ["plan"], [*NOT_FOR_A_PLAN, *HEAVY], desk.simulator.environment())
    assert found == {"click", "msgspec", "yaml", "reconciler.model.plan"}
    assert any(method == "GET" for method, _, _ in desk.simulator.requests())
    assert not (desk.folder / ".reconciler").exists()
