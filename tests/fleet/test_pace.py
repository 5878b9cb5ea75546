"""The rate that machines share, at its edges: the first hold, and the end of a worker."""

import threading
from collections.abc import Callable

import psycopg
import pytest

from reconciler.errors import NotSent
from reconciler.fleet.pace import SharedPace
from reconciler.ledger import open_ledger
from reconciler.operations.apply_events import Interrupt
from tests.fleet.test_shared_limits import wait_until

IS_BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def test_two_workers_may_be_the_first_that_are_asked_to_wait(new_ledger: Callable[[], str]) -> None:
    """Both write the workspace's first row, and the longer hold counts."""
    url = new_ledger()
    failed: list[BaseException] = []
    with open_ledger(url) as ledger, psycopg.connect(url) as other:
        other.execute("INSERT INTO reconciler.rates (workspace, next_at, held_until) VALUES ('gtm', 0, 0)")

        def hold() -> None:
            try:
                ledger.rates.hold("gtm", 60.0)
            except Exception as error:
                failed.append(error)

        thread = threading.Thread(target=hold)
        thread.start()
        with psycopg.connect(url, autocommit=True) as watcher:
            wait_until(lambda: watcher.execute(IS_BLOCKED).fetchone() == (1,))
        other.commit()
        thread.join()
        assert failed == []
        ledger.rates.hold("gtm", 1.0)
        assert 55 < ledger.rates.held("gtm") <= 60


@pytest.mark.parametrize("rate", [None, 0.001])
def test_a_worker_that_ends_reads_nothing_past_the_rate(new_ledger: Callable[[], str], rate: float | None) -> None:
    """Its waiting ends at once, and the read with it; a call asks by itself whether it may still be sent."""
    interrupt = Interrupt()
    with open_ledger(new_ledger()) as ledger:
        ledger.rates.hold("gtm", 60.0)
        pace = SharedPace(ledger.rates, "gtm", rate, interrupt)
        interrupt.set()
        pace.admit()
        with pytest.raises(NotSent, match="told to end"):
            pace.admit_read()
