"""The ledger as a session offers it: calls and spending, and the few changes that a person may make."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import BinaryIO

from reconciler import operations
from reconciler.errors import Leased, LedgerError, SettingsError
from reconciler.manifests.open_file import open_named
from reconciler.model.attempt import Verdict
from reconciler.model.balance import Reconciliation
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import (
    EVERY_CALL,
    CallFilter,
    CallRecord,
    Compacted,
    EventRecord,
    Grouping,
    Lease,
    Loaded,
    SpendReport,
)
from reconciler.operations.atomic_file import write_durably
from reconciler.operations.connection import Connections
from reconciler.operations.named_file import named_file
from reconciler.operations.observe import Targets
from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line

_AN_EXPORT = "Name a file that `reconciler ledger export` or `reconciler ledger archive` wrote."
_NEW_FILE = "Nothing was archived. Name a new file in a folder that can be written to."
_KEEP = (
    "Nothing was archived now. Name a new file, and keep this one: calls that it holds may have left the ledger. "
    "Calls that are in both count once."
)

LONGEST_LINE = 64 * 1024**2
"""Bytes; the largest entry is a call of very many cells."""


def lines_of(file: BinaryIO) -> Iterator[str]:
    """Yield the lines of an export, none longer than one can be. Raises LedgerError."""
    for number in count(1):
        try:
            line = file.readline(LONGEST_LINE + 1)
        except OSError as error:  # not of the ledger, which reads and writes meanwhile
            raise LedgerError(
                f"line {number} cannot be read: {error.strerror}", hint=_AN_EXPORT, code=Code.NOT_AN_EXPORT
            ) from None
        if not line:
            return
        if len(line) > LONGEST_LINE:
            raise LedgerError(
                f"line {number} is longer than {LONGEST_LINE // 1024**2} MiB, so this is not an export",
                code=Code.NOT_AN_EXPORT,
            )
        try:
            yield line.decode()
        except UnicodeDecodeError:
            raise LedgerError(
                f"line {number} is not UTF-8", hint="`reconciler ledger export` writes it.", code=Code.NOT_AN_EXPORT
            ) from None


def _opened(file: str) -> AbstractContextManager[BinaryIO]:
    """Open an export or an archive; `-` is standard input. Raises SettingsError."""
    with named_file(file, _AN_EXPORT):
        return open_named(file)


class ProjectLedger:
    """A project's record of what was paid for; every method may raise LedgerError, and only `reconcile` needs a token.

    Times are seconds since the epoch, UTC. A call is named by the start of its id, at least 4 characters.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @property
    def location(self) -> str:
        """The path, or the URL without its password."""
        return self._connections.ledger().location

    def is_there(self) -> bool:
        """Return True if an SQLite ledger's file exists; a server is not asked."""
        return self._connections.ledger().is_there()

    def calls(self, wanted: CallFilter = EVERY_CALL) -> list[CallRecord]:
        """Return calls, the newest attempt first."""
        return self._connections.ledger().calls(wanted)

    def call(self, call: str) -> tuple[CallRecord, list[EventRecord]]:
        """Return one call and its events, oldest first."""
        ledger = self._connections.ledger()
        record = ledger.find(call)
        return record, ledger.events(record.id)

    def report(
        self,
        by: Grouping,
        *,
        label: str | None = None,
        since: float | None = None,
        until: float | None = None,
        archives: Iterable[str] = (),
    ) -> SpendReport:
        """Return what was spent on calls begun from `since` and before `until`, one line per group.

        `label` as `key=value` selects calls; with `by="label"`, a bare `key` groups by that label's value. `archives`
        are files that `archive` wrote: their calls count too, each once. Raises SettingsError if one cannot be
        read.
        """
        with ExitStack() as files:
            lines = [lines_of(files.enter_context(_opened(archive))) for archive in archives]
            return self._connections.ledger().report(by, label=label, since=since, until=until, archives=lines)

    def reconcile(
        self, targets: Targets | None = None, *, since: float | None = None, until: float | None = None
    ) -> Reconciliation:
        """Compare the balances that applies kept from `since` and before `until`, or up to now, with the calls.

        With `targets`, as `Session.load` returns them, also their live tables. Needs the token, unless there are
        no `targets` and an `until`. Sends only GET and writes nothing. Raises ManifestError and ApiError if a table or
        the balance cannot be read.
        """
        return operations.reconcile.reconcile(targets, self._connections, since, until)

    def resolve(self, call: str, *, landed: bool, reason: str) -> tuple[CallRecord, CallState]:
        """End the doubt about a call, after a person checked its table; return it as it was, and its new state.

        Landed: its cells count as bought. Not landed: they are due again at the next plan. Raises LedgerError if the
        call is not in doubt, or may still be under way.
        """
        spend = self._connections.settings.project.api.spend
        ledger = self._connections.writing_ledger()
        record = ledger.find(call)
        age = spend.send_within_seconds + spend.call_seconds
        actor = self._connections.actor()
        verdict = Verdict(record.id, record.attempt, landed, reason, actor, min_age_seconds=age)
        return record, ledger.resolve(verdict)

    def leases(self) -> list[Lease]:
        """Return the leases that were not given back, including expired ones, by table."""
        return self._connections.ledger().leases()

    def release(self, table_id: str, *, reason: str) -> Lease:
        """Take a table's lease away from a dead apply; return it. One that is still alive stops at its next call.

        Raises SettingsError if the table is not held.
        """
        ledger = self._connections.writing_ledger()
        lease = ledger.force_release(table_id.lower(), reason=reason, actor=self._connections.actor())
        if lease is None:
            hint = "`reconciler ledger leases` lists the leases that are held."
            raise SettingsError(f"there is no lease on table {table_id!r}", hint=hint)
        return lease

    def initialise(self) -> None:
        """Create the ledger, or upgrade an older one; also in CI, where nothing else creates one."""
        self._connections.ledger().initialise()

    def compact(self) -> Compacted:
        """Fold settled calls into checkpoints, so that plans read less; nothing that was recorded is lost.

        An apply does the same if enough has gathered. Tables that an apply holds are left alone.
        """
        ledger = self._connections.writing_ledger()
        folded, left_alone = [], []
        for table in ledger.tables_to_compact():
            try:
                folded.append(ledger.compact(table))
            except Leased as error:
                left_alone.append(error.message)
        return Compacted(sum(folded), len(folded), tuple(left_alone))

    def archive(self, before: datetime, out: Path) -> int:
        """Move the trail of settled calls begun before a time into a new file; return how many calls.

        What planning needs of them stays in the ledger; `load` and `report` read the file. Raises LedgerError for a
        time in the future, SettingsError if the file is there already or cannot be written.
        """
        self.compact()
        shown = one_line(str(out))
        try:
            return self._connections.writing_ledger().archive(
                before.timestamp(), lambda lines: write_durably(out, lines)
            )
        except OSError as error:
            hint = _KEEP if isinstance(error, FileExistsError) else _NEW_FILE
            raise SettingsError(
                f"the archive {shown} cannot be written: {error.strerror}", hint=hint, code=Code.UNUSABLE_FILE
            ) from error
        except LedgerError as error:
            if out.exists():  # it is whole, and some of its calls may have left the ledger
                error.hint = f"{error.hint} Keep {shown}, and archive what is left into another file."
            raise

    def export(self) -> Iterator[str]:
        """Yield the whole ledger as JSON lines, from one consistent view that stays open until the last line."""
        yield from self._connections.ledger().export()

    def load(self, lines: Iterable[str]) -> Loaded:
        """Add the records of an export, all or nothing; existing records stay."""
        return self._connections.writing_ledger().load(lines)

    def load_file(self, file: str) -> Loaded:
        """Add an export as `load` does, from a file that is not trusted to be one. Raises SettingsError."""
        with _opened(file) as opened:
            return self.load(lines_of(opened))
