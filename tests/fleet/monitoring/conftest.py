"""Figures, health and a server of a worker; its time stands still until a test moves it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.fleet.monitoring.health import Health
from reconciler.fleet.monitoring.metrics import Metrics
from reconciler.fleet.monitoring.server import MonitoringServer


@dataclass
class Watched:
    """A worker's monitoring, as a machine sees it."""

    now: float = 1000.0
    metrics: Metrics = field(init=False)
    health: Health = field(init=False)
    server: MonitoringServer = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = Metrics(lambda: self.now)
        self.health = Health(clock=lambda: self.now)
        self.server = MonitoringServer("127.0.0.1", 0, self.metrics, self.health)

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Ask for a page; return its status and text."""
        try:
            with urlopen(Request(f"http://127.0.0.1:{self.server.port}{path}", method=method), timeout=5) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def samples(self) -> dict[str, float]:
        """Return what `/metrics` shows, as a scraper reads it: `name{label="…"}` → value."""
        return {
            sample.name + "".join(f"{{{name}={value}}}" for name, value in sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.get("/metrics")[1])
            for sample in family.samples
        }


@pytest.fixture
def make_watched() -> Iterator[Callable[[], Watched]]:
    """Return a function that sets one up."""
    with ExitStack() as stack:

        def make() -> Watched:
            watched = Watched()
            stack.enter_context(watched.server)
            return watched

        yield make


@pytest.fixture
def watched(make_watched: Callable[[], Watched]) -> Watched:
    """Return one."""
    return make_watched()
