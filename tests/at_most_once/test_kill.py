"""SIGKILL at every named point of apply: real processes, real HTTP, both stores, four server delays."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, cycle, product
from pathlib import Path

import pytest

from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.server import serve
from tests.at_most_once.driver import Point, points
from tests.at_most_once.processes import Driver
from tests.at_most_once.projects import (
    COLUMNS,
    SPEED,
    NotAtRestError,
    Project,
    Stores,
    T,
    recover,
    table,
    table_id,
    workspace,
)

DELAYS = (0.0, 0.05, 0.3, 1.2)
"""Seconds between a run call's arrival and its work: a killed client's call still lands, the last one after T."""
AT_ONCE = 8
"""Projects under way together; each of them mostly waits."""
TABLES = {True: 1400, False: 60}
"""Of each delay, in the long run and the short."""
MOST = len(COLUMNS) + 1
"""A point is passed so often at most before the kill: by the first call of the second table."""
SAMPLE = 24
"""Points of the short run; it kills at each on one store, by turns."""


@dataclass(frozen=True)
class Case:
    """One kill."""

    point: Point
    nth: int
    delay: int
    store: str

    def __str__(self) -> str:
        return f"{self.point} for the {self.nth}. time, {DELAYS[self.delay]} s, {self.store}"


@dataclass(frozen=True)
class Aftermath:
    """The result of one kill."""

    case: Case
    was_killed: bool
    calls: int
    duplicates: int
    lost: int
    in_doubt: int

    @property
    def is_missed(self) -> bool:
        """Whether its point was not reached, although the call before it was answered within T."""
        return not self.was_killed and DELAYS[self.case.delay] < T


@pytest.fixture(scope="module")
def simulator(is_long: bool) -> Iterator[LiveSimulator]:
    """Serve more tables than there are cases; a table's family says how late its run calls are worked on."""
    families = range(len(DELAYS))
    tables = [table(table_id(number, family)) for family, number in product(families, range(TABLES[is_long]))]
    with serve(workspace(tables), speed=SPEED) as simulator:
        for family, delay in enumerate(DELAYS):
            if delay:
                simulator.fault("latency", "POST", f"/v1/tables/{family}*/run", seconds=delay)
        yield simulator


NUMBERS = tuple(count() for _ in DELAYS)


def project_for(case: Case | str, tmp: Path, simulator: LiveSimulator, driver: Driver, stores: Stores) -> Project:
    """Make a project with two tables that no other project has, one after the other in a single lane."""
    store, family = (case, 0) if isinstance(case, str) else (case.store, case.delay)
    number = next(NUMBERS[family])
    folder = tmp / f"{family}-{number}"
    tables = [table_id(2 * number + each, family) for each in range(2)]
    return Project.make(folder, simulator, driver, tables, stores.url(store, folder), run_concurrency=1)


def reached(tmp: Path, simulator: LiveSimulator, driver: Driver, stores: Stores) -> dict[str, dict[Point, int]]:
    """Return how often an undisturbed apply gets to each point, by store."""
    found = {}
    for store in ("sqlite", "postgres"):
        project = project_for(store, tmp, simulator, driver, stores)
        counts = tmp / f"{store}.json"
        done = project.apply(count_to=counts)
        assert done.code == 0, done.err
        found[store] = {Point.parse(name): times for name, times in json.loads(counts.read_text()).items()}
    return found


def cases(counts: dict[str, dict[Point, int]], *, is_long: bool) -> list[Case]:
    """Choose where to kill: everywhere with every delay on both stores, or at an even sample of points, by turns."""
    named = [point for point in points() if all(point in counts[store] for store in counts)]
    assert len(named) >= 40
    if is_long:
        return [
            # A call answered after T is in doubt, and its table's other calls are not sent: no second time.
            Case(point, 1 + (index + delay) % min(MOST, counts[store][point]) * (DELAYS[delay] < T), delay, store)
            for (index, point), delay, store in product(enumerate(named), range(len(DELAYS)), counts)
        ]
    some = named[:: max(1, len(named) // SAMPLE)][:SAMPLE]
    each = zip(enumerate(some), cycle(counts))
    return [
        Case(point, 1 + index % min(MOST, counts[store][point]), index % 3, store) for (index, point), store in each
    ]


def kill(case: Case, tmp: Path, simulator: LiveSimulator, driver: Driver, stores: Stores) -> Aftermath:
    """Kill an apply at a point, bring its project to rest, and count what was paid for."""
    project = project_for(case, tmp, simulator, driver, stores)
    killed = project.apply(at=(case.point, case.nth))
    recovery = recover(project)
    charges = project.charges()
    with project.ledger() as ledger:
        calls = [call for call in ledger.calls() if call.table_id in project.tables]
    assert all(call.payments == 1 for call in calls if call.state == "accepted"), case
    return Aftermath(
        case,
        killed.code == -9,
        sum(call.attempt for call in calls),
        sum(times - 1 for times in charges.values() if times > 1),
        len(project.every_cell() - charges.keys()),
        recovery.in_doubt,
    )


def kill_if_calm(case: Case, tmp: Path, simulator: LiveSimulator, driver: Driver, stores: Stores) -> Aftermath | None:
    """Kill as `kill` does; None if the machine was too busy for the project to come to rest."""
    try:
        return kill(case, tmp, simulator, driver, stores)
    except NotAtRestError:
        return None


def test_a_kill_at_any_point_of_apply_buys_nothing_twice_and_loses_nothing(
    tmp_path: Path,
    simulator: LiveSimulator,
    driver: Driver,
    stores: Stores,
    is_long: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Wherever apply dies, the applies after it buy every due cell once, and a doubt is said before it is ended."""
    stores.url("postgres", tmp_path)
    began = time.monotonic()
    planned = cases(reached(tmp_path, simulator, driver, stores), is_long=is_long)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        first = list(pool.map(lambda case: kill_if_calm(case, tmp_path, simulator, driver, stores), planned))
    # On a busy machine a call below T may go unanswered, and what follows it is not reached: try those by themselves.
    ends = [end for end in first if end is not None]
    missed = [case for case, end in zip(planned, first, strict=True) if end is None or end.is_missed]
    again = [kill(case, tmp_path, simulator, driver, stores) for case in missed]
    ends += again
    kills = sum(end.was_killed for end in ends)
    figures = Counter(
        points=len({end.case.point for end in ends}),
        kills=kills,
        calls=sum(end.calls for end in ends),
        duplicates=sum(end.duplicates for end in ends),
        lost_cells=sum(end.lost for end in ends),
        ended_by_a_person=sum(end.in_doubt for end in ends),
        seconds=round(time.monotonic() - began),
    )
    if is_long:
        with capsys.disabled():
            told = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in figures.items())
            # The output of xdist's processes goes nowhere else.
            print("\nkilled:", told, file=sys.stderr)  # noqa: T201
    assert [(str(end.case), end.duplicates, end.lost) for end in ends if end.duplicates or end.lost] == []
    # What comes after a clear answer is not reached where none comes within T.
    assert [str(end.case) for end in again if end.is_missed] == []
    assert figures["points"] >= (40 if is_long else SAMPLE)
    assert figures["calls"] >= len(COLUMNS) * len(ends)
