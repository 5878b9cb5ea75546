"""SIGKILL at the lines that move old calls into an archive: nothing is lost or doubled, and another run ends it."""

import json
import time
from pathlib import Path

import pytest

from reconciler.ledger import Ledger, open_ledger
from reconciler.model.account import Account
from reconciler.model.balance import TableCounts
from reconciler.operations.project_ledger import lines_of
from tests.at_most_once.driver import Point, points
from tests.at_most_once.processes import Driver
from tests.ledger.calls_and_actors import OTHER_TABLE, TABLE, Clock, a_call, accepted, begin
from tests.ledger.test_archive import A_WEEK
from tests.ledger.test_checkpoints import ROWS, buy

ARCHIVING = {
    "reconciler.operations.project_ledger": ("ProjectLedger.archive",),
    "reconciler.operations.atomic_file": ("write_durably",),
    "reconciler.ledger.ledger": ("Ledger.archive",),
    "reconciler.ledger.archive": ("Archived.portions", "export", "forget"),
    "reconciler.ledger.balances": ("forget",),
}
SAMPLE = 17
"""Every so many lines in the short run."""


def fill(ledger: Ledger, clock: Clock) -> None:
    """Write seven weeks of two tables, the last not settled, and balances."""
    for week in range(7):
        ledger.note_balance(f"plan-{week}", Account(), [TableCounts(TABLE, week, 0, 0, 0)], age_seconds=0)
        buy(ledger, week, ROWS[:4], settled=week < 6)
        ledger.end(begin(ledger, a_call(100 + week, table=OTHER_TABLE)), accepted())
        clock.now += A_WEEK
    ledger.compact(TABLE)


def content(ledger: Ledger, archives: list[Path]) -> list[str]:
    """Return every call, event and balance that a ledger and archives hold, each once."""
    found = set()
    for lines in (list(ledger.export()), *(path.read_text().splitlines() for path in archives)):
        found |= {line for line in lines if json.loads(line)["type"] in ("call", "event", "balance", "counts")}
    return sorted(found)


def whole(folder: Path) -> list[Path]:
    """Return the archives under their own names that are written to the end."""
    return [path for path in sorted(folder.glob("*.jsonl")) if '"type":"end"' in path.read_text()]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A ledger that is copied for each kill."""
    clock = Clock(time.time() - 8 * A_WEEK)
    with open_ledger(str(tmp_path / "made.db"), clock=clock) as ledger:
        fill(ledger, clock)
    return tmp_path / "made.db"


def kill(point: Point, url: str, folder: Path, driver: Driver) -> bool:
    """Kill `ledger archive` at a line and run it again; return whether the line was reached."""
    environment = {"RECONCILER_LEDGER": url, "CI": "1"}
    archive = ["ledger", "archive", "--before", time.strftime("%Y-%m-%d", time.gmtime())]
    with open_ledger(url, clock=Clock(time.time())) as ledger:
        before = content(ledger, [])
        recalled, report = ledger.recall([TABLE, OTHER_TABLE], plan_id="sha256:plan"), ledger.report("column")
        killed = driver.run([*archive, "--out", "one.jsonl"], folder, environment, at=(point, 1))
        assert content(ledger, whole(folder)) == before
        again = driver.run([*archive, "--out", "two.jsonl"], folder, environment)
        assert again.code == 0, again.err
        archives = whole(folder)
        assert content(ledger, archives) == before
        assert len(ledger.calls()) == 1 + 7  # the newest of the one table, and what was never settled
        assert ledger.recall([TABLE, OTHER_TABLE], plan_id="sha256:plan") == recalled
        opened = [path.open("rb") for path in archives]
        assert ledger.report("column", archives=map(lines_of, opened)) == report
        for path, file in zip(archives, opened, strict=True):
            file.close()
            ledger.load(path.read_text().splitlines())
        assert content(ledger, []) == before
    return killed.code == -9


def test_a_kill_while_calls_are_archived_loses_nothing_and_doubles_nothing(
    tmp_path: Path, made: Path, driver: Driver, is_long: bool
) -> None:
    """Whatever had left the ledger by then is in the file, which the next run neither replaces nor needs."""
    every = list(points(ARCHIVING))
    reached = 0
    some = every if is_long else every[::SAMPLE]
    for number, point in enumerate(some):
        folder = tmp_path / str(number)
        folder.mkdir()
        url = f"sqlite:///{folder}/ledger.db"
        (folder / "ledger.db").write_bytes(made.read_bytes())
        reached += kill(point, url, folder, driver)
    assert reached >= len(some) * 2 / 3
