"""Stores, processes and options of the proof that a cell is never paid for twice.

The long part: `pytest tests/at_most_once --soak SECONDS --kills all`.
"""

import signal
from collections.abc import Iterator
from functools import cache

import pytest

from reconciler.ledger import open_ledger
from tests.at_most_once.processes import Driver
from tests.at_most_once.projects import Stores
from tests.journey.conftest import MakeDesk, make_desk
from tests.postgres import fresh_database, postgres_server

__all__ = ["MakeDesk", "make_desk", "postgres_server"]

SHORT_SOAK = 4.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that make the proof long."""
    parser.addoption("--soak", type=float, metavar="SECONDS", default=SHORT_SOAK, help="how long the soak lasts")
    parser.addoption("--kills", choices=["some", "all"], default="some", help="at which points of apply to kill it")


@pytest.fixture(scope="session", autouse=True)
def hangups() -> None:
    """Let SIGHUP end processes, as a terminal does: what starts the tests may ignore it, and processes inherit that."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def soak_seconds(pytestconfig: pytest.Config) -> float:
    """How long the soak lasts."""
    # The default again: where pytest is not called with this folder, it reads this file too late for its options.
    return float(pytestconfig.getoption("--soak", SHORT_SOAK))


@pytest.fixture(scope="session")
def is_long(pytestconfig: pytest.Config) -> bool:
    """Whether every point is killed at, rather than a sample."""
    return bool(pytestconfig.getoption("--kills", "some") == "all")


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """Return a launcher of command lines as processes."""
    with Driver(tmp_path_factory.mktemp("processes")) as driver:
        yield driver


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    """The name of a store."""
    return str(request.param)


@pytest.fixture
def stores(request: pytest.FixtureRequest) -> Stores:
    """Where ledgers are, by the name of their store; the PostgreSQL one is this test's own, made when it is needed."""

    @cache
    def postgres() -> str:
        url = fresh_database(request.getfixturevalue("postgres_server"))
        with open_ledger(url) as ledger:
            ledger.initialise()
        return url

    return Stores(postgres)
