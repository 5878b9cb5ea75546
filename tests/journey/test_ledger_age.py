"""How a ledger stays small, from the command line: a nightly apply settles and folds, old calls go into an archive."""

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from tests.at_most_once.small_tables import ledger_path, let_pass
from tests.journey.conftest import MakeDesk
from tests.journey.desk import REFRESH, Desk, accounts

A_DAY = 86_400.0


def refresh(desk: Desk, revision: str) -> None:
    """Buy all cells at a revision, not waiting, as a nightly job does."""
    desk.write(REFRESH.replace("revision: r1", f"revision: {revision}"))
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()


@pytest.fixture
def nightly(make_desk: MakeDesk) -> Desk:
    """A desk with four nights behind it, the last one's calls not settled yet."""
    desk = make_desk(accounts())
    for night in range(4):
        refresh(desk, f"n{night}")
        let_pass(desk, A_DAY)
    return desk


def folded(desk: Desk) -> list[int]:
    """Return for each call whether it is folded, oldest first."""
    with sqlite3.connect(ledger_path(desk)) as connection:
        found = [row[0] for row in connection.execute("SELECT folded FROM calls ORDER BY table_version")]
    connection.close()
    return found


def test_an_apply_settles_what_the_one_before_did_not_wait_for(nightly: Desk) -> None:
    """So that calls of a nightly `--no-wait` can be folded; all but the last night's are."""
    calls = nightly.run("ledger", "list", "--format", "json").json
    settled = [call["settled_at"] is not None for call in reversed(calls)]
    assert settled == [True, True, True, False]
    assert calls[-1]["settlement"] == {"done": 6, "failed": 0, "not_started": 0}
    compacted = nightly.run("ledger", "compact")
    assert (compacted.code, "Folded 3 settled calls of 1 table." in compacted.out + compacted.err) == (0, True)
    assert folded(nightly) == [1, 1, 1, 0]


def test_nothing_is_bought_again_from_a_checkpoint(nightly: Desk) -> None:
    """A revision that was bought stays bought, folded or archived; the next one is due."""
    charged = nightly.charged()
    nightly.run("ledger", "compact")
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    assert nightly.run("ledger", "archive", "--before", today, "--out", "old.jsonl").code == 0
    for night in (0, 3):
        nightly.write(REFRESH.replace("revision: r1", f"revision: n{night}"))
        assert nightly.run("apply", "--yes", "--no-wait").code == 0
    assert nightly.charged() == charged
    refresh(nightly, "next")
    assert set(nightly.charged().values()) == {5}


def test_an_archive_is_counted_and_comes_back(nightly: Desk) -> None:
    """Moved: not in the ledger; counted: with `--archive`; imported: in the ledger again."""
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    whole = nightly.run("ledger", "report", "--by", "manifest", "--format", "json").json
    moved = nightly.run("ledger", "archive", "--before", today, "--out", "old.jsonl")
    assert (moved.code, "Moved 3 calls into old.jsonl." in moved.out + moved.err) == (0, True)
    report = ("ledger", "report", "--by", "manifest", "--format", "json")
    assert nightly.run(*report).json != whole
    assert nightly.run(*report, "--archive", "old.jsonl").json == whole
    assert nightly.run("ledger", "import", "old.jsonl").code == 0
    assert nightly.run(*report).json == whole
    assert nightly.run(*report, "--archive", "old.jsonl").json == whole


def test_an_archive_replaces_nothing_and_looks_back_only(nightly: Desk) -> None:
    """A file that is there stays, and a day that is to come is a mistake; the ledger keeps what it has."""
    (nightly.folder / "old.jsonl").write_text("last year's\n", encoding="utf-8")
    today, later = (datetime.now(UTC) + timedelta(days=days) for days in (0, 2))
    calls = nightly.run("ledger", "list", "--format", "json").json
    taken = nightly.run("ledger", "archive", "--before", f"{today:%Y-%m-%d}", "--out", "old.jsonl")
    assert (taken.code, "old.jsonl cannot be written" in taken.err) == (1, True)
    future = nightly.run("ledger", "archive", "--before", f"{later:%Y-%m-%d}", "--out", "new.jsonl")
    assert (future.code, "cannot lie in the future" in future.err) == (1, True)
    assert (nightly.folder / "old.jsonl").read_text(encoding="utf-8") == "last year's\n"
    assert not (nightly.folder / "new.jsonl").exists()
    assert nightly.run("ledger", "list", "--format", "json").json == calls
