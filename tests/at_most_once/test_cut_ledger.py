"""An apply whose connection to PostgreSQL is cut: before BEGIN, in a transaction, at COMMIT, while idle."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from tests.at_most_once.rival_applies import ALL
from tests.at_most_once.small_tables import CELLS, fill, settings, small_table
from tests.fleet.conftest import template
from tests.journey.desk import ACCOUNTS, Desk
from tests.ledger.losing_proxy import LosingProxy
from tests.postgres import fresh_database, postgres_server

__all__ = ["postgres_server", "template"]

MESSAGES = range(0, 96, 5)
"""The messages of an apply of two calls to the server; each of them is the last in one case."""
BOTH = 2 * CELLS


def let_pass(url: str) -> None:
    """Let the quiet period pass, and leases run out."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE reconciler.calls SET begun_at = begun_at - 300, booted_at = booted_at - 300")
        connection.execute("UPDATE reconciler.tables SET expires_at = expires_at - 300")


@pytest.fixture
def desk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], postgres_server: str, template: str
) -> Iterator[tuple[Desk, LosingProxy]]:
    """Return a desk with two calls to make, and what stands before its ledger; time stands still."""
    url = fresh_database(postgres_server, template)
    with serve({"tables": [small_table(ACCOUNTS, 10)]}, clock=ManualClock()) as simulator, LosingProxy(url) as proxy:
        desk = Desk(tmp_path, simulator, capsys, {"RECONCILER_LEDGER": proxy.address})
        desk.write(settings(), "reconciler.yaml")
        yield desk, proxy


# Cut while a cursor of the server's is closed: SQLAlchemy drops it, and the driver warns that it is still open.
@pytest.mark.filterwarnings("ignore:.*ServerCursor:ResourceWarning")
@pytest.mark.long
@pytest.mark.parametrize("mode", ["mode: new", ALL], ids=["new", "all"])
@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("last", MESSAGES)
def test_a_cut_connection_costs_nothing_twice(desk: tuple[Desk, LosingProxy], mode: str, how: str, last: int) -> None:
    """The exit code tells what was bought by then, and the next apply buys the rest, or leaves it in doubt."""
    there, proxy = desk
    there.write(fill(ACCOUNTS, "accounts", mode))
    proxy.cuts = lambda number: how if number == last else ""
    first = there.run("apply", "--yes", "--no-wait")
    bought = len(there.charged())
    there.simulator.advance(60)
    let_pass(proxy.url)
    second = there.run("apply", "--yes", "--no-wait")
    charged = list(there.charged().values())
    assert proxy.messages > last
    assert charged == [1] * len(charged), first.err
    assert first.code in {0: (1, 7), BOTH: (0, 7)}.get(bought, (6, 7)), first.err
    assert len(charged) == BOTH or second.code == 7, first.err
