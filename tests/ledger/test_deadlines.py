"""A store that says nothing, or is locked, or may only be read: every operation ends, and says what to do."""

import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from reconciler.errors import LedgerError, Unwritable
from reconciler.ledger import Lease, Ledger, open_ledger
from reconciler.model.attempt import Settlement, Ticket, Verdict
from tests.ledger.calls_and_actors import ALICE, TABLE, a_call, accepted, before_statement, begin
from tests.ledger.losing_proxy import LosingProxy
from tests.postgres import fresh_database

SHORT = 0.3
LEASE = Lease(TABLE, "one", ALICE, 0.0, 0.0, 1, 0, 0.0)

READS: dict[str, Callable[[Ledger], object]] = {
    "recall": lambda ledger: ledger.recall([TABLE]),
    "past": lambda ledger: ledger.past(a_call().id),
    "find": lambda ledger: ledger.find(a_call().id),
    "calls": lambda ledger: ledger.calls(),
    "events": lambda ledger: ledger.events(a_call().id),
    "report": lambda ledger: ledger.report("table"),
    "leases": lambda ledger: ledger.leases(),
    "export": lambda ledger: list(ledger.export()),
}
WRITES: dict[str, Callable[[Ledger], object]] = {
    "initialise": lambda ledger: ledger.initialise(),
    "begin": lambda ledger: begin(ledger, a_call(2), version=1),
    "end": lambda ledger: ledger.end(Ticket(a_call().id, 1, 1), accepted()),
    "settle": lambda ledger: ledger.settle(a_call().id, Settlement(1, 1, 1)),
    "resolve": lambda ledger: ledger.resolve(Verdict(a_call().id, 1, landed=True, reason="r", actor=ALICE)),
    "acquire": lambda ledger: ledger.acquire([TABLE], owner="one", actor=ALICE, seconds=60),
    "renew": lambda ledger: ledger.renew([LEASE], seconds=60),
    "release": lambda ledger: ledger.release([LEASE]),
    "force_release": lambda ledger: ledger.force_release(TABLE, reason="r", actor=ALICE),
    "load": lambda ledger: ledger.load(['{"type":"reconciler-ledger","schema":1}', '{"type":"end"}']),
}
OPERATIONS = READS | WRITES


@pytest.fixture(scope="module")
def written(postgres_server: str) -> str:
    """The URL of a ledger on a server that holds a call."""
    url = fresh_database(postgres_server)
    with open_ledger(url) as ledger:
        ledger.initialise()
        begin(ledger, a_call())
    return url


def named(error: LedgerError, kind: str) -> bool:
    """Say whether an error is one of reading or of writing, as the operation is."""
    return isinstance(error, Unwritable) == (kind in WRITES) and ("read" in error.message) == (kind in READS)


@pytest.mark.parametrize("kind", OPERATIONS)
def test_every_operation_ends_when_the_store_says_nothing(written: str, kind: str) -> None:
    """Behind a proxy that acknowledges all it gets; on a connection that worked so far."""
    with LosingProxy(written) as proxy, open_ledger(proxy.address) as ledger:
        ledger.recall([TABLE])
        proxy.fall_silent()
        ledger._store.answer_seconds = SHORT
        with pytest.raises(LedgerError, match="no answer within") as caught:
            OPERATIONS[kind](ledger)
    assert proxy.seen.is_set()
    assert named(caught.value, kind)
    assert "pooling proxy" in caught.value.hint


@pytest.mark.parametrize("kind", ["recall", "begin"])
def test_a_store_that_accepts_a_connection_and_says_nothing(written: str, kind: str) -> None:
    """Not even the driver's own timeout of a connection is waited for, whatever the URL says of it."""
    with LosingProxy(written) as proxy:
        proxy.fall_silent()
        url = f"{proxy.address}?connect_timeout=3600"
        with open_ledger(url, answer_seconds=SHORT) as ledger, pytest.raises(LedgerError, match="no answer within"):
            OPERATIONS[kind](ledger)


