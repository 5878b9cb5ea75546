"""One plan and one apply in a process that is going to be forked, so that its forks need not load and compile it all.

A fork has what every process of the program makes for itself before its first call: modules, schemas, statements of
the ledger. It keeps nothing else: the world of the warm-up is gone before the first fork.
"""

import os
import tempfile
import threading
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

from reconciler.cli.group import run
from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from tests import compiled_statements
from tests.example_counts import ALL
from tests.journey.desk import FILL, accounts, environment

COMMANDS = (
    ["ledger", "init"],
    ["plan", "--format", "json"],
    ["apply", "--yes", "--no-wait", "--format", "json"],
    ["plan"],
    ["ledger", "list"],
)


def warm_up() -> None:
    """Play the commands; with `EXAMPLES=all` do nothing, so that each fork begins cold, as a process does."""
    if ALL:
        return
    compiled_statements.share()
    with (
        tempfile.TemporaryDirectory() as folder,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        serve({"tables": [accounts()]}, clock=ManualClock()) as simulator,
    ):
        Path(folder, "manifests").mkdir()
        Path(folder, "manifests", "accounts.yaml").write_text(FILL, encoding="utf-8")
        with chdir(folder), environment(simulator.environment()), redirect_stdout(nowhere), redirect_stderr(nowhere):
            codes = [run(command) for command in COMMANDS]
    assert codes == [0] * len(COMMANDS), codes
    for thread in threading.enumerate():  # a fork has none of them
        if thread is not threading.current_thread():
            thread.join()
