"""Hold the leases of an apply's tables: taken together, renewed in the background, given back at the end."""

import threading
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from reconciler.errors import Leased, LedgerError
from reconciler.ledger import Lease, Ledger
from reconciler.model.attempt import Actor, Ending, Intent, Ticket

RENEWALS = 4
"""Renewals within one lease: three may fail before it runs out."""

RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """How long leases hold, and how long one waits for those that others hold."""

    seconds: float
    """A lease expires so long after it was taken or renewed."""
    wait_seconds: float
    sleep: Callable[[float], object]


class LeaseKeeper:
    """The leases of one apply: every intent is written under its table's lease."""

    def __init__(
        self,
        ledger: Ledger,
        tables: Collection[str],
        actor: Actor,
        timing: LeaseTiming,
        on_wait: Callable[[str], None],
    ) -> None:
        """`on_wait` receives, while this waits, the holder of a lease."""
        self._ledger = ledger
        self._tables = sorted(tables)
        self._actor = actor
        self._seconds = timing.seconds
        self._timing = timing
        self._on_wait = on_wait
        self._owner = str(uuid.uuid4())
        self._held: dict[str, Lease] = {}
        self._lost = ""
        self._done = threading.Event()
        self._renewer = threading.Thread(target=self._renew, name="lease renewer", daemon=True)

    def __enter__(self) -> Self:
        """Take all leases or none. Raises Leased where others hold one, LedgerError."""
        self._held = self._acquire(self._tables)
        self._renewer.start()
        return self

    def take(self, tables: Collection[str]) -> None:
        """Take the leases of those tables, too, that are not held yet. Raises Leased, LedgerError."""
        missing = sorted(set(tables).difference(self._held))
        if missing:
            # Replaced in one piece: the renewer may be reading it.
            self._held = self._held | self._acquire(missing)

    def _acquire(self, tables: Sequence[str]) -> dict[str, Lease]:
        left = self._timing.wait_seconds
        while tables:
            try:
                leases = self._ledger.acquire(tables, owner=self._owner, actor=self._actor, seconds=self._seconds)
                return {lease.table_id: lease for lease in leases}
            except Leased as error:
                if left <= 0:
                    raise
                self._on_wait(error.message)
                self._timing.sleep(min(RETRY_SECONDS, left))
                left -= RETRY_SECONDS
        return {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._renewer.join()
        try:
            if self._held:
                self._ledger.release(list(self._held.values()))
        except LedgerError:
            # They run out by themselves, and the apply's own result matters more.
            self._lost = self._lost or "the leases could not be given back"

    @property
    def lost(self) -> str:
        """Why the leases are gone, or empty while they are held."""
        return self._lost

    def begin(self, intent: Intent) -> Ticket:
        """Record an intent under the table's lease. Raises Leased once a lease is lost, LedgerError."""
        if self._lost:
            raise Leased(self._lost, hint="Another apply may be at work: plan again.")
        return self._ledger.begin(intent, lease=self._held[intent.call.table_id])

    def end(self, ticket: Ticket, ending: Ending) -> None:
        """Record an outcome; the truth about an attempt is kept whoever holds the lease by then."""
        self._ledger.end(ticket, ending)

    @property
    def tables(self) -> Collection[str]:
        """Ids of the tables whose leases are held."""
        return self._held.keys()

    def of(self, table: str) -> Lease:
        """Return the lease of a table."""
        return self._held[table]

    def _renew(self) -> None:
        while not self._done.wait(self._seconds / RENEWALS):
            try:
                # `begin` compares owner and fence, which a renewal leaves as they are: no need to keep its answer.
                if self._held:
                    self._ledger.renew(list(self._held.values()), seconds=self._seconds)
            except Leased as error:
                self._lost = error.message
                return
            except LedgerError:
                continue  # the store checks the expiry at every intent; a renewal may work next time
