"""A pause at every named point between intent and answer, long enough for others to recover the call (R1, R3, R6)."""

import linecache
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count, product
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.server import serve
from tests.at_most_once.driver import Point, code_of, points
from tests.at_most_once.processes import Driver, Process
from tests.at_most_once.projects import SPEED, LockedError, Project, Stores, recover, table, table_id, workspace

AT_ONCE = 6
TABLES = 700
SAMPLE = 8
BETWEEN = ("Apply._attempt", "Apply._post", "Leases.begin")
"""Not within a transaction: one that stops there keeps the store locked, and the others say so and send nothing."""
WITNESS = "_Exchange.witness"
SENDING = ("SpendClient.send", "SpendClient._request", "SpendClient._post", "SpendClient._exchange", WITNESS)
UNGUARDED = frozenset(
    {
        "self.may_have_sent = True",
        "if step == _CONNECTED:",
    }
)
"""Between a look at a clock and what it allows there always is a line; a stall of Q - T right there remains."""
NUMBERS = count()


def is_guarded(point: Point) -> bool:
    """Say whether a clock is looked at between the point and the next byte that is sent."""
    code = code_of(point.module, point.function)
    text = linecache.getline(code.co_filename, code.co_firstlineno + point.line).strip()
    return text not in UNGUARDED or point.function != WITNESS


@pytest.fixture(scope="module")
def simulator() -> Iterator[LiveSimulator]:
    """Serve a table for each case."""
    with serve(workspace(table(table_id(number)) for number in range(TABLES)), speed=SPEED) as simulator:
        yield simulator


def has_stopped(process: Process) -> bool:
    """Wait until a process has stopped itself or ended, and say which."""
    while not process.has_ended:
        with suppress(FileNotFoundError, ProcessLookupError):
            state = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
            if process.pid and state == "T":
                return True
        time.sleep(0.02)
    return False


def pause(point: Point, nth: int, store: str, project: Project) -> tuple[bool, str]:
    """Stop an apply at a point until others have done all the work; return whether that happened and what is wrong."""
    process = project.start("apply", "--yes", "--no-wait", at=(point, nth), blow=SIGSTOP)
    paused = has_stopped(process)
    exits: list[object] = []
    try:
        exits.append(recover(project).codes)
    except LockedError:
        exits.append("locked")
    finally:
        process.signal(SIGCONT)
    exits.append(process.wait())
    exits.append(recover(project).codes)
    charges = project.charges()
    wrong = {cell: charges[cell] for cell in project.every_cell() if charges[cell] != 1}
    if not wrong:
        return paused, ""
    story = [f"{point} for the {nth}. time, {store}", f"charged: {wrong}", f"exits of others, it, others: {exits}"]
    story += [process.out, process.err, *project.story()]
    return paused, "\n".join(story)


def test_a_pause_anywhere_before_the_answer_buys_nothing_twice(
    tmp_path: Path, simulator: LiveSimulator, driver: Driver, stores: Stores, is_long: bool
) -> None:
    """An apply that wakes up after others have recovered its call sends nothing, wherever it had stopped."""
    stores.url("postgres", tmp_path)
    named = [point for point in points() if point.function in (*BETWEEN, *SENDING) and is_guarded(point)]
    if not is_long:
        named = named[:: len(named) // SAMPLE]

    def run(case: tuple[Point, int, str]) -> tuple[bool, str]:
        point, nth, store = case
        number = next(NUMBERS)
        folder = tmp_path / str(number)
        project = Project.make(folder, simulator, driver, [table_id(number)], stores.url(store, folder))
        return pause(point, nth, store, project)

    chosen = list(product(named, (1, 3), ("sqlite", "postgres")))
    if not is_long:
        chosen = [(point, 1 + index % 3, ("sqlite", "postgres")[index % 2]) for index, point in enumerate(named)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(run, chosen))
    wrong = [story for _, story in ends if story]
    assert not wrong, "\n\n".join(wrong)
    assert sum(paused for paused, _ in ends) >= len(ends) // 2
