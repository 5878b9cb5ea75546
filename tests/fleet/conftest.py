"""A desk whose ledger is on PostgreSQL, and workers in threads of this process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import reconciler
from reconciler.fleet.engine import Engine
from reconciler.fleet.fleet import Fleet
from reconciler.fleet.worker import Worker, WorkerEvents, WorkerOptions
from reconciler.ledger import open_ledger
from reconciler.simulator.server import serve
from tests.journey.desk import Desk
from tests.postgres import fresh_database, postgres_server

__all__ = ["postgres_server"]

TICK_SECONDS = 0.05
PACE = {"delay": 0, "fastest": 20, "slowest": 60}
SPEED = 200.0
"""Simulated seconds a second: a run takes a third of a second."""


@pytest.fixture(scope="session")
def template(postgres_server: str) -> str:
    """The name of a database with an empty ledger and an empty queue, to copy."""
    url = fresh_database(postgres_server)
    with open_ledger(url) as ledger:
        ledger.initialise()
        arguments = ledger.server
        assert arguments is not None
        Engine(arguments).prepare()
    return url


@pytest.fixture
def ledger_url(postgres_server: str, template: str) -> str:
    """The URL of a ledger of the test's own."""
    return fresh_database(postgres_server, template)


MakeFloor = Callable[..., "Floor"]


class Floor(Desk):
    """A desk with workers beside it."""

    @contextmanager
    def workers(self, count: int = 1, concurrency: int = 2, **events: Any) -> Iterator[list[Worker]]:
        """Have workers at work."""
        with ExitStack() as opened:
            found = [opened.enter_context(self._worker(concurrency, events)) for _ in range(count)]
            yield found

    @contextmanager
    def _worker(self, concurrency: int, events: dict[str, Any]) -> Iterator[Worker]:
        environment = {**self.simulator.environment(), **self.extra}
        with reconciler.open_session(self.folder, environment=environment) as session:
            options = WorkerOptions(("default",), concurrency, TICK_SECONDS)
            worker = Fleet(session).worker(options, WorkerEvents(**events))
            thread = threading.Thread(target=worker.run)
            thread.start()
            try:
                yield worker
            finally:
                worker.stop()
                thread.join()

    def plan(self, *arguments: str) -> None:
        """Save a plan."""
        said = self.run("plan", "--out", "plan.json", *arguments)
        assert said.code == 0, said.err

    def submit(self, *arguments: str) -> str:
        """Submit that plan; return the apply's id."""
        said = self.run("submit", "--plan", "plan.json", *arguments)
        assert said.code == 0, said.err
        return said.out.strip()

    def follow(self, apply_id: str, seconds: float = 30.0) -> tuple[int, Any]:
        """Follow an apply to its report as JSON; return the exit code, too."""
        said = self.run("follow", apply_id, "--format", "json", "--timeout", str(seconds))
        assert said.out, said.err
        return said.code, said.json


@pytest.fixture
def make_floor(tmp_path: Path, capsys: pytest.CaptureFixture[str], ledger_url: str) -> Iterator[MakeFloor]:
    """Return a function that sets up a desk over the tables given."""
    with ExitStack() as stack:

        def make(*tables: dict[str, Any], speed: float = SPEED, **world: Any) -> Floor:
            simulator = stack.enter_context(serve({"tables": list(tables), "pace": PACE, **world}, speed=speed))
            return Floor(tmp_path, simulator, capsys, {"RECONCILER_LEDGER": ledger_url})

        yield make
