"""Fixtures for users' own tests: `pytest_plugins = ["reconciler.simulator.testing"]` in the outermost `conftest.py`.

Override the fixture `simulator_workspace` to set the initial workspace. Outside pytest,
`reconciler.simulator.server` has the same `serve`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from reconciler.simulator.live import LiveSimulator, make
from reconciler.simulator.server import serve
from reconciler.simulator.transport import SimulatorTransport
from reconciler.simulator.world.clock import Clock, ManualClock
from reconciler.simulator.world.workspace import Workspace

__all__ = ["LiveSimulator", "ManualClock", "SimulatorTransport", "Workspace", "in_process", "make", "serve"]


def in_process(
    workspace: Workspace | Mapping[str, Any] | None = None, *, seed: int = 7, clock: Clock | None = None
) -> SimulatorTransport:
    """Return a transport for `httpx.Client` and `httpx.AsyncClient` to a new simulator; its `live` is the oracle."""
    return SimulatorTransport(make(workspace, seed=seed, clock=clock or ManualClock()))


@pytest.fixture
def simulator_workspace() -> Workspace | Mapping[str, Any] | None:
    """Return the initial workspace: empty unless overridden."""
    return None


@pytest.fixture
def simulator_clock() -> ManualClock:
    """Return simulated time that stands still until `advance` or `finish`."""
    return ManualClock()


@pytest.fixture
def simulator(
    simulator_workspace: Workspace | Mapping[str, Any] | None, simulator_clock: ManualClock
) -> Iterator[LiveSimulator]:
    """Run a simulator on a free loopback port; its time stands still until it is advanced."""
    with serve(simulator_workspace, clock=simulator_clock) as live:
        yield live


@pytest.fixture
def simulator_transport(
    simulator_workspace: Workspace | Mapping[str, Any] | None, simulator_clock: ManualClock
) -> SimulatorTransport:
    """Return an in-process transport for `httpx.Client` and `httpx.AsyncClient`; its `live` is the oracle."""
    return in_process(simulator_workspace, clock=simulator_clock)
