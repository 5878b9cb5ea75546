"""A lease is a row with owner, expiry by the store's clock and a fencing number that every intent checks."""

import pytest

from reconciler.errors import Leased, LedgerError
from reconciler.ledger import EventKind, Ledger
from tests.ledger.calls_and_actors import ALICE, OTHER_TABLE, ROBOT, TABLE, Clock, a_call, begin

BOTH = [TABLE, OTHER_TABLE]


def test_leases_are_taken_for_all_tables_in_order(ledger: Ledger, clock: Clock) -> None:
    """Sorted by table, each with a fence, an end and the table's version."""
    begin(ledger, a_call())
    leases = ledger.acquire([OTHER_TABLE, TABLE], owner="one", actor=ROBOT, seconds=60)
    assert [lease.table_id for lease in leases] == sorted(BOTH)
    assert [lease.table_version for lease in leases] == [1, 0]
    first = leases[0]
    assert (first.owner, first.actor, first.fence, first.remaining_seconds) == ("one", ROBOT, 1, 60)
    assert (first.acquired_at, first.expires_at) == (clock.now, clock.now + 60)


def test_a_held_lease_is_refused_with_its_holder(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    """Who, since when, which CI run, until when; and none of the other tables is taken."""
    ledger.acquire([TABLE], owner="one", actor=ROBOT, seconds=60)
    clock.now += 15
    with pytest.raises(Leased) as caught:
        other.acquire(BOTH, owner="two", actor=ALICE, seconds=60)
    assert caught.value.message == (
        f"another apply holds table {TABLE}: ci (CI run https://ci.example/runs/7), since 2027-01-15 08:00:00 UTC, "
        "for 45 s more (until 2027-01-15 08:01:00 UTC) unless it is renewed"
    )
    assert [lease.owner for lease in other.leases()] == ["one"]


def test_a_lease_runs_out_by_the_stores_clock(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    """A killed apply blocks others no longer than that; the next fence is higher."""
    ledger.acquire([TABLE], owner="one", actor=ROBOT, seconds=60)
    clock.now += 60
    (lease,) = other.acquire([TABLE], owner="two", actor=ALICE, seconds=60)
    assert (lease.owner, lease.fence) == ("two", 2)


def test_an_intent_under_the_lease_is_begun(ledger: Ledger, clock: Clock) -> None:
    """Up to the lease's last moment."""
    (lease,) = ledger.acquire([TABLE], owner="one", actor=ALICE, seconds=60)
    clock.now += 59.9
    assert begin(ledger, a_call(), lease=lease).table_version == 1


def test_an_intent_under_an_expired_lease_is_refused(ledger: Ledger, clock: Clock) -> None:
    """Also when it was not taken over: calls may have been recovered in the meantime."""
    (lease,) = ledger.acquire([TABLE], owner="one", actor=ALICE, seconds=60)
    clock.now += 60
    with pytest.raises(Leased, match="lost"):
        begin(ledger, a_call(), lease=lease)
    assert ledger.calls() == []


def test_an_intent_under_a_fenced_lease_is_refused(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    """A process that was paused while another took over cannot begin anything."""
    (stale,) = ledger.acquire([TABLE], owner="one", actor=ALICE, seconds=60)
    clock.now += 61
    other.acquire([TABLE], owner="two", actor=ROBOT, seconds=60)
    with pytest.raises(Leased, match=r"lost.*ci"):
        begin(ledger, a_call(), lease=stale)


def test_the_same_owners_older_lease_is_fenced_too(ledger: Ledger) -> None:
    """An owner may take its lease again, and the older one is worthless then."""
    (first,) = ledger.acquire([TABLE], owner="one", actor=ALICE, seconds=60)
    (second,) = ledger.acquire([TABLE], owner="one", actor=ALICE, seconds=60)
    with pytest.raises(Leased):
        begin(ledger, a_call(), lease=first)
    begin(ledger, a_call(), lease=second)


def test_an_intent_without_a_lease_waits_for_a_live_one(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    """Whoever does not lease is still kept out by one who does."""
    ledger.acquire([TABLE], owner="one", actor=ROBOT, seconds=60)
    with pytest.raises(Leased, match="holds table"):
        begin(other, a_call())
    clock.now += 60
    begin(other, a_call())


def test_a_lease_of_another_table_is_refused(ledger: Ledger) -> None:
    """A lease is the right to one table."""
    (lease,) = ledger.acquire([OTHER_TABLE], owner="one", actor=ALICE, seconds=60)
    with pytest.raises(LedgerError, match="the lease for"):
        begin(ledger, a_call(), lease=lease)


def test_renewing_extends_all_or_none(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    """A lease that was lost means that sending stops, so the others are not kept either."""
    leases = ledger.acquire(BOTH, owner="one", actor=ALICE, seconds=60)
    clock.now += 45
    leases = ledger.renew(leases, seconds=60)
    assert [lease.expires_at for lease in leases] == [clock.now + 60] * 2
    clock.now += 59
    other.force_release(TABLE, reason="dead", actor=ROBOT)
    with pytest.raises(Leased, match="lost"):
        ledger.renew(leases, seconds=60)
    assert [lease.remaining_seconds for lease in other.leases()] == [1]


def test_an_expired_lease_is_not_renewed(ledger: Ledger, clock: Clock) -> None:
    """Its owner was away for too long to know what happened."""
    leases = ledger.acquire([TABLE], owner="one", actor=ALICE, seconds=60)
    clock.now += 60
    with pytest.raises(Leased, match="lost"):
        ledger.renew(leases, seconds=60)


def test_a_released_lease_is_free_at_once(ledger: Ledger, other: Ledger) -> None:
    """The next apply does not wait for the expiry; releasing twice does no harm to it."""
    leases = ledger.acquire(BOTH, owner="one", actor=ALICE, seconds=60)
    ledger.release(leases)
    taken = other.acquire(BOTH, owner="two", actor=ROBOT, seconds=60)
    ledger.release(leases)
    assert other.leases() == list(taken)


def test_a_person_can_release_a_lease(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    """The holder is fenced, and the audit trail says who did it and why."""
    (lease,) = ledger.acquire([TABLE], owner="one", actor=ROBOT, seconds=600)
    released = other.force_release(TABLE, reason="runner died", actor=ALICE)
    assert released is not None
    assert released.actor == ROBOT
    with pytest.raises(Leased):
        begin(ledger, a_call(), lease=lease)
    (taken,) = other.acquire([TABLE], owner="two", actor=ALICE, seconds=60)
    assert taken.fence == 3
    event = [line for line in other.export() if '"lease_released"' in line]
    assert len(event) == 1
    assert EventKind.LEASE_RELEASED in event[0]
    assert "runner died" in event[0]


@pytest.mark.parametrize("table", [TABLE, "no such table"])
def test_releasing_what_is_not_held_does_nothing(ledger: Ledger, table: str) -> None:
    """No event, no row."""
    ledger.release(ledger.acquire([TABLE], owner="one", actor=ALICE, seconds=60))
    before = list(ledger.export())[1:]
    assert ledger.force_release(table, reason="?", actor=ALICE) is None
    assert list(ledger.export())[1:] == before


def test_a_thousand_tables_are_leased_at_once(ledger: Ledger) -> None:
    """More than one statement may name, still one transaction."""
    tables = [f"table-{number}" for number in range(1200)]
    leases = ledger.acquire(tables, owner="one", actor=ALICE, seconds=60)
    assert len(ledger.renew(leases, seconds=90)) == 1200
    ledger.release(leases)
    assert ledger.leases() == []
