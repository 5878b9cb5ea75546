"""The desk, with a simulator whose time stands still until a test moves it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from tests.journey.desk import FILL, Desk, accounts

MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[MakeDesk]:
    """Return a function that sets up a desk over the tables given."""
    with ExitStack() as stack:

        def make(*tables: dict[str, Any], **serving: Any) -> Desk:
            serving.setdefault("clock", ManualClock())
            paced = {"pace": serving.pop("pace")} if "pace" in serving else {}
            simulator = stack.enter_context(serve({"tables": list(tables), **paced}, **serving))
            return Desk(tmp_path, simulator, capsys)

        yield make


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """Return a desk over the accounts table, with a manifest that fills and retries it."""
    desk = make_desk(accounts())
    desk.write(FILL)
    return desk
