"""A ledger in each store, with as many handles as a test wants."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from reconciler.ledger import Ledger, open_ledger
from tests.ledger.calls_and_actors import Clock
from tests.postgres import fresh_database, postgres_server

__all__ = ["postgres_server"]

Opener = Callable[[], Ledger]


@pytest.fixture(scope="session")
def postgres_ledger(postgres_server: str) -> str:
    """The URL of a ledger in PostgreSQL."""
    url = fresh_database(postgres_server)
    with open_ledger(url) as ledger:
        ledger.initialise()
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a ledger that was never written to."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/.reconciler/ledger.db"
    address: str = request.getfixturevalue("postgres_ledger")
    with psycopg.connect(address) as connection:
        connection.execute("SET LOCAL lock_timeout = '5s'")
        connection.execute(
            "TRUNCATE reconciler.events, reconciler.call_rows, reconciler.calls, reconciler.shapes, "
            "reconciler.row_ids, reconciler.checkpoints, reconciler.approvals, reconciler.spent, "
            "reconciler.spent_totals, reconciler.balances, reconciler.table_counts, reconciler.tables"
        )
    return address


@pytest.fixture
def clock() -> Clock:
    """A store's clock that the test moves."""
    return Clock()


@pytest.fixture
def opener(url: str, clock: Clock) -> Iterator[Opener]:
    """A function that opens another handle on the test's store, under the test's clock."""
    handles: list[Ledger] = []

    def another() -> Ledger:
        handles.append(open_ledger(url, clock=clock))
        return handles[-1]

    yield another
    for handle in handles:
        handle.close()


@pytest.fixture
def ledger(opener: Opener) -> Ledger:
    """A handle on the test's store."""
    return opener()


@pytest.fixture
def other(opener: Opener) -> Ledger:
    """A second handle on the same store: another process, as far as the store knows."""
    return opener()
