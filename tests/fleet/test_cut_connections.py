"""Whatever cuts a worker's connections to PostgreSQL, each cell is charged once, and none is lost."""

from itertools import count

import pytest

from tests.at_most_once.rival_applies import ALL
from tests.at_most_once.small_tables import fill, settings, small_table
from tests.fleet.conftest import MakeFloor
from tests.journey.desk import ACCOUNTS, PARTNERS
from tests.ledger.losing_proxy import LosingProxy

CUTS = 10
"""After which the network is well again; a worker that is cut too often never gets to anything."""


@pytest.mark.long
@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("every", [7, 17, 23])
def test_a_worker_whose_connections_are_cut_goes_on(make_floor: MakeFloor, how: str, every: int) -> None:
    """A job whose delivery was lost goes on once the worker that it was for counts as dead."""
    floor = make_floor(small_table(ACCOUNTS, 10), small_table(PARTNERS, 20))
    floor.write(settings(send_within_seconds=2, call_seconds=5, lease_seconds=5, quiet_seconds=10), "reconciler.yaml")
    floor.write(fill(ACCOUNTS, "accounts", ALL))
    floor.write(fill(PARTNERS, "partners", ALL), "manifests/partners.yaml")
    floor.plan()
    direct, cuts = floor.extra["RECONCILER_LEDGER"], count()
    with LosingProxy(direct) as proxy:
        apply_id = floor.submit()
        proxy.cuts = lambda number: how if number > 20 and number % every == 0 and next(cuts) < CUTS else ""
        floor.extra["RECONCILER_LEDGER"] = proxy.address
        with floor.workers():
            floor.extra["RECONCILER_LEDGER"] = direct
            code, report = floor.follow(apply_id, 120)
    assert next(cuts) > CUTS
    assert (code, report["totals"]["accepted"]) == (0, 4)
    assert list(floor.charged().values()) == [1] * 12
