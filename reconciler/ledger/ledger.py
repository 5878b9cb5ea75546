"""The handle that the rest of the program holds: every question and every record, one method each."""

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from reconciler.errors import Leased, LedgerError, Unwritable
from reconciler.ledger import (
    adoption,
    archive,
    balances,
    budget_windows,
    checkpoints,
    drafts,
    events,
    file_place,
    health,
    journal,
    leases,
    location,
    queries,
    spend_report,
    standing,
    transfer,
)
from reconciler.ledger.applies import Applies
from reconciler.ledger.clocks import Boot, this_boot
from reconciler.ledger.rates import Rates
from reconciler.ledger.schedules import Schedules
from reconciler.ledger.store import ANSWER_SECONDS, Store, Transaction
from reconciler.model.account import Account
from reconciler.model.attempt import Actor, Ending, Intent, Settlement, Ticket, Verdict
from reconciler.model.balance import BalanceRecord, TableCounts
from reconciler.model.budget import Budget, BudgetUse, RecentSums
from reconciler.model.history import CallState, PastCall, TableHistory
from reconciler.model.ledger_entries import (
    EVERY_CALL,
    CallFilter,
    CallRecord,
    EventRecord,
    Grouping,
    Lease,
    Loaded,
    SpendReport,
)
from reconciler.model.plan import Call
from reconciler.model.standing import Standing

Result = TypeVar("Result")

BUSY_SECONDS = 10.0
"""How long an operation waits for other processes' locks."""


def open_ledger(
    url: str,
    *,
    clock: Callable[[], float] | None = None,
    boot: Boot | None = None,
    busy_seconds: float = BUSY_SECONDS,
    answer_seconds: float = ANSWER_SECONDS,
    interrupted: Callable[[], bool] = lambda: False,
    by_project: bool = False,
    connections: int = location.CONNECTIONS,
) -> "Ledger":
    """Return a handle on the ledger at a path, `sqlite:///path` or `postgresql://…`; nothing is created or connected.

    `clock` (seconds since the epoch) stands in for the store's own clock in tests, and `boot` for this machine's boot,
    which a test that moves the one clock is otherwise without. `busy_seconds` is how long an operation waits for other
    processes' locks, `answer_seconds` how long for the store, whatever the reason; once `interrupted` says True, it is
    much less. One that is named `by_project`, in a file and by no person, gets no password from the environment.
    To a server there are at most so many `connections`; threads wait for each other's.
    Raises SettingsError, which never shows a password.
    """
    place = replace(location.parse(url, by_project=by_project), connections=connections)
    if place.path is not None:
        file_place.refuse_network_file_system(place.path, place.shown, file_place.mounted())
    known = this_boot() if boot is None and clock is None else boot
    return Ledger(
        Store(
            place,
            clock=clock,
            boot=known,
            busy_seconds=busy_seconds,
            answer_seconds=answer_seconds,
            interrupted=interrupted,
        )
    )


