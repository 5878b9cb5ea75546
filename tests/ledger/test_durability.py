"""An intent is durable before `begin` returns: a process killed right after it leaves it behind (R2)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.ledger import Ledger
from reconciler.model.history import CallState
from tests.ledger.calls_and_actors import TABLE, a_call, state_of

KILLED = """
import os, signal, sys
from reconciler.ledger import open_ledger
from tests.ledger.calls_and_actors import a_call, accepted, begin
ledger = open_ledger(sys.argv[1])
ticket = begin(ledger, a_call(), version=0)
if sys.argv[2] == "end":
    ledger.end(ticket, accepted())
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("point", "state"), [("begin", CallState.INTENT), ("end", CallState.ACCEPTED)])
def test_a_killed_process_leaves_its_record(url: str, ledger: Ledger, point: str, state: CallState) -> None:
    """Killed with SIGKILL the moment the call returned."""
    run = subprocess.run(
        [sys.executable, "-c", KILLED, url, point],
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    assert run.returncode == -signal.SIGKILL
    assert state_of(ledger, a_call()) == (state, 1)
    assert ledger.recall([TABLE])[TABLE].version == 1
