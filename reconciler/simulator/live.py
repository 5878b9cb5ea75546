"""A running simulator with its oracle and controls for tests, however requests reach it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from reconciler.simulator.application import Seen, Simulator
from reconciler.simulator.faults import Fault
from reconciler.simulator.world.clock import Clock, RunningClock
from reconciler.simulator.world.workspace import Workspace
from reconciler.simulator.world.world import World


class LiveSimulator:
    """A simulator that is reachable at a URL."""

    def __init__(self, simulator: Simulator, url: str) -> None:
        self._simulator = simulator
        self.url = url
        """Its base URL, without a trailing slash."""

    @property
    def token(self) -> str:
        """The only token it accepts."""
        return self._simulator.workspace.token

    @property
    def state(self) -> World:
        """The current world; hold `state.lock` while reading more than one thing."""
        world = self._simulator.world
        with world.lock:
            world.settle()
        return world

    def environment(self) -> dict[str, str]:
        """Return the variables that point a client at it."""
        return {"EXTRUCT_API_URL": self.url, "EXTRUCT_API_TOKEN": self.token}

    def charges(self) -> dict[tuple[str, str, str], int]:
        """Return how often each cell was paid for, by (table id, column id, row id); unpaid cells are left out."""
        with self.state.lock:
            return self.state.charges()

    def requests(self) -> list[tuple[str, str, Any]]:
        """Return method, path without query, and decoded body of every request, oldest first."""
        return [(seen.method, seen.path, seen.body) for seen in self.seen()]

    def seen(self) -> list[Seen]:
        """Return the requests with query, headers and time."""
        return list(self._simulator.seen)

    @property
    def highest_concurrency(self) -> int:
        """The highest number of requests in progress at once."""
        return self._simulator.highest

    def advance(self, seconds: float) -> None:
        """Move simulated time forward."""
        self._simulator.advance(seconds)

    def finish(self) -> None:
        """Move simulated time forward until no cell is in progress."""
        self._simulator.finish()

    def drain(self, seconds: float = 10.0) -> bool:
        """Wait in real time until no request is in progress; return whether that happened.

        A client that gave up on an answer does not stop the work: read charges after this.
        """
        return self._simulator.drain(seconds)

    def fault(self, kind: str, method: str = "*", path: str = "*", **settings: Any) -> int:
        """Set a fault, with the fields of `faults.Fault`; return its number."""
        given = {"kind": kind, "method": method, "path": path, **settings}
        return self._simulator.faults.add(msgspec.convert(given, Fault))

    def clear_faults(self) -> None:
        """Remove every fault."""
        self._simulator.faults.clear()

    def reset(self) -> None:
        """Start over with the workspace as described."""
        self._simulator.reset()


def make(
    workspace: Workspace | Mapping[str, Any] | None = None,
    *,
    seed: int = 7,
    clock: Clock | None = None,
    speed: float = 1.0,
) -> Simulator:
    """Return a simulator that is not connected to anything yet. Raises ValueError for an invalid dictionary."""
    described = workspace if isinstance(workspace, Workspace) else Workspace.parse(workspace or {})
    return Simulator(described, seed, clock or RunningClock(speed))