@pytest.mark.parametrize("kind", ["recall", "export", "end", "begin"])
def test_an_interrupt_ends_an_operation_long_before_its_deadline(written: str, kind: str) -> None:
    """Outcomes that still have to be recorded get a moment, and the program ends."""
    with (
        LosingProxy(written) as proxy,
        open_ledger(proxy.address, answer_seconds=3600, interrupted=proxy.seen.is_set) as ledger,
    ):
        ledger.recall([TABLE])
        proxy.fall_silent()
        with pytest.raises(LedgerError, match="no answer within"):
            OPERATIONS[kind](ledger)


def test_an_export_that_falls_silent_on_the_way_ends(postgres_server: str) -> None:
    """Each portion of it has the deadline."""
    url = fresh_database(postgres_server)
    with (
        LosingProxy(url) as proxy,
        open_ledger(url) as other,
        open_ledger(proxy.address, answer_seconds=10 * SHORT) as ledger,  # time for a portion on a busy machine
    ):
        other.initialise()
        for number in range(1, 250):
            begin(other, a_call(number), version=number - 1)
        lines = ledger.export()
        next(lines)
        proxy.fall_silent()
        with pytest.raises(LedgerError, match="no answer within"):
            list(lines)


def test_an_import_waits_for_its_file_as_long_as_that_takes(written: str) -> None:
    """A pipe that delivers slowly is not a store that is silent."""
    waited = threading.Event()

    def lines() -> Iterator[str]:
        yield '{"type":"reconciler-ledger","schema":2}'
        waited.wait(2 * SHORT)
        yield '{"type":"end","table":0,"call":0,"event":0}'

    with open_ledger(written) as ledger:
        ledger.calls()
        ledger._store.answer_seconds = SHORT
        assert ledger.load(lines()).calls == 0


def test_what_was_given_up_commits_nothing_later(tmp_path: Path) -> None:
    """Its thread is held up in the middle of its transaction, and goes on once it is no longer waited for."""
    path = str(tmp_path / "ledger.db")
    held, gone = threading.Event(), threading.Event()
    with open_ledger(path) as other, open_ledger(path, answer_seconds=3600, interrupted=held.is_set) as ledger:
        begin(other, a_call())

        def hold() -> None:
            held.set()
            gone.wait(30)

        before_statement(ledger, "INSERT INTO calls", hold)
        with pytest.raises(Unwritable, match="no answer within"):
            begin(ledger, a_call(2), version=1)
        gone.set()
        # The next writer waits for the file's lock, until that thread has given it back.
        begin(other, a_call(3), version=1)
        assert [call.id for call in other.calls()] == [a_call(3).id, a_call(1).id]


def test_an_operation_that_was_given_up_leaves_the_others_alone(written: str) -> None:
    """Only its own connection is cut: another one of the same handle is in the middle of something."""
    with open_ledger(written, answer_seconds=1.0, busy_seconds=20) as ledger, psycopg.connect(written) as blocker:
        blocker.execute("SELECT * FROM reconciler.tables FOR UPDATE")
        lines = ledger.export()
        next(lines)
        with pytest.raises(Unwritable, match="no answer within"):
            ledger.end(Ticket(a_call().id, 1, 1), accepted())
        assert '"type":"end"' in list(lines)[-1]


