"""Eight applies at once, some of them killed: together they never pass a budget, and nothing due is lost once it turns.

What is charged is counted at the simulator's wire. In one process, each apply in a thread with a ledger of its own;
`EXAMPLES=all` adds more seeds and PostgreSQL.
"""

import itertools
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from reconciler.errors import ReconcilerError
from reconciler.model.attempt import Receipt
from reconciler.model.plan import Call
from reconciler.model.report import Report
from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from tests.at_most_once.projects import Stores
from tests.at_most_once.rival_applies import Dead, Killed, Party, Stage, StoreClock
from tests.at_most_once.small_tables import CELLS, fill, small_table
from tests.example_counts import portion

APPLIES = 8
COLUMNS = ("news", "notes")
EVERY_CELL = APPLIES * len(COLUMNS) * CELLS
A_DAY = 86_400.0
LIMITS: dict[str, dict[str, Any]] = {
    "cells of the project": {"per_day": {"max_cells": 20}},
    "credits of a month": {"per_month": {"max_credits": 20.5}, "timezone": "Asia/Kathmandu"},
    "credits of a label": {"per_label": {"team=gtm": {"per_day": {"max_credits": 20}}}},
}
MOST = 20
"""Cells, of 1 credit each, that each of these lets through in one window: six calls and no more."""
CASES = [(limits, store, seed) for limits in LIMITS for store in ("sqlite", "postgres") for seed in range(8)]


def table_id(number: int) -> str:
    """Return the id of a party's own table."""
    return str(UUID(int=(4 << 76) | (2 << 62) | (number + 1)))


class Doom:
    """Kills applies as they send: of the first four run calls of a window two are chosen, whoever sends them.

    By the calls of all applies, not by one's own: which of them get into the budget, only the threads' turns tell.
    """

    def __init__(self, luck: random.Random) -> None:
        """Choose the calls that kill their senders, each before it is sent or after."""
        self.doomed = {number: luck.choice(["before", "after"]) for number in luck.sample(range(4), 2)}
        self.numbers = itertools.count()

    def around(self, party: Party) -> Callable[[Callable[[], Receipt], Call], Receipt]:
        """Return what stands around a party's run calls."""

        def send_or_die(send: Callable[[], Receipt], call: Call) -> Receipt:
            doom = self.doomed.get(next(self.numbers))
            if doom is None:
                return send()
            if doom == "after":
                send()
            party.ledger.close()
            party.ledger.__class__ = Dead
            raise Killed

        return send_or_die


def applied(party: Party) -> Report | None:
    """Apply; None if the party was killed, or refused before anything was sent."""
    try:
        return party.apply()
    except (Killed, ReconcilerError):
        return None


@pytest.mark.parametrize(("limits", "store", "seed"), portion(CASES)[::3], ids=str)
def test_a_budget_is_kept_by_applies_at_once(
    limits: str, store: str, seed: int, tmp_path: Path, stores: Stores
) -> None:
    """In every window at most what it allows is charged; in the end every cell once. What was not sent says why."""
    luck = random.Random(seed)
    world = {"tables": [small_table(table_id(number), 10 * number) for number in range(APPLIES)]}
    with serve(world, clock=ManualClock()) as simulator:
        stage = Stage(tmp_path, simulator, StoreClock(), ledger_url=stores.url(store, tmp_path))
        before, passed, killed = 0, 0, 0
        for window in range(9):
            parties, doom = [], Doom(luck)
            for number in range(APPLIES):
                text = fill(table_id(number), f"accounts-{number}").replace(
                    "metadata:", "metadata:\n  labels: {team: gtm}"
                )
                party = stage.party(manifest=text, limits=LIMITS[limits])
                party.around = doom.around(party) if window < 2 else None
                parties.append(party)
            with ThreadPoolExecutor(APPLIES) as pool:
                reports = list(pool.map(applied, parties))
            killed += sum(isinstance(party.ledger, Dead) for party in parties)
            charges = simulator.charges()
            assert sum(charges.values()) - before <= MOST
            before = sum(charges.values())
            for result in (result for report in reports if report is not None for result in report.results):
                if result.ending is not None and result.ending.passes_budget:
                    assert "and the budget is 20" in result.ending.detail
                    passed += 1
            simulator.finish()
            stage.clock.now += 31 * A_DAY
            if before == EVERY_CELL and None not in reports:
                break
        for handle in stage.handles:
            handle.close()
    assert set(charges.values()) == {1}
    assert len(charges) == EVERY_CELL
    assert passed > 0
    assert killed >= 2