class Ledger:
    """The memory of what was paid for. Usable from several threads.

    An SQLite ledger that does not exist reads as empty and is created by the first write; a PostgreSQL one is created
    by `initialise`. Every method may raise a LedgerError: Corrupt, TooNew, Unwritable if a write failed.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.location: str = store.location.shown
        """For people: the path, or the URL with the password replaced."""
        self.applies = Applies(store)
        self.rates = Rates(store)
        self.schedules = Schedules(store)
        """The applies that workers carry out, with what these share; only on a server."""

    @property
    def server(self) -> dict[str, Any] | None:
        """How psycopg connects to the server, password included; None for a file."""
        return self._store.connect_arguments()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._store.close()

    def is_there(self) -> bool:
        """Say whether there is a ledger at an SQLite ledger's path; a server is not asked."""
        return self._store.is_there()

    def health(self) -> health.Health:
        """Return whether the ledger can be used, and what in it waits for a person; it must be there."""
        return health.examine(self._store)

    def id(self) -> str:
        """Return the ledger's own id; empty if there is no ledger yet."""
        return self._store.read(queries.ledger_id)

    def initialise(self) -> None:
        """Create the ledger or bring an older one up to date; nothing happens to one that is."""
        self._store.initialise()

    # What planning asks.

    def recall(self, table_ids: Collection[str], *, plan_id: str = "") -> dict[str, TableHistory]:
        """Return every table asked for: its checkpoint, and its other calls in the order their last attempts began.

        Those accepted and those open. The calls under the plan `plan_id` come one by one, also if they are folded.
        """
        return self._store.read(lambda tx: queries.recall(tx, table_ids, plan_id))

    def budget_uses(self, budgets: Collection[Budget]) -> tuple[BudgetUse, ...]:
        """Return what was spent of each budget in the window that now is in, by the store's clock."""
        return self._store.read(lambda tx: budget_windows.uses(tx, budgets))

    def recent_sums(self, table_ids: Collection[str]) -> RecentSums:
        """Return the sums from which `budget_uses` can be told elsewhere, of these tables, by label and over all."""
        return self._store.read(lambda tx: budget_windows.recent(tx, table_ids))

    def last_applies(
        self, manifests: Collection[str], count: int, *, without: str = ""
    ) -> dict[str, tuple[Decimal, ...]]:
        """Return the credits of each manifest's last applies, the newest first, as far as their prices were known.

        An apply is a plan's; `without` is the id of one that does not count.
        """
        return self._store.read(lambda tx: budget_windows.last_applies(tx, manifests, count, without))

    def standing(self, budgets: Collection[Budget], in_flight_seconds: float) -> Standing:
        """Return how the work of many machines stands; an intent older than `in_flight_seconds` is in doubt."""
        return self._store.read(lambda tx: standing.standing(tx, budgets, in_flight_seconds))

    def note_balance(
        self, plan_id: str, account: Account, tables: Sequence[TableCounts] = (), *, age_seconds: float
    ) -> None:
        """Keep the balance that an apply of a plan read so long ago, with the counts of its tables."""

        def note(tx: Transaction) -> None:
            at, counts = tx.now() - age_seconds, tuple(tables)
            balances.note(tx, BalanceRecord(at, account.available, account.organization_id, plan_id, counts))

        self._store.write(note, repeatable=True)

    def balances(self, *, since: float | None = None, until: float | None = None) -> list[BalanceRecord]:
        """Return the balances that applies found from `since` and before `until`, in time's order."""
        return self._store.read(lambda tx: balances.listed(tx, since, until))

    def past(self, call_id: str) -> PastCall:
        """Return one call with the cells it covered, whatever its state."""
        return self._store.read(lambda tx: queries.past(tx, call_id))

    # What apply records.

    def begin(self, intent: Intent, *, lease: Lease | None = None) -> Ticket:
        """Record the intent of a new attempt, durable on return; and, both or neither, how one before it ended.

        Raises Leased when the table's version is not the intent's, when `lease` is no longer the table's, or when
        another owner's lease is live and none was given; LedgerError when the call is in doubt or was paid for;
        LimitExceeded, and records nothing, if the call would pass a budget.
        """
        token = uuid.uuid4().hex
        draft = drafts.draft(intent, lease, token)
        checking = self._store.answer_seconds / 3
        try:
            return self._store.write(
                lambda tx: journal.begin(tx, draft),
                seconds=self._store.answer_seconds - checking,
            )
        except Unwritable as error:
            self._void(intent.call, token, error, checking)
            raise

    def _void(self, call: Call, token: str, why: Unwritable, seconds: float) -> None:
        """End as not sent an attempt that will not be sent, in case it was recorded after all.

        An intent for which there is no answer may be in the ledger all the same. If that cannot be found out, it stays
        there as an intent, which is in doubt.
        """
        with suppress(LedgerError):
            detail = f"nothing was sent, because the intent was recorded without an answer: {why.message}"
            self._store.write(
                lambda tx: journal.void(tx, call.table_id, call.id, token, detail), seconds=seconds, afresh=True
            )

    def end(self, ticket: Ticket, ending: Ending) -> None:
        """Record how the attempt ended, durable on return; the same ending again changes nothing.

        An ending that comes after another process ended the attempt is kept as an event; of those, an acceptance is
        never lost, and a doubt undoes a verdict that nothing was sent. Raises LedgerError, after recording, if a newer
        attempt had begun.
        """
        complaint = self._store.write(lambda tx: journal.end(tx, ticket, ending), repeatable=True)
        if complaint:
            raise journal.superseded(complaint)

    def settle(self, call_id: str, settlement: Settlement) -> None:
        """Record how many cells of an accepted call are done, failed or not started."""
        self._store.write(lambda tx: journal.settle(tx, call_id, settlement), repeatable=True)

    def resolve(self, verdict: Verdict, *, lease: Lease | None = None) -> CallState:
        """End the doubt about an attempt, and return the call's state.

        Raises LedgerError while the attempt is younger than the verdict asks, when it is not the newest, or when the
        call is not in doubt; Leased when `lease` was given and lost. Not landed leaves a call accepted if an earlier
        attempt was paid for.
        """
        return self._store.write(lambda tx: journal.resolve(tx, verdict, lease))

    def adopt(self, records: Sequence[Call], *, actor: Actor, reason: str) -> int:
        """Record cells of one table as satisfied without a call, at no cost; return how many cells were new.

        `records` come from `adoption.records`; those the ledger holds already change nothing. Raises Leased
        while an apply holds the table.
        """
        return _or_raised(
            self._store.write(lambda tx: adoption.adopt(tx, records, actor=actor, reason=reason), repeatable=True)
        )

    # What grows with age.

    def compact(
        self, table_id: str, *, lease: Lease | None = None, is_stopped: Callable[[], bool] = lambda: False
    ) -> int:
        """Fold the settled calls of a table into its checkpoint; return how many, 0 if there are none.

        Plans stay as they are. Once `is_stopped` says True the rest is left for another time: an older ledger may hold
        years of them. Raises Leased if another owner's lease is live, or if `lease` was lost.
        """
        total = 0
        while not is_stopped() and (folded := self._store.write(lambda tx: checkpoints.compact(tx, table_id, lease))):
            total += folded
        return total

    def tables_to_compact(self) -> list[str]:
        """Return the ids of the tables that have settled calls to fold."""
        return self._store.read(checkpoints.tables_to_fold)

    def ripe_to_compact(self, table_ids: Collection[str]) -> list[str]:
        """Return those of the tables, sorted, in which enough has gathered that folding it is worth it."""
        return self._store.read(lambda tx: checkpoints.ripe(tx, table_ids))

    def archive(self, before: float, write: Callable[[Iterator[str]], object]) -> int:
        """Move the trail of a time, its folded calls and balances, into what `write` makes of lines; return its calls.

        `write` must have made them durable when it returns: then they are deleted here. Raises LedgerError for a time
        in the future; what `write` raises leaves the ledger as it was.
        """
        archived = archive.Archived(before)
        write(self._store.stream(lambda tx: archive.export(tx, archived)))
        # First: without the calls between them they would say that others spent it all.
        if archived.balances:
            self._store.write(partial(balances.forget, before=before))
        for table_id, of_table in archived.portions():
            self._store.write(partial(archive.forget, table_id=table_id, archived=of_table))
        return archived.count

    # What people ask.

    def find(self, id_prefix: str) -> CallRecord:
        """Return the one call whose id starts so (4 characters at least); the error lists the candidates."""
        return self._store.read(lambda tx: queries.find(tx, id_prefix))

    def calls(self, wanted: CallFilter = EVERY_CALL) -> list[CallRecord]:
        """Return calls, the newest attempt first."""
        return self._store.read(lambda tx: queries.listed(tx, wanted))

    def events(self, call_id: str) -> list[EventRecord]:
        """Return everything that happened to a call, oldest first."""
        return self._store.read(lambda tx: events.of_call(tx, call_id))

    def report(
        self,
        by: Grouping,
        *,
        label: str | None = None,
        since: float | None = None,
        until: float | None = None,
        archives: Iterable[Iterable[str]] = (),
    ) -> SpendReport:
        """Return what was spent, a line per group.

        `label` as `key=value` selects calls; with `by="label"`, `key` groups by that label's value; without it there
        is a line per `key=value`, so that a call with two labels counts in two lines. `archives` are the lines of files
        that `archive` wrote, whose calls count too, each once.
        """
        moved = archive.Moved()
        for lines in archives:
            moved.read(lines)
        return self._store.read(
            lambda tx: spend_report.report(tx, by, label=label, since=since, until=until, moved=moved)
        )

    # Leases.

    def acquire(self, table_ids: Collection[str], *, owner: str, actor: Actor, seconds: float) -> tuple[Lease, ...]:
        """Take the leases of all tables or of none, sorted by table; `owner` is unique to one apply.

        Raises Leased, which says who holds a table, since when, from which CI run and until when.
        """
        return _or_raised(
            self._store.write(lambda tx: leases.acquire(tx, table_ids, owner, actor, seconds), repeatable=True)
        )

    def renew(self, held: Collection[Lease], *, seconds: float) -> tuple[Lease, ...]:
        """Extend leases to `seconds` from now. Raises Leased, and extends none, when one was lost."""
        return self._store.write(lambda tx: leases.renew(tx, held, seconds), repeatable=True)

    def release(self, held: Collection[Lease]) -> None:
        """Give leases back; those that were lost are left alone."""
        self._store.write(lambda tx: leases.release(tx, held), repeatable=True)

    def leases(self) -> list[Lease]:
        """Return the leases that were not given back, also those that have run out, by table."""
        return self._store.read(leases.held)

    def force_release(self, table_id: str, *, reason: str, actor: Actor) -> Lease | None:
        """Take a lease away from its holder, who can begin nothing more under it; None if none was held."""
        return self._store.write(lambda tx: leases.force_release(tx, table_id, reason, actor))

    # Moving.

    def export(self) -> Iterator[str]:
        """Yield the whole ledger as JSON lines, from one consistent view held open until the last."""
        yield from self._store.stream(transfer.export)

    def load(self, lines: Iterable[str]) -> Loaded:
        """Add what an export holds, all or nothing; raises LedgerError if the ledger holds something different."""

        def work(transaction: Transaction) -> Loaded:
            return transfer.load(transaction, lines)

        return self._store.write(work)


def _or_raised(found: Result | Leased) -> Result:
    if isinstance(found, Leased):
        raise found
    return found
