"""The desk, at a simulator in which a run takes a moment of real time, so that an apply can wait for it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from reconciler.simulator.server import serve
from tests.journey.desk import Desk

PACE = {"delay": 0, "fastest": 100, "slowest": 100}
SPEED = 200.0
"""Simulated seconds a second: a run takes half a second, so that waiting sees it."""

MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[MakeDesk]:
    """Return a function that sets up a desk over the tables given."""
    with ExitStack() as stack:

        def make(*tables: dict[str, Any], **serving: Any) -> Desk:
            simulator = stack.enter_context(serve({"tables": list(tables), "pace": PACE}, speed=SPEED, **serving))
            return Desk(tmp_path, simulator, capsys)

        yield make