@pytest.mark.parametrize("kind", ["recall", "export", "end", "begin"])
def test_a_table_that_another_session_locks_is_named(written: str, kind: str) -> None:
    """With the session that holds it, and how to end that."""
    with open_ledger(written, busy_seconds=0.05) as ledger, psycopg.connect(written) as blocker:
        blocker.execute("SET LOCAL application_name = 'nightly backup'")
        blocker.execute("LOCK TABLE reconciler.tables, reconciler.calls IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(LedgerError, match="lock timeout") as caught:
            OPERATIONS[kind](ledger)
        assert (
            f"process {blocker.info.backend_pid} of the server (user postgres, nightly backup" in caught.value.message
        )
        assert f"pg_terminate_backend({blocker.info.backend_pid})" in caught.value.hint
        assert named(caught.value, kind)


def test_threads_do_not_queue_longer_than_the_deadline(tmp_path: Path) -> None:
    """A file that is locked for good: each of many writers of one process gives up in its own time."""
    path = tmp_path / "ledger.db"
    with open_ledger(str(path), busy_seconds=0.3, answer_seconds=0.4) as ledger:
        ledger.initialise()
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        errors: list[LedgerError] = []

        def write(number: int) -> None:
            try:
                ledger.acquire([str(number)], owner="one", actor=ALICE, seconds=60)
            except LedgerError as error:
                errors.append(error)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        blocker.close()
    said = [error.message.partition("cannot be written: ")[2] for error in errors]
    assert len(said) == 8
    assert sum("no answer" in each for each in said) >= 6


# A file that may only be read.


@contextmanager
def another_user() -> Iterator[None]:
    """Be a user without rights of its own: to root, every file is writable."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture(params=["folder", "file", "both"])
def unwritable(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A ledger that holds a call, and that is not to be written to."""
    # Not in pytest's own folder, which is closed to others.
    with tempfile.TemporaryDirectory(prefix="ledger-") as name:
        folder = Path(name)
        path = folder / "ledger.db"
        with open_ledger(str(path)) as ledger:
            begin(ledger, a_call())
        path.chmod(0o666 if request.param == "folder" else 0o444)
        folder.chmod(0o777 if request.param == "file" else 0o555)
        yield path
        folder.chmod(0o700)


def test_a_ledger_that_may_not_be_written_is_read(unwritable: Path) -> None:
    """Again and again, and nothing appears beside it; a write says what it lacks."""
    before = unwritable.read_bytes()
    with another_user(), open_ledger(str(unwritable)) as ledger:
        for _ in range(2):
            assert len(ledger.recall([TABLE])[TABLE].calls) == 1
        assert sum('"type":"call"' in line for line in ledger.export()) == 1
        with pytest.raises(Unwritable, match="cannot be written") as caught:
            begin(ledger, a_call(2), version=1)
    assert "writable" in caught.value.hint
    assert unwritable.read_bytes() == before
    assert [entry.name for entry in unwritable.parent.iterdir()] == ["ledger.db"]


def test_what_was_written_since_is_seen(unwritable: Path) -> None:
    """A reader without the right to write keeps nothing in mind from one look to the next."""
    with another_user(), open_ledger(str(unwritable)) as ledger:
        assert len(ledger.calls()) == 1
        mode, parent = unwritable.stat().st_mode, unwritable.parent.stat().st_mode
        _as_owner(unwritable, lambda: _write_one_more(unwritable))
        assert (unwritable.stat().st_mode, unwritable.parent.stat().st_mode) == (mode, parent)
        assert len(ledger.calls()) == 2


def _as_owner(path: Path, work: Callable[[], object]) -> None:
    """Do something as who owns the file, who may write."""
    before = os.geteuid()
    os.seteuid(os.getuid())
    modes = [(each, each.stat().st_mode) for each in (path.parent, path)]
    path.parent.chmod(0o700)
    path.chmod(0o600)
    work()
    for each, mode in modes:
        each.chmod(mode)
    os.seteuid(before)


def _write_one_more(path: Path) -> None:
    with open_ledger(str(path)) as ledger:
        begin(ledger, a_call(2), version=1)


def test_changes_that_stand_beside_the_file_are_not_overlooked(unwritable: Path) -> None:
    """A writer was killed: what it bought last stands in the log, which cannot be read without writing."""
    log = unwritable.with_name("ledger.db-wal")
    with open_ledger(str(unwritable)) as writer:

        def write() -> None:
            begin(writer, a_call(2), version=1)
            kept = log.read_bytes()
            assert kept
            writer.close()
            log.write_bytes(kept)
            log.chmod(0o644)

        _as_owner(unwritable, write)
    with another_user(), open_ledger(str(unwritable)) as ledger:
        found: object
        try:
            found = len(ledger.calls())
        except LedgerError as error:
            found = error.hint
    # Where its folder may be written in, SQLite can read the log.
    assert found in (2, "Let this user read the file and write in its folder, or read as the user who applies.")
