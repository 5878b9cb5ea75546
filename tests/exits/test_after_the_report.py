"""Trouble after the report or instead of it decides no exit code, and one signal ends a hanging wait."""

import fcntl
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from reconciler.simulator.live import LiveSimulator
from tests.at_most_once.small_tables import ledger_path
from tests.exits.conftest import Start
from tests.exits.test_output_that_fails import IN_DOUBT, tells_the_outcomes
from tests.journey.desk import Desk

RUNS = "/v1/tables/*/run"


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, *(pytest.param(each, marks=pytest.mark.long) for each in (signal.SIGINT, signal.SIGHUP))]
)
def test_a_signal_after_the_report_changes_no_exit_code(office: Desk, start: Start, number: signal.Signals) -> None:
    """The interpreter takes half a second to end, and the code is settled before."""
    process = start("apply", "--yes", "--no-wait")
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        if line.startswith(b"Applied"):
            break
    process.send_signal(number)
    assert process.wait(20) == IN_DOUBT
    assert b"Traceback" not in process.stderr.read()
    process.stdout.close()
    process.stderr.close()


def test_a_stderr_that_is_full_changes_no_exit_code(office: Desk, start: Start) -> None:
    """Python itself would end with 120 for it."""
    process = start(shell="reconciler apply --yes --no-wait 2> /dev/full")
    process.communicate(timeout=60)
    assert process.returncode == IN_DOUBT


@pytest.mark.parametrize("option", ["--out", "--profile"])
@pytest.mark.parametrize("name", [".reconciler/ledger.db", ".reconciler/ledger.db-wal", "reconciler.yaml"])
def test_no_answer_replaces_a_file_of_the_project(office: Desk, option: str, name: str) -> None:
    """Least of all the ledger: everything that was bought would be forgotten."""
    assert office.run("ledger", "init").code == 0
    for command in ("apply", "plan"):
        said = office.run(command, option, name, *(["--yes"] if command == "apply" else []))
        assert (said.code, office.posts()) == (1, [])
        assert "names a file of the project" in said.err
    assert ledger_path(office).read_bytes().startswith(b"SQLite format 3")


def _hang(simulator: LiveSimulator) -> None:
    simulator.fault("hang", method="GET", path="/v1/tables/*", seconds=60, when="before")


def test_one_signal_ends_the_waiting_also_while_a_reading_hangs(office: Desk, start: Start, tmp_path: Path) -> None:
    """Nothing is in flight that it would have to wait for: the report comes within seconds."""
    process = start("apply", "--yes", "--wait")
    deadline = time.monotonic() + 20
    while len(office.posts()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    _hang(office.simulator)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == IN_DOUBT
    assert b"Applied" in out


def test_a_reader_that_has_stopped_reading_holds_nothing_up(office: Desk, start: Start) -> None:
    """The pipe is full and stays full: one signal lets the report go to stderr, with the code of the outcomes."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, bytes(4000))
    process = start("apply", "--yes", "--no-wait", "--format", "json", stdout=writer)
    assert process.stderr is not None
    deadline = time.monotonic() + 20
    while len(office.posts()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == IN_DOUBT
    assert tells_the_outcomes(process.stderr.read().decode(), office)
    process.stderr.close()
    os.close(reader)
    os.close(writer)
