"""The request rate that a workspace's workers share, and the API's pauses (`Retry-After`): by the store's clock."""

from sqlalchemy import select, text

from reconciler.ledger import server
from reconciler.ledger.store import Store, Transaction
from reconciler.ledger.tables import POSTGRES_SCHEMA, rates

# One statement by the server's clock: the next free moment, for the whole workspace. Up to `burst` seconds that went
# unused are made up for.
_TAKE = text(
    f"INSERT INTO {POSTGRES_SCHEMA}.rates AS mine (workspace, next_at, held_until) "
    "SELECT :workspace, greatest(:now, :now) + :step, 0 "
    "ON CONFLICT (workspace) DO UPDATE SET "
    "next_at = greatest(mine.next_at, :now - :burst, mine.held_until) + :step "
    "RETURNING greatest(next_at - :step, held_until)"
)
# One statement, too: two workers may be the first that the API asks to wait. Both as text: SQLAlchemy's dialect of the
# server, which could write them, takes a tenth of the time to load the ledger.
_HELD = f"{POSTGRES_SCHEMA}.rates AS mine (workspace, next_at, held_until) VALUES (:workspace, :until, :until)"
_HOLD = text(
    f"INSERT INTO {_HELD} ON CONFLICT (workspace) DO UPDATE SET held_until = greatest(mine.held_until, :until)"
)


class Rates:
    """The rates of a ledger on a server. Every method may raise a LedgerError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, workspace: str, per_second: float, burst_seconds: float = 1.0) -> float:
        """Reserve the next moment at which a request of the workspace may be sent; return the seconds until then."""

        def work(tx: Transaction) -> float:
            now = float(tx.connection.scalar(server.NOW) or 0.0)
            values = {"workspace": workspace, "now": now, "step": 1.0 / per_second, "burst": burst_seconds}
            at = tx.execute(_TAKE, values).scalar()
            return max(0.0, float(at or 0.0) - now)

        return self._store.write(work)

    def held(self, workspace: str) -> float:
        """Return how many seconds are left of the pause that the API asked of the workspace; 0 if none."""

        def work(tx: Transaction) -> float:
            until = tx.connection.scalar(select(rates.c.held_until).where(rates.c.workspace == workspace))
            return max(0.0, float(until) - tx.now()) if until else 0.0

        return self._store.read(work)

    def hold(self, workspace: str, seconds: float) -> None:
        """Keep the workspace from sending requests for `seconds`, as the API asked."""

        def work(tx: Transaction) -> None:
            tx.execute(_HOLD, {"workspace": workspace, "until": tx.now() + seconds})

        self._store.write(work, repeatable=True)
